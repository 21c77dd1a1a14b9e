# SPDX-License-Identifier: Apache-2.0
package tollgate.access_test

import data.tollgate.access

# What the gateway makes of these roles, so that plain "opa test" runs too:
#   reader:  allow github/get_*, github/list_issues, prompt:docs/*, */search_*
#   writer:  includes reader; allow github/*; deny github/delete_*
#   auditor: allow *; deny tool:github/get_secret, *:*/*_internal
#   careful: allow *[readOnlyHint], db/run[!destructiveHint,tag=code]; deny db/*[tag=pii], *[tag=old]
config := {
	"names": {
		"tool:github/list_issues": {"allow": {"reader": "github/list_issues", "writer": "github/list_issues"}},
		"tool:github/get_secret": {"deny": {"auditor": "tool:github/get_secret"}},
	},
	"globs": {
		"github": {
			"allow": {
				"reader": `^(?s:tool:github/get_.*)$`,
				"writer": `^(?s:tool:github/.*|tool:github/get_.*)$`,
			},
			"deny": {"writer": `^(?s:tool:github/delete_.*)$`},
		},
		"docs": {"allow": {
			"reader": `^(?s:prompt:docs/.*)$`,
			"writer": `^(?s:prompt:docs/.*)$`,
		}},
		"*": {
			"allow": {
				"reader": `^(?s:tool:[^/]*/search_.*)$`,
				"writer": `^(?s:tool:[^/]*/search_.*)$`,
				"auditor": `^(?s:[a-z]+:[^/]*/.*)$`,
			},
			"deny": {"auditor": `^(?s:[a-z]+:[^/]*/.*_internal)$`},
		},
	},
	"conditional": {
		"*": {
			"allow": {"careful": [{
				"regex": `^(?s:[a-z]+:[^/]*/.*)$`,
				"conditions": [{"hint": "readOnlyHint", "value": true, "is": true}],
			}]},
			"deny": {"careful": [{
				"regex": `^(?s:[a-z]+:[^/]*/.*)$`,
				"conditions": [{"tag": "old", "is": true}],
			}]},
		},
		"db": {
			"allow": {"careful": [{
				"regex": `^(?s:tool:db/run)$`,
				"conditions": [{"hint": "destructiveHint", "value": false, "is": true}, {"tag": "code", "is": true}],
			}]},
			"deny": {"careful": [{
				"regex": `^(?s:tool:db/.*)$`,
				"conditions": [{"tag": "pii", "is": true}],
			}]},
		},
	},
	"patterns": {
		"careful": {
			"allow": [
				{
					"role": "careful",
					"pattern": "*[readOnlyHint]",
					"regex": `^(?s:[a-z]+:[^/]*/.*)$`,
					"conditions": [{"hint": "readOnlyHint", "value": true, "is": true}],
				},
				{
					"role": "careful",
					"pattern": "db/run[!destructiveHint,tag=code]",
					"regex": `^(?s:tool:db/run)$`,
					"conditions": [{"hint": "destructiveHint", "value": false, "is": true}, {"tag": "code", "is": true}],
				},
			],
			"deny": [
				{
					"role": "careful",
					"pattern": "db/*[tag=pii]",
					"regex": `^(?s:tool:db/.*)$`,
					"conditions": [{"tag": "pii", "is": true}],
				},
				{
					"role": "careful",
					"pattern": "*[tag=old]",
					"regex": `^(?s:[a-z]+:[^/]*/.*)$`,
					"conditions": [{"tag": "old", "is": true}],
				},
			],
		},
		"reader": {
			"allow": [
				{"role": "reader", "pattern": "github/get_*", "regex": `^(?s:tool:github/get_.*)$`},
				{"role": "reader", "pattern": "github/list_issues", "regex": `^(?s:tool:github/list_issues)$`},
				{"role": "reader", "pattern": "prompt:docs/*", "regex": `^(?s:prompt:docs/.*)$`},
				{"role": "reader", "pattern": "*/search_*", "regex": `^(?s:tool:[^/]*/search_.*)$`},
			],
			"deny": [],
		},
		"writer": {
			"allow": [
				{"role": "writer", "pattern": "github/*", "regex": `^(?s:tool:github/.*)$`},
				{"role": "writer > reader", "pattern": "github/get_*", "regex": `^(?s:tool:github/get_.*)$`},
				{"role": "writer > reader", "pattern": "github/list_issues", "regex": `^(?s:tool:github/list_issues)$`},
				{"role": "writer > reader", "pattern": "prompt:docs/*", "regex": `^(?s:prompt:docs/.*)$`},
				{"role": "writer > reader", "pattern": "*/search_*", "regex": `^(?s:tool:[^/]*/search_.*)$`},
			],
			"deny": [{"role": "writer", "pattern": "github/delete_*", "regex": `^(?s:tool:github/delete_.*)$`}],
		},
		"auditor": {
			"allow": [{"role": "auditor", "pattern": "*", "regex": `^(?s:[a-z]+:[^/]*/.*)$`}],
			"deny": [
				{"role": "auditor", "pattern": "tool:github/get_secret", "regex": `^(?s:tool:github/get_secret)$`},
				{"role": "auditor", "pattern": "*:*/*_internal", "regex": `^(?s:[a-z]+:[^/]*/.*_internal)$`},
			],
		},
	},
}

ask(roles, kind, upstream, name) := {
	"version": 1,
	"action": "list",
	"principal": {"roles": roles},
	"object": {"id": sprintf("%s:%s/%s", [kind, upstream, name]), "kind": kind, "upstream": upstream},
}

shown(roles, kind, upstream, name) if {
	access.allow with input as ask(roles, kind, upstream, name) with data.tollgate.config as config
}

why(roles, kind, upstream, name) := reason if {
	reason := access.reason with input as ask(roles, kind, upstream, name) with data.tollgate.config as config
}

test_pattern_of_one_upstream if {
	shown(["reader"], "tool", "github", "get_issue")
	not shown(["reader"], "tool", "github", "create_issue")
	not shown(["reader"], "tool", "gitlab", "get_issue")
	not shown(["reader"], "resource", "github", "get_issue")
}

test_pattern_without_wildcard if {
	shown(["reader"], "tool", "github", "list_issues")
	not shown(["reader"], "tool", "github", "list_issues_all")
}

test_pattern_of_any_upstream if {
	shown(["reader"], "tool", "jira", "search_issues")
	not shown(["reader"], "prompt", "jira", "search_issues")
}

test_pattern_with_kind if {
	shown(["reader"], "prompt", "docs", "summarise")
	not shown(["reader"], "tool", "docs", "summarise")
}

test_everything if {
	shown(["auditor"], "resource", "files", "file:///a/b")
}

test_included_role if {
	shown(["writer"], "prompt", "docs", "summarise")
}

test_one_role_of_several_is_enough if {
	shown(["guest", "reader"], "tool", "github", "get_issue")
}

test_no_role_and_unknown_roles_see_nothing if {
	not shown([], "tool", "github", "get_issue")
	not shown(["guest"], "tool", "github", "get_issue")
}

test_deny_wins_in_its_role if {
	not shown(["writer"], "tool", "github", "delete_repo")
	not shown(["auditor"], "tool", "github", "get_secret")
	not shown(["auditor"], "prompt", "docs", "notes_internal")
}

test_deny_of_one_role_wins_over_allow_of_another if {
	not shown(["auditor", "writer"], "tool", "github", "delete_repo")
	not shown(["auditor", "reader"], "tool", "github", "get_secret")
}

described(name, annotations, tags) := {
	"version": 1,
	"action": "list",
	"principal": {"roles": ["careful"]},
	"object": {
		"id": sprintf("tool:db/%s", [name]),
		"kind": "tool",
		"upstream": "db",
		"annotations": annotations,
		"tags": tags,
	},
}

careful_sees(name, annotations, tags) if {
	access.allow with input as described(name, annotations, tags) with data.tollgate.config as config
}

test_hint_of_a_pattern if {
	careful_sees("query", {"readOnlyHint": true}, [])
	not careful_sees("query", {"readOnlyHint": false}, [])
	not careful_sees("query", {"readOnlyHint": "yes"}, [])
	not careful_sees("query", {}, [])
}

test_all_conditions_of_a_pattern if {
	careful_sees("run", {"destructiveHint": false}, ["code"])
	not careful_sees("run", {"destructiveHint": false}, [])
	not careful_sees("run", {"destructiveHint": null}, ["code"])
	not careful_sees("run", {}, ["code"])
}

test_deny_with_conditions if {
	not careful_sees("query", {"readOnlyHint": true}, ["pii"])
	not careful_sees("query", {"readOnlyHint": true}, ["old", "code"])
}

test_reason_names_pattern_with_conditions if {
	seen := access.reason with input as described("query", {"readOnlyHint": true}, [])
		with data.tollgate.config as config
	seen.pattern == "*[readOnlyHint]"
	hidden := access.reason with input as described("query", {"readOnlyHint": true}, ["pii"])
		with data.tollgate.config as config
	hidden.pattern == "db/*[tag=pii]"
}

test_no_answer_but_no if {
	access.allow == false with input as ask([], "tool", "github", "get_issue") with data.tollgate.config as config
}

test_reason_names_role_and_pattern if {
	why(["writer"], "tool", "github", "get_issue") == {"rule": "allow", "role": "writer", "pattern": "github/*"}
	why(["writer"], "prompt", "docs", "x") == {"rule": "allow", "role": "writer > reader", "pattern": "prompt:docs/*"}
	why(["writer"], "tool", "github", "delete_x") == {"rule": "deny", "role": "writer", "pattern": "github/delete_*"}
}

test_reason_without_a_match if {
	why(["reader"], "tool", "github", "x").rule == "none"
}

test_reason_prefers_a_sentence if {
	r := access.reason with input as ask(["writer"], "tool", "github", "delete_x")
		with data.tollgate.config as config
		with access.deny as {"not on fridays", {"role": "writer"}}
	r == {"rule": "deny", "reason": "not on fridays"}
}

test_reason_of_other_files_rules if {
	d := access.reason with input as ask(["reader"], "tool", "github", "get_x")
		with data.tollgate.config as config
		with access.deny as {{"team": "x"}}
	d.rule == "deny"
	p := access.reason with input as ask(["reader"], "tool", "github", "x")
		with data.tollgate.config as config
		with access.permit as true
	p.rule == "permit"
}

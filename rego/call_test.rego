# SPDX-License-Identifier: Apache-2.0
package tollgate.call_test

import data.tollgate.call

# What the gateway makes of this configuration, so that plain "opa test" runs too:
#   reader:   constraints: for db/query: limit {maximum: 100} optional
#             obligations: for db/*[!readOnlyHint]: confirm "Go on?"
#   writer:   includes reader; constraints: for db/*: region {enum: [eu]}
#   everyone: obligations: redact /email, at most 1000 bytes
#   scopes:   for db/run: db:write
config := {
	"names": {},
	"globs": {},
	"patterns": {"reader": {"allow": [], "deny": []}, "writer": {"allow": [], "deny": []}},
	"asks": {
		"names": {
			"tool:db/query": {
				"reader": [{"constraints": [limit("reader")]}],
				"writer": [{"constraints": [limit("writer > reader")]}],
			},
			"tool:db/run": {"": [{"scopes": ["db:write"]}]},
		},
		"globs": {
			"db": {
				"reader": [{
					"obligations": [{"confirm": "Go on?"}],
					"regex": `^(?s:tool:db/.*)$`,
					"conditions": [{"hint": "readOnlyHint", "value": true, "is": false}],
				}],
				"writer": [
					{
						"constraints": [region],
						"regex": `^(?s:tool:db/.*)$`,
					},
					{
						"obligations": [{"confirm": "Go on?"}],
						"regex": `^(?s:tool:db/.*)$`,
						"conditions": [{"hint": "readOnlyHint", "value": true, "is": false}],
					},
				],
			},
			"*": {"": [{
				"obligations": [{"redact": ["/email"], "max_result_bytes": 1000}],
				"regex": `^(?s:[a-z]+:[^/]*/.*)$`,
			}]},
		},
	},
}

limit(role) := {"argument": "limit", "schema": {"maximum": 100}, "optional": true, "rule": role}

region := {"argument": "region", "schema": {"enum": ["eu"]}, "optional": false, "rule": "writer"}

asked(roles, upstream, name, annotations) := {
	"version": 1,
	"action": "call",
	"principal": {"roles": roles},
	"object": {
		"id": sprintf("tool:%s/%s", [upstream, name]),
		"kind": "tool",
		"upstream": upstream,
		"annotations": annotations,
		"tags": [],
	},
}

for_everyone := {"redact": ["/email"], "max_result_bytes": 1000}

test_constraints_of_a_role if {
	got := call.constraints with input as asked(["reader"], "db", "query", {}) with data.tollgate.config as config
	got == {limit("reader")}
}

test_constraints_of_an_included_role if {
	got := call.constraints with input as asked(["writer"], "db", "query", {}) with data.tollgate.config as config
	got == {limit("writer > reader"), region}
}

test_nothing_is_asked_of_other_objects_and_roles if {
	a := call.constraints with input as asked(["writer"], "jira", "query", {}) with data.tollgate.config as config
	a == set()
	b := call.constraints with input as asked(["guest"], "db", "query", {}) with data.tollgate.config as config
	b == set()
}

test_obligations_of_everyone if {
	got := call.obligations with input as asked([], "jira", "x", {}) with data.tollgate.config as config
	got == {for_everyone}
}

test_obligations_with_conditions if {
	a := call.obligations with input as asked(["reader"], "db", "x", {}) with data.tollgate.config as config
	a == {for_everyone, {"confirm": "Go on?"}}
	b := call.obligations with input as asked(["reader"], "db", "x", {"readOnlyHint": true})
		with data.tollgate.config as config
	b == {for_everyone}
}

test_scopes if {
	a := call.scopes with input as asked([], "db", "run", {}) with data.tollgate.config as config
	a == {"db:write"}
	b := call.scopes with input as asked([], "db", "query", {}) with data.tollgate.config as config
	b == set()
}

test_nothing_configured if {
	got := call.decision with input as asked(["reader"], "db", "query", {}) with data.tollgate.config as {}
	got == {
		"allow": true, "reasons": set(), "details": set(), "rule": "none",
		"obligations": set(), "constraints": set(), "scopes": set(),
	}
}

test_decision_holds_what_is_asked if {
	got := call.decision with input as asked(["reader"], "db", "query", {"readOnlyHint": true})
		with data.tollgate.config as config
	got.constraints == {limit("reader")}
	got.obligations == {for_everyone}
	got.allow
}

test_a_denial_refuses if {
	got := call.decision with input as asked([], "db", "query", {})
		with data.tollgate.config as config
		with data.tollgate.call.deny as {"not on fridays", {"reason": "too much", "detail": "limit was 101"}}
	not got.allow
	got.reasons == {"not on fridays", "too much"}
	got.details == {"limit was 101"}
	got.rule == "deny"
}

test_a_malformed_denial_refuses if {
	some denial in [7, {"detail": "x"}, {"reason": 7}]
	got := call.decision with input as asked([], "db", "query", {})
		with data.tollgate.config as config
		with data.tollgate.call.deny as {denial}
	not got.allow
	got.reasons == set()
	count(got.details) == 1
}

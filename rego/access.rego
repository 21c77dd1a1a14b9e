# SPDX-License-Identifier: Apache-2.0

# METADATA
# title: Who sees what
# description: |
#   Decides whether one object (a tool, prompt, resource or template) exists for
#   one principal. The answer holds for lists and calls alike, so rules here read
#   input.principal, input.object and loaded data, nothing else.
#
#   Roles give permits and denials by pattern; other files of this package add
#   their own with `permit if ...` and `deny contains "why" if ...`.
# scope: package
package tollgate.access

# METADATA
# title: The decision
# description: Something permits the object and nothing denies it.
# scope: document
# entrypoint: true
default allow := false

allow if {
	permit
	count(deny) == 0
}

# METADATA
# title: Patterns without a wildcard
permit if {
	roles := data.tollgate.config.names[input.object.id].allow
	some role in input.principal.roles
	roles[role]
}

# METADATA
# title: Patterns about one upstream
permit if {
	regexes := data.tollgate.config.globs[input.object.upstream].allow
	some role in input.principal.roles
	regex.match(regexes[role], input.object.id)
}

# METADATA
# title: Patterns about any upstream
permit if {
	regexes := data.tollgate.config.globs["*"].allow
	some role in input.principal.roles
	regex.match(regexes[role], input.object.id)
}

# METADATA
# title: Patterns with conditions
permit if {
	data.tollgate.config.conditional
	some upstream in [input.object.upstream, "*"]
	some role in input.principal.roles
	some row in data.tollgate.config.conditional[upstream].allow[role]
	regex.match(row.regex, input.object.id)
	meets(row.conditions)
}

# METADATA
# title: What roles deny
# description: |
#   Each element is an object with the role, or a sentence that another file adds.
# scope: document
deny contains {"role": role} if {
	roles := data.tollgate.config.names[input.object.id].deny
	some role in input.principal.roles
	roles[role]
}

deny contains {"role": role} if {
	regexes := data.tollgate.config.globs[input.object.upstream].deny
	some role in input.principal.roles
	regex.match(regexes[role], input.object.id)
}

deny contains {"role": role} if {
	regexes := data.tollgate.config.globs["*"].deny
	some role in input.principal.roles
	regex.match(regexes[role], input.object.id)
}

deny contains {"role": role} if {
	data.tollgate.config.conditional
	some upstream in [input.object.upstream, "*"]
	some role in input.principal.roles
	some row in data.tollgate.config.conditional[upstream].deny[role]
	regex.match(row.regex, input.object.id)
	meets(row.conditions)
}

# METADATA
# title: Conditions at the end of a pattern
# description: |
#   Whether all of them hold for the object. A hint is held against one value, a
#   tag is there or not, and `is` says which of the two answers is wanted.
# scope: document
meets(conditions) if {
	every condition in conditions { holds(condition) }
}

holds(condition) if {
	hint := object.get(input.object.annotations, condition.hint, null) == condition.value
	condition.is == hint
}

holds(condition) if {
	tagged := condition.tag in input.object.tags
	condition.is == tagged
}

# METADATA
# title: Why
# description: |
#   For the operator's eyes: what decided, as {rule, role, pattern, reason}. The
#   first of these that applies: a sentence of a denying rule, a denying pattern,
#   a permitting pattern, a permit of another file, nothing.
# scope: document
reason := {"rule": "deny", "reason": sentences[0]} if {
	sentences := [s | some s in deny; is_string(s)]
	count(sentences) > 0
} else := {"rule": "deny", "role": row.role, "pattern": row.pattern} if {
	row := matching("deny")[0]
} else := {"rule": "deny", "reason": "a deny rule without a sentence"} if {
	count(deny) > 0
} else := {"rule": "allow", "role": row.role, "pattern": row.pattern} if {
	row := matching("allow")[0]
} else := {"rule": "permit", "reason": "a permit rule of another policy file"} if {
	permit
} else := {"rule": "none", "reason": "no pattern of the principal's roles matches"}

matching(effect) := [row |
	some role in input.principal.roles
	some row in data.tollgate.config.patterns[role][effect]
	regex.match(row.regex, input.object.id)
	meets(object.get(row, "conditions", []))
]

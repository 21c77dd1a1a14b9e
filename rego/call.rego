# SPDX-License-Identifier: Apache-2.0

# METADATA
# title: What a call is asked
# description: |
#   Decides on a call of an object that data.tollgate.access shows. Rules here can
#   only take away: refuse the call, bound its arguments, oblige the gateway.
#
#   Other files of this package add to four sets:
#
#     deny contains "sentence for the caller" if ...
#     deny contains {"reason": "for the caller", "detail": "for operators"} if ...
#     constraints contains {"argument": "region", "schema": {"enum": ["eu"]}} if ...
#     scopes contains "repo:write" if ...
#     obligations contains {"redact": ["/email"], "confirm": "Send it?"} if ...
#
#   Constraints and scopes are shown in lists, before there is a call, so they read
#   input.principal, input.object and loaded data only. The others read everything.
# scope: package
package tollgate.call

import data.tollgate.access

# METADATA
# title: Whether the call may go on
# description: |
#   Every member is a rule of its own: the gateway asks for those it needs. The
#   constraints and scopes are kept for a principal and object, and so are the
#   obligations unless one of them depends on the call.
# scope: document
# entrypoint: true
decision.allow := count(denials) == 0

# METADATA
# title: What the caller is told
decision.reasons contains denial.reason if some denial in denials

# METADATA
# title: What operators are told besides
decision.details contains denial.detail if some denial in denials

decision.rule := "deny" if {
	count(denials) > 0
} else := "none"

decision.obligations := obligations

decision.constraints := constraints

decision.scopes := scopes

# METADATA
# title: Denials in one form
# description: |
#   What is neither a sentence nor an object with a reason refuses as well, and
#   operators are told what it is.
# scope: document
denials contains told(denial) if some denial in data.tollgate.call.deny

told(denial) := {"reason": denial} if {
	is_string(denial)
} else := denial if {
	is_string(denial.reason)
} else := {"detail": sprintf("a deny rule gave %v, want a sentence or {reason, detail}", [denial])}

# METADATA
# title: Bounds on arguments
# description: |
#   Each is {"argument": name, "schema": JSON Schema of its value, "optional": bool}.
#   A bounded argument is required unless it is optional.
# scope: document
# custom:
#   configured: true
constraints contains constraint if {
	some row in configured
	some constraint in row.constraints
}

# METADATA
# title: OAuth scopes that an access token needs
# scope: document
# custom:
#   configured: true
scopes contains scope if {
	some row in configured
	some scope in row.scopes
}

# METADATA
# title: What the gateway owes
# description: |
#   Each has some of {"redact": [JSON pointers into the result], "keep_text": bool,
#   "max_result_bytes": number, "reason": bool, "confirm": "question"}.
# scope: document
# custom:
#   configured: true
obligations contains obligation if {
	some row in configured
	some obligation in row.obligations
}

# METADATA
# title: Rules of the configuration about the object
# description: Those of the principal's roles and, under "", those for everyone.
# scope: document
configured contains row if {
	by_role := data.tollgate.config.asks.names[input.object.id]
	some role in holders
	some row in by_role[role]
	fits(row)
}

configured contains row if {
	by_upstream := data.tollgate.config.asks.globs
	some upstream in [input.object.upstream, "*"]
	some role in holders
	some row in by_upstream[upstream][role]
	regex.match(row.regex, input.object.id)
	fits(row)
}

fits(row) if not row.conditions

fits(row) if access.meets(row.conditions)

holders := array.concat([""], input.principal.roles)

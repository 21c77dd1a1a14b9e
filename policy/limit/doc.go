// SPDX-License-Identifier: Apache-2.0

// Package limit says how much: limits in CEL on what the policy allows, and
// budgets of what it may cost. It compiles them, checks them against the schemas
// of tools, and turns a call into a refusal or into claims on counters, a ceiling
// of cost, a timeout, a cap and the accounts that are charged. It counts nothing:
// store admits claims and charges, all of them or none.
//
// # Data flow
//
//	[]Rule ─► Compile ─► Set ─► For(roles, object) ─► []*Limit, kept per class and tool
//	            │         └───► CheckTools(tools)  ─► Mistakes: unknown arguments, types that do not fit
//	            └► Mistakes: all of them, each with field and offset
//	Evaluate(limits, Call) ─► Refusal
//	                     └──► Admission{Claims, Timeout, MaxResultBytes, Cost} ─► store ─► the call ─► Settle(result)
//	[]BudgetRule ─► CompileBudgets ─► Budgets ─► About(object), kept per tool ─► Holds(principal) ─► Account(input) ─► store
//
// An expression sees the decision input document: principal, object, arguments
// (args is the same), session, client, time, source_ip and action; settle also
// sees result. Parts of the document are read through getters when an expression
// asks for them. Arguments and results stay bytes: a member is searched in the
// text when it is asked for, and a member of it only when that is asked for.
//
// For each limit in order: match false skips it; require false refuses; then the
// keys of its claims and its cost are computed. Limits only take away: the
// smallest timeout and cap hold, costs add up, and every claim must be admitted.
//
// # Writing limits
//
//	rate         100/minute, 5/10s, 20/day; a window of 1 second to 31 days
//	per          user (the default), team, org, key, role, upstream, tool or all; or one expression that is text
//	match        whether the limit applies; has(args.x) && args.x == "all"
//	require      args.limit <= 100; a call that lacks the argument is refused
//	cost         0.01, or an expression: the ceiling in USD that is reserved
//	settle       double(result.structuredContent.tokens) * 0.00001; may only lower the cost
//	durable      true: what rate has counted still counts after a crash
//
// # Writing budgets
//
// A budget holds for calls that limits give a cost, of the callers and objects
// that it selects, whatever their roles. A call needs room in every budget that
// holds for it, and is charged to one account of each.
//
//	org, team, user, key   whose calls; none = everybody's
//	for                    patterns of what is called; none = everything
//	per                    org, team, user, key, tool or upstream, or several: an account each; none = one for all
//	limit, period          USD of each account in a day, week or month of a zone, or in a rolling window
//	warn                   shares of the limit at which an alert is due
//
// # Invariants
//
//   - An expression that has no clear answer refuses the call: a missing argument,
//     an operation on the wrong type, a result of the wrong type, too much work.
//     Evaluate never panics (TestEvaluateNeverPanics, FuzzEvaluate).
//   - No spelling of a number passes a bound that the number does not satisfy
//     (TestNumbers, TestNumbersCompareExactly), nor inside of a list or object.
//   - Lists and times are those of [policy.Input.JSON] (TestDocumentIsThatOfRules).
//   - Costs are exact to the nano-dollar and rounded up (TestDollarsAreDecimal);
//     a negative, infinite or overflowing one refuses (TestDollars).
//   - Two different callers never share a counter by what their names contain
//     (TestKeysAreInjective), and counters outlive a reload that does not change
//     their limit (TestIDsSurvive). A key is short whatever the caller sends
//     (TestKeysAreShort).
//   - The same holds for accounts of budgets (TestAccountsAreInjective,
//     TestBudgetIDsSurvive), which people can read too (TestAccounts).
//   - The work of one expression is bounded whatever the caller sends: about 50 ms
//     (TestAttack, TestUnits).
//   - Callers are told names of limits and arguments, never values
//     (TestCallerLearnsNothing).
//
// # Why most programs run unwatched
//
// 2026-11-25. CEL's run-time cost limit doubles what an expression costs, its
// tracker is quadratic in the length of lists, and a deadline costs a timer. So
// the most that an expression can cost is computed at load, for the largest
// arguments and then for smaller ones: up to the size where it stays below
// maxCost, a program runs with neither. Above that size it runs with both.
// Rejected: watching every program (1.4 µs instead of 0.4), and a fixed threshold
// for all sizes of arguments, which let any caller spend the whole deadline on one
// long list.
//
// # Why costs are computed here
//
// 2026-11-25. CEL has an estimate of its own. It takes size, lowerAscii and others
// for free unless each is named, does not know what is in a list that is made of
// another, and forgets sizes where it knows no better, so that a caller could
// choose arguments for which a program deemed cheap ran for seconds. Here every
// function costs a pass over what it is given unless it is known to be cheaper,
// every value is bounded with all that it holds, and what is not known is endless.
// One unit is up to 50 ns, which TestUnits measures with the costliest arguments.
//
// # Why comparisons are guarded
//
// 2026-11-25. CEL counts a step when it is done, and comparing [[l, l], [l, l]],
// made by a few nested loops, may take hours. So ==, != and in weigh their operands
// first. They look for errors in them too: CEL takes values for equal that it
// cannot compare, and {"n": 1e999} would be {"n": 5}.
//
// # Why some functions are missing
//
// 2026-11-25. CEL adds up costs after a step is done, so a single step must be
// bounded by itself. replace, join, format and strings.quote can make texts far
// larger than their input; a computed regular expression, or one of more than 250
// instructions, and a computed text for indexOf take time in the product of two
// lengths. They are mistakes at load. For the same reason cel-go's own limit on
// regular expressions is not used: it panics on counted repetitions.
//
// # Why numbers follow the schema
//
// 2026-11-25. CEL does not mix int and double in arithmetic, and JSON does not
// tell them apart: 5, 5.0 and 5e0 are one number. A tool's schema does, so where
// it says integer a number is an int however it is written, and where it says
// number a double. Expressions are checked against the same types by
// [Set.CheckTools], so that what passes the check works at run time. Comparisons
// mix both kinds in any case. What an int cannot hold is an error and not a
// rounded number, and so is a literal with digits that a double loses: the
// shortest text of the double must be the literal, so 0.1 is 0.1, and
// 100.00000000000000000001 is not 100. Rejected: doubles everywhere, as protobuf's
// JSON does, which cannot tell 9007199254740993 from ...992.
//
// # Why members are searched when they are asked for
//
// 2026-11-25. Decoding all arguments costs forty times the evaluation. The plan
// was to collect the selected names at load and decode those; a map that searches
// on demand needs no plan, follows any depth and computed names, and never decodes
// the operand of an && that is not reached. The names are still collected: for
// [Set.CheckTools], and to name the argument a call lacks.
//
// # Why an argument behind has() may be missing
//
// 2026-11-25. A limit on github/* concerns tools with different arguments. An
// argument that is read without asking must be in every tool of the limit, since
// a call without it is refused. One that the same expression asks for with has()
// must be in one of them: if no tool has it, it is misspelt.
//
// # Why the name of a budget is part of its ID
//
// 2026-11-25. What was spent must go on to count when a limit is raised or a
// warning is added, and must not when other calls are counted. So the ID is made of
// what decides which calls go to which account in which period, in a canonical
// form, and of the name: two budgets may count the same with different limits, a
// soft one and a hard one, and must not share accounts. Rejected: the position in
// the list, which an insertion moves, and the name alone, under which a budget that
// was per user would go on with the account of all. Who renames a budget starts it
// anew.
//
// # Why accounts can be read
//
// 2026-11-25. Counters of rates live for minutes and nobody sees their keys.
// Accounts are shown, raised by hand and recorded for years, so they are written
// like a path with escapes and not like parts with their lengths. They are made of
// what the words of per imply, in one order: per [user, team] and [team, user] are
// the same accounts.
package limit

// SPDX-License-Identifier: Apache-2.0

// Package script makes JavaScript of what a model wrote: TypeScript or JavaScript, fenced or bare, a body, an expression or a
// function.
//
// # Data flow
//
//	source ─► code (the fenced block) ─► read (tokens: brackets, shape, bounds) ─► wrap ─► esbuild ─► Program.JavaScript
//	                                                                                   └─► source map ─► Program.Locate
//	what is wrong anywhere ─► SyntaxError{Message, Line, Column, SourceLine, Hint}, in lines of the source
//
// Accepted are: statements with return and await on top (a body); one function or arrow function, async or not, which is
// called without arguments, or calls itself where it stands; one object or array; any of these behind export default, with
// declarations in front of it. One fenced block may stand in prose. Types are removed, not checked.
//
// # Invariants
//
//   - The source is wrapped and never rewritten: strings, templates and line breaks mean what they meant
//     (TestSourceIsKept), and no line is added in front of it.
//   - Every place is one in what the model wrote, behind fence and wrapper: TestLocate, FuzzCompile. Messages never mention
//     the wrapper: TestRejected. Brackets match within the source, so nothing leaves the wrapper.
//   - Nothing that esbuild is slow with reaches it: TestHostileSource.
//   - A Program does not change; the source map is decoded when a place is asked for.
//
// # Why tokens are read before esbuild
//
// 2026-11-25. esbuild cannot be stopped once it runs, and some sources of 64 KiB keep it busy for minutes, or forever: it tries
// every < as type arguments and goes back (a<a<a<…: 78 s), parses the body of an arrow function between ? and : twice
// (a?(b):c=>…: doubles with every level, 1.2 s at 18), and looks at whole operands once per operator (!!!!…: 12 s, 0,0,0,…:
// 54 s). Indentation made 2 GB of 32,768 opening braces. So an own lexer bounds nesting, type arguments and such arrow
// functions first. It must split tokens exactly as esbuild does, else sources could hide behind a quote that is none; the only
// place where that needs a parser is a slash behind a closing brace and three words, which is refused. What remains is below
// 2 s of processor time at 64 KiB (thousands of errors, each with its place). Rejected: a goroutine that is given up after a
// while, since it would go on for good.
//
// # Why the last expression is not returned
//
// 2026-11-25. A script that ends with an expression, or is one, returns nothing, as any body of a function. Returning it needs
// a parser of our own and sends back what nobody asked for where the expression is a call for its effect. [Program.Hint] says
// what to write. A function that calls itself and a literal leave no doubt, and give their value.
package script

// SPDX-License-Identifier: Apache-2.0

// Package quickjs holds the JavaScript engine as a WebAssembly module: quickjs.wasm of the npm package quickjs-wasi 3.6.2,
// byte for byte, which is QuickJS-ng 0.17.0. LICENSE.quickjs-wasi is the licence of the package, LICENSE.quickjs that of the
// engine and of the Unicode tables in it.
//
// # Data flow
//
// The module is a WASI reactor: it exports its own memory, functions named qjs_..., and the stack pointer, and imports six
// functions of env and six of wasi_snapshot_preview1. It has no file, network or process of any kind. Package codemode
// instruments it (package fuel) and supplies the twelve functions.
//
// # Invariants
//
//   - The bytes are those that were published (TestChecksum).
//   - Nothing beside the twelve functions is imported (TestImports).
//
// # Why this build
//
// 2026-11-25. It can be snapshot after its start, needs 1.2 MiB of linear memory, and has readable names where other builds
// of QuickJS for WebAssembly have minified ones, 16 MiB of memory, or files. To update it: replace the file and both licence
// texts, then the version and the checksum.
package quickjs

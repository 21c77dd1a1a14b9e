// SPDX-License-Identifier: Apache-2.0

package quickjs

import _ "embed" // for the module

// What is vendored.
const (
	Version = "quickjs-wasi 3.6.2 (QuickJS-ng 0.17.0)"
	SHA256  = "d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9"
)

//go:embed quickjs.wasm
var module string

// Module returns a copy of the module.
func Module() []byte { return []byte(module) }

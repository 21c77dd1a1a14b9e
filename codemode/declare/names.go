// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"slices"
	"strconv"
	"strings"
)

// Names are the global identifiers of servers, in their order. Equal names have equal identifiers and different names
// different ones, whatever the order. An identifier that Names made is its own.
func Names(servers []string) []string { return distinct(servers, reservedGlobal) }

// Members are the names by which a script calls the tools of one server, in their order, with the promises of [Names].
func Members(tools []string) []string { return distinct(tools, reservedMember) }

// distinct makes identifiers. Names that are identifiers already keep them; the others take what is left, in the order of
// their text.
func distinct(names []string, reserved func(string) bool) []string {
	taken := make(map[string]string, len(names)) // identifiers by name
	used := make(map[string]bool, len(names))
	var others []string
	for _, name := range names {
		if _, known := taken[name]; known {
			continue
		}
		if name != "" && identifier(name, reserved) == name {
			taken[name], used[name] = name, true
		} else if !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		base := identifier(name, reserved)
		id := base
		for n := 2; used[id]; n++ {
			id = base + "_" + strconv.Itoa(n)
		}
		taken[name], used[id] = id, true
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = taken[name]
	}
	return out
}

// identifier is name with what an identifier cannot have replaced.
func identifier(name string, reserved func(string) bool) string {
	id := strings.Map(func(r rune) rune {
		if r < 0x80 && wordByte(byte(r)) {
			return r
		}
		return '_'
	}, name)
	if id == "" || '0' <= id[0] && id[0] <= '9' {
		id = "_" + id
	}
	if reserved(id) {
		id += "_"
	}
	return id
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$'
}

// plain reports whether a property needs no quotes.
func plain(name string) bool {
	for i := range len(name) {
		if !wordByte(name[i]) {
			return false
		}
	}
	return name != "" && (name[0] < '0' || name[0] > '9')
}

// reservedGlobal reports whether a global of this name would be no expression, or hide what scripts use or look for.
func reservedGlobal(id string) bool {
	switch id {
	case "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum", "export", "extends", "false",
		"finally", "for", "function", "if", "implements", "import", "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected",
		"public", "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with", "yield":
		return true
	case "async", "arguments", "as", "eval", "of", "undefined", "NaN", "Infinity", "globalThis", "any", "unknown", "never", "string", "number", "boolean", "symbol",
		"object", "bigint", "type", "declare", "namespace", "abstract", "using", "satisfies":
		return true
	case "Object", "Function", "Array", "String", "Number", "Boolean", "Symbol", "BigInt", "Date", "Math", "JSON", "RegExp", "Promise", "Proxy", "Reflect", "Map", "Set",
		"WeakMap", "WeakSet", "WeakRef", "FinalizationRegistry", "Error", "AggregateError", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError",
		"URIError", "SuppressedError", "ArrayBuffer", "SharedArrayBuffer", "DataView", "Atomics", "Iterator", "Int8Array", "Uint8Array", "Uint8ClampedArray",
		"Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "Intl",
		"WebAssembly", "Temporal", "DisposableStack", "AsyncDisposableStack":
		return true
	case "parseInt", "parseFloat", "isNaN", "isFinite", "encodeURI", "encodeURIComponent", "decodeURI", "decodeURIComponent", "escape", "unescape", "console",
		"setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "queueMicrotask", "sleep", "structuredClone", "atob", "btoa", "fetch",
		"performance", "navigator", "window", "self", "global", "process", "require", "module", "exports", "Buffer", "URL", "URLSearchParams", "TextEncoder",
		"TextDecoder", "tools", "ToolError", "__proto__", "__script":
		return true
	}
	return false
}

// reservedMember reports whether a member of this name would mean something else to the language.
func reservedMember(id string) bool {
	switch id {
	case "then", "constructor", "prototype", "toString", "toLocaleString", "valueOf", "toJSON", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable",
		"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__":
		return true
	}
	return false
}

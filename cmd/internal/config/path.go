// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Path joins keys (strings) and indexes (ints) to the dotted path that diagnostics show and [Config.At] takes:
// Path("roles", "reader", "allow", 1) is "roles.reader.allow[1]". Keys with other characters than letters, digits, "_" and
// "-" are quoted: env["ProgramFiles(x86)"].
func Path(parts ...any) string {
	p := ""
	for _, part := range parts {
		switch v := part.(type) {
		case int:
			p = p + "[" + strconv.Itoa(v) + "]"
		default:
			p = joinKey(p, fmt.Sprint(v))
		}
	}
	return p
}

func joinKey(path, key string) string {
	if !plainKey(key) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func joinIndex(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

func plainKey(key string) bool {
	for _, r := range key {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return false
		}
	}
	return key != ""
}

// nearest finds what is stored for path or for the closest value around it. The empty path is the whole file.
func nearest[T any](byPath map[string]T, path string) (T, bool) {
	for {
		v, ok := byPath[path]
		if ok || path == "" {
			return v, ok
		}
		path = parent(path)
	}
}

// parent cuts the last key or index. A quoted key may hold any character, so it is skipped as a whole.
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		for i := len(path) - 3; i > 0; i-- {
			if path[i] == '"' && path[i-1] == '[' && isQuoted(path[i:len(path)-1]) {
				return path[:i-1]
			}
		}
	}
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func isQuoted(s string) bool {
	_, err := strconv.Unquote(s)
	return err == nil
}

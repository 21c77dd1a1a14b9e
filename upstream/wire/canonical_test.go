// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"strings"
	"testing"

	"tollgate/upstream/wire"
)

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		` { "b" : [ 1 , { } , [ ] ] , "a" : null } `:     `{"a":null,"b":[1,{},[]]}`,
		`{"z":{"y":1,"x":2},"a":{"c":true,"b":false}}`:   `{"a":{"b":false,"c":true},"z":{"x":2,"y":1}}`,
		`[1.0,1e2,-0,1E+2,9007199254740993,0.10]`:        `[1.0,1e2,-0,1E+2,9007199254740993,0.10]`,
		`"\u0041\/\u00e9\ud83d\ude00\n\u000a\u0001\"\\"`: `"A/é😀\n\n\u0001\"\\"`,
		`{"\u0062":1,"a":2}`:                             `{"a":2,"b":1}`,
		`{"\"":1,"\n":2,"!":3,"#":4}`:                    "{\"\\n\":2,\"!\":3,\"\\\"\":1,\"#\":4}",
		`{"\ud83d\ude00":1,"\uffee":2,"é":3,"z":4}`:      `{"z":4,"é":3,"` + "\uffee" + `":2,"😀":1}`,
		`{"aa":1,"a":2,"":3,"B":4}`:                      `{"":3,"B":4,"a":2,"aa":1}`,
		`{"a":1,"b":2,"a":0}`:                            `{"a":1,"a":0,"b":2}`,
		`{"a":"\ud800","b":"\uDC00x"}`:                   `{"a":"\ud800","b":"\udc00x"}`,
		`"x"`:                                            `"x"`,
		` 7 `:                                            `7`,
		`{"description":"<b>&\u003c","type":"object"}`:   `{"description":"<b>&<","type":"object"}`,
		"{\"b\":\"\u2028\",\"a\":\"\u007f\"}":            "{\"a\":\"\u007f\",\"b\":\"\u2028\"}",
	} {
		if got := string(wire.Canonical([]byte(in))); got != want {
			t.Errorf("Canonical(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestDigest(t *testing.T) {
	same := []string{
		`{"name":"t","inputSchema":{"type":"object","properties":{"a":{},"b":{}}}}`,
		`{"inputSchema":{"properties":{"b":{},"a":{}},"type":"object"},"name":"t"}`,
		"{\n  \"name\": \"\\u0074\",\n  \"inputSchema\": { \"type\": \"object\", \"properties\": { \"a\": {}, \"b\": {} } }\n}",
	}
	for _, text := range same[1:] {
		if wire.Digest([]byte(text)) != wire.Digest([]byte(same[0])) {
			t.Errorf("digests of %s and %s differ", text, same[0])
		}
	}
	if got := wire.Digest([]byte(`{}`)); got != "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" {
		t.Errorf("Digest({}) = %s, want the SHA-256 of {}", got)
	}
	// Definitions that anybody could read as different must not share a digest.
	different := []string{
		`{"a":1}`, `{"a":1.0}`, `{"a":"1"}`, `{"a":[1]}`, `{"A":1}`, `{"a":1,"b":null}`, `{"a":9007199254740992}`, `{"a":9007199254740993}`,
		`{"a":"\ud800"}`, `{"a":"\ud801"}`, `{"a":"\ufffd"}`, `{"a":"\\ud800"}`, `{"a":true}`, `{"a":false}`, `{"a":"x "}`, `{"a":"x"}`,
		`{"a":{"b":1},"c":2}`, `{"a":{"b":1,"c":2}}`, `{"a":1,"a":2}`, `{"a":2,"a":1}`,
	}
	seen := make(map[string]string)
	for _, text := range different {
		d := wire.Digest([]byte(text))
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", text, other)
		}
		seen[d] = text
	}
}

// Every level in the wrong order and the bulk at the bottom: rearranging must not become quadratic in practice.
func TestCanonicalOfDeepText(t *testing.T) {
	const levels = wire.MaxDepth - 1
	bulk := `"` + strings.Repeat("x", 100<<10) + `"`
	in := strings.Repeat(`{"b":0,"a":`, levels) + bulk + strings.Repeat(`}`, levels)
	want := strings.Repeat(`{"a":`, levels) + bulk + strings.Repeat(`,"b":0}`, levels)
	if got := string(wire.Canonical([]byte(in))); got != want {
		t.Errorf("canonical form has %d bytes, want %d", len(got), len(want))
	}
}

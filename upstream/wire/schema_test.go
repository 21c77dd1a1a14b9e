// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

func TestParamHeaders(t *testing.T) {
	for _, tt := range []struct {
		schema string
		want   []wire.ParamHeader
	}{
		{``, nil},
		{`true`, nil},
		{`{"type":"object"}`, nil},
		{`{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"x-mcp-header":"b!#$%&'*+-.^_|~9","type":"integer"}}}`,
			[]wire.ParamHeader{{"A", []string{"a"}, "string"}, {"b!#$%&'*+-.^_|~9", []string{"b"}, "integer"}}},
		{`{"properties":{"a":{"properties":{"b":{"properties":{"c":{"type":"boolean","x-mcp-header":"C"}}},"d":{"type":"string","x-mcp-header":"D"}}}}}`,
			[]wire.ParamHeader{{"C", []string{"a", "b", "c"}, "boolean"}, {"D", []string{"a", "d"}, "string"}}},
		{`{"properties":{"x-mcp-header":{"type":"string"},"properties":{"type":"string","x-mcp-header":"P"}}}`,
			[]wire.ParamHeader{{"P", []string{"properties"}, "string"}}},
		{`{"properties":{"a":{"default":{"x-mcp-header":"A"},"enum":[{"x-mcp-header":"A"}],"const":{"x-mcp-header":1},"examples":[{"x-mcp-header":""}],"x-foreign":{"x-mcp-header":"A"}}}}`, nil},
		{`{"properties":{"\u0061":{"type":"str\u0069ng","x-mcp-he\u0061der":"\u0041"}}}`, []wire.ParamHeader{{"A", []string{"a"}, "string"}}},
	} {
		got, err := wire.ParamHeaders([]byte(tt.schema))
		if err != nil {
			t.Errorf("ParamHeaders(%s) = %v", tt.schema, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParamHeaders(%s) (-want +got):\n%s", tt.schema, diff)
		}
	}
}

func TestParamHeadersRefuses(t *testing.T) {
	const leaf = `{"type":"string","x-mcp-header":"A"}`
	far := "cannot be reached from the root through properties alone"
	for schema, want := range map[string]string{
		`{"properties":{"a":{"type":"string","x-mcp-header":""}}}`:                   `property "a": x-mcp-header is empty`,
		`{"properties":{"a":{"type":"string","x-mcp-header":1}}}`:                    "must be a string",
		`{"properties":{"a":{"type":"string","x-mcp-header":null}}}`:                 "must be a string",
		`{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}`:                "characters that a header name cannot have",
		`{"properties":{"a":{"type":"string","x-mcp-header":"a:b"}}}`:                "characters that a header name cannot have",
		`{"properties":{"a":{"type":"string","x-mcp-header":"ä"}}}`:                  "characters that a header name cannot have",
		`{"properties":{"a":{"type":"string","x-mcp-header":"X\r\nEvil: 1"}}}`:       "characters that a header name cannot have",
		`{"properties":{"a":{"type":"string","x-mcp-header":"a\u0000"}}}`:            "characters that a header name cannot have",
		`{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`:                  "needs a property of type string, integer or boolean",
		`{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}`:                  "needs a property of type",
		`{"properties":{"a":{"type":"array","x-mcp-header":"A"}}}`:                   "needs a property of type",
		`{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}`:         "needs a property of type",
		`{"properties":{"a":{"x-mcp-header":"A"}}}`:                                  "needs a property of type",
		`{"type":"object","x-mcp-header":"A"}`:                                       "needs a property of type",
		`{"properties":{"a":` + leaf + `,"b":{"type":"string","x-mcp-header":"a"}}}`: `property "b": x-mcp-header "a" is used more than once`,
		`{"properties":{"a":` + leaf + `,"b":{"properties":{"a":` + leaf + `}}}}`:    `property "b.a": x-mcp-header "A" is used more than once`,
		`{"properties":{"a":{"items":` + leaf + `}}}`:                                far,
		`{"properties":{"a":{"prefixItems":[{},` + leaf + `]}}}`:                     far,
		`{"properties":{"a":{"items":{"properties":{"b":` + leaf + `}}}}}`:           far,
		`{"anyOf":[{"properties":{"a":` + leaf + `}}]}`:                              far,
		`{"oneOf":[` + leaf + `]}`:                                                   far,
		`{"allOf":[{"properties":{"a":` + leaf + `}}]}`:                              far,
		`{"not":` + leaf + `}`:                                         far,
		`{"if":{"properties":{"a":` + leaf + `}}}`:                     far,
		`{"then":{"properties":{"a":` + leaf + `}}}`:                   far,
		`{"else":{"properties":{"a":` + leaf + `}}}`:                   far,
		`{"$defs":{"a":` + leaf + `}}`:                                 far,
		`{"definitions":{"a":{"properties":{"b":` + leaf + `}}}}`:      far,
		`{"patternProperties":{".*":` + leaf + `}}`:                    far,
		`{"additionalProperties":` + leaf + `}`:                        far,
		`{"dependentSchemas":{"a":{"properties":{"b":` + leaf + `}}}}`: far,
	} {
		got, err := wire.ParamHeaders([]byte(schema))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParamHeaders(%s) = %v, %v, want %q", schema, got, err, want)
		}
	}
}

func TestValidateToolSchema(t *testing.T) {
	nested := func(n int) string {
		return `{"type":"object"` + strings.Repeat(`,"not":{"x":0`, n) + strings.Repeat(`}`, n) + `}`
	}
	wide := func(n int) string {
		return `{"type":"object","anyOf":[` + strings.TrimSuffix(strings.Repeat(`true,`, n), ",") + `]}`
	}
	padded := func(n int) string {
		const frame = `{"type":"object","description":""}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("x", n-len(frame))+`"`, 1)
	}
	for _, tt := range []struct{ name, schema, want string }{
		{"smallest", `{"type":"object"}`, ""},
		{"any keyword", `{"$schema":"x","type":"object","properties":{"a":{"$ref":"http://169.254.169.254/"}},"$defs":{"r":{"$ref":"#/$defs/r"}}}`, ""},
		{"lone surrogate", `{"type":"object","description":"\ud800"}`, ""},
		{"32 levels", nested(32), ""},
		{"33 levels", nested(33), "more than 32 subschemas inside of each other"},
		{"2000 subschemas", wide(1999), ""},
		{"2001 subschemas", wide(2000), "more than 2000 subschemas"},
		{"256 KiB", padded(256 << 10), ""},
		{"more than 256 KiB", padded(256<<10 + 1), "at most 262144 are allowed"},
		{"missing", ``, "must be an object"},
		{"null", `null`, "must be an object"},
		{"true", `true`, "must be an object"},
		{"array", `[]`, "must be an object"},
		{"empty", `{}`, `type must be "object"`},
		{"other type", `{"type":"string"}`, `type must be "object"`},
		{"list of types", `{"type":["object"]}`, `type must be "object"`},
		{"type twice", `{"type":"object","type":"string"}`, `duplicate member "type"`},
		{"property twice", `{"type":"object","properties":{"a":true,"\u0061":false}}`, `duplicate member "a"`},
		{"invalid JSON", `{"type":"object"`, "unexpected end"},
		{"19 line break in a header", `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A\r\nB"}}}`, "header name cannot have"},
	} {
		err := wire.ValidateToolSchema([]byte(tt.schema))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: ValidateToolSchema = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Properties side by side must not overwrite each other's path.
func TestParamHeaderPathsAreSeparate(t *testing.T) {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, `,"p%d":{"properties":{"q%d":{"type":"string","x-mcp-header":"H%d"}}}`, i, i, i)
	}
	got, err := wire.ParamHeaders([]byte(`{"properties":{` + b.String()[1:] + `}}`))
	if err != nil || len(got) != 20 {
		t.Fatalf("ParamHeaders = %v, %v, want 20", got, err)
	}
	for i, p := range got {
		if want := []string{fmt.Sprintf("p%d", i), fmt.Sprintf("q%d", i)}; !cmp.Equal(p.Path, want) {
			t.Errorf("path %d is %q, want %q", i, p.Path, want)
		}
	}
}

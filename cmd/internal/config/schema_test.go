// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

var update = flag.Bool("update", false, "write golden files and schema.json")

// TestSchemaIsGenerated holds that schema.json says what the tags say.
func TestSchemaIsGenerated(t *testing.T) {
	root := generate(t, reflect.TypeFor[Config](), "")
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "tollgate.yaml"
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("schema.json", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(out.String(), string(Schema())); diff != "" {
		t.Fatalf("schema.json differs from the tags; run go test -update (-want +got):\n%s", diff)
	}
}

// generate is the schema of one type with the tag of the field that has it.
func generate(t *testing.T, typ reflect.Type, tag reflect.StructTag) *jsonschema.Schema {
	t.Helper()
	s := &jsonschema.Schema{Description: tag.Get("doc")}
	elem := func() *jsonschema.Schema { return generate(t, typ.Elem(), withoutDoc(tag)) }
	switch typ {
	case reflect.TypeFor[Secret]():
		s.Type = "string"
		return s
	case reflect.TypeFor[Size]():
		s.Types, s.Pattern = []string{"integer", "string"}, sizePattern
		s.Default = rawDefault(tag, true)
		s.Minimum, s.Maximum = new(float64(sizeTag(tag, "min"))), new(float64(sizeTag(tag, "max")))
		return s
	case reflect.TypeFor[time.Duration]():
		s.Type, s.Pattern, s.Default = "string", durationPattern, rawDefault(tag, true)
		return s
	case reflect.TypeFor[Money]():
		s.Types, s.Pattern = []string{"number", "string"}, moneyPattern
		s.Minimum, s.Maximum = new(0.0), new(float64(maxMoney))
		return s
	case reflect.TypeFor[Share]():
		s.Types, s.Pattern = []string{"number", "string"}, sharePattern
		s.Minimum, s.Maximum = new(0.0), new(1.0)
		return s
	case reflect.TypeFor[Expr]():
		s.Types, s.Pattern = []string{"string", "number", "boolean"}, `\S`
		return s
	case reflect.TypeFor[time.Time]():
		s.Type, s.Pattern = "string", timePattern
		return s
	case reflect.TypeFor[netip.Prefix]():
		s.Type, s.Pattern = "string", prefixPattern
		return s
	case reflect.TypeFor[json.RawMessage]():
		s.Type = "object"
		return s
	}
	switch typ.Kind() {
	case reflect.Pointer:
		s = generate(t, typ.Elem(), tag)
	case reflect.String:
		s.Type, s.Pattern, s.Default = "string", tag.Get("pattern"), rawDefault(tag, true)
		for word := range strings.SplitSeq(tag.Get("enum"), ",") {
			if word != "" {
				s.Enum = append(s.Enum, word)
			}
		}
		s.MinLength, s.MaxLength = number(tag, "min"), number(tag, "max")
	case reflect.Bool:
		s.Type = "boolean"
	case reflect.Int:
		s.Type, s.Default = "integer", rawDefault(tag, false)
		if n := number(tag, "min"); n != nil {
			s.Minimum, s.Maximum = new(float64(*n)), new(float64(*number(tag, "max")))
		}
		if n := number(tag, "const"); n != nil {
			s.Const = new(any(*n))
		}
	case reflect.Slice:
		s.Type, s.Items, s.MinItems = "array", elem(), number(tag, "items")
		if tag.Get("scalar") != "" { // each keyword looks at values of its own type only
			s.Type, s.Types = "", []string{"array", "string"}
			s.Pattern, s.MinLength, s.MaxLength = s.Items.Pattern, s.Items.MinLength, s.Items.MaxLength
			if words := tag.Get("enum"); words != "" {
				s.Pattern = "^(?:" + strings.ReplaceAll(words, ",", "|") + ")$"
			}
		}
	case reflect.Map:
		s.Type, s.AdditionalProperties, s.MinProperties = "object", generate(t, typ.Elem(), ""), number(tag, "items")
		s.PropertyNames = &jsonschema.Schema{Pattern: tag.Get("keys")}
	case reflect.Struct:
		generateObject(t, typ, s)
	default:
		t.Fatalf("no schema for %v", typ)
	}
	return s
}

func generateObject(t *testing.T, typ reflect.Type, s *jsonschema.Schema) {
	s.Type, s.Properties = "object", map[string]*jsonschema.Schema{}
	s.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	for _, field := range reflect.VisibleFields(typ) {
		name := field.Tag.Get("yaml")
		if name == "" {
			s.OneOf = append(s.OneOf, requireEach(field.Tag.Get("one"))...)
			s.AnyOf = append(s.AnyOf, requireEach(field.Tag.Get("any"))...)
			continue
		}
		if field.Tag.Get("doc") == "" {
			t.Errorf("%v.%s has no doc tag", typ, field.Name)
		}
		s.Properties[name] = generate(t, field.Type, field.Tag)
		s.PropertyOrder = append(s.PropertyOrder, name)
		if field.Tag.Get("required") != "" {
			s.Required = append(s.Required, name)
		}
	}
	if typ == reflect.TypeFor[Upstream]() {
		s.OneOf = []*jsonschema.Schema{{Required: []string{"command"}}, {Required: []string{"url"}}}
	}
}

// requireEach has a schema for each of some keys that asks for it.
func requireEach(keys string) (each []*jsonschema.Schema) {
	for key := range strings.SplitSeq(keys, ",") {
		if key != "" {
			each = append(each, &jsonschema.Schema{Required: []string{key}})
		}
	}
	return each
}

func withoutDoc(tag reflect.StructTag) reflect.StructTag {
	var kept []string
	for _, key := range []string{"pattern", "min", "max", "enum"} {
		if v := tag.Get(key); v != "" {
			kept = append(kept, key+":"+strconv.Quote(v))
		}
	}
	return reflect.StructTag(strings.Join(kept, " "))
}

func rawDefault(tag reflect.StructTag, quoted bool) json.RawMessage {
	text := tag.Get("default")
	if text == "" {
		return nil
	}
	if quoted {
		text = strconv.Quote(text)
	}
	return json.RawMessage(text)
}

func number(tag reflect.StructTag, key string) *int {
	n, err := strconv.Atoi(tag.Get(key))
	if err != nil {
		return nil
	}
	return &n
}

// TestDefaultsAreValid decodes every default tag under the rules of its own field.
func TestDefaultsAreValid(t *testing.T) {
	c, err := Parse("tollgate.yaml", []byte("version: 1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	text := "listen: " + c.Listen + "\nlimits: {body: " + c.Limits.Body.String() + ", page_size: " + strconv.Itoa(c.Limits.PageSize) +
		", calls_in_flight: " + strconv.Itoa(c.Limits.CallsInFlight) + ", drain: " + c.Limits.Drain.String() + "}\n" +
		"log: {level: " + c.Log.Level + ", format: " + c.Log.Format + "}\n" +
		"timezone: " + c.Timezone + "\naudit: {durability: " + c.Audit.Durability + ", arguments: " + c.Audit.Arguments + ", checkpoints: {every: " +
		c.Audit.Checkpoints.Every.String() + ", records: " + strconv.Itoa(c.Audit.Checkpoints.Records) + "}}\n"
	if _, err := Parse("tollgate.yaml", []byte(text), nil); err != nil {
		t.Fatalf("defaults are refused:\n%v", err)
	}
	want := Limits{Body: 4 << 20, PageSize: 1000, CallsInFlight: 256, Drain: 10 * time.Second}
	if c.Limits != want {
		t.Fatalf("limits = %+v, want %+v", c.Limits, want)
	}
	audit := Audit{Durability: "auto", Arguments: "full", Checkpoints: Checkpoints{Every: time.Minute, Records: 10000}}
	if !reflect.DeepEqual(c.Audit, audit) || c.Zone() != time.UTC {
		t.Fatalf("audit = %+v in %v, want %+v", c.Audit, c.Zone(), audit)
	}
}

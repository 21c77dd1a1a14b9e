// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"tollgate/upstream/wire"
)

var seeds = []string{
	`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":[1.5e-3,true,null,"\ud83d\ude00"]}}}`,
	`{"a":1,"\u0061":2}`, `{"result":{"a":1,"a":2}}`, `"\ud800"`, "\"\xff\"", `[[[[]]]]`, ` {"":{"":0}} `, `{"a":1}{}`, `-0.0E+00`, `{"a":1,"b":{"a":2}}`,
	`{"a0":0,"a1":0,"a2":0,"a3":0,"a4":0,"a5":0,"a6":0,"a7":0,"a8":0,"a9":0,"b0":0,"b1":0,"b2":0,"b3":0,"b4":0,"b5":0,"b6":0,"a0":0}`,
	`{"é":1,"\u00e9":2}`, `"\\\"\/\b\f\n\r\t\u12aF"`, "\ufeff{}", `{"n\u0061me" : [ ] , "b":"}"}`,
}

func addSeeds(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
}

// FuzzCheck holds the checks against two other parsers.
func FuzzCheck(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		strict, unique, reply := wire.Check(b), wire.CheckUnique(b), wire.CheckReply(b)
		if !bytes.Equal(b, before) {
			t.Fatal("a check changed its argument")
		}
		shallow := depth(b) <= wire.MaxDepth
		if want := oneValue(b) && shallow; (strict == nil) != want {
			t.Errorf("Check(%q) = %v, jsontext accepts: %t", b, strict, want)
		}
		valid := json.Valid(b) && utf8.Valid(b) && shallow
		if strict == nil && !valid || unique == nil && !valid || reply == nil && !valid {
			t.Errorf("%q is refused by encoding/json, but Check = %v, CheckUnique = %v, CheckReply = %v", b, strict, unique, reply)
		}
		if strict == nil && unique != nil || unique == nil && reply != nil {
			t.Errorf("%q: a laxer check refuses more: Check = %v, CheckUnique = %v, CheckReply = %v", b, strict, unique, reply)
		}
		if valid && reply != nil && oneValue(stripNames(b)) {
			t.Errorf("CheckReply(%q) = %v, want nil", b, reply)
		}
	})
}

// oneValue asks jsontext whether b is one value with unique names, valid UTF-8 and no lone surrogates.
func oneValue(b []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	if _, err := d.ReadValue(); err != nil {
		return false
	}
	_, err := d.ReadToken()
	return err == io.EOF
}

// stripNames answers the part of b in which CheckReply wants unique names, with everything below replaced by 0.
func stripNames(b []byte) []byte {
	out := []byte("{}")
	if wire.Kind(b) != '{' {
		return out
	}
	flat := func(obj []byte) []byte {
		text := []byte{'{'}
		for m := range wire.Members(obj) {
			if len(text) > 1 {
				text = append(text, ',')
			}
			text = append(append(text, m.Key...), ":0"...)
		}
		return append(text, '}')
	}
	text := []byte{'['}
	text = append(text, flat(b)...)
	for _, name := range []string{"params", "result", "error"} {
		if v, ok := wire.Lookup(b, name); ok && wire.Kind(v) == '{' {
			text = append(append(text, ','), flat(v)...)
		}
	}
	return append(text, ']')
}

// depth counts the levels of a valid text.
func depth(b []byte) int {
	most, open, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch ch := b[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case ch == '{' || ch == '[':
			open++
			most = max(most, open)
		case ch == '}' || ch == ']':
			open--
		}
	}
	return most
}

// FuzzSet replaces, appends and deletes, and looks at every other byte.
func FuzzSet(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), "a", []byte(`{"x":1.0}`))
		f.Add([]byte(s), "new", []byte(`"y"`))
	}
	f.Fuzz(func(t *testing.T, obj []byte, name string, value []byte) {
		value = bytes.TrimSpace(value)
		if wire.Check(obj) != nil || wire.Kind(obj) != '{' || wire.Check(value) != nil || !utf8.ValidString(name) || depth(value) >= wire.MaxDepth {
			t.Skip()
		}
		out := wire.Set(obj, name, value)
		if err := wire.Check(out); err != nil {
			t.Fatalf("Set(%q, %q, %q) = %q: %v", obj, name, value, out, err)
		}
		old, replaced := wire.Lookup(obj, name)
		if got, ok := wire.Lookup(out, name); !ok || !bytes.Equal(got, value) {
			t.Fatalf("Set(%q, %q, %q) = %q, which has %q", obj, name, value, out, got)
		}
		if replaced {
			if back := wire.Set(out, name, old); !bytes.Equal(back, obj) {
				t.Errorf("setting %q back in %q gives %q, want %q", name, out, back, obj)
			}
		} else if back := wire.Delete(out, name); !bytes.Equal(back, obj) {
			t.Errorf("deleting %q again from %q gives %q, want %q", name, out, back, obj)
		}
		if got, want := rawMembers(wire.Delete(out, name)), rawMembers(obj, name); !slices.Equal(got, want) {
			t.Errorf("Delete(%q, %q) leaves %q, want %q", out, name, got, want)
		}
	})
}

// rawMembers lists the members of obj as they are written, but not those called without.
func rawMembers(obj []byte, without ...string) []string {
	var list []string
	for m := range wire.Members(obj) {
		if !slices.Contains(without, m.Name) {
			list = append(list, string(m.Key)+":"+string(m.Value))
		}
	}
	return list
}

// FuzzHeaderValue sends any text through a header and back.
func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{"", "a", " a", "a b", "ä", "=?base64?YQ==?=", "=?base64?!?=", "=?base64?=", "a\r\nb", "\xff", "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := wire.EncodeHeaderValue(s)
		for i := range len(encoded) {
			if encoded[i] < ' ' || encoded[i] > '~' {
				t.Fatalf("EncodeHeaderValue(%q) = %q, which no header can carry", s, encoded)
			}
		}
		if len(encoded) > 0 && (encoded[0] == ' ' || encoded[len(encoded)-1] == ' ') {
			t.Errorf("EncodeHeaderValue(%q) = %q, which loses spaces", s, encoded)
		}
		if back, err := wire.DecodeHeaderValue(encoded); utf8.ValidString(s) && (err != nil || back != s) {
			t.Errorf("DecodeHeaderValue(%q) = %q, %v, want %q", encoded, back, err, s)
		}
		if decoded, err := wire.DecodeHeaderValue(s); err == nil {
			if again, err := wire.DecodeHeaderValue(wire.EncodeHeaderValue(decoded)); err != nil || again != decoded {
				t.Errorf("%q decodes to %q, which comes back as %q, %v", s, decoded, again, err)
			}
		}
	})
}

// FuzzCanonical wants one form for all orders, and the same meaning as before.
func FuzzCanonical(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if wire.CheckReply(b) != nil {
			t.Skip()
		}
		got := wire.Canonical(b)
		if err := wire.CheckReply(got); err != nil {
			t.Fatalf("Canonical(%q) = %q: %v", b, got, err)
		}
		if again := wire.Canonical(got); !bytes.Equal(again, got) {
			t.Errorf("Canonical(%q) = %q, and of that %q", b, got, again)
		}
		if wire.CheckUnique(b) != nil {
			return
		}
		if other := wire.Canonical(reversed(b)); !bytes.Equal(other, got) {
			t.Errorf("Canonical(%q) = %q, and with all members reversed %q", b, got, other)
		}
		if wire.Check(b) != nil {
			return // encoding/json cannot tell lone surrogates apart
		}
		if want, have := decode(t, b), decode(t, got); !reflect.DeepEqual(want, have) {
			t.Errorf("Canonical(%q) = %q, which means something else", b, got)
		}
	})
}

// reversed writes the members of every object in the opposite order.
func reversed(b []byte) []byte {
	var parts [][]byte
	switch wire.Kind(b) {
	case '{':
		for m := range wire.Members(b) {
			parts = append(parts, slices.Concat(m.Key, []byte(" : "), reversed(m.Value)))
		}
		slices.Reverse(parts)
		return slices.Concat([]byte("{"), bytes.Join(parts, []byte(" , ")), []byte("}"))
	case '[':
		for e := range wire.Elements(b) {
			parts = append(parts, reversed(e))
		}
		return slices.Concat([]byte("["), bytes.Join(parts, []byte(",")), []byte("]"))
	}
	return b
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decoding %q: %v", b, err)
	}
	return v
}

// FuzzParse sends what parses on and reads it again.
func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Add([]byte(`{"jsonrpc":"2.0","id":"a","result":{"x":1}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m","data":[]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := wire.Parse(b)
		lax, laxErr := wire.ParseReply(b)
		if err == nil && laxErr != nil {
			t.Errorf("Parse accepts %q, ParseReply says %v", b, laxErr)
		}
		if err != nil {
			if e, err = lax, laxErr; err != nil {
				return
			}
		}
		if n := count(e.IsRequest(), e.IsNotification(), e.IsResponse()); n != 1 {
			t.Fatalf("%q is %d kinds of message", b, n)
		}
		var out []byte
		switch {
		case e.Error != nil:
			out = wire.AppendError(nil, e.ID, &wire.Error{Raw: e.Error})
		case e.Result != nil:
			out = wire.AppendResult(nil, e.ID, e.Result)
		default:
			out = wire.AppendRequest(nil, e.ID, e.Method, e.Params)
		}
		again, err := wire.ParseReply(wire.OneLine(out))
		if err != nil {
			t.Fatalf("%q goes on as %q: %v", b, out, err)
		}
		if again.Method != e.Method || !bytes.Equal(again.ID, e.ID) || !bytes.Equal(again.Result, wire.OneLine(e.Result)) ||
			!bytes.Equal(again.Params, wire.OneLine(e.Params)) || !bytes.Equal(again.Error, wire.OneLine(e.Error)) {
			t.Errorf("%q goes on as %q", b, out)
		}
	})
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

// FuzzSpans gives unchecked bytes to the functions that trust their input: they must end without a panic.
func FuzzSpans(f *testing.F) {
	addSeeds(f)
	for _, s := range []string{`{"`, `{"a`, `{"a":`, `{"a":"`, `[`, `["`, `{"a":[}`, `{"a\`, `"\u`, `{"\u":1,"\`, `{"a"::1}`, `{"b":1,"a"`, `{"a":1,"a":,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for m := range wire.Members(b) {
			_ = m.Name
		}
		for e := range wire.Elements(b) {
			_, _ = wire.String(e)
		}
		_, _ = wire.Lookup(b, "a", "b")
		_ = wire.Set(b, "a", []byte("1"))
		_ = wire.Delete(b, "a", "b")
		_ = wire.StripMeta(b)
		_, _ = wire.ParseMeta(b)
		_ = wire.ParseError(b)
		_, _ = wire.ParamHeaders(b)
		_ = wire.ValidateToolSchema(b)
		_ = wire.Canonical(b)
		_, _ = wire.Int(b)
		_, _ = wire.ParamHeader{Path: []string{"a"}}.Value(b)
	})
}

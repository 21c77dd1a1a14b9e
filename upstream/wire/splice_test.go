// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"testing"

	"tollgate/upstream/wire"
)

func TestSet(t *testing.T) {
	for _, tt := range []struct{ obj, name, value, want string }{
		{``, "a", `1`, `{"a":1}`},
		{` `, "a", `1`, `{"a":1}`},
		{`{}`, "a", `1`, `{"a":1}`},
		{` { } `, "a", `1`, ` {"a":1 } `},
		{`{"a":1}`, "a", `[2]`, `{"a":[2]}`},
		{"{\n  \"a\" : 1 ,\n  \"b\":2\n}", "a", `{}`, "{\n  \"a\" : {} ,\n  \"b\":2\n}"},
		{"{\n  \"b\":2\n}", "a", `3`, "{\n  \"b\":2,\"a\":3\n}"},
		{`{"n\u0061me":"x","y":1.0}`, "name", `"z"`, `{"n\u0061me":"z","y":1.0}`},
		{`{"Name":1}`, "name", `2`, `{"Name":1,"name":2}`},
		{`{"b":9007199254740993,"c":1e2,"d":"\u00e9\/","e":{"a":0}}`, "a", `1`, `{"b":9007199254740993,"c":1e2,"d":"\u00e9\/","e":{"a":0},"a":1}`},
		{`{"x":0}`, "q\"\n", `1`, `{"x":0,"q\"\n":1}`},
		{`{"a":1,"b":2,"a":3,"\u0061":4,"c":5}`, "a", `9`, `{"a":9,"b":2,"c":5}`},
		{`{"b":0 , "a":1, "a":2}`, "a", `9`, `{"b":0 , "a":9}`},
		{`[1]`, "a", `1`, `[1]`},
		{`null`, "a", `1`, `null`},
	} {
		before := []byte(tt.obj)
		if got := string(wire.Set(before, tt.name, []byte(tt.value))); got != tt.want {
			t.Errorf("Set(%s, %q, %s) = %s, want %s", tt.obj, tt.name, tt.value, got, tt.want)
		}
		if string(before) != tt.obj {
			t.Errorf("Set(%s) changed its argument to %s", tt.obj, before)
		}
	}
}

func TestDelete(t *testing.T) {
	for _, tt := range []struct {
		obj   string
		names []string
		want  string
	}{
		{`{"a":1}`, []string{"a"}, `{}`},
		{`{ "a":1 }`, []string{"a"}, `{  }`},
		{`{"a":1,"b":2,"c":3}`, []string{"a"}, `{"b":2,"c":3}`},
		{`{"a":1,"b":2,"c":3}`, []string{"b"}, `{"a":1,"c":3}`},
		{`{"a":1,"b":2,"c":3}`, []string{"c"}, `{"a":1,"b":2}`},
		{`{"a":1,"b":2,"c":3}`, []string{"a", "b"}, `{"c":3}`},
		{`{"a":1,"b":2,"c":3}`, []string{"a", "c"}, `{"b":2}`},
		{`{"a":1,"b":2,"c":3}`, []string{"c", "b", "a"}, `{}`},
		{"{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}", []string{"b"}, "{\n  \"a\": 1,\n  \"c\": 3\n}"},
		{"{\n  \"a\": 1,\n  \"b\": 2\n}", []string{"a"}, "{\n  \"b\": 2\n}"},
		{`{"\u0061":1,"b":1e2}`, []string{"a"}, `{"b":1e2}`},
		{`{"a":1,"b":2,"a":3}`, []string{"a"}, `{"b":2}`},
		{`{"a":1}`, []string{"b"}, `{"a":1}`},
		{`{"a":1}`, nil, `{"a":1}`},
		{`{}`, []string{"a"}, `{}`},
		{`["a"]`, []string{"a"}, `["a"]`},
		{``, []string{"a"}, ``},
	} {
		before := []byte(tt.obj)
		if got := string(wire.Delete(before, tt.names...)); got != tt.want {
			t.Errorf("Delete(%s, %q) = %s, want %s", tt.obj, tt.names, got, tt.want)
		}
		if string(before) != tt.obj {
			t.Errorf("Delete(%s) changed its argument to %s", tt.obj, before)
		}
	}
}

// An answer that is the argument itself must not let a later append write behind it.
func TestSpliceDoesNotShareCapacity(t *testing.T) {
	buf := []byte(`{"a":1}tail`)
	obj := buf[:7]
	for name, out := range map[string][]byte{"Delete": wire.Delete(obj, "b"), "StripMeta": wire.StripMeta(obj)} {
		_ = append(out, "XXXX"...)
		if string(buf) != `{"a":1}tail` {
			t.Fatalf("appending to the answer of %s wrote into the buffer: %s", name, buf)
		}
	}
}

func TestOneLine(t *testing.T) {
	in := []byte("{\r\n \"a\":\n\"x\\ny\"}")
	if got, want := string(wire.OneLine(in)), `{   "a": "x\ny"}`; got != want {
		t.Errorf("OneLine = %q, want %q", got, want)
	}
	if string(in) != "{\r\n \"a\":\n\"x\\ny\"}" {
		t.Errorf("OneLine changed its argument to %q", in)
	}
	if got := string(wire.OneLine([]byte(`{}`))); got != `{}` {
		t.Errorf("OneLine({}) = %q", got)
	}
}

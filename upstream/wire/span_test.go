// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

func TestMembers(t *testing.T) {
	const obj = " {\n \"a\" : 1 , \"\\u0062\":\"x,}\\\"\" ,\"c\":{\"d\":[1,{}]},\"e\":[\"]\"]} "
	type row struct{ Name, Key, Value, Text string }
	var got []row
	for m := range wire.Members([]byte(obj)) {
		got = append(got, row{m.Name, string(m.Key), string(m.Value), obj[m.Start:m.End]})
	}
	want := []row{
		{"a", `"a"`, `1`, `"a" : 1`},
		{"b", `"\u0062"`, `"x,}\""`, `"\u0062":"x,}\""`},
		{"c", `"c"`, `{"d":[1,{}]}`, `"c":{"d":[1,{}]}`},
		{"e", `"e"`, `["]"]`, `"e":["]"]`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for _, text := range []string{``, ` `, `{}`, `{ }`, `[1]`, `"{}"`, `null`, `1`} {
		for m := range wire.Members([]byte(text)) {
			t.Errorf("Members(%s) yields %v, want nothing", text, m)
		}
	}
	for range wire.Members([]byte(obj)) {
		break // must not go on after the loop ends
	}
}

func TestElements(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`:                           nil,
		` [ ] `:                        nil,
		`[1]`:                          {"1"},
		` [ 1 , "a]" ,{"b":[]},[[]]] `: {"1", `"a]"`, `{"b":[]}`, `[[]]`},
		`{"a":1}`:                      nil,
		`"[1]"`:                        nil,
		``:                             nil,
	} {
		var got []string
		for e := range wire.Elements([]byte(text)) {
			got = append(got, string(e))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Elements(%s) (-want +got):\n%s", text, diff)
		}
	}
}

func TestLookup(t *testing.T) {
	obj := []byte(`{"a":{"b":{"c": 9007199254740993 }},"Method":1,"n\u0061me":"x","param` + "ſ" + `":2,"s":"\\","z":[{"y":1}],"dup":1,"dup":2}`)
	for _, tt := range []struct {
		path []string
		want string // "" = missing
	}{
		{[]string{"a", "b", "c"}, "9007199254740993"},
		{[]string{"a", "b"}, `{"c": 9007199254740993 }`},
		{[]string{"name"}, `"x"`},
		{[]string{"method"}, ""},
		{[]string{"params"}, ""},
		{[]string{"nam"}, ""},
		{[]string{`n\u0061me`}, ""},
		{[]string{"s"}, `"\\"`},
		{[]string{"z", "y"}, ""},
		{[]string{"s", "y"}, ""},
		{[]string{"a", "x"}, ""},
		{[]string{"dup"}, "1"},
	} {
		got, ok := wire.Lookup(obj, tt.path...)
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("Lookup(%q) = %s, %t, want %q", tt.path, got, ok, tt.want)
		}
	}
	if got, ok := wire.Lookup([]byte(" [1] ")); string(got) != "[1]" || !ok {
		t.Errorf("Lookup without a path = %s, %t, want the value itself", got, ok)
	}
	if _, ok := wire.Lookup(nil, "a"); ok {
		t.Error("Lookup in nothing finds something")
	}
}

func TestString(t *testing.T) {
	for raw, want := range map[string]string{
		`""`: "", `"a"`: "a", ` "a" `: "a", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t",
		`"\u0041\u00e9\u20AC"`: "Aé€", `"\ud83d\ude00!"`: "😀!", `"\ud800"`: "\ufffd", `"\ud800\ud83d\ude00"`: "\ufffd😀",
		`"\udc00x"`: "\ufffdx", `"ä😀"`: "ä😀",
	} {
		if got, ok := wire.String([]byte(raw)); got != want || !ok {
			t.Errorf("String(%s) = %q, %t, want %q", raw, got, ok, want)
		}
	}
	for _, raw := range []string{``, `"`, `1`, `null`, `{}`, `[]`, `a`} {
		if got, ok := wire.String([]byte(raw)); ok {
			t.Errorf("String(%s) = %q, want none", raw, got)
		}
	}
}

func TestAppendString(t *testing.T) {
	for s, want := range map[string]string{
		"":               `""`,
		"a<b>&c/d":       `"a<b>&c/d"`,
		"\"\\":           `"\"\\"`,
		"\b\f\n\r\t":     `"\b\f\n\r\t"`,
		"\x00\x1f\x7f":   "\"\\u0000\\u001f\x7f\"",
		"é€😀\u2028":      "\"é€😀\u2028\"",
		"a\xffb\xed\xa0": "\"a\ufffdb\ufffd\ufffd\"",
		"\xed\xa0\x80":   "\"\ufffd\ufffd\ufffd\"",
		"\ufffd":         "\"\ufffd\"",
	} {
		if got := string(wire.AppendString(nil, s)); got != want {
			t.Errorf("AppendString(%q) = %s, want %s", s, got, want)
		}
	}
	if got := string(wire.AppendString([]byte("x:"), "y")); got != `x:"y"` {
		t.Errorf("AppendString to x: gives %s", got)
	}
}

func TestInt(t *testing.T) {
	for raw, want := range map[string]int64{
		"0": 0, "-0": 0, "7": 7, " -32602 ": -32602, "9007199254740993": 9007199254740993,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, ok := wire.Int([]byte(raw)); got != want || !ok {
			t.Errorf("Int(%s) = %d, %t, want %d", raw, got, ok, want)
		}
	}
	for _, raw := range []string{
		"", "-", "1.0", "1e2", `"1"`, "null", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "true", "[1]",
	} {
		if got, ok := wire.Int([]byte(raw)); ok {
			t.Errorf("Int(%s) = %d, want none", raw, got)
		}
	}
}

func TestKind(t *testing.T) {
	for raw, want := range map[string]byte{
		"": 0, " ": 0, " {}": '{', "[": '[', `"a"`: '"', "0": '0', "-1": '0', "9.5": '0', "true": 't', "false": 'f', "\nnull": 'n',
	} {
		if got := wire.Kind([]byte(raw)); got != want {
			t.Errorf("Kind(%s) = %q, want %q", raw, got, want)
		}
	}
}

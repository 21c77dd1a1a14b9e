// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQuoteLarge(t *testing.T) {
	for in, want := range map[string]string{
		`9007199254740991`:     `9007199254740991`,
		`9007199254740992`:     `"9007199254740992"`,
		`-9007199254740991`:    `-9007199254740991`,
		`-9007199254740992`:    `"-9007199254740992"`,
		`12345678901234567890`: `"12345678901234567890"`,
		`[1,12345678901234567890 , {"a":-99999999999999999999}]`: `[1,"12345678901234567890" , {"a":"-99999999999999999999"}]`,
		`1234567890123456789.5`:                                  `1234567890123456789.5`,
		`12345678901234567890e2`:                                 `12345678901234567890e2`,
		`"12345678901234567890"`:                                 `"12345678901234567890"`,
		`{"12345678901234567890":"\"99999999999999999999\\"}`:    `{"12345678901234567890":"\"99999999999999999999\\"}`,
		`{"a\\":99999999999999999999}`:                           `{"a\\":"99999999999999999999"}`,
		`0.12345678901234567890`:                                 `0.12345678901234567890`,
		`[true,false,null,""]`:                                   `[true,false,null,""]`,
		`1e400`:                                                  `1e400`,
	} {
		if got := string(quoteLarge([]byte(in))); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

// texts draws JSON with all that makes it hard to read.
func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return text(t, 0) })
}

func text(t *rapid.T, depth int) string {
	n := 5
	if depth > 4 {
		n = 3
	}
	switch rapid.IntRange(0, n).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"1", "-0", "1.5e300", "12345678901234567890", "-99999999999999999", "true", "null"}).Draw(t, "scalar")
	case 1, 2:
		b, err := json.Marshal(rapid.StringN(0, 40, -1).Draw(t, "string"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	case 3:
		return `"` + strings.Repeat(rapid.SampledFrom([]string{`\ud83d\ude00`, `\\`, `\"`, "é", "\U0001f600", `\u0000x`, "x"}).Draw(t, "unit"), rapid.IntRange(0, 60).Draw(t, "times")) + `"`
	case 4:
		var parts []string
		for range rapid.IntRange(0, 8).Draw(t, "elements") {
			parts = append(parts, text(t, depth+1))
		}
		return "[" + strings.Join(parts, rapid.SampledFrom([]string{",", " , "}).Draw(t, "comma")) + "]"
	}
	var parts []string
	for i := range rapid.IntRange(0, 8).Draw(t, "members") {
		key, err := json.Marshal(fmt.Sprint(rapid.StringN(0, 10, -1).Draw(t, "key"), i))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(key)+":"+text(t, depth+1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// TestQuoteLargeProperty compares with a decoder that keeps numbers as they are written.
func TestQuoteLargeProperty(t *testing.T) {
	var convert func(v any) any
	convert = func(v any) any {
		switch v := v.(type) {
		case json.Number:
			if unsafe([]byte(v)) {
				return string(v)
			}
		case []any:
			for i := range v {
				v[i] = convert(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = convert(v[k])
			}
		}
		return v
	}
	decode := func(t *rapid.T, b []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		in := texts().Draw(t, "json")
		want, _ := json.Marshal(convert(decode(t, []byte(in))))
		got, _ := json.Marshal(decode(t, quoteLarge([]byte(in))))
		if string(got) != string(want) {
			t.Fatalf("%s\n\tbecomes %s\n\twant    %s", in, got, want)
		}
	})
}

// TestTruncateProperty checks that what is cut is JSON, short enough, marked, and not needlessly empty.
func TestTruncateProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := texts().Draw(t, "json")
		most := rapid.IntRange(40, 2000).Draw(t, "most")
		out := truncate([]byte(in), most)
		switch {
		case len(in) <= most && string(out) != in:
			t.Fatalf("%s fits into %d and became %s", in, most, out)
		case len(in) <= most:
		case len(out) > most:
			t.Fatalf("%d bytes became %d, want at most %d: %s", len(in), len(out), most, out)
		case !json.Valid(out):
			t.Fatalf("%s became %s, which is not JSON", in, out)
		case !bytes.Contains(out, []byte("[cut")):
			t.Fatalf("%s became %s without a mark", in, out)
		}
	})
}

func TestTruncate(t *testing.T) {
	rows := make([]string, 1000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id":%d,"name":"row %d"}`, i, i)
	}
	list := "[" + strings.Join(rows, ",") + "]"
	out := truncate([]byte(list), 1000)
	var got []any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got); n < 30 || got[n-1] != fmt.Sprintf("[cut: %d of 1000 elements]", 1000-(n-1)) {
		t.Errorf("%d elements, the last is %v", len(got), got[len(got)-1])
	}
	object := fmt.Sprintf(`{"small":1,"list":%s,"text":%q,"last":{"a":true}}`, list, strings.Repeat("é", 5000))
	out = truncate([]byte(object), 3000)
	var o struct {
		Small int
		List  []any
		Text  string
		Last  map[string]bool
	}
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatal(err)
	}
	if o.Small != 1 || !o.Last["a"] || len(o.List) < 30 || !strings.HasSuffix(o.Text, "more bytes]") || len(o.Text) < 1000 {
		t.Errorf("what is small must stay whole, and what is large must share: %s", out)
	}
	if out := truncate([]byte(`[[[["`+strings.Repeat("x", 1000)+`"]]]]`), 300); !bytes.HasPrefix(out, []byte(`[[[["xxxx`)) {
		t.Errorf("nested: %s", out)
	}
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	if out := truncate([]byte(deep), 1000); !json.Valid(out) || len(out) > 1000 {
		t.Errorf("deep: %s", out)
	}
}

func BenchmarkQuoteLarge(b *testing.B) {
	row := `{"id":12345,"title":"a title of some words","body":"text with \"quotes\" and more words than that","labels":["bug","p1"],"open":true},`
	in := []byte("[" + strings.Repeat(row, 800) + "1]")
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		quoteLarge(in)
	}
}

// BenchmarkBridge is the part of a call that Go does: the message, the turn given back and taken, the answer. What is left out
// is the crossing into WebAssembly, a dozen times some 90 ns.
func BenchmarkBridge(b *testing.B) {
	e, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close(b.Context())
	p := &Program{Servers: []string{"github"}, Call: func(_ context.Context, c *Call) Answer { return Answer{Value: c.Arguments} }}
	s := &sandbox{engine: e, program: p, limits: e.limits, ctx: b.Context(), out: &Result{}}
	message := []byte("0\nget_issue\n{\"owner\":\"o\",\"repo\":\"r\",\"number\":12}")
	s.enter()
	b.ReportAllocs()
	for b.Loop() {
		s.out.Calls = s.out.Calls[:0]
		s.receiveCall(bytes.Clone(message), len(message)+1)
		c := s.queue[0]
		s.queue = s.queue[:0]
		s.leave()
		done := completion{c, p.Call(s.ctx, c)}
		s.enter()
		s.note(done)
		if text, code := s.answerText(done); len(text) == 0 || code != "" {
			b.Fatal(text, code)
		}
	}
	s.leave()
}

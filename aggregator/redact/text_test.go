// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"strings"
	"testing"

	"tollgate/upstream/wire"
)

// TestDoubtfulText has texts that are not simply JSON or simply prose, with the rule for /ssn.
func TestDoubtfulText(t *testing.T) {
	const withheld = `"[withheld by policy]"`
	for name, tt := range map[string]struct{ in, want, kept string }{ // string literals of JSON; kept "" = as it came
		"repeated name":            {`"{\"ssn\":1,\"ssn\":2,\"a\":3}"`, withheld, `"{\"ssn\":\"[redacted]\",\"ssn\":\"[redacted]\",\"a\":3}"`},
		"repeated below":           {`"[{\"a\":1,\"a\":2}]"`, withheld, ""},
		"lone surrogate inside":    {`"{\"ssn\":1,\"a\":\"\\ud800\"}"`, withheld, `"{\"ssn\":\"[redacted]\",\"a\":\"\\ud800\"}"`},
		"lone surrogate outside":   {`"{\"ssn\":1,\"a\":\"\ud800\"}"`, withheld, `"{\"ssn\":\"[redacted]\",\"a\":\"` + "\ufffd" + `\"}"`},
		"replacement character":    {`"{\"ssn\":1,\"a\":\"` + "\ufffd" + `\"}"`, `"{\"ssn\":\"[redacted]\",\"a\":\"` + "\ufffd" + `\"}"`, `"{\"ssn\":\"[redacted]\",\"a\":\"` + "\ufffd" + `\"}"`},
		"cut off":                  {`"{\"ssn\":1"`, withheld, withheld},
		"goes on":                  {`"{\"ssn\":1}\n{\"ssn\":2}"`, withheld, withheld},
		"NaN":                      {`"[ {\"ssn\":1,\"x\":NaN}]"`, withheld, withheld},
		"byte order mark":          {`"` + "\ufeff" + `{\"ssn\":1}"`, withheld, withheld},
		"marked array":             {`"\ufeff[1]"`, withheld, withheld},
		"too deep":                 {`"` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `"`, withheld, ""},
		"escaped brace":            {`"\u007b\u0022ssn\u0022:1}"`, `"{\"ssn\":\"[redacted]\"}"`, `"{\"ssn\":\"[redacted]\"}"`},
		"escaped white space":      {`"\r\n\t\u0020{\"ssn\":1}"`, `"\r\n\t {\"ssn\":\"[redacted]\"}"`, `"\r\n\t {\"ssn\":\"[redacted]\"}"`},
		"escaped name":             {`"{\"\\u0073sn\":1}"`, `"{\"\\u0073sn\":\"[redacted]\"}"`, `"{\"\\u0073sn\":\"[redacted]\"}"`},
		"nothing to redact":        {`"{\"a\":\"\u00e9\"}"`, `"{\"a\":\"\u00e9\"}"`, ""},
		"link":                     {`"[text](url)"`, withheld, ""},
		"log line":                 {`"[INFO] {ssn}"`, withheld, withheld},
		"fence":                    {"\"```json\\n{}\\n```\"", withheld, ""},
		"empty object":             {`"{}"`, `"{}"`, ""},
		"tag":                      {`"[info] done"`, withheld, ""},
		"tags":                     {`"[ ] to do, see [docs](url)"`, withheld, ""},
		"number in brackets":       {`"[1] see there"`, withheld, withheld},
		"constants":                {`"[NaN nil]"`, withheld, withheld},
		"template":                 {`"{ssn} came"`, withheld, withheld},
		"no-break space":           {`"\u00a0{\"ssn\":1}"`, withheld, withheld},
		"vertical tab":             {`"\u000b{\"ssn\":1}"`, withheld, withheld},
		"several":                  {`"null\n{\"ssn\":1}"`, withheld, withheld},
		"array cut off":            {`"[1,{\"ssn\":1"`, withheld, withheld},
		"beginning cut off":        {`"\"a\": [{\"ssn\":1}]}"`, withheld, withheld},
		"plain name":               {`"{ssn:1}"`, withheld, withheld},
		"quotation":                {`"\"ssn\" is [sic] a name"`, withheld, ""},
		"quoted, cut off":          {`"\"{\\\"ssn\\\":1"`, withheld, withheld},
		"notice":                   {`"[withheld by policy: image, image/png]"`, `"[withheld by policy: image, image/png]"`, ""},
		"no notice of ours":        {`"[withheld by policy: ssn 1]"`, withheld, withheld},
		"encoded twice":            {`"\"{\\\"ssn\\\":1}\""`, `"\"{\\\"ssn\\\":\\\"[redacted]\\\"}\""`, `"\"{\\\"ssn\\\":\\\"[redacted]\\\"}\""`},
		"twice, surrogate outside": {`"\"{\\\"a\\\":\\\"\ud800\\\"}\""`, withheld, ""},
		"twice, surrogate inside":  {`"\"{\\\"a\\\":\\\"\\ud800\\\"}\""`, withheld, ""},
		"quoted prose":             {`"\"ssn 1\""`, withheld, ""},
		"slash at the end":         {`"\\"`, withheld, ""},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			if tt.kept == "" {
				tt.kept = tt.in
			}
			for keep, want := range map[bool]string{false: tt.want, true: tt.kept} {
				in := `{"content":[{"type":"text","text":` + tt.in + `}]}`
				if err := wire.CheckReply([]byte(in)); err != nil {
					t.Fatal(err)
				}
				if got := string(rule(t, keep, "/ssn").Result("tools/call", []byte(in))); got != `{"content":[{"type":"text","text":`+want+`}]}` {
					t.Errorf("keep_text %t:\n%s, want text\n%s", keep, got, want)
				}
			}
		})
	}
}

// TestStringsInData has strings at /s of structuredContent, with rules for /ssn, /s/card and /**/pin.
func TestStringsInData(t *testing.T) {
	encode := func(doc string, times int) string {
		for range times {
			doc = string(wire.AppendString(nil, doc))
		}
		return doc
	}
	const withheld = `"[withheld by policy]"`
	for name, tt := range map[string]struct{ in, want string }{
		"prose stays":       {`"ssn 1, caf\u00e9"`, `"ssn 1, caf\u00e9"`},
		"begins anew":       {encode(`{"ssn":1}`, 1), encode(`{"ssn":"[redacted]"}`, 1)},
		"goes on":           {encode(`{"card":1}`, 1), encode(`{"card":"[redacted]"}`, 1)},
		"goes on and anew":  {encode(`{"s":{"card":1}}`, 1), encode(`{"s":{"card":"[redacted]"}}`, 1)},
		"other path":        {encode(`{"x":{"card":1}}`, 1), encode(`{"x":{"card":1}}`, 1)},
		"in an array":       {`[0,` + encode(`[{"pin":1}]`, 1) + `]`, `[0,` + encode(`[{"pin":"[redacted]"}]`, 1) + `]`},
		"quoted":            {encode(`{"pin":1}`, 2), encode(`{"pin":"[redacted]"}`, 2)},
		"quoted goes on":    {encode(`{"card":1}`, 2), encode(`{"card":"[redacted]"}`, 2)},
		"three levels":      {encode(`[`+encode(`[`+encode(`{"pin":1}`, 1)+`]`, 1)+`]`, 1), encode(`[`+encode(`[`+encode(`{"pin":"[redacted]"}`, 1)+`]`, 1)+`]`, 1)},
		"four levels":       {encode(encode(encode(`[`+encode(`{"a":1}`, 1)+`]`, 1), 1), 1), encode(encode(encode(`[`+withheld+`]`, 1), 1), 1)},
		"many quotes":       {encode(`[1]`, 8), withheld},
		"repeated name":     {encode(`{"a":1,"a":2}`, 1), withheld},
		"cut off":           {encode(`{"ssn": "1`, 1), withheld},
		"code":              {encode(`{ return "x" }`, 1), withheld},
		"brackets stay":     {`"[a] b"`, `"[a] b"`},
		"tag stays":         {`"[WIP] [a/b] fix #1"`, `"[WIP] [a/b] fix #1"`},
		"several":           {encode("{}\n"+`{"ssn":1}`, 1), withheld},
		"NaN":               {encode(`[NaN,{"ssn":1}]`, 1), withheld},
		"notice stays":      {`"[withheld by policy: image, image/png]"`, `"[withheld by policy: image, image/png]"`},
		"unchanged escapes": {`"{\u0022a\u0022:1}"`, `"{\u0022a\u0022:1}"`},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			r := rule(t, false, "/ssn", "/s/card", "/**/pin")
			in := `{"structuredContent":{"a":0, "s":` + tt.in + `}}`
			want := `{"structuredContent":{"a":0, "s":` + tt.want + `}}`
			if got := string(r.Result("tools/call", []byte(in))); got != want {
				t.Errorf("got\n%s, want\n%s", got, want)
			}
		})
	}
}

// TestPathsThroughUnknownMembers has pointers that begin with the name of a member the protocol does not know.
func TestPathsThroughUnknownMembers(t *testing.T) {
	const in = `{"content":[],"note":"{\"card\":1,\"x\":{\"card\":2}}","more":{"card":3},"whole":"ssn 4","card":5}`
	const want = `{"content":[],"note":"{\"card\":\"[redacted]\",\"x\":{\"card\":2}}","more":{"card":"[redacted]"},"whole":"[redacted]","card":5}`
	if got := string(rule(t, true, "/note/card", "/more/card", "/whole").Result("tools/call", []byte(in))); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

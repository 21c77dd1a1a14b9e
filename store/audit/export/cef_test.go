// SPDX-License-Identifier: Apache-2.0

package export

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/store/audit"
)

// readCEF reads a line by the rules of CEF: what separates is not escaped.
func readCEF(t rapid.TB, line string) (header []string, values map[string]string) {
	rest, ok := strings.CutPrefix(line, "CEF:0|")
	if !ok {
		t.Fatalf("not CEF: %q", line)
	}
	field := ""
	for len(header) < 6 {
		switch {
		case rest == "":
			t.Fatalf("the header ends early: %q", line)
		case rest[0] == '\\' && len(rest) > 1:
			field, rest = field+rest[1:2], rest[2:]
		case rest[0] == '|':
			header, field, rest = append(header, field), "", rest[1:]
		default:
			field, rest = field+rest[:1], rest[1:]
		}
	}
	values = map[string]string{}
	keys := regexp.MustCompile(`(^| )([A-Za-z0-9]+)=`).FindAllStringSubmatchIndex(rest, -1)
	for i, k := range keys {
		end := len(rest)
		if i+1 < len(keys) {
			end = keys[i+1][0]
		}
		name := rest[k[4]:k[5]]
		if _, twice := values[name]; twice {
			t.Fatalf("key %q is there twice in %q", name, line)
		}
		values[name] = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r").Replace(rest[k[1]:end])
	}
	return header, values
}

// shown is a value as CEF has it: without characters that nobody sees, and not longer than its key may have.
func shown(s string, most int) string {
	var b strings.Builder
	for _, r := range shorten(s, most) {
		if r != '\n' && r != '\r' && controls(string(r)) != string(r) {
			b.WriteString(strings.ReplaceAll(controls(string(r)), `\\`, `\`))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestCEFReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := stored(t, anyRecord(rt), anyRecord(rt))
		lines := strings.Split(string(exported(t, testOptions(CEF), all)), "\n")
		if len(lines) != 3 || lines[2] != "" {
			rt.Fatalf("not two lines: %q", lines)
		}
		for i, line := range lines[:2] {
			rec := decoded(rt, all[i])
			header, got := readCEF(rt, line)
			want := map[string]string{
				"cn1": strconv.Itoa(i), "externalId": shown(rec.ID, 40), "dvchost": shown(rec.Node, 100), "cs3": shown(rec.Of.Team, maxCustom), "cs4": shown(rec.Of.Org, maxCustom),
				"TollgateRule": shown(rec.Rule, maxLong), "TollgateReason": shown(rec.Reason, maxLong), "TollgateDetails": shown(string(rec.Details), maxCustom),
			}
			if rec.Of.User != "" {
				want["suser"] = shown(rec.Of.User, maxLong)
			}
			for key, value := range want {
				if got[key] != value {
					rt.Fatalf("%s is %q, want %q, in\n%s", key, got[key], value, line)
				}
			}
			if severity, err := strconv.Atoi(header[5]); err != nil || severity < 0 || severity > 10 || header[0] != productName {
				rt.Fatalf("header %q", header)
			}
		}
	})
}

// TestCEFEscapes: the characters that separate, in the header and in values, and nothing of a caller's makes a key or a line.
func TestCEFEscapes(t *testing.T) {
	r := &audit.Record{Kind: audit.Admin, ID: "x", Action: `a|b\c` + "\nd", Target: "t\r\nCEF:0|x act=allowed", Actor: `e=f \ | g`}
	o := testOptions(CEF)
	o.Version = "1|2"
	got := string(exported(t, o, stored(t, r)))
	for _, want := range []string{
		`CEF:0|Tollgate|Tollgate|1\|2|admin:a\|b\\c d|Administration|3|rt=`,
		` suser=e\=f \\ | g act=a|b\\c\nd outcome=`,
		` cs1=t\r\nCEF:0|x act\=allowed cs1Label=target`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Count(got, "\n") != 1 {
		t.Errorf("more than one line: %q", got)
	}
	header, values := readCEF(t, strings.TrimSuffix(got, "\n"))
	if header[3] != `admin:a|b\c d` || values["suser"] != `e=f \ | g` || values["act"] != `a|b\c`+"\nd" {
		t.Errorf("read back: %q %q", header, values)
	}
}

// TestCEFKeys: keys are letters and digits, and each label has its value.
func TestCEFKeys(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(string(exported(t, testOptions(CEF), stored(t, everyKind()...)))), "\n") {
		_, values := readCEF(t, line)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if of, ok := strings.CutSuffix(key, "Label"); ok && values[of] == "" {
				t.Errorf("%s without %s in %s", key, of, line)
			}
		}
		for _, key := range []string{"rt", "cat", "externalId", "cn1", "act", "outcome", "msg"} {
			if values[key] == "" {
				t.Errorf("no %s in %s", key, line)
			}
		}
	}
}

func TestShorten(t *testing.T) {
	for in, want := range map[string]string{"": "", "éééé": "éééé", "ééééé": "ééé…", "abcde": "abc…"} {
		if got := shorten(in, 4); got != want {
			t.Errorf("shorten(%q) = %q, want %q", in, got, want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/store/audit"
)

// TestOCSFFingerprints makes the fingerprints again from what is exported, as a receiver would.
func TestOCSFFingerprints(t *testing.T) {
	all := stored(t, everyKind()...)
	for i, line := range bytes.SplitAfter(exported(t, testOptions(OCSF), all), []byte("\n"))[:len(all)] {
		checkFingerprints(t, bytes.TrimSuffix(line, []byte("\n")), all[i])
	}
}

func checkFingerprints(t rapid.TB, line []byte, r audit.Stored) {
	var e struct {
		Raw     string `json:"raw_data"`
		RawHash struct {
			Value string `json:"value"`
		} `json:"raw_data_hash"`
		Attestations []struct {
			Fingerprint json.RawMessage `json:"fingerprint"`
		} `json:"attestation_list"`
	}
	if err := json.Unmarshal(line, &e); err != nil || len(e.Attestations) != 2 || e.Raw != string(r.Text) {
		t.Fatalf("%v: not the record in\n%s", err, line)
	}
	raw, leaf := sha256.Sum256([]byte(e.Raw)), sha256.Sum256(append([]byte{0}, e.Raw...))
	if e.RawHash.Value != hex.EncodeToString(raw[:]) || !bytes.Contains(e.Attestations[0].Fingerprint, []byte(hex.EncodeToString(leaf[:]))) {
		t.Fatalf("hashes of the record are wrong in\n%s", line)
	}
	own := append(append([]byte(`"fingerprint":`), e.Attestations[1].Fingerprint...), ',')
	if bytes.Count(line, own) != 1 {
		t.Fatalf("the fingerprint is not once in\n%s", line)
	}
	sum := sha256.Sum256(bytes.Replace(line, own, nil, 1))
	if !bytes.Contains(own, []byte(hex.EncodeToString(sum[:]))) {
		t.Fatalf("the fingerprint of the event is wrong in\n%s", line)
	}
}

// TestOCSFSame: a record is the same event, whatever is exported with it.
func TestOCSFSame(t *testing.T) {
	all := stored(t, everyKind()...)
	whole := bytes.SplitAfter(exported(t, testOptions(OCSF), all), []byte("\n"))
	for i, r := range all {
		if alone := exported(t, testOptions(OCSF), []audit.Stored{r}); !bytes.Equal(alone, whole[i]) {
			t.Fatalf("record %d alone is\n%s, with others\n%s", i, alone, whole[i])
		}
	}
}

// TestOCSFClasses: type_uid is made of class and activity, and what every event must have is there.
func TestOCSFClasses(t *testing.T) {
	want := map[string][3]int{
		"START1": {6002, 3, 3}, "CALL2": {6003, 99, 3}, "CALL5": {6003, 99, 2}, "CALL6": {6003, 2, 2}, "CALL7": {6003, 99, 3}, "ADMIN1": {6003, 3, 2},
		"ADMIN2": {6003, 99, 3}, "LEASE1": {0, 99, 2}, "CALL8": {6003, 99, 1}, "NEW1": {0, 99, 1}, "STOP1": {6002, 4, 1},
	}
	for _, r := range stored(t, everyKind()...) {
		var e struct {
			Class    *int `json:"class_uid"`
			Category *int `json:"category_uid"`
			Activity int  `json:"activity_id"`
			Type     int  `json:"type_uid"`
			Severity int  `json:"severity_id"`
			Time     int64
			Source   map[string]any `json:"src_endpoint"`
			Actor    map[string]any `json:"actor"`
			API      map[string]any `json:"api"`
			Metadata struct {
				Version string `json:"version"`
				UID     string `json:"uid"`
			} `json:"metadata"`
		}
		line := exported(t, testOptions(OCSF), []audit.Stored{r})
		if err := json.Unmarshal(line, &e); err != nil || e.Class == nil || e.Category == nil {
			t.Fatalf("%v: %s", err, line)
		}
		rec := decoded(t, r)
		if w, ok := want[rec.ID]; ok && w != [3]int{*e.Class, e.Activity, e.Severity} {
			t.Errorf("%s is of class %d, activity %d, severity %d; want %v", rec.ID, *e.Class, e.Activity, e.Severity, w)
		}
		if e.Type != *e.Class*100+e.Activity || *e.Category != *e.Class/1000 || e.Time != rec.Time.UnixMilli() || e.Metadata.Version != "1.9.0" || e.Metadata.UID == "" {
			t.Errorf("%s", line)
		}
		if *e.Class == 6003 && (len(e.Source) == 0 || e.Actor["user"] == nil || e.API["operation"] == "" || e.API["request"] == nil) {
			t.Errorf("no API activity: %s", line)
		}
	}
}

// TestArguments: what a reader with floating point would change is text.
func TestArguments(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1.50,"b":[1e2,-0,9007199254740991,0.1]}`: `{"a":1.5,"b":[100,0,9007199254740991,0.1]}`,
		`{"n":9007199254740993}`:                       `"{\"n\":9007199254740993}"`,
		`{"n":1e400}`:                                  `"{\"n\":1e400}"`,
		`{"n":1e-400}`:                                 `"{\"n\":1e-400}"`,
		`{"n":0.12345678901234567}`:                    `"{\"n\":0.12345678901234567}"`,
		`{"a":1,"a":2}`:                                `"{\"a\":1,\"a\":2}"`,
		`{"s":"\ud800"}`:                               `"{\"s\":\"\\ud800\"}"`,
		`{"s":"\ud83d\ude00"}`:                         `{"s":"😀"}`,
	} {
		if got := string(appendCanonical(nil, object{}.json("x", []byte(in))["x"])); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

// TestCanonical has the samples of RFC 8785.
func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{"numbers":[333333333.333333,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`: `{"literals":[null,true,false],"numbers":[333333333.333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`: "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\"," +
			"\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
	} {
		value, ok := parse([]byte(in))
		if got := string(appendCanonical(nil, value)); !ok || got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// FuzzExport: whatever stands in the log, each format makes one line of it that reads back, or says why it cannot.
func FuzzExport(f *testing.F) {
	for _, r := range stored(f, everyKind()...) {
		f.Add(r.Text)
	}
	f.Add([]byte(`{"v":1,"kind":"outcome","of":{"user":"=1\r\n,\"|"},"input":{"arguments":[1e999],"source_ip":"::1"},"details":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := audit.Stored{Seq: 7, Text: text}
		rec, err := audit.Decode(text)
		for _, name := range Formats()[1:] {
			var out bytes.Buffer
			w, e := New(&out, testOptions(Format(name)))
			if e != nil {
				t.Fatal(e)
			}
			if e := w.Write(r); (e == nil) != (err == nil) {
				t.Fatalf("%s: %v, and the record: %v", name, e, err)
			}
			if e := w.Flush(); e != nil {
				t.Fatal(e)
			}
			if err != nil {
				continue
			}
			switch got := out.String(); Format(name) {
			case CSV:
				if rows := readTable(t, got); len(rows) != 2 || len(rows[1]) != len(Columns()) {
					t.Fatalf("%d rows: %q", len(rows), got)
				}
			case CEF:
				if _, values := readCEF(t, strings.TrimSuffix(got, "\n")); strings.Count(got, "\n") != 1 || values["cat"] != shown(string(rec.Kind), maxLong) {
					t.Fatalf("%q", got)
				}
			case OCSF:
				if strings.Count(got, "\n") != 1 || !json.Valid(out.Bytes()) {
					t.Fatalf("%q", got)
				}
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package export

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/store/audit"
)

// readTable reads RFC 4180 as it is written, line breaks inside of cells included. It fails on what the RFC does not allow.
func readTable(t rapid.TB, text string) [][]string {
	var rows [][]string
	row, cell := []string{}, ""
	for text != "" {
		if quoted, ok := strings.CutPrefix(text, `"`); ok {
			for {
				end := strings.IndexByte(quoted, '"')
				if end < 0 {
					t.Fatalf("a quote is not closed before %q", text)
				}
				cell, quoted = cell+quoted[:end], quoted[end+1:]
				if !strings.HasPrefix(quoted, `"`) {
					break
				}
				cell, quoted = cell+`"`, quoted[1:]
			}
			text = quoted
		} else {
			end := strings.IndexAny(text, ",\r\n\"")
			if end < 0 {
				t.Fatalf("the last row does not end: %q", text)
			}
			cell, text = text[:end], text[end:]
		}
		row, cell = append(row, cell), ""
		switch {
		case strings.HasPrefix(text, ","):
			text = text[1:]
		case strings.HasPrefix(text, "\r\n"):
			rows, row, text = append(rows, row), []string{}, text[2:]
		default:
			t.Fatalf("a cell is followed by %q", text)
		}
	}
	return rows
}

// armed is what a cell of text was before it was made harmless.
func armed(cell string) string { return strings.TrimPrefix(cell, "'") }

// anyRecord draws a record with whatever callers could have put into it.
func anyRecord(t *rapid.T) *audit.Record {
	word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "'x", "''", "a,b", `a"b`, "a\r\nb", "a\nb", "\r", " x ", "a=b c=d", `\`, `a\=b`, "|", " act=denied ", "\u2028", "\x00",
	}))
	draw := func(name string) string { return word.Draw(t, name) }
	details, _ := json.Marshal(map[string]string{"x": draw("details")})
	return &audit.Record{
		Kind: audit.Kind(rapid.SampledFrom([]string{"intent", "outcome", "refusal", "admin", "shadow", "replay", "lease", "start", "other"}).Draw(t, "kind")),
		ID:   draw("id"), Node: draw("node"), Reason: draw("reason"), End: draw("end"), Code: draw("code"), Rule: draw("rule"), Sentence: draw("sentence"),
		Error: draw("error"), Action: draw("action"), Actor: draw("actor"), Target: draw("target"), Details: details,
		Cost: rapid.Int64().Draw(t, "cost"), Bytes: rapid.Int64().Draw(t, "bytes"),
		Of: &audit.Labels{User: draw("user"), Team: draw("team"), Org: draw("org"), Tool: draw("tool"), Name: draw("name"), Upstream: draw("upstream"), Kind: draw("object"), Origin: draw("origin")},
	}
}

// decoded is the record as the log has it: JSON has replaced what is no text.
func decoded(t rapid.TB, r audit.Stored) *audit.Record {
	rec, err := audit.Decode(r.Text)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestCSVReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := stored(t, anyRecord(rt), anyRecord(rt))
		text := string(exported(t, testOptions(CSV), all))
		rows := readTable(rt, text)
		if len(rows) != 3 || !slices.Equal(rows[0], Columns()) {
			rt.Fatalf("%d rows of\n%s", len(rows), text)
		}
		std, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(std) != 3 {
			rt.Fatalf("package csv reads %d rows: %v", len(std), err)
		}
		for i, row := range rows[1:] {
			rec := decoded(rt, all[i])
			for column, want := range map[string]string{
				"kind": string(rec.Kind), "id": rec.ID, "node": rec.Node, "user": rec.Of.User, "team": rec.Of.Team, "tool": rec.Of.Tool, "name": rec.Of.Name,
				"reason": rec.Reason, "end": rec.End, "sentence": rec.Sentence, "error": rec.Error, "action": rec.Action, "target": rec.Target, "details": string(rec.Details),
			} {
				if got := armed(row[slices.Index(Columns(), column)]); got != want {
					rt.Fatalf("%s is %q, want %q, in\n%s", column, got, want, text)
				}
			}
			if got := row[slices.Index(Columns(), "cost_usd")]; rec.Cost != 0 && got != usd(rec.Cost) {
				rt.Fatalf("cost is %q, want %q", got, usd(rec.Cost))
			}
		}
	})
}

// TestFormulas: no cell that holds text begins with what a spreadsheet takes for a formula.
func TestFormulas(t *testing.T) {
	r := &audit.Record{Kind: audit.Refusal, ID: "x", Sentence: "=HYPERLINK(\"http://example.com\")", Reason: "@SUM(1)", Error: "＝1", Rule: "\t=1", Code: "-1+1", Cost: -5,
		Of: &audit.Labels{User: "+44", Team: "'quoted"}}
	rows := readTable(t, string(exported(t, testOptions(CSV), stored(t, r))))
	for i, column := range Columns() {
		cell := rows[1][i]
		if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r\n") && column != "cost_usd" || strings.HasPrefix(cell, "＝") {
			t.Errorf("%s begins a formula: %q", column, cell)
		}
	}
	at := func(column string) string { return rows[1][slices.Index(Columns(), column)] }
	if at("user") != "'+44" || at("team") != "''quoted" || at("cost_usd") != "-0.000000005" {
		t.Fatalf("user %q, team %q, cost %q", at("user"), at("team"), at("cost_usd"))
	}
}

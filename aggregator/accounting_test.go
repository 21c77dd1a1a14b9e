// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store/audit"
	ledgers "tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// told are the parts of records that tests compare.
type told struct {
	Kind          audit.Kind
	End, Code     string
	Name, Tool    string
	Class         audit.Class
	Level, Detail string
	Cost, Overrun int64
	Open          bool
	Continues     bool // an intent of this log
}

func tell(records []*audit.Record) (out []told) {
	ids := map[string]bool{}
	for _, r := range records {
		x := told{
			Kind: r.Kind, End: r.End, Code: r.Code, Name: r.Of.Name, Tool: r.Of.Tool, Class: r.Class, Detail: r.Detail, Cost: r.Cost, Overrun: r.Overrun,
			Open: r.Open, Continues: ids[r.Continues],
		}
		if r.Arguments != nil {
			x.Level = r.Arguments.Level
		}
		ids[r.ID] = true
		out = append(out, x)
	}
	return out
}

// TestEveryRequestIsRecorded: what was made has an intent and an outcome of one id, what was not has a refusal with the real
// reason, whatever its caller was told.
func TestEveryRequestIsRecorded(t *testing.T) {
	rules := priced(1, policy.LimitRule{Name: "price", Cost: "0.25"}, policy.LimitRule{Name: "small", Require: "args.count < 5", Message: "at most 4"})
	b := newBooked(t, &cloud{}, rules, nil)
	ada := person("ada", "r")
	ada.Org, ada.Team = "acme", "ops"
	call := func(params string) aggregator.Reply {
		return b.Call(t.Context(), ada, &aggregator.Call{Method: aggregator.MethodCallTool, Client: bridge.Client{Revision: wire.R20260728}, Params: []byte(params)})
	}
	made := call(`{"name":"cloud__deploy","arguments":{"region":"x","count":1}}`)
	answered(t, made)
	refusedWith(t, call(`{"name":"cloud__deploy","arguments":{"region":"x","count":5}}`), limit.CodeRequire, "at most 4")
	call(`{"name":"cloud__secret","arguments":{"region":"x"}}`)
	call(`{"name":"cloud__absent"}`)
	call(`{"nome":"cloud__deploy"}`)
	b.Call(t.Context(), ada, &aggregator.Call{Method: aggregator.MethodCallTool, Client: bridge.Client{Revision: wire.R20260728}, Params: []byte(`{"name":"cloud__deploy"}`), Toolset: "none"})
	all := b.wait(t, 7)
	got := map[string]int{}
	for _, x := range tell(all) {
		x.Detail, _, _ = strings.Cut(x.Detail, ":")
		got[fmt.Sprintf("%+v", x)]++
	}
	want := map[string]int{}
	for _, x := range []told{
		{Kind: audit.Intent, Name: "cloud__deploy", Tool: "deploy", Class: audit.Strict, Level: audit.LevelFull},
		{Kind: audit.Outcome, End: "answered", Name: "cloud__deploy", Tool: "deploy", Class: audit.Strict, Cost: 25 * cent},
		{Kind: audit.Refusal, End: "refused", Code: limit.CodeRequire, Name: "cloud__deploy", Tool: "deploy", Class: audit.Strict, Level: audit.LevelFull, Detail: "require is false"},
		{Kind: audit.Refusal, End: "unknown", Code: "hidden", Name: "cloud__secret", Tool: "secret", Class: audit.Async, Level: audit.LevelFull, Detail: "the rules do not let the caller see it"},
		{Kind: audit.Refusal, End: "unknown", Code: "missing", Name: "cloud__absent", Class: audit.Async, Detail: "nothing of that name is in the catalog"},
		{Kind: audit.Refusal, End: "unknown", Code: "invalid_request", Class: audit.Async, Detail: "the request is not valid"},
		{Kind: audit.Refusal, End: "unknown", Code: "invalid_request", Name: "cloud__deploy", Class: audit.Async, Detail: "the request is not valid"},
	} {
		want[fmt.Sprintf("%+v", x)]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	for _, r := range all {
		of := *r.Of
		if of.Org != "acme" || of.Team != "ops" || of.User != "ada" || of.Key != "ada" || of.Origin != "mcp" || r.ID == "" || r.Time.IsZero() {
			t.Errorf("%s %s: %+v", r.Kind, r.Code, r)
		}
		if (r.Kind == audit.Intent || r.Kind == audit.Outcome) != (r.ID == made.Decision) {
			t.Errorf("%s has the id %s, the call is %s", r.Kind, r.ID, made.Decision)
		}
		if r.Kind == audit.Outcome && (r.Bytes != int64(len(made.Result)) || len(r.Result) != 64 || r.Began.IsZero()) {
			t.Errorf("outcome %+v", r)
		}
		if r.Kind == audit.Intent && (!bytes.Contains(r.Input, []byte(`"arguments":{"region":"x","count":1}`)) || r.Revision != b.Revision() || r.Reserve.Cost != 25*cent) {
			t.Errorf("intent %+v %s", r, r.Input)
		}
	}
}

// vault is a tool with arguments that nobody should read.
const vault = `{"name":"open","inputSchema":{"type":"object","properties":{"user":{"type":"string"},"pin":{"type":"string","format":"password"},"note":{"type":"string"},"keys":{"type":"array","items":{"type":"object","properties":{"value":{"type":"string","writeOnly":true}}}}}}}`

// withVault gives the site a second upstream.
func (b *booked) withVault(annotations string) {
	raw := []byte(deploy)
	locked := wire.Set([]byte(vault), "annotations", []byte(annotations))
	b.Refresh([]catalog.Source{
		{Upstream: "cloud", Snapshot: &upstream.Snapshot{Upstream: "cloud", Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`), Tools: []upstream.Item{{Name: "deploy", Raw: raw, Hash: wire.Digest(raw)}}}},
		{Upstream: "vault", Snapshot: &upstream.Snapshot{Upstream: "vault", Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`), Tools: []upstream.Item{{Name: "open", Raw: locked, Hash: wire.Digest(locked)}}}},
	})
}

func vaultCall(arguments string) *aggregator.Call {
	c := deployCall(arguments)
	c.Params = []byte(`{"name":"vault__open","arguments":` + arguments + `}`)
	return c
}

// TestSecretsAreNotOnDisk: what a record must not keep is in no file of the ledger: not in documents, not in sentences that
// quote it, not in another spelling, not in blocks that were sealed.
func TestSecretsAreNotOnDisk(t *testing.T) {
	const never, sometimes, always = "hunter2-correct-horse", "eyes-only-4711", "plain-sight-0815"
	for level, keep := range map[string]int{audit.LevelFull: 2, audit.LevelRedacted: 1, audit.LevelDigest: 0} {
		t.Run(level, func(t *testing.T) {
			rules := rulesFor{
				roles: map[string]policy.Role{"r": {Allow: []string{"*"}, Limits: []policy.LimitRule{{For: []string{"vault/*"}, Name: "users", Require: "args.user != 'mallory'", Message: "no"}}}},
				modules: map[string]string{"rules.rego": `package tollgate.call
deny contains sprintf("%v may not use %v with %v and %v", [input.arguments.user, input.arguments.pin, input.arguments.note, input.arguments.keys]) if input.arguments.user == "eve"
`},
				recording: &aggregator.RecordingOptions{Rules: []aggregator.RecordingRule{{For: []string{"vault/*"}, Arguments: level}}},
			}
			if level == audit.LevelRedacted {
				rules.recording.Rules[0].Redact = []string{"/note"}
			}
			b := newBooked(t, &cloud{}, rules, &ledgers.Options{Audit: audit.Options{SegmentRecords: 4}})
			b.withVault(`{}`)
			args := func(user string) string {
				return fmt.Sprintf(`{"user":%q,"pin":%q,"note":%q,"keys":[{"value":%q}],"more":%q}`, user, never, sometimes, never, always)
			}
			ada := person("ada", "r")
			reply := b.Call(t.Context(), ada, vaultCall(args("ada")))
			answered(t, reply)
			refused := b.Call(t.Context(), ada, vaultCall(args("eve")))
			refusedWith(t, refused, policy.CodeDenied, never) // the caller knows what it sent
			refusedWith(t, b.Call(t.Context(), ada, vaultCall(args("mallory"))), limit.CodeRequire, "no")
			b.Call(t.Context(), person("stranger"), vaultCall(args("ada"))) // hidden, and recorded with its document
			answered(t, b.Call(t.Context(), ada, vaultCall(strings.Replace(args("ada"), "hunter2", `\u0068unter2`, 1))))
			all := b.wait(t, 7)
			for _, r := range all {
				if r.Arguments == nil {
					continue
				}
				want := level
				if level == audit.LevelFull {
					want = audit.LevelRedacted // of what the tool itself calls secret
				}
				if r.Arguments.Level != want || (want == audit.LevelDigest) != strings.HasPrefix(r.Arguments.Digest, "hmac-sha256:") {
					t.Errorf("%s %s: arguments %+v", r.Kind, r.Code, r.Arguments)
				}
			}
			b.shut()
			for i, text := range []string{always, sometimes} {
				if found := grep(t, b.dir, text); (found > 0) != (i < keep) {
					t.Errorf("%q is in %d files", text, found)
				}
			}
			for _, text := range []string{never, "hunter2", `\u0068unter2`, "correct-horse"} {
				if found := grep(t, b.dir, text); found > 0 {
					t.Errorf("%q is in %d files", text, found)
				}
			}
			if grep(t, b.dir, all[0].ID) == 0 {
				t.Error("not even the id of a record was found: the search is broken")
			}
		})
	}
}

// grep counts the files below dir that have text in them. Sealed segments are compressed, so all records are looked through
// as well.
func grep(t *testing.T, dir, text string) (found int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(&audit.Options{Dir: filepath.Join(dir, "audit")})
	if err != nil {
		t.Fatal(err)
	}
	for stored, err := range log.Scan(t.Context(), log.First(), log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(stored.Text, []byte(text)) {
			found++
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestClasses: calls are recorded strictly, unless the operator trusts the tool when it says that it only reads; questions
// after tasks change nothing.
func TestClasses(t *testing.T) {
	for _, tt := range []struct {
		name, annotations string
		options           *aggregator.RecordingOptions
		want              audit.Class
	}{
		{"nothing is said", `{}`, nil, audit.Strict},
		{"the tool says it reads, and nobody trusts it", `{"readOnlyHint":true}`, nil, audit.Strict},
		{"another tool is trusted", `{"readOnlyHint":true}`, &aggregator.RecordingOptions{ReadOnly: []string{"cloud/*"}}, audit.Strict},
		{"it is trusted and says nothing", `{}`, &aggregator.RecordingOptions{ReadOnly: []string{"vault/*"}}, audit.Strict},
		{"it is trusted and says it reads", `{"readOnlyHint":true}`, &aggregator.RecordingOptions{ReadOnly: []string{"vault/*"}}, audit.Async},
		{"it says two things", `{"readOnlyHint":true,"destructiveHint":true}`, &aggregator.RecordingOptions{ReadOnly: []string{"*"}}, audit.Strict},
		{"not even a boolean", `{"readOnlyHint":"true"}`, &aggregator.RecordingOptions{ReadOnly: []string{"*"}}, audit.Strict},
		{"a class is chosen", `{}`, &aggregator.RecordingOptions{Durability: "durable"}, audit.Durable},
		{"the first rule counts", `{"readOnlyHint":true}`, &aggregator.RecordingOptions{ReadOnly: []string{"*"}, Rules: []aggregator.RecordingRule{
			{For: []string{"cloud/*"}, Durability: "async"}, {For: []string{"vault/open"}, Durability: "strict"}, {Durability: "durable"},
		}}, audit.Strict},
	} {
		b := newBooked(t, &cloud{}, rulesFor{roles: map[string]policy.Role{"r": {Allow: []string{"*"}}}, recording: tt.options}, nil)
		b.withVault(tt.annotations)
		answered(t, b.Call(t.Context(), person("ada", "r"), vaultCall(`{}`)))
		for _, r := range b.wait(t, 2) {
			if r.Class != tt.want {
				t.Errorf("%s: the %s is %s, want %s", tt.name, r.Kind, r.Class, tt.want)
			}
		}
		b.shut()
	}
}

// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	rules "tollgate/policy/alert"
)

var update = flag.Bool("update", false, "rewrite the wanted payloads in testdata")

func events() []Event {
	since := time.Date(2026, 11, 25, 12, 0, 0, 0, time.FixedZone("", 3600))
	return []Event{
		{Key: "00ff", Status: StatusFiring, Rule: "budget", Severity: rules.Critical, Summary: `budget <!channel> & "month" is at 90%`,
			Subject: Subject{rules.OfBudget, "month", "alice"}, Values: map[string]any{"budget.used_ratio": 0.9}, Since: since, At: since.Add(time.Minute)},
		{Key: "0abc", Status: StatusResolved, Rule: "down", Severity: rules.Warning, Summary: "github is down",
			Subject: Subject{Kind: rules.OfUpstream, Name: "github"}, Since: since, At: since.Add(time.Hour)},
		{Key: "0def", Status: StatusFiring, Rule: "ledger", Severity: rules.Info, Summary: "ledger is slow", Since: since, At: since},
	}
}

// TestPayloads compares what each type of sink is sent with testdata/payloads.txtar.
func TestPayloads(t *testing.T) {
	const path = "testdata/payloads.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := &txtar.Archive{Comment: archive.Comment}
	now := time.Date(2026, 11, 25, 13, 0, 0, 0, time.UTC)
	for _, s := range []Sink{
		{Type: Webhook, URL: "https://a.example.com/hook", Secret: "whsec"}, {Type: Slack, URL: "https://hooks.example.com/services/x"},
		{Type: PagerDuty, RoutingKey: "R0"}, {Type: Alertmanager, URL: "http://am.example.com:9093", Secret: "token"},
	} {
		messages := [][]Event{events()}
		if !s.batches() {
			messages = [][]Event{events()[:1], events()[1:2], events()[2:]}
		}
		for i, m := range messages {
			address, body, header, err := s.request(m, "gate-1", now)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			fmt.Fprintf(&text, "POST %s\n", address)
			for _, name := range []string{"Content-Type", "Authorization", "Tollgate-Signature"} {
				if v := header.Get(name); v != "" {
					fmt.Fprintf(&text, "%s: %s\n", name, v)
				}
			}
			if err := json.Indent(&text, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.Files = append(got.Files, txtar.File{Name: fmt.Sprintf("%s %d", s.Type, i+1), Data: append(text.Bytes(), '\n')})
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
}

// verify is what a receiver does, as the package comment tells it.
func verify(secret []byte, header http.Header, body []byte, now time.Time) error {
	var stamp, mac string
	for part := range strings.SplitSeq(header.Get("Tollgate-Signature"), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			mac = value
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return fmt.Errorf("the time %q is not near", stamp)
	}
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "%s.%s", stamp, body)
	given, err := hex.DecodeString(mac)
	if err != nil || !hmac.Equal(given, h.Sum(nil)) {
		return fmt.Errorf("the signature %q is wrong", mac)
	}
	return nil
}

// TestSignature verifies what a receiver gets over the wire, also on a second attempt, and that nothing of it can be changed.
func TestSignature(t *testing.T) {
	secret := []byte("whsec_1")
	now := time.Now()
	var ids []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := verify(secret, r.Header, body, now); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{
			"another body":   verify(secret, r.Header, append(body, ' '), now),
			"another secret": verify([]byte("whsec_2"), r.Header, body, now),
			"much later":     verify(secret, r.Header, body, now.Add(time.Hour)),
			"another time":   verify(secret, http.Header{"Tollgate-Signature": {strings.Replace(r.Header.Get("Tollgate-Signature"), "t=", "t=1", 1)}}, body, now),
		} {
			if err == nil {
				t.Errorf("%s is accepted", what)
			}
		}
		var event webhookBody
		if err := json.Unmarshal(body, &event); err != nil {
			t.Error(err)
		}
		ids = append(ids, event.ID)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	s := Sink{Name: "a", Type: Webhook, URL: server.URL, Secret: string(secret)}
	for attempt := range 2 {
		at := now.Add(time.Duration(attempt) * time.Minute)
		if err := post(t.Context(), newClient(transport), s, events()[:1], "n", at); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("ids %q, want the same one for the same event", ids)
	}
}

// TestTransport: redirects are not followed over the wire, and addresses of no receiver are not dialed.
func TestTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Error("a redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
	}))
	defer server.Close()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	send := func(address string) error {
		return post(t.Context(), newClient(transport), Sink{Type: Webhook, URL: address}, events()[:1], "n", time.Now())
	}
	if err := send(server.URL + "/"); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"http://169.254.169.254/", "http://[fe80::1%25lo]/", "http://0.0.0.0:1/", "http://[::ffff:169.254.169.254]/"} {
		if err := send(address); err == nil || !strings.Contains(err.Error(), errAddress.Error()) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestLongPayloads: what is sent stays within what receivers take, whatever names and summaries are.
func TestLongPayloads(t *testing.T) {
	long := make([]Event, 500)
	for i := range long {
		long[i] = Event{Key: "k", Status: StatusFiring, Rule: "r", Severity: rules.Error, Summary: strings.Repeat("<ü>", 341), Since: time.Now(), At: time.Now()}
	}
	text := func(message any, path ...string) string {
		raw, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		for _, name := range path[:len(path)-1] {
			tree = tree[name].(map[string]any)
		}
		return tree[path[len(path)-1]].(string)
	}
	got := text(slackMessage(long, "n"), "text")
	if len(got) > 3000 || !strings.Contains(got, " more") || strings.ContainsAny(got, "<>") || !utf8.ValidString(got) {
		t.Errorf("slack: %d bytes: %s", len(got), got)
	}
	if one := text(slackMessage(long[:1], "n"), "text"); !strings.Contains(one, "&lt;ü&gt;") || strings.Contains(one, "more") {
		t.Errorf("slack, one: %s", one)
	}
	long[0].Summary = strings.Repeat("ü", 2000)
	got = text(pagerDutyEvent(&long[0], "k", "n"), "payload", "summary")
	if n := utf8.RuneCountInString(got); n != pagerSummary {
		t.Errorf("pagerduty: %d characters", n)
	}
}

// TestSinkCheck: each mistake in a sink names its field.
func TestSinkCheck(t *testing.T) {
	for _, tt := range []struct {
		sink Sink
		want string
	}{
		{Sink{Name: "a", Type: Webhook, URL: "http://10.0.0.1/hook", Secret: "x"}, ""},
		{Sink{Name: "a", Type: Slack, URL: "https://hooks.example.com/x", MinSeverity: rules.Error}, ""},
		{Sink{Name: "a", Type: PagerDuty, RoutingKey: "k"}, ""},
		{Sink{Name: "a", Type: Alertmanager, URL: "http://localhost:9093", Secret: "x"}, ""},
		{Sink{}, "name type"},
		{Sink{Name: "a", Type: "mail", URL: "x"}, "type"},
		{Sink{Name: "a", Type: Webhook}, "url"},
		{Sink{Name: "a", Type: Webhook, URL: "ftp://x.example.com"}, "url"},
		{Sink{Name: "a", Type: Webhook, URL: "https://x.example.com/#a"}, "url"},
		{Sink{Name: "a", Type: Webhook, URL: ":"}, "url"},
		{Sink{Name: "a", Type: Slack, URL: "http://hooks.example.com/x", Secret: "s"}, "url secret"},
		{Sink{Name: "a", Type: PagerDuty, MinSeverity: "page"}, "min_severity routing_key"},
		{Sink{Name: "a", Type: Alertmanager, URL: "http://am.example.com", Secret: "x", RoutingKey: "k"}, "url routing_key"},
	} {
		var fields []string
		for _, m := range tt.sink.Check() {
			fields = append(fields, m.Field)
			if m.Message == "" || m.Hint == "" {
				t.Errorf("%v: %+v says too little", tt.sink, m)
			}
		}
		want(t, fmt.Sprintf("%v", tt.sink), strings.Join(fields, " "), tt.want)
	}
}

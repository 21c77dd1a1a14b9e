// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	rules "tollgate/policy/alert"
	"tollgate/upstream"
)

// TestSinksAreIndependent: a sink that hangs, fails or is not there delays no other, and is given up after a bound.
func TestSinksAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{down()}, []Sink{hook("hangs"), hook("fails"), hook("absent"), hook("slow"), hook("good")})
		b.answer("hangs.example.com", hang)
		b.answer("fails.example.com", always(http.StatusInternalServerError))
		b.answer("absent.example.com", func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
		b.answer("slow.example.com", func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(8 * time.Second):
				return answerWith(200, ""), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		b.state(upstream.Failed)
		pass(10 * time.Second)
		want(t, "the good one", b.statuses(t, "good.example.com"), "firing github is down")
		pass(8 * time.Second)
		b.state(upstream.Ready)
		pass(2 * time.Second)
		want(t, "the good one", b.statuses(t, "good.example.com"), "resolved github is down")
		if s := b.watcher.Sinks()[3]; s.Sent != 1 || s.Queued != 1 {
			t.Errorf("the slow one: %+v", s)
		}
		pass(time.Hour)
		for i, wanted := range []string{"hangs 0 sent 2 failed: no answer within 10s", `fails 0 sent 2 failed: status 500: "no"`,
			"absent 0 sent 2 failed: connection refused", "slow 2 sent 0 failed: ", "good 2 sent 0 failed: "} {
			s := b.watcher.Sinks()[i]
			want(t, "sink", fmt.Sprintf("%s %d sent %d failed: %s", s.Name, s.Sent, s.Failed, s.LastError), wanted)
		}
		attempts := b.take("fails.example.com")
		if n := len(attempts); n < 20 || n > 2*maxTries {
			t.Errorf("%d attempts", n)
		}
		if n := strings.Count(b.log.String(), "alert given up"); n != 6 {
			t.Errorf("%d messages given up in the log, want 6", n)
		}
		b.end()
	})
}

// TestPauses: attempts come further and further apart, at different times, and when the receiver says.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{down()}, []Sink{hook("x"), hook("y"), hook("seconds"), hook("date"), hook("greedy")})
		b.answer("x.example.com", always(500))
		b.answer("y.example.com", always(500))
		b.answer("seconds.example.com", always(429, "Retry-After", "120"))
		b.answer("date.example.com", func(*http.Request) (*http.Response, error) {
			return answerWith(503, "", "Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)), nil
		})
		b.answer("greedy.example.com", always(429, "Retry-After", "99999"))
		b.state(upstream.Failed)
		pass(14 * time.Minute)
		gaps := func(host string) (all []time.Duration) {
			got := b.take(host + ".example.com")
			for i := range got[1:] {
				all = append(all, got[i+1].at.Sub(got[i].at))
			}
			return all
		}
		x, y := gaps("x"), gaps("y")
		for i, gap := range x {
			if wait := min(firstWait<<min(i, 20), mostWait); gap < wait/2 || gap > wait*3/2 {
				t.Errorf("pause %d: %v", i, gap)
			}
		}
		if x[0] == y[0] && x[1] == y[1] {
			t.Error("two sinks are tried again at the same times")
		}
		for _, tt := range []struct {
			host        string
			least, most time.Duration
		}{{"seconds", 2 * time.Minute, 2 * time.Minute}, {"date", 58 * time.Second, time.Minute}, {"greedy", maxRetryAfter, maxRetryAfter}} {
			all := gaps(tt.host)
			if len(all) == 0 {
				t.Errorf("%s: no second attempt", tt.host)
			}
			for _, gap := range all {
				if gap < tt.least || gap > tt.most {
					t.Errorf("%s: tried again after %v", tt.host, gap)
				}
			}
		}
		b.end()
	})
}

// TestPermanent: an answer that another attempt cannot change ends the message at once, and the next one is tried.
func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{down()}, []Sink{hook("bad"), hook("moved")})
		b.answer("bad.example.com", always(http.StatusBadRequest))
		b.answer("moved.example.com", always(http.StatusTemporaryRedirect, "Location", "https://evil.example.com/"))
		b.state(upstream.Failed)
		pass(10 * time.Second)
		b.state(upstream.Ready)
		pass(10 * time.Minute)
		for i, wanted := range []string{"status 400", "it redirects"} {
			if s := b.watcher.Sinks()[i]; s.Failed != 2 || !strings.Contains(s.LastError, wanted) {
				t.Errorf("%+v, want 2 failures with %q", s, wanted)
			}
		}
		if n := len(b.take("bad.example.com")) + len(b.take("moved.example.com")); n != 4 {
			t.Errorf("%d attempts, want 4", n)
		}
		if n := len(b.take("evil.example.com")); n != 0 {
			t.Error("a redirect to another host was followed")
		}
		b.end()
	})
}

// TestEnd: what is queued is sent at the end, for a bounded time, and nothing is left. That no goroutine is left is what
// synctest itself finds out.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *http.Request) (*http.Response, error) {
			<-time.After(time.Second)
			return answerWith(200, ""), nil
		}
		b := start(t, []rules.Rule{down(), {Name: "two", When: "upstream.tools == 3", Summary: "two"}}, []Sink{hook("slow"), hook("hangs"), hook("fails")})
		b.answer("slow.example.com", slow)
		b.answer("hangs.example.com", hang)
		b.answer("fails.example.com", always(500))
		b.state(upstream.Failed)
		pass(10 * time.Second)
		before := time.Now()
		b.end()
		if took := time.Since(before); took > drainTime+time.Second {
			t.Errorf("the end took %v", took)
		}
		want(t, "sent", b.statuses(t, "slow.example.com"), "firing github is down; firing two")
		for _, s := range b.watcher.Sinks() {
			if s.Queued != 0 || s.Sent+s.Failed != 2 {
				t.Errorf("%+v: not everything is counted", s)
			}
		}
		if !strings.Contains(b.log.String(), "alerts not sent before the end") {
			t.Errorf("the log says nothing of what was not sent: %s", b.log)
		}
	})
}

// TestRemovedSink: a sink that a reload removes sends what it has, for a bounded time.
func TestRemovedSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{down()}, []Sink{hook("hangs"), hook("a")})
		b.answer("hangs.example.com", hang)
		b.state(upstream.Failed)
		pass(10 * time.Second)
		if err := b.watcher.Apply(compile(t, down()), []Sink{hook("a")}); err != nil {
			t.Fatal(err)
		}
		pass(drainTime)
		before := len(b.take("hangs.example.com"))
		pass(10 * time.Minute)
		if after := len(b.take("hangs.example.com")); before == 0 || after != 0 {
			t.Errorf("%d attempts before and %d after the removal", before, after)
		}
		b.end()
	})
}

// TestQueueIsBounded: when a sink takes nothing the newest messages stay.
func TestQueueIsBounded(t *testing.T) {
	s := newSender(hook("a"), nil, "n", time.Now, slog.New(slog.DiscardHandler))
	for i := range maxQueue + 10 {
		s.offer([]Event{{Rule: fmt.Sprint(i)}})
	}
	status := s.look()
	if status.Queued != maxQueue || status.Dropped != 10 || s.next()[0].Rule != "10" {
		t.Errorf("%+v", status)
	}
	many := newSender(Sink{Name: "s", Type: Slack}, nil, "n", time.Now, slog.New(slog.DiscardHandler))
	many.offer(make([]Event, 5000))
	if status := many.look(); status.Queued != 1 {
		t.Errorf("%+v, want the events of one moment in one message", status)
	}
}

// endless is an answer whose body never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, strings.Repeat("x", len(p))), nil
}

func (e *endless) Close() error { return nil }

// TestAnswersAreBounded: of an answer only the start is read.
func TestAnswersAreBounded(t *testing.T) {
	for _, status := range []int{200, 400} {
		body := &endless{}
		r := newReceivers()
		r.answer("a.example.com", func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
		})
		err := post(t.Context(), newClient(r), hook("a"), []Event{{}}, "n", time.Now())
		if (err == nil) != (status == 200) || body.read > 2*maxAnswer {
			t.Errorf("%v, %d bytes read", err, body.read)
		}
		if err != nil && len(err.Error()) > 2*maxQuoted {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// TestSecretsAreNeverShown: neither in errors, nor in logs, nor in what prints a sink, whatever the receiver answers.
func TestSecretsAreNeverShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := []Sink{
			{Name: "w", Type: Webhook, URL: "https://user:hunter22@w.example.com/hooks/T0PSECRET?token=tok3n", Secret: "sign1ng"},
			{Name: "s", Type: Slack, URL: "https://s.example.com/services/B0TSECRET"},
			{Name: "p", Type: PagerDuty, RoutingKey: "r0utingkey", URL: "https://p.example.com/enqueue"},
			{Name: "m", Type: Alertmanager, URL: "https://m.example.com/", Secret: "b3arer"},
		}
		secret := []string{"hunter22", "T0PSECRET", "tok3n", "sign1ng", "B0TSECRET", "r0utingkey", "b3arer"}
		check := func(what, text string) {
			t.Helper()
			for _, s := range secret {
				if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
					t.Errorf("%s shows %q: %s", what, s, text)
				}
			}
		}
		for round, answer := range []func(*http.Request) (*http.Response, error){
			func(r *http.Request) (*http.Response, error) { // everything it was told, back
				body, err := r.GetBody()
				if err != nil {
					return nil, err
				}
				text, err := io.ReadAll(body)
				return answerWith(400, r.URL.String()+" "+fmt.Sprint(r.Header)+string(text)), err
			},
			func(r *http.Request) (*http.Response, error) { return nil, errors.New("no route to host") },
			always(302, "Location", "https://x.example.com/T0PSECRET"),
		} {
			b := start(t, []rules.Rule{down()}, sinks)
			for _, host := range []string{"w", "s", "p", "m"} {
				b.answer(host+".example.com", answer)
			}
			b.state(upstream.Failed)
			pass(time.Hour)
			for _, s := range b.watcher.Sinks() {
				if s.LastError == "" {
					t.Errorf("round %d: %s has no error", round, s.Name)
				}
				check("a status", s.LastError)
			}
			check("the log", b.log.String())
			b.end()
		}
		for _, s := range sinks {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
				check(verb, fmt.Sprintf(verb, s)+fmt.Sprintf(verb, []Sink{s})+fmt.Sprintf(verb, &s))
			}
			var out strings.Builder
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "sink", s)
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "sink", &s)
			check("a logger", out.String())
			s.URL = "https://x y/" + s.URL
			check("a mistake", fmt.Sprint(s.Check()))
			check("a bad URL", fmt.Sprint(post(t.Context(), newClient(newReceivers()), s, []Event{{}}, "n", time.Now())))
		}
	})
}

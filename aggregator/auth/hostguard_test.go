// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// guarded answers 204 for what passes the guard.
func guarded(o *GuardOptions) http.Handler {
	return HostGuard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), o)
}

func ask(h http.Handler, path, host string, origins ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.Host = host
	for _, o := range origins {
		r.Header.Add("Origin", o)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHosts(t *testing.T) {
	o := &GuardOptions{Hosts: []string{"Gateway.Example", "ported.example:8443", "secure.example:443", "10.0.0.5", "fd00::5", "[fd00::6]:9000", "my_container"}}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	h, none := guarded(o), guarded(nil)
	for _, test := range []struct {
		host       string
		configured bool // passes with o
		unset      bool // passes without options
	}{
		{"localhost", true, true},
		{"localhost:8080", true, true},
		{"LocalHost:8080", true, true},
		{"localhost.", true, true},
		{"localhost.:8080", true, true},
		{"127.0.0.1", true, true},
		{"127.0.0.1:65535", true, true},
		{"[::1]", true, true},
		{"[::1]:8080", true, true},
		{"[0:0:0:0:0:0:0:1]:8080", true, true},

		{"gateway.example", true, false},
		{"GATEWAY.EXAMPLE.:1234", true, false},
		{"ported.example:8443", true, false},
		{"ported.example", false, false},
		{"ported.example:8444", false, false},
		{"secure.example", true, false},
		{"secure.example:443", true, false},
		{"secure.example:80", false, false},
		{"10.0.0.5:1", true, false},
		{"[fd00::5]:1", true, false},
		{"[FD00:0::5]", true, false},
		{"[fd00::6]:9000", true, false},
		{"[fd00::6]:9001", false, false},
		{"my_container:80", true, false},

		{"", false, false},
		{"evil.example", false, false},
		{"evil.example:8080", false, false},
		{"localhost.evil.example", false, false},
		{"evil-localhost", false, false},
		{"gateway.example.evil.example", false, false},
		{"xgateway.example", false, false},
		{"sub.gateway.example", false, false},
		{"localhost..", false, false},
		{".localhost", false, false},
		{"localhost@evil.example", false, false},
		{"evil.example@localhost", false, false},
		{"user:pw@localhost", false, false},
		{"localhost:80@evil.example", false, false},
		{"localhost#evil.example", false, false},
		{"localhost/evil", false, false},
		{"localhost\\evil", false, false},
		{"localhost evil", false, false},
		{"localhost\t", false, false},
		{"localhost\x00", false, false},
		{"localhost,evil.example", false, false},
		{"localhost:", false, false},
		{"localhost:0", false, false},
		{"localhost:080", false, false},
		{"localhost:+80", false, false},
		{"localhost:65536", false, false},
		{"localhost:http", false, false},
		{"localhost:80:80", false, false},
		{"loc\u0430lhost", false, false}, // Cyrillic а
		{"\u212Aocalhost", false, false}, // Kelvin sign, which lower-cases to k
		{"loca%6chost", false, false},
		{"127.0.0.1.nip.io", false, false},
		{"127.1", false, false},
		{"2130706433", false, false},
		{"0x7f.1", false, false},
		{"0177.0.0.1", false, false},
		{"127.0.0.2", false, false},
		{"0.0.0.0", false, false},
		{"[::]", false, false},
		{"::1", false, false}, // not without brackets in a header
		{"[::1", false, false},
		{"[::1]x", false, false},
		{"[::1]]:80", false, false},
		{"[::1%lo]", false, false},
		{"[::1%25lo]", false, false},
		{"[::ffff:127.0.0.1]", false, false},
		{"[127.0.0.1]", false, false},
		{"[localhost]", false, false},
		{strings.Repeat("a", 300), false, false},
	} {
		for name, c := range map[string]struct {
			h    http.Handler
			pass bool
		}{"configured": {h, test.configured}, "no options": {none, test.unset}} {
			want := http.StatusForbidden
			if c.pass {
				want = http.StatusNoContent
			}
			w := ask(c.h, "/mcp", test.host)
			if w.Code != want {
				t.Errorf("%s: host %q: %d, want %d", name, test.host, w.Code, want)
			}
			if !c.pass && !strings.Contains(w.Body.String(), "hosts:") {
				t.Errorf("%s: host %q: %q does not say which key to change", name, test.host, w.Body)
			}
		}
	}
}

func TestOrigins(t *testing.T) {
	o := &GuardOptions{
		Hosts:   []string{"gateway.example", "ported.example:8443"},
		Origins: []string{"https://Console.example/", "http://localhost:3000", "https://port.example:443", "vscode-webview://1A2B", "null"},
	}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	strict := &GuardOptions{Hosts: o.Hosts}
	for _, test := range []struct {
		host, origin string
		listed       bool // passes with o
		unlisted     bool // passes with strict
	}{
		// The gateway's own pages.
		{"localhost:8080", "http://localhost:8080", true, true},
		{"localhost:8080", "https://localhost:8080", true, true},
		{"LOCALHOST:8080", "http://localhost:8080", true, true},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", true, true},
		{"[::1]:8080", "http://[::1]:8080", true, true},
		{"[::1]:8080", "http://[0:0::1]:8080", true, true},
		{"gateway.example", "https://gateway.example", true, true},
		{"gateway.example:443", "https://gateway.example", true, true},
		{"gateway.example", "https://gateway.example:443", true, true},
		{"localhost", "http://localhost", true, true},
		// The public name, when a proxy has replaced the host.
		{"127.0.0.1:8080", "https://gateway.example", true, true},
		{"127.0.0.1:8080", "https://ported.example:8443", true, true},
		{"127.0.0.1:8080", "https://ported.example", false, false},
		{"127.0.0.1:8080", "https://gateway.example:9999", false, false},
		// Pages of other programs on this machine.
		{"localhost:8080", "http://localhost:3000", true, false},
		{"localhost:8080", "http://localhost:3001", false, false},
		{"localhost:8080", "http://localhost", false, false},
		{"localhost:8080", "http://127.0.0.1:8080", false, false},
		// Listed ones.
		{"localhost:8080", "https://console.example", true, false},
		{"localhost:8080", "HTTPS://CONSOLE.EXAMPLE", true, false},
		{"localhost:8080", "https://console.example:443", true, false},
		{"localhost:8080", "http://console.example", false, false},
		{"localhost:8080", "https://console.example:444", false, false},
		{"localhost:8080", "https://port.example", true, false},
		{"localhost:8080", "vscode-webview://1a2b", true, false},
		{"localhost:8080", "vscode-webview://other", false, false},
		{"localhost:8080", "null", true, false},
		{"localhost:8080", "NULL", false, false},
		// Everybody else.
		{"localhost:8080", "", false, false},
		{"localhost:8080", "http://evil.example", false, false},
		{"localhost:8080", "http://evil.example:8080", false, false},
		{"localhost:8080", "http://localhost:8080.evil.example", false, false},
		{"localhost:8080", "http://localhost:8080@evil.example", false, false},
		{"localhost:8080", "http://evil.example@localhost:8080", false, false},
		{"localhost:8080", "http://localhost:8080/path", false, false},
		{"localhost:8080", "http://localhost:8080/", false, false},
		{"localhost:8080", "http://localhost:8080?x", false, false},
		{"localhost:8080", "http://localhost:8080#x", false, false},
		{"localhost:8080", "http://localhost:8080 http://evil.example", false, false},
		{"localhost:8080", "localhost:8080", false, false},
		{"localhost:8080", "//localhost:8080", false, false},
		{"localhost:8080", "http:localhost:8080", false, false},
		{"localhost:8080", "http:///localhost:8080", false, false},
		{"localhost:8080", "file://", false, false},
		{"localhost:8080", "ftp://localhost:8080", false, false},
		{"localhost:8080", "https://console.example.evil.example", false, false},
		{"localhost:8080", "https://consol\u0435.example", false, false}, // Cyrillic е
	} {
		for name, c := range map[string]struct {
			o    *GuardOptions
			pass bool
		}{"listed": {o, test.listed}, "not listed": {strict, test.unlisted}} {
			want := http.StatusForbidden
			if c.pass {
				want = http.StatusNoContent
			}
			w := ask(guarded(c.o), "/mcp", test.host, test.origin)
			if w.Code != want {
				t.Errorf("%s: host %q, origin %q: %d, want %d", name, test.host, test.origin, w.Code, want)
			}
			if !c.pass && !strings.Contains(w.Body.String(), "origins:") {
				t.Errorf("%s: origin %q: %q does not say which key to change", name, test.origin, w.Body)
			}
		}
	}
	if w := ask(guarded(o), "/mcp", "localhost:8080", "http://localhost:8080", "http://localhost:8080"); w.Code != http.StatusForbidden {
		t.Errorf("two Origin headers: %d, want 403", w.Code)
	}
	// An origin does not make up for a host (security trap 4: Origin and Host agree, both are the attacker's).
	if w := ask(guarded(o), "/mcp", "evil.example", "http://evil.example"); w.Code != http.StatusForbidden {
		t.Errorf("rebound host: %d, want 403", w.Code)
	}
	if w := ask(guarded(o), "/mcp", "evil.example", "https://console.example"); w.Code != http.StatusForbidden {
		t.Errorf("listed origin, foreign host: %d, want 403", w.Code)
	}
}

// TestGuardStandsBeforeEverything tries all routes and methods, known and unknown.
func TestGuardStandsBeforeEverything(t *testing.T) {
	mux := http.NewServeMux()
	for _, path := range []string{"/mcp", "/healthz", "/v1/mcp/tool/execute", "/"} {
		mux.HandleFunc(path, func(http.ResponseWriter, *http.Request) { t.Errorf("%s was reached", path) })
	}
	h := HostGuard(mux, nil)
	for _, path := range []string{"/mcp", "/healthz", "/v1/mcp/tool/execute", "/nowhere", "//mcp", "/mcp/../x"} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"} {
			for _, headers := range [][2]string{{"evil.example", ""}, {"localhost", "http://evil.example"}} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Method, r.Host = method, headers[0]
				// What a proxy might say of the original request changes nothing.
				r.Header.Set("X-Forwarded-Host", "localhost")
				r.Header.Set("Forwarded", "host=localhost")
				if headers[1] != "" {
					r.Header.Set("Origin", headers[1])
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusForbidden {
					t.Errorf("%s %s of %q: %d, want 403", method, path, headers, w.Code)
				}
			}
		}
	}
}

func TestRefusalIsHarmless(t *testing.T) {
	evil := "<script>alert(1)</script>\"&'\x1b[2J\r\nSet-Cookie: a=b\u202e\xff" + strings.Repeat("A", 10_000)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"host":   ask(guarded(nil), "/mcp", evil),
		"origin": ask(guarded(nil), "/mcp", "localhost", evil),
	} {
		body := w.Body.String()
		if w.Code != http.StatusForbidden || len(body) > 400 {
			t.Errorf("%s: %d with %d bytes", name, w.Code, len(body))
		}
		if strings.ContainsAny(body, "<>&\r\x1b") || strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") {
			t.Errorf("%s: body %q", name, body)
		}
		for _, r := range body {
			if r > '~' {
				t.Errorf("%s: body holds %q", name, r)
			}
		}
		if !strings.Contains(body, "script") {
			t.Errorf("%s: body %q does not show what was sent", name, body)
		}
		if ct := w.Header().Get("Content-Type"); ct != "text/plain; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
}

func TestGuardOptionsCheck(t *testing.T) {
	for _, test := range []struct {
		o    GuardOptions
		want []string
	}{
		{GuardOptions{Hosts: []string{"ok.example", "https://gateway.example"}}, []string{"hosts[1]", `"https://gateway.example"`}},
		{GuardOptions{Hosts: []string{"*"}}, []string{"hosts[0]", "wildcard"}},
		{GuardOptions{Hosts: []string{"*.example"}}, []string{"hosts[0]"}},
		{GuardOptions{Hosts: []string{""}}, []string{"hosts[0]"}},
		{GuardOptions{Hosts: []string{"a/b"}}, []string{"hosts[0]"}},
		{GuardOptions{Hosts: []string{":8080"}}, []string{"hosts[0]", `":8080"`}},
		{GuardOptions{Origins: []string{"console.example"}}, []string{"origins[0]", `"console.example"`}},
		{GuardOptions{Origins: []string{"*"}}, []string{"origins[0]", "wildcard"}},
		{GuardOptions{Origins: []string{"null", "https://a.example/path"}}, []string{"origins[1]"}},
		{GuardOptions{Origins: []string{"https://*.example"}}, []string{"origins[0]"}},
	} {
		err := test.o.Check()
		if err == nil {
			t.Errorf("%+v: accepted", test.o)
			continue
		}
		for _, w := range test.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %q does not mention %q", test.o, err, w)
			}
		}
		// What cannot match allows nothing.
		h := guarded(&test.o)
		for _, host := range []string{"evil.example", "a", "x.example", "console.example"} {
			if w := ask(h, "/", host); w.Code != http.StatusForbidden {
				t.Errorf("%+v lets host %q pass", test.o, host)
			}
			if w := ask(h, "/", "localhost", "https://"+host); w.Code != http.StatusForbidden {
				t.Errorf("%+v lets origin %q pass", test.o, host)
			}
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"localhost", "LOCALHOST.:80", "[::1]:443", "a@b", "gateway.example:8443", "[::ffff:1.2.3.4]"} {
		f.Add(s)
	}
	h := guarded(&GuardOptions{Hosts: []string{"gateway.example:8443"}})
	f.Fuzz(func(t *testing.T, host string) {
		if ask(h, "/", host).Code != http.StatusNoContent {
			return
		}
		// Whatever passes is one of the names, give or take case, a dot and a port.
		s := strings.ToLower(host)
		for _, name := range []string{"localhost", "127.0.0.1", "gateway.example"} {
			rest, ok := strings.CutPrefix(s, name)
			if rest = strings.TrimPrefix(rest, "."); ok && strings.Trim(rest, ":0123456789") == "" {
				return
			}
		}
		if strings.HasPrefix(s, "[") && strings.Contains(s, "1]") {
			return
		}
		t.Fatalf("host %q passes", host)
	})
}

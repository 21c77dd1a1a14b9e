// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// GuardOptions configure [HostGuard].
type GuardOptions struct {
	// Hosts are the names and addresses the gateway answers to besides localhost, 127.0.0.1 and [::1], which are always
	// allowed: no web page can be served under them by somebody else. "host" allows any port, "host:port" that one.
	Hosts []string
	// Origins are web origins, such as "https://console.example" or "vscode-webview://1a2b", whose pages may call the
	// gateway from a browser. Pages of the gateway itself may always.
	Origins []string
}

// Check returns an error for the first entry that could never match, naming its place. [HostGuard] ignores such an
// entry, that is, what it was meant to allow stays refused.
func (o *GuardOptions) Check() error {
	for i, s := range o.Hosts {
		if _, ok := parseHostEntry(s); !ok {
			return fmt.Errorf("hosts[%d]: %q is no host name: write it as in %q or %q, without scheme, path or wildcard", i, s, "gateway.example", "gateway.example:8443")
		}
	}
	for i, s := range o.Origins {
		if _, ok := parseOrigin(strings.TrimSuffix(s, "/")); !ok {
			return fmt.Errorf("origins[%d]: %q is no web origin: write scheme and host as in %q, without path or wildcard", i, s, "https://console.example")
		}
	}
	return nil
}

// guard is the handler of [HostGuard]. Its maps are only read.
type guard struct {
	next    http.Handler
	hosts   map[hostPort]bool // every allowed host
	named   map[hostPort]bool // those of them that the operator named
	origins map[origin]bool
}

// HostGuard refuses with 403, before next sees it, every request that a web page could have made a browser send against
// the will of its user: one under a host name the gateway does not answer to (DNS rebinding), and one from a foreign
// page. It belongs around all routes of a listener, also those that need no credential. Nil options allow loopback
// names and no foreign origin. Clients that are no browsers send no Origin and are not affected by that half.
func HostGuard(next http.Handler, o *GuardOptions) http.Handler {
	g := &guard{
		next: next,
		hosts: map[hostPort]bool{
			{host: "localhost"}: true, {host: "127.0.0.1"}: true, {host: "::1"}: true,
		},
		named:   map[hostPort]bool{},
		origins: map[origin]bool{},
	}
	if o == nil {
		return g
	}
	for _, s := range o.Hosts {
		if h, ok := parseHostEntry(s); ok {
			g.hosts[h], g.named[h] = true, true
		}
	}
	for _, s := range o.Origins {
		if from, ok := parseOrigin(strings.TrimSuffix(s, "/")); ok {
			g.origins[from] = true
		}
	}
	return g
}

// ServeHTTP passes r on or answers 403.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, ok := parseHost(r.Host)
	if !ok || !g.answersTo(host) {
		refuse(w, "this gateway does not answer to the host "+shown(r.Host)+": if that is its name, add it to hosts: in the configuration")
		return
	}
	if sent := r.Header.Values("Origin"); len(sent) > 0 && !g.from(sent, host) {
		refuse(w, "pages of the origin "+shown(strings.Join(sent, ", "))+" may not call this gateway: to allow them, add it to origins: in the configuration")
		return
	}
	if o, listed := g.listed(r); listed && crossOrigin(w, r, o) {
		return
	}
	g.next.ServeHTTP(w, r)
}

// listed is the origin of r when the operator named it.
func (g *guard) listed(r *http.Request) (string, bool) {
	sent := r.Header.Get("Origin")
	o, ok := parseOrigin(sent)
	return sent, ok && g.origins[o]
}

// answersTo reports whether h is allowed by an entry for any port or for its own. A default port may be left out.
func (g *guard) answersTo(h hostPort) bool {
	if g.hosts[h] || g.hosts[hostPort{host: h.host}] {
		return true
	}
	return h.port == "" && (g.hosts[hostPort{h.host, "443"}] || g.hosts[hostPort{h.host, "80"}])
}

// from reports whether pages of the origin sent may call the gateway under the host that the request names.
func (g *guard) from(sent []string, host hostPort) bool {
	if len(sent) != 1 {
		return false
	}
	o, ok := parseOrigin(sent[0])
	if !ok {
		return false
	}
	if g.origins[o] {
		return true
	}
	if o.opaque != "" {
		return false
	}
	// The gateway's own page. A proxy in front may have taken TLS away, so the scheme does not have to agree, and a
	// default port may be written or not.
	if host.port == "80" || host.port == "443" {
		host.port = ""
	}
	if o.at == host {
		return true
	}
	// A proxy may also have replaced the host; then the page comes from the public name, which the operator has listed.
	// The loopback names do not count here: any program on this machine may serve pages under them, on other ports.
	return g.named[o.at] || o.at.port == "" && g.named[hostPort{o.at.host, defaultPort(o.scheme)}]
}

// refuse answers in plain text, which no browser will read as a page.
func refuse(w http.ResponseWriter, sentence string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintln(w, sentence)
}

// shown quotes what a client sent so that it is harmless in a terminal, a log and a page.
func shown(s string) string {
	const most = 80 // bytes; enough to recognise a name by
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.NewReplacer("<", `\x3c`, ">", `\x3e`, "&", `\x26`).Replace(strconv.QuoteToASCII(s))
}

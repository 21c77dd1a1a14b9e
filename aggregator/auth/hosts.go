// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/netip"
	"strconv"
	"strings"
)

// hostPort is a host as written in a Host header or an origin, in one canonical spelling: ASCII lower case, no trailing
// dot, IP version 6 addresses shortened and without brackets. port is "" where none was written.
type hostPort struct{ host, port string }

// maxHost is the longest accepted host with its port, in bytes: a DNS name of 253, a dot, a colon and five digits.
const maxHost = 260

// parseHost reads host or host:port. It accepts only what a browser or an MCP client writes and nothing that two
// readers could understand differently: no user name, no path, no zone, no escapes, no characters beyond ASCII.
func parseHost(s string) (hostPort, bool) {
	if s == "" || len(s) > maxHost {
		return hostPort{}, false
	}
	var host, rest string
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return hostPort{}, false
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return hostPort{}, false
		}
		host, rest = addr.String(), s[end+1:]
	} else {
		host, rest = s, ""
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, rest = s[:i], s[i:]
		}
		if !validName(host) {
			return hostPort{}, false
		}
		// "localhost." is the same name, fully qualified. A second dot is not.
		host = strings.TrimSuffix(strings.ToLower(host), ".")
	}
	port, ok := parsePort(rest)
	return hostPort{host, port}, ok
}

// parsePort reads "" or ":" with a port number in its only decimal spelling.
func parsePort(s string) (string, bool) {
	if s == "" {
		return "", true
	}
	n, err := strconv.ParseUint(s[1:], 10, 16)
	if s[0] != ':' || err != nil || n == 0 || strconv.FormatUint(n, 10) != s[1:] {
		return "", false
	}
	return s[1:], true
}

// validName reports whether s consists of the characters of DNS names and IP version 4 addresses. The underscore is
// none of them, but container networks use it.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.' && i > 0 && s[i-1] != '.':
		default:
			return false
		}
	}
	return s != ""
}

// parseHostEntry reads an entry of the configured hosts, where an IP version 6 address may stand without brackets.
func parseHostEntry(s string) (hostPort, bool) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Is6() {
		s = "[" + s + "]"
	}
	return parseHost(s)
}

// origin is a web origin. For the schemes of the web it has a host; any other is compared as a whole.
type origin struct {
	scheme string
	at     hostPort // port "" = the default of the scheme; zero for other schemes
	opaque string   // other schemes and "null": the whole text, lower case
}

// parseOrigin reads an Origin header or an entry of the configured origins.
func parseOrigin(s string) (origin, bool) {
	if s == "null" {
		return origin{opaque: s}, true
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return origin{}, false
	}
	scheme, rest, ok := strings.Cut(strings.ToLower(s), "://")
	if !ok || scheme == "" || rest == "" {
		return origin{}, false
	}
	if scheme != "http" && scheme != "https" {
		return origin{scheme: scheme, opaque: scheme + "://" + rest}, !strings.ContainsAny(rest, "/?#@\\")
	}
	at, ok := parseHost(rest)
	if at.port == defaultPort(scheme) {
		at.port = ""
	}
	return origin{scheme: scheme, at: at}, ok
}

// defaultPort is the port that an origin of the scheme leaves out.
func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// listener checks who could reach the gateway, and how well that is protected.
func (k *checker) listener() {
	c := k.c
	public := k.publicURL()
	loopback, ok := k.listen()
	if c.BehindProxy && (public == nil || public.Scheme != "https") && !k.failed["public_url"] {
		k.report("behind_proxy", CodeMissing, "needs an https public_url", "set public_url to the URL of the proxy")
	}
	if ok && !loopback && c.TLS == nil && !c.BehindProxy && !c.Insecure && !k.failed["behind_proxy"] && !k.failed["insecure"] {
		k.report("listen", CodeUnsafe, fmt.Sprintf("%q is reachable from the network without TLS", c.Listen),
			`set tls, or behind_proxy: true with an https public_url, or listen on 127.0.0.1; "insecure: true" allows plain HTTP`)
	}
	if c.Anonymous != nil && ok && !loopback {
		k.report("anonymous", CodeUnsafe, fmt.Sprintf("anonymous callers are allowed on loopback only, and listen is %q", c.Listen),
			`remove anonymous and give callers a key, or listen on 127.0.0.1`)
	}
	if c.Anonymous != nil && c.BehindProxy {
		k.report("anonymous", CodeUnsafe, "anonymous callers are not allowed behind a proxy", "remove anonymous and give callers a key")
	}
	for i, h := range c.Hosts {
		if !validHost(h) {
			k.report(Path("hosts", i), CodeValue, fmt.Sprintf("%q is not a host name", h), `write a name or address as in the Host header, for example "mcp.example.com"`)
		}
	}
	for i, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !validHost(u.Host) || o != u.Scheme+"://"+u.Host {
			k.report(Path("origins", i), CodeValue, fmt.Sprintf("%q is not an origin", o), `write scheme and host without a path, for example "https://app.example.com"; there is no wildcard`)
		}
	}
}

// listen reports whether the address is loopback; ok is false when it is no address.
func (k *checker) listen() (loopback, ok bool) {
	host, port, err := net.SplitHostPort(k.c.Listen)
	_, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil || host != "" && !validHost(host) {
		k.report("listen", CodeValue, fmt.Sprintf("%q is not an address with a port", k.c.Listen), `write it like "127.0.0.1:8080" or ":8443"`)
		return false, false
	}
	return isLoopback(host), !k.failed["listen"]
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// publicURL returns the URL, or nil when there is none or it is no good.
func (k *checker) publicURL() *url.URL {
	text := k.c.PublicURL
	if text == "" && !k.has("public_url") {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !validHost(u.Host) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		k.report("public_url", CodeValue, "not a URL that clients could use", `write it like "https://mcp.example.com", without user, query or fragment`)
		return nil
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) && !k.c.Insecure {
		k.report("public_url", CodeUnsafe, "clients would send their keys in the clear", `use https; "insecure: true" allows plain HTTP`)
		return nil
	}
	return u
}

// validHost accepts a DNS name or an IP address, with or without a port.
func validHost(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if !matches(`^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`, label) {
			return false
		}
	}
	return true
}

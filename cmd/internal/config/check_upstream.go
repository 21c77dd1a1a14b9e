// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"tollgate/aggregator"
)

// upstream checks one entry. Its messages never show values of url, args, env and headers.
func (k *checker) upstream(i int) {
	u, at := &k.c.Upstreams[i], Path("upstreams", i)
	if k.failed[at] {
		return
	}
	hasURL, hasCommand := k.has(at+".url"), k.has(at+".command")
	switch {
	case hasURL && hasCommand:
		k.report(at, CodeConflict, "both command and url are set", "keep command for a program on this machine, or url for a server")
	case !hasURL && !hasCommand:
		k.report(at, CodeMissing, "neither command nor url is set", "set command for a program on this machine, or url for a server")
	case hasURL:
		k.remote(u, at)
		k.oauth(u, at+".oauth")
		k.unused(at, "url", "args", "env", "dir")
		if u.Transport == "stdio" {
			k.report(at+".transport", CodeConflict, `"stdio" needs a command, but url is set`, `use "http" or "sse", or leave transport out`)
		}
	default:
		k.local(u, at)
		k.unused(at, "command", "headers", "oauth")
		if (u.Transport == "http" || u.Transport == "sse") && !k.failed[at+".transport"] {
			k.report(at+".transport", CodeConflict, fmt.Sprintf("%q needs a url, but command is set", u.Transport), `use "stdio", or leave transport out`)
		}
	}
	k.originals(at+".tools", u.Tools)
	if strings.EqualFold(u.Name, aggregator.OwnUpstream) {
		k.report(at+".name", CodeConflict, fmt.Sprintf("%q is the name of the gateway's own tools", u.Name), "give the upstream another name")
	}
}

// unused reports keys that have no effect beside the one that is set.
func (k *checker) unused(at, set string, keys ...string) {
	for _, key := range keys {
		if path := joinKey(at, key); k.has(path) {
			k.report(path, CodeConflict, fmt.Sprintf("has no effect with %s", set), "remove it")
		}
	}
}

func (k *checker) local(u *Upstream, at string) {
	switch {
	case strings.ContainsAny(u.Command, "\r\n"):
		k.report(at+".command", CodeValue, "contains a line break", "name one program; put its arguments under args")
	case strings.Contains(u.Command, openRef):
		k.report(at+".command", CodeReference, "references are not replaced in command", "write the program's name or path; references work in url, args, env and headers")
	case strings.ContainsAny(u.Command, " \t") && !strings.ContainsAny(u.Command, `/\`) && !k.has(at+".args"):
		k.report(at+".command", CodeValue, fmt.Sprintf("%q holds a program and its arguments", u.Command), "put the arguments under args, each on its own; no shell is involved")
	}
	if strings.Contains(u.Dir, openRef) {
		k.report(at+".dir", CodeReference, "references are not replaced in dir", "write the path; references work in url, args, env and headers")
	}
	for name := range sorted(u.Env) {
		if injects(name) {
			k.warn(joinKey(at+".env", name), CodeUnsafe, name+" makes the program load other code", "keep it only if that is meant")
		}
	}
}

// injects lists variables with which a program can be made to run code that it does not name.
func injects(name string) bool {
	upper := strings.ToUpper(name)
	return slices.Contains([]string{"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "NODE_OPTIONS", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "BASH_ENV"}, upper) ||
		strings.HasPrefix(upper, "DYLD_")
}

func (k *checker) remote(u *Upstream, at string) {
	k.remoteURL(u, at)
	seen := map[string]string{}
	for name, value := range sorted(u.Headers) {
		path, lower := joinKey(at+".headers", name), strings.ToLower(name)
		if first, ok := seen[lower]; ok {
			k.report(path, CodeConflict, fmt.Sprintf("%q and %q are the same header", first, name), "keep one of them")
		}
		seen[lower] = name
		switch {
		case ReservedHeader(name):
			k.report(path, CodeConflict, fmt.Sprintf("%s is set by tollgate itself", name), "remove it")
		case strings.ContainsAny(value.Reveal(), "\r\n"):
			k.report(path, CodeValue, "the value has a line break", "check the variable or file that it comes from")
		case value.Reveal() == "" && k.resolver != nil:
			k.report(path, CodeValue, "must not be empty", "remove the header or give it a value")
		}
	}
}

// ReservedHeader reports whether a header belongs to the protocol or the connection, so that no file may set it.
func ReservedHeader(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "mcp-") || slices.Contains([]string{
		"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "last-event-id", "te", "trailer",
		"transfer-encoding", "upgrade",
	}, lower)
}

func (k *checker) remoteURL(u *Upstream, at string) {
	at += ".url"
	if k.resolver == nil && HasReference(u.URL.Written()) {
		return // not known yet
	}
	parsed, err := url.Parse(u.URL.Reveal())
	switch {
	case err != nil || parsed.Host == "" && parsed.Scheme == "" || strings.ContainsAny(u.URL.Reveal(), "\r\n\t "):
		k.report(at, CodeValue, "not a URL", `write it like "https://mcp.example.com/mcp"`)
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		k.report(at, CodeValue, "only http and https are possible", `write it like "https://mcp.example.com/mcp"`)
	case parsed.User != nil:
		k.report(at, CodeUnsafe, "has a user name or password", "put credentials under headers, as references")
	case !validHost(parsed.Host):
		k.report(at, CodeValue, "has no valid host", `write it like "https://mcp.example.com/mcp"`)
	case parsed.Fragment != "":
		k.report(at, CodeValue, "has a fragment", `remove "#" and what follows`)
	case parsed.Scheme == "http" && !isLoopback(parsed.Hostname()) && len(u.Headers) > 0:
		k.warn(at, CodeUnsafe, "headers are sent without TLS", "use https if the server can")
	}
}

// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tollgate/upstream/wire"
)

// verdict is what the answer to server/discover says about the era of an upstream.
type verdict int

const (
	modern   verdict = iota
	otherEra         // answered like a server that does not know the method
	silent           // no answer, or gone
	refused          // modern or unreachable, but no session
)

// discover asks a modern upstream what it is. The session is nil unless the verdict is modern.
func (d *dialer) discover(ctx context.Context, l link, t transport) (*session, verdict, error) {
	s, found, err := d.discoverOnce(ctx, l, t)
	var refusal *wire.Error
	if found == refused && errors.As(err, &refusal) && refusal.Code == wire.CodeUnsupportedVersion {
		if rev, ok := commonRevision(refusal.Data, "supported"); ok && rev.Modern() {
			// 2026-07-28 §Versioning: a client picks from the list and asks again. That it picks what it asked for at first is
			// the server's contradiction, which one that is just starting may have left behind.
			return d.discoverOnce(ctx, l, t)
		}
	}
	return s, found, err
}

func (d *dialer) discoverOnce(ctx context.Context, l link, t transport) (*session, verdict, error) {
	x := &exchange{method: "server/discover", rev: wire.R20260728, maxReply: d.cfg.maxReply()}
	x.params = modernParams(nil, x.rev, clientMeta{info: d.host.client, capabilities: []byte(flavourShared)})
	env, err := l.exchange(ctx, x)
	switch {
	case err != nil:
		return nil, d.judge(ctx, x, err, t), err
	case !mayDowngrade(x.status):
		return nil, refused, failf(d.cfg, KindUnavailable, false, nil, "answered %s with status %d", x.method, x.status)
	case env.Error != nil:
		return d.discoverError(l, t, wire.ParseError(env.Error))
	}
	rev, ok := commonRevision(env.Result, "supportedVersions")
	capabilities, has := wire.Lookup(env.Result, "capabilities")
	if !has || wire.Kind(capabilities) != '{' || !ok {
		return nil, otherEra, failf(d.cfg, KindProtocol, false, nil, "answered %s with no description of itself", x.method)
	}
	if !rev.Modern() {
		return d.noModern(rev, env.Result, "supportedVersions")
	}
	s := d.newSession(l, t, rev)
	s.capabilities = capabilities
	s.dual = hasLegacy(env.Result, "supportedVersions")
	s.server, _ = wire.Lookup(env.Result, "_meta", wire.MetaServerInfo)
	s.instructions = stringAt(env.Result, "instructions")
	return s, modern, nil
}

// discoverError judges a JSON-RPC error in answer to server/discover. Three codes are modern, all others legacy.
func (d *dialer) discoverError(l link, t transport, e *wire.Error) (*session, verdict, error) {
	if !modernCode(e.Code) {
		return nil, otherEra, d.refusal("server/discover", e)
	}
	if e.Code != wire.CodeUnsupportedVersion {
		// Modern, but it will not describe itself to a client without capabilities: everything may be tried.
		return d.newSession(l, t, wire.R20260728), modern, nil
	}
	rev, ok := commonRevision(e.Data, "supported")
	if !ok || rev.Modern() {
		return nil, refused, d.refusal("server/discover", e)
	}
	return d.noModern(rev, e.Data, "supported")
}

// noModern judges a list of supported revisions without a modern one that we know.
func (d *dialer) noModern(rev wire.Revision, from []byte, member string) (*session, verdict, error) {
	if rev.Known() {
		return nil, otherEra, failf(d.cfg, KindProtocol, false, nil, "speaks no modern revision")
	}
	list, _ := wire.Lookup(from, member)
	return nil, refused, failf(d.cfg, KindProtocol, false, nil, "speaks only revisions %s, none of which this gateway knows",
		shorten(string(list)))
}

// judge judges a probe without a JSON-RPC answer. Over HTTP the status decides; over a pipe there is none.
func (d *dialer) judge(ctx context.Context, x *exchange, err error, t transport) verdict {
	var e *Error
	switch {
	case t.piped():
		return silent
	case errors.As(err, &e) && (e.Kind == KindAuth || e.Kind == KindTimeout || ctx.Err() != nil):
		return refused
	case x.status != 0 && mayDowngrade(x.status):
		return otherEra
	default:
		return refused
	}
}

// mayDowngrade reports whether a server that does not know a method may answer with this HTTP status (0 = no HTTP).
func mayDowngrade(status int) bool {
	return status == 0 || status/100 == 2 || older(status)
}

func older(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

func modernCode(code int64) bool {
	return code == wire.CodeHeaderMismatch || code == wire.CodeMissingCapability || code == wire.CodeUnsupportedVersion
}

// hasLegacy reports whether obj[member] lists a revision with a handshake.
func hasLegacy(obj []byte, member string) bool {
	list, _ := wire.Lookup(obj, member)
	for item := range wire.Elements(list) {
		text, _ := wire.String(item)
		if rev := wire.Revision(text); rev.Known() && !rev.Modern() {
			return true
		}
	}
	return false
}

// commonRevision returns the newest revision in obj[member] that we know, else the first of them. ok is false when it is no
// list of strings.
func commonRevision(obj []byte, member string) (best wire.Revision, ok bool) {
	list, found := wire.Lookup(obj, member)
	if !found || wire.Kind(list) != '[' {
		return "", false
	}
	for raw := range wire.Elements(list) {
		name, isString := wire.String(raw)
		if !isString {
			return "", false
		}
		// Revisions are dates: string order is age order.
		if rev := wire.Revision(name); best == "" || rev.Known() && (!best.Known() || rev > best) {
			best = rev
		}
	}
	return best, best != ""
}

// initialize does the handshake of a legacy upstream, once more when it names a revision it would rather speak. An *olderError
// in the chain means that a server of the transport before might have answered so.
func (d *dialer) initialize(ctx context.Context, l link, t transport) (*session, error) {
	s, other, err := d.initializeAs(ctx, l, t, wire.R20251125)
	if other != "" {
		s, _, err = d.initializeAs(ctx, l, t, other)
	}
	return s, err
}

// initializeAs asks for one revision. When it is refused, other is a revision the upstream supports instead, if it names one.
func (d *dialer) initializeAs(ctx context.Context, l link, t transport, ask wire.Revision) (s *session, other wire.Revision, err error) {
	x := &exchange{method: "initialize", rev: ask, maxReply: d.cfg.maxReply()}
	x.params = object("protocolVersion", string(quote(string(ask))), "capabilities", d.flavour.capabilities(),
		"clientInfo", string(d.host.client))
	env, err := l.exchange(ctx, x)
	if err != nil {
		return nil, "", d.initializeError(ctx, x, err, t)
	}
	if env.Error != nil {
		fault := wire.ParseError(env.Error)
		e := d.refusal("initialize", fault)
		if t == transportHTTP && older(x.status) {
			e.Err = errors.Join(e.Err, &olderError{x.status})
		}
		if rev, ok := commonRevision(fault.Data, "supported"); ok && rev.Known() && !rev.Modern() && rev != ask {
			other = rev
		}
		return nil, other, e
	}
	rev := wire.Revision(stringAt(env.Result, "protocolVersion"))
	if !rev.Known() || rev.Modern() {
		return nil, "", failf(d.cfg, KindProtocol, false, nil,
			"answered initialize with revision %q, which has no handshake this gateway knows", shorten(string(rev)))
	}
	if err := l.notify(ctx, "notifications/initialized", nil); err != nil {
		return nil, "", err
	}
	s = d.newSession(l, t, rev)
	s.server, _ = wire.Lookup(env.Result, "serverInfo")
	s.instructions = stringAt(env.Result, "instructions")
	if s.capabilities, _ = wire.Lookup(env.Result, "capabilities"); wire.Kind(s.capabilities) != '{' {
		s.capabilities = []byte("{}")
	}
	return s, "", nil
}

// initializeError completes the error of an initialize without a JSON-RPC answer.
func (d *dialer) initializeError(ctx context.Context, x *exchange, err error, t transport) error {
	if t == transportHTTP && older(x.status) && ctx.Err() == nil {
		return failf(d.cfg, KindUnavailable, false, errors.Join(err, &olderError{x.status}), "answered initialize with status %d", x.status)
	}
	return err
}

// refusal is the *Error of a handshake that was answered with a JSON-RPC error.
func (d *dialer) refusal(method string, e *wire.Error) *Error {
	return failf(d.cfg, KindUnavailable, false, e, "refused %s: %s (code %d)", method, shorten(e.Message), e.Code)
}

// stringAt returns a string member of obj, "" when it is none.
func stringAt(obj []byte, member string) string {
	raw, _ := wire.Lookup(obj, member)
	s, _ := wire.String(raw)
	return s
}

// shorten bounds foreign text in our own and keeps it on one line.
func shorten(s string) string {
	const limit = 200
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		return fmt.Sprintf("%s...", strings.ToValidUTF8(s[:limit], ""))
	}
	return s
}

// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/upstream/wire"
)

// session is one client of an earlier protocol revision, from initialize to DELETE, idleness or the end of its pipe.
type session struct {
	id      string
	caller  *auth.Principal
	toolset string
	client  bridge.Client
	ctx     context.Context
	cancel  context.CancelFunc
	ears    *listener
	deaf    context.CancelFunc // on stdio: ends the change notifications
	asks    asks

	mu      sync.Mutex // guards what follows
	level   string     // logging/setLevel
	pending map[string]context.CancelFunc
	stream  context.CancelFunc // ends the standalone stream in use, if there is one
	open    int                // requests and streams that keep the session alive
	idle    *time.Timer        // nil on stdio
	life    time.Duration
}

// begin registers a running request; false when its id is already in use or too many are running.
func (ss *session) begin(id []byte, cancel context.CancelFunc, most int) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if _, dup := ss.pending[string(id)]; dup || len(ss.pending) >= most {
		return false
	}
	ss.pending[string(id)] = cancel
	ss.hold(1)
	return true
}

func (ss *session) end(id []byte) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.pending, string(id))
	ss.hold(-1)
}

// cancelRequest serves notifications/cancelled.
func (ss *session) cancelRequest(params []byte) {
	id, _ := wire.Lookup(params, "requestId")
	ss.mu.Lock()
	cancel := ss.pending[string(id)]
	ss.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// hold counts what keeps the session from idling; ss.mu is held.
func (ss *session) hold(n int) {
	ss.open += n
	if ss.idle != nil {
		ss.idle.Reset(ss.life)
	}
}

func (ss *session) busy() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.open > 0 && ss.idle != nil {
		ss.idle.Reset(ss.life)
	}
	return ss.open > 0
}

func (ss *session) logLevel() string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.level
}

// sessions are the HTTP sessions by their unguessable id.
type sessions struct {
	server *Server

	mu     sync.Mutex // guards byID and perOwner
	byID   map[string]*session
	owners map[string]int
}

func newSessions(s *Server) *sessions {
	return &sessions{server: s, byID: map[string]*session{}, owners: map[string]int{}}
}

// owner is what a session is bound to: the credential, not only the subject.
func owner(p *auth.Principal) string { return p.Key() }

// newSession makes a session, or nil when the credential has too many. On HTTP it is then registered with an id of 128
// random bits.
func (s *Server) newSession(caller *auth.Principal, toolset string, c bridge.Client) *session {
	ctx, cancel := context.WithCancel(s.ctx)
	ss := &session{caller: caller, toolset: toolset, client: c, ctx: ctx, cancel: cancel, pending: map[string]context.CancelFunc{}, life: s.opts.SessionIdle}
	ss.ears = &listener{caller: caller, toolset: toolset, rev: c.Revision, wants: [lists]bool{true, true, true}}
	if !s.hub.listen(ctx, ss.ears) {
		cancel()
		return nil
	}
	return ss
}

func (s *Server) endSession(ss *session) {
	ss.cancel()
	s.hub.drop(context.WithoutCancel(ss.ctx), ss.ears)
}

// add registers ss; false when its owner has too many.
func (t *sessions) add(ss *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := owner(ss.caller)
	if t.owners[o] >= t.server.opts.MaxSessions || t.server.ctx.Err() != nil {
		return false
	}
	ss.id = rand.Text()
	t.byID[ss.id] = ss
	t.owners[o]++
	ss.idle = time.AfterFunc(ss.life, func() {
		if !ss.busy() {
			t.remove(ss)
		}
	})
	return true
}

// get finds a session of this caller on this toolset. Somebody else's session is as unknown as none.
func (t *sessions) get(id string, caller *auth.Principal, toolset string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	ss := t.byID[id]
	if ss == nil || owner(ss.caller) != owner(caller) || ss.toolset != toolset {
		return nil
	}
	return ss
}

func (t *sessions) remove(ss *session) {
	t.mu.Lock()
	_, ours := t.byID[ss.id]
	if ours {
		delete(t.byID, ss.id)
		o := owner(ss.caller)
		if t.owners[o]--; t.owners[o] == 0 {
			delete(t.owners, o)
		}
	}
	t.mu.Unlock()
	if ours {
		ss.idle.Stop()
		t.server.endSession(ss)
	}
}

func (t *sessions) closeAll() {
	t.mu.Lock()
	all := make([]*session, 0, len(t.byID))
	for _, ss := range t.byID {
		all = append(all, ss)
	}
	t.mu.Unlock()
	for _, ss := range all {
		t.remove(ss)
	}
}

func (t *sessions) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

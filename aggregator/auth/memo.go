// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// digest names a credential without keeping it.
type digest [sha256.Size]byte

// verdict is what was found out about one credential. It never changes.
type verdict struct {
	principal *Principal // nil = refused
	refusal   *refusal   // why; nil = accepted
	until     time.Time  // from then on it has to be found out again; zero = it is not kept
	issuer    *issuer    // of an access token
	keys      *keySet    // the keys of the issuer it was found with
	toolsets  []string   // where the token is for some toolsets only: their names
	bound     *digest    // of the only certificate that the token may come with; nil = any or none
}

// holds reports whether v may still be used.
func (v *verdict) holds(now time.Time) bool {
	return now.Before(v.until) && (v.issuer == nil || v.issuer.keys.current.Load() == v.keys)
}

// memo keeps verdicts, a bounded number: the one that was not used for the longest time gives way. Safe for concurrent use.
type memo struct {
	shards [16]shard // by the first byte of the digest, so that callers rarely wait for each other
	most   int       // entries of one shard
}

type shard struct {
	mu    sync.Mutex // guards at and order
	at    map[digest]*list.Element
	order *list.List // of *kept, the newest first
}

type kept struct {
	digest  digest
	verdict *verdict
}

func newMemo(most int) *memo {
	m := &memo{}
	m.most = max(most/len(m.shards), 1)
	for i := range m.shards {
		m.shards[i].at, m.shards[i].order = map[digest]*list.Element{}, list.New()
	}
	return m
}

// get returns the verdict about d if it still holds.
func (m *memo) get(d *digest, now time.Time) *verdict {
	s := &m.shards[d[0]&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at[*d]
	if e == nil {
		return nil
	}
	k := e.Value.(*kept)
	if !k.verdict.holds(now) {
		s.order.Remove(e)
		delete(s.at, *d)
		return nil
	}
	s.order.MoveToFront(e)
	return k.verdict
}

// put keeps v as the verdict about d.
func (m *memo) put(d *digest, v *verdict) {
	s := &m.shards[d[0]&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.at[*d]; e != nil {
		e.Value = &kept{*d, v}
		s.order.MoveToFront(e)
		return
	}
	s.at[*d] = s.order.PushFront(&kept{*d, v})
	if s.order.Len() > m.most {
		last := s.order.Back()
		s.order.Remove(last)
		delete(s.at, last.Value.(*kept).digest)
	}
}

// len counts the entries.
func (m *memo) len() int {
	n := 0
	for i := range m.shards {
		m.shards[i].mu.Lock()
		n += m.shards[i].order.Len()
		m.shards[i].mu.Unlock()
	}
	return n
}

// flights lets one of several requests with the same credential find out about it, while the others wait. Safe for
// concurrent use.
type flights struct {
	mu      sync.Mutex // guards running
	running map[digest]*flight
}

type flight struct {
	done    chan struct{} // closed when verdict is set
	verdict *verdict
}

// do returns what find finds, which another caller may have begun. It returns nil when ctx ends before another's is done.
func (f *flights) do(ctx context.Context, d *digest, find func() *verdict) *verdict {
	f.mu.Lock()
	if one := f.running[*d]; one != nil {
		f.mu.Unlock()
		select {
		case <-one.done:
			return one.verdict
		case <-ctx.Done():
			return nil
		}
	}
	one := &flight{done: make(chan struct{})}
	f.running[*d] = one
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.running, *d)
		f.mu.Unlock()
		close(one.done)
	}()
	one.verdict = find()
	return one.verdict
}

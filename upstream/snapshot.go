// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// list is one of the four lists of an upstream.
type list int

const (
	listTools list = iota
	listPrompts
	listResources
	listTemplates
	listCount
)

// lists is a set of them.
type lists uint8

const allLists lists = 1<<listCount - 1

func listSet(ls ...list) lists {
	var set lists
	for _, l := range ls {
		set |= 1 << l
	}
	return set
}

func (s lists) has(l list) bool { return s&(1<<l) != 0 }

// method is the request that reads the list.
func (l list) method() string {
	return [...]string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"}[l]
}

// member is the array in its result.
func (l list) member() string {
	return [...]string{"tools", "prompts", "resources", "resourceTemplates"}[l]
}

// capability is what the upstream declares when it has the list.
func (l list) capability() string {
	return [...]string{"tools", "prompts", "resources", "resources"}[l]
}

// noun is one item in a sentence.
func (l list) noun() string { return [...]string{"tool", "prompt", "resource", "template"}[l] }

// key is the member that makes an item unique.
func (l list) key() string { return [...]string{"name", "name", "uri", "uriTemplate"}[l] }

// of is where a snapshot keeps the list.
func (l list) of(snap *Snapshot) *[]Item {
	return [...]*[]Item{&snap.Tools, &snap.Prompts, &snap.Resources, &snap.Templates}[l]
}

// catalog is what is known of the lists of an upstream, across its sessions. It is used by one goroutine at a time.
type catalog struct {
	cfg  *Config
	read [listCount]listing // last good state of each
}

// newCatalog returns a catalog that starts with the items of seed, which may be nil.
func newCatalog(cfg *Config, seed *Snapshot) *catalog {
	c := &catalog{cfg: cfg}
	if seed != nil {
		for l := range listCount {
			c.read[l].items = *l.of(seed)
		}
	}
	return c
}

// refresh reads the wanted lists of a session, all at the same time. A list that fails alone keeps its last good items, and
// trouble says what happened. An error means that the upstream as a whole could not be reached; nothing is changed then.
func (c *catalog) refresh(ctx context.Context, s *session, wanted lists) (trouble string, err error) {
	next := c.read
	var running sync.WaitGroup
	for l := range listCount {
		switch {
		case !wanted.has(l):
		case !s.declares(l.capability()):
			next[l] = listing{}
		default:
			running.Go(func() { next[l] = readList(ctx, s, l, c.read[l].items) })
		}
	}
	running.Wait()
	var troubles []string
	for l := range listCount {
		if next[l].err != nil && (s.ended() || unreachable(next[l].err)) {
			return "", next[l].err
		}
		if next[l].trouble != "" {
			troubles = append(troubles, next[l].trouble)
		}
	}
	c.read = next
	return strings.Join(troubles, "; "), nil
}

// isOwed reports whether a list could not be read.
func (c *catalog) isOwed() bool {
	return slices.ContainsFunc(c.read[:], func(r listing) bool { return r.err != nil })
}

// snapshot returns what was read last, as offered by a session.
func (c *catalog) snapshot(s *session, now time.Time) *Snapshot {
	snap := &Snapshot{
		Upstream: c.cfg.Name, Revision: s.rev, ServerInfo: s.server, Capabilities: s.capabilities,
		Instructions: s.instructions, Fetched: now,
	}
	for l := range listCount {
		r := c.read[l]
		*l.of(snap) = r.items
		snap.Dropped = append(snap.Dropped, r.problems...)
		if r.ttl > 0 && (snap.TTL == 0 || r.ttl < snap.TTL) {
			snap.TTL = r.ttl
		}
	}
	snap.Hash = snap.hash()
	return snap
}

// hash identifies what a snapshot offers.
func (snap *Snapshot) hash() string {
	h := sha256.New()
	write := func(s string) {
		_, _ = io.WriteString(h, s)
		_, _ = h.Write([]byte{0})
	}
	write(string(snap.Capabilities))
	write(snap.Instructions)
	for l := range listCount {
		write(l.member())
		for _, item := range *l.of(snap) {
			write(item.Hash)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// filtered returns the snapshot as another configuration of the same upstream would show it.
func (snap *Snapshot) filtered(cfg *Config) *Snapshot {
	if snap == nil || len(cfg.Tools) == 0 {
		return snap
	}
	next := *snap
	next.Tools = slices.DeleteFunc(slices.Clone(snap.Tools), func(t Item) bool { return !cfg.allows(t.Name) })
	next.Hash = next.hash()
	return &next
}

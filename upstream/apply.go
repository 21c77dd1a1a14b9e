// SPDX-License-Identifier: Apache-2.0

package upstream

// Apply makes cfgs the configuration: it starts what is new, stops what is gone and keeps what is equal ([Config.Equal]) as it
// is. An upstream whose configuration changed is connected anew while the old connection goes on serving; calls move over when
// the new one is connected, or has failed to. Calls under way on a connection that goes are allowed to finish. Of several
// configurations with one name the first counts.
//
// Apply never waits for a connection. It does nothing after Close.
func (s *Set) Apply(cfgs []Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	order := make([]*slot, 0, len(cfgs))
	slots := make(map[string]*slot, len(cfgs))
	for _, cfg := range cfgs {
		if slots[cfg.Name] != nil {
			continue
		}
		sl := s.slots[cfg.Name]
		switch {
		case sl == nil:
			sl = &slot{now: newConn(cfg, s.host, nil)}
			sl.now.start()
		case !sl.now.cfg.Equal(&cfg):
			s.replace(sl, cfg)
		}
		slots[cfg.Name] = sl
		order = append(order, sl)
	}
	for name, sl := range s.slots {
		if slots[name] == nil {
			s.drop(sl)
		}
	}
	s.order, s.slots = order, slots
	s.changed()
}

// replace starts a conn for another configuration of an upstream. The caller holds mu.
func (s *Set) replace(sl *slot, cfg Config) {
	serving := sl.serving()
	if sl.now != serving {
		s.retire(sl.now) // it never got to serve
	}
	next := newConn(cfg, s.host, serving.health.last().filtered(&cfg))
	next.start()
	sl.now = next
	if cfg.Disabled || serving.cfg.Disabled {
		sl.before = nil
		s.retire(serving)
		return
	}
	sl.before = serving
	s.tasks.Go(func() { s.handOver(sl, next, serving) })
}

// handOver moves the calls of an upstream to its new conn once that has settled.
func (s *Set) handOver(sl *slot, next, serving *conn) {
	select {
	case <-next.health.settled:
	case <-next.stopped: // replaced in its turn, or closed with the Set
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl.now == next && sl.before == serving {
		sl.before = nil
		s.retire(serving)
	}
}

// drop stops an upstream that is no longer configured. The caller holds mu.
func (s *Set) drop(sl *slot) {
	s.retire(sl.now)
	if sl.before != nil {
		s.retire(sl.before)
		sl.before = nil
	}
}

// retire lets a conn finish its calls and closes it, in the background. The caller holds mu.
func (s *Set) retire(c *conn) {
	c.refuse()
	s.tasks.Go(func() { c.retire(s.stop) })
}

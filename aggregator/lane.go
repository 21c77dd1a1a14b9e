// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"sync"
	"time"

	"tollgate/store/ledger"
)

// lane bounds what is on its way to the log and is no call: refusals, replays and notes. However many requests are turned
// away, and however slow the disk is, the queue of the log keeps room for calls; and one caller leaves room for the others.
type lane struct {
	stats func() ledger.Stats
	stop  <-chan struct{} // closed when nobody is let in any more

	mu      sync.Mutex // guards what follows
	all     load
	shares  map[string]load // of each caller
	behind  []handed        // in the log's hands, and nobody waits for them; oldest first
	waiting int             // requests that wait for room
}

// load is how much there is of something on its way.
type load struct{ entries, bytes int }

// handed is a record that is on disk once the log has written as many records as it had then.
type handed struct {
	records uint64
	caller  string
	bytes   int
}

const (
	// maxLane and maxLaneBytes bound a lane to a quarter of what the log takes by default. One caller may have half of it.
	maxLane      = 1 << 11
	maxLaneBytes = 16 << 20
	// laneBase is what a record takes beside its arguments.
	laneBase = 4 << 10
	// laneWait is how long a request waits for room, lanePause how often it looks; of more than maxLaneWait nobody waits.
	laneWait    = time.Second
	lanePause   = 5 * time.Millisecond
	maxLaneWait = 1 << 8
)

var (
	errClosed   = errors.New("the gateway is ending")
	errRefusals = errors.New("too many refusals wait to be recorded")
)

// enter lets one record of caller in, or says why not.
func (l *lane) enter(caller string, bytes int) error {
	select {
	case <-l.stop:
		return &ledger.UnavailableError{Retry: laneWait, Err: errClosed}
	default:
	}
	switch in, wait := l.try(caller, bytes, false); {
	case in:
		return nil
	case !wait:
		return &ledger.UnavailableError{Busy: true, Retry: laneWait, Err: errRefusals}
	}
	defer l.unwait()
	look, end := time.NewTicker(lanePause), time.NewTimer(laneWait)
	defer look.Stop()
	defer end.Stop()
	for {
		select {
		case <-look.C:
			if in, _ := l.try(caller, bytes, true); in {
				return nil
			}
		case <-end.C:
			return &ledger.UnavailableError{Busy: true, Retry: laneWait, Err: errRefusals}
		case <-l.stop:
			return &ledger.UnavailableError{Retry: laneWait, Err: errClosed}
		}
	}
}

// try lets one record in if there is room, and else says whether its request may wait; again says that it does.
func (l *lane) try(caller string, bytes int, again bool) (in, wait bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.fits(caller, bytes) {
		if l.arrived(l.stats()); !l.fits(caller, bytes) {
			wait = again || l.waiting < maxLaneWait
			if wait && !again {
				l.waiting++
			}
			return false, wait
		}
	}
	l.add(caller, 1, bytes)
	return true, false
}

func (l *lane) unwait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
}

// fits reports whether there is room; l.mu is held.
func (l *lane) fits(caller string, bytes int) bool {
	room := func(have load, part int) bool {
		return have.entries == 0 || have.entries < maxLane/part && have.bytes+bytes <= maxLaneBytes/part
	}
	return room(l.all, 1) && room(l.shares[caller], 2)
}

// add changes how much there is; l.mu is held.
func (l *lane) add(caller string, entries, bytes int) {
	l.all.entries += entries
	l.all.bytes += bytes
	share := l.shares[caller]
	share.entries += entries
	share.bytes += bytes
	if share.entries <= 0 {
		delete(l.shares, caller)
		return
	}
	if l.shares == nil {
		l.shares = map[string]load{}
	}
	l.shares[caller] = share
}

// leave lets out what was let in: it is on disk, or will not be written.
func (l *lane) leave(caller string, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(caller, -1, -bytes)
}

// hand leaves to the log what was let in and what nobody waits for. It goes out when the log has come so far.
func (l *lane) hand(caller string, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats()
	l.behind = append(l.behind, handed{s.Records + uint64(s.Queued), caller, bytes})
	l.arrived(s)
}

// arrived lets out what is on disk; l.mu is held.
func (l *lane) arrived(s ledger.Stats) {
	n := 0
	for n < len(l.behind) && (l.behind[n].records <= s.Records || s.Queued == 0) {
		l.add(l.behind[n].caller, -1, -l.behind[n].bytes)
		n++
	}
	if n > 0 {
		l.behind = append(l.behind[:0], l.behind[n:]...)
	}
}

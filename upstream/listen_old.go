// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"slices"
	"time"
)

const (
	hearOut     = time.Second // what an upstream sent before it acknowledged the next stream arrives within that
	maxReplaced = 8           // streams heard out at a time
	endNoticed  = hearOut / 8 // for an upstream to notice that streams were closed
)

// replaced are the streams over HTTP that have a successor. Each travels on a connection of its own, so the acknowledgement
// of the next one can overtake a notification on the last: a stream that is cut at once takes with it what is on its way. A
// change may be heard of on both; "updated" means "read it again", so twice does no harm.
type replaced struct {
	streams []*stream // oldest first
	lapse   <-chan time.Time
	cut     time.Time // when the first was not heard out of those whose lists may have changed, and
	doubt   []string  // these resources; zero = none
}

// retire hears out a stream that has a successor, and ends all of them when there is none.
func (l *listener) retire(st *stream, succeeded bool) {
	if !succeeded {
		st.stop()
		for _, st := range l.old.streams {
			st.stop()
		}
		l.old = replaced{}
		return
	}
	st.until = time.Now().Add(hearOut)
	l.old.streams = append(l.old.streams, st)
	if len(l.old.streams) > maxReplaced {
		l.dropOldest(true)
	}
	l.await()
}

// await sets when the next replaced stream has been heard out, or what was cut must be told.
func (l *listener) await() {
	l.old.lapse = nil
	if len(l.old.streams) == 0 {
		return
	}
	next := l.old.streams[0].until
	if tell := l.old.cut.Add(hearOut); !l.old.cut.IsZero() && tell.Before(next) {
		next = tell
	}
	l.old.lapse = time.After(time.Until(next))
}

// dropOldest ends the oldest replaced stream, early or because it has been heard out.
func (l *listener) dropOldest(early bool) {
	st := l.old.streams[0]
	l.old.streams = l.old.streams[1:]
	if early || st.isEnded() && st.err != nil {
		if l.old.cut.IsZero() {
			l.old.cut = time.Now()
		}
		l.old.doubt = append(l.old.doubt, st.uris...)
	}
	st.stop()
}

// lapsed ends the replaced streams that have been heard out. While the upstream has acknowledged one of them but not yet
// its successor, the old one may be all it has.
func (l *listener) lapsed() {
	now := time.Now()
	for len(l.old.streams) > 0 && !l.old.streams[0].until.After(now) {
		st := l.old.streams[0]
		if l.stream != nil && !l.stream.isAcked() && st.isAcked() && !st.isEnded() {
			st.until = now.Add(hearOut)
			break
		}
		l.dropOldest(false)
	}
	if len(l.old.streams) == 0 || now.Sub(l.old.cut) >= hearOut {
		l.settleDoubt()
	}
	l.await()
}

// endOld ends all replaced streams early, lets the upstream notice, and reports whether there were any.
func (l *listener) endOld() bool {
	if len(l.old.streams) == 0 {
		return false
	}
	for len(l.old.streams) > 0 {
		l.dropOldest(true)
	}
	l.settleDoubt()
	l.await()
	return pause(l.s.ctx, endNoticed) == nil
}

// settleDoubt treats as changed what may have changed unheard. A burst of changes is told of once.
func (l *listener) settleDoubt() {
	if l.old.cut.IsZero() {
		return
	}
	doubt := l.old.doubt
	l.old.cut, l.old.doubt = time.Time{}, nil
	slices.Sort(doubt)
	doubt = slices.DeleteFunc(slices.Compact(doubt), func(uri string) bool { return !slices.Contains(l.uris, uri) })
	l.missed(doubt)
}

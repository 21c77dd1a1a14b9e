// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	programsName   = "programs.db"
	bucketPrograms = "programs" // owner and id, hashed -> end, text
)

// ProgramsOptions configure [OpenPrograms]. nil means all defaults.
type ProgramsOptions struct {
	Now         func() time.Time // nil = [time.Now]
	MaxTotal    int64            // bytes of all programs; 0 = 256 MiB
	MaxPerOwner int              // programs of one owner; 0 = 16
}

// Programs keeps programs that wait for a confirmation, in programs.db of the state directory, so that they can go on after a
// restart too. What it keeps is sealed by those who put it there. Safe for concurrent use.
type Programs struct {
	options ProgramsOptions
	bolt    *File

	mu    sync.Mutex // guards what follows, and writes
	kept  map[string]keptProgram
	total int64
}

// keptProgram is what is known of a program without reading it.
type keptProgram struct {
	owner string // its hash
	ends  time.Time
	size  int64
}

// ProgramsFullError says that no more programs can be kept.
type ProgramsFullError struct {
	Owner bool // by this owner; others may have room
	Most  int64
}

// Error says what is full.
func (e *ProgramsFullError) Error() string {
	if e.Owner {
		return fmt.Sprintf("%d programs of this caller wait for a confirmation, no more can", e.Most)
	}
	return fmt.Sprintf("the programs that wait for a confirmation have %d bytes, no more can be kept", e.Most)
}

func programsLayout() *Layout {
	return &Layout{
		Name: programsName, Buckets: []string{bucketPrograms}, Lost: "the programs that wait for a confirmation",
		Bolt: bolt.Options{FreelistType: bolt.FreelistMapType},
	}
}

// OpenPrograms opens programs.db in the state directory dir, with the same care and the same errors as [Open].
func OpenPrograms(dir string, o *ProgramsOptions) (*Programs, error) {
	p := &Programs{kept: map[string]keptProgram{}}
	if o != nil {
		p.options = *o
	}
	if p.options.Now == nil {
		p.options.Now = time.Now
	}
	if p.options.MaxTotal == 0 {
		p.options.MaxTotal = 256 << 20
	}
	if p.options.MaxPerOwner == 0 {
		p.options.MaxPerOwner = 16
	}
	layout := programsLayout()
	db, err := OpenFile(dir, layout)
	if err != nil {
		return nil, err
	}
	p.bolt = db
	err = db.View(func(tx *bolt.Tx) error {
		return eachProgram(tx, func(key string, ends time.Time, text []byte) error {
			owner, _, _ := strings.Cut(key, ".")
			p.note(key, keptProgram{owner, ends, int64(len(text))})
			return nil
		})
	})
	if err != nil {
		return nil, errors.Join(layout.corrupt(db.Path(), err), db.Close())
	}
	return p, nil
}

// eachProgram calls fn with everything that is stored.
func eachProgram(tx *bolt.Tx, fn func(key string, ends time.Time, text []byte) error) error {
	return tx.Bucket([]byte(bucketPrograms)).ForEach(func(k, v []byte) error {
		payload, err := OpenRecord([]byte(bucketPrograms), k, v)
		if err != nil {
			return err
		}
		if len(payload) < timeSize || len(k) != 2*sha256.Size+1 {
			return fmt.Errorf("program %q: not an entry", k)
		}
		return fn(string(k), readTime(payload), payload[timeSize:])
	})
}

// programKey says neither whose program it is nor how its execution is called.
func programKey(owner, id string) string {
	short := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:sha256.Size/2])
	}
	return short(owner) + "." + short(owner+"\x00"+id)
}

// note keeps the books; p.mu is held, or nobody else has p.
func (p *Programs) note(key string, k keptProgram) {
	p.forget(key)
	p.kept[key] = k
	p.total += k.size
}

func (p *Programs) forget(key string) {
	p.total -= p.kept[key].size
	delete(p.kept, key)
}

// Put keeps a text for an owner until a moment, on disk when it returns. What was put under the same id is replaced. An error
// is a *[ProgramsFullError], or one of the disk.
func (p *Programs) Put(ctx context.Context, owner, id string, text []byte, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key := programKey(owner, id)
	p.mu.Lock()
	defer p.mu.Unlock()
	over := p.over()
	if err := p.room(key, int64(len(text)), over); err != nil {
		return err
	}
	err := p.bolt.Update(func(tx *bolt.Tx) error {
		for _, old := range over {
			if err := tx.Bucket([]byte(bucketPrograms)).Delete([]byte(old)); err != nil {
				return err
			}
		}
		return PutRecord(tx, bucketPrograms, key, append(appendTime(nil, until), text...))
	})
	if err != nil {
		return PathError(p.bolt.Path(), err)
	}
	for _, old := range over {
		p.forget(old)
	}
	owned, _, _ := strings.Cut(key, ".")
	p.note(key, keptProgram{owned, until, int64(len(text))})
	return nil
}

// over are the keys of programs whose time has ended; p.mu is held.
func (p *Programs) over() (keys []string) {
	now := p.options.Now()
	for key, k := range p.kept {
		if !now.Before(k.ends) {
			keys = append(keys, key)
		}
	}
	return keys
}

// room says why there is none for a text, once over are gone; p.mu is held.
func (p *Programs) room(key string, size int64, over []string) error {
	owner, _, _ := strings.Cut(key, ".")
	total, own := p.total+size, 1
	for k, v := range p.kept {
		switch {
		case k == key || slices.Contains(over, k):
			total -= v.size
		case v.owner == owner:
			own++
		}
	}
	switch {
	case own > p.options.MaxPerOwner:
		return &ProgramsFullError{Owner: true, Most: int64(p.options.MaxPerOwner)}
	case total > p.options.MaxTotal:
		return &ProgramsFullError{Most: p.options.MaxTotal}
	}
	return nil
}

// Take returns what was put, and keeps it no more: of two that take it, one gets it, whatever happens to the process then.
// nil = there is none, or its time has ended.
func (p *Programs) Take(ctx context.Context, owner, id string) (text []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := programKey(owner, id)
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.kept[key]
	if !ok {
		return nil, nil
	}
	err = p.bolt.Update(func(tx *bolt.Tx) error {
		payload, err := GetRecord(tx, bucketPrograms, key)
		if err != nil {
			return err
		}
		text = slices.Clone(payload[timeSize:])
		return tx.Bucket([]byte(bucketPrograms)).Delete([]byte(key))
	})
	if err != nil {
		return nil, PathError(p.bolt.Path(), err)
	}
	p.forget(key)
	if !p.options.Now().Before(k.ends) {
		return nil, nil
	}
	return text, nil
}

// Check walks the file.
func (p *Programs) Check() (errs []error) {
	err := p.bolt.View(func(tx *bolt.Tx) error {
		errs = programsLayout().Check(tx)
		return eachProgram(tx, func(string, time.Time, []byte) error { return nil })
	})
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

// Close closes the file.
func (p *Programs) Close() error { return p.bolt.Close() }

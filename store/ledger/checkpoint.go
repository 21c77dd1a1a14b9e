// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// loadBook reads the checkpoint in db.
func loadBook(db *store.File, zone *time.Location) (*book, error) {
	b := &book{dirty: newDirty()}
	err := db.View(func(tx *bolt.Tx) (err error) {
		b.state, err = readState(tx)
		return err
	})
	if err != nil {
		return nil, &store.CorruptError{Path: db.Path(), Lost: fileLayout().Lost, Err: err}
	}
	b.checkpointed = b.next
	b.rollups = newRollups(zone, b.next, applied)
	return b, noteZone(db, b.rollups.zone, b.next)
}

// put is one value on its way to ledger.db; a nil value deletes.
type put struct {
	bucket, key string
	value       any
}

// cut is what a checkpoint has to write.
type cut struct {
	next uint64
	puts []put
	was  dirty
}

// cut copies what has changed since the last checkpoint. This is all that the writer of the log may have to wait for.
func (b *book) cut() *cut {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.checkpointed {
		return nil
	}
	c := &cut{next: b.next, was: b.dirty}
	for key := range b.dirty.accounts {
		p := put{bucketAccounts, key.String(), nil}
		for _, x := range b.accounts[key.pair] {
			if x.key(key.pair) == key {
				p.value = x.stored()
			}
		}
		c.puts = append(c.puts, p)
	}
	for id := range b.dirty.open {
		p := put{bucketOpen, id, nil}
		if call := b.open[id]; call != nil {
			p.value = call // it does not change
		}
		c.puts = append(c.puts, p)
	}
	for use := range b.dirty.rates {
		p := put{bucketRates, rateName(use), nil}
		if u := b.rates[use]; u != nil {
			p.value = &storedRate{use, *u.clone()}
		}
		c.puts = append(c.puts, p)
	}
	for name := range b.dirty.pairs {
		p := put{bucketOverrides, name.String(), nil}
		if o := b.overrides[name]; o != nil {
			p.value = o // it does not change
		}
		c.puts = append(c.puts, p)
	}
	if b.dirty.defs {
		for id, d := range b.definitions {
			c.puts = append(c.puts, put{bucketDefinitions, id, d})
		}
	}
	c.puts = append(c.puts, put{bucketMeta, keyState, &storedState{b.latest, b.running}})
	b.dirty = newDirty()
	b.rollups.cut(b.next)
	return c
}

// rateName is the key of a durable rate in ledger.db: callers choose how long its parts are.
func rateName(use audit.RateUse) string {
	text, _ := json.Marshal(use) // strings and numbers
	sum := sha256.Sum256(text)
	return string(sum[:])
}

func (x *entry) stored() *storedEntry {
	s := &storedEntry{Settled: x.settled, Reserved: x.reserved, Leased: x.leased}
	if x.window != nil {
		s.Window = x.window.encode()
	}
	return s
}

// written notes that a cut is in ledger.db; if it is not, the next one holds its changes too.
func (b *book) written(c *cut, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.checkpointed = c.next
		b.rollups.flushed(c.next)
		return
	}
	b.dirty.merge(&c.was)
}

func (d *dirty) merge(o *dirty) {
	for k := range o.accounts {
		d.accounts[k] = struct{}{}
	}
	for k := range o.open {
		d.open[k] = struct{}{}
	}
	for k := range o.rates {
		d.rates[k] = struct{}{}
	}
	for k := range o.pairs {
		d.pairs[k] = struct{}{}
	}
	d.defs = d.defs || o.defs
}

// checkpoint writes the book into ledger.db. It may fail: the log has everything.
func (e *Engine) checkpoint() error {
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	c := e.book.cut()
	if c == nil {
		return nil
	}
	err := e.db.Update(func(tx *bolt.Tx) error {
		if err := e.book.rollups.flush(tx, c.next); err != nil {
			return err
		}
		return c.write(tx)
	})
	e.book.written(c, err == nil)
	if err != nil {
		return fmt.Errorf("checkpoint into %q: %w", filepath.Base(e.db.Path()), err)
	}
	return nil
}

func (c *cut) write(tx *bolt.Tx) error {
	if c.was.defs {
		if err := empty(tx, bucketDefinitions); err != nil {
			return err
		}
	}
	for _, p := range c.puts {
		var err error
		if p.value != nil {
			err = putJSON(tx, p.bucket, p.key, p.value)
		} else {
			err = tx.Bucket([]byte(p.bucket)).Delete([]byte(p.key))
		}
		if err != nil {
			return err
		}
	}
	return putApplied(tx, c.next)
}

// empty clears a bucket.
func empty(tx *bolt.Tx, bucket string) error {
	if err := tx.DeleteBucket([]byte(bucket)); err != nil {
		return err
	}
	_, err := tx.CreateBucket([]byte(bucket))
	return err
}

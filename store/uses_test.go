// SPDX-License-Identifier: Apache-2.0

package store

import (
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

// storedUse is the last use of a key as the file has it, and the number of writes the file has seen.
func storedUse(t *testing.T, db *DB, id string) (last time.Time, writes int) {
	t.Helper()
	err := db.bolt.View(func(tx *bolt.Tx) error {
		x, err := loadIndex(tx)
		if err == nil {
			last, writes = x.byID[id].LastUsed, tx.ID()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return last, writes
}

func TestLastUseIsStoredOncePerMinute(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, dir, nil)
		secret, k := create(t, db, Key{Subject: "ci"})
		use := func() time.Time {
			got, err := db.LookupKey(secret)
			if err != nil {
				t.Fatal(err)
			}
			return got.LastUsed
		}
		_, start := storedUse(t, db, k.ID)
		var last time.Time
		for range 59 { // a use each second
			last = use()
			<-time.After(time.Second)
		}
		if at, writes := storedUse(t, db, k.ID); !at.IsZero() || writes != start {
			t.Errorf("after 59 s: stored %v in %d writes, want nothing yet", at, writes-start)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if at, writes := storedUse(t, db, k.ID); !at.Equal(last) || writes != start+1 {
			t.Errorf("after 61 s: stored %v in %d writes, want %v in 1", at, writes-start, last)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if _, writes := storedUse(t, db, k.ID); writes != start+1 {
			t.Errorf("an hour without a use made %d writes", writes-start-1)
		}
		last = use()
		for range 10 {
			<-time.After(10 * time.Second)
			last = use()
		}
		synctest.Wait()
		if _, writes := storedUse(t, db, k.ID); writes != start+2 {
			t.Errorf("100 s of use made %d writes, want 1", writes-start-1)
		}
		checkAndClose(t, db)

		db = open(t, dir, nil)
		if at, _ := storedUse(t, db, k.ID); !at.Equal(last) {
			t.Errorf("after Close: stored %v, want %v", at, last)
		}
		// Nothing is due now, and nothing is running: the bubble would wait for it.
		checkAndClose(t, db)
	})
}

// TestCloseDuringFlush closes the store at the moment the flush starts.
func TestCloseDuringFlush(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			db := open(t, dir, nil)
			secret, _ := create(t, db, Key{Subject: "ci"})
			if _, err := db.LookupKey(secret); err != nil {
				t.Fatal(err)
			}
			<-time.After(usesEvery)
			if err := db.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	open(t, dir, nil)
}

// TestStopWaits stops while a flush is under way, and uses a key after that.
func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flushes := 0
		started, release := make(chan struct{}), make(chan struct{})
		u := &uses{flush: func() {
			flushes++
			close(started)
			<-release
		}}
		u.note()
		<-started
		stopped := make(chan struct{})
		go func() {
			u.stop()
			close(stopped)
		}()
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("stop returned while a flush was running")
		default:
		}
		close(release)
		<-stopped
		u.note()
		<-time.After(time.Hour)
		synctest.Wait()
		if flushes != 1 {
			t.Errorf("%d flushes, want none after stop", flushes-1)
		}
	})
}

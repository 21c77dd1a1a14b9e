// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// fileName is the checkpoint of the book, in the state directory.
const fileName = "ledger.db"

// The buckets of ledger.db, beside the tables of rows.
const (
	bucketAccounts    = "accounts"
	bucketOpen        = "open"
	bucketRates       = "rates"
	bucketOverrides   = "overrides"
	bucketDefinitions = "definitions"
	bucketMeta        = "meta"
)

const (
	keyApplied = "applied"
	keyState   = "state"
)

func fileLayout() *store.Layout {
	return &store.Layout{
		Name: fileName,
		Buckets: []string{
			bucketAccounts, bucketOpen, bucketRates, bucketOverrides, bucketDefinitions, bucketMeta,
			bucketRollups, bucketTools, bucketUsers, bucketMonths,
		},
		Create: func(tx *bolt.Tx) error {
			return errors.Join(putApplied(tx, 0), putJSON(tx, bucketMeta, keyState, &storedState{}))
		},
		Migrations: []func(*bolt.Tx) error{derive},
		Lost:       "nothing, unless the log has been pruned: the file is then made anew from it",
		Bolt:       bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType},
	}
}

// storedState is the value of keyState.
type storedState struct {
	Latest  time.Time `json:"latest,omitzero"`
	Running bool      `json:"running,omitempty"`
}

// storedEntry is the value of an account. The window of a rolling one is as [rolling.encode] writes it.
type storedEntry struct {
	Settled  int64  `json:"settled,omitempty"`
	Reserved int64  `json:"reserved,omitempty"`
	Leased   int64  `json:"leased,omitempty"`
	Window   []byte `json:"window,omitempty"`
}

// storedRate is the value of a durable rate, whose key is a digest of what names it.
type storedRate struct {
	Of audit.RateUse `json:"of"`
	uses
}

func putApplied(tx *bolt.Tx, next uint64) error {
	return store.PutRecord(tx, bucketMeta, keyApplied, binary.BigEndian.AppendUint64(nil, next))
}

// applied is the sequence that a transaction has, with everything before it.
func applied(tx *bolt.Tx) (uint64, error) {
	b, err := store.GetRecord(tx, bucketMeta, keyApplied)
	if err == nil && len(b) != 8 {
		err = fmt.Errorf("%s %q has %d bytes", bucketMeta, keyApplied, len(b))
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func putJSON(tx *bolt.Tx, bucket, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %q: %w", bucket, key, err)
	}
	return store.PutRecord(tx, bucket, key, b)
}

func openJSON(bucket string, key, value []byte, v any) error {
	b, err := store.OpenRecord([]byte(bucket), key, value)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s %q: %w", bucket, key, err)
	}
	return nil
}

// String is the key of an account in ledger.db: each name with its length in front, then the beginning of the period.
func (k accountKey) String() string {
	return string(binary.BigEndian.AppendUint64([]byte(k.pair.String()), uint64(k.begin)^1<<63))
}

// String is the key of an override.
func (p pair) String() string {
	var b []byte
	for _, name := range []string{p.budget, p.account} {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
	}
	return string(b)
}

var errKey = errors.New("not the name of an account")

func cutPair(key []byte) (p pair, rest []byte, err error) {
	for _, name := range []*string{&p.budget, &p.account} {
		n, size := binary.Uvarint(key)
		if size <= 0 || n > uint64(len(key)-size) {
			return p, nil, errKey
		}
		*name, key = string(key[size:size+int(n)]), key[size+int(n):]
	}
	return p, key, nil
}

func parseAccountKey(key []byte) (accountKey, error) {
	p, rest, err := cutPair(key)
	if err == nil && len(rest) != 8 {
		err = errKey
	}
	if err != nil {
		return accountKey{}, err
	}
	return accountKey{p, int64(binary.BigEndian.Uint64(rest) ^ 1<<63)}, nil
}

// readState reads a checkpoint.
func readState(tx *bolt.Tx) (state, error) {
	s := newState()
	var err error
	if s.next, err = applied(tx); err != nil {
		return s, err
	}
	var stored storedState
	if err := openJSON(bucketMeta, []byte(keyState), tx.Bucket([]byte(bucketMeta)).Get([]byte(keyState)), &stored); err != nil {
		return s, err
	}
	s.latest, s.running = stored.Latest, stored.Running
	for bucket, read := range map[string]func(k, v []byte) error{
		bucketAccounts: s.readAccount,
		bucketOpen: func(k, v []byte) error {
			call := &openCall{}
			s.open[string(k)] = call
			return openJSON(bucketOpen, k, v, call)
		},
		bucketRates: func(k, v []byte) error {
			r := &storedRate{}
			err := openJSON(bucketRates, k, v, r)
			if err == nil && len(r.Times) != len(r.Counts) {
				err = fmt.Errorf("%s %x: %d times, %d counts", bucketRates, k, len(r.Times), len(r.Counts))
			}
			s.rates[r.Of] = &r.uses
			return err
		},
		bucketOverrides: func(k, v []byte) error {
			p, _, err := cutPair(k)
			if err != nil {
				return err
			}
			s.overrides[p] = &override{}
			return openJSON(bucketOverrides, k, v, s.overrides[p])
		},
		bucketDefinitions: func(k, v []byte) error {
			s.definitions[string(k)] = &definition{}
			return openJSON(bucketDefinitions, k, v, s.definitions[string(k)])
		},
	} {
		if err := tx.Bucket([]byte(bucket)).ForEach(read); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *state) readAccount(k, v []byte) error {
	key, err := parseAccountKey(k)
	if err != nil {
		return fmt.Errorf("%s %x: %w", bucketAccounts, k, err)
	}
	var stored storedEntry
	if err := openJSON(bucketAccounts, k, v, &stored); err != nil {
		return err
	}
	x := &entry{tally: tally{settled: stored.Settled, reserved: stored.Reserved, leased: stored.Leased}}
	if stored.Window != nil {
		if x.window, err = decodeRolling(stored.Window); err != nil {
			return fmt.Errorf("%s %x: %w", bucketAccounts, k, err)
		}
	} else {
		x.begin = time.Unix(key.begin, 0).UTC()
	}
	if err := x.negative(); err != nil {
		return fmt.Errorf("%s %x: %w", bucketAccounts, k, err)
	}
	s.accounts[key.pair] = append(s.accounts[key.pair], x)
	return nil
}

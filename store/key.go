// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Key describes an API key; it does not hold the secret. All times are UTC.
type Key struct {
	ID       string    `json:"id"`      // eight base 62 digits, public: it is part of the key's text
	Subject  string    `json:"subject"` // who the key speaks for; required
	Org      string    `json:"org,omitempty"`
	Team     string    `json:"team,omitempty"`
	Label    string    `json:"label,omitempty"` // for the operator; decides nothing
	Roles    []string  `json:"roles,omitempty"` // compared byte for byte
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`   // from then on refused; zero = never
	LastUsed time.Time `json:"last_used,omitzero"` // zero = never; may lag by a minute after a crash
	Revoked  time.Time `json:"revoked,omitzero"`   // since when refused; zero = not revoked
	// ReplacedBy is the ID of the key that took its place at [DB.RotateKey]; Expires is then the end of its grace.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// keyRecord is a key as stored.
type keyRecord struct {
	Key
	MAC []byte `json:"mac"` // HMAC-SHA-256 under the pepper over the whole text of the key
}

// maxField bounds subject, org, team, label and each role, in bytes.
const maxField = 256

// validate returns an error that names the first field that cannot be stored.
func (k *Key) validate() error {
	if k.Subject == "" {
		return errors.New("subject is empty")
	}
	fields := []struct{ name, value string }{{"subject", k.Subject}, {"org", k.Org}, {"team", k.Team}, {"label", k.Label}}
	for _, f := range fields {
		if err := checkText(f.value); err != nil {
			return fmt.Errorf("%s %q %w", f.name, f.value, err)
		}
	}
	for i, role := range k.Roles {
		if err := checkRole(role); err != nil {
			return fmt.Errorf("role %q %w", role, err)
		}
		if slices.Contains(k.Roles[:i], role) {
			return fmt.Errorf("role %q is listed twice", role)
		}
	}
	if !k.Expires.IsZero() && !k.Expires.After(k.Created) {
		return fmt.Errorf("expires %s is in the past", k.Expires.Format(time.RFC3339))
	}
	return nil
}

// checkText accepts what can be shown on one line without surprises.
func checkText(s string) error {
	switch {
	case len(s) > maxField:
		return fmt.Errorf("is longer than %d bytes", maxField)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("has characters that cannot be shown")
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with a space")
	}
	return nil
}

// checkRole refuses names that look like another role or like a list of roles: they are mistakes that would otherwise
// show only as missing permission.
func checkRole(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if err := checkText(s); err != nil {
		return err
	}
	if strings.ContainsAny(s, " ,;\"'`[]{}") {
		return errors.New("has a space, quote, bracket or separator in it: give each role by itself")
	}
	return nil
}

// clone returns a copy that shares no memory with k.
func (k *Key) clone() Key {
	c := *k
	c.Roles = slices.Clone(k.Roles)
	return c
}

func (r *keyRecord) encode() ([]byte, error) { return json.Marshal(r) }

// decodeKey reads the record stored under id. It does not apply the rules for new keys: they may become stricter, and a
// key that was accepted once must not make the file unreadable.
func decodeKey(id string, payload []byte) (*keyRecord, error) {
	var r keyRecord
	if err := json.Unmarshal(payload, &r); err != nil {
		return nil, fmt.Errorf("key %q: %w", id, err)
	}
	switch {
	case r.ID != id || len(id) != idSize || !isBase62(id):
		return nil, fmt.Errorf("key %q: its record names %q", id, r.ID)
	case len(r.MAC) != macSize:
		return nil, fmt.Errorf("key %q: mac of %d bytes, want %d", id, len(r.MAC), macSize)
	case r.Created.IsZero() || r.Subject == "":
		return nil, fmt.Errorf("key %q: no time of creation or no subject", id)
	}
	return &r, nil
}

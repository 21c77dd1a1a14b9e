// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tollgate/upstream/wire"
)

// claims are the claims of a token as they were signed: they passed wire.Check, so no name in them has two values.
type claims struct{ raw []byte }

var _ jwt.Claims = (*claims)(nil)

// UnmarshalJSON keeps the bytes.
func (c *claims) UnmarshalJSON(b []byte) error {
	c.raw = bytes.Clone(b)
	return nil
}

// text returns a claim that is a text; "" when there is none of this name.
func (c *claims) text(name string) (string, error) {
	raw, ok := wire.Lookup(c.raw, name)
	if !ok {
		return "", nil
	}
	s, ok := wire.String(raw)
	if !ok {
		return "", fmt.Errorf("%w: the claim %s is no text", jwt.ErrInvalidType, name)
	}
	return s, nil
}

// date returns a claim that is a NumericDate, seconds since 1970; nil when there is none of this name.
func (c *claims) date(name string) (*jwt.NumericDate, error) {
	raw, ok := wire.Lookup(c.raw, name)
	if !ok {
		return nil, nil
	}
	const end = 253402300800 // the year 10000, from which on times cannot be written
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds >= end {
		return nil, fmt.Errorf("%w: the claim %s is no time", jwt.ErrInvalidType, name)
	}
	return jwt.NewNumericDate(time.Unix(int64(seconds), 0)), nil
}

// GetExpirationTime implements [jwt.Claims].
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetIssuedAt implements [jwt.Claims].
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// GetNotBefore implements [jwt.Claims].
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuer implements [jwt.Claims].
func (c *claims) GetIssuer() (string, error) { return c.text("iss") }

// GetSubject implements [jwt.Claims].
func (c *claims) GetSubject() (string, error) { return c.text("sub") }

// GetAudience implements [jwt.Claims].
func (c *claims) GetAudience() (jwt.ClaimStrings, error) {
	raw, _ := wire.Lookup(c.raw, "aud")
	all, err := texts(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: the claim aud %w", jwt.ErrInvalidType, err)
	}
	return all, nil
}

// maxTexts bounds groups, roles and scopes of one token, each.
const maxTexts = 1000

// The ways in which texts can fail.
var (
	errTooMany = errors.New("has more than " + strconv.Itoa(maxTexts) + " entries")
	errNoTexts = errors.New("is neither a text nor a list of texts")
)

// texts reads a text or a list of texts. A single text is one entry, whatever is in it: who means two writes a list.
// Nothing and null are no entries.
func texts(raw []byte) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if s, ok := wire.String(raw); ok {
		return []string{s}, nil
	}
	if raw[0] != '[' {
		return nil, errNoTexts
	}
	var all []string
	for e := range wire.Elements(raw) {
		s, ok := wire.String(e)
		switch {
		case !ok:
			return nil, errNoTexts
		case len(all) == maxTexts:
			return nil, errTooMany
		}
		all = append(all, s)
	}
	return all, nil
}

// pointer is a JSON pointer (RFC 6901) into claims, as the names on the way. nil = it is not read.
type pointer []string

// notRead is how the configuration says that a claim with a default is not read.
const notRead = "-"

// parsePointer reads s, or fallback where s is empty.
func parsePointer(s, fallback string) (pointer, error) {
	if s == "" {
		s = fallback
	}
	if s == "" || s == notRead {
		return nil, nil
	}
	if s[0] != '/' || strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(s), "~") {
		return nil, fmt.Errorf("%q is no JSON pointer: write it as in %q or %q", s, "/groups", "/realm_access/roles")
	}
	names := strings.Split(s[1:], "/")
	for i := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(names[i])
	}
	return names, nil
}

// in returns what p points at. Pointers lead through objects only.
func (p pointer) in(c []byte) []byte {
	if p == nil {
		return nil
	}
	raw, _ := wire.Lookup(c, p...)
	return raw
}

// String is p as it is written.
func (p pointer) String() string {
	var b strings.Builder
	for _, name := range p {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"hash/crc32"
	"strings"
)

// The text of an API key: tg_<8 id>_<32 random><6 checksum>, all base 62. The checksum is a CRC-32 over everything
// before it, so that secret scanners can tell a key from a look-alike and a mistyped key is refused without a lookup.
const (
	tokenPrefix  = "tg_"
	idSize       = 8
	secretLength = 32
	sumSize      = 6 // 62^6 > 2^32
	tokenSize    = len(tokenPrefix) + idSize + 1 + secretLength + sumSize

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// LooksLikeKey reports whether s is the text of an API key, of this or any other state directory.
func LooksLikeKey(s string) bool {
	_, ok := parseToken(s)
	return ok
}

// newToken returns the text of a new key with the given id.
func newToken(id string) string {
	body := tokenPrefix + id + "_" + randomText(secretLength)
	return body + tokenSum(body)
}

// parseToken returns the id in a token if its form and its checksum are right.
func parseToken(s string) (id string, ok bool) {
	if len(s) != tokenSize || !strings.HasPrefix(s, tokenPrefix) {
		return "", false
	}
	id, secret := s[len(tokenPrefix):][:idSize], s[len(tokenPrefix)+idSize+1:]
	if s[len(tokenPrefix)+idSize] != '_' || !isBase62(id) || !isBase62(secret) {
		return "", false
	}
	body := s[:tokenSize-sumSize]
	return id, tokenSum(body) == s[tokenSize-sumSize:]
}

// tokenSum returns the checksum of body as six base 62 digits.
func tokenSum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	var digits [sumSize]byte
	for i := sumSize - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// randomText returns n random base 62 digits, 5.95 bits each.
func randomText(n int) string {
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		rand.Read(buf[:]) // never fails
		for _, b := range buf {
			// 248 = 4*62: larger bytes would make some digits more likely than others.
			if b < 248 && len(out) < n {
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}

func isBase62(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// newDecisionID names one decision: 26 characters that sort by time, 48 bits of it in milliseconds, the rest random.
func newDecisionID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails
	return base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
}

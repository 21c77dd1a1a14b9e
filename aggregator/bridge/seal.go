// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tollgate/upstream/wire"
)

// Binding is what a sealed state is good for: one caller, one request.
type Binding struct {
	Caller string // key of the principal
	Method string
	Name   string // displayed name, or URI
	Digest string // of the request without what a retry changes, see [RequestDigest]
}

// State is what the gateway has to know again when a client answers an upstream's questions or asks after a task. Sealed
// it is URL-safe base64, so that it may stand in a header.
type State struct {
	Kind     StateKind `json:"k"`
	Upstream string    `json:"u"`
	Inner    string    `json:"i,omitempty"` // the upstream's own requestState, for Relayed; its taskId, for Task
	HasInner bool      `json:"h,omitempty"`
	Call     string    `json:"c,omitempty"` // id of the parked call, for Parking; of the execution, for Script
	Node     string    `json:"n,omitempty"` // the gateway process that holds it
	Tool     string    `json:"t,omitempty"` // the upstream's name of the tool, for Task
	Round    int       `json:"r,omitempty"`
	// ID tells states apart that are good once. Confirmed says that the user has confirmed the call.
	ID        string `json:"d,omitempty"`
	Confirmed bool   `json:"f,omitempty"`
	// Withheld are the pointers to redact in what a task says, for Task; Keep leaves other text in it, Cap bounds a result.
	Withheld []string `json:"w,omitempty"`
	Keep     bool     `json:"kt,omitempty"`
	Cap      int64    `json:"m,omitempty"`
	// Spent and Bytes are what the calls of a program have come to, for Script.
	Spent   int64 `json:"s,omitempty"`
	Bytes   int64 `json:"b,omitempty"`
	Expires int64 `json:"e"` // Unix seconds
}

// StateKind says how the request goes on.
type StateKind string

// The kinds of [State].
const (
	Relayed StateKind = "relay" // the upstream keeps its state in Inner
	Parking StateKind = "park"  // the upstream's call waits in this gateway
	Again   StateKind = "again" // the request is sent anew, once the user has been to a URL
	Task    StateKind = "task"  // the upstream works on by itself; Inner is its taskId
	Confirm StateKind = "ask"   // the user is asked whether the call may be made at all
	Script  StateKind = "code"  // a program waits until the user has confirmed some of its calls
)

// Sealer makes states opaque, tamper-proof and useless to anybody else: AES-256-GCM, with the binding as associated data.
// Safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	now  func() time.Time
}

// ErrState says that a requestState is none this gateway gave out for this caller and request, or no longer good.
var ErrState = errors.New("requestState is not valid for this request")

// NewSealer returns a sealer with a 32-byte key. nil now is time.Now.
func NewSealer(key []byte, now func() time.Time) (*Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("sealing key: %d bytes, want 32", len(key))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Sealer{aead: aead, now: now}, nil
}

// Seal returns st as a requestState that is good for b and for ttl.
func (s *Sealer) Seal(st State, b *Binding, ttl time.Duration) (string, error) {
	st.Expires = s.now().Add(ttl).Unix()
	plain, err := json.Marshal(st)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, s.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, b.bytes())), nil
}

// maxState bounds a requestState in bytes.
const maxState = 64 << 10

// Open returns the state in text if it was sealed for b and has not expired; otherwise [ErrState], whatever the reason.
func (s *Sealer) Open(text string, b *Binding) (*State, error) {
	if len(text) > maxState {
		return nil, ErrState
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < s.aead.NonceSize() {
		return nil, ErrState
	}
	n := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], b.bytes())
	if err != nil {
		return nil, ErrState
	}
	st := &State{}
	if json.Unmarshal(plain, st) != nil || s.now().Unix() >= st.Expires {
		return nil, ErrState
	}
	return st, nil
}

// bytes is an unambiguous encoding of b.
func (b *Binding) bytes() []byte {
	var d []byte
	for _, part := range []string{"1", b.Caller, b.Method, b.Name, b.Digest} {
		d = wire.AppendString(d, part)
	}
	return d
}

// RequestDigest identifies a request across its retries: everything but _meta, the answers and the state.
func RequestDigest(params []byte) string {
	return wire.Digest(wire.Delete(params, "_meta", "inputResponses", "requestState"))
}

// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// sealer makes what is kept of a waiting program unreadable, and useless to another caller or as another execution.
type sealer struct{ aead cipher.AEAD }

var errSealed = errors.New("what was kept of the program is damaged, or is another's")

func newSealer(key []byte) (*sealer, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("codetools: a key of %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead}, nil
}

func (s *sealer) seal(plain []byte, owner, execution string) ([]byte, error) {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return s.aead.Seal(nonce, nonce, plain, binding(owner, execution)), nil
}

func (s *sealer) open(sealed []byte, owner, execution string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errSealed
	}
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], binding(owner, execution))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// binding is what a sealed text is good for. Executions have no line breaks.
func binding(owner, execution string) []byte { return []byte(execution + "\n" + owner) }

// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"tollgate/upstream/wire"
)

// Bounds of a key set. RFC 7518 §3.3 wants RSA keys of 2048 bits or more; a larger one than the upper bound only costs time.
const (
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192
)

// keySet is what one authorization server signs with. It never changes.
type keySet struct {
	digest digest // of the document
	size   int
	find   keyfunc.Keyfunc
}

// parseKeySet reads a JWK set. Keys that no access token may be signed with are left out, whatever is wrong with them: an
// authorization server may publish other keys beside those.
func parseKeySet(body []byte) (*keySet, error) {
	if err := wire.Check(body); err != nil {
		return nil, fmt.Errorf("the key set is no JSON: %w", err)
	}
	keys, ok := wire.Lookup(body, "keys")
	if !ok {
		return nil, errors.New(`the document has no "keys": is it a JWK set?`)
	}
	storage, n, size := jwkset.NewMemoryStorage(), 0, 0
	var problem error // of the first key left out
	for raw := range wire.Elements(keys) {
		if n++; n > maxKeys {
			return nil, fmt.Errorf("the key set has more than %d keys", maxKeys)
		}
		key, err := verificationKey(raw)
		if err == nil {
			err = storage.KeyWrite(context.Background(), key) // in memory
		}
		if err == nil {
			size++
		} else if problem == nil {
			problem = fmt.Errorf("keys[%d]: %w", n-1, err)
		}
	}
	if size == 0 {
		return nil, errors.Join(errors.New("the key set has no key that verifies access tokens"), problem)
	}
	find, err := keyfunc.New(keyfunc.Options{Storage: storage})
	return &keySet{sha256.Sum256(body), size, find}, err
}

// verificationKey reads one public key for signatures. Certificates beside it are not looked at: the document vouches for
// the key, and who vouches for the document is known.
func verificationKey(raw []byte) (jwkset.JWK, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return jwkset.JWK{}, err
	}
	if m.D != "" || m.K != "" {
		return jwkset.JWK{}, errors.New("it is no public key")
	}
	if m.USE != "" && m.USE != jwkset.UseSig || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return jwkset.JWK{}, errors.New("it is not for signatures")
	}
	m.X5C, m.X5T, m.X5TS256, m.X5U = nil, "", "", ""
	key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, err
	}
	switch k := key.Key().(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return jwkset.JWK{}, fmt.Errorf("an RSA key of %d bits", n)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return jwkset.JWK{}, fmt.Errorf("a key of type %T", k)
	}
	return key, nil
}

// key returns the key that a token with this header is signed with. The algorithm must be one for this kind of key: the
// library compares neither the curve nor, where the key names no algorithm, anything else before it verifies.
func (s *keySet) key(h *header) (any, error) {
	token := &jwt.Token{Header: map[string]any{"alg": h.algorithm}}
	if h.hasKey {
		token.Header["kid"] = h.key
	}
	found, err := s.find.Keyfunc(token)
	if err != nil {
		return nil, err
	}
	if all, ok := found.(jwt.VerificationKeySet); ok {
		if len(all.Keys) != 1 {
			return nil, errors.New("the token does not say which of several keys it is signed with")
		}
		found = all.Keys[0]
	}
	if !fits(h.algorithm, found) {
		return nil, errors.New("the key is not for this algorithm")
	}
	return found, nil
}

// fits reports whether key is of the kind that algorithm verifies with.
func fits(algorithm string, key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm] == k.Curve.Params().Name
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

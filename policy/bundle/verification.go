// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/keys"
)

const defaultAlgorithm = "RS256"

// anyKey is the key id under which OPA is told of a key that has no id.
const anyKey = "key"

// Verification says how a bundle must be signed.
type Verification struct {
	// PublicKey is a PEM public key or certificate; for the HS algorithms it is
	// the shared secret.
	PublicKey string
	KeyID     string // that the signature must name; "" = whatever it names
	Algorithm string // RS, PS, ES or HS with 256, 384 or 512; "" = RS256
	Scope     string // that the signature must have; "" = none
}

// Check reports what is wrong with the key. Nil is fine.
func (v *Verification) Check() error {
	_, err := v.config()
	return err
}

func (v *Verification) config() (*bundle.VerificationConfig, error) {
	if v == nil {
		return nil, nil
	}
	algorithm := v.Algorithm
	if algorithm == "" {
		algorithm = defaultAlgorithm
	}
	if !keys.IsSupportedAlgorithm(algorithm) {
		return nil, fmt.Errorf("unknown signature algorithm %q: "+
			"use RS256, PS256, ES256 or HS256, or one of them with 384 or 512", algorithm)
	}
	if err := checkKey(v.PublicKey, algorithm); err != nil {
		return nil, err
	}
	key := &bundle.KeyConfig{Key: v.PublicKey, Algorithm: algorithm, Scope: v.Scope}
	if v.KeyID != "" {
		return bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{v.KeyID: key}, "", v.Scope, nil), nil
	}
	return bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{anyKey: key}, anyKey, v.Scope, nil), nil
}

// minSecret is the length of a secret that nobody guesses, in bytes.
const minSecret = 32

// checkKey finds at configuration time what would refuse every bundle later. No
// error of it quotes the key.
func checkKey(key, algorithm string) error {
	block, _ := pem.Decode([]byte(key))
	if strings.HasPrefix(algorithm, "HS") {
		switch {
		case block != nil:
			return fmt.Errorf("algorithm %s wants a shared secret, and the key is a PEM block: "+
				"name the algorithm of the key pair", algorithm)
		case len(key) < minSecret:
			return fmt.Errorf("the shared secret has %d bytes, want at least %d", len(key), minSecret)
		}
		return nil
	}
	if block == nil {
		return fmt.Errorf("algorithm %s wants a public key in PEM form (-----BEGIN PUBLIC KEY-----)", algorithm)
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return errors.New("the key is a private one: the gateway needs only the public key, keep the private one with the publisher")
	}
	public, err := publicKey(block)
	if err != nil {
		return fmt.Errorf("the public key cannot be read: %w", err)
	}
	_, isRSA := public.(*rsa.PublicKey)
	_, isEC := public.(*ecdsa.PublicKey)
	if strings.HasPrefix(algorithm, "ES") && !isEC || !strings.HasPrefix(algorithm, "ES") && !isRSA {
		return fmt.Errorf("algorithm %s does not fit the key, which is %s", algorithm, strings.TrimPrefix(fmt.Sprintf("%T", public), "*"))
	}
	return nil
}

// publicKey reads the kinds of PEM blocks that OPA's verifier reads.
func publicKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, fmt.Errorf("it is a PEM block of type %q, want PUBLIC KEY or CERTIFICATE", block.Type)
}

// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"
)

const denyRego = "package tollgate.access\n\ndeny contains \"not today\" if input.object.upstream == \"db\"\n"

// files is a small sound bundle, unsigned.
func files(revision string) map[string]string {
	return map[string]string{
		"/.manifest":      `{"revision": "` + revision + `", "roots": ["tollgate/access", "acme"]}`,
		"/acme/data.json": `{"limits": {"refund": 100}, "regions": ["eu-west-1"]}`,
		"/rules/db.rego":  denyRego,
	}
}

// pack writes files as a gzipped tar archive, in the order of their names.
func pack(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		write(tb, archive, &tar.Header{Name: name, Mode: 0o600}, files[name])
	}
	closeAll(tb, archive, zipped)
	return out.Bytes()
}

func write(tb testing.TB, archive *tar.Writer, h *tar.Header, text string) {
	tb.Helper()
	h.Size = int64(len(text))
	if err := archive.WriteHeader(h); err != nil {
		tb.Fatal(err)
	}
	if _, err := archive.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
}

func closeAll(tb testing.TB, closers ...interface{ Close() error }) {
	tb.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			tb.Fatal(err)
		}
	}
}

// pair is a key pair in PEM form.
type pair struct{ private, public string }

func newPair(tb testing.TB) pair {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	return pair{
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
}

// sign adds the signature that "opa sign" would.
func sign(tb testing.TB, files map[string]string, key *bundle.SigningConfig, keyID string) map[string]string {
	tb.Helper()
	hasher, err := bundle.NewSignatureHasher("SHA-256")
	if err != nil {
		tb.Fatal(err)
	}
	var list []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var value any = []byte(files[name])
		if bundle.IsStructuredDoc(name) {
			if err := json.Unmarshal([]byte(files[name]), &value); err != nil {
				tb.Fatal(err)
			}
		}
		sum, err := hasher.HashFile(value)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, bundle.NewFile(strings.TrimPrefix(name, "/"), hexOf(sum), "SHA-256"))
	}
	token, err := bundle.GenerateSignedToken(list, key, keyID)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := json.Marshal(bundle.SignaturesConfig{Signatures: []string{token}})
	if err != nil {
		tb.Fatal(err)
	}
	signed := maps.Clone(files)
	signed["/.signatures.json"] = string(text)
	return signed
}

func hexOf(sum []byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range sum {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

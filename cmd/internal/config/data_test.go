// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPolicyData(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"tollgate.yaml": "policy: {data: [a.yaml, b.json]}\n",
		"a.yaml":        "teams: {search: {lead: alice, size: 1.50}, x: &x [1, *y]}\n",
		"b.json":        "{\n\t\"teams\": {\"ads\": {\"lead\": \"bob\"}}, \"big\": 123456789012345678901234567890}",
	})
	path := filepath.Join(dir, "tollgate.yaml")
	if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "a.yaml:1:") {
		t.Fatalf("an alias to nothing: %v", err)
	}
	rewriteFile(t, filepath.Join(dir, "a.yaml"), "teams: {search: {lead: alice, size: 1.50}}\n")
	c := load(t, path)
	got, err := c.PolicyData()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"teams": map[string]any{"search": map[string]any{"lead": "alice", "size": json.Number("1.50")}, "ads": map[string]any{"lead": "bob"}},
		"big":   json.Number("123456789012345678901234567890"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("PolicyData (-want +got):\n%s", diff)
	}
	for text, message := range map[string]string{
		`{"teams": {"search": 1}}`:    "data.teams.search is set by another file too",
		`{"tollgate": {}}`:            "data.tollgate is the gateway's own",
		`[1]`:                         "expected an object",
		`null`:                        "expected an object",
		"{\n  \"a\": 1,\n  \"a\": 2}": "b.json:3:3: ",
		`{"a": 1} {}`:                 "b.json:1:10: ",
	} {
		rewriteFile(t, filepath.Join(dir, "b.json"), text)
		_, err := Load(path, nil)
		if d := single(t, err); !strings.Contains(d.Message, message) || !strings.HasPrefix(d.Path, "policy.data") || d.Line != 1 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// certificate is a self-signed authority and its public key in PEM, and a list of what it revoked in DER.
func certificate(t *testing.T) (ca, public, crl []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, SubjectKeyId: []byte{1}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	crl, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1)}, template, key)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), crl
}

// TestContentFiles loads a file that names others, finds all of them watched, and spoils each in turn.
func TestContentFiles(t *testing.T) {
	ca, public, crl := certificate(t)
	files := map[string]string{
		"tollgate.yaml": `
tls: {cert: c.pem, key: k.pem}
policy:
  data: data.yaml
  bundle: {file: bundle.tar.gz, public_key: key.pem, algorithm: ES256}
auth:
  mtls: {ca: ca.pem, crl: revoked.crl, subjects: [{dns: a.example.com}]}
`,
		"data.yaml": "a: 1\n", "bundle.tar.gz": "x", "ca.pem": string(ca), "revoked.crl": string(crl),
		"key.pem": string(public),
	}
	dir := writeFiles(t, files)
	path := filepath.Join(dir, "tollgate.yaml")
	c := load(t, path)
	want := []string{path}
	for _, name := range []string{"bundle.tar.gz", "ca.pem", "data.yaml", "key.pem", "revoked.crl"} {
		want = append(want, filepath.Join(dir, name))
	}
	slices.Sort(want[1:])
	if !slices.Equal(c.Files(), want) {
		t.Errorf("Files = %q, want %q", c.Files(), want)
	}
	spoiled := map[string]string{"data.yaml": "- 1\n", "ca.pem": "x", "key.pem": "-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n", "revoked.crl": "x"}
	for _, name := range []string{"bundle.tar.gz", "ca.pem", "data.yaml", "key.pem", "revoked.crl"} {
		full := filepath.Join(dir, name)
		if text, ok := spoiled[name]; ok {
			rewriteFile(t, full, text)
			_, err := Load(path, nil)
			if d := single(t, err); d.Code != CodeReference || d.Line < 4 {
				t.Errorf("%s spoiled: %v", name, err)
			}
		}
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, nil)
		if ds, ok := errors.AsType[Diagnostics](err); !ok || len(ds) != 1 || !strings.Contains(ds[0].Message, "no such file") ||
			!strings.Contains(ds[0].Hint, "relative to this file") {
			t.Errorf("%s removed: %v", name, err)
		}
		rewriteFile(t, full, files[name])
	}
	changes := watched(t, load(t, path))
	_, _, newer := certificate(t)
	rewriteFile(t, filepath.Join(dir, "revoked.crl"), string(newer))
	if next(t, changes) == nil {
		t.Error("a file with another list is not valid")
	}
}

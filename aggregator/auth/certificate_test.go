// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// authority issues certificates. They are valid for a day around noon of the test clock.
type authority struct {
	cert   *x509.Certificate
	key    crypto.Signer
	serial int64
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{key: newECKey(t)}
	a.cert = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, a.key.Public())
	return a
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t testing.TB, c, parent *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	a.serial++
	c.SerialNumber = big.NewInt(a.serial)
	if c.NotAfter.IsZero() {
		c.NotAfter = newClock().Now().Add(12 * time.Hour)
	}
	c.NotBefore = c.NotAfter.Add(-24 * time.Hour)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) issue(t testing.TB, c *x509.Certificate) *x509.Certificate {
	return a.sign(t, c, a.cert, newECKey(t).Public())
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// revoke is a list that ends with the day unless next says otherwise.
func (a *authority) revoke(t testing.TB, next time.Time, revoked ...*x509.Certificate) *x509.RevocationList {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: newClock().Now().Add(-48 * time.Hour), NextUpdate: next}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func clientCert(dns ...string) *x509.Certificate {
	return &x509.Certificate{DNSNames: dns, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func uriCert(t testing.TB, s string) *x509.Certificate {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	c := clientCert()
	c.URIs = []*url.URL{u}
	return c
}

func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return b64(sum[:])
}

func presented(chain ...*x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: chain}
}

func withCert(chain ...*x509.Certificate) *http.Request {
	r := request("/mcp")
	r.TLS = presented(chain...)
	return r
}

// TestClientCertificates is bad input 55 and what is near it.
func TestClientCertificates(t *testing.T) {
	ca, evil := newAuthority(t, "ca"), newAuthority(t, "ca") // of the same name
	middle := &authority{key: newECKey(t), serial: 100}
	middle.cert = ca.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "middle"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, ca.cert, middle.key.Public())
	noon := newClock().Now()
	next := noon.Add(acceptedFor / 2) // of the lists
	ci, spiffe := ca.issue(t, clientCert("CI.example")), ca.issue(t, uriCert(t, "spiffe://example/agent"))
	revoked, below := ca.issue(t, clientCert("ci.example")), middle.issue(t, clientCert("ci.example"))
	lookalike := clientCert("other.example")
	lookalike.Subject.CommonName = "ci.example"
	serverOnly, expired := clientCert("ci.example"), clientCert("ci.example")
	serverOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	expired.NotAfter = noon.Add(-time.Minute)
	both := uriCert(t, "spiffe://example/agent")
	both.DNSNames = []string{"ci.example"}
	alone := clientCert()
	alone.Subject.CommonName = "ci.example"
	email := clientCert()
	email.EmailAddresses = []string{"ci.example@ci.example"}
	c := newClock()
	a := newAuthenticator(t, &Options{
		Now: c.Now, Anonymous: "guest",
		ClientCerts: &ClientCerts{
			Roots: ca.pool(), CRL: []*x509.RevocationList{ca.revoke(t, next, revoked), middle.revoke(t, next), evil.revoke(t, next, ci)},
			Subjects: []CertSubject{
				{DNS: "ci.example", Subject: "ci", Org: "acme", Team: "infra", Roles: []string{"deploy"}}, {URI: "spiffe://example/agent", Roles: []string{"reader"}},
			},
		},
	})
	for name, test := range map[string]struct {
		chain []*x509.Certificate
		says  string // "" = accepted
	}{
		"DNS name":                  {[]*x509.Certificate{ci}, ""},
		"URI":                       {[]*x509.Certificate{spiffe}, ""},
		"by an authority between":   {[]*x509.Certificate{below, middle.cert}, ""},
		"with the root":             {[]*x509.Certificate{ci, ca.cert}, ""},
		"another authority":         {[]*x509.Certificate{evil.issue(t, clientCert("ci.example"))}, "authority"},
		"another, with its root":    {[]*x509.Certificate{evil.issue(t, clientCert("ci.example")), evil.cert}, "authority"},
		"signed by nobody":          {[]*x509.Certificate{newAuthority(t, "x").cert}, "authority"},
		"without the one between":   {[]*x509.Certificate{below}, "authority"},
		"revoked":                   {[]*x509.Certificate{revoked}, "revoked"},
		"look-alike in CN":          {[]*x509.Certificate{ca.issue(t, lookalike)}, "common name"},
		"CN alone":                  {[]*x509.Certificate{ca.issue(t, alone)}, "common name"},
		"longer name":               {[]*x509.Certificate{ca.issue(t, clientCert("ci.example.evil.example"))}, "stands for"},
		"name below":                {[]*x509.Certificate{ca.issue(t, clientCert("x.ci.example"))}, "stands for"},
		"wildcard":                  {[]*x509.Certificate{ca.issue(t, clientCert("*.example"))}, "stands for"},
		"longer URI":                {[]*x509.Certificate{ca.issue(t, uriCert(t, "spiffe://example/agent/x"))}, "stands for"},
		"URI in other letters":      {[]*x509.Certificate{ca.issue(t, uriCert(t, "spiffe://EXAMPLE/agent"))}, "stands for"},
		"escaped URI":               {[]*x509.Certificate{ca.issue(t, uriCert(t, "spiffe://example/%61gent"))}, "stands for"},
		"email":                     {[]*x509.Certificate{ca.issue(t, email)}, "stands for"},
		"for servers":               {[]*x509.Certificate{ca.issue(t, serverOnly)}, "client authentication"},
		"expired":                   {[]*x509.Certificate{ca.issue(t, expired)}, "expired"},
		"for two callers":           {[]*x509.Certificate{ca.issue(t, both)}, "more than one"},
		"a long chain":              {append([]*x509.Certificate{ci}, make([]*x509.Certificate, maxChain)...), "too many"},
		"good one behind a bad one": {[]*x509.Certificate{evil.issue(t, clientCert("x.example")), ci}, "authority"},
	} {
		for range 2 { // found out, then remembered
			p, ch := a.Request(withCert(test.chain...))
			if (p != nil) != (test.says == "") || p != nil && p.Method != MethodMTLS {
				t.Errorf("%s: %+v, %+v", name, p, ch)
			} else if p == nil && (ch.Status != http.StatusUnauthorized || ch.Header != invalid || !strings.Contains(ch.Message, test.says)) {
				t.Errorf("%s: %+v, want 401 and a word about %q", name, ch, test.says)
			}
		}
	}
	p, _ := a.Request(withCert(ci))
	want := &Principal{Subject: "ci", Org: "acme", Team: "infra", Method: MethodMTLS, Roles: []string{"deploy"}, Expires: ci.NotAfter}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("principal (-want +got):\n%s", d)
	}
	if p, _ = a.Request(withCert(spiffe)); p == nil || p.Subject != "spiffe://example/agent" {
		t.Errorf("without a subject of its own: %+v", p)
	}
	// Once the list is out of date, nobody can say who is still accepted; what was remembered ends with it.
	c.turn(acceptedFor / 2)
	if p, ch := a.Request(withCert(ci)); p != nil || ch.Status != http.StatusServiceUnavailable || ch.RetryAfter <= 0 || ch.Header != "" {
		t.Errorf("with an old list: %+v, %+v; want 503", p, ch)
	}
	if p, ch := a.Request(withCert(revoked)); p != nil || ch.Status != http.StatusUnauthorized {
		t.Errorf("revoked, with an old list: %+v, %+v; want 401", p, ch)
	}
}

// TestOneCredential: an Authorization header is the credential, whatever comes with it.
func TestOneCredential(t *testing.T) {
	f := newFixture(t)
	ca := newAuthority(t, "ca")
	cert := ca.issue(t, clientCert("ci.example"))
	o := &Options{
		Keys: f.db, Now: newClock().Now,
		ClientCerts: &ClientCerts{Roots: ca.pool(), Subjects: []CertSubject{{DNS: "ci.example", Subject: "machine"}}},
	}
	a := newAuthenticator(t, o)
	r := withCert(cert)
	r.Header.Set("Authorization", "Bearer "+f.good)
	if p, _ := a.Request(r); p == nil || p.Method != MethodAPIKey {
		t.Errorf("key and certificate: %+v, want the key", p)
	}
	r.Header.Set("Authorization", "Bearer "+f.revoked)
	if p, c := a.Request(r); p != nil || c.Status != http.StatusUnauthorized {
		t.Errorf("revoked key and good certificate: %+v, %+v; want 401", p, c)
	}
	r = request("/mcp")
	for _, name := range []string{"X-Client-Cert", "X-Forwarded-Client-Cert", "X-SSL-Client-S-DN", "Client-Cert", "X-Client-Dn"} {
		r.Header.Set(name, "ci.example")
	}
	if p, _ := a.Request(r); p != nil {
		t.Errorf("a certificate in a header: %+v", p)
	}
	// The certificate of the proxy speaks for nobody but the proxy.
	a = newAuthenticator(t, &Options{ClientCerts: o.ClientCerts, Now: o.Now, Proxy: &Proxy{From: prefixes(t, "127.0.0.1/32"), UserHeader: "X-User"}})
	if p, c := a.Request(withCert(cert)); p != nil || c.Status != http.StatusUnauthorized {
		t.Errorf("proxy without a user: %+v, %+v; want 401", p, c)
	}
	r = withCert(cert)
	r.Header.Set("X-User", "alice")
	if p, _ := a.Request(r); p == nil || p.Subject != "alice" || p.Method != MethodProxy {
		t.Errorf("proxy with a user: %+v", p)
	}
}

// TestCertificateOverTheWire shakes hands for real: certificates are asked for, and owning one is proven.
func TestCertificateOverTheWire(t *testing.T) {
	ca := newAuthority(t, "ca")
	key := newECKey(t)
	cert := ca.sign(t, clientCert("ci.example"), ca.cert, key.Public())
	a := newAuthenticator(t, &Options{Now: newClock().Now, ClientCerts: &ClientCerts{Roots: ca.pool(), Subjects: []CertSubject{{DNS: "ci.example"}}}})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, c := a.Request(r)
		if c != nil {
			c.SetHeaders(w.Header())
			http.Error(w, c.Message, c.Status)
			return
		}
		fmt.Fprint(w, p.Subject)
	}))
	srv.TLS = &tls.Config{}
	a.ConfigureTLS(srv.TLS)
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	for name, test := range map[string]struct {
		certs []tls.Certificate
		want  string
	}{
		"with":    {[]tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, "200 ci.example"},
		"without": {nil, "401 a client certificate is needed"},
	} {
		transport := srv.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = test.certs
		answer, err := (&http.Client{Transport: transport}).Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(answer.StatusCode, " ", strings.TrimSpace(string(body))); got != test.want {
			t.Errorf("%s a certificate: %s, want %s", name, got, test.want)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	}
}

func TestCertificateOptions(t *testing.T) {
	ca := newAuthority(t, "ca")
	for says, o := range map[string]*ClientCerts{
		"no authority":  {Subjects: []CertSubject{{DNS: "a"}}},
		"no subject":    {Roots: ca.pool()},
		"either uri":    {Roots: ca.pool(), Subjects: []CertSubject{{Subject: "a"}}},
		"subjects[1]":   {Roots: ca.pool(), Subjects: []CertSubject{{DNS: "a"}, {DNS: "A"}}},
		"is missing":    {Roots: ca.pool(), Subjects: []CertSubject{{DNS: "a"}}, CRL: []*x509.RevocationList{nil}},
		"cannot be sho": {Roots: ca.pool(), Subjects: []CertSubject{{DNS: "a", Subject: "a\x00b"}}},
	} {
		if _, err := New(&Options{ClientCerts: o}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want a word about %q", o, err, says)
		}
	}
	// Where revocation is checked, a certificate whose authority has no list cannot be judged.
	a := newAuthenticator(t, &Options{Now: newClock().Now, ClientCerts: &ClientCerts{
		Roots: ca.pool(), Subjects: []CertSubject{{DNS: "ci.example"}}, CRL: []*x509.RevocationList{newAuthority(t, "ca").revoke(t, newClock().Now().Add(time.Hour))},
	}})
	if p, c := a.Request(withCert(ca.issue(t, clientCert("ci.example")))); p != nil || c.Status != http.StatusServiceUnavailable {
		t.Errorf("no list of the authority: %+v, %+v; want 503", p, c)
	}
}

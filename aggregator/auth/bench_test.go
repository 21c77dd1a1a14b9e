// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// drafts are the tokens that benchmarks compare.
func drafts(p *idp) map[string]*draft {
	return map[string]*draft{
		"RS256": p.draft(),
		"ES256": p.draft().by(jwt.SigningMethodES256, signer.p256, "p256"),
		"EdDSA": p.draft().by(jwt.SigningMethodEdDSA, signer.ed, "ed"),
	}
}

// BenchmarkTokenCached is a request with a token that was seen within the last minute: the common case.
func BenchmarkTokenCached(b *testing.B) {
	p := newIDP(b, newClock())
	a := p.server(b, func(o *Options) { o.Now = nil }) // the clock of the system, as in production
	for name, d := range drafts(p) {
		now := a.oauth.now().Unix()
		r := bearer(d.with(map[string]any{"iat": now, "nbf": now, "exp": now + 3600}).sign(b))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, c := a.Request(r); got == nil {
					b.Fatal(c)
				}
			}
		})
	}
}

// BenchmarkTokenCachedParallel is the same with a hundred callers at once.
func BenchmarkTokenCachedParallel(b *testing.B) {
	p := newIDP(b, newClock())
	a := p.server(b, func(o *Options) { o.Now = nil })
	now := a.oauth.now().Unix()
	var all []*http.Request
	for i := range 100 {
		all = append(all, bearer(p.draft().by(jwt.SigningMethodEdDSA, signer.ed, "ed").with(map[string]any{"jti": i, "iat": now, "nbf": now, "exp": now + 3600}).sign(b)))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if got, c := a.Request(all[i%len(all)]); got == nil {
				b.Error(c)
			}
		}
	})
}

// BenchmarkTokenUncached is a request with a token that was not seen yet.
func BenchmarkTokenUncached(b *testing.B) {
	p := newIDP(b, newClock())
	a := p.server(b, nil)
	for name, d := range drafts(p) {
		token := d.sign(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v := a.oauth.judge(token); v.principal == nil {
					b.Fatal(v.refusal)
				}
			}
		})
	}
}

// BenchmarkCertificate is a request with a client certificate that was seen before.
func BenchmarkCertificate(b *testing.B) {
	ca := newAuthority(b, "ca")
	a, err := New(&Options{Now: newClock().Now, ClientCerts: &ClientCerts{Roots: ca.pool(), Subjects: []CertSubject{{DNS: "ci.example"}}}})
	if err != nil {
		b.Fatal(err)
	}
	r := withCert(ca.issue(b, clientCert("ci.example")))
	b.ReportAllocs()
	for b.Loop() {
		if got, c := a.Request(r); got == nil {
			b.Fatal(c)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// ClientCerts says which client certificates are accepted, and whom they stand for.
type ClientCerts struct {
	Roots *x509.CertPool // the authorities of clients; required
	// CRL are lists of revoked certificates. With any, a certificate is accepted only when there is a current list of
	// its authority.
	CRL      []*x509.RevocationList
	Subjects []CertSubject // at least one
}

// CertSubject is the caller that certificates with an alternative name stand for. Exactly one of URI and DNS is set.
type CertSubject struct {
	URI     string // compared byte for byte
	DNS     string // compared without regard to case; "*" is an ordinary character
	Subject string // "" = the URI or DNS name
	Org     string
	Team    string
	Roles   []string
}

// certificates judges client certificates.
type certificates struct {
	roots    *x509.CertPool
	revoked  []*revocations
	subjects map[altName]*Principal
	now      func() time.Time
	log      *slog.Logger
	seen     *memo
}

// altName is a subject alternative name. The common name is none, so it never counts.
type altName struct {
	tag   int // of the general name, RFC 5280 §4.2.1.6
	value string
}

const (
	tagDNS = 2
	tagURI = 6
)

// Bounds of what a client may make the gateway verify, and of what is remembered of it.
const (
	maxChain        = 10
	maxCertificates = 4096
)

func newCertificates(o *ClientCerts, now func() time.Time, log *slog.Logger) (*certificates, error) {
	c := &certificates{roots: o.Roots, subjects: map[altName]*Principal{}, now: now, log: log, seen: newMemo(maxCertificates)}
	if o.Roots == nil || len(o.Subjects) == 0 {
		return nil, errors.New("no authority or no subject: every certificate would be refused")
	}
	for i := range o.Subjects {
		s := &o.Subjects[i]
		name := altName{tagURI, s.URI}
		if s.URI == "" {
			name = altName{tagDNS, strings.ToLower(s.DNS)}
		}
		if (s.URI == "") == (s.DNS == "") {
			return nil, fmt.Errorf("subjects[%d] needs either uri or dns", i)
		}
		if c.subjects[name] != nil {
			return nil, fmt.Errorf("subjects[%d]: %q is listed twice", i, name.value)
		}
		p := &Principal{Subject: s.Subject, Org: s.Org, Team: s.Team, Method: MethodMTLS, Roles: slices.Clone(s.Roles)}
		if p.Subject == "" {
			p.Subject = s.URI + s.DNS
		}
		if err := checkName(p.Subject); err != nil {
			return nil, fmt.Errorf("subjects[%d]: the subject %q %w", i, p.Subject, err)
		}
		c.subjects[name] = p
	}
	for i, list := range o.CRL {
		r, err := newRevocations(list)
		if err != nil {
			return nil, fmt.Errorf("crl[%d]: %w", i, err)
		}
		c.revoked = append(c.revoked, r)
	}
	return c, nil
}

// ConfigureTLS makes a listener ask its clients for a certificate, if certificates are accepted at all. The handshake
// proves that a client owns its certificate; whether it is accepted, [Authenticator.Request] says: a client with another
// credential may come without one.
func (a *Authenticator) ConfigureTLS(c *tls.Config) {
	if a.certs != nil {
		c.ClientAuth, c.ClientCAs = tls.RequestClientCert, a.certs.roots
	}
}

// principal judges the certificates of a connection, the client's own first.
func (c *certificates) principal(chain []*x509.Certificate) (*Principal, *refusal) {
	if len(chain) > maxChain {
		return nil, notAccepted("the client sent too many certificates")
	}
	sum := sha256.New()
	for _, cert := range chain {
		sum.Write(cert.Raw) // DER says itself where it ends
	}
	d := digest(sum.Sum(nil))
	v := c.seen.get(&d, c.now())
	if v == nil {
		v = c.judge(chain)
		c.seen.put(&d, v)
	}
	return v.principal, v.refusal
}

// judge verifies a chain at this time.
func (c *certificates) judge(chain []*x509.Certificate) *verdict {
	now, leaf := c.now(), chain[0]
	v := &verdict{until: now.Add(acceptedFor)}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	trusted, err := leaf.Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		v.until, v.refusal = now.Add(refusedFor), notAccepted(certificateProblem(err))
		return v
	}
	var until time.Time
	if until, v.refusal = c.standing(trusted, now); v.refusal != nil {
		v.until = now.Add(refusedFor)
		return v
	}
	p, err := c.subject(leaf)
	if err != nil {
		v.refusal = notAccepted(err.Error())
		return v
	}
	one := *p
	one.Expires = leaf.NotAfter
	v.principal, v.until = &one, earliest(v.until, until)
	return v
}

// subject is the caller that leaf stands for.
func (c *certificates) subject(leaf *x509.Certificate) (*Principal, error) {
	names, err := altNames(leaf)
	if err != nil {
		return nil, err
	}
	var found *Principal
	for _, n := range names {
		p := c.subjects[n]
		switch {
		case p == nil || p == found:
		case found != nil:
			return nil, errors.New("the client certificate stands for more than one caller")
		default:
			found = p
		}
	}
	if found == nil {
		return nil, errors.New("no URI or DNS name in the client certificate stands for a caller (the common name does not count)")
	}
	return found, nil
}

// altNames reads the names themselves: package x509 parses URIs, and what it writes back is not always what was there.
func altNames(leaf *x509.Certificate) ([]altName, error) {
	id := asn1.ObjectIdentifier{2, 5, 29, 17}
	var all []altName
	for _, e := range leaf.Extensions {
		if !e.Id.Equal(id) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return nil, errors.New("the alternative names of the client certificate cannot be read")
		}
		for _, n := range names {
			switch {
			case n.Class != asn1.ClassContextSpecific:
			case n.Tag == tagDNS:
				all = append(all, altName{tagDNS, strings.ToLower(string(n.Bytes))})
			case n.Tag == tagURI:
				all = append(all, altName{tagURI, string(n.Bytes)})
			}
		}
	}
	return all, nil
}

// certificateProblem says in words why a chain is not accepted.
func certificateProblem(err error) string {
	var bad x509.CertificateInvalidError
	switch {
	case errors.As(err, &bad) && bad.Reason == x509.Expired:
		return "the client certificate has expired or is not valid yet"
	case errors.As(err, &bad) && bad.Reason == x509.IncompatibleUsage:
		return "the client certificate is not for client authentication"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the client certificate is of an authority that is not accepted here"
	}
	return "the client certificate is not accepted"
}

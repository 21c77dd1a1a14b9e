// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net/http"
	"time"
)

// revocations is a list of revoked certificates.
type revocations struct {
	list    *x509.RevocationList
	serials map[string]bool // as decimal text
}

func newRevocations(list *x509.RevocationList) (*revocations, error) {
	if list == nil {
		return nil, errors.New("the list is missing")
	}
	delta := asn1.ObjectIdentifier{2, 5, 29, 27}
	for _, e := range list.Extensions {
		if e.Id.Equal(delta) {
			return nil, errors.New("it is a delta of another list: use the whole list")
		}
	}
	r := &revocations{list, map[string]bool{}}
	for i := range list.RevokedCertificateEntries {
		r.serials[list.RevokedCertificateEntries[i].SerialNumber.String()] = true
	}
	return r, nil
}

// standing asks the lists of revoked certificates about the chains that a certificate can be verified by. It stands while
// one of them does, at the longest until the time returned.
func (c *certificates) standing(chains [][]*x509.Certificate, now time.Time) (time.Time, *refusal) {
	var problem *refusal
	for _, chain := range chains {
		until, f := c.chainStands(chain, now)
		if f == nil {
			return until, nil
		}
		if problem == nil || f.status == http.StatusUnauthorized {
			problem = f
		}
	}
	if problem.status == http.StatusServiceUnavailable {
		c.log.Error("client certificates cannot be checked: a list of revoked certificates is missing or out of date",
			"authority", chains[0][0].Issuer.String())
	}
	return time.Time{}, problem
}

// chainStands asks about every certificate of a chain but its root.
func (c *certificates) chainStands(chain []*x509.Certificate, now time.Time) (time.Time, *refusal) {
	until := chain[0].NotAfter
	for i, cert := range chain {
		until = earliest(until, cert.NotAfter)
		if len(c.revoked) == 0 || i+1 == len(chain) && i > 0 {
			continue
		}
		issuer := chain[min(i+1, len(chain)-1)]
		known, current := false, time.Time{}
		for _, r := range c.revoked {
			if !bytes.Equal(r.list.RawIssuer, cert.RawIssuer) || r.list.CheckSignatureFrom(issuer) != nil {
				continue
			}
			known = true
			if r.serials[cert.SerialNumber.String()] {
				return time.Time{}, notAccepted("the client certificate is revoked")
			}
			if next := r.list.NextUpdate; next.IsZero() {
				current = until
			} else if next.After(now) && next.After(current) {
				current = next
			}
		}
		switch {
		case !current.IsZero():
			until = earliest(until, current)
		case known || i == 0:
			return time.Time{}, unavailable("client certificates cannot be checked: the list of revoked ones is missing or out of date", time.Minute)
		}
	}
	return until, nil
}

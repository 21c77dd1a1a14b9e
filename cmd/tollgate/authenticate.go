// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"tollgate/aggregator/auth"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
)

// authenticate makes the authenticator of the network listener, or replaces it: keys of issuers that stay are kept.
func (g *gateway) authenticate(cfg *config.Config) error {
	old := g.auth.Load()
	o := &auth.Options{Keys: g.db, Log: g.log, OAuth: oauthOf(cfg), Proxy: proxyOf(cfg), Previous: old}
	if cfg.Anonymous != nil {
		o.Anonymous = cfg.Anonymous.Role
	}
	var err error
	if o.ClientCerts, err = clientCertsOf(cfg); err != nil {
		return cli.WithCode(err, cli.ExitConfig)
	}
	made, err := auth.New(o)
	if err != nil {
		return cli.WithCode(err, cli.ExitConfig)
	}
	g.auth.Store(made)
	if old != nil {
		old.Close()
	}
	return nil
}

func oauthOf(cfg *config.Config) *auth.OAuth {
	c := cfg.Auth.OAuth
	if c == nil {
		return nil
	}
	o := &auth.OAuth{Resource: cfg.Resource(), ScopesSupported: c.ScopesSupported, Leeway: c.Leeway}
	for i := range c.Issuers {
		in := &c.Issuers[i]
		out := auth.Issuer{
			Issuer: in.Issuer, JWKSURL: in.JWKSURL, Audiences: in.Audiences, Algorithms: in.Algorithms, TokenType: in.TokenType,
			Claims: auth.Claims{Subject: in.Claims.Subject, Org: in.Claims.Org, Team: in.Claims.Team, Groups: in.Claims.Groups, Roles: in.Claims.Roles},
		}
		for _, m := range in.Roles {
			out.Roles = append(out.Roles, auth.RoleMapping{Claim: m.Claim, Contains: m.Contains, Equals: m.Equals, Role: m.Role})
		}
		o.Issuers = append(o.Issuers, out)
	}
	return o
}

func proxyOf(cfg *config.Config) *auth.Proxy {
	c := cfg.Auth.Proxy
	if c == nil {
		return nil
	}
	return &auth.Proxy{
		From: c.From, UserHeader: c.UserHeader, GroupsHeader: c.GroupsHeader, OrgHeader: c.OrgHeader, TeamHeader: c.TeamHeader, Roles: c.Roles,
	}
}

// clientCertsOf reads the files of mtls.
func clientCertsOf(cfg *config.Config) (*auth.ClientCerts, error) {
	m := cfg.Auth.MTLS
	if m == nil {
		return nil, nil
	}
	authorities, err := os.ReadFile(m.CA)
	if err != nil {
		return nil, fmt.Errorf("auth.mtls.ca: %w", err)
	}
	out := &auth.ClientCerts{Roots: x509.NewCertPool()}
	if !out.Roots.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("auth.mtls.ca: %s holds no certificate", m.CA)
	}
	if out.CRL, err = revocations(m.CRL); err != nil {
		return nil, fmt.Errorf("auth.mtls.crl: %w", err)
	}
	for _, s := range m.Subjects {
		out.Subjects = append(out.Subjects, auth.CertSubject{URI: s.URI, DNS: s.DNS, Subject: s.Subject, Org: s.Org, Team: s.Team, Roles: s.Roles})
	}
	return out, nil
}

// revocations reads a file of revocation lists, PEM or one in DER; "" is none.
func revocations(name string) ([]*x509.RevocationList, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var ders [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		ders = append(ders, block.Bytes)
	}
	if ders == nil {
		ders = [][]byte{text}
	}
	var lists []*x509.RevocationList
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		lists = append(lists, list)
	}
	return lists, nil
}

// tlsConfig is the listener's. Whether clients are asked for certificates is settled at the start; which ones are accepted
// follows a reload.
func (g *gateway) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	g.auth.Load().ConfigureTLS(c)
	return c
}

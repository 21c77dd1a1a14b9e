// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// OAuth makes the gateway an OAuth 2.1 resource server: it accepts access tokens of the issuers, as JWT (RFC 9068).
type OAuth struct {
	// Resource is the canonical URL of the MCP endpoint, for which clients ask for tokens (RFC 8707); required.
	Resource string
	// Name is shown to people who are asked to let a client in; "" = "Tollgate".
	Name string
	// Issuers are the authorization servers, at least one.
	Issuers []Issuer
	// ScopesSupported are the scopes that clients are told to ask for.
	ScopesSupported []string
	// Leeway is how far clocks may differ; 0 = 60 s.
	Leeway time.Duration
	// HTTPClient fetches metadata and keys; nil = one of its own. Its timeout, redirects and cookies are not used.
	HTTPClient *http.Client
}

// Issuer is one authorization server.
type Issuer struct {
	Issuer     string        // the iss of its tokens, byte for byte
	JWKSURL    string        // where its keys are; "" = as its metadata say
	Audiences  []string      // accepted aud; nil = the resource. With the resource go the URLs of its toolsets, each there alone
	Algorithms []string      // accepted alg; nil = all signatures: RS, PS, ES and EdDSA
	TokenType  string        // required typ, such as "at+jwt"; "" = any, except those of tokens that are no access tokens
	Claims     Claims        // where a token says who is calling
	Roles      []RoleMapping // roles by what a token says
}

// Claims are JSON pointers into the claims of a token. "" is the default and "-" is not read.
type Claims struct {
	Subject string // "" = "/sub"
	Org     string // "" = not read
	Team    string // "" = not read
	Groups  string // "" = "/groups"
	Roles   string // names of roles as they are; "" = not read
}

// RoleMapping gives a role to tokens in which a claim has a text. Exactly one of Contains and Equals is set; both compare
// byte for byte.
type RoleMapping struct {
	Claim    string // JSON pointer
	Contains string // is in the list of texts, or is the only text
	Equals   string // is the text
	Role     string
}

// resourceServer judges access tokens. It never changes, its memories apart.
type resourceServer struct {
	resource string
	metadata string // URL of the metadata of resource
	name     string
	scopes   []string
	servers  []string // the names of issuers, in the order of the configuration
	issuers  map[string]*issuer
	client   *http.Client // as in the options
	now      func() time.Time

	accepted, refused *memo
	flights           flights
}

// issuer is an [Issuer], read.
type issuer struct {
	name       string
	keysURL    string
	audiences  []string
	toolsets   bool // the URLs of toolsets are accepted audiences too
	algorithms []string
	tokenType  string
	parser     *jwt.Parser
	leeway     time.Duration
	keys       *keySource
	mapping
}

// Bounds of the memories of tokens. Refused ones have their own, so that nobody can drive out accepted ones.
const (
	maxAccepted = 10_000
	maxRefused  = 1_000
	acceptedFor = time.Minute
	refusedFor  = 10 * time.Second
)

// signatures are the algorithms that are ever accepted. Shared secrets (HS) and "none" are not among them.
func signatures() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// newResourceServer reads o. The sources of keys are still missing.
func newResourceServer(o *OAuth, now func() time.Time) (*resourceServer, error) {
	s := &resourceServer{
		resource: strings.TrimSuffix(o.Resource, "/"), name: o.Name, scopes: slices.Clone(o.ScopesSupported),
		issuers: map[string]*issuer{}, client: o.HTTPClient, now: now,
		accepted: newMemo(maxAccepted), refused: newMemo(maxRefused), flights: flights{running: map[digest]*flight{}},
	}
	u, err := url.Parse(o.Resource)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		headerText(o.Resource) != o.Resource {
		return nil, fmt.Errorf("resource %q is no URL of an endpoint: write it as in %q, without query and fragment", o.Resource, "https://gateway.example.com/mcp")
	}
	s.metadata = u.Scheme + "://" + u.Host + MetadataPath + strings.TrimSuffix(u.EscapedPath(), "/")
	if s.name == "" {
		s.name = "Tollgate"
	}
	for i, scope := range o.ScopesSupported {
		if !validScope(scope) {
			return nil, fmt.Errorf("scopes_supported[%d]: %q is no scope: write each on its own, without spaces and quotes", i, scope)
		}
	}
	leeway := o.Leeway
	switch {
	case leeway < 0:
		return nil, fmt.Errorf("leeway %s is negative", leeway)
	case leeway == 0:
		leeway = time.Minute
	}
	if len(o.Issuers) == 0 {
		return nil, errors.New("no issuers: name at least one authorization server")
	}
	for i := range o.Issuers {
		one, err := s.newIssuer(&o.Issuers[i], leeway)
		if err != nil {
			return nil, fmt.Errorf("issuers[%d]: %w", i, err)
		}
		if s.issuers[one.name] != nil {
			return nil, fmt.Errorf("issuers[%d]: %q is listed twice", i, one.name)
		}
		s.issuers[one.name] = one
		s.servers = append(s.servers, one.name)
	}
	return s, nil
}

func (s *resourceServer) newIssuer(o *Issuer, leeway time.Duration) (*issuer, error) {
	i := &issuer{
		name: o.Issuer, keysURL: o.JWKSURL, audiences: slices.Clone(o.Audiences), algorithms: slices.Clone(o.Algorithms),
		tokenType: typeName(o.TokenType), leeway: leeway,
	}
	u, err := secureURL(o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer %w", err)
	}
	if u.RawQuery != "" {
		return nil, fmt.Errorf("issuer %q has a query: write exactly the iss of its tokens", o.Issuer)
	}
	if o.JWKSURL != "" {
		if _, err := secureURL(o.JWKSURL); err != nil {
			return nil, fmt.Errorf("jwks_url %w", err)
		}
	}
	if len(i.audiences) == 0 {
		i.audiences = []string{s.resource}
	}
	i.toolsets = slices.Contains(i.audiences, s.resource)
	if slices.Contains(i.audiences, "") {
		return nil, errors.New("audiences has an empty entry")
	}
	if len(i.algorithms) == 0 {
		i.algorithms = signatures()
	}
	for _, a := range i.algorithms {
		if !slices.Contains(signatures(), a) {
			return nil, fmt.Errorf("algorithm %q is not accepted: use some of %s", a, strings.Join(signatures(), ", "))
		}
	}
	if i.mapping, err = newMapping(o); err != nil {
		return nil, err
	}
	i.parser = jwt.NewParser(
		jwt.WithValidMethods(i.algorithms), jwt.WithIssuer(i.name), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(s.now), jwt.WithStrictDecoding(),
	)
	return i, nil
}

// open gives every issuer its source of keys, those of previous where they are for the same.
func (s *resourceServer) open(previous *resourceServer, newSource func(sourceID) *keySource) {
	for _, i := range s.issuers {
		id := sourceID{i.name, i.keysURL, s.client}
		if previous != nil {
			if old := previous.issuers[i.name]; old != nil && old.keys.id == id && old.keys.share() {
				i.keys = old.keys
				continue
			}
		}
		i.keys = newSource(id)
	}
}

func (s *resourceServer) close() {
	for _, i := range s.issuers {
		i.keys.release()
	}
}

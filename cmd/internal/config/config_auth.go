// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"time"
)

// Binding gives roles to the callers that fit all of its conditions.
type Binding struct {
	_       struct{}  `any:"subject,team,org,group" hint:"say who gets the roles"`
	Subject string    `yaml:"subject" min:"1" aka:"user,users,subjects,principal,sub,email" doc:"Name of the caller."`
	Team    string    `yaml:"team" min:"1" aka:"teams" doc:"Team of the caller."`
	Org     string    `yaml:"org" min:"1" aka:"orgs,organization,organisation,tenant" doc:"Organization of the caller."`
	Issuer  string    `yaml:"issuer" min:"1" aka:"iss" doc:"Issuer of the caller's access token, beside one of the others."`
	Group   string    `yaml:"group" min:"1" aka:"groups" doc:"One of the caller's groups."`
	Roles   []string  `yaml:"roles" required:"name the roles that it gives" scalar:"true" items:"1" aka:"role,grant,grants" doc:"Roles that they get."`
	Until   time.Time `yaml:"until" aka:"expires,expires_at,expiry,valid_until,not_after,ttl" doc:"When it ends, for example 2026-12-31T18:00:00Z. A date alone ends with that day, in UTC. Default: never."`
	Reason  string    `yaml:"reason" min:"1" aka:"why,comment,ticket,description" doc:"Why it was given; shown with what it allowed."`
}

// Auth is how callers say who they are, beside API keys.
type Auth struct {
	OAuth *ResourceServer `yaml:"oauth" aka:"jwt,oidc,oauth2,openid,bearer" doc:"Access tokens of authorization servers."`
	MTLS  *MTLS           `yaml:"mtls" aka:"client_certs,client_certificates,client_ca,tls" doc:"Certificates of clients, for example {ca: clients.pem, subjects: [{dns: ci.example.com, roles: [ci]}]}. Needs tls."`
	Proxy *Proxy          `yaml:"proxy" aka:"trusted_proxy,proxies,headers,header" doc:"Headers of a reverse proxy that has checked who is calling, for example {from: 10.0.0.7, user_header: X-Forwarded-User}. The proxy must take them out of what clients send."`
}

// ResourceServer is the gateway as an OAuth 2.1 resource server.
type ResourceServer struct {
	Resource        string        `yaml:"resource" min:"1" aka:"resource_uri,resource_url,audience,aud" doc:"URL that tokens are made for. Default: public_url with /mcp."`
	Issuers         []Issuer      `yaml:"issuers" required:"name the authorization servers, each with its issuer" items:"1" aka:"issuer,authorization_servers,providers,servers" doc:"The authorization servers."`
	ScopesSupported []string      `yaml:"scopes_supported" scalar:"true" noun:"scope" pattern:"^[!#-\\[\\]-~]+$" hint:"write each scope on its own, without spaces and quotes" aka:"scopes,scope" doc:"Scopes that clients are told to ask for."`
	Leeway          time.Duration `yaml:"leeway" default:"1m" min:"1s" max:"5m" aka:"skew,clock_skew" doc:"How far clocks may differ."`
}

// Issuer is one authorization server whose tokens are accepted.
type Issuer struct {
	Issuer     string      `yaml:"issuer" required:"write the iss of its tokens, for example \"https://login.example.com\"" min:"1" aka:"iss,url,name" doc:"The iss of its tokens, an https URL."`
	JWKSURL    string      `yaml:"jwks_url" min:"1" aka:"jwks,jwks_uri,jwksUri,keys,keys_url" doc:"Where its keys are. Default: as its metadata say."`
	Audiences  []string    `yaml:"audiences" scalar:"true" items:"1" min:"1" aka:"audience,aud" doc:"Accepted aud of tokens. Default: resource."`
	Algorithms []string    `yaml:"algorithms" items:"1" noun:"algorithm" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" aka:"algorithm,alg,algs" doc:"Accepted signatures. Default: all of them."`
	TokenType  string      `yaml:"token_type" min:"1" aka:"typ,type" doc:"The typ that tokens must have, for example at+jwt. Default: any, except ID tokens that say so."`
	Claims     Claims      `yaml:"claims" aka:"claim,claim_mapping,mapping" doc:"Where a token says who the caller is."`
	Roles      []ClaimRole `yaml:"roles" aka:"role,role_mapping,role_mappings,mappings,bindings" doc:"Roles by what a token says."`
}

// Claims are JSON pointers into the claims of a token; what is "" is not read.
type Claims struct {
	Subject string `yaml:"subject" default:"/sub" noun:"JSON pointer" pattern:"^(?:/(?:[^~/]|~[01])+)+$" hint:"write it like \"/sub\" or \"/realm_access/roles\"" aka:"sub,user,email" doc:"Where the caller's name is."`
	Org     string `yaml:"org" noun:"JSON pointer" pattern:"^(?:/(?:[^~/]|~[01])+)+$" hint:"write it like \"/org_id\"" aka:"organization,tenant" doc:"Where the caller's organization is."`
	Team    string `yaml:"team" noun:"JSON pointer" pattern:"^(?:/(?:[^~/]|~[01])+)+$" hint:"write it like \"/team\"" aka:"teams" doc:"Where the caller's team is."`
	Groups  string `yaml:"groups" default:"/groups" noun:"JSON pointer" pattern:"^(?:-|(?:/(?:[^~/]|~[01])+)+)$" hint:"write it like \"/groups\"; \"-\" reads none" aka:"group" doc:"Where the caller's groups are; - reads none."`
	Roles   string `yaml:"roles" noun:"JSON pointer" pattern:"^(?:/(?:[^~/]|~[01])+)+$" hint:"write it like \"/roles\" or \"/realm_access/roles\"" aka:"role" doc:"Where names of roles are; those that are configured count as they are."`
}

// ClaimRole gives a role to tokens with a certain claim.
type ClaimRole struct {
	_        struct{} `one:"contains,equals" hint:"contains is for a list, equals for a single value"`
	Claim    string   `yaml:"claim" required:"write where it is, for example \"/groups\"" noun:"JSON pointer" pattern:"^(?:/(?:[^~/]|~[01])+)+$" hint:"write it like \"/groups\" or \"/realm_access/roles\"" aka:"path,pointer" doc:"JSON pointer into the claims."`
	Contains string   `yaml:"contains" min:"1" aka:"includes,has,in" doc:"Text that must be among the texts of a list."`
	Equals   string   `yaml:"equals" min:"1" aka:"is,eq,value" doc:"Text that the claim must be."`
	Role     string   `yaml:"role" required:"name the role that it gives" min:"1" aka:"roles,grant" doc:"Role that they get."`
}

// MTLS is which client certificates are accepted, and whom they stand for.
type MTLS struct {
	CA       string        `yaml:"ca" required:"name the file with the certificates of the authorities" min:"1" path:"true" aka:"ca_file,client_ca,cas,root" doc:"PEM file with the authorities of client certificates."`
	CRL      string        `yaml:"crl" min:"1" path:"true" aka:"crl_file,revoked" doc:"File with the list of revoked certificates, PEM or DER."`
	Subjects []CertSubject `yaml:"subjects" required:"say whom certificates stand for, for example [{dns: ci.example.com, roles: [ci]}]" items:"1" aka:"subject,clients,certificates,mappings" doc:"Whom certificates stand for, by the names in them. Others are refused."`
}

// CertSubject is the caller that a certificate with one alternative name stands for.
type CertSubject struct {
	_       struct{} `one:"uri,dns" hint:"name what the certificate has as its alternative name"`
	URI     string   `yaml:"uri" min:"1" aka:"spiffe,spiffe_id,san_uri" doc:"URI in the certificate, for example spiffe://example.com/ci."`
	DNS     string   `yaml:"dns" min:"1" aka:"host,hostname,san,san_dns,dns_name" doc:"DNS name in the certificate."`
	Subject string   `yaml:"subject" min:"1" aka:"user,name" doc:"Name of the caller. Default: uri or dns."`
	Org     string   `yaml:"org" min:"1" aka:"organization,tenant" doc:"Organization of the caller."`
	Team    string   `yaml:"team" min:"1" doc:"Team of the caller."`
	Roles   []string `yaml:"roles" scalar:"true" items:"1" aka:"role" doc:"Roles of the caller, beside those of bindings."`
}

// Proxy is which reverse proxies may say who is calling, and how they do.
type Proxy struct {
	From         []netip.Prefix `yaml:"from" required:"name the addresses of the proxy, for example 10.0.0.7/32" scalar:"true" items:"1" aka:"cidr,cidrs,addresses,trusted,trusted_proxies,source_ranges" doc:"Addresses of the proxies."`
	UserHeader   string         `yaml:"user_header" required:"name the header with the user, for example X-Forwarded-User" pattern:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" hint:"the name of an HTTP header has letters, digits and \"-\"" aka:"user,header,subject_header,username_header" doc:"Header with the caller's name."`
	GroupsHeader string         `yaml:"groups_header" pattern:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" hint:"the name of an HTTP header has letters, digits and \"-\"" aka:"groups,group_header" doc:"Header with the caller's groups, separated by commas."`
	OrgHeader    string         `yaml:"org_header" pattern:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" hint:"the name of an HTTP header has letters, digits and \"-\"" aka:"org,organization_header" doc:"Header with the caller's organization."`
	TeamHeader   string         `yaml:"team_header" pattern:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" hint:"the name of an HTTP header has letters, digits and \"-\"" aka:"team" doc:"Header with the caller's team."`
	Roles        []string       `yaml:"roles" scalar:"true" items:"1" aka:"role" doc:"Roles of every caller that comes this way."`
}

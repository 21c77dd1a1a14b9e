// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"time"
)

// Config is the content of one tollgate.yaml, checked and with every reference replaced. It is immutable and safe for
// concurrent use.
//
// The tags describe the shape: yaml is the key, doc the text shown by editors, default what an absent key means, enum the
// allowed words, pattern/hint/min/max the allowed values (lengths for strings and lists), keys a pattern for the keys of a
// map, aka wrong keys that people try, noun what messages call the value. required is the hint shown when the key is absent.
// items is the least length of a list or map, and scalar:"true" marks a list that may be written as its only word. path marks a
// file name that is resolved against the directory of the file. list is the hint for a list where keys and values belong,
// and example what to write for anything else there. A blank field holds for the struct: of the keys in one exactly one must
// be set, of those in any at least one.
type Config struct {
	Version     int                 `yaml:"version" const:"1" doc:"Version of this format."`
	Listen      string              `yaml:"listen" default:"127.0.0.1:8080" aka:"addr,address,port,bind" doc:"Address and port of the MCP endpoint. Anything but loopback needs tls, behind_proxy or insecure."`
	PublicURL   string              `yaml:"public_url" aka:"url,base_url" doc:"URL under which clients reach the gateway, when it differs from listen."`
	BehindProxy bool                `yaml:"behind_proxy" doc:"A reverse proxy in front terminates TLS; public_url names it."`
	Insecure    bool                `yaml:"insecure" doc:"Allow plain HTTP on a network address. Keys then travel in the clear."`
	TLS         *TLS                `yaml:"tls" doc:"Certificate and key for HTTPS."`
	StateDir    string              `yaml:"state_dir" path:"true" aka:"data_dir,state" doc:"Directory of keys and other state. Default: a directory of the user."`
	Hosts       []string            `yaml:"hosts" aka:"allowed_hosts" doc:"Further values of the Host header that are accepted, beside loopback names and the host of public_url."`
	Origins     []string            `yaml:"origins" aka:"allowed_origins,cors" doc:"Web origins that may call the gateway from a browser."`
	Anonymous   *Anonymous          `yaml:"anonymous" doc:"Lets requests without a key in. Loopback only."`
	Stdio       *Stdio              `yaml:"stdio" doc:"Who the caller of \"tollgate stdio\" is."`
	Upstreams   []Upstream          `yaml:"upstreams" aka:"servers,mcpServers,targets,backends" doc:"The MCP servers behind the gateway."`
	Roles       map[string]Role     `yaml:"roles" keys:"^[A-Za-z][A-Za-z0-9_-]{0,63}$" doc:"What each role may see and call."`
	Policy      Policy              `yaml:"policy" doc:"Further Rego policies, and what holds whatever the role."`
	Bindings    []Binding           `yaml:"bindings" aka:"binding,role_bindings,assignments,members,users" doc:"Roles of users, teams, organizations and groups, beside those their credentials give."`
	Auth        Auth                `yaml:"auth" aka:"authentication,identity,oauth,oidc,jwt,mtls" doc:"Ways to say who is calling, beside API keys."`
	Timezone    string              `yaml:"timezone" default:"UTC" min:"1" aka:"tz,time_zone,zone,location" doc:"IANA time zone, for example Europe/Berlin: of the days of costs, and of the periods of budgets."`
	Budgets     []Budget            `yaml:"budgets" aka:"budget,spend,spending" doc:"What calls may cost. A call needs room in every budget that is about it."`
	Audit       Audit               `yaml:"audit" aka:"audit_log,auditing,ledger,records" doc:"How calls are recorded."`
	Alerts      Alerts              `yaml:"alerts" aka:"alert,alerting,notifications" doc:"What is told to whom."`
	Toolsets    map[string]Toolset  `yaml:"toolsets" keys:"^[A-Za-z][A-Za-z0-9_-]{0,63}$" doc:"Named selections of the catalog, each with its own endpoint."`
	Code        CodeMode            `yaml:"code" aka:"code_mode,codeMode,codemode,sandbox" doc:"Tools that find and run other tools, so that models need not read the definitions of all."`
	Limits      Limits              `yaml:"limits" list:"limits of calls stand under roles.<name>.limits and policy.everyone.limits" doc:"Limits of the gateway itself."`
	Log         Log                 `yaml:"log" aka:"logging" doc:"What is logged, and how."`
	file        string              // as given to Load or Parse
	digest      string              // hex SHA-256 of the file's bytes
	positions   map[string]Position // by dotted path
	texts       map[string]placedText
	secretFiles []string // files that references name
	seen        string   // contentHash of Files when loaded; "" after Parse
	warnings    Diagnostics
	zone        *time.Location // of Timezone; nil = UTC
}

// TLS names the files of the listener's certificate chain and private key, both PEM.
type TLS struct {
	Cert string `yaml:"cert" required:"name both the certificate and the key" min:"1" path:"true" aka:"cert_file,certificate" doc:"PEM file with the certificate chain."`
	Key  string `yaml:"key" required:"name both the certificate and the key" min:"1" path:"true" aka:"key_file,private_key" doc:"PEM file with the private key."`
}

// Anonymous is the identity of a request without credentials.
type Anonymous struct {
	Role string `yaml:"role" required:"name one of the roles" doc:"Role of a caller without a key."`
}

// Stdio is the identity of the process that runs "tollgate stdio".
type Stdio struct {
	Role    string `yaml:"role" required:"name one of the roles" doc:"Role of the caller."`
	Subject string `yaml:"subject" doc:"Name of the caller in logs and policies. Default: the operating system's user name."`
}

// Upstream is one MCP server behind the gateway. Exactly one of Command and URL is set. Zero durations and numbers mean the
// default of the upstream package.
type Upstream struct {
	Name          string            `yaml:"name" required:"add a unique name, for example \"github\"" pattern:"^[A-Za-z](?:[A-Za-z0-9-]|_[A-Za-z0-9-])*$" max:"32" hint:"use letters, digits, \"-\" and single \"_\", starting with a letter, at most 32 characters" aka:"id" doc:"Unique name; prefixes the names of the tools."`
	URL           Secret            `yaml:"url" aka:"serverUrl,httpUrl,uri,endpoint" doc:"URL of the MCP endpoint. May hold references."`
	Command       string            `yaml:"command" min:"1" aka:"cmd" doc:"Program to start; no shell is involved. A relative path with a slash is relative to this file."`
	Args          []Secret          `yaml:"args" aka:"arguments" doc:"Arguments of command. May hold references."`
	Env           map[string]Secret `yaml:"env" aka:"envs,environment" keys:"^[A-Za-z_][A-Za-z0-9_().-]*$" doc:"Environment variables of command. May hold references."`
	Dir           string            `yaml:"dir" path:"true" min:"1" aka:"cwd,workdir,working_directory" doc:"Working directory of command. Default: the directory of the gateway."`
	Transport     string            `yaml:"transport" enum:"stdio,http,sse" aka:"type" doc:"Default: stdio with command, http (streamable HTTP) with url. sse is HTTP+SSE of 2024-11-05."`
	Headers       map[string]Secret `yaml:"headers" aka:"http_headers" keys:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" doc:"HTTP headers sent with every request. May hold references."`
	OAuth         *OAuth            `yaml:"oauth" aka:"auth,authorization" doc:"How the gateway gets tokens for url. Without it, a server that asks for a login is found out by itself."`
	Era           string            `yaml:"era" enum:"auto,modern,legacy" default:"auto" doc:"Protocol revisions to speak: modern is 2026-07-28 and later. auto asks the server."`
	Prefix        *string           `yaml:"prefix" pattern:"^(?:[A-Za-z](?:[A-Za-z0-9-]|_[A-Za-z0-9-])*)?$" max:"32" hint:"use letters, digits, \"-\" and single \"_\", starting with a letter, or \"\" for none" doc:"Prefix of displayed names. Default: the name. \"\" shows names as the server has them."`
	Tools         []string          `yaml:"tools" aka:"enabled_tools,includeTools,include_tools,allow" doc:"Original names or patterns of the tools to offer. Default: all."`
	Tags          []string          `yaml:"tags" doc:"Words that policies may look at."`
	Timeout       time.Duration     `yaml:"timeout" min:"1ms" max:"24h" aka:"tool_timeout_sec,call_timeout" doc:"Longest time of one call. Default: 60s."`
	StartTimeout  time.Duration     `yaml:"start_timeout" min:"1ms" max:"1h" aka:"startup_timeout_sec,connect_timeout" doc:"Longest time from start to the first list of tools. Default: 30s."`
	ProbeTimeout  time.Duration     `yaml:"probe_timeout" min:"1ms" max:"1h" doc:"Longest wait for the answer that tells the era. Default: 3s."`
	Concurrency   int               `yaml:"concurrency" min:"1" max:"10000" aka:"max_concurrency" doc:"Calls in flight. Default: 64."`
	MaxReplyBytes Size              `yaml:"max_reply_bytes" min:"1KiB" max:"1GiB" aka:"max_reply" doc:"Largest reply, event or line. Default: 16MiB."`
	Refresh       time.Duration     `yaml:"refresh" max:"168h" aka:"refresh_every,refresh_interval" doc:"How often the lists are read again. Default: as the server says."`
	Sessions      string            `yaml:"sessions" enum:"principal,shared" aka:"session_mode" doc:"Who shares a session of a server of the revisions before 2026-07-28. Default: principal, every caller has its own. shared is for servers that keep no state; callers the server may ask something still have their own."`
	SessionIdle   time.Duration     `yaml:"session_idle" min:"1s" max:"168h" aka:"session_timeout,session_ttl,idle_timeout" doc:"How long a caller's session stays open without a call. Default: 10m."`
	MaxSessions   int               `yaml:"max_sessions" min:"1" max:"10000" doc:"Sessions of all callers together. Default: 64."`
	MaxCall       time.Duration     `yaml:"max_call" min:"1ms" max:"24h" aka:"max_call_duration" doc:"The most a call may take, with all progress and all waiting for its caller. Default: 1h, or timeout when that is more."`
	Disabled      bool              `yaml:"disabled" aka:"enabled" doc:"Keep the entry but do not connect."`
}

// OAuth is the gateway as an OAuth client of one upstream.
type OAuth struct {
	ClientID          Secret   `yaml:"client_id" aka:"clientId,id" doc:"Client id registered by hand. Default: client_metadata_url where the server reads it, else dynamic registration. May hold references."`
	ClientSecret      Secret   `yaml:"client_secret" aka:"clientSecret,secret" doc:"Secret of client_id. A reference, for example ${env:JIRA_SECRET}."`
	ClientMetadataURL string   `yaml:"client_metadata_url" pattern:"^https://[^/?#@]+/[^?#]+$" hint:"write an https URL with a path" doc:"URL of a client ID metadata document, which then is the client id."`
	Scopes            []string `yaml:"scopes" aka:"scope" doc:"Scopes to ask for. Default: what the server names."`
	Grant             string   `yaml:"grant" enum:"authorization_code,client_credentials" aka:"grant_type,flow" default:"authorization_code" doc:"authorization_code: a person logs in once, with \"tollgate upstream login\". client_credentials: the gateway itself, with client_id and client_secret."`
	RedirectURL       string   `yaml:"redirect_url" pattern:"^http://(?:127\\.0\\.0\\.1|\\[::1\\]|localhost)(?::[0-9]{1,5})?/[^?#]*$" hint:"write a loopback URL, for example \"http://127.0.0.1:8976/callback\"" aka:"redirect_uri,callback" doc:"Where a login comes back to on this machine; without a port any free one. Default: http://127.0.0.1/callback."`
	PrivateNetwork    bool     `yaml:"private_network" doc:"The authorization server may have a private address."`
}

// Toolset selects a part of the catalog by patterns over displayed names and URIs.
type Toolset struct {
	Tools     []string `yaml:"tools" doc:"Displayed names or patterns of tools, for example \"docs__*\"."`
	Prompts   []string `yaml:"prompts" doc:"Displayed names or patterns of prompts."`
	Resources []string `yaml:"resources" doc:"URIs or patterns of resources."`
	Mode      string   `yaml:"mode" enum:"direct,search,code,auto" aka:"code,code_mode,codeMode" doc:"How clients of this toolset are shown tools, see code.mode. Default: what their roles say."`
}

// Limits bound what clients may ask of the gateway.
type Limits struct {
	Body          Size          `yaml:"body" default:"4MiB" min:"1KiB" max:"256MiB" doc:"Largest request body."`
	PageSize      int           `yaml:"page_size" default:"1000" min:"1" max:"10000" doc:"Entries on one page of a list."`
	CallsInFlight int           `yaml:"calls_in_flight" default:"256" min:"1" max:"100000" doc:"Calls served at once; more are refused. One credential gets at most half."`
	Drain         time.Duration `yaml:"drain" default:"10s" max:"1h" doc:"How long running calls may take after a request to stop."`
}

// Log says what is logged, and how.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" default:"info" doc:"Least severe level that is written."`
	Format string `yaml:"format" enum:"text,json" default:"text" doc:"Form of a line."`
}

// Position is a place in the file. Both count from 1, Col in characters.
type Position struct{ Line, Col int }

// Resolved holds the strings of an upstream with every reference replaced. It must not be printed or logged.
type Resolved struct {
	URL                        string
	Args                       []string
	Env, Headers               map[string]string
	OAuthClientID, OAuthSecret string
}

// Reveal returns the values to connect with. The maps are nil when nothing is configured.
func (u *Upstream) Reveal() Resolved {
	r := Resolved{URL: u.URL.Reveal(), Env: revealAll(u.Env), Headers: revealAll(u.Headers)}
	if u.OAuth != nil {
		r.OAuthClientID, r.OAuthSecret = u.OAuth.ClientID.Reveal(), u.OAuth.ClientSecret.Reveal()
	}
	for _, a := range u.Args {
		r.Args = append(r.Args, a.Reveal())
	}
	return r
}

func revealAll(m map[string]Secret) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = v.Reveal()
	}
	return out
}

// File is the name that Load or Parse was given.
func (c *Config) File() string { return c.file }

// Fingerprint identifies the text of the file: hex SHA-256 of its bytes. The values of references do not enter it, so it
// may be shown and logged.
func (c *Config) Fingerprint() string { return c.digest }

// Warnings are remarks about a file that is valid, in the order of the file.
func (c *Config) Warnings() Diagnostics { return slices.Clone(c.warnings) }

// At returns the position of the value at a dotted path such as "roles.reader.allow[1]" (see [Path]). For a path the file
// does not have, it is the position of the nearest enclosing value.
func (c *Config) At(path string) (line, col int) {
	if p, ok := nearest(c.positions, path); ok {
		return p.Line, p.Col
	}
	return 1, 1
}

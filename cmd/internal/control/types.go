// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// Operations is what a gateway does for its operator. Implementations are safe for concurrent use.
type Operations interface {
	Accounts
	Coder
	AuditReader
	StoreKeeper
	Replayer
	Status(ctx context.Context) (*Status, error)
	Keys(ctx context.Context) ([]Key, error)
	CreateKey(ctx context.Context, k *Key) (*NewKey, error)
	RevokeKey(ctx context.Context, id string) error
	// RotateKey puts a new key in the place of another, which works for grace longer.
	RotateKey(ctx context.Context, id string, grace time.Duration) (*NewKey, error)
	Catalog(ctx context.Context, q *CatalogQuery) (*Catalog, error)
	Call(ctx context.Context, c *Call) (*Outcome, error)
	Explain(ctx context.Context, q *ExplainQuery) (*Explanation, error)
	Reload(ctx context.Context) (*Reloaded, error)
	// Login logs in to an upstream. show gets the address of the page on which a person lets the gateway in, at most once.
	Login(ctx context.Context, upstream string, show func(address string) error) error
	// Logout forgets the login at an upstream.
	Logout(ctx context.Context, upstream string) error
	// CheckStdio says why c would not be served.
	CheckStdio(c *StdioClient) error
	// Stdio serves one stdio client until in ends.
	Stdio(ctx context.Context, c *StdioClient, in io.Reader, out io.Writer) error
}

// Status is the state of a gateway.
type Status struct {
	PID       int        `json:"pid"`
	Version   string     `json:"version"`
	URL       string     `json:"url,omitempty"` // empty when it serves no HTTP
	Config    string     `json:"config,omitempty"`
	Revision  string     `json:"revision"`
	Ready     bool       `json:"ready"`
	Sessions  int        `json:"sessions"`
	Failure   string     `json:"failure,omitempty"` // why the newest configuration is not in force
	Upstreams []Upstream `json:"upstreams"`
	Problems  []Problem  `json:"problems,omitempty"` // of the merged catalog
	Misfits   []Problem  `json:"misfits,omitempty"`  // rules that do not fit what upstreams offer
	Bundle    *Bundle    `json:"bundle,omitempty"`   // that is followed at a URL
	Issuers   []Issuer   `json:"issuers,omitempty"`  // of access tokens; only while HTTP is served
}

// Upstream is the state of one upstream.
type Upstream struct {
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Transport string    `json:"transport"`
	Revision  string    `json:"revision,omitempty"`
	Tools     int       `json:"tools"`
	Prompts   int       `json:"prompts"`
	Resources int       `json:"resources"`
	Templates int       `json:"templates"`
	Login     string    `json:"login,omitempty"` // needed, pending or valid; empty when it wants none
	Failure   string    `json:"failure,omitempty"`
	Stderr    string    `json:"stderr,omitempty"`
	Restarts  int       `json:"restarts"`
	PID       int       `json:"pid,omitempty"`
	Dropped   []Problem `json:"dropped,omitempty"`
}

// Bundle is the state of a policy bundle that is fetched from a URL.
type Bundle struct {
	URL         string    `json:"url"` // without its query
	Revision    string    `json:"revision,omitempty"`
	Verified    bool      `json:"verified"`
	FromCopy    bool      `json:"from_copy,omitempty"` // the server gave none: it is the copy of an earlier run
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
}

// Issuer is the state of an authorization server whose access tokens are accepted.
type Issuer struct {
	Issuer  string `json:"issuer"`
	Keys    int    `json:"keys"` // 0 = none are there: its tokens cannot be checked
	Failure string `json:"failure,omitempty"`
}

// Problem is something that was left out, and why.
type Problem struct {
	Item   string `json:"item"`
	Reason string `json:"reason"`
}

// Key is an API key without its secret.
type Key struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject"`
	Org      string    `json:"org,omitempty"`
	Team     string    `json:"team,omitempty"`
	Label    string    `json:"label,omitempty"`
	Roles    []string  `json:"roles"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
	// ReplacedBy is the id of the key that took its place.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// NewKey is a key and its secret, shown this once.
type NewKey struct {
	Key    Key    `json:"key"`
	Secret string `json:"secret"`
}

// Rotation says how a key is rotated.
type Rotation struct {
	Grace time.Duration `json:"grace_ns"` // how long the old key still works
}

// CatalogQuery asks what a caller sees; no caller means the whole catalog.
type CatalogQuery struct {
	Role    string `json:"role,omitempty"` // a role or a subject, see [Identity]
	Toolset string `json:"toolset,omitempty"`
	Hidden  bool   `json:"hidden,omitempty"` // also what the role does not see, with the rule that hides it
}

// Catalog is the answer to a query.
type Catalog struct {
	Role    string `json:"role,omitempty"`
	Entries []Item `json:"entries"`
	// Tokens estimates what the visible tool definitions cost in a model's context: a quarter of their bytes.
	Tokens   int       `json:"tokens_estimate"`
	Problems []Problem `json:"problems,omitempty"`
}

// Item is one entry of a catalog.
type Item struct {
	Kind         string `json:"kind"`
	Name         string `json:"name"` // URI for resources and templates
	Upstream     string `json:"upstream"`
	OriginalName string `json:"original_name"`
	Visible      bool   `json:"visible"`
	Rule         string `json:"rule,omitempty"`     // why it is visible or hidden
	Narrowed     bool   `json:"narrowed,omitempty"` // the caller is shown another input schema than the upstream's
	Bytes        int    `json:"bytes"`
	Tokens       int    `json:"tokens_estimate"`
	Hash         string `json:"definition_hash"`
}

// Call is one tool call of the operator in a role.
type Call struct {
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments"`
	Role      string          `json:"role,omitempty"` // a role or a subject, see [Identity]
}

// Outcome is how a call ended: Result or Error is set.
type Outcome struct {
	Result        json.RawMessage `json:"result,omitempty"`
	Error         json.RawMessage `json:"error,omitempty"`
	Notifications int             `json:"notifications"`
}

// StdioClient is who is at the other end of a pipe.
type StdioClient struct {
	Role    string // "" = as configured
	Subject string
	Toolset string
}

// Reloaded is how a reload went.
type Reloaded struct {
	Revision    string   `json:"revision"`
	NeedRestart []string `json:"need_restart,omitempty"` // changed keys that take effect at the next start only
}

// LoginEvent is one line of the answer to a login: an address to show, then how it ended.
type LoginEvent struct {
	Address string `json:"address,omitempty"`
	Done    bool   `json:"done,omitempty"`
	Error   *Error `json:"error,omitempty"`
}

// Error is a failed operation: what went wrong, what to do, and the exit code of a command that ran it.
type Error struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Exit    int    `json:"exit"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

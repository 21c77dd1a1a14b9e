// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"tollgate/upstream/wire"
)

// Input is the decision input document, version 1: what Rego rules of package
// tollgate.call and CEL limits read, and what an audit record stores.
// [InputSchema] is its JSON Schema.
type Input struct {
	Action    string     // list, call, read, get or complete
	Principal *Principal // not nil
	Object    *Object    // not nil
	// Arguments is the JSON object of a call's arguments; nil = none. Its names
	// are unique. See Truncated.
	Arguments json.RawMessage
	// Truncated says that the arguments are left out of the document, as they
	// are when they are larger than [MaxArguments].
	Truncated bool
	Session   Session
	Client    Client
	Time      time.Time // of the call; zero = the Unix epoch
	SourceIP  string
}

// MaxArguments bounds the arguments that policies are shown, in bytes.
const MaxArguments = 64 << 10

// Session is how the call reached the gateway.
type Session struct {
	Origin       string `json:"origin"` // mcp, rest or code
	Transport    string `json:"transport"`
	ParentCallID string `json:"parent_call_id"`
	Depth        int    `json:"depth"`
}

// Client is what the client says of itself. Nobody has verified it.
type Client struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

func documentFields() []string {
	return []string{
		"version", "action", "principal", "object", "arguments", "arguments_truncated", "session", "client", "time", "source_ip",
	}
}

func sessionFields() []string { return []string{"origin", "transport", "parent_call_id", "depth"} }
func clientFields() []string  { return []string{"name", "version"} }

// shown are the arguments in the document, nil for none, and whether there are
// some that are left out.
func (in *Input) shown() (arguments []byte, truncated bool) {
	if in.Truncated || len(in.Arguments) > MaxArguments {
		return nil, true
	}
	return trim(in.Arguments), false
}

// moment is when the call came, as policies are told.
func (in *Input) moment() time.Time {
	if in.Time.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return in.Time.UTC()
}

// JSON is the document as text: the members in the order of the schema, without
// white space, the same bytes for the same input. The arguments stay as they
// came, but for white space. What is no JSON object is left out, as rules that
// read it refuse such a call.
func (in *Input) JSON() []byte {
	w := documentWriter{make([]byte, 0, 512+len(in.Arguments)+len(in.Object.Annotations))}
	w.raw(`{"version":1`)
	w.text("action", in.Action)
	w.principal(in.Principal)
	w.object(in.Object)
	arguments, truncated := in.shown()
	if checkedObject(arguments) {
		w.compact("arguments", arguments)
	}
	w.raw(`,"arguments_truncated":` + strconv.FormatBool(truncated))
	w.raw(`,"session":{"origin":`)
	w.b = wire.AppendString(w.b, in.Session.Origin)
	w.text("transport", in.Session.Transport)
	w.text("parent_call_id", in.Session.ParentCallID)
	w.raw(`,"depth":` + strconv.Itoa(in.Session.Depth))
	w.raw(`},"client":{"name":`)
	w.b = wire.AppendString(w.b, in.Client.Name)
	w.text("version", in.Client.Version)
	w.raw("}")
	w.text("time", in.moment().Format(time.RFC3339Nano))
	w.text("source_ip", in.SourceIP)
	w.raw("}")
	return w.b
}

func checkedObject(raw []byte) bool {
	return len(raw) > 0 && raw[0] == '{' && wire.CheckUnique(raw) == nil
}

type documentWriter struct{ b []byte }

func (w *documentWriter) raw(s string) { w.b = append(w.b, s...) }

// text writes one more member of an object.
func (w *documentWriter) text(name, value string) {
	w.raw(`,"` + name + `":`)
	w.b = wire.AppendString(w.b, value)
}

func (w *documentWriter) texts(name string, values []string) {
	w.raw(`,"` + name + `":[`)
	for i, v := range values {
		if i > 0 {
			w.raw(",")
		}
		w.b = wire.AppendString(w.b, v)
	}
	w.raw("]")
}

func (w *documentWriter) compact(name string, object []byte) {
	w.raw(`,"` + name + `":`)
	out := bytes.NewBuffer(w.b)
	if err := json.Compact(out, object); err != nil {
		out.WriteString("{}") // not for what has passed the check
	}
	w.b = out.Bytes()
}

func (w *documentWriter) principal(p *Principal) {
	w.raw(`,"principal":{"subject":`)
	w.b = wire.AppendString(w.b, p.Subject)
	w.texts("roles", canonical(p.Roles))
	w.texts("groups", canonical(p.Groups))
	w.texts("scopes", canonical(p.Scopes))
	w.text("team", p.Team)
	w.text("org", p.Org)
	w.text("auth_method", p.AuthMethod)
	w.text("key_id", p.KeyID)
	w.text("issuer", p.Issuer)
	w.text("actor", p.Actor)
	w.raw("}")
}

func (w *documentWriter) object(o *Object) {
	w.raw(`,"object":{"id":`)
	w.b = wire.AppendString(w.b, o.id())
	w.text("kind", o.Kind)
	w.text("name", o.Name)
	w.text("uri", o.URI)
	w.text("upstream", o.Upstream)
	w.text("original_name", o.OriginalName)
	if annotations := trim(o.Annotations); checkedObject(annotations) {
		w.compact("annotations", annotations)
	} else {
		w.raw(`,"annotations":{}`)
	}
	w.texts("tags", o.Tags)
	w.text("definition_hash", o.DefinitionHash)
	w.raw("}")
}

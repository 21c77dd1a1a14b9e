// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tollgate/upstream/wire"
)

// ReadInput reads a document that [Input.JSON] wrote. It shares memory with
// document. Members that it does not know are left out: a later program of the
// same version may have added them.
func ReadInput(document []byte) (*Input, error) {
	if err := wire.CheckReply(document); err != nil || wire.Kind(document) != '{' {
		return nil, errors.Join(errors.New("the decision input document is no JSON object"), err)
	}
	in, version := &Input{Principal: &Principal{}, Object: &Object{}}, 0
	r := documentReader{}
	for m := range wire.Members(document) {
		switch m.Name {
		case "version":
			r.number(m, &version)
		case "action":
			r.text(m, &in.Action)
		case "principal":
			r.members(m, in.Principal.read)
		case "object":
			r.members(m, in.Object.read)
		case "arguments":
			in.Arguments = json.RawMessage(m.Value)
		case "arguments_truncated":
			in.Truncated = r.truth(m)
		case "session":
			r.members(m, in.Session.read)
		case "client":
			r.members(m, in.Client.read)
		case "time":
			r.time(m, &in.Time)
		case "source_ip":
			r.text(m, &in.SourceIP)
		}
	}
	if r.err == nil && version != 1 {
		r.err = fmt.Errorf("decision input document of version %d, want 1", version)
	}
	if r.err != nil {
		return nil, r.err
	}
	return in, nil
}

func (p *Principal) read(r *documentReader, m wire.Member) {
	switch m.Name {
	case "subject":
		r.text(m, &p.Subject)
	case "roles":
		r.texts(m, &p.Roles)
	case "groups":
		r.texts(m, &p.Groups)
	case "scopes":
		r.texts(m, &p.Scopes)
	case "team":
		r.text(m, &p.Team)
	case "org":
		r.text(m, &p.Org)
	case "auth_method":
		r.text(m, &p.AuthMethod)
	case "key_id":
		r.text(m, &p.KeyID)
	case "issuer":
		r.text(m, &p.Issuer)
	case "actor":
		r.text(m, &p.Actor)
	}
}

func (o *Object) read(r *documentReader, m wire.Member) {
	switch m.Name {
	case "kind":
		r.text(m, &o.Kind)
	case "name":
		r.text(m, &o.Name)
	case "uri":
		r.text(m, &o.URI)
	case "upstream":
		r.text(m, &o.Upstream)
	case "original_name":
		r.text(m, &o.OriginalName)
	case "definition_hash":
		r.text(m, &o.DefinitionHash)
	case "annotations":
		if o.Annotations = json.RawMessage(m.Value); string(m.Value) == "{}" {
			o.Annotations = nil
		}
	case "tags":
		r.texts(m, &o.Tags)
	}
}

func (s *Session) read(r *documentReader, m wire.Member) {
	switch m.Name {
	case "origin":
		r.text(m, &s.Origin)
	case "transport":
		r.text(m, &s.Transport)
	case "parent_call_id":
		r.text(m, &s.ParentCallID)
	case "depth":
		r.number(m, &s.Depth)
	}
}

func (c *Client) read(r *documentReader, m wire.Member) {
	switch m.Name {
	case "name":
		r.text(m, &c.Name)
	case "version":
		r.text(m, &c.Version)
	}
}

// documentReader reads members and keeps the first error.
type documentReader struct{ err error }

func (r *documentReader) fail(m wire.Member, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("decision input document: %s must be %s", m.Name, want)
	}
}

func (r *documentReader) members(m wire.Member, read func(*documentReader, wire.Member)) {
	if wire.Kind(m.Value) != '{' {
		r.fail(m, "an object")
		return
	}
	for inner := range wire.Members(m.Value) {
		read(r, inner)
	}
}

func (r *documentReader) text(m wire.Member, to *string) {
	text, ok := wire.String(m.Value)
	if *to = text; !ok {
		r.fail(m, "text")
	}
}

func (r *documentReader) texts(m wire.Member, to *[]string) {
	if *to = []string{}; wire.Kind(m.Value) != '[' {
		r.fail(m, "a list")
		return
	}
	for e := range wire.Elements(m.Value) {
		text, ok := wire.String(e)
		if *to = append(*to, text); !ok {
			r.fail(m, "a list of texts")
		}
	}
}

func (r *documentReader) number(m wire.Member, to *int) {
	n, err := strconv.Atoi(string(m.Value))
	if *to = n; err != nil {
		r.fail(m, "a whole number")
	}
}

func (r *documentReader) truth(m wire.Member) bool {
	if text := string(m.Value); text != "true" && text != "false" {
		r.fail(m, "true or false")
	}
	return string(m.Value) == "true"
}

// time leaves that of nothing, the Unix epoch, as no time.
func (r *documentReader) time(m wire.Member, to *time.Time) {
	text, _ := wire.String(m.Value)
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		r.fail(m, "a time")
		return
	}
	if moment = moment.UTC(); !moment.Equal(time.Unix(0, 0)) {
		*to = moment
	}
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"unicode/utf8"
)

// The HTTP headers of the Streamable HTTP transport (2026-07-28 §Request Metadata).
const (
	HeaderProtocolVersion = "MCP-Protocol-Version"
	HeaderMethod          = "Mcp-Method"
	HeaderName            = "Mcp-Name"
	HeaderSession         = "Mcp-Session-Id"
	HeaderParamPrefix     = "Mcp-Param-"
)

// The marks of a header value that is base64 of UTF-8. They are case-sensitive.
const (
	encodedPrefix = "=?base64?"
	encodedSuffix = "?="
)

// EncodeHeaderValue makes any text safe as a value of Mcp-Name or Mcp-Param-*: as it is when it is printable ASCII without
// spaces at either end, else between =?base64? and ?=. A text that looks encoded is encoded once more.
func EncodeHeaderValue(s string) string {
	if _, encoded := encodedPart(s); !encoded && isPlainHeader(s) {
		return s
	}
	return encodedPrefix + base64.StdEncoding.EncodeToString([]byte(s)) + encodedSuffix
}

// DecodeHeaderValue is the inverse of [EncodeHeaderValue]. It fails on bytes that a header value must not have, on wrong
// base64 and on base64 of something that is not UTF-8.
func DecodeHeaderValue(s string) (string, error) {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] > '~' {
			return "", errors.New("only printable ASCII is allowed, anything else must be base64-encoded")
		}
	}
	part, encoded := encodedPart(s)
	if !encoded {
		return s, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(part)
	if err != nil {
		return "", errors.New("not valid base64 between =?base64? and ?=")
	}
	if !utf8.Valid(b) {
		return "", errors.New("base64 of something that is not UTF-8")
	}
	return string(b), nil
}

func encodedPart(s string) (string, bool) {
	part, ok := strings.CutPrefix(s, encodedPrefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(part, encodedSuffix)
}

func isPlainHeader(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// MirrorName answers what Mcp-Name must say for a request: the name of a tool or prompt, the URI of a resource, the id of a
// task. It answers false for other methods and when params has no such string.
func MirrorName(method string, params []byte) (name string, ok bool) {
	field := mirroredField(method)
	if field == "" {
		return "", false
	}
	raw, _ := Lookup(params, field)
	return String(raw)
}

func mirroredField(method string) string {
	switch method {
	case "tools/call", "prompts/get":
		return "name"
	case "resources/read":
		return "uri"
	case "tasks/get", "tasks/update", "tasks/cancel":
		return "taskId"
	}
	return ""
}

// SetHeaders writes the headers that a request of the given revision needs, and removes those of these headers that do not
// belong: legacy revisions have the version only, and "" (not negotiated yet) has none. ph are the annotations of the tool that is called.
func SetHeaders(h http.Header, rev Revision, method string, params []byte, ph []ParamHeader) {
	h.Del(HeaderMethod)
	h.Del(HeaderName)
	for key := range h {
		if strings.HasPrefix(textproto.CanonicalMIMEHeaderKey(key), HeaderParamPrefix) {
			delete(h, key)
		}
	}
	h.Del(HeaderProtocolVersion)
	if rev != "" {
		h.Set(HeaderProtocolVersion, string(rev))
	}
	if !rev.Modern() {
		return
	}
	h.Set(HeaderMethod, method)
	if name, ok := MirrorName(method, params); ok {
		h.Set(HeaderName, EncodeHeaderValue(name))
	}
	if method != "tools/call" || len(ph) == 0 {
		return
	}
	arguments, _ := Lookup(params, "arguments")
	for _, p := range ph {
		if value, ok := p.Value(arguments); ok {
			h.Set(HeaderParamPrefix+p.Header, EncodeHeaderValue(value))
		}
	}
}

// CheckHeaders compares the headers of a modern request with its body, which must have passed [Parse]. It answers nil or a
// [CodeHeaderMismatch] error. A body without a protocol version is not its business; [ParseMeta] shows that. A header that
// is there but empty counts as there; one that is there twice is refused even when both agree.
func CheckHeaders(h http.Header, e *Envelope, ph []ParamHeader) *Error {
	for _, err := range []error{checkVersion(h, e), checkMethod(h, e), checkName(h, e), checkParams(h, e, ph)} {
		if err != nil {
			return &Error{Code: CodeHeaderMismatch, Message: "header mismatch: " + err.Error()}
		}
	}
	return nil
}

func checkVersion(h http.Header, e *Envelope) error {
	value, present, err := oneHeader(h, HeaderProtocolVersion)
	if err != nil {
		return err
	}
	if !present {
		return fmt.Errorf("%s is missing", HeaderProtocolVersion)
	}
	raw, _ := Lookup(e.Params, "_meta", MetaProtocolVersion)
	if body, ok := String(raw); ok && body != value {
		return mismatch(HeaderProtocolVersion, value, body)
	}
	return nil
}

func checkMethod(h http.Header, e *Envelope) error {
	value, present, err := oneHeader(h, HeaderMethod)
	switch {
	case err != nil:
		return err
	case present && value != e.Method:
		return mismatch(HeaderMethod, value, e.Method)
	case !present && e.IsRequest():
		return fmt.Errorf("%s is missing", HeaderMethod)
	}
	return nil
}

func checkName(h http.Header, e *Envelope) error {
	field := mirroredField(e.Method)
	if field == "" {
		return nil
	}
	body, inBody := MirrorName(e.Method, e.Params)
	// The tasks extension asks for the header too, but servers are told to get by without it.
	required := inBody && e.IsRequest() && field != "taskId"
	return compareHeader(h, HeaderName, "params."+field, body, inBody, required)
}

func checkParams(h http.Header, e *Envelope, ph []ParamHeader) error {
	if e.Method != "tools/call" || len(ph) == 0 {
		return nil
	}
	arguments, _ := Lookup(e.Params, "arguments")
	for _, p := range ph {
		if err := p.check(h, arguments); err != nil {
			return err
		}
	}
	return nil
}

// compareHeader holds an encoded header against the body's value for it.
func compareHeader(h http.Header, name, field, body string, inBody, required bool) error {
	value, present, err := decodedHeader(h, name)
	switch {
	case err != nil:
		return err
	case present && !inBody:
		return fmt.Errorf("%s is sent, but the body has no %s", name, shorten(field))
	case present && value != body:
		return mismatch(name, value, body)
	case !present && required:
		return fmt.Errorf("%s is missing", name)
	}
	return nil
}

func decodedHeader(h http.Header, name string) (value string, present bool, err error) {
	value, present, err = oneHeader(h, name)
	if err != nil || !present {
		return value, present, err
	}
	if value, err = DecodeHeaderValue(value); err != nil {
		return "", true, fmt.Errorf("%s: %w", name, err)
	}
	return value, true, nil
}

func oneHeader(h http.Header, name string) (value string, present bool, err error) {
	values := h.Values(name)
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		return textproto.TrimString(values[0]), true, nil
	}
	return "", true, fmt.Errorf("%s is sent %d times", name, len(values))
}

func mismatch(name, header, body string) error {
	return fmt.Errorf("%s is %q, but the body says %q", name, shorten(header), shorten(body))
}

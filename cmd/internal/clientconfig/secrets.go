// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"tollgate/cmd/internal/config"
)

// knownSecret matches the forms of credentials that can be told by themselves.
const knownSecret = `\b(?:(?:sk|rk|pk)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}` +
	`|xox[abeprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` +
	`|(?:ntn|hf|npm|sntrys|sntryu|lin_api|figd|dop_v1|shpat|tg)_[A-Za-z0-9_=+/-]{16,})|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*`

// value writes a value in the syntax of tollgate.yaml. A literal that looks like a credential moves to a file. key is the name
// of the variable or header; field says where it stands.
func (im *importer) value(field, key string, pieces []piece) string {
	text, literal := isLiteral(pieces)
	if !literal {
		return im.join(pieces)
	}
	text = strings.ReplaceAll(text, "\x00", "")
	scheme, rest, found := strings.Cut(text, " ")
	if found && slices.Contains([]string{"bearer", "basic", "token", "apikey"}, strings.ToLower(scheme)) && rest != "" {
		if im.placeholder(field, rest) {
			return config.Escape(text)
		}
		return scheme + " " + im.move(field, key, rest)
	}
	if confidential(key, text) && !im.placeholder(field, text) {
		return im.move(field, key, text)
	}
	return im.moveKnown(field, key, text)
}

// moveKnown moves the part of a literal that has the form of a credential.
func (im *importer) moveKnown(field, key, text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" && u.User != nil {
		if _, has := u.User.Password(); has { // a connection string
			return im.move(field, key, text)
		}
	}
	at := regexp.MustCompile(knownSecret).FindStringIndex(text)
	if at == nil {
		return config.Escape(text)
	}
	return config.Escape(text[:at[0]]) + im.move(field, key, text[at[0]:at[1]]) + config.Escape(text[at[1]:])
}

// argument writes argument i of args. A flag's own name, the flag before it, a "NAME=value" or a "Header: value" tell what it is.
func (im *importer) argument(args []any, i int, arg string) string {
	field := fmt.Sprintf("args[%d]", i)
	pieces := im.pieces(arg, false)
	text, literal := isLiteral(pieces)
	if !literal {
		return im.join(pieces)
	}
	text = strings.ReplaceAll(text, "\x00", "")
	if m := regexp.MustCompile(`^(-{0,2}[A-Za-z_][A-Za-z0-9_.-]*)(=|: ?)(.+)$`).FindStringSubmatch(text); m != nil && !strings.HasPrefix(m[3], "//") {
		return config.Escape(m[1]+m[2]) + im.value(field, m[1], []piece{{text: m[3]}})
	}
	if strings.Contains(text, "://") {
		if moved, ok := im.urlSecrets(field, text); ok {
			return moved
		}
	}
	key := ""
	if i > 0 {
		if flag := scalarText(args[i-1]); strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=") && !strings.HasPrefix(text, "-") {
			key = flag
		}
	}
	return im.value(field, key, []piece{{text: text}})
}

// setURL sets the URL of the current entry. Credentials in it become an Authorization header or references.
func (im *importer) setURL(pieces []piece) bool {
	u := im.current
	text, literal := isLiteral(pieces)
	if !literal {
		u.URL = im.join(pieces)
		return true
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		im.skip("the URL is not an http or https URL")
		return false
	}
	if parsed.User != nil {
		password, _ := parsed.User.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(parsed.User.Username() + ":" + password))
		u.Headers = map[string]string{"Authorization": "Basic " + im.move("headers.Authorization", "authorization", basic)}
		im.note(NoteRemark, u.Name, "the user name and password of the URL are sent as an Authorization header", "")
		parsed.User = nil
		text = parsed.String()
	}
	text, _, _ = strings.Cut(text, "#")
	if moved, ok := im.urlSecrets("url", text); ok {
		u.URL = moved
		return true
	}
	u.URL = config.Escape(text)
	return true
}

// urlSecrets replaces confidential query parameters and path segments of a URL. ok is false when there are none.
func (im *importer) urlSecrets(field, text string) (moved string, ok bool) {
	base, query, hasQuery := strings.Cut(text, "?")
	segments := strings.Split(base, "/")
	for i := 3; i < len(segments); i++ {
		if s := segments[i]; len(s) >= 32 && entropy(s) > 3.5 && !strings.ContainsAny(s, ".@:") {
			segments[i], ok = im.move(field, "path", s), true
			continue
		}
		segments[i] = config.Escape(segments[i])
	}
	out := strings.Join(segments, "/")
	if hasQuery {
		params := strings.Split(query, "&")
		for i, p := range params {
			key, value, _ := strings.Cut(p, "=")
			if value != "" && (confidential(key, value) || regexp.MustCompile(knownSecret).MatchString(value)) && !im.placeholder(field, value) {
				params[i], ok = config.Escape(key)+"="+im.move(field, key, value), true
				continue
			}
			params[i] = config.Escape(p)
		}
		out += "?" + strings.Join(params, "&")
	}
	return out, ok
}

// confidential reports whether the name says that the value is a credential, and the value could be one.
func confidential(key, value string) bool {
	if value == "" || regexp.MustCompile(`^(?i:true|false|yes|no|on|off|none|null|[0-9]{1,6})$`).MatchString(value) {
		return false
	}
	words := nameWords(key)
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	harmless := slices.Contains([]string{"path", "file", "dir", "url", "uri", "host", "name", "id", "type", "ttl", "timeout", "limit", "size", "count", "endpoint", "region", "mode", "scheme", "method", "header", "public"}, last)
	for i, w := range words {
		switch w {
		case "token", "secret", "password", "passwd", "passphrase", "pwd", "apikey", "credential", "credentials", "authorization", "cookie", "pat", "auth", "jwt", "dsn":
			if !harmless {
				return true
			}
		case "key":
			if !harmless && (len(words) == 1 || i > 0 && slices.Contains([]string{"api", "access", "private", "secret", "auth", "license", "app", "account", "master", "service", "encryption", "signing", "x"}, words[i-1])) {
				return true
			}
		}
	}
	lower := strings.ToLower(key)
	return !harmless && len(value) >= 16 && entropy(value) > 4 && (strings.Contains(lower, "token") || strings.Contains(lower, "key") || strings.Contains(lower, "secret"))
}

// nameWords splits a name at punctuation and at changes of case: "apiKey" and "API_KEY" are both [api key].
func nameWords(name string) []string {
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if unicode.IsUpper(r) && i > 0 && unicode.IsLower(runes[i-1]) {
			flush()
		}
		word = append(word, r)
	}
	flush()
	return words
}

// entropy is the Shannon entropy of the characters of s, in bits.
func entropy(s string) float64 {
	counts, total := map[rune]float64{}, 0.0
	for _, r := range s {
		counts[r]++
		total++
	}
	bits := 0.0
	for _, n := range counts {
		bits -= n / total * math.Log2(n/total)
	}
	return bits
}

// placeholder notes values that stand for a credential that is still to be filled in.
func (im *importer) placeholder(field, value string) bool {
	if !regexp.MustCompile(`(?i)^(?:<.*>|\[.*\]|\{.*\}|.*\b(?:your|paste|insert|replace|enter|changeme|placeholder|example)[-_ ].*|changeme|placeholder|x{3,}|\.{3,}|\*{3,})$`).MatchString(value) {
		return false
	}
	im.todo(field+" holds a placeholder", "write the value to a file or a variable and refer to it as ${file:...} or ${env:...}")
	return true
}

// move takes a credential out of the text and returns the reference that replaces it. Equal values of one upstream share a file.
func (im *importer) move(field, key, value string) string {
	name := im.current.Name + "." + strings.ToLower(ValidName(strings.TrimLeft(key, "-")))
	path := im.o.SecretsDir + "/" + name
	for i := 2; ; i++ {
		old, taken := im.secrets[path]
		if !taken {
			break
		}
		if old == value {
			return "${file:" + path + "}"
		}
		path = fmt.Sprintf("%s/%s-%d", im.o.SecretsDir, name, i)
	}
	im.secrets[path] = value
	s := Secret{Upstream: im.current.Name, Field: field, Path: path, value: value}
	im.result.Secrets = append(im.result.Secrets, s)
	im.note(NoteRemark, im.current.Name, fmt.Sprintf("the credential in %s moves to %s", field, path), "")
	return s.Reference()
}

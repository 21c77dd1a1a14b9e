// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"

	"tollgate/policy"
)

// dimensions are the words that per takes besides an expression.
func dimensions() []string {
	return []string{"user", "team", "org", "key", "role", "upstream", "tool", "all"}
}

// per is one thing that a limit is counted by: a word or an expression.
type per struct {
	word    string
	program *program // when word is ""
}

// parsePer reads the list; problems are reported with the index in it.
func parsePer(env *cel.Env, list []string, role string, report func(i int, d diagnosis)) []per {
	if len(list) == 0 {
		return []per{{word: "user"}}
	}
	var out []per
	expressions := 0
	for i, text := range list {
		word := strings.TrimSpace(text)
		switch {
		case slices.Contains(list[:i], text):
			report(i, diagnosis{-1, fmt.Sprintf("%q is there already", text), "remove it"})
		case word == "all" && len(list) > 1:
			report(i, diagnosis{-1, `"all" counts all calls together and stands alone`, "remove it, or the others"})
		case word == "role" && role == "":
			report(i, diagnosis{-1, "a limit of everyone belongs to no role", `use "all", or move the limit to a role`})
		case slices.Contains(dimensions(), word):
			out = append(out, per{word: word})
		default:
			if expressions++; expressions > 1 {
				report(i, diagnosis{-1, "per takes one expression", `join them: a + "/" + b`})
				continue
			}
			program, faults := expression(env, fmt.Sprintf("per[%d]", i), text, wantText)
			for _, f := range faults {
				if near := policy.Closest(word, dimensions()); near != "" {
					f = diagnosis{-1, fmt.Sprintf("%q is not defined", word), fmt.Sprintf("did you mean %q?", near)}
				} else if f.hint == "" {
					f.hint = "per is " + strings.Join(dimensions(), ", ") + ", or an expression that is text"
				}
				report(i, f)
			}
			out = append(out, per{program: program})
		}
	}
	return out
}

// String is how messages name it.
func (p per) String() string {
	if p.word == "" {
		return oneLine(p.program.text)
	}
	return p.word
}

// key appends what identifies the counter of a call. Every part is written
// with its length, so that no two different sets of parts give one key.
func (l *Limit) key(ctx context.Context, d *document) (string, *program, error) {
	b := append(make([]byte, 0, 128), l.id...)
	in := d.input
	for _, p := range l.per {
		switch who := in.Principal; p.word {
		case "user":
			b = parts(b, "user", who.Org, who.Subject)
		case "team":
			b = parts(b, "team", who.Org, who.Team)
		case "org":
			b = parts(b, "org", who.Org)
		case "key":
			if who.KeyID != "" {
				b = parts(b, "key", who.KeyID)
			} else {
				b = parts(b, "key", who.AuthMethod, who.Org, who.Subject)
			}
		case "role":
			b = parts(b, "role", l.rule.Role)
		case "upstream":
			b = parts(b, "upstream", in.Object.Upstream)
		case "tool":
			b = parts(b, "tool", toolKey(in.Object)...)
		case "all":
			b = parts(b, "all")
		default:
			text, err := p.program.string(ctx, d)
			if err != nil {
				return "", p.program, err
			}
			b = parts(b, "cel", text)
		}
	}
	return string(b), nil, nil
}

// toolKey is the identity of an object, in parts.
func toolKey(o *policy.Object) []string { return []string{o.Kind, o.Upstream, o.OriginalName, o.URI} }

// maxPart bounds one part of a key, in bytes: keys are kept as long as a window,
// and a caller may choose a part of them.
const maxPart = 128

// parts appends " <name>/<count>" and each part as <length>:<bytes>, a long one as
// #<sha256>.
func parts(b []byte, name string, list ...string) []byte {
	b = append(append(b, ' '), name...)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(len(list)), 10)
	for _, part := range list {
		b = append(b, ' ')
		if len(part) > maxPart {
			sum := sha256.Sum256([]byte(part))
			b = hex.AppendEncode(append(b, '#'), sum[:])
			continue
		}
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(append(b, ':'), part...)
	}
	return b
}

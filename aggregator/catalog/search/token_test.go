// SPDX-License-Identifier: Apache-2.0

package search

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func termsOf(s string, limit int) (terms []string) {
	t := &tokenizer{emit: func(term []byte) { terms = append(terms, string(term)) }}
	t.text(s, limit)
	return terms
}

func TestTokens(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"...", ""},
		{"createIssue", "creat issu createissu"},
		{"create_issue", "creat issu"},
		{"create-issue.v2", "creat issu 2 v2"},
		{"API-post-page", "api post page"},
		{"HTTPServer", "http server httpserver"},
		{"parseHTTPRequests", "pars http request parsehttprequest"},
		{"GitHub github GITHUB", "git hub github github github"},
		{"OAuth2", "auth oauth 2 oauth2"},
		{"sha256sum s3", "sha 256 sum sha256sum 3 s3"},
		{"a b c 1", "1"},
		{"aVeryLongNameThatNobodyWouldWriteAsAWhole", "veri long name that nobodi would writ as whol"},
		{"don't", "don"},
		{"Größe der Datei", "größe der datei"},
		{"дайтеСписок", "дайте список дайтесписок"},
		{"e\u0301te\u0301", "e\u0301te\u0301"},
		{"搜索issue", "搜 索 issu"},
		{"v１２", "１２ v１２"},
		{"x\xffyy\xc3", "yy"},
	}
	for _, tt := range tests {
		if got := strings.Join(termsOf(tt.text, 100), " "); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := termsOf("one two three four", 2); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("limited: %q", got)
	}
}

// TestStem: all forms of a word are the same term, and different words are not.
func TestStem(t *testing.T) {
	groups := []string{
		"issue issues", "create creates created creating", "file files filed filing", "repository repositories",
		"query queries querying queried", "movie movies", "class classes", "process processes processed processing",
		"release releases releasing", "database databases", "box boxes boxing", "cache caches cached caching", "branch branches",
		"size sizes sizing", "use uses used using", "move moves moved moving", "run runs running", "get gets getting",
		"stop stopped stopping", "log logs logged logging", "map maps mapping", "edit edited editing", "copy copies copied copying",
		"apply applies applied applying", "call calls called calling", "cancel cancels cancelled cancelling canceled",
		"install installs installed", "key keys", "name names named naming", "page pages paging", "status", "analysis", "string strings",
		"need needs needed", "view views viewing", "tie ties", "history", "alias", "thing things", "ping pings", "bring", "being",
		"set sets setting settings", "list lists listed listing", "add adds added adding",
	}
	seen := map[string]string{}
	for _, g := range groups {
		words := strings.Fields(g)
		want := string(stem([]byte(words[0])))
		if other, dup := seen[want]; dup {
			t.Errorf("%q and %q are both %q", other, words[0], want)
		}
		seen[want] = words[0]
		for _, w := range words[1:] {
			if got := string(stem([]byte(w))); got != want {
				t.Errorf("%q is %q, but %q is %q", w, got, words[0], want)
			}
		}
	}
}

// TestIdleWords: a sentence around the words changes nothing, and is looked for when there is nothing else.
func TestIdleWords(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"Please, what should I use to tell them how I could create issues?", []string{"creat", "issu"}},
		{"these, those and there: where would this be needed", nil},
		{"whoami", []string{"whoami"}},
		{"issues issue ISSUE", []string{"issu"}},
	}
	for _, tt := range tests {
		w := &scratch{}
		w.terms(tt.text)
		if tt.want == nil {
			for _, term := range w.query {
				if !isIdle(term) {
					t.Errorf("%q: %q is not idle", tt.text, term)
				}
			}
			if len(w.query) < 5 {
				t.Errorf("%q: looks for %q only", tt.text, w.query)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, w.query); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

// FuzzTokens: whatever the text, terms are bounded, valid and in lower case, and separators are all the same.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{"createIssue", "HTTPServer2Go", "a_b-c.d", "搜索issue", "e\u0301TE\u0301", "x\xffyy\xc3", "İSTANBUL", strings.Repeat("aB1", 200), "ǅungla", "running classes"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := termsOf(s, 200)
		if len(got) > 200 {
			t.Fatalf("%d terms", len(got))
		}
		for _, term := range got {
			if term == "" || len(term) > maxTerm || !utf8.ValidString(term) {
				t.Fatalf("term %q of %q", term, s)
			}
			for _, r := range term {
				if unicode.ToLower(r) != r || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
					t.Fatalf("%q in term %q of %q", r, term, s)
				}
			}
		}
		if again := termsOf(s, 200); !slices.Equal(got, again) {
			t.Fatalf("%q, then %q", got, again)
		}
		same := termsOf(strings.Map(func(r rune) rune {
			if r == '_' || r == '-' || r == '.' || r == utf8.RuneError {
				return ' '
			}
			return r
		}, s), 200)
		if !slices.Equal(got, same) {
			t.Fatalf("%q: %q, and with other separators %q", s, got, same)
		}
	})
}

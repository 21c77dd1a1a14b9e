// SPDX-License-Identifier: Apache-2.0

package house

import (
	"regexp"
	"strings"
)

// The words below are put together from pieces, so that this file does not hold them itself.

func textRules() []rule {
	todo, slash := "TO"+"DO", "/"
	return []rule{
		{
			name: "machine paths", check: matchText(machinePath(), "a path of one machine: use a path relative to the repository, t.TempDir(), or /home/me in an example"),
			bad: []string{
				"-- a.md --\nrun it in " + slash + "work/main\n", "-- a.go --\npackage a\n\nconst dir = \"" + slash + "root/go\"\n",
				"-- a.yaml --\ndir: " + slash + "home/jane/x\n", "-- a.json --\n{\"a\":\"" + slash + "Users/jane/x\"}\n", "-- a.json --\n{\"a\":\"C:" + `\\Users\\jane` + "\"}\n",
				"-- a.txt --\nGOMODCACHE=" + slash + "root/x\n",
			},
			good: []string{"-- a.md --\n/home/me/docs, \"/root\", HOME=/home/u, C:\\Users\\me, conformance/" + "work/x, https://example.com/" + "root/x, /var/lib/tollgate, file:///home/me/a\n"},
		},
		{
			name: "registry hosts", check: matchText(registryHost(), "the host of a package registry: leave it out, clients of registries know where theirs is"),
			bad:  []string{"-- a/.npmrc --\nregistry=https://registry." + "npmjs.org/\n", "-- a.md --\nGOPROXY=https://proxy." + "golang.org\n", "-- a.lock --\nghcr" + ".io/x/y\n"},
			good: []string{"-- a.md --\nregistry.example.com, golang.org/x/tools, pkg.go.dev/x, npmjs\n"},
		},
		{
			name: "open ends", check: matchText(openEnd(), "name the issue, as in "+todo+"(#12), or do it now"),
			bad:  []string{"-- a.go --\npackage a\n\n// " + todo + ": later\n", "-- a.md --\nFIX" + "ME\n", "-- .ci/run --\n# X" + "XX wrong\n", "-- a.go --\npackage a // " + todo + "(jane)\n"},
			good: []string{"-- a.go --\npackage a\n\n// " + todo + "(#12): later\n", "-- a.md --\nmktemp a.XXXXXX, " + todo + "S\n"},
		},
	}
}

// machinePath finds home directories and the places where builds run. The user is the group; the users of examples are
// named "me", or have one letter.
func machinePath() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[^\w.~/-]|//)(?:/(?:root|work|github|builds)/|(?:/(?:home|Users)/|[A-Z]:\\+Users\\+)([\w-]+))`)
}

func registryHost() *regexp.Regexp {
	hosts := []string{
		"proxy golang org", "sum golang org", "goproxy io", "goproxy cn", "registry npmjs org", "registry yarnpkg com", "npm pkg github com", "pypi org",
		"files pythonhosted org", "crates io", "rubygems org", "repo1 maven org", "deb debian org", "docker io", "ghcr io", "quay io", "gcr io", "mcr microsoft com",
	}
	return regexp.MustCompile(`\b(?:` + strings.ReplaceAll(strings.Join(hosts, "|"), " ", `\.`) + `)\b`)
}

func openEnd() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|X` + `XX)\b(?:[^(]|$|\([^#]|\(#\D)`)
}

// matchText makes a check of every line of every file; what the last group of re matches is the user of a path.
func matchText(re *regexp.Regexp, what string) func(t *tree) []finding {
	return func(t *tree) []finding {
		var found []finding
		for _, f := range t.files {
			line := 0
			for text := range strings.Lines(f.text) {
				line++
				for _, m := range re.FindAllStringSubmatch(strings.TrimRight(text, "\r\n"), -1) {
					if last := m[len(m)-1]; last != "me" && len(last) != 1 {
						found = append(found, finding{f.path, line, what + ": " + strings.TrimSpace(m[0])})
					}
				}
			}
		}
		return found
	}
}

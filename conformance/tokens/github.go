// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The repository of the tasks.
const (
	owner, repository = "acme", "rocket"
	history           = 40 // commits
)

// hub answers the few tools of the catalog github that tasks call, in the shapes of GitHub's server, about a history that is
// the same every time.
type hub struct {
	commits []commit // the last one first
	repos   []repo
}

type commit struct {
	SHA     string `json:"sha"`
	HTMLURL string `json:"html_url"`
	Commit  struct {
		Message   string    `json:"message"`
		Author    signature `json:"author"`
		Committer signature `json:"committer"`
	} `json:"commit"`
	Author    account `json:"author"`
	Committer account `json:"committer"`
	Stats     *stats  `json:"stats,omitempty"`
	Files     []file  `json:"files,omitempty"`
}

type signature struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Date  time.Time `json:"date"`
}

type account struct {
	Login      string `json:"login"`
	ID         int    `json:"id"`
	ProfileURL string `json:"profile_url"`
	AvatarURL  string `json:"avatar_url"`
}

type stats struct {
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
	Total     int `json:"total"`
}

type file struct {
	Filename  string `json:"filename"`
	Status    string `json:"status"`
	Additions int    `json:"additions"`
	Deletions int    `json:"deletions"`
	Changes   int    `json:"changes"`
}

type repo struct {
	ID            int      `json:"id"`
	Name          string   `json:"name"`
	FullName      string   `json:"full_name"`
	Description   string   `json:"description"`
	HTMLURL       string   `json:"html_url"`
	Language      string   `json:"language"`
	Stars         int      `json:"stargazers_count"`
	Forks         int      `json:"forks_count"`
	OpenIssues    int      `json:"open_issues_count"`
	UpdatedAt     string   `json:"updated_at"`
	CreatedAt     string   `json:"created_at"`
	Topics        []string `json:"topics"`
	Private       bool     `json:"private"`
	Fork          bool     `json:"fork"`
	Archived      bool     `json:"archived"`
	DefaultBranch string   `json:"default_branch"`
}

func newHub() *hub {
	h := &hub{}
	r := random(4)
	names := []string{"Ada Berg", "Grace Haas", "Ivan Ito", "Jean Kaya"}
	verbs, things := strings.Fields("add fix move simplify document test"), strings.Fields("parser scheduler cache login export ledger retries")
	at := time.Date(2025, 11, 20, 9, 0, 0, 0, time.UTC)
	for i := range history {
		at = at.Add(-time.Duration(1+r.IntN(30)) * time.Hour)
		n := r.IntN(len(names))
		login := strings.ToLower(strings.ReplaceAll(names[n], " ", "-"))
		c := commit{SHA: fmt.Sprintf("%x", sha1.Sum([]byte{byte(i)})), Stats: &stats{}}
		c.HTMLURL = fmt.Sprintf("https://github.com/%s/%s/commit/%s", owner, repository, c.SHA)
		c.Commit.Message = fmt.Sprintf("%s the %s\n\nSee the discussion of #%d.", verbs[r.IntN(6)], things[r.IntN(7)], 100+r.IntN(300))
		c.Commit.Author = signature{names[n], login + "@example.com", at}
		c.Commit.Committer = c.Commit.Author
		c.Author = account{login, 1000 + n, "https://github.com/" + login, fmt.Sprintf("https://avatars.githubusercontent.com/u/%d?v=4", 1000+n)}
		c.Committer = c.Author
		for range 4 + r.IntN(14) {
			f := file{fmt.Sprintf("internal/%s/%s_%d.go", things[r.IntN(7)], verbs[r.IntN(6)], r.IntN(20)), "modified", r.IntN(90), r.IntN(60), 0}
			f.Changes = f.Additions + f.Deletions
			c.Stats.Additions += f.Additions
			c.Stats.Deletions += f.Deletions
			c.Files = append(c.Files, f)
		}
		c.Stats.Total = c.Stats.Additions + c.Stats.Deletions
		h.commits = append(h.commits, c)
	}
	h.found()
	return h
}

// found makes the repositories that a search finds.
func (h *hub) found() {
	r := random(5)
	languages, kinds := strings.Fields("Go Rust TypeScript Python"), strings.Fields("server client gateway inspector proxy sdk")
	for i := range 30 {
		name := fmt.Sprintf("mcp-%s-%d", kinds[r.IntN(6)], i+1)
		h.repos = append(h.repos, repo{
			ID: 700_000_000 + r.IntN(1_000_000), Name: name, FullName: "org-" + fmt.Sprint(1+r.IntN(9)) + "/" + name,
			Description: "A " + kinds[r.IntN(6)] + " of the Model Context Protocol, with examples, tests and a command line.",
			HTMLURL:     "https://github.com/example/" + name, Language: languages[r.IntN(4)], Stars: r.IntN(20_000), Forks: r.IntN(900), OpenIssues: r.IntN(200),
			UpdatedAt: fmt.Sprintf("2025-11-%02dT10:00:00Z", 1+r.IntN(20)), CreatedAt: fmt.Sprintf("2024-%02d-03T08:00:00Z", 1+r.IntN(12)),
			Topics: []string{"mcp", kinds[r.IntN(6)], "llm"}, DefaultBranch: "main",
		})
	}
	slices.SortFunc(h.repos, func(a, b repo) int { return cmp.Compare(b.Stars, a.Stars) })
}

// answer is a handler.
func (h *hub) answer(tool string, arguments json.RawMessage) (string, bool) {
	var in struct {
		Owner, Repo, SHA, Query, Detail string
		Fields                          []string
		PerPage                         int
	}
	if err := json.Unmarshal(arguments, &in); err != nil {
		return err.Error(), true
	}
	perPage := cmp.Or(in.PerPage, 30)
	switch {
	case tool == "search_repositories":
		page := h.repos[:min(perPage, len(h.repos))]
		return text(map[string]any{"total_count": len(h.repos), "incomplete_results": false, "items": page})
	case tool != "list_commits" && tool != "get_commit":
		return listOnly(tool, arguments)
	case in.Owner != owner || in.Repo != repository:
		return fmt.Sprintf("failed to get the repository: GET https://api.github.com/repos/%s/%s: 404 Not Found []", in.Owner, in.Repo), true
	case tool == "list_commits":
		var out []any
		for _, c := range h.commits[:min(perPage, len(h.commits))] {
			c.Stats, c.Files = nil, nil
			picked, err := pick(c, in.Fields)
			if err != nil {
				return err.Error(), true
			}
			out = append(out, picked)
		}
		return text(out)
	}
	for _, c := range h.commits {
		if c.SHA == in.SHA {
			if in.Detail == "none" {
				c.Stats, c.Files = nil, nil
			}
			return text(c)
		}
	}
	return "failed to get commit: " + in.SHA + ": 422 No commit found for SHA []", true
}

// pick is c with these members only, or with all for none.
func pick(c commit, fields []string) (any, error) {
	if len(fields) == 0 {
		return c, nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	for _, f := range fields {
		out[f] = all[f]
	}
	return out, nil
}

// text is v as the text of a result.
func text(v any) (string, bool) {
	s, err := compact(v)
	if err != nil {
		return err.Error(), true
	}
	return s, false
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// lastCommits is how many commits are looked at.
const lastCommits = 10

// work is what one author did.
type work struct {
	Commits   int `json:"commits"`
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
}

// perAuthor sums up commits.
func perAuthor(all []commit) map[string]work {
	out := map[string]work{}
	for _, c := range all {
		w := out[c.Author.Login]
		out[c.Author.Login] = work{w.Commits + 1, w.Additions + c.Stats.Additions, w.Deletions + c.Stats.Deletions}
	}
	return out
}

func commitsTask() *task {
	return &task{
		name: "T2", title: "10 commits: authors and their changes",
		ask:     fmt.Sprintf("Who wrote the last %d commits of %s/%s, and how many lines did each author add and delete in them?", lastCommits, owner, repository),
		toolset: "repository", query: "list commits of a branch, get details of a commit", tools: []string{"github.list_commits", "github.get_commit"},
		script: "commits", mistake: "exception",
		calls: commitCalls,
		say: sentence(func(all map[string]work) string {
			var b strings.Builder
			for _, login := range slices.Sorted(maps.Keys(all)) {
				w := all[login]
				fmt.Fprintf(&b, "- %s: %d commits, +%d -%d lines\n", login, w.Commits, w.Additions, w.Deletions)
			}
			return b.String()
		}),
		want: func(_ *fixtures, h *hub) string {
			text, _ := text(perAuthor(h.commits[:lastCommits]))
			return text
		},
		check: func(*fixtures) error { return nil },
	}
}

// commitCalls asks for no more of the list than it needs.
func commitCalls(_ *fixtures, do doer) (any, error) {
	in := map[string]any{"owner": owner, "repo": repository, "perPage": lastCommits, "fields": []string{"sha"}}
	text, err := one(do, call{"github", "list_commits", in})
	if err != nil {
		return nil, err
	}
	var list []commit
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	var batch []call
	for _, c := range list {
		batch = append(batch, call{"github", "get_commit", map[string]any{"owner": owner, "repo": repository, "sha": c.SHA}})
	}
	texts, err := do(batch...)
	if err != nil {
		return nil, err
	}
	all := make([]commit, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &all[i]); err != nil {
			return nil, err
		}
	}
	return perAuthor(all), nil
}

type size struct {
	Entities  int `json:"entities"`
	Relations int `json:"relations"`
}

// graphOf is what the graph should hold of people.
func graphOf(all []person) *graph {
	g, teams := &graph{}, map[string]bool{}
	for _, p := range all {
		g.Entities = append(g.Entities, entity{p.name, "person", []string{p.role}})
		g.Relations = append(g.Relations, relation{p.name, p.team, "works in"})
		teams[p.team] = true
	}
	for _, team := range slices.Sorted(maps.Keys(teams)) {
		g.Entities = append(g.Entities, entity{team, "team", []string{}})
	}
	return g
}

func peopleTask() *task {
	return &task{
		name: "T3", title: "CSV of 30 people: knowledge graph",
		ask: "Add the people of people.csv (name,role,team) to the knowledge graph: entities of type person, with the role as observation, and of type team, " +
			"without observations, and relations \"works in\" between them. How many entities and relations has the graph then?",
		toolset: "graph", query: "read text file, create entities and relations, read graph",
		tools:  []string{"filesystem.read_text_file", "memory.create_entities", "memory.create_relations", "memory.read_graph"},
		script: "people", mistake: "tool_error",
		calls: peopleCalls,
		say: sentence(func(s size) string {
			return fmt.Sprintf("The knowledge graph now has %d entities and %d relations.", s.Entities, s.Relations)
		}),
		want: func(f *fixtures, _ *hub) string {
			g := graphOf(f.people)
			return fmt.Sprintf(`{"entities":%d,"relations":%d}`, len(g.Entities)+1, len(g.Relations)) // one was there before
		},
		check: func(f *fixtures) error {
			got, err := f.graphNow()
			if err != nil {
				return err
			}
			got.Entities = slices.DeleteFunc(got.Entities, func(e entity) bool { return e.EntityType == "place" })
			if want := graphOf(f.people); !reflect.DeepEqual(got, want) {
				return fmt.Errorf("the graph is\n%+v\nand not\n%+v", got, want)
			}
			return nil
		},
	}
}

func peopleCalls(_ *fixtures, do doer) (any, error) {
	csv, err := one(do, call{"filesystem", "read_text_file", map[string]any{"path": "people.csv"}})
	if err != nil {
		return nil, err
	}
	var all []person
	for line := range lines(csv) {
		if cells := strings.Split(line, ","); cells[0] != "name" {
			all = append(all, person{cells[0], cells[1], cells[2]})
		}
	}
	g := graphOf(all)
	if _, err := do(call{"memory", "create_entities", map[string]any{"entities": g.Entities}}); err != nil {
		return nil, err
	}
	if _, err := do(call{"memory", "create_relations", map[string]any{"relations": g.Relations}}); err != nil {
		return nil, err
	}
	text, err := one(do, call{"memory", "read_graph", map[string]any{}})
	if err != nil {
		return nil, err
	}
	var now graph
	err = json.Unmarshal([]byte(text), &now)
	return size{len(now.Entities), len(now.Relations)}, err
}

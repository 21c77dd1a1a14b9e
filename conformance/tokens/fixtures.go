// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The sizes of the tasks.
const (
	logFiles, logLines = 20, 130
	documents          = 15
	people             = 30
)

// fixtures are the files that the filesystem server shows, and the graph of the memory server, the same every time.
type fixtures struct {
	dir   string // of files
	graph string // file of the graph

	errors    []int // by log file
	documents []document
	people    []person
}

type document struct {
	title   string
	words   int
	size    int
	changed time.Time
}

type person struct{ name, role, team string }

// random is a source of numbers that is the same every time.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2025)) }

func newFixtures(dir string) *fixtures {
	return &fixtures{dir: filepath.Join(dir, "files"), graph: filepath.Join(dir, "graph.jsonl")}
}

// reset writes everything anew, and takes away what tasks have left.
func (f *fixtures) reset() error {
	f.errors, f.documents, f.people = nil, nil, nil
	for _, old := range []string{outErrors, outIndex} {
		if err := os.RemoveAll(filepath.Join(f.dir, old)); err != nil {
			return err
		}
	}
	for _, sub := range []string{"logs", "docs"} {
		if err := os.MkdirAll(filepath.Join(f.dir, sub), 0o700); err != nil {
			return err
		}
	}
	for _, write := range []func() error{f.logs, f.docs, f.csv, f.seed} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func (f *fixtures) write(name, text string) error {
	return os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600)
}

// logName is the i-th log, from 0.
func logName(i int) string { return fmt.Sprintf("app-%02d.log", i+1) }

// logs are of a service that fails now and then.
func (f *fixtures) logs() error {
	r := random(1)
	services := []string{"billing", "checkout", "catalog", "sessions", "search"}
	routes := []string{"/v1/orders", "/v1/carts", "/v1/items", "/v1/login", "/v1/invoices"}
	for i := range logFiles {
		var b strings.Builder
		at := time.Date(2025, 11, 1+i, 8, 0, 0, 0, time.UTC)
		count := 0
		for range logLines {
			at = at.Add(time.Duration(r.IntN(90_000)) * time.Millisecond)
			service, route, id := services[r.IntN(5)], routes[r.IntN(5)], r.IntN(1_000_000)
			level, text := "INFO", fmt.Sprintf("GET %s/%06d answered 200 in %d ms", route, id, r.IntN(400))
			switch n := r.IntN(20); {
			case n == 0:
				level, text = "ERROR", fmt.Sprintf("POST %s/%06d failed: upstream timed out after %d ms", route, id, 1000+r.IntN(4000))
				count++
			case n < 4:
				level, text = "WARN", fmt.Sprintf("GET %s/%06d was slow: %d ms", route, id, 400+r.IntN(600))
			}
			fmt.Fprintf(&b, "%s %-5s [%s] %s\n", at.Format("2006-01-02T15:04:05.000Z"), level, service, text)
		}
		f.errors = append(f.errors, count)
		if err := f.write(filepath.Join("logs", logName(i)), b.String()); err != nil {
			return err
		}
	}
	return nil
}

// docName is the i-th document, from 0.
func docName(i int) string { return fmt.Sprintf("doc-%02d.md", i+1) }

// docs are of a few hundred words each.
func (f *fixtures) docs() error {
	r := random(2)
	words := strings.Fields("the gateway keeps a record of every call and gives each team its own budget so that nobody waits for a report when costs " +
		"rise while servers behind it are started slowly restarted often and replaced without any client that would notice more than a pause")
	subjects := strings.Fields("Backups Budgets Certificates Deployments Incidents Invoices Keys Migrations Monitoring Onboarding Releases Retention Roles Scaling Tracing")
	for i := range documents {
		title := "Guide to " + subjects[i]
		var b strings.Builder
		b.WriteString("# " + title + "\n")
		for range 3 + r.IntN(3) {
			b.WriteString("\n")
			for j := range 40 + r.IntN(30) {
				if j > 0 {
					b.WriteString(" ")
				}
				b.WriteString(words[r.IntN(len(words))])
			}
			b.WriteString(".\n")
		}
		d := document{title, len(strings.Fields(b.String())), b.Len(), time.Date(2025, 3, 1+r.IntN(200), 12, 0, 0, 0, time.UTC)}
		f.documents = append(f.documents, d)
		name := filepath.Join("docs", docName(i))
		if err := f.write(name, b.String()); err != nil {
			return err
		}
		if err := os.Chtimes(filepath.Join(f.dir, name), d.changed, d.changed); err != nil {
			return err
		}
	}
	return nil
}

// csv is who works in which team.
func (f *fixtures) csv() error {
	r := random(3)
	first := strings.Fields("Ada Alan Barbara Claude Donald Edsger Frances Grace Hedy Ivan Jean Katherine Leslie Margaret Niklaus")
	last := strings.Fields("Berg Costa Diaz Eriksen Fofana Greco Haas Ito Jansen Kaya")
	roles, teams := strings.Fields("engineer designer analyst manager"), strings.Fields("Payments Platform Search Support")
	var b strings.Builder
	b.WriteString("name,role,team\n")
	for i := range people {
		p := person{first[i%15] + " " + last[(i*7+i/15)%10], roles[r.IntN(4)], teams[r.IntN(4)]}
		f.people = append(f.people, p)
		fmt.Fprintf(&b, "%s,%s,%s\n", p.name, p.role, p.team)
	}
	return f.write("people.csv", b.String())
}

// seed is what the graph holds before.
func (f *fixtures) seed() error {
	return os.WriteFile(f.graph, []byte(`{"type":"entity","name":"Headquarters","entityType":"place","observations":["in Lisbon"]}`+"\n"), 0o600)
}

// graphNow is what the graph holds.
func (f *fixtures) graphNow() (*graph, error) {
	raw, err := os.ReadFile(f.graph)
	if err != nil {
		return nil, err
	}
	g := &graph{}
	for line := range strings.Lines(string(raw)) {
		var kind struct{ Type string }
		if err := json.Unmarshal([]byte(line), &kind); err != nil {
			return nil, err
		}
		var e entity
		var r relation
		switch kind.Type {
		case "entity":
			err = json.Unmarshal([]byte(line), &e)
			g.Entities = append(g.Entities, e)
		case "relation":
			err = json.Unmarshal([]byte(line), &r)
			g.Relations = append(g.Relations, r)
		}
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

// graph is as the memory server has it.
type graph struct {
	Entities  []entity   `json:"entities"`
	Relations []relation `json:"relations"`
}

type entity struct {
	Name         string   `json:"name"`
	EntityType   string   `json:"entityType"`
	Observations []string `json:"observations"`
}

type relation struct {
	From         string `json:"from"`
	To           string `json:"to"`
	RelationType string `json:"relationType"`
}

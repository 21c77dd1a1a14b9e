// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

//go:embed docs/*.md
var docs embed.FS

const libraryURI = "library://docs/"

// document is one text of the library.
type document struct {
	name, title, text string
	words             map[string]int
	length            int
}

type library struct{ docs []document }

// Library connects to a server of documents: the tools search and read, every document as a resource, a resource
// template, and a prompt.
func Library(context.Context) (io.ReadWriteCloser, error) {
	l, err := openLibrary()
	if err != nil {
		return nil, err
	}
	return serve(l.server())
}

func openLibrary() (*library, error) {
	names, err := fs.Glob(docs, "docs/*.md")
	if err != nil {
		return nil, err
	}
	l := &library{}
	for _, n := range names {
		text, err := fs.ReadFile(docs, n)
		if err != nil {
			return nil, err
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		d := document{name: strings.TrimSuffix(path.Base(n), ".md"), title: title, text: string(text), words: map[string]int{}}
		for _, w := range split(d.text) {
			d.words[w]++
			d.length++
		}
		l.docs = append(l.docs, d)
	}
	return l, nil
}

func (l *library) server() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "library", Title: "Document library", Version: "1"}, &mcp.ServerOptions{
		Instructions:      "A small company handbook. Search first, then read the documents you need.",
		Capabilities:      &mcp.ServerCapabilities{},
		CompletionHandler: l.complete,
	})
	mcp.AddTool(s, &mcp.Tool{Name: "search", Description: "Find documents by words. The best match comes first.", Annotations: readOnly("Search documents")}, l.search)
	mcp.AddTool(s, &mcp.Tool{Name: "read", Description: "Read one document by its name, as search gives it.", Annotations: readOnly("Read a document")}, l.readTool)
	for _, d := range l.docs {
		s.AddResource(&mcp.Resource{URI: libraryURI + d.name, Name: d.name, Title: d.title, MIMEType: "text/markdown", Size: int64(len(d.text))}, l.resource)
	}
	s.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: libraryURI + "{name}", Name: "document", Title: "A document by name", MIMEType: "text/markdown"}, l.resource)
	s.AddPrompt(&mcp.Prompt{
		Name: "summarize", Title: "Summarize a document",
		Arguments: []*mcp.PromptArgument{{Name: "name", Description: "name of the document", Required: true}},
	}, l.prompt)
	return s
}

type searchIn struct {
	Query string `json:"query" jsonschema:"words to look for"`
	Limit int    `json:"limit,omitempty" jsonschema:"most results to return; 5 when absent"`
}

type hit struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Score   float64 `json:"score"`
	Snippet string  `json:"snippet"`
}

type searchOut struct {
	Hits []hit `json:"hits"`
}

// search ranks by BM25.
func (l *library) search(_ context.Context, _ *mcp.CallToolRequest, in searchIn) (*mcp.CallToolResult, searchOut, error) {
	query := split(in.Query)
	if len(query) == 0 {
		return nil, searchOut{}, fmt.Errorf("the query has no words in it")
	}
	out := searchOut{Hits: []hit{}}
	for i := range l.docs {
		if score := l.score(&l.docs[i], query); score > 0 {
			out.Hits = append(out.Hits, hit{l.docs[i].name, l.docs[i].title, math.Round(score*1000) / 1000, snippet(l.docs[i].text, query)})
		}
	}
	slices.SortStableFunc(out.Hits, func(a, b hit) int { return cmp.Compare(b.Score, a.Score) })
	limit := in.Limit
	if limit <= 0 {
		limit = 5
	}
	out.Hits = out.Hits[:min(limit, len(out.Hits))]
	return nil, out, nil
}

func (l *library) score(d *document, query []string) float64 {
	const k, b = 1.2, 0.75
	total := 0
	for i := range l.docs {
		total += l.docs[i].length
	}
	average := float64(total) / float64(len(l.docs))
	sum := 0.0
	for _, w := range query {
		with := 0
		for i := range l.docs {
			if l.docs[i].words[w] > 0 {
				with++
			}
		}
		n := float64(d.words[w])
		idf := math.Log(1 + (float64(len(l.docs)-with)+0.5)/(float64(with)+0.5))
		sum += idf * n * (k + 1) / (n + k*(1-b+b*float64(d.length)/average))
	}
	return sum
}

// snippet is the line with the most query words.
func snippet(text string, query []string) string {
	best, most := "", -1
	for line := range strings.Lines(text) {
		n := 0
		for _, w := range split(line) {
			if slices.Contains(query, w) {
				n++
			}
		}
		if n > most {
			best, most = strings.TrimSpace(line), n
		}
	}
	return best
}

func split(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func (l *library) find(name string) (*document, error) {
	for i := range l.docs {
		if l.docs[i].name == name {
			return &l.docs[i], nil
		}
	}
	return nil, fmt.Errorf("there is no document %q; search finds the names", name)
}

type readIn struct {
	Name string `json:"name" jsonschema:"name of the document"`
}

func (l *library) readTool(_ context.Context, _ *mcp.CallToolRequest, in readIn) (*mcp.CallToolResult, any, error) {
	d, err := l.find(in.Name)
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: d.text}}}, nil, nil
}

func (l *library) resource(_ context.Context, r *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	d, err := l.find(strings.TrimPrefix(r.Params.URI, libraryURI))
	if err != nil {
		return nil, mcp.ResourceNotFoundError(r.Params.URI)
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: r.Params.URI, MIMEType: "text/markdown", Text: d.text}}}, nil
}

func (l *library) prompt(_ context.Context, r *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	d, err := l.find(r.Params.Arguments["name"])
	if err != nil {
		return nil, err
	}
	return &mcp.GetPromptResult{
		Description: "Summarize " + d.title,
		Messages:    []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: "Summarize this document in three sentences:\n\n" + d.text}}},
	}, nil
}

// complete offers the names of documents that begin as typed.
func (l *library) complete(_ context.Context, r *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	out := &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{}}}
	for _, d := range l.docs {
		if r.Params.Argument.Name == "name" && strings.HasPrefix(d.name, r.Params.Argument.Value) {
			out.Completion.Values = append(out.Completion.Values, d.name)
		}
	}
	out.Completion.Total = len(out.Completion.Values)
	return out, nil
}

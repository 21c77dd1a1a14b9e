// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tollgate/aggregator/rest"
)

// contract is the OpenAPI document, read once.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex // guards compiler
}

// readContract takes the document at its word: an answer has no member that it does not name.
func readContract() (*contract, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(rest.Document()))
	if err != nil {
		return nil, err
	}
	c := &contract{doc: v.(map[string]any), compiler: jsonschema.NewCompiler()}
	for name, schema := range c.at("components", "schemas").(map[string]any) {
		if !strings.HasSuffix(name, "Request") && !strings.HasSuffix(name, "Call") {
			closed(schema)
		}
	}
	c.compiler.AssertFormat()
	return c, c.compiler.AddResource("openapi.json", v)
}

func closed(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			closed(e)
		}
	case map[string]any:
		if _, said := v["additionalProperties"]; v["type"] == "object" && !said {
			v["additionalProperties"] = false
		}
		for _, e := range v {
			closed(e)
		}
	}
}

func (c *contract) at(path ...string) any {
	var v any = c.doc
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// template is the path of the document that serves path.
func (c *contract) template(path string) string {
	if strings.HasPrefix(path, "/v1/audit/") {
		return "/v1/audit/{id}"
	}
	return path
}

func (c *contract) validate(pointer, body string) error {
	c.mu.Lock()
	schema, err := c.compiler.Compile("openapi.json#" + pointer)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

func pointer(path ...string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// keepsContract fails the test unless the document has this answer to this request.
func keepsContract(t testing.TB, method, path, sent string, a *answer) {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %s: headers %v", method, path, a.header)
	}
	if method == http.MethodHead {
		if a.body != "" {
			t.Errorf("HEAD %s has a body: %s", path, a.body)
		}
		return
	}
	at := []string{"paths", c.template(path), strings.ToLower(method), "responses", strconv.Itoa(a.status)}
	switch response, _ := c.at(at...).(map[string]any); {
	case c.at(at[:3]...) == nil: // no operation: errors only
		at = []string{"components", "responses", "NotFound"}
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: status %d of something that the document does not have", method, path, a.status)
		}
	case response == nil:
		t.Errorf("%s %s: the document does not have the status %d: %s", method, path, a.status, a.body)
		return
	case response["$ref"] != nil:
		at = strings.Split(strings.TrimPrefix(response["$ref"].(string), "#/"), "/")
	}
	if err := c.validate(pointer(append(at, "content", kind, "schema")...), a.body); err != nil {
		t.Errorf("%s %s: %d %s: %v", method, path, a.status, a.body, err)
	}
	if path == execute && a.status == http.StatusOK {
		if err := c.validate("/components/schemas/ExecuteRequest", sent); err != nil {
			t.Errorf("a body was accepted that the document does not have: %s: %v", sent, err)
		}
	}
}

// TestDocumentHasRoutes: the document and the routes have the same paths, methods and parameters.
func TestDocumentHasRoutes(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	var written, served []string
	for path, item := range c.at("paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			var query []string
			list, _ := op.(map[string]any)["parameters"].([]any)
			for _, p := range list {
				if p := p.(map[string]any); p["in"] == "query" {
					query = append(query, p["name"].(string))
				}
			}
			slices.Sort(query)
			written = append(written, fmt.Sprint(strings.ToUpper(method), " ", path, " ", query))
		}
	}
	for _, r := range rest.Routes() {
		query := slices.Sorted(slices.Values(r.Query))
		served = append(served, fmt.Sprint(r.Method, " ", r.Pattern, " ", query))
	}
	slices.Sort(written)
	slices.Sort(served)
	if !slices.Equal(written, served) {
		t.Errorf("documented:\n%s\nserved:\n%s", strings.Join(written, "\n"), strings.Join(served, "\n"))
	}
}

// TestDocumentIsServed: anybody may read it.
func TestDocumentIsServed(t *testing.T) {
	s := start(t, nil)
	if a := s.get(t, "", "/v1/openapi.json"); a.status != http.StatusOK || a.body != string(rest.Document()) || a.member("openapi") != "3.1.0" {
		t.Errorf("got %d, %d bytes", a.status, len(a.body))
	}
}

// TestExamplesKeepContract: the schemas say no to what is none of ours, so that the other tests can fail.
func TestExamplesKeepContract(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	for schema, bodies := range map[string][]string{
		"Error":          {`{"error":"Access Denied"}`, `{"error":"Nope","message":"m"}`, `{"error":"Access Denied","message":"m","secret":1}`},
		"ExecuteRequest": {`{}`, `{"tool":1}`, `{"tool":"a","tool_name":"b"}`, `{"tool_calls":[]}`, `{"tool":"a","argumnets":{}}`},
		"ExecuteAnswer":  {`{"success":true}`, `{"success":false,"data":1,"result":{},"cost":"$0.00"}`},
		"Costs":          {`{"total_cost":12.55}`},
	} {
		for _, body := range bodies {
			if err := c.validate("/components/schemas/"+schema, body); err == nil {
				t.Errorf("%s takes %s", schema, body)
			}
		}
	}
}

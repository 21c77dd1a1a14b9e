// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"encoding/json"
	"net/http"
	"strings"
)

// MetadataPath is where the metadata of the protected resource is (RFC 9728 §3); the path of the endpoint follows it.
const MetadataPath = "/.well-known/oauth-protected-resource"

// The path of the endpoint as the edge serves it.
const endpointPath = "/mcp"

// resourceMetadata is the document of RFC 9728 §2.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Name                 string   `json:"resource_name"`
}

// metadataURL is where the metadata of the endpoint is, or of one of its toolsets.
func (s *resourceServer) metadataURL(toolset string) string { return withToolset(s.metadata, toolset) }

func withToolset(address, toolset string) string {
	if toolset == "" {
		return address
	}
	return address + "/" + toolset
}

// toolsetOf is the toolset that the path of r names, "" for none. Whether there is one of this name is not its business.
func toolsetOf(r *http.Request) string {
	if r == nil || r.URL == nil {
		return ""
	}
	return toolsetIn(r.URL.Path, endpointPath)
}

// toolsetIn is the toolset in a path that goes on after base.
func toolsetIn(path, base string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path, "/"), base+"/")
	if !validToolset(name) {
		return ""
	}
	return name
}

func validToolset(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// ServeMetadata serves the metadata of the protected resource at [MetadataPath] and the paths below it, to anybody: a
// client reads it to find out where to get a token. Where no access tokens are accepted it is not found.
func (a *Authenticator) ServeMetadata(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), MetadataPath)
	if a.oauth == nil || !ok {
		http.NotFound(w, r)
		return
	}
	toolset := toolsetIn(path, endpointPath)
	own := strings.TrimPrefix(a.oauth.metadata, a.oauth.origin()+MetadataPath)
	if rest := strings.TrimSuffix(path, "/"+toolset); rest != "" && rest != endpointPath && rest != own {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*") // it holds no secret, and its readers send no credential
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "MCP-Protocol-Version")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "read the metadata with GET", http.StatusMethodNotAllowed)
		return
	}
	body, err := json.Marshal(a.oauth.document(toolset))
	if err != nil {
		http.Error(w, "the metadata cannot be written", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=300")
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a client that is gone is told nothing
	}
}

// origin is scheme and host of the endpoint.
func (s *resourceServer) origin() string {
	before, _, _ := strings.Cut(s.metadata, MetadataPath)
	return before
}

// document is the metadata of the endpoint or of a toolset, whose URL is a resource of its own: RFC 9728 §3.3 makes
// clients compare the resource with the URL that they call.
func (s *resourceServer) document(toolset string) *resourceMetadata {
	return &resourceMetadata{
		Resource: withToolset(s.resource, toolset), AuthorizationServers: s.servers, ScopesSupported: s.scopes,
		BearerMethods: []string{"header"}, Name: s.name,
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"strings"
)

// metadataURL is the client id that the suite expects of clients that have a metadata document. It is never fetched.
const metadataURL = "https://conformance-test.local/client-metadata.json"

// configure writes the configuration of a gateway in front of url: JSON, which is YAML too.
func configure(w io.Writer, url string) error {
	s, err := current()
	if err != nil {
		return err
	}
	up := map[string]any{"name": "suite", "url": url, "prefix": ""}
	if strings.HasPrefix(s.name, "auth/") {
		oauth := map[string]any{}
		switch {
		case s.context.ClientID != "" && s.context.ClientSecret != "":
			oauth["client_id"], oauth["client_secret"] = s.context.ClientID, s.context.ClientSecret
		default:
			oauth["client_metadata_url"] = metadataURL
		}
		if strings.HasPrefix(s.name, "auth/client-credentials") {
			oauth["grant"] = "client_credentials"
			oauth["client_id"], oauth["client_secret"] = s.context.ClientID, s.context.ClientSecret
			delete(oauth, "client_metadata_url")
			if s.context.ClientSecret == "" {
				oauth["client_secret"] = "none" // the scenario wants a signed assertion, which the gateway has not
			}
		}
		up["oauth"] = oauth
	}
	return json.NewEncoder(w).Encode(map[string]any{
		"version": 1, "anonymous": map[string]any{"role": "all"}, "upstreams": []any{up},
		"roles": map[string]any{"all": map[string]any{"allow": []string{"*"}}},
		"log":   map[string]any{"level": "debug"},
	})
}

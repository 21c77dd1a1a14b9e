// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"testing"

	"tollgate/upstream/wire"
)

func TestCarriesExtension(t *testing.T) {
	for id, want := range map[string]bool{
		TasksExtension: true, AppsExtension: true, "com.example/x": true,
		"io.modelcontextprotocol/oauth-client-credentials": false, "io.modelcontextprotocol/": false, "bare": false, "/x": false, "x/": false, "": false,
	} {
		if CarriesExtension(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

// TestTasksAreModern: what a client of an earlier revision says of tasks neither counts nor travels.
func TestTasksAreModern(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"extensions":{"io.modelcontextprotocol/tasks":{}}}`, `{}`},
		{`{"a":1, "extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"n":1.0}} }`, `{"a":1, "extensions":{"io.modelcontextprotocol/ui":{"n":1.0}} }`},
		{`{"extensions":{}}`, `{"extensions":{}}`},
		{`{"extensions":7}`, `{"extensions":7}`},
	} {
		if got := Capabilities(&Client{Revision: wire.R20251125, Capabilities: []byte(tt.in)}); string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.in, got, tt.want)
		}
		if got := Capabilities(&Client{Revision: wire.R20260728, Capabilities: []byte(tt.in)}); string(got) != tt.in {
			t.Errorf("modern %s: %s", tt.in, got)
		}
	}
	caps := []byte(`{"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":null}}`)
	modern, legacy := &Client{Revision: wire.R20260728, Capabilities: caps}, &Client{Revision: wire.R20251125, Capabilities: caps}
	if !modern.Declares(TasksExtension) || modern.Declares("x/y") || modern.Declares("x/z") || legacy.Declares(TasksExtension) {
		t.Error("Declares is wrong")
	}
}

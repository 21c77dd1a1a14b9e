// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

// snapshots are tools/list of real servers, as they were received.
//
//go:embed testdata/catalogs/*.json.gz
var snapshots embed.FS

// catalogNames are the servers of which there is a snapshot.
func catalogNames() ([]string, error) {
	entries, err := snapshots.ReadDir("testdata/catalogs")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json.gz"))
	}
	return names, nil
}

// catalog is the snapshot of one server.
func catalog(name string) ([]byte, error) {
	packed, err := snapshots.ReadFile(path.Join("testdata/catalogs", name+".json.gz"))
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("catalog of %s: %w", name, err)
	}
	return io.ReadAll(r)
}

// handler answers calls of the tools of one server; the text is JSON, or says what is wrong.
type handler func(tool string, arguments json.RawMessage) (text string, failed bool)

// listOnly is a server whose tools are there to be found by mistake.
func listOnly(tool string, _ json.RawMessage) (string, bool) {
	return tool + " is only listed here", true
}

// servers serves MCP of 2025-11-25, each server at its name, with its snapshot byte for byte.
type servers struct {
	url    string
	server *http.Server
	done   chan error
}

func serve(handlers map[string]handler) (*servers, error) {
	mux := http.NewServeMux()
	for name, h := range handlers {
		listed, err := catalog(name)
		if err != nil {
			return nil, err
		}
		var line bytes.Buffer // a snapshot has lines, a message of a stream must not
		if err := json.Compact(&line, listed); err != nil {
			return nil, fmt.Errorf("catalog of %s: %w", name, err)
		}
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { answer(w, r, name, line.Bytes(), h) })
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &servers{url: "http://" + l.Addr().String(), server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, done: make(chan error, 1)}
	go func() { s.done <- s.server.Serve(l) }()
	return s, nil
}

func (s *servers) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		return s.server.Close()
	}
	return nil
}

// answer answers one message.
func answer(w http.ResponseWriter, r *http.Request, name string, listed []byte, h handler) {
	var m struct {
		ID     json.RawMessage
		Method string
		Params struct {
			Name      string
			Arguments json.RawMessage
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(m.ID) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	out := map[string]any{"jsonrpc": "2.0", "id": m.ID}
	switch m.Method {
	case "initialize":
		out["result"] = map[string]any{
			"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}},
			"serverInfo": map[string]any{"name": name, "version": "1"},
		}
	case "ping":
		out["result"] = map[string]any{}
	case "tools/list":
		out["result"] = json.RawMessage(listed)
	case "tools/call":
		text, failed := h(m.Params.Name, m.Params.Arguments)
		out["result"] = map[string]any{"content": []any{map[string]any{"type": "text", "text": text}}, "isError": failed}
	default:
		out["error"] = map[string]any{"code": -32601, "message": "Method not found"}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second) // the suite gives up after 30
	defer cancel()
	switch {
	case len(args) == 2 && args[0] == "-browse":
		return browse(ctx, args[1])
	case len(args) == 2 && args[0] == "-config":
		return configure(os.Stdout, args[1])
	case len(args) == 1:
		return drive(ctx, args[0])
	}
	return errors.New("usage: driver [-browse | -config] URL")
}

// browse is a browser that is logged in everywhere and consents to everything.
func browse(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// scenario is what the suite says about the one it runs.
type scenario struct {
	name, revision string
	context        struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		ToolCalls    []struct {
			Name      string         `json:"name"`
			Arguments map[string]any `json:"arguments"`
		} `json:"toolCalls"`
	}
}

func current() (*scenario, error) {
	s := &scenario{name: os.Getenv("MCP_CONFORMANCE_SCENARIO"), revision: os.Getenv("MCP_CONFORMANCE_PROTOCOL_VERSION")}
	if s.name == "" {
		return nil, errors.New("MCP_CONFORMANCE_SCENARIO is not set")
	}
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &s.context); err != nil {
			return nil, fmt.Errorf("MCP_CONFORMANCE_CONTEXT: %w", err)
		}
	}
	return s, nil
}

// connect opens a session at the revision of the scenario. answer is what every elicitation is answered with; nil = the
// client takes none.
func connect(ctx context.Context, url string, s *scenario, answer map[string]any) (*mcp.ClientSession, error) {
	o := &mcp.ClientOptions{}
	if answer != nil {
		o.ElicitationHandler = func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: answer}, nil
		}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "tollgate-driver", Version: "1"}, o)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, DisableStandaloneSSE: true},
		&mcp.ClientSessionOptions{ProtocolVersion: s.revision})
	if err != nil {
		return nil, fmt.Errorf("connecting to the gateway: %w", err)
	}
	return session, nil
}

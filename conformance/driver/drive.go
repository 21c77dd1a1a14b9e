// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// drive runs the scenario of the environment against the gateway at url.
func drive(ctx context.Context, url string) error {
	s, err := current()
	if err != nil {
		return err
	}
	var answer map[string]any
	switch s.name {
	case "elicitation-sep1034-client-defaults":
		answer = map[string]any{}
	case "sep-2322-client-request-state":
		answer = map[string]any{"confirmed": true}
	}
	session, err := connect(ctx, url, s, answer)
	if err != nil {
		return err
	}
	defer session.Close()
	tools, err := session.ListTools(ctx, nil)
	if err != nil {
		return fmt.Errorf("tools/list: %w", err)
	}
	switch {
	case strings.HasPrefix(s.name, "auth/"):
		return call(ctx, session, "test-tool", nil)
	case s.name == "tools_call":
		return call(ctx, session, "add_numbers", map[string]any{"a": 5, "b": 3})
	case s.name == "sse-retry":
		return call(ctx, session, "test_reconnection", nil)
	case s.name == "elicitation-sep1034-client-defaults":
		return call(ctx, session, "test_client_elicitation_defaults", nil)
	case s.name == "sep-2322-client-request-state":
		for _, name := range []string{"test_mrtr_echo_state", "test_mrtr_no_state", "test_mrtr_unrelated", "test_mrtr_no_result_type"} {
			try(call(ctx, session, name, nil))
		}
	case s.name == "http-custom-headers":
		for _, c := range s.context.ToolCalls {
			try(call(ctx, session, c.Name, c.Arguments))
		}
	case s.name == "http-invalid-tool-headers":
		for _, tool := range tools.Tools {
			try(call(ctx, session, tool.Name, map[string]any{"region": "us-west1"}))
		}
	case s.name == "http-standard-headers":
		everything(ctx, session, tools.Tools)
	case s.name == "json-schema-2020-12-preservation":
		return echoSchema(ctx, session, tools.Tools)
	}
	return nil // the others are about how the gateway connects and lists
}

func call(ctx context.Context, session *mcp.ClientSession, name string, arguments map[string]any) error {
	if arguments == nil {
		arguments = map[string]any{}
	}
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments}); err != nil {
		return fmt.Errorf("tools/call %s: %w", name, err)
	}
	return nil
}

// try reports an error that the scenario may be about.
func try(err error) {
	if err != nil {
		log.Print(err)
	}
}

// everything uses the first item of each kind.
func everything(ctx context.Context, session *mcp.ClientSession, tools []*mcp.Tool) {
	if len(tools) > 0 {
		try(call(ctx, session, tools[0].Name, nil))
	}
	if list, err := session.ListResources(ctx, nil); err == nil && len(list.Resources) > 0 {
		_, err = session.ReadResource(ctx, &mcp.ReadResourceParams{URI: list.Resources[0].URI})
		try(err)
	}
	if list, err := session.ListPrompts(ctx, nil); err == nil && len(list.Prompts) > 0 {
		_, err = session.GetPrompt(ctx, &mcp.GetPromptParams{Name: list.Prompts[0].Name, Arguments: map[string]string{}})
		try(err)
	}
}

// echoSchema sends the schema of one tool back through another.
func echoSchema(ctx context.Context, session *mcp.ClientSession, tools []*mcp.Tool) error {
	for _, tool := range tools {
		if tool.Name == "json_schema_2020_12_tool" {
			return call(ctx, session, "json_schema_echo", map[string]any{"schema": tool.InputSchema})
		}
	}
	return fmt.Errorf("no tool json_schema_2020_12_tool")
}

// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"io"
	"net"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// serve runs s on one end of a pipe and returns the other.
func serve(s *mcp.Server) (io.ReadWriteCloser, error) {
	near, far := net.Pipe()
	go func() {
		// The server ends when the gateway closes its end; that is the only way, and no failure.
		_ = s.Run(context.Background(), &mcp.IOTransport{Reader: far, Writer: far})
		_ = far.Close()
	}()
	return near, nil
}

// readOnly are the annotations of a tool that changes nothing.
func readOnly(title string) *mcp.ToolAnnotations {
	closed := false
	return &mcp.ToolAnnotations{Title: title, ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &closed}
}

// writes are the annotations of a tool that changes the database.
func writes(title string, destroys bool) *mcp.ToolAnnotations {
	closed := false
	return &mcp.ToolAnnotations{Title: title, DestructiveHint: &destroys, OpenWorldHint: &closed}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// localServer serves a handler to this process only, over in-memory connections.
type localServer struct {
	server *http.Server
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
	done   chan error
}

func newLocalServer(h http.Handler) *localServer {
	s := &localServer{server: &http.Server{Handler: h}, conns: make(chan net.Conn), closed: make(chan struct{}), done: make(chan error, 1)}
	go func() { s.done <- s.server.Serve(s) }()
	return s
}

func (s *localServer) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.conns <- far:
		return near, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make it the server's listener.
func (s *localServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (s *localServer) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Addr implements [net.Listener].
func (s *localServer) Addr() net.Addr { return &net.UnixAddr{Name: "local", Net: "unix"} }

func (s *localServer) close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

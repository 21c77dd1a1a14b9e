// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tollgate/aggregator/auth"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/store"
)

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve MCP over HTTP",
		Long: `Serve every configured upstream at one streamable HTTP endpoint, for clients of both protocol generations.

Without a configuration file, serve starts a demo: two embedded MCP servers, three roles, and API keys that are printed
once. SIGHUP or a change of the file reloads the configuration; a mistake in it leaves the running one in force. SIGINT
and SIGTERM stop accepting, let running calls finish (limits.drain) and end.

EXIT STATUS
  0  stopped by a signal   1  error   3  mistake in the configuration   4  mistake in a policy   5  state directory in use`,
		Example: "  tollgate serve\n  tollgate serve --config tollgate.yaml --listen 127.0.0.1:9090",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.serve(c.Context())
		},
	}
	c.Flags().StringVar(&a.listen, "listen", "", "address to listen on, instead of the configured one")
	c.Flags().StringVar(&a.browser, "oauth-browser", "", "command that opens the login page of an upstream, with the address appended ($"+browserVariable+")")
	return c
}

func (a *app) serve(ctx context.Context) error {
	p, err := a.plan()
	if err != nil {
		return err
	}
	if err := exposed(p.cfg); err != nil {
		return err
	}
	// The port first: nothing else should start when it is taken.
	listener, err := net.Listen("tcp", p.cfg.Listen)
	if err != nil {
		return &cli.Error{Code: cli.ExitError, Err: err, Hint: "choose another address with --listen or `listen:`"}
	}
	defer listener.Close()
	g, err := openGateway(p, a.plan, a.stateDir(p), a.logger(p))
	if err != nil {
		return err
	}
	err = a.run(ctx, g, listener)
	return errors.Join(err, g.close(ctx))
}

// exposed refuses what the configuration check refuses too, for an address that came from the command line.
func exposed(cfg *config.Config) error {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("listen address %q: %w", cfg.Listen, err), Hint: "use HOST:PORT, for example 127.0.0.1:8080"}
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || (ip != nil && ip.IsLoopback())
	switch {
	case loopback || cfg.TLS != nil || cfg.BehindProxy || cfg.Insecure:
		if !loopback && cfg.Anonymous != nil {
			return &cli.Error{Code: cli.ExitConfig, Err: errors.New("anonymous access is for loopback addresses only"), Hint: "remove `anonymous:` or listen on 127.0.0.1"}
		}
		return nil
	}
	return &cli.Error{Code: cli.ExitConfig, Err: fmt.Errorf("listening on %s without TLS would send API keys in the clear", cfg.Listen),
		Hint: "set `tls:`, or `behind_proxy: true` with public_url, or `insecure: true`"}
}

// run serves until ctx ends, then drains.
func (a *app) run(ctx context.Context, g *gateway, listener net.Listener) error {
	p := g.current()
	if err := g.authenticate(p.cfg); err != nil {
		return err
	}
	endpoint := endpointURL(p.cfg, listener.Addr())
	g.mu.Lock()
	g.url = endpoint
	g.mu.Unlock()
	guard := guardOptions(p.cfg, listener.Addr())
	if err := guard.Check(); err != nil {
		return cli.WithCode(err, cli.ExitConfig)
	}
	socket, err := store.Listen(a.stateDir(p))
	if err != nil {
		return fmt.Errorf("opening the control socket: %w", err)
	}
	api, err := g.restServer()
	if err != nil {
		return err
	}
	operator := &http.Server{Handler: control.Handler(g), ReadHeaderTimeout: 10 * time.Second}
	server := &http.Server{
		Handler:           bodyDeadline(auth.HostGuard(g.routes(api), guard), bodyTimeout),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: errorLog(g.log),
	}
	failed := make(chan error, 2)
	g.work.Go(func() { failed <- operator.Serve(socket) })
	g.work.Go(func() { failed <- g.serveTLS(server, listener, p.cfg.TLS) })
	stopWatch := a.watch(ctx, g)
	defer stopWatch()
	if err := a.greet(g, endpoint); err != nil {
		return errors.Join(err, shutdown(g, p.cfg.Limits.Drain, server, operator))
	}
	select {
	case <-ctx.Done():
		g.log.Info("stopping", "drain", p.cfg.Limits.Drain)
		err = nil
	case err = <-failed:
	}
	return errors.Join(err, shutdown(g, p.cfg.Limits.Drain, server, operator))
}

// bodyTimeout bounds reading a request body that no handler wants: a refused request is answered once its body is read.
// The edge has its own, which replaces this one.
const bodyTimeout = 10 * time.Second

// bodyDeadline keeps clients that announce a body and never send it from holding a connection. The server itself begins
// each request without a deadline.
func bodyDeadline(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit)) // a recorder has no deadlines
		}
		next.ServeHTTP(w, r)
	})
}

func (g *gateway) serveTLS(s *http.Server, l net.Listener, t *config.TLS) error {
	if t == nil {
		return s.Serve(l)
	}
	s.TLSConfig = g.tlsConfig()
	return s.ServeTLS(l, t.Cert, t.Key)
}

// shutdown ends subscriptions, waits for running calls up to drain, and then cuts what is left.
func shutdown(g *gateway, drain time.Duration, servers ...*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	g.draining.Store(true)
	g.edge.Drain()
	done := make(chan error, len(servers))
	for _, s := range servers {
		go func() {
			err := s.Shutdown(ctx)
			if err != nil {
				g.log.Warn("calls were cut off after the drain time", "drain", drain)
				err = s.Close()
			}
			done <- err
		}()
	}
	// The servers do not wait for the connections of stdio clients.
	if err := g.edge.Drained(ctx); err != nil {
		g.log.Warn("calls of stdio clients were cut off after the drain time", "drain", drain)
	}
	var errs []error
	for range servers {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

// routes are the paths of the network listener.
func (g *gateway) routes(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", api)
	mux.Handle("/mcp", g.edge)
	mux.Handle("/mcp/", g.edge)
	metadata := func(w http.ResponseWriter, r *http.Request) { g.auth.Load().ServeMetadata(w, r) }
	mux.HandleFunc(auth.MetadataPath, metadata)
	mux.HandleFunc(auth.MetadataPath+"/", metadata)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if g.draining.Load() || !g.gate.Ready() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Tollgate. The MCP endpoint is /mcp.")
	})
	return mux
}

func guardOptions(cfg *config.Config, addr net.Addr) *auth.GuardOptions {
	o := &auth.GuardOptions{Hosts: slices.Clone(cfg.Hosts), Origins: cfg.Origins}
	if host, _, err := net.SplitHostPort(addr.String()); err == nil {
		if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
			o.Hosts = append(o.Hosts, host)
		}
	}
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		o.Hosts = append(o.Hosts, u.Host)
	}
	return o
}

func endpointURL(cfg *config.Config, addr net.Addr) string {
	if cfg.PublicURL != "" {
		u, err := url.Parse(cfg.PublicURL)
		if err == nil {
			return u.JoinPath("mcp").String()
		}
	}
	scheme := "http"
	if cfg.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + addr.String() + "/mcp"
}

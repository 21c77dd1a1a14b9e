// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/control"
	"tollgate/store"
)

func (a *app) stdioCommand() *cobra.Command {
	var who control.StdioClient
	c := &cobra.Command{
		Use:   "stdio",
		Short: "Serve one MCP client over standard input and output",
		Long: `Serve one MCP client over standard input and output, as Claude Desktop and IDEs start it.

When a gateway is running on the same state directory, the client is attached to it; otherwise this process becomes the
gateway, and later ones attach to it. The caller's role comes from the configuration (stdio.role) or from --role.

EXIT STATUS
  0  the client closed its side   1  error   3  mistake in the configuration   4  mistake in a policy`,
		Example: "  tollgate stdio --config tollgate.yaml --role developer",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.stdio(c.Context(), &who) },
	}
	c.Flags().StringVar(&who.Role, "role", "", "role of the caller, instead of stdio.role")
	c.Flags().StringVar(&who.Subject, "subject", "", "name of the caller in logs, instead of stdio.subject")
	c.Flags().StringVar(&who.Toolset, "toolset", "", "serve this toolset only")
	return c
}

const (
	stdioTries = 5                     // how often a client is connected again, at least, to gateways that answer nothing
	stdioPause = 20 * time.Millisecond // between two of these: a gateway that ends lets clients in until its socket is closed
)

// stdio serves the client by whichever gateway there is: the one that runs on the state directory, or one made here. When
// it goes away, the client is moved to another and does not notice more than errors for what was under way.
func (a *app) stdio(ctx context.Context, who *control.StdioClient) error {
	p, err := a.plan()
	if err != nil {
		return err
	}
	if p.demo && who.Role == "" {
		who.Role = demoAdmin
	}
	r := newStdioRelay(ctx, a.streams.In, a.streams.Out, p.cfg.Limits.Drain)
	var patience time.Duration // a gateway that ends may need its drain time before it gives up the state directory
	var until time.Time
	for tries := 0; tries < stdioTries || time.Now().Before(until); tries++ {
		pipe, err := a.openPipe(ctx, p, who, patience)
		if err != nil {
			return err
		}
		answered, err := r.run(ctx, pipe)
		if !errors.Is(err, errGatewayGone) {
			return err
		}
		patience = p.cfg.Limits.Drain + closeTime
		if answered || until.IsZero() {
			tries, until = 0, time.Now().Add(patience)
			continue
		}
		select {
		case <-time.After(stdioPause):
		case <-ctx.Done(): // the next try ends by it
		}
	}
	return errGatewayGone
}

// openPipe attaches to the running gateway or becomes it. Between two tries another process may have become it, or ended;
// it tries at least stdioTries times and for patience.
func (a *app) openPipe(ctx context.Context, p *plan, who *control.StdioClient, patience time.Duration) (*control.Pipe, error) {
	dir := a.stateDir(p)
	client := control.NewClient(dialer(dir))
	until := time.Now().Add(patience)
	var err error
	for n := 0; n < stdioTries || time.Now().Before(until); n++ {
		var pipe *control.Pipe
		pipe, err = client.Stdio(ctx, who)
		if errors.Is(err, control.ErrNoAnswer) && ctx.Err() == nil {
			continue // it ended at this moment
		}
		if !errors.Is(err, store.ErrNotRunning) {
			return pipe, err
		}
		pipe, err = a.ownPipe(ctx, p, dir, who) // waits a moment for the state directory
		if _, locked := errors.AsType[*store.LockedError](err); !locked || ctx.Err() != nil {
			return pipe, err
		}
	}
	return nil, err
}

// ownPipe makes this process the gateway, for its own client and for those that attach while it is there.
func (a *app) ownPipe(ctx context.Context, p *plan, dir string, who *control.StdioClient) (*control.Pipe, error) {
	g, err := openGateway(p, a.plan, dir, a.logger(p))
	if err != nil {
		return nil, err
	}
	if err := g.CheckStdio(who); err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	socket, err := store.Listen(dir)
	if err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	operator := &http.Server{Handler: control.Handler(g), ErrorLog: errorLog(g.log)}
	g.work.Go(func() {
		if err := operator.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("the control socket failed", "error", err)
		}
	})
	stopWatch := a.watch(ctx, g)
	requestsR, requestsW := io.Pipe()
	answersR, answersW := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := g.Stdio(context.WithoutCancel(ctx), who, requestsR, answersW)
		served <- errors.Join(err, answersW.Close(), requestsR.Close())
	}()
	return &control.Pipe{Requests: requestsW, Answers: answersR, Close: func() error {
		_ = requestsW.Close() // io.Pipe never fails to close
		_ = answersR.Close()
		stopWatch()
		// Clients that attached get the answers to what is running and then move on.
		return errors.Join(<-served, shutdown(g, p.cfg.Limits.Drain, operator), g.close(ctx))
	}}, nil
}

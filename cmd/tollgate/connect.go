// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/edge"
	"tollgate/cmd/internal/cli"
	"tollgate/policy"
	"tollgate/upstream"
)

func (a *app) connectCommand() *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use:   "connect URL",
		Short: "Bridge standard input and output to a remote gateway",
		Long: `Serve one MCP client over standard input and output from a remote gateway or any other MCP server at URL. Client and
server may be of different protocol generations. The API key is read from $TOLLGATE_KEY or from --key-file; it is
never an argument, where other processes could see it.

EXIT STATUS
  0  the client closed its side   1  the remote end cannot be reached or refuses the key   2  wrong usage`,
		Example: "  TOLLGATE_KEY=tg_... tollgate connect https://mcp.example.com/mcp",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.connect(c.Context(), args[0], keyFile) },
	}
	c.Flags().StringVar(&keyFile, "key-file", "", "file that holds the API key")
	return c
}

// connect is a gateway of one upstream that shows everything: the remote end has decided what this caller sees.
func (a *app) connect(ctx context.Context, target, keyFile string) error {
	cfg, err := remoteConfig(target, keyFile)
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return cli.Usage("--log-level: %v", err)
		}
	}
	log := slog.New(slog.NewTextHandler(a.streams.Err, &slog.HandlerOptions{Level: level}))
	b, err := newRemote(cfg, log)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.reach(ctx, target); err != nil {
		return err
	}
	caller, err := auth.Stdio(&auth.StdioOptions{Roles: []string{"remote"}})
	if err != nil {
		return err
	}
	return b.edge.ServeStdio(ctx, a.streams.In, a.streams.Out, caller, "")
}

func remoteConfig(target, keyFile string) (*upstream.Config, error) {
	u, err := url.Parse(target)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("%q is no URL of an MCP endpoint", target), Hint: "for example https://mcp.example.com/mcp"}
	}
	token := os.Getenv("TOLLGATE_KEY")
	if keyFile != "" {
		b, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(b))
	}
	cfg := &upstream.Config{Name: "remote", URL: target, Timeout: time.Hour, Concurrency: 256}
	if token != "" {
		cfg.Headers = map[string]string{"Authorization": "Bearer " + token}
	}
	return cfg, nil
}

// remote is the bridge of one connect command.
type remote struct {
	set  *upstream.Set
	gate *aggregator.Gate
	edge *edge.Server
	work sync.WaitGroup
	stop context.CancelFunc

	refreshing sync.Mutex // held from reading the snapshot to having it in force: the newest read wins
}

func newRemote(cfg *upstream.Config, log *slog.Logger) (*remote, error) {
	changed := make(chan struct{}, 1)
	b := &remote{}
	b.set = upstream.NewSet(&upstream.Options{
		Log: log, ClientName: "tollgate", ClientVersion: version(),
		OnCatalog: func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		},
		OnEvent: func(e upstream.Event) { b.edge.Event(e) },
	})
	var err error
	b.gate, err = aggregator.New(&aggregator.Options{Upstreams: b.set, Ledger: aggregator.Unmetered{}, Log: log, ServerInfo: edge.Implementation(version()), StartWait: time.Minute})
	if err != nil {
		return nil, err
	}
	if b.edge, err = edge.New(&edge.Options{Gate: b.gate, Log: log, Version: version(), MaxBody: 16 << 20}); err != nil {
		return nil, err
	}
	if err := b.gate.Publish(aggregator.Rules{Decider: everything{}}); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.work.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				b.refresh()
			}
		}
	})
	b.set.Apply([]upstream.Config{*cfg})
	return b, nil
}

func (b *remote) refresh() {
	b.refreshing.Lock()
	defer b.refreshing.Unlock()
	for _, s := range b.set.Snapshots() {
		b.gate.Refresh([]catalog.Source{{Upstream: s.Upstream, PrefixSet: true, Snapshot: s}})
	}
}

// reach waits for the first answer of the remote end: a client should see why it cannot work, not an empty catalog.
func (b *remote) reach(ctx context.Context, target string) error {
	if err := b.set.Settled(ctx); err != nil {
		return err
	}
	s := b.set.Status()[0]
	if s.State == upstream.Failed {
		return &cli.Error{Code: cli.ExitError, Err: fmt.Errorf("%s: %s", target, s.Failure), Hint: "is the URL right, and is $TOLLGATE_KEY a valid key?"}
	}
	b.gate.Start(ctx, b.refresh)
	return nil
}

func (b *remote) close() error {
	b.stop()
	b.edge.Close()
	b.gate.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := b.set.Close(ctx)
	b.work.Wait()
	return errors.Join(err)
}

// everything allows everything: the decision was made at the remote end.
type everything struct{ aggregator.Unconditional }

func (everything) Class(*policy.Principal) string { return "" }
func (everything) Revision() string               { return "everything" }

func (everything) Access(_ context.Context, _ *policy.Principal, objects []policy.Object) ([]bool, error) {
	all := make([]bool, len(objects))
	for i := range all {
		all[i] = true
	}
	return all, nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/store"
)

// defaultConfig is read when it exists and --config is not given.
const defaultConfig = "tollgate.yaml"

// app is one run of the program.
type app struct {
	streams  *cli.Streams
	config   string // --config
	state    string // --state-dir
	logLevel string // --log-level
	listen   string // --listen of serve
	browser  string // --oauth-browser of serve
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tollgate",
		Short: "One MCP endpoint in front of all your MCP servers",
		Long: `Tollgate merges many MCP servers into one endpoint, shows each caller only what its roles allow, and passes every call
through one gate.

Try it:     tollgate serve                 (no configuration needed: a demo with two servers and three roles)
Set it up:  tollgate init                  (writes tollgate.yaml), or tollgate import FILE (reads a client's mcpServers)
Connect:    tollgate client-config --client claude-desktop`,
		SilenceErrors: true, SilenceUsage: true, Version: version(),
		RunE: helpOr,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			var l slog.Level
			if a.logLevel != "" && l.UnmarshalText([]byte(a.logLevel)) != nil {
				return cli.Usage("--log-level %q: use debug, info, warn or error", a.logLevel)
			}
			return nil
		},
	}
	root.SetOut(a.streams.Out)
	root.SetErr(a.streams.Err)
	root.SetIn(a.streams.In)
	f := root.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", "", "configuration file (default: ./tollgate.yaml when it exists; $TOLLGATE_CONFIG)")
	f.StringVar(&a.state, "state-dir", "", "directory of keys and other state (default: per user; $TOLLGATE_STATE_DIR)")
	f.StringVar(&a.logLevel, "log-level", "", "debug, info, warn or error, instead of log.level")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &cli.Error{Code: cli.ExitUsage, Err: err, Hint: "see `" + c.CommandPath() + " --help`"}
	})
	root.AddCommand(a.serveCommand(), a.stdioCommand(), a.connectCommand(), a.initCommand(), a.importCommand(),
		a.clientConfigCommand(), a.checkCommand(), a.catalogCommand(), a.callCommand(), a.keyCommand(), a.upstreamCommand(),
		a.policyCommand(), a.budgetCommand(), a.auditCommand(), a.storeCommand(), a.runCommand(), a.typesCommand(), a.reloadCommand(), a.doctorCommand(), a.versionCommand())
	usageErrors(root)
	return root
}

// helpOr is what a command does that only has subcommands.
func helpOr(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	names := []string{}
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	err := cli.Usage("unknown command %q for %q", args[0], c.CommandPath())
	if best, ok := config.Closest(args[0], names); ok {
		err.Hint = fmt.Sprintf("did you mean %q?", best)
	} else {
		err.Hint = "see `" + c.CommandPath() + " --help`"
	}
	return err
}

// usageErrors makes wrong arguments of every command a usage error.
func usageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &cli.Error{Err: err, Hint: "see `" + c.CommandPath() + " --help`", Code: cli.ExitUsage}
			}
			return nil
		}
	} else {
		c.Args = cobra.ArbitraryArgs
	}
	for _, sub := range c.Commands() {
		usageErrors(sub)
	}
}

// plan reads the configuration, or makes the demo's when there is none.
func (a *app) plan() (*plan, error) {
	name := a.configName()
	if name == "" {
		p, err := demoPlan()
		if err == nil && a.listen != "" {
			p.cfg.Listen = a.listen
		}
		return p, err
	}
	cfg, err := config.Load(name, nil)
	if err != nil {
		return nil, err
	}
	p, err := planOf(cfg)
	if err != nil {
		return nil, err
	}
	p.browser = a.browserCommand()
	if a.listen != "" {
		p.cfg.Listen = a.listen
	}
	return p, nil
}

// configName is the configuration file to use, "" for the demo.
func (a *app) configName() string {
	if a.config != "" {
		return a.config
	}
	if name := os.Getenv("TOLLGATE_CONFIG"); name != "" {
		return name
	}
	if _, err := os.Stat(defaultConfig); err == nil {
		return defaultConfig
	}
	return ""
}

func (a *app) stateDir(p *plan) string {
	switch {
	case a.state != "":
		return a.state
	case os.Getenv("TOLLGATE_STATE_DIR") != "":
		return os.Getenv("TOLLGATE_STATE_DIR")
	case p.cfg.StateDir != "":
		return p.cfg.StateDir
	}
	dir, err := store.DefaultDir()
	if err != nil {
		return ".tollgate" // no home directory: keep the state where the process runs
	}
	return dir
}

// logger writes to standard error: standard output is the protocol of a stdio client.
func (a *app) logger(p *plan) *slog.Logger {
	level := p.cfg.Log.Level
	if a.logLevel != "" {
		level = a.logLevel
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	if p.cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.streams.Err, o))
	}
	return slog.New(slog.NewTextHandler(a.streams.Err, o))
}

// errorLog brings net/http's complaints about single connections to the debug level.
func errorLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }

// watch reloads on changes of the configuration files and on SIGHUP, until the returned function is called.
func (a *app) watch(ctx context.Context, g *gateway) (stop func()) {
	p := g.current()
	if p.demo {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	reload := func() *config.Config {
		if _, err := g.reload(); err != nil {
			g.log.Error("the configuration has mistakes; the one in force stays", "error", err)
			return nil
		}
		if err := g.recordReload(ctx, ""); err != nil {
			g.log.Error("the new configuration is in force and could not be recorded", "error", err)
		}
		return g.current().cfg
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := config.Watch(ctx, p.cfg, config.DefaultDebounce, reload); err != nil && ctx.Err() == nil {
			g.log.Error("the configuration file is not watched", "error", err)
		}
	}()
	hup := onHangup(ctx, func() { reload() })
	return func() { cancel(); <-done; hup() }
}

// operator returns a client of the running gateway on the state directory, or of one made in this process for the
// duration of the command.
func (a *app) operator(ctx context.Context) (*control.Client, func() error, error) {
	client, done, err := a.attach(ctx)
	if err != nil {
		return nil, nil, err
	}
	return client, a.impatient(done), nil
}

// attach is operator for a command that takes its time by itself.
func (a *app) attach(ctx context.Context) (*control.Client, func() error, error) {
	p, planErr := a.plan()
	client, found, err := a.running(ctx)
	if planErr != nil && !found {
		return nil, nil, planErr
	}
	if err != nil {
		return nil, nil, err
	}
	if found && planErr != nil {
		fmt.Fprintln(a.streams.Err, "note: the configuration has mistakes (`tollgate check` shows them); the running gateway answers, with what it has in force")
	}
	if found {
		a.noteConfig(ctx, client)
		return client, func() error { client.Close(); return nil }, nil
	}
	quiet := slog.New(slog.NewTextHandler(a.streams.Err, &slog.HandlerOptions{Level: slog.LevelError}))
	g, err := openGateway(p, a.plan, a.stateDir(p), quiet)
	if err != nil {
		return nil, nil, err
	}
	local := newLocalServer(control.Handler(g))
	client = control.NewClient(local.dial)
	return client, func() error { client.Close(); return errors.Join(local.close(), g.close(ctx)) }, nil
}

// noteConfig says when the running gateway has another configuration than the one that was named.
func (a *app) noteConfig(ctx context.Context, client *control.Client) {
	named := a.config
	if named == "" {
		named = os.Getenv("TOLLGATE_CONFIG")
	}
	if named == "" {
		return
	}
	status, err := client.Status(ctx)
	if err != nil {
		return // the operation itself will say why
	}
	mine, err1 := filepath.Abs(named)
	theirs, err2 := filepath.Abs(status.Config)
	if err1 != nil || err2 != nil || mine == theirs && status.Config != "" {
		return
	}
	fmt.Fprintf(a.streams.Err, "note: the gateway that runs on this state directory has the configuration %s, and it answers; give another --state-dir to ask %s\n",
		orElse(status.Config, "of the demo"), named)
}

// impatient says after a while that something takes its time: most often an upstream that is starting. The returned
// function ends that and calls done.
func (a *app) impatient(done func() error) func() error {
	t := time.AfterFunc(3*time.Second, func() {
		fmt.Fprintln(a.streams.Err, "waiting for upstreams that are still starting (`tollgate upstream list` shows which)")
	})
	return func() error {
		t.Stop()
		return done()
	}
}

// running returns a client of the running gateway, if there is one.
func (a *app) running(ctx context.Context) (client *control.Client, found bool, err error) {
	dir := a.anyStateDir()
	conn, err := store.Dial(ctx, dir)
	if errors.Is(err, store.ErrNotRunning) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	_ = conn.Close() // only asked whether somebody answers
	return control.NewClient(dialer(dir)), true, nil
}

// anyStateDir is the state directory, also where the configuration has mistakes: a key must be revoked all the same.
func (a *app) anyStateDir() string {
	p, err := a.plan()
	if err == nil {
		return a.stateDir(p)
	}
	blank := &plan{cfg: &config.Config{}}
	name := a.configName()
	if text, err := os.ReadFile(name); err == nil {
		if m := regexp.MustCompile(`(?m)^state_dir:[ \t]*["']?([^"'#\n]*[^"'#\s])`).FindSubmatch(text); m != nil {
			if blank.cfg.StateDir = string(m[1]); !filepath.IsAbs(blank.cfg.StateDir) {
				blank.cfg.StateDir = filepath.Join(filepath.Dir(name), blank.cfg.StateDir)
			}
		}
	}
	return a.stateDir(blank)
}

// anyGateway reports whether a gateway runs.
func (a *app) anyGateway(ctx context.Context) bool {
	client, found, err := a.running(ctx)
	if found {
		client.Close()
	}
	return found && err == nil
}

func dialer(dir string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return store.Dial(ctx, dir) }
}

// version is that of the build: a tag, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + strings.TrimSpace(s.Value[:min(12, len(s.Value))])
		}
	}
	return "devel"
}

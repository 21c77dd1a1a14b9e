// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tollgate/cmd/internal/cli"
	"tollgate/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tollgate":   func() { os.Exit(run(os.Args[1:], cli.Std())) },
		"browse":     browse,
		"toolserver": toolServer,
	})
}

// TestScripts runs testdata/script/*.txtar. Each script has a state directory and no configuration of the user's.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TOLLGATE_STATE_DIR", filepath.Join(e.WorkDir, "state"))
			e.Setenv("HOME", e.WorkDir)
			server := newOAuthServer()
			e.Defer(server.Close)
			e.Setenv("OAUTH_URL", server.URL)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"waitgateway": waitGateway, "setfrom": setFrom,
		},
	})
}

// waitGateway waits until a gateway answers on the state directory ("waitgateway"), or none does ("! waitgateway").
func waitGateway(ts *testscript.TestScript, neg bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := store.Dial(ctx, ts.Getenv("TOLLGATE_STATE_DIR"))
		if err == nil {
			conn.Close()
		}
		if (err == nil) != neg {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("waited in vain: %v", err)
		}
	}
}

// setFrom sets a variable from the first match of a pattern in a file: setfrom VAR FILE PATTERN.
func setFrom(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: setfrom VAR FILE PATTERN")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s does not match %s", args[1], args[2])
	}
	ts.Setenv(args[0], m[len(m)-1])
}

// TestHelpNamesEveryCommand: the help is what people read first.
func TestHelpNamesEveryCommand(t *testing.T) {
	var out strings.Builder
	s := &cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out, Env: os.LookupEnv}
	if code := run([]string{"--help"}, s); code != 0 {
		t.Fatalf("exit %d", code)
	}
	for _, name := range []string{"serve", "stdio", "connect", "init", "import", "client-config", "check", "catalog", "call", "key", "upstream", "doctor", "version", "reload"} {
		if !strings.Contains(out.String(), fmt.Sprintf("\n  %s ", name)) {
			t.Errorf("%s is not in the help:\n%s", name, out.String())
		}
	}
}

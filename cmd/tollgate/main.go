// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the zones of budgets, on machines that have none

	"tollgate/cmd/internal/cli"
)

func main() {
	os.Exit(run(os.Args[1:], cli.Std()))
}

// run is the whole program; tests call it in their own process.
func run(args []string, streams *cli.Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{streams: streams}
	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return streams.Report(err, classify)
}

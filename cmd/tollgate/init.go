// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
)

// schemaFile is the JSON Schema that init writes beside the configuration, for editors.
const schemaFile = "tollgate.schema.json"

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented tollgate.yaml",
		Long: `Write a commented configuration to FILE (default tollgate.yaml), and beside it the JSON Schema that lets editors complete
and check it. Nothing that exists is overwritten.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := defaultConfig
			if len(args) == 1 {
				name = args[0]
			}
			if err := create(name, config.InitTemplate()); err != nil {
				return err
			}
			schema := filepath.Join(filepath.Dir(name), schemaFile)
			if err := create(schema, config.Schema()); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			fmt.Fprintf(a.streams.Out, "wrote %s\nnext: edit it, then run `tollgate check` and `tollgate serve`\n", name)
			return nil
		},
	}
}

// create writes a new file, readable by its owner only: configurations hold what servers are reached with.
func create(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &cli.Error{Err: fmt.Errorf("%s exists already: %w", name, fs.ErrExist), Hint: "name another file, or remove it first", Code: cli.ExitUsage}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/clientconfig"
	"tollgate/cmd/internal/config"
)

func (a *app) importCommand() *cobra.Command {
	var format, to string
	var yes bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over the MCP servers of another client's file",
		Long: `Read the MCP servers of a client's file and show them as upstreams of tollgate.yaml. Without --yes nothing is written.
With --yes they are added to the configuration; what is there stays as it is, and secrets that are written out in FILE move
to files of their own beside it. "-" reads standard input.

Formats: ` + formatNames() + `; the default is to look at the file.

EXIT STATUS
  0  shown or written   1  FILE cannot be read   2  wrong usage   3  mistake in the configuration to add to`,
		Example: "  tollgate import ~/.cursor/mcp.json\n  tollgate import --yes --to tollgate.yaml claude_desktop_config.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.importFile(args[0], clientconfig.Format(format), to, yes)
		},
	}
	c.Flags().StringVar(&format, "format", "", "format of FILE (default: look at it)")
	c.Flags().StringVar(&to, "to", "", "configuration to add to (default: --config, or tollgate.yaml)")
	c.Flags().BoolVar(&yes, "yes", false, "write the result")
	return c
}

func formatNames() string {
	var names []string
	for _, f := range clientconfig.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func (a *app) importFile(name string, format clientconfig.Format, to string, yes bool) error {
	data, err := a.read(name)
	if err != nil {
		return err
	}
	got, err := clientconfig.Import(data, &clientconfig.ImportOptions{Format: format, File: name, Ask: a.askInput()})
	if err != nil {
		return cli.WithHint(fmt.Errorf("%s: %w", name, err), "name the format with --format: %s", formatNames())
	}
	if to == "" {
		if to = a.configName(); to == "" {
			to = defaultConfig
		}
	}
	merged, notes, err := mergeInto(to, got)
	if err != nil {
		return err
	}
	for _, n := range slices.Concat(got.Notes, notes) {
		a.note(&n)
	}
	if !yes {
		_, err := a.streams.Out.Write(clientconfig.Fragment(got))
		fmt.Fprintf(a.streams.Err, "\nnothing was written; --yes adds this to %s\n", to)
		return err
	}
	if err := clientconfig.WriteSecrets(filepath.Dir(to), got.Secrets); err != nil {
		return err
	}
	if err := replaceFile(to, merged); err != nil {
		return err
	}
	if err := create(filepath.Join(filepath.Dir(to), schemaFile), config.Schema()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fmt.Fprintf(a.streams.Out, "added to %s; next: `tollgate check --config %s`\n", to, to)
	return nil
}

// mergeInto is the configuration with the imported upstreams; a file that does not exist yet starts as init writes it.
func mergeInto(to string, got *clientconfig.Result) ([]byte, []clientconfig.Note, error) {
	existing, err := os.ReadFile(to)
	if errors.Is(err, fs.ErrNotExist) {
		existing, err = config.InitTemplate(), nil
	}
	if err != nil {
		return nil, nil, err
	}
	return clientconfig.Merge(to, existing, got)
}

func (a *app) note(n *clientconfig.Note) {
	who := ""
	if n.Upstream != "" {
		who = cli.Clean(n.Upstream) + ": "
	}
	fmt.Fprintf(a.streams.Err, "%s: %s%s\n", n.Kind, who, cli.Clean(n.Text))
	if n.Hint != "" {
		fmt.Fprintf(a.streams.Err, "  hint: %s\n", cli.Clean(n.Hint))
	}
}

// askInput answers the questions a client would ask its user, on a terminal; elsewhere they stay open and are noted.
func (a *app) askInput() func(in clientconfig.Input) (string, bool) {
	if !a.streams.Interactive() {
		return nil
	}
	return func(in clientconfig.Input) (string, bool) {
		answer, err := a.streams.AskSecret(fmt.Sprintf("%s (%s)", in.ID, in.Description), "answer on a terminal")
		return answer, err == nil && answer != ""
	}
}

// read reads a file of another program, with "-" for standard input.
func (a *app) read(name string) ([]byte, error) {
	var r io.Reader = a.streams.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	return io.ReadAll(io.LimitReader(r, clientconfig.MaxImport+1))
}

// replaceFile writes a whole file or nothing. The mode of a file that is there stays.
func replaceFile(name string, data []byte) error {
	return replaceWith(name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// replaceWith is replaceFile for what is written by and by.
func replaceWith(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".tollgate-*")
	if err != nil {
		return err
	}
	if info, statErr := os.Stat(name); statErr == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = write(f)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

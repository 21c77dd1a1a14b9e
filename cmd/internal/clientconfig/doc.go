// SPDX-License-Identifier: Apache-2.0

// Package clientconfig speaks the configuration formats of MCP clients, in both directions.
//
// [Import] reads what a person already has (the file of a client, a server.json of the MCP registry, an MCPB bundle) and
// turns it into upstreams of tollgate.yaml. [Render] writes the one entry that makes a client use the gateway.
//
// # Data flow
//
//	bytes ─► tree ─► entries of one dialect ─► Upstream + Notes + Secrets + Inputs ─► Fragment or Merge
//	       (tree.go) (mcpservers.go, codex.go,  (variables.go, secrets.go, risk.go)    (fragment.go, merge.go)
//	                  goose.go, registry.go, mcpb.go)
//
// Import touches nothing: no file, no keyring, no network. The caller shows the result, and only then writes the merged
// file and, with [WriteSecrets], the secrets.
//
// # Variables
//
// Every client has its own syntax. Here a variable becomes a reference of package config; what only the client could know
// (its open folder, a command) cannot be translated, so the upstream is imported disabled with a note that says what to
// fill in. A "${" that is no variable is escaped.
//
// # Secrets
//
// A literal value that looks like a credential, by its form or by the name of its variable, header, flag or parameter, leaves
// the text and is replaced by ${file:secrets/...}. Notes and errors name the place, never the value.
//
// # Invariants
//
//  1. The result of Fragment and Merge is accepted by config.Parse, whatever was imported (a fuzz test holds it).
//  2. Merge changes no byte of the existing file outside the place where it inserts.
//  3. No text of this package contains the value of a secret; [Secret] prints as "***".
//  4. Nothing is dropped silently: what is not understood is named in a note.
//
// # Why merging is done on text (2026-11-24)
//
// Re-encoding YAML nodes keeps comments but loses blank lines, quoting and alignment, so the first import would rewrite a
// file that somebody cares about. Positions of the nodes tell where to insert text; the result is parsed again and compared
// with what it should be, so a shape that the text rules do not foresee is an error and not a broken file.
package clientconfig

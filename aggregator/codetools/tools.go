// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/catalog"
	"tollgate/codemode"
	"tollgate/upstream/wire"
)

// The modes in which tools are shown.
const (
	Direct = "direct" // as they are
	Search = "search" // found, read and called through three tools
	Code   = "code"   // found and read through two tools, and called by programs
	Auto   = "auto"   // direct while their definitions are small, else code
)

// Modes are all modes.
func Modes() []string { return []string{Direct, Search, Code, Auto} }

// The sets of names that the tools can have.
const (
	Standard = "standard" // search_tools, read_tools, call_tool, execute_code
	Files    = "files"    // listToolFiles, readToolFile, callTool, executeToolCode
)

const (
	// defaultAutoTokens is the size of definitions above which auto shows programs: a few percent of a usual context.
	defaultAutoTokens = 8000
	// defaultEmbedTokens is the size of compact types up to which execute_code says them itself.
	defaultEmbedTokens = 1500
	// maxSurfaces bounds what is kept of views; what is needed again is made again.
	maxSurfaces = 128
	// maxPins bounds the classes whose automatic mode is remembered.
	maxPins = 1 << 14
)

// Engine runs programs. [codemode.Engine] implements it.
type Engine interface {
	Run(ctx context.Context, p *codemode.Program) (*codemode.Result, error)
	Resume(ctx context.Context, p *codemode.Program, s *codemode.Suspension, answers map[int]codemode.Answer) (*codemode.Result, error)
}

// Keeper keeps programs that wait for a confirmation, whatever happens to the process. What it is given is sealed.
type Keeper interface {
	// Put keeps text for the owner until a moment. An error of Full says that there is no room.
	Put(ctx context.Context, owner, id string, text []byte, until time.Time) error
	// Take returns what was put and keeps it no more: of two that take it, one gets it. nil = there is none.
	Take(ctx context.Context, owner, id string) ([]byte, error)
}

// Options configure [New].
type Options struct {
	Engine Engine // required
	Keeper Keeper // nil: calls that need a confirmation are refused to programs
	Key    []byte // 32 bytes that seal what Keeper keeps; required with it
	// Names is [Standard] or [Files]; "" = Standard.
	Names string
	// AutoTokens and EmbedTokens are sizes in tokens, estimated; 0 = 8000 and 1500, below 0 = none.
	AutoTokens, EmbedTokens int
	Limits                  codemode.Limits // of each program; zero fields: those of the engine
	Deterministic           bool            // programs see a fixed clock and random numbers that depend on their source
	Now                     func() time.Time
	Log                     *slog.Logger
}

// Tools are the gateway's own tools. Safe for concurrent use.
type Tools struct {
	opts   Options
	names  *names
	sealer *sealer

	mu       sync.Mutex // guards what follows
	surfaces map[*catalog.View]*surface
	pins     map[string]string // mode by class, once auto has chosen one
}

var _ aggregator.Own = (*Tools)(nil)

// New returns the tools; [Tools.Source] is their place in the catalog.
func New(o *Options) (*Tools, error) {
	if o == nil || o.Engine == nil {
		return nil, errors.New("codetools: Options.Engine is required")
	}
	t := &Tools{opts: *o, surfaces: map[*catalog.View]*surface{}, pins: map[string]string{}}
	if t.opts.AutoTokens == 0 {
		t.opts.AutoTokens = defaultAutoTokens
	}
	if t.opts.EmbedTokens == 0 {
		t.opts.EmbedTokens = defaultEmbedTokens
	}
	if t.opts.Now == nil {
		t.opts.Now = time.Now
	}
	if t.opts.Log == nil {
		t.opts.Log = slog.New(slog.DiscardHandler)
	}
	switch t.opts.Names {
	case "", Standard:
		t.names = standardNames()
	case Files:
		t.names = fileNames()
	default:
		return nil, fmt.Errorf("codetools: unknown names %q; use %s or %s", t.opts.Names, Standard, Files)
	}
	if o.Keeper == nil {
		return t, nil
	}
	var err error
	t.sealer, err = newSealer(o.Key)
	return t, err
}

// Program implements [aggregator.Own].
func (t *Tools) Program(tool string, arguments []byte) string {
	if tool != t.names.execute {
		return ""
	}
	raw, _ := wire.Lookup(arguments, "code")
	code, ok := wire.String(raw)
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// Answer implements [aggregator.Own].
func (t *Tools) Answer(ctx context.Context, c *aggregator.OwnCall) aggregator.OwnReply {
	s := t.surface(c.View)
	mode := t.mode(c.Mode, c.Class, s)
	switch c.Tool {
	case t.names.search:
		return t.search(c, s, mode)
	case t.names.read:
		return t.read(c, s, mode)
	case t.names.execute:
		return t.execute(ctx, c, s)
	}
	return failure(fmt.Sprintf("%s calls one of the other tools: give its name and arguments", c.Tool))
}

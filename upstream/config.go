// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"maps"
	"path"
	"slices"
	"time"
)

const (
	defaultTimeout      = 60 * time.Second
	defaultStartTimeout = 30 * time.Second
	defaultProbeTimeout = 3 * time.Second
	defaultConcurrency  = 64
	defaultMaxReply     = 16 << 20

	defaultMaxInteractive = 4
	defaultSessionIdle    = 10 * time.Minute
	defaultMaxSessions    = 64
	defaultMaxCall        = time.Hour
)

// queuePerSlot is how many calls may wait for each one that may run.
const queuePerSlot = 4

// transport is how bytes reach an upstream.
type transport string

const (
	transportStdio transport = "stdio"
	transportPipe  transport = "in-process"
	transportHTTP  transport = "http"
	transportSSE   transport = "sse"
)

// sessionsShared is the value of [Config.Sessions] that lets owners with nothing to declare use the shared session.
const sessionsShared = "shared"

// piped says that all requests share one ordered stream in each direction.
func (t transport) piped() bool { return t == transportStdio || t == transportPipe }

// tellsApart says that what a server asks comes on the stream of the call it asks for. Elsewhere all calls of a session share
// one stream.
func (t transport) tellsApart() bool { return t == transportHTTP }

// transport returns the transport c asks for, before any fallback.
func (c *Config) transport() transport {
	switch {
	case c.InProcess != nil:
		return transportPipe
	case c.Transport == string(transportSSE):
		return transportSSE
	case c.URL != "" && c.Transport != string(transportStdio):
		return transportHTTP
	default:
		return transportStdio
	}
}

// Equal reports whether two configurations describe the same upstream in the same way, so that a connection made for one
// serves the other. InProcess functions cannot be compared: two of them are equal when the names are.
func (c *Config) Equal(o *Config) bool {
	return c.Name == o.Name && c.Command == o.Command && c.Dir == o.Dir && c.URL == o.URL &&
		c.Transport == o.Transport && c.Era == o.Era && c.Disabled == o.Disabled &&
		c.Timeout == o.Timeout && c.StartTimeout == o.StartTimeout && c.ProbeTimeout == o.ProbeTimeout &&
		c.Concurrency == o.Concurrency && c.MaxReplyBytes == o.MaxReplyBytes && c.RefreshEvery == o.RefreshEvery &&
		c.Sessions == o.Sessions && c.SessionIdle == o.SessionIdle && c.MaxSessions == o.MaxSessions &&
		c.MaxInteractive == o.MaxInteractive && c.MaxCall == o.MaxCall &&
		(c.InProcess == nil) == (o.InProcess == nil) && c.OAuth.equal(o.OAuth) &&
		slices.Equal(c.Args, o.Args) && slices.Equal(c.Tools, o.Tools) &&
		maps.Equal(c.Env, o.Env) && maps.Equal(c.Headers, o.Headers)
}

// allows reports whether the allow-list lets a tool through.
func (c *Config) allows(tool string) bool {
	return len(c.Tools) == 0 || slices.ContainsFunc(c.Tools, func(pattern string) bool {
		ok, err := path.Match(pattern, tool)
		return ok && err == nil
	})
}

func (c *Config) timeout() time.Duration      { return positive(c.Timeout, defaultTimeout) }
func (c *Config) startTimeout() time.Duration { return positive(c.StartTimeout, defaultStartTimeout) }
func (c *Config) probeTimeout() time.Duration { return positive(c.ProbeTimeout, defaultProbeTimeout) }
func (c *Config) concurrency() int            { return positive(c.Concurrency, defaultConcurrency) }
func (c *Config) maxInteractive() int         { return positive(c.MaxInteractive, defaultMaxInteractive) }
func (c *Config) sessionIdle() time.Duration  { return positive(c.SessionIdle, defaultSessionIdle) }
func (c *Config) maxSessions() int            { return positive(c.MaxSessions, defaultMaxSessions) }

// maxCall is the most a call may take; one that never asks and reports no progress takes no more than its timeout.
func (c *Config) maxCall() time.Duration {
	return positive(c.MaxCall, max(defaultMaxCall, c.timeout()))
}
func (c *Config) maxReply() int64 { return positive(c.MaxReplyBytes, defaultMaxReply) }

// positive returns v, or def when v is zero or negative.
func positive[T int | int64 | time.Duration](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}

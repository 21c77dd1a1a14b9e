// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"cmp"
	"fmt"
	"time"
)

// Limits bound one execution. Zero fields take what is beside them: the limits of the engine for a program, the defaults for
// an engine.
type Limits struct {
	Source    int // bytes of the program
	Result    int // bytes of the value, beyond which it is cut
	Logs      int // bytes of the console, beyond which lines are dropped
	Arguments int // bytes of the arguments of one call
	Answer    int // bytes of the answer of one call, beyond which it is cut

	CPU   time.Duration // time in the script, over all its suspensions
	Wall  time.Duration // from the start or from being resumed
	Sleep time.Duration // of one timer

	Memory int64 // bytes of linear memory
	Stack  int   // bytes of the stack of the script

	Calls      int
	Concurrent int // calls at once; others wait
	Timers     int
}

const (
	mib = 1 << 20

	maxWall     = 2 * time.Minute
	minMemory   = 4 * mib
	maxMemory   = 256 * mib
	maxStack    = 512 << 10 // half of what the engine was linked with
	maxSource   = 1 * mib
	maxAnswer   = 64 * mib
	maxCalls    = 100_000
	maxParallel = 1000
)

func defaultLimits() Limits {
	return Limits{
		Source: 64 << 10, Result: 64 << 10, Logs: 16 << 10, Arguments: 256 << 10, Answer: 4 * mib,
		CPU: 2 * time.Second, Wall: 30 * time.Second, Sleep: 10 * time.Second,
		Memory: 64 * mib, Stack: 256 << 10, Calls: 100, Concurrent: 16, Timers: 100,
	}
}

// or fills the zero fields of l from d.
func (l Limits) or(d Limits) Limits {
	return Limits{
		Source: cmp.Or(l.Source, d.Source), Result: cmp.Or(l.Result, d.Result), Logs: cmp.Or(l.Logs, d.Logs),
		Arguments: cmp.Or(l.Arguments, d.Arguments), Answer: cmp.Or(l.Answer, d.Answer),
		CPU: cmp.Or(l.CPU, d.CPU), Wall: cmp.Or(l.Wall, d.Wall), Sleep: cmp.Or(l.Sleep, d.Sleep),
		Memory: cmp.Or(l.Memory, d.Memory), Stack: cmp.Or(l.Stack, d.Stack),
		Calls: cmp.Or(l.Calls, d.Calls), Concurrent: cmp.Or(l.Concurrent, d.Concurrent), Timers: cmp.Or(l.Timers, d.Timers),
	}
}

// check reports the first limit that is out of range.
func (l Limits) check() error {
	for _, row := range []struct {
		name          string
		v, least, top int64
	}{
		{"source", int64(l.Source), 1, maxSource}, {"result", int64(l.Result), 256, maxAnswer}, {"logs", int64(l.Logs), 1, maxAnswer},
		{"arguments", int64(l.Arguments), 2, maxAnswer}, {"answer", int64(l.Answer), 256, maxAnswer},
		{"memory", l.Memory, minMemory, maxMemory}, {"stack", int64(l.Stack), 16 << 10, maxStack},
		{"calls", int64(l.Calls), 1, maxCalls}, {"concurrent", int64(l.Concurrent), 1, maxParallel}, {"timers", int64(l.Timers), 1, maxCalls},
	} {
		if row.v < row.least || row.v > row.top {
			return fmt.Errorf("limit %s is %d: want %d to %d", row.name, row.v, row.least, row.top)
		}
	}
	for _, row := range []struct {
		name string
		v    time.Duration
	}{{"cpu", l.CPU}, {"wall", l.Wall}, {"sleep", l.Sleep}} {
		if row.v < time.Millisecond || row.v > maxWall {
			return fmt.Errorf("limit %s is %v: want 1ms to %v", row.name, row.v, maxWall)
		}
	}
	return nil
}

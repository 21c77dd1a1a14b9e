// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/codemode"
)

// BenchmarkFreshSandbox is a whole execution of a program that does nothing.
func BenchmarkFreshSandbox(b *testing.B) {
	e := engine(b)
	p := &codemode.Program{Source: "return 1", Servers: []string{"github", "files", "memory"}, Call: echo}
	b.ReportAllocs()
	var turn, compile time.Duration
	before := processTime(b)
	for b.Loop() {
		r, err := e.Run(b.Context(), p)
		if err != nil || r.Failure != nil {
			b.Fatal(err, r.Failure)
		}
		turn += r.Usage.CPU
		compile += r.Usage.Compile
	}
	b.ReportMetric(float64((processTime(b)-before).Microseconds())/float64(b.N), "process-µs/op")
	b.ReportMetric(float64(turn.Microseconds())/float64(b.N), "turn-µs/op")
	b.ReportMetric(float64(compile.Microseconds())/float64(b.N), "esbuild-µs/op")
}

// BenchmarkCall is one awaited call with its answer, of a script that makes a thousand.
func BenchmarkCall(b *testing.B) {
	const calls = 1000
	e := engine(b)
	p := &codemode.Program{
		Source:  fmt.Sprintf("let n = 0; for (let i = 0; i < %d; i++) { const r = await github.get_issue({owner: 'o', repo: 'r', number: i}); n += r.number }; return n", calls),
		Servers: []string{"github"}, Call: echo, Limits: codemode.Limits{Calls: calls},
	}
	b.ReportAllocs()
	before := processTime(b)
	for b.Loop() {
		r, err := e.Run(b.Context(), p)
		if err != nil || r.Failure != nil {
			b.Fatal(err, r.Failure)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/call")
	b.ReportMetric(float64((processTime(b)-before).Nanoseconds())/float64(b.N)/calls, "process-ns/call")
}

// BenchmarkLive reports what a sandbox that waits for its upstream takes, with a hundred of them.
func BenchmarkLive(b *testing.B) {
	const sandboxes = 100
	e := engine(b)
	for b.Loop() {
		release := make(chan struct{})
		var started, ended sync.WaitGroup
		started.Add(sandboxes)
		p := &codemode.Program{
			Source: "return await github.wait({})", Servers: []string{"github"},
			Call: func(context.Context, *codemode.Call) codemode.Answer {
				started.Done()
				<-release
				return codemode.Answer{Value: json.RawMessage("1")}
			},
		}
		debug.FreeOSMemory()
		before := resident(b)
		for range sandboxes {
			ended.Go(func() {
				if r, err := e.Run(context.Background(), p); err != nil || r.Failure != nil {
					b.Error(err, r.Failure)
				}
			})
		}
		started.Wait()
		b.ReportMetric(float64((resident(b)-before)*os.Getpagesize())/sandboxes/1024, "KiB/sandbox")
		close(release)
		ended.Wait()
	}
}

// processTime is what all threads of this process have computed, in steps of 10 ms.
func processTime(b *testing.B) time.Duration {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	sum := int64(0)
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += ticks
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

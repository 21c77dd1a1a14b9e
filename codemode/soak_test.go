// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"flag"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/codemode"
)

var soak = flag.Int("soak", 0, "executions of TestSoak")

// TestSoak runs so many executions of all kinds that a leak of any would show: memory and goroutines of the last quarter are
// at most a twentieth above those of the second. go test -run TestSoak -timeout 1h ./codemode -soak 100000
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("takes minutes: give a number with -soak")
	}
	programs := []*codemode.Program{
		program("return 1"), program("return (await github.x({a: [1, 2, 3]})).a"), program("throw new Error('x')"),
		program("return await Promise.all([1, 2, 3, 4].map((i) => files.read({i})))"), program("github.x({}); return 'detached'"),
		program("const a = []; for (let i = 0; i < 2000; i++) a.push({i}); console.log(a.length); return a"),
		program("const a = []; for (;;) a.push(new ArrayBuffer(1e6))"), program("await new Promise(() => {})"),
		gated("return await github.delete({})"), program("let y = ;"), program("for (;;) {}"), program("await github.x({}); for (;;) await github.x({})"),
	}
	for _, p := range programs {
		p.Limits = codemode.Limits{CPU: 5 * time.Millisecond, Memory: 8 << 20}
	}
	e := engine(t)
	const samples = 100
	var memory, goroutines []int
	var next atomic.Int64
	for range samples {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range *soak / samples / 4 {
					p := programs[int(next.Add(1))%len(programs)]
					r, err := e.Run(context.Background(), p)
					if err != nil {
						t.Error(err)
						return
					}
					if r.Suspension != nil {
						if _, err := e.Resume(context.Background(), p, r.Suspension, map[int]codemode.Answer{1: {}}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		group.Wait()
		goroutines = append(goroutines, runtime.NumGoroutine())
		memory = append(memory, resident(t))
	}
	for what, all := range map[string][]int{"resident pages": memory, "goroutines": goroutines} {
		second, last := median(all[samples/4:samples/2]), median(all[samples*3/4:])
		t.Logf("%s: %d in the second quarter, %d in the last", what, second, last)
		if last*20 > second*21 {
			t.Errorf("%s grow from %d to %d", what, second, last)
		}
	}
}

func median(v []int) int {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// resident is the memory of this process in RAM, in pages.
func resident(t testing.TB) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

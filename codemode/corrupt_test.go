// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// TestCorrupt resumes memory in which bytes were changed, as a mistake in QuickJS could: whatever the guest does then, the host
// neither panics nor waits for ever, and the engine goes on.
func TestCorrupt(t *testing.T) {
	e, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	p := &Program{
		Source:  "const r = []; for (let i = 0; i < 5; i++) { r.push(await github.delete({i})); console.log(r) }; return r",
		Servers: []string{"github"}, Limits: Limits{CPU: 50 * time.Millisecond, Wall: 2 * time.Second},
		Call: func(context.Context, *Call) Answer { return Answer{Park: true} },
	}
	first, err := e.Run(t.Context(), p)
	if err != nil || first.Suspension == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	encoded, err := first.Suspension.Encode()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	ends := map[Kind]int{}
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		from, err := DecodeSuspension(encoded)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + random.IntN(200) {
			pages := from.pages[random.IntN(len(from.pages))].bytes
			pages[random.IntN(len(pages))] = byte(random.Uint32())
		}
		r, err := e.Resume(t.Context(), p, from, map[int]Answer{1: {Value: []byte(`{"a":[1,2,3]}`)}})
		switch {
		case err != nil && r == nil:
			t.Fatal(err)
		case err != nil:
			ends["engine"]++
		case r.Failure != nil:
			ends[r.Failure.Kind]++
		default:
			ends["fine"]++
		}
	}
	t.Log(ends)
	if len(ends) < 3 {
		t.Errorf("ends %v: the changes made no difference", ends)
	}
	p.Call = func(context.Context, *Call) Answer { return Answer{Value: []byte("1")} }
	p.Limits = Limits{}
	if r, err := e.Run(t.Context(), p); err != nil || string(r.Value) != "[1,1,1,1,1]" {
		t.Errorf("%+v, %v", r, err)
	}
}

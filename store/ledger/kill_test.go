// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/store/audit"
)

const (
	childEnv   = "TOLLGATE_LEDGER_CHILD" // state directory of the process that is killed
	limitEnv   = "TOLLGATE_LEDGER_LIMIT"
	killLimit  = 3_000 // more for each life: some calls find room, the last ones little
	killCost   = 10
	killCalls  = 8  // at a time
	killLives  = 20 // of one state directory: all of its records are read after each
	notesFile  = "upstream-notes"
	childReady = "ready"
)

func killBudget(limit int64) *Budget {
	return &Budget{ID: "team", Name: "team", Limit: limit, Period: Period{Unit: UnitMonth}}
}

// child makes calls of all classes until it is killed. It notes each call before and after the upstream would have it: what
// a process has written to a file survives its death.
func child() int {
	e, err := Open(&Options{Dir: os.Getenv(childEnv), CheckpointEvery: 20 * time.Millisecond, Node: "child"})
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	notes, err := os.OpenFile(filepath.Join(os.Getenv(childEnv), notesFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	limit, wrong := strconv.ParseInt(os.Getenv(limitEnv), 10, 64)
	if err := errors.Join(err, wrong, e.SetBudgets([]*Budget{killBudget(limit)})); err != nil {
		fmt.Println("start:", err)
		return 1
	}
	var work sync.WaitGroup
	fmt.Println(childReady)
	for n := range killCalls {
		class := []audit.Class{audit.Strict, audit.Durable, audit.Async}[n%3]
		work.Go(func() {
			for i := 0; ; i++ {
				if err := childCall(e, notes, class, fmt.Sprintf("%d-%d-%d", os.Getpid(), n, i)); err != nil {
					return // the budget is used up
				}
			}
		})
	}
	work.Wait()
	fmt.Println("used up")
	select {} // until it is killed
}

func childCall(e *Engine, notes *os.File, class audit.Class, id string) error {
	ctx := context.Background()
	r, err := e.Reserve(ctx, &Request{
		Class: class, Cost: killCost, Charges: []Charge{{Budget: "team"}},
		Record: &audit.Record{Kind: audit.Intent, ID: id, Of: &audit.Labels{User: "ann", Tool: "search"}},
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(notes, "called %s %s\n", class, id); err != nil {
		return err
	}
	if err := r.Settle(ctx, &audit.Record{End: endAnswered, Cost: killCost}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(notes, "answered %s %s\n", class, id)
	return err
}

// killChild runs the child for a random moment and kills it.
func killChild(t *testing.T, dir string, limit int64, random *rand.Rand) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir, limitEnv+"="+strconv.FormatInt(limit, 10))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) == childReady {
		<-time.After(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
	}
	killed := cmd.Process.Kill()
	_ = cmd.Wait() // says that it was killed
	if strings.TrimSpace(line) != childReady || killed != nil {
		t.Fatalf("the child said %q; %v", line, killed)
	}
}

// TestKill kills a process again and again under load. What was promised to each class is on the disk, and the calls that
// the upstream has seen in all the lives together never cost more than the budget.
func TestKill(t *testing.T) {
	times := 200
	if testing.Short() {
		times = 10
	}
	dir, random := "", rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for i := range times {
		if i%killLives == 0 {
			dir = fastDir(t)
		}
		limit := killLimit * int64(i%killLives+1)
		killChild(t, dir, limit, random)
		e, err := Open(&Options{Dir: dir, Node: "parent"})
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		if err := e.SetBudgets([]*Budget{killBudget(limit)}); err != nil {
			t.Fatal(err)
		}
		kinds := recordKinds(t, e)
		calls := checkNotes(t, dir, kinds, seen)
		b, err := e.Balances(context.Background(), &BalanceQuery{})
		if err != nil || len(b) != 1 {
			t.Fatalf("Balances: %v, %v", b, err)
		}
		if spent := b[0].Settled + b[0].Reserved + b[0].Leased; spent > limit || int64(calls)*killCost > b[0].Settled {
			t.Fatalf("kill %d: %d are charged of %d, and the upstream has seen calls for %d", i, spent, limit, calls*killCost)
		}
		if b[0].Reserved != 0 {
			t.Fatalf("kill %d: %d stay reserved", i, b[0].Reserved)
		}
		if errs := e.Check(context.Background()); len(errs) > 0 {
			t.Fatalf("kill %d: %v", i, errors.Join(errs...))
		}
		if v, err := e.Log().Verify(context.Background(), nil); err != nil || v.Problem != nil {
			t.Fatalf("kill %d: %v, %v", i, err, v)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d calls in %d lives", len(seen), times)
	if len(seen) < 20*times {
		t.Errorf("%d calls in %d lives: the child does too little to be of use", len(seen), times)
	}
}

// recordKinds are the kinds of records of each id, and checks that every crash is written down.
func recordKinds(t *testing.T, e *Engine) map[string]map[audit.Kind]int {
	t.Helper()
	kinds, unclean := map[string]map[audit.Kind]int{}, false
	for stored, err := range e.Log().Scan(context.Background(), 0, e.Log().Size()) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := audit.Decode(stored.Text)
		if err != nil {
			t.Fatal(err)
		}
		if kinds[r.ID] == nil {
			kinds[r.ID] = map[audit.Kind]int{}
		}
		kinds[r.ID][r.Kind]++
		if r.Kind == audit.Start {
			unclean = r.Unclean
		}
	}
	if !unclean {
		t.Fatal("the start after the kill does not say that records may be missing")
	}
	return kinds
}

// checkNotes compares what the child has noted with what was recorded, and returns how many calls the upstream has seen.
func checkNotes(t *testing.T, dir string, kinds map[string]map[audit.Kind]int, seen map[string]bool) (calls int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, notesFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var what, id string
		var class audit.Class
		if _, err := fmt.Sscan(line, &what, &class, &id); err != nil {
			t.Fatalf("note %q: %v", line, err)
		}
		have := kinds[id]
		switch {
		case what == "called":
			calls++
			seen[id] = true
			if class == audit.Strict && have[audit.Intent] != 1 {
				t.Errorf("strict call %s reached the upstream and has %d intents", id, have[audit.Intent])
			}
		case class != audit.Async && (have[audit.Intent] != 1 || have[audit.Outcome] != 1):
			t.Errorf("%s call %s was answered and has the records %v", class, id, have)
		}
	}
	for id, have := range kinds {
		if have[audit.Intent] > 0 && (have[audit.Intent] != 1 || have[audit.Outcome] != 1) {
			t.Errorf("call %s has the records %v, want an intent and an outcome", id, have)
		}
	}
	return calls
}

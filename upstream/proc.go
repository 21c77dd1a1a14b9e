// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// procGrace says how long a child gets for each step of its end. The steps are: its standard input is closed, its process
// group is told to terminate (where the system knows such a thing), its process group is killed.
type procGrace struct {
	stdin time.Duration // from the closed input to the request to terminate
	term  time.Duration // from there to the kill
	drain time.Duration // for output still in the pipes when the process is gone
}

func defaultGrace() procGrace {
	return procGrace{stdin: 500 * time.Millisecond, term: 2 * time.Second, drain: 250 * time.Millisecond}
}

// process is a child with its three streams and everything it started. Read takes its standard output, Write feeds its
// standard input, Close ends the whole process group and waits for it. Standard error is kept in a bounded tail.
//
// The group never outlives the child: when the child exits by itself the rest of its group is killed before the child is
// reaped, so that its number cannot yet belong to anybody else. A grandchild that leaves the group (setsid) is out of reach;
// its hold on the pipes is not waited for.
type process struct {
	cmd                   *exec.Cmd
	tree                  processTree
	grace                 procGrace
	stdin, stdout, stderr *os.File
	tail                  *ring
	exited                chan struct{} // closed when the child was reaped and its group killed
	stderrDone            chan struct{}
	end                   sync.Once

	mu     sync.Mutex // guards reaped and, through it, every signal to the group
	reaped bool
}

// startProcess runs cfg.Command without a shell, with parent's environment cut down to the allow-list plus cfg.Env.
func startProcess(cfg *Config, parent []string, grace procGrace) (*process, error) {
	cmd, err := command(cfg, parent)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, grace: grace, tail: newRing(ringSize),
		exited: make(chan struct{}), stderrDone: make(chan struct{})}
	theirs, err := p.openPipes()
	if err == nil {
		err = p.start()
	}
	for _, f := range theirs {
		_ = f.Close()
	}
	if err != nil {
		p.closePipes()
		return nil, err
	}
	go func() {
		defer close(p.stderrDone)
		_, _ = p.tail.ReadFrom(p.stderr)
	}()
	return p, nil
}

// command builds the child's argument vector, environment and attributes.
func command(cfg *Config, parent []string) (*exec.Cmd, error) {
	env, err := childEnv(parent, cfg.Env)
	if err != nil {
		return nil, err
	}
	path, err := resolveCommand(cfg.Command, cfg.Dir, env)
	if err != nil {
		return nil, err
	}
	for i, a := range cfg.Args {
		if strings.ContainsRune(a, 0) {
			return nil, fmt.Errorf("args[%d] contains a NUL byte", i)
		}
	}
	return &exec.Cmd{Path: path, Args: append([]string{cfg.Command}, cfg.Args...), Env: env, Dir: cfg.Dir,
		SysProcAttr: groupAttr()}, nil
}

// openPipes makes the three pipes and returns the child's ends. The pipes are our own, not those of exec.Cmd, because
// Cmd.Wait would close them while the last answers are still being read.
func (p *process) openPipes() (theirs []*os.File, err error) {
	var in, out, errs *os.File
	if in, p.stdin, err = os.Pipe(); err != nil {
		return theirs, err
	}
	theirs = append(theirs, in)
	if p.stdout, out, err = os.Pipe(); err != nil {
		return theirs, err
	}
	theirs = append(theirs, out)
	if p.stderr, errs, err = os.Pipe(); err != nil {
		return theirs, err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, errs
	return append(theirs, errs), nil
}

func (p *process) closePipes() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// start runs the child from a goroutine that keeps its thread until the child is gone: the kernel sends the parent-death
// signal when the starting thread ends, not when the process does. Waiting occupies a thread anyway.
func (p *process) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		if err == nil {
			if p.tree, err = adopt(p.cmd.Process); err != nil {
				_ = p.cmd.Process.Kill()
				_ = p.cmd.Wait()
			}
		}
		started <- err
		if err == nil {
			p.wait()
		}
	}()
	return <-started
}

// wait reaps the child and takes the rest of its group with it.
func (p *process) wait() {
	held := awaitExit(p.cmd.Process.Pid)
	if !held {
		_ = p.cmd.Wait()
	}
	p.mu.Lock()
	p.tree.kill()
	if held {
		_ = p.cmd.Wait()
	}
	p.reaped = true
	p.tree.release()
	p.mu.Unlock()
	close(p.exited)
}

// Read reads the child's standard output.
func (p *process) Read(b []byte) (int, error) { return p.stdout.Read(b) }

// Write writes to the child's standard input.
func (p *process) Write(b []byte) (int, error) { return p.stdin.Write(b) }

// Close ends the process group and returns when it is gone and the pipes are closed. It is idempotent.
func (p *process) Close() error {
	p.end.Do(p.finish)
	return nil
}

func (p *process) finish() {
	_ = p.stdin.Close()
	if !waitFor(p.exited, p.grace.stdin) {
		if !p.terminate() || !waitFor(p.exited, p.grace.term) {
			p.kill()
		}
		<-p.exited
	}
	waitFor(p.stderrDone, p.grace.drain)
	p.closePipes()
	<-p.stderrDone
}

func (p *process) terminate() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reaped || p.tree.terminate()
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.tree.kill()
	}
}

// outcome says how the child ended: "exit status 3", "signal: killed". Valid after exited.
func (p *process) outcome() string { return p.cmd.ProcessState.String() }

// lastWords completes an error text with the end of standard error, for operators: see [Error.Public]. Values from the configured
// environment are masked, since programs like to print what they were given.
func (p *process) lastWords(cfg *Config) string {
	last := p.tail.lastLines(3, 300)
	if last == "" {
		return ""
	}
	for _, v := range cfg.Env {
		if len(v) >= 8 {
			last = strings.ReplaceAll(last, v, "***")
		}
	}
	return fmt.Sprintf(lastOutput+"%q", last)
}

// waitFor waits for c to be closed, at most for d, and reports whether it was.
func waitFor(c <-chan struct{}, d time.Duration) bool {
	select {
	case <-c:
		return true
	default:
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

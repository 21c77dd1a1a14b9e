// SPDX-License-Identifier: Apache-2.0

//go:build unix

package upstream

import (
	"os"
	"syscall"
)

// processTree is the process group the child leads.
type processTree struct{ pgid int }

// adopt takes over a child started with [groupAttr]: it leads the group of its own number.
func adopt(p *os.Process) (processTree, error) { return processTree{pgid: p.Pid}, nil }

// terminate asks the group to end. It reports whether there is such a request.
func (t processTree) terminate() bool {
	_ = syscall.Kill(-t.pgid, syscall.SIGTERM)
	return true
}

func (t processTree) kill() { _ = syscall.Kill(-t.pgid, syscall.SIGKILL) }

func (t processTree) release() {}

// writableByAll reports whether every user of the machine may write to the file.
func writableByAll(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().Perm()&0o002 != 0
}

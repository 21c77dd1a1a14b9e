// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupAttr puts the child into a group of its own and has the kernel kill it when the gateway dies without a chance to do
// so itself.
func groupAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits for the child to exit and leaves it a zombie, so that its number stays taken while its group is killed.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package upstream

import "syscall"

// groupAttr puts the child into a group of its own. When the gateway is killed the child sees the end of its input.
func groupAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit is for systems that can wait without reaping; elsewhere the group is killed right after the child was reaped.
func awaitExit(int) bool { return false }

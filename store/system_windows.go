// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// DiskFull reports whether err says that there is no room left to write.
func DiskFull(err error) bool {
	const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112)
	return isErrno(err, handleDiskFull, diskFull)
}

func isReadOnly(err error) bool {
	const writeProtect = syscall.Errno(19)
	return errors.Is(err, writeProtect)
}

func isRefused(err error) bool {
	const wsaConnRefused = syscall.Errno(10061)
	return errors.Is(err, wsaConnRefused)
}

// ownerOnly accepts everything: mode bits mean nothing here, and the directories of a user profile, where the default
// lies, are closed to other users by inherited access lists.
func ownerOnly(string, fs.FileInfo) error { return nil }

// restrict does nothing, for the same reason.
func restrict(string, fs.FileMode) error { return nil }

// shortTempDir is empty: the temporary directory of the user is the only one.
const shortTempDir = ""

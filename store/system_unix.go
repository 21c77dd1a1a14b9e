// SPDX-License-Identifier: Apache-2.0

//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// DiskFull reports whether err says that there is no room left to write.
func DiskFull(err error) bool {
	// EFBIG is what a file size limit of the process (ulimit -f) gives.
	return isErrno(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// ownerOnly returns an error if fi grants anything to users other than its owner.
func ownerOnly(path string, fi fs.FileInfo) error {
	if perm := fi.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%q is open to other users (mode %#o)", path, perm)
	}
	return nil
}

// restrict takes path away from other users.
func restrict(path string, mode fs.FileMode) error { return os.Chmod(path, mode) }

// shortTempDir is where a path is short enough for a socket when the user's own temporary directory is not.
const shortTempDir = "/tmp"

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// The files of a state directory.
const (
	stateName  = "state.db"     // bbolt; its lock is the ownership of the directory
	pidName    = "state.pid"    // process id of the owner; empty after a clean close
	socketName = "control.sock" // unless the path is too long for a socket
	addrName   = "control.addr" // then: the path of the socket
)

// DefaultDir is the state directory of the current user: $XDG_STATE_HOME/tollgate or ~/.local/state/tollgate, on macOS
// ~/Library/Application Support/tollgate, on Windows %LocalAppData%\tollgate. It does not create it.
func DefaultDir() (string, error) {
	switch runtime.GOOS {
	case "windows":
		dir := os.Getenv("LocalAppData")
		if dir == "" {
			return "", errors.New("no state directory: %LocalAppData% is not set; set TOLLGATE_STATE_DIR")
		}
		return filepath.Join(dir, "tollgate"), nil
	case "darwin", "ios":
		return homeDir("Library", "Application Support", "tollgate")
	}
	// The XDG specification says that a relative path is to be ignored.
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tollgate"), nil
	}
	return homeDir(".local", "state", "tollgate")
}

func homeDir(elem ...string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no state directory: %w; set TOLLGATE_STATE_DIR", err)
	}
	return filepath.Join(append([]string{home}, elem...)...), nil
}

// PrivateDir makes dir a directory that only its owner can enter, creating it if need be. A directory that other users can
// enter and that holds something is refused: it may be anything, and closing it would take it away from them.
func PrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return PathError(dir, err)
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return PathError(dir, err)
	}
	open := ownerOnly(dir, fi)
	if open == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return PathError(dir, err)
	}
	if len(entries) > 0 {
		return &FileError{
			Path: dir, Problem: "not private", Err: open,
			Fix: "run \"chmod 700\" on it, or name a directory inside it, which will be created",
		}
	}
	return PathError(dir, restrict(dir, 0o700))
}

// writePID notes that this process owns dir. The caller holds the lock.
func writePID(dir string) error {
	path := filepath.Join(dir, pidName)
	return PathError(path, os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600))
}

// clearPID takes the note away but leaves the file, which shows that the directory has had an owner. The caller holds
// the lock.
func clearPID(dir string) error {
	path := filepath.Join(dir, pidName)
	return PathError(path, os.Truncate(path, 0))
}

// readPID returns the process id noted in dir, 0 when there is none. It is true only while somebody holds the lock.
func readPID(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, pidName))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// hadOwner reports whether dir was ever opened with success.
func hadOwner(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, pidName))
	return !errors.Is(err, fs.ErrNotExist)
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Errors of API keys.
var (
	// ErrUnknownKey is returned for an id or a secret that belongs to no key, mistyped ones included.
	ErrUnknownKey = errors.New("unknown api key")
	// ErrExpiredKey is returned for the right secret of a key whose time is over.
	ErrExpiredKey = errors.New("api key has expired")
	// ErrRevokedKey is returned for the right secret of a key that was revoked.
	ErrRevokedKey = errors.New("api key is revoked")
	// ErrReplacedKey is returned by [DB.RotateKey] for a key that has a successor already.
	ErrReplacedKey = errors.New("api key was replaced")
)

// Errors of the state directory and its control socket.
var (
	// ErrClosed is returned by every method of a [DB] after [DB.Close].
	ErrClosed = errors.New("store is closed")
	// ErrNotRunning is returned by [Dial] when no process listens for a state directory.
	ErrNotRunning = errors.New("no running tollgate")
	// ErrNotOwner is returned by [Listen] for a directory that this process has not opened.
	ErrNotOwner = errors.New("state directory is not open in this process")

	errStranger = errors.New("the other end belongs to another user")
)

// LockedError says that another process owns the state directory.
type LockedError struct {
	Dir string
	PID int // of the owner; 0 = it left no readable note
}

// Error names the directory and the owner.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("state directory %q is in use by another process", e.Dir)
	}
	return fmt.Sprintf("state directory %q is in use by process %d", e.Dir, e.PID)
}

// Hint says how to work with the owner, or beside it.
func (e *LockedError) Hint() string {
	owner := "that process"
	if e.PID != 0 {
		owner = fmt.Sprintf("process %d", e.PID)
	}
	return "\"tollgate stdio\" and commands such as \"tollgate key\" attach to the running gateway by themselves; " +
		"for a second gateway stop " + owner + " or set TOLLGATE_STATE_DIR to another directory"
}

// CorruptError says that a state file does not hold what was written to it. The file has not been changed.
type CorruptError struct {
	Path string
	Lost string // what is lost without the file, such as "all API keys"
	Err  error  // what is wrong, and where
}

// Error names the file and the first thing found wrong.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("state file %q is damaged: %v", e.Path, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint says what to do; nothing is ever repaired or wiped by itself.
func (e *CorruptError) Hint() string {
	return "nothing was changed; restore the file from a backup, or move it away to start anew; without it you lose " + e.Lost
}

// SchemaError says that a newer tollgate has written the state file. The file has not been changed.
type SchemaError struct {
	Path  string
	Have  int // version of the file
	Known int // newest version this program knows
}

// Error names the file and both versions.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("state file %q has schema version %d, this tollgate knows versions up to %d", e.Path, e.Have, e.Known)
}

// Hint says how to go on.
func (e *SchemaError) Hint() string {
	return "use the newer tollgate that wrote it, or restore a backup made before the upgrade"
}

// FileError says that a file of the state directory cannot be read or written, for a reason the operator can remove.
type FileError struct {
	Path    string
	Problem string // in words, such as "no space left on the volume"
	Fix     string // what to do about it
	Err     error
}

// Error names the file, the problem and the system's own words for it.
func (e *FileError) Error() string {
	return fmt.Sprintf("state path %q: %s: %v", e.Path, e.Problem, e.Err)
}

// Unwrap returns the system's error.
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *FileError) Hint() string { return e.Fix }

// isErrno reports whether err is one of codes. bbolt formats some errors into its own text without wrapping them, so the
// text counts too.
func isErrno(err error, codes ...syscall.Errno) bool {
	for _, code := range codes {
		if errors.Is(err, code) || strings.HasSuffix(err.Error(), ": "+code.Error()) {
			return true
		}
	}
	return false
}

// PathError says which path err is about, and words the failures that an operator meets: a full disk and missing permission.
func PathError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case DiskFull(err):
		return &FileError{
			Path: path, Problem: "no space left", Err: err,
			Fix: "free space on the volume (or raise its quota); what was stored before is intact",
		}
	case errors.Is(err, fs.ErrPermission) || isReadOnly(err):
		return &FileError{
			Path: path, Problem: "no permission", Err: err,
			Fix: "let the user that runs tollgate read and write it, or set TOLLGATE_STATE_DIR to another directory",
		}
	}
	return fmt.Errorf("state path %q: %w", path, err)
}

// ConflictError says that an idempotency key cannot be used for a request. Exactly one of its reasons is true.
type ConflictError struct {
	Different bool   // the key belongs to another request
	Running   bool   // its call has not ended yet
	Unknown   bool   // the gateway stopped while its call was under way, which may have been made
	Call      string // id of that call
}

// Error says why. It does not repeat the key.
func (e *ConflictError) Error() string {
	switch {
	case e.Different:
		return "the idempotency key was used for another request"
	case e.Running:
		return "the call with this idempotency key has not ended yet"
	}
	return "the call with this idempotency key may have been made: the gateway stopped before its answer was stored"
}

// Hint says how to go on.
func (e *ConflictError) Hint() string {
	switch {
	case e.Different:
		return "use a new key for each new request"
	case e.Running:
		return "wait a moment and send the request again with the same key"
	}
	return fmt.Sprintf("look for what call %q has done, then use a new key if it is to be made again", e.Call)
}

// FullError says that no more idempotency keys can be remembered, so the call was not made.
type FullError struct {
	Caller bool // by this caller; others may have room
	Most   int  // that are remembered at a time
}

// Error says how many there are.
func (e *FullError) Error() string {
	if e.Caller {
		return fmt.Sprintf("%d idempotency keys of this caller are remembered, no more can be", e.Most)
	}
	return fmt.Sprintf("%d idempotency keys are remembered, no more can be", e.Most)
}

// Hint says how to go on.
func (e *FullError) Hint() string {
	return "send requests without a key where a second execution does no harm, or wait until older keys are forgotten"
}

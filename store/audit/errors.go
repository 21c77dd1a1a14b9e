// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"

	"tollgate/store"
)

// Errors of a [Log].
var (
	// ErrBusy is returned for an entry that found the queue full. Nothing of it is kept.
	ErrBusy = errors.New("the queue of the audit log is full: records come faster than the disk takes them")
	// ErrClosed is returned after [Log.Close] was called.
	ErrClosed = errors.New("audit log is closed")
	// ErrReadOnly is returned by what would change a log of [OpenReader].
	ErrReadOnly = errors.New("audit log is open for reading only")
	// ErrPruned is met by readers of records that retention takes away.
	ErrPruned = errors.New("these records of the audit log were removed by retention")
)

// FailedError says that the log cannot be written. The log tries again by itself; until it succeeds nothing is admitted.
type FailedError struct {
	Err      error
	DiskFull bool // there is no room left
}

// Error says what is wrong.
func (e *FailedError) Error() string { return fmt.Sprintf("audit log cannot be written: %v", e.Err) }

// Unwrap returns what is wrong.
func (e *FailedError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *FailedError) Hint() string {
	if e.DiskFull {
		return "free space on the volume (or raise its quota); writing goes on by itself within two seconds"
	}
	if hint, ok := errors.AsType[interface {
		error
		Hint() string
	}](e.Err); ok {
		return hint.Hint()
	}
	return "once the disk can be written again, the log goes on by itself within two seconds"
}

// failed words what kept a commit from the disk.
func failed(path string, err error) *FailedError {
	if known, ok := errors.AsType[*FailedError](err); ok {
		return known
	}
	return &FailedError{Err: store.PathError(path, err), DiskFull: store.DiskFull(err)}
}

// corrupt says that a file of the log does not hold what was written to it.
func corrupt(path string, err error) error {
	if known, ok := errors.AsType[*store.CorruptError](err); ok {
		return known
	}
	return &store.CorruptError{Path: path, Lost: "the audit records in it", Err: err}
}

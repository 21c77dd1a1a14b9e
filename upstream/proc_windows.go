// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// groupAttr keeps console signals of the gateway away from the child and the child's console off the screen.
func groupAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW}
}

// processTree is the job object that holds the child and everything it starts. The system ends the job with its last handle,
// which is also what happens when the gateway dies.
type processTree struct{ job windows.Handle }

// adopt puts the child into a new job. What the child starts before it is in the job stays outside; a process needs longer
// than that to load its own libraries.
func adopt(p *os.Process) (processTree, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return processTree{}, fmt.Errorf("create a job object: %w", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{
		LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		var assign error
		err = p.WithHandle(func(h uintptr) { assign = windows.AssignProcessToJobObject(job, windows.Handle(h)) })
		if err == nil {
			err = assign
		}
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return processTree{}, fmt.Errorf("put the process into a job object: %w", err)
	}
	return processTree{job: job}, nil
}

// terminate reports false: a process without a window or a shared console cannot be asked to end.
func (t processTree) terminate() bool { return false }

func (t processTree) kill() { _ = windows.TerminateJobObject(t.job, 1) }

func (t processTree) release() { _ = windows.CloseHandle(t.job) }

// awaitExit is for systems that can wait without reaping; here the job keeps the tree together whatever the child does.
func awaitExit(int) bool { return false }

// writableByAll is for systems with permission bits; access control lists are the administrator's.
func writableByAll(string) bool { return false }

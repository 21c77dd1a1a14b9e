// SPDX-License-Identifier: Apache-2.0

package codemode

import "syscall"

// adviseSmallPages is MADV_NOHUGEPAGE: a large page would make two megabytes of the few pages that a script touches.
const adviseSmallPages = 15

// reserve returns n bytes of address space, which take memory when they are touched, or nil when there are none.
func reserve(n int64) []byte {
	b, err := syscall.Mmap(-1, 0, int(n), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	_ = syscall.Madvise(b, adviseSmallPages) // a kernel without large pages does not know it
	return b
}

func unreserve(b []byte) { _ = syscall.Munmap(b) } // fails for nothing that reserve returned

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// checkPeer returns an error unless the process at the other end of c runs as user uid.
func checkPeer(c *net.UnixConn, uid int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return err
	}
	if int(cred.Uid) != uid {
		return fmt.Errorf("%w: uid %d", errStranger, cred.Uid)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store

import "net"

// checkPeer accepts everybody: here the modes of the directory (0700) and of the socket (0600) keep other users out.
func checkPeer(*net.UnixConn, int) error { return nil }

// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store

import "errors"

const peersAreKnown = false

func mountTmpfs(string, string) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }

// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package ledger

import "errors"

func mountTmpfs(string, string) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }

// SPDX-License-Identifier: Apache-2.0

package main

import "context"

// onHangup does nothing: Windows has no SIGHUP. `tollgate reload` and the watched file do the same.
func onHangup(context.Context, func()) (wait func()) { return func() {} }

// SPDX-License-Identifier: Apache-2.0

package aggregator

// Fold is for its fuzz test.
func Fold(s string) string { return fold(s) }

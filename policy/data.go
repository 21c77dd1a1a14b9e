// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Data is the whole document under data that the policy was loaded with,
// data.tollgate.config included, so that tools for authors evaluate against the
// same. It is a copy.
func (e *Engine) Data() (map[string]any, error) {
	v, err := ast.JSON(e.data.root)
	if err != nil {
		return nil, fmt.Errorf("policy data: %w", err)
	}
	m, _ := v.(map[string]any)
	return m, nil
}

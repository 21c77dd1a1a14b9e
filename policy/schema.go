// SPDX-License-Identifier: Apache-2.0

package policy

import (
	_ "embed" // the schema of the input document
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

//go:embed input.schema.json
var inputSchema string

// InputSchema is the JSON Schema of the decision input document. Policies are
// type-checked against it when they load, so a mistyped input.principal.rols
// is a load error and not a rule that never applies.
func InputSchema() []byte { return []byte(inputSchema) }

func schemaSet() (*ast.SchemaSet, error) {
	var schema any
	if err := json.Unmarshal([]byte(inputSchema), &schema); err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, schema)
	return set, nil
}

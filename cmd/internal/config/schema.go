// SPDX-License-Identifier: Apache-2.0

package config

import _ "embed"

//go:embed schema.json
var schemaJSON string

//go:embed template.yaml
var templateYAML string

// Schema returns the published JSON Schema (draft 2020-12) of tollgate.yaml. It says what the decoder accepts, key by key;
// relations between values, such as unique names, are checked by [Parse] only.
func Schema() []byte { return []byte(schemaJSON) }

// InitTemplate returns the commented tollgate.yaml that "tollgate init" writes. It is valid as it is and starts a gateway
// without upstreams.
func InitTemplate() []byte { return []byte(templateYAML) }

// SchemaFile is the name under which the template refers to the schema, beside itself.
const SchemaFile = "tollgate.schema.json"

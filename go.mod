module tollgate

go 1.26.0

require (
	cel.dev/cel-go v0.32.0 // evaluates limits
	github.com/BurntSushi/toml v1.6.0 // reads the configuration of Codex
	github.com/MicahParks/jwkset v0.11.4 // reads the keys of authorization servers
	github.com/MicahParks/keyfunc/v3 v3.9.1 // keeps the keys that access tokens are signed with
	github.com/cenkalti/backoff/v5 v5.0.3 // pauses between attempts to reach an upstream
	github.com/evanw/esbuild v0.28.2 // turns the TypeScript that models write into JavaScript
	github.com/fsnotify/fsnotify v1.10.1 // notices changes of the configuration file
	github.com/go-json-experiment/json v1.27.2 // tests: a second opinion on what is valid JSON
	github.com/golang-jwt/jwt/v5 v5.3.1 // reads and verifies access tokens
	github.com/google/go-cmp v0.7.0 // tests: differences that can be read
	github.com/google/jsonschema-go v0.4.3 // tests: a second opinion on JSON Schema
	github.com/modelcontextprotocol/go-sdk v1.8.0 // the demo's servers, OAuth metadata, and the far end in tests
	github.com/open-policy-agent/opa v1.22.2 // decides in Rego who may see what
	github.com/rogpeppe/go-internal v1.16.0 // tests: testscript for commands, txtar for golden files
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // tests: a third opinion on JSON Schema
	github.com/sony/gobreaker/v2 v2.4.0 // stops calling an upstream that only fails
	github.com/spf13/cobra v1.10.2 // commands, flags and their help
	github.com/tailscale/hujson v0.0.0-20260727124030-b80ff77dac4f // reads and edits JSON with comments, as editors keep it
	github.com/tetratelabs/wazero v1.12.0 // the sandbox that programs run in
	github.com/yosida95/uritemplate/v3 v3.0.2 // matches URIs with resource templates
	github.com/zalando/go-keyring v0.2.8 // reads secrets from the system's keyring
	go.etcd.io/bbolt v1.5.0 // the database of the state directory
	go.yaml.in/yaml/v4 v4.0.0 // reads tollgate.yaml with the position of every value
	golang.org/x/mod v0.42.0 // the hash tree of the audit log and its signed checkpoints
	golang.org/x/sync v0.25.0 // a semaphore whose waiters can give up
	golang.org/x/sys v0.48.0 // process groups and job objects
	golang.org/x/term v0.46.0 // asks for secrets without showing them
	golang.org/x/text v0.42.0 // widths of characters in tables
	golang.org/x/time v0.16.0 // bounds how often keys are fetched
	pgregory.net/rapid v1.3.0 // tests: properties over random input
)

require (
	cel.dev/expr v0.25.1 // indirect
	github.com/agnivade/levenshtein v1.2.1 // indirect
	github.com/antlr4-go/antlr/v4 v4.13.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/danieljoos/wincred v1.2.3 // indirect
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.1 // indirect
	github.com/gobwas/glob v1.0.0 // indirect
	github.com/goccy/go-json v0.10.6 // indirect
	github.com/godbus/dbus/v5 v5.2.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/lestrrat-go/blackmagic v1.0.4 // indirect
	github.com/lestrrat-go/dsig v1.4.0 // indirect
	github.com/lestrrat-go/dsig-secp256k1 v1.0.0 // indirect
	github.com/lestrrat-go/httpcc v1.0.1 // indirect
	github.com/lestrrat-go/httprc/v3 v3.0.6 // indirect
	github.com/lestrrat-go/jwx/v3 v3.3.0 // indirect
	github.com/lestrrat-go/option/v2 v2.0.0 // indirect
	github.com/segmentio/asm v1.2.1 // indirect
	github.com/segmentio/encoding v0.5.4 // indirect
	github.com/sirupsen/logrus v1.10.2 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	github.com/valyala/fastjson v1.6.10 // indirect
	github.com/vektah/gqlparser/v2 v2.5.58 // indirect
	github.com/xeipuuv/gojsonpointer v0.0.0-20190905194746-02993c407bfb // indirect
	github.com/xeipuuv/gojsonreference v0.0.0-20180127040603-bd5ef7bd5415 // indirect
	github.com/yashtewari/glob-intersection v0.2.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/exp v0.0.0-20240823005443-9b4947da3948 // indirect
	golang.org/x/oauth2 v0.36.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260819154853-08b0e4226688 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260819154853-08b0e4226688 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/conformance/harness"
)

// clientScript is what the suite runs in place of a client, with the URL of its server as the last argument: a gateway whose
// only upstream is that server, and the driver below it. The exit code is the driver's.
const clientScript = `#!/bin/sh
set -u
dir=$(mktemp -d "DIR/run.XXXXXX") || exit 1
"DRIVER" -config "$1" >"$dir/tollgate.yaml" || exit 1
"TOLLGATE" serve --config "$dir/tollgate.yaml" --state-dir "$dir/state" --listen 127.0.0.1:0 \
  --oauth-browser "DRIVER -browse" >"$dir/out" 2>"$dir/log" &
gateway=$!
url=
tries=0
until [ -n "$url" ] || [ $tries -gt 500 ]; do
  url=$(sed -n 's/.*MCP endpoint *//p' "$dir/out")
  tries=$((tries + 1))
  [ -n "$url" ] || sleep 0.02
done
"DRIVER" "$url"
code=$?
kill $gateway
wait $gateway
cat "$dir/log" >&2
exit $code
`

// TestSuiteClient runs the client scenarios of the official suite: the gateway's side towards its upstreams is the client
// under test, OAuth included. The suite runs all scenarios of a revision at the same time, each with a gateway of its own.
func TestSuiteClient(t *testing.T) {
	harness.Node(t)
	for _, rev := range revisions() {
		t.Run(rev, func(t *testing.T) {
			dir := t.TempDir()
			script := strings.NewReplacer("DIR", dir, "DRIVER", bin.Driver(t), "TOLLGATE", bin.Tollgate(t)).Replace(clientScript)
			command := filepath.Join(dir, "client.sh")
			if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			run := runSuite(t, "client", "--command", command, "--requirements", rev)
			run.check(t, filepath.Join("testdata", "suite-client-"+rev+".json"))
		})
	}
}

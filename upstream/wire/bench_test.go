// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"strings"
	"testing"

	"tollgate/upstream/wire"
)

// callBody returns a modern tools/call of about size bytes, shaped like what clients send: a list of small objects.
func callBody(size int) []byte {
	const (
		head = `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"github__search",` +
			`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"arguments":{"deep":true,"items":[`
		item = `{"path":"src/main.go","line":1234,"tags":["one","two"],"text":"a sentence, with \"quotes\" in it"}`
		tail = `]}}}`
	)
	n := max(1, (size-len(head)-len(tail))/(len(item)+1))
	return []byte(head + strings.Repeat(item+",", n-1) + item + tail)
}

func BenchmarkParse(b *testing.B) {
	for name, size := range map[string]int{"300B": 300, "2KB": 2 << 10, "10KB": 10 << 10, "100KB": 100 << 10} {
		body := callBody(size)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/upstream/wire"
)

// rows is data of about size bytes, as a query of customers answers it.
func rows(size int) string {
	var b strings.Builder
	b.WriteString(`{"customers":[`)
	for i := 0; b.Len() < size-2; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name":"Customer %d","address":{"street":"Some Street %d","city":"Łódź"},"email":"c%d@example.com","active":true}`, i, i, i, i)
	}
	b.WriteString(`]}`)
	return b.String()
}

func BenchmarkResult(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		data := rows(size)
		structured := []byte(`{"content":[],"structuredContent":` + data + `}`)
		text := []byte(`{"content":[{"type":"text","text":` + string(wire.AppendString(nil, data)) + `}]}`)
		for _, bb := range []struct {
			name     string
			result   []byte
			pointers []string
		}{
			{"check_alone", structured, nil},
			{"data/no_match", structured, []string{"/customers/*/ssn"}},
			{"data/no_match_deep", structured, []string{"/**/ssn", "/**/card/number"}},
			{"data/all_match", structured, []string{"/customers/*/email"}},
			{"text/no_match", text, []string{"/customers/*/ssn"}},
			{"text/all_match", text, []string{"/customers/*/email"}},
		} {
			b.Run(fmt.Sprintf("%dKB/%s", size>>10, bb.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(bb.result)))
				if bb.pointers == nil {
					for b.Loop() {
						_ = wire.CheckReply(bb.result)
					}
					return
				}
				r := rule(b, false, bb.pointers...)
				for b.Loop() {
					r.Result("tools/call", bb.result)
				}
			})
		}
	}
}

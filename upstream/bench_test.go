// SPDX-License-Identifier: Apache-2.0

package upstream

import "testing"

// BenchmarkCall is one call to a scripted upstream in this process, both ends and the pipe included.
func BenchmarkCall(b *testing.B) {
	srv := &scripted{}
	s := NewSet(nil)
	s.Apply([]Config{srv.config("demo")})
	defer s.Close(b.Context())
	if err := s.Settled(b.Context()); err != nil {
		b.Fatal(err)
	}
	r := &Request{Method: "tools/call", Params: []byte(`{"name":"echo","arguments":{"text":"hello"}}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Call(b.Context(), "demo", r); err != nil {
			b.Fatal(err)
		}
	}
}

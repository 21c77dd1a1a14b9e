// SPDX-License-Identifier: Apache-2.0

package fuel

import "fmt"

// The names that a module and its host agree on.
const (
	Host   = "env.host_interrupt" // imported: func() -> i32
	Export = "tollgate_fuel"      // exported: a mutable i32

	DefaultInterval = 5000
	maxInterval     = 1 << 20
	maxModule       = 64 << 20
)

// Options for [Instrument].
type Options struct {
	Interval int // steps between two questions; 0: DefaultInterval
}

// Stats counts what was found.
type Stats struct {
	Functions, Loops, Bulk int
}

// Instrument returns the module with the counter in it. Custom sections are left out: they describe the code as it was.
func Instrument(wasm []byte, o *Options) ([]byte, Stats, error) {
	if o == nil {
		o = &Options{}
	}
	interval := o.Interval
	if interval == 0 {
		interval = DefaultInterval
	}
	if interval < 1 || interval > maxInterval {
		return nil, Stats{}, fmt.Errorf("an interval of %d steps: want 1 to %d", interval, maxInterval)
	}
	m, err := parse(wasm)
	if err != nil {
		return nil, Stats{}, err
	}
	return m.rewrite(int32(interval))
}

// rewrite writes the sections in their order, with what was added to five of them.
func (m *module) rewrite(interval int32) ([]byte, Stats, error) {
	in := m.instruments(interval)
	code, stats, err := m.rewriteCode(in)
	if err != nil {
		return nil, Stats{}, err
	}
	out := make([]byte, 0, len(m.wasm)+len(m.wasm)/8+256)
	out = append(out, header...)
	for _, id := range order() {
		body, present := m.sections[id].b, m.present[id]
		switch id {
		case secType:
			body, present = in.types(m), true
		case secFunction:
			body, present = in.functions(m), true
		case secGlobal:
			body, present = m.appendTo(secGlobal, in.global()), true
		case secExport:
			body, present = m.appendTo(secExport, in.export()), true
		case secCode:
			body, present = code, true
		}
		if present {
			out = append(out, id)
			out = appendU32(out, uint32(len(body)))
			out = append(out, body...)
		}
	}
	return out, stats, nil
}

// appendTo returns a section that is a vector, with more entries at its end.
func (m *module) appendTo(id byte, entries ...[]byte) []byte {
	r := m.sections[id]
	n := uint32(0)
	if m.present[id] {
		n = r.u32()
	}
	out := appendU32(nil, n+uint32(len(entries)))
	out = append(out, r.b[r.i:]...)
	for _, e := range entries {
		out = append(out, e...)
	}
	return out
}

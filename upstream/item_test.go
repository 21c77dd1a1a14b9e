// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"testing"

	"tollgate/upstream/wire"
)

// Whatever an upstream sends as an item, it is either shown with what it needs or refused with a reason.
func FuzzItem(f *testing.F) {
	for _, seed := range []string{tool("a"), `{"name":"a","icons":[{"src":"javascript:x"},7,null]}`, `{"uri":"a:1","name":"b"}`,
		`{"uriTemplate":"a:{x}","name":"c","icons":{}}`, `[]`, `{"name":{}}`, `{"name":"\ud800","inputSchema":{"type":"object"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if wire.CheckReply(raw) != nil {
			return
		}
		for l := range listCount {
			item, _, err := l.parse(raw, nil)
			if err != nil {
				if err.Error() == "" || l.labelOf(raw) == "" {
					t.Errorf("%s: refused without a reason", raw)
				}
				continue
			}
			if l.keyOf(item) == "" || item.Name == "" || item.Hash == "" || wire.CheckReply(item.Raw) != nil {
				t.Errorf("%s became %+v", raw, item)
			}
			again, _, err := l.parse(item.Raw, map[string]Item{l.keyOf(item): item})
			if err != nil || again.Hash != item.Hash {
				t.Errorf("%s read again became %+v, %v", raw, again, err)
			}
		}
	})
}

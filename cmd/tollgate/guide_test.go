// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"tollgate/cmd/internal/config"
)

// TestGuideConfigurations: every configuration in the guide for policy authors loads, limits and bindings included.
func TestGuideConfigurations(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "rego", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(# tollgate.yaml\n.*?)^```").FindAllSubmatch(text, -1)
	if len(blocks) < 3 {
		t.Fatalf("the guide has %d configurations", len(blocks))
	}
	for _, m := range blocks {
		cfg, err := config.Parse("tollgate.yaml", append([]byte("version: 1\n"), m[1]...), nil)
		if err != nil {
			t.Errorf("%v\n%s", err, m[1])
			continue
		}
		p, err := planOf(cfg)
		if err == nil {
			_, err = p.compile()
		}
		if err != nil {
			t.Errorf("%v\n%s", err, m[1])
		}
	}
}

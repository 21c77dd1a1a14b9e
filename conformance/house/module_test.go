// SPDX-License-Identifier: Apache-2.0

package house

import "strings"

func moduleRules() []rule {
	return []rule{
		{
			name: "module", check: checkModule,
			bad: []string{
				"-- go.mod --\nmodule a\n\nreplace x.y/z => ../z\n",
				"-- go.mod --\nmodule a\n\nreplace (\n\tx.y/z => ../z\n)\n",
				"-- go.mod --\nmodule a\n\nexclude x.y/z v1.0.0\n",
				"-- go.mod --\nmodule a\n\ntool x.y/z\n",
				"-- go.mod --\nmodule a\n\nrequire x.y/z v1.0.0\n",
				"-- go.mod --\nmodule a\n\nrequire (\n\tx.y/z v1.0.0 // parses things\n\tx.y/w v1.0.0\n)\n",
				"-- go.mod --\nmodule a\n\nrequire (\n\tx.y/w v1.0.0 // indirect\n\tx.y/z v1.0.0 // why\n)\n",
			},
			good: []string{"-- go.mod --\nmodule a\n\ngo 1.26.0\n\nrequire x.y/v v1.0.0 // reads what x writes\n\n// Direct.\nrequire (\n\tx.y/z v1.0.0 // parses things\n)\n\nrequire (\n\tx.y/w v1.0.0 // indirect\n)\n"},
		},
	}
}

func checkModule(t *tree) []finding {
	f := t.find("go.mod")
	if f == nil {
		return nil
	}
	var found []finding
	block, line := "", 0
	for text := range strings.Lines(f.text) {
		line++
		text = strings.TrimSpace(text)
		statement, reason, _ := strings.Cut(text, "//")
		words := strings.Fields(statement)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		switch reason = strings.TrimSpace(reason); words[0] {
		case "replace", "exclude":
			found = append(found, finding{f.path, line, "require a released version instead of " + words[0] + ": whoever installs the program by its path does not get it"})
		case "tool":
			found = append(found, finding{f.path, line, "put tools into .ci/tools.mod: their dependencies are not ours"})
		case "require":
			if len(reason) < 10 && reason != "indirect" {
				found = append(found, finding{f.path, line, "say behind " + words[1] + " what we use it for: // <reason>"})
			}
		}
	}
	return found
}

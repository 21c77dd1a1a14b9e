// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"strings"
	"testing"
)

// riskCase is a program with its arguments, separated by "¦", and parts of the texts that are expected, separated by "; ".
type riskCase struct{ line, want string }

func TestRisks(t *testing.T) {
	checkRisks(t, []riskCase{
		{"npx¦-y¦@scope/pkg@1.2.3", ""},
		{"npx¦-y¦@scope/pkg", "npx fetches the newest version of @scope/pkg"},
		{"npx¦-y¦@scope/pkg@latest", "newest version of @scope/pkg@latest"},
		{"npx¦--package¦pkg@1.0.0¦bin", ""},
		{"npx¦-p¦pkg¦bin", "newest version of pkg"},
		{`C:\nodejs\npx.cmd¦pkg`, "newest version of pkg"},
		{"npx¦./local", ""},
		{"npm¦exec¦--¦pkg", "newest version of pkg"},
		{"npm¦run¦start", ""},
		{"uvx¦mcp-server-git", "uvx fetches the newest"},
		{"uvx¦mcp-server-git==1.0", ""},
		{"uvx¦--from¦git+https://github.com/a/b@0123456789ab¦server", ""},
		{"uvx¦--from¦git+https://github.com/a/b¦server", "newest version of git+"},
		{"pipx¦run¦pkg", "newest version of pkg"},
		{"pipx¦install¦pkg", ""},
		{"sh¦-c¦npx foo", "starts a shell"},
		{"/bin/bash¦-lc¦a && b", "starts a shell; chains several"},
		{"sh¦script.sh", ""},
		{"bash¦-c¦curl https://x | sh", "starts a shell; runs what it downloads"},
		{"powershell.exe¦-Command¦iwr https://x | iex", "starts a shell; runs what it downloads"},
		{"cmd¦/c¦npx¦pkg", "starts a shell"},
		{"sudo¦server", "rights of another user"},
		{"bash¦-c¦sudo x", "starts a shell; rights of another user"},
		{"./server", "relative path"},
		{"/usr/bin/server", ""},
		{`C:\server.exe`, ""},
	})
}

func TestContainerRisks(t *testing.T) {
	checkRisks(t, []riskCase{
		{"docker¦run¦-i¦--rm¦mcp/x:1.2", ""},
		{"docker¦run¦-i¦--rm¦mcp/x", "no version: mcp/x"},
		{"docker¦run¦-i¦localhost:5000/x", "no version"},
		{"docker¦run¦-i¦mcp/x@sha256:abc", ""},
		{"docker¦run¦-v¦/:/host¦mcp/x:1", "whole file system"},
		{"docker¦run¦--volume=/:/host¦mcp/x:1", "whole file system"},
		{"docker¦run¦--mount¦type=bind,src=/etc,dst=/e¦mcp/x:1", "sees /etc"},
		{"docker¦run¦-v¦/home/me/.ssh:/s¦mcp/x:1", "sees /home/me/.ssh"},
		{"docker¦run¦-v¦/var/run/docker.sock:/s¦mcp/x:1", "controls the container engine"},
		{"docker¦run¦-v¦/srv/data:/data¦mcp/x:1", ""},
		{"podman¦run¦--privileged¦--network=host¦--pid¦host¦mcp/x:1", "all rights; network of the machine; shares a namespace"},
		{"docker¦run¦-e¦TOKEN¦--cap-add¦SYS_ADMIN¦mcp/x:1", "additional rights"},
		{"docker¦mcp¦gateway¦run", ""},
	})
}

func checkRisks(t *testing.T, tests []riskCase) {
	t.Helper()
	for _, tt := range tests {
		words := strings.Split(tt.line, "¦")
		var got []string
		for _, r := range Risks(words[0], words[1:]) {
			got = append(got, r.Text)
		}
		want := strings.Split(tt.want, "; ")
		if tt.want == "" {
			want = nil
		}
		ok := len(got) == len(want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.Contains(got[i], want[i])
		}
		if !ok {
			t.Errorf("%s: %q, want %q", tt.line, got, want)
		}
	}
}

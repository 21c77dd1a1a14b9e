// SPDX-License-Identifier: Apache-2.0

package redact

import "strings"

const (
	protocolPrefix = "io.modelcontextprotocol/"
	gatewayPrefix  = "tollgate/"
)

// meta edits a _meta. Members of the gateway's own name space go, whoever sent them, and so do those that are not the
// protocol's, unless the rule keeps text. Those that stay are data, but for a few that the protocol needs.
func (e *editor) meta(i int) int {
	if e.src[i] != '{' {
		return e.swap(i, []byte("{}"))
	}
	i = skipSpace(e.src, i+1)
	last, kept := i, false // where the member before ends, once there is one that stays
	for e.src[i] != '}' {
		start, end := i, stringEnd(e.src, i)
		key := e.src[i+1 : end-1]
		value := skipSpace(e.src, skipSpace(e.src, end)+1)
		switch {
		case e.keepsMeta(name(key)):
			end, kept = e.member(value, key, e.rule.layouts.meta.find(key)), true
			i = e.comma(end)
		case kept: // with the comma before it
			end = valueEnd(e.src, value)
			e.replace(last, end, nil)
			i = e.comma(end)
		default: // with the comma after it
			end = valueEnd(e.src, value)
			i = e.comma(end)
			e.replace(start, i, nil)
		}
		last = end
	}
	return i + 1
}

func (e *editor) keepsMeta(name string) bool {
	if len(name) >= len(gatewayPrefix) && strings.EqualFold(name[:len(gatewayPrefix)], gatewayPrefix) {
		return false
	}
	return e.rule.keepText || strings.HasPrefix(name, protocolPrefix)
}

// newMetaLayout has the members of a _meta that the protocol needs.
func newMetaLayout() layout {
	return layout{
		{protocolPrefix + "serverInfo", "{", nil, (*editor).serverInfo},
		{protocolPrefix + "related-task", "{", nil, (*editor).relatedTask},
		{protocolPrefix + "subscriptionId", `"0`, spelled(maxOpaque, isOpaque), nil},
	}
}

func (e *editor) serverInfo(i int) int { return e.members(i, e.rule.layouts.serverInfo) }

func (e *editor) relatedTask(i int) int { return e.members(i, e.rule.layouts.relatedTask) }

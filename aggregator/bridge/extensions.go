// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"strings"

	"tollgate/upstream/wire"
)

// The official extensions the gateway carries between modern peers.
const (
	TasksExtension = "io.modelcontextprotocol/tasks"
	AppsExtension  = "io.modelcontextprotocol/ui"

	officialPrefix = "io.modelcontextprotocol/"
)

// CarriesExtension reports whether what an upstream declares under id works through the gateway. The other official
// extensions are about the authorization of a connection, and a client's ends here. A vendor's is passed on unread: what it
// adds to params, results and definitions travels; methods of its own do not.
func CarriesExtension(id string) bool {
	if strings.HasPrefix(id, officialPrefix) {
		return id == TasksExtension || id == AppsExtension
	}
	vendor, name, found := strings.Cut(id, "/")
	return found && vendor != "" && name != ""
}

// Declares reports whether this request of a modern client declared the extension. In the earlier revisions extensions
// are not defined, whatever such a client says.
func (c *Client) Declares(id string) bool {
	settings, ok := wire.Lookup(c.Capabilities, "extensions", id)
	return ok && wire.Kind(settings) == '{' && c.Revision.Modern()
}

// MissingExtension is the error for a request that needs an extension its client did not declare.
func MissingExtension(id string) *wire.Error {
	data := append([]byte(`{"requiredCapabilities":{"extensions":{`), wire.AppendString(nil, id)...)
	return &wire.Error{
		Code: wire.CodeMissingCapability, Data: append(data, `:{}}}}`...),
		Message: fmt.Sprintf("this request needs the extension %q in its client capabilities", id),
	}
}

// withoutTasks takes the tasks extension out of a ClientCapabilities object: an earlier revision does not define it, and a
// server that believed it would answer with a task the client cannot take.
func withoutTasks(capabilities []byte) []byte {
	extensions, ok := wire.Lookup(capabilities, "extensions")
	if !ok || wire.Kind(extensions) != '{' {
		return capabilities
	}
	if _, ok := wire.Lookup(extensions, TasksExtension); !ok {
		return capabilities
	}
	if extensions = wire.Delete(extensions, TasksExtension); string(extensions) == "{}" {
		return wire.Delete(capabilities, "extensions")
	}
	return wire.Set(capabilities, "extensions", extensions)
}

// IsTask reports whether a result hands out a task instead of what was asked for.
func IsTask(result []byte) bool {
	raw, ok := wire.Lookup(result, "resultType")
	if !ok {
		return false
	}
	kind, _ := wire.String(raw)
	return kind == "task"
}

// TaskID is the taskId of params, of a result or of a notification.
func TaskID(obj []byte) (string, bool) {
	raw, ok := wire.Lookup(obj, "taskId")
	if !ok {
		return "", false
	}
	return wire.String(raw)
}

// RenameTask is obj with its taskId replaced; an object without one, such as an acknowledgement, stays as it is.
func RenameTask(obj []byte, id string) []byte {
	if _, ok := wire.Lookup(obj, "taskId"); !ok {
		return obj
	}
	return wire.Set(obj, "taskId", wire.AppendString(nil, id))
}

// WithoutTask is the params of a tools/call without the task of 2025-11-25. The gateway declares no such tasks, and who
// does not declare them has to ignore it: otherwise the answer would be a task nobody can ask after.
func WithoutTask(params []byte) []byte { return wire.Delete(params, "task") }

// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/upstream/wire"
)

// checkTaskFilter refuses a subscription to tasks by a client that does not declare them. One that does is told in the
// acknowledgement that it gets none, see the package comment.
func checkTaskFilter(c *bridge.Client, filter []byte) *wire.Error {
	if _, asked := wire.Lookup(filter, "taskIds"); asked && !c.Declares(bridge.TasksExtension) {
		return bridge.MissingExtension(bridge.TasksExtension)
	}
	return nil
}

// declared are the capabilities of the gateway for a modern client, with the extensions of the upstreams it sees.
func declared(view *catalog.View) []byte {
	extensions := view.Extensions(bridge.CarriesExtension)
	if extensions == nil {
		return []byte(capabilities)
	}
	return wire.Set([]byte(capabilities), "extensions", extensions)
}

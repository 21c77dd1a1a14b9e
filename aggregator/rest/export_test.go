// SPDX-License-Identifier: Apache-2.0

package rest

// Route is a route for the test that compares them with the document.
type Route struct {
	Method, Pattern string
	Query           []string
}

// Routes are those that are served.
func Routes() []Route {
	var all []Route
	for _, r := range routes() {
		all = append(all, Route{r.method, r.pattern, r.query})
	}
	return all
}

// SPDX-License-Identifier: Apache-2.0

package auth

import "net/http"

// preflightAge is how long a browser may remember the answer to a preflight, in seconds.
const preflightAge = "600"

// crossOrigin adds what a browser needs to let a page of a listed origin read the answer (Fetch standard, CORS protocol),
// and answers preflights itself: they carry no credential, so nothing behind the guard could. It reports whether r is
// done. The origin has been checked.
func crossOrigin(w http.ResponseWriter, r *http.Request, origin string) (done bool) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "Mcp-Session-Id, WWW-Authenticate, Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "POST, GET, DELETE")
	// Mcp-Param-* names differ from tool to tool, so what is asked for is what is allowed; the credential among them is
	// sent by the page, never added by the browser.
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Access-Control-Max-Age", preflightAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}

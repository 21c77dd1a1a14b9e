// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCrossOrigin(t *testing.T) {
	h := guarded(&GuardOptions{Origins: []string{"https://app.example"}})
	send := func(method, origin string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://localhost/mcp", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization, mcp-param-x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	pre := send(http.MethodOptions, "https://app.example")
	if pre.Code != 204 || pre.Header().Get("Access-Control-Allow-Origin") != "https://app.example" ||
		pre.Header().Get("Access-Control-Allow-Headers") != "authorization, mcp-param-x" || pre.Header().Get("Access-Control-Max-Age") == "" {
		t.Errorf("preflight: %d %v", pre.Code, pre.Header())
	}
	if w := send(http.MethodPost, "https://app.example"); w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" || w.Header().Get("Access-Control-Expose-Headers") == "" {
		t.Errorf("request: %v", w.Header())
	}
	if w := send(http.MethodOptions, "https://evil.example"); w.Code != 403 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("foreign page: %d %v", w.Code, w.Header())
	}
	// The gateway's own pages need no permission, and an answer for them must not carry one.
	if w := send(http.MethodPost, "http://localhost"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("own page: %v", w.Header())
	}
}

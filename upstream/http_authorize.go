// SPDX-License-Identifier: Apache-2.0

package upstream

import "net/http"

// maxAttempts bounds how often one request is sent: it may be refused for an old token, for the lack of one and for too small a
// one.
const maxAttempts = 4

// do sends req under the identity of the gateway and reports whether any of it may have reached the server: false only when no
// connection was there to write to, or the server refused to look at it. A request refused for lack of authorization was not
// executed, so it is sent again once there is a new token. Notices that a session ends are not worth a login.
func (h *httpConn) do(req *http.Request) (resp *http.Response, sent bool, err error) {
	a := h.o.auth
	if a == nil {
		return h.roundTrip(req)
	}
	for attempt := 1; ; attempt++ {
		gen, err := a.sign(req)
		if err != nil {
			return nil, false, err
		}
		resp, sent, err = h.roundTrip(req)
		if err != nil {
			return nil, sent, err
		}
		ch, refused := challengeOf(resp)
		if resp.StatusCode != http.StatusUnauthorized {
			a.noteAccepted(gen)
		}
		// A server that does not ask for a Bearer token cannot be helped with one, unless the operator says so.
		if !refused || !ch.bearer && h.cfg.OAuth == nil || attempt == maxAttempts || req.Method == http.MethodDelete {
			return resp, sent, nil
		}
		discardBody(resp)
		if err := a.renew(req.Context(), gen, ch); err != nil {
			return nil, false, err
		}
		if req, err = again(req); err != nil {
			return nil, false, err
		}
	}
}

// again returns a copy of a request that can be sent once more.
func again(req *http.Request) (*http.Request, error) {
	next := req.Clone(req.Context())
	if req.GetBody == nil {
		return next, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	next.Body = body
	return next, nil
}

// SPDX-License-Identifier: Apache-2.0

package auth

import "net/http"

// Challenge is the answer to a request without an accepted credential.
type Challenge struct {
	Status  int    // HTTP status, 401 or 503
	Header  string // value of WWW-Authenticate; "" = the header is left out
	Message string // one plain sentence, safe to show: holds nothing the client sent
}

// The one error code used of RFC 6750 §3.1. Its invalid_request would be a 400; a second credential is refused as what
// it is, a credential that cannot be accepted.
const errInvalidToken = "invalid_token"

// missing asks for a credential where none was sent. RFC 6750 §3.1: such an answer carries no error code.
func (a *Authenticator) missing(message string) *Challenge {
	return &Challenge{Status: http.StatusUnauthorized, Header: a.scheme, Message: message}
}

// invalid refuses the credential that was sent.
func (a *Authenticator) invalid(message string) *Challenge {
	return &Challenge{
		Status:  http.StatusUnauthorized,
		Header:  a.scheme + `, error="` + errInvalidToken + `"`,
		Message: message,
	}
}

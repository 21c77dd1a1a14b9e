// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net"
	"net/http"
	"net/netip"
)

// local reports whether r came from a client on this machine: both ends of the connection are loopback addresses, and
// no proxy says that it stands in between. What cannot be told is not local.
func local(r *http.Request) bool {
	// By these a proxy says that it speaks for somebody else. They are never believed; their presence alone means that
	// the connection does not show where the client is.
	for _, name := range []string{
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip",
	} {
		if _, ok := r.Header[name]; ok {
			return false
		}
	}
	// The server puts its own end of the connection here; a request made by hand has none.
	here, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && loopback(here.String()) && loopback(r.RemoteAddr)
}

// loopback reports whether addr is "ip:port" with a loopback address. Unix sockets and names are not.
func loopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxRedirects = 5
	maxETag      = 1024 // bytes
)

// answer is what a server said: the same as before, or a body.
type answer struct {
	same bool
	body []byte
	etag string
}

// ask sends one request. Its errors name neither headers nor the URL's query.
func (f *Fetcher) ask(ctx context.Context, etag string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.o.URL, nil)
	if err != nil {
		return answer{}, errors.New("the URL of the bundle cannot be read")
	}
	for name, value := range f.o.Headers {
		request.Header.Set(name, value)
	}
	// The archive is compressed already; a server that compresses once more, or
	// marks what it sends as compressed, must not have it unpacked on the way.
	request.Header.Set("Accept-Encoding", "identity")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return answer{}, f.unreached(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		return answer{same: true}, nil
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return answer{}, fmt.Errorf("%s answered %q: check the bundle's headers", f.state.URL, response.Status)
	case response.StatusCode != http.StatusOK:
		return answer{}, fmt.Errorf("%s answered %q, want 200", f.state.URL, response.Status)
	case response.ContentLength > MaxBytes:
		return answer{}, fmt.Errorf("%s sends %d bytes: a bundle may have %d", f.state.URL, response.ContentLength, MaxBytes)
	}
	var body bytes.Buffer
	if _, err := io.Copy(&body, &bounded{r: response.Body, left: MaxBytes}); err != nil {
		if errors.Is(err, errTooLarge) {
			return answer{}, fmt.Errorf("%s sends more than %d bytes, which a bundle may have", f.state.URL, MaxBytes)
		}
		return answer{}, f.unreached(err)
	}
	next := response.Header.Get("ETag")
	if len(next) > maxETag {
		next = ""
	}
	return answer{body: body.Bytes(), etag: next}, nil
}

// unreached takes out of an error of the client the URL, with whatever secrets
// its query has.
func (f *Fetcher) unreached(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s did not answer within %s", f.state.URL, f.o.Timeout)
	}
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("cannot fetch %s: %w", f.state.URL, err)
}

func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		own := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		if standard, ok := http.DefaultTransport.(*http.Transport); ok {
			own = standard.Clone()
		}
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		transport = own
	}
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}
}

// checkRedirect follows a server to another path of its own, no further: the
// headers hold secrets that are meant for it.
func checkRedirect(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	if next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		return fmt.Errorf("it redirects to %s://%s, another host: name that one as the bundle's URL if it is meant",
			next.URL.Scheme, next.URL.Host)
	}
	if len(before) > maxRedirects {
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	return nil
}

// checkURL returns the URL as it may be shown.
func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", errors.New("the URL of the bundle is not one, want https://host/path")
	}
	shown := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	switch {
	case u.User != nil:
		return "", fmt.Errorf("the bundle's URL %s has a user or password in it: put them into its headers, as Authorization", shown)
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return shown, nil
	case u.Scheme == "http":
		return "", fmt.Errorf("the bundle's URL %s is not encrypted: use https, or a server on this machine", shown)
	}
	return "", fmt.Errorf("the bundle's URL %s has the scheme %q: use https", shown, u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkHeaders finds what could not be sent, without quoting values.
func checkHeaders(headers map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		token := func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
		}
		if name == "" || strings.ContainsFunc(name, token) {
			return fmt.Errorf("%q is not the name of a header", name)
		}
		if strings.ContainsFunc(headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("the value of header %q has a control character in it, perhaps a line end of the file it comes from", name)
		}
		if strings.EqualFold(name, "Host") || strings.EqualFold(name, "If-None-Match") {
			return fmt.Errorf("header %q is the gateway's own", name)
		}
	}
	return nil
}

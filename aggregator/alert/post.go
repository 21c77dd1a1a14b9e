// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
)

const (
	attemptTime   = 10 * time.Second // of one request, its answer included
	maxAnswer     = 16 << 10         // bytes that are read of an answer
	maxQuoted     = 200              // bytes of an answer that an error quotes
	maxRetryAfter = 5 * time.Minute
)

var errAddress = errors.New("the address is not allowed: it is link-local, unspecified or multicast")

// newTransport keeps connections of few receivers. Where operators send alerts is up to them; only addresses at which no
// receiver can be, and a cloud's machine has its credentials, are not dialed.
func newTransport() *http.Transport {
	guard := func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if ip := ap.Addr().Unmap(); err != nil || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
			return errAddress
		}
		return nil
	}
	dialer := &net.Dialer{Timeout: attemptTime, Control: guard}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: attemptTime,
		MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
	}
}

// newClient follows no redirect: what is posted holds secrets, and an address that moved is for operators to change.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, Timeout: attemptTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// post sends events once. The error holds no secret; it is a [backoff.PermanentError] when another attempt is of no use.
func post(ctx context.Context, c *http.Client, s Sink, events []Event, node string, now time.Time) error {
	address, body, header, err := s.request(events, node, now)
	if err != nil {
		return backoff.Permanent(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("the URL cannot be used")) // the error shows it
	}
	req.Header = header
	resp, err := c.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 == 2 {
		return nil // it was taken, whatever the rest of the answer
	}
	if err != nil {
		answer = nil
	}
	return s.refused(resp, answer, now)
}

// withoutURL is an error of an HTTP client without the URL, which may be a secret.
func withoutURL(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	if u.Timeout() {
		return fmt.Errorf("no answer within %v", attemptTime)
	}
	return u.Err
}

// refused words an answer that is no success.
func (s Sink) refused(resp *http.Response, answer []byte, now time.Time) error {
	status := resp.StatusCode
	text := fmt.Sprintf("status %d", status)
	if quoted := s.quote(answer); quoted != "" {
		text += ": " + quoted
	}
	switch {
	case status/100 == 3:
		return backoff.Permanent(fmt.Errorf("%s: it redirects, which is not followed: write the URL that it redirects to", text))
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		if pause, ok := retryAfter(resp.Header.Get("Retry-After"), now); ok {
			return fmt.Errorf("%s, %w", text, &backoff.RetryAfterError{Duration: pause})
		}
	case status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooEarly:
		return backoff.Permanent(errors.New(text))
	}
	return errors.New(text)
}

// quote is the start of an answer in one line, "" when it holds anything that the request kept secret.
func (s Sink) quote(answer []byte) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(answer), "\ufffd"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	lower := strings.ToLower(line)
	for _, secret := range s.secrets() {
		if strings.Contains(lower, strings.ToLower(secret)) {
			return ""
		}
	}
	if line == "" {
		return ""
	}
	return strconv.Quote(truncate(line, maxQuoted))
}

// retryAfter reads a Retry-After: seconds or a date. The pause is at least a second and bounded.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if value == "" {
		return 0, false
	}
	pause := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		pause = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		pause = at.Sub(now)
	} else {
		return 0, false
	}
	return min(max(pause, time.Second), maxRetryAfter), true
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"strings"

	"tollgate/upstream"
)

// browserVariable names a command in the environment that opens login pages, as --oauth-browser does.
const browserVariable = "TOLLGATE_OAUTH_BROWSER"

// browserCommand is the command that opens the login pages of upstreams unasked, nil when there is none.
func (a *app) browserCommand() upstream.BrowserFunc {
	command := a.browser
	if command == "" {
		command = a.streams.Getenv(browserVariable)
	}
	argv := strings.Fields(command)
	if len(argv) == 0 {
		return nil
	}
	return func(ctx context.Context, address string) error { return openPage(ctx, argv, address) }
}

// systemBrowser is the command that opens a page with the user's browser.
func systemBrowser() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"open"}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	default:
		return []string{"xdg-open"}
	}
}

// openPage runs a command with an address as its last argument; no shell is involved. It returns when the command has ended or
// ctx has. A command that is still there then is left alone: it may be the browser.
func openPage(ctx context.Context, argv []string, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("the address is no web page")
	}
	cmd := exec.Command(argv[0], append(argv[1:len(argv):len(argv)], u.String())...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the browser: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
	case <-ctx.Done():
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
)

// StdioOptions describe the caller on the standard streams, as the configuration names it.
type StdioOptions struct {
	Subject   string // "" = the name of the operating system user that runs the process
	Org, Team string
	Roles     []string // at least one, each not empty
}

// Stdio returns the principal of a client on the standard streams. There is nothing to check: whoever started the
// process is the operating system user, and what this user may do stands in the configuration. No environment variable
// and no message of the client changes it.
func Stdio(o *StdioOptions) (*Principal, error) {
	if o == nil || len(o.Roles) == 0 {
		return nil, errors.New("stdio: no role is configured: name at least one")
	}
	if i := slices.Index(o.Roles, ""); i >= 0 {
		return nil, fmt.Errorf("stdio: roles[%d] is empty", i)
	}
	p := &Principal{Subject: o.Subject, Org: o.Org, Team: o.Team, Method: MethodStdio, Roles: slices.Clone(o.Roles)}
	if p.Subject == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("stdio: the operating system does not name the current user (set a subject in the configuration): %w", err)
		}
		if u.Username == "" {
			return nil, errors.New("stdio: the current user has no name: set a subject in the configuration")
		}
		p.Subject = u.Username
	}
	return p, nil
}

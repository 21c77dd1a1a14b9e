// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// inherited reports whether a child gets the gateway's own value of an environment variable: what programs need to find
// themselves, their user and their scratch space, and nothing that holds secrets or changes how they load code.
func inherited(name string) bool {
	if runtime.GOOS == "windows" {
		name = strings.ToUpper(name)
	}
	switch name {
	case "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP",
		"SystemRoot", "SYSTEMROOT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "PATHEXT", "COMSPEC":
		return true
	}
	return strings.HasPrefix(name, "XDG_")
}

// childEnv is the allow-list of parent followed by own, which wins. The order is stable.
func childEnv(parent []string, own map[string]string) ([]string, error) {
	var env []string
	for _, kv := range parent {
		if name, _, ok := strings.Cut(kv, "="); ok && inherited(name) {
			env = append(env, kv)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, fmt.Errorf("environment variable %q: the name is empty or contains \"=\" or NUL", name)
		}
		if strings.ContainsRune(own[name], 0) {
			return nil, fmt.Errorf("environment variable %q: the value contains a NUL byte", name)
		}
		env = append(env, name+"="+own[name])
	}
	return env, nil
}

// resolveCommand finds the program: a bare name in the PATH of env (the child's own, so that a PATH in its configuration
// counts), a relative path from dir, which is where the child will run. No shell ever looks at it.
func resolveCommand(name, dir string, env []string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("no command is configured")
	case strings.ContainsRune(name, 0):
		return "", fmt.Errorf("command %q contains a NUL byte", name)
	case filepath.Base(name) != name:
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		return executable(abs)
	}
	for _, d := range filepath.SplitList(lastValue(env, "PATH")) {
		if !filepath.IsAbs(d) {
			continue // would depend on where the gateway was started
		}
		path := filepath.Join(d, name)
		if _, err := exec.LookPath(path); err == nil {
			return executable(path)
		}
	}
	return "", fmt.Errorf("command %q was not found in PATH", name)
}

// executable completes an absolute path (PATHEXT on Windows) and refuses a program that any user could replace.
func executable(path string) (string, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		var e *exec.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return "", fmt.Errorf("command %q: %w", path, err)
	}
	if writableByAll(found) {
		return "", fmt.Errorf("command %q can be changed by every user; remove the write permission for others", found)
	}
	return found, nil
}

// lastValue is the value a child sees for name: the last one in env, names compared as the system does.
func lastValue(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		k, v, _ := strings.Cut(kv, "=")
		if k == name || runtime.GOOS == "windows" && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

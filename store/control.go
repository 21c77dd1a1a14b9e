// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// maxSocketPath is the longest path used for a socket, in bytes: Linux has room for 107, macOS for 103.
	maxSocketPath = 100
	// shortDirPrefix begins the name of a private temporary directory that holds a socket.
	shortDirPrefix = "tollgate-"
	// stillServed bounds the question whether somebody answers at an existing socket.
	stillServed = time.Second
)

// Listen opens the control socket of the state directory dir, which this process must have open; otherwise it returns
// [ErrNotOwner]. A socket that a dead owner left behind is replaced. Connections of other users are closed before
// Accept returns them. Close the listener before the [DB]; that removes the socket.
func Listen(dir string) (net.Listener, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket of %q: %w", dir, err)
	}
	if readPID(dir) != os.Getpid() {
		return nil, fmt.Errorf("control socket of %q: %w", dir, ErrNotOwner)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stillServed)
	defer cancel()
	c, err := Dial(ctx, dir)
	switch {
	case err == nil:
		return nil, errors.Join(fmt.Errorf("control socket of %q: already served", dir), c.Close())
	case !errors.Is(err, ErrNotRunning) && !errors.Is(err, errStranger):
		return nil, err
	}
	if err := removeStale(dir); err != nil {
		return nil, fmt.Errorf("control socket of %q: %w", dir, err)
	}
	l, err := listen(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket of %q: %w", dir, err)
	}
	return l, nil
}

// listen opens the socket at its place, or at a short one that is noted in dir.
func listen(dir string) (*controlListener, error) {
	path, short := filepath.Join(dir, socketName), ""
	if len(path) > maxSocketPath {
		var err error
		if short, err = shortDir(); err != nil {
			return nil, err
		}
		path = filepath.Join(short, socketName)
	}
	l := &controlListener{uid: os.Geteuid(), dir: dir, short: short}
	undo := func(err error) (*controlListener, error) {
		if l.UnixListener != nil {
			err = errors.Join(err, l.UnixListener.Close())
		}
		return nil, errors.Join(err, l.cleanUp())
	}
	var err error
	l.UnixListener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return undo(err)
	}
	// Until here the directory, which only its owner can enter, has kept others out.
	if err := restrict(path, 0o600); err != nil {
		return undo(err)
	}
	if short != "" {
		if err := writeAddr(dir, path); err != nil {
			return undo(err)
		}
	}
	return l, nil
}

// writeAddr notes in dir where the socket is, in one step: a reader sees all of it or nothing.
func writeAddr(dir, path string) error {
	addr := filepath.Join(dir, addrName)
	if err := os.WriteFile(addr+".new", []byte(path), 0o600); err != nil {
		return err
	}
	return os.Rename(addr+".new", addr)
}

// shortDir makes a private directory in which the path of a socket is short enough.
func shortDir() (string, error) {
	for _, parent := range []string{os.TempDir(), shortTempDir} {
		if parent == "" || len(filepath.Join(parent, shortDirPrefix+"1234567890", socketName)) > maxSocketPath {
			continue
		}
		return os.MkdirTemp(parent, shortDirPrefix)
	}
	return "", fmt.Errorf("path is longer than %d bytes and so is the temporary directory %q: use a shorter state directory", maxSocketPath, os.TempDir())
}

// removeStale removes the socket that an earlier owner of dir left behind. The caller owns dir and nobody answers.
func removeStale(dir string) error {
	addr := filepath.Join(dir, addrName)
	path, err := socketPath(dir)
	if err != nil {
		return err
	}
	if parent := filepath.Dir(path); parent != dir {
		// The note may be old and the place somebody else's by now. What is not ours cannot be removed, and need not be.
		if strings.HasPrefix(filepath.Base(parent), shortDirPrefix) && removeSocket(path) == nil {
			_ = os.Remove(parent)
		}
	}
	if err := os.Remove(addr); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeSocket(filepath.Join(dir, socketName))
}

// removeSocket removes path if it is a socket. Another kind of file is an error: it is not ours.
func removeSocket(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%q is in the way and no socket: remove it", path)
	}
	return os.Remove(path)
}

// socketPath is where the socket of dir is, or would be.
func socketPath(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, addrName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return filepath.Join(dir, socketName), nil
	case err != nil:
		return "", err
	case !filepath.IsAbs(string(b)):
		return "", fmt.Errorf("%q does not hold the path of a socket: remove it", filepath.Join(dir, addrName))
	}
	return string(b), nil
}

// controlListener accepts connections of one user.
type controlListener struct {
	*net.UnixListener
	uid   int    // whose connections are accepted
	dir   string // the state directory
	short string // private directory of the socket, "" = it is in dir

	once   sync.Once // guards closing
	closed error
}

// Accept returns the next connection of the user who runs this process.
func (l *controlListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if checkPeer(c, l.uid) == nil {
			return c, nil
		}
		_ = c.Close() // a stranger is owed no answer
	}
}

// Close stops listening and removes what [Listen] has made.
func (l *controlListener) Close() error {
	l.once.Do(func() { l.closed = errors.Join(l.UnixListener.Close(), l.cleanUp()) })
	return l.closed
}

// cleanUp removes the short place and the note about it.
func (l *controlListener) cleanUp() error {
	if l.short == "" {
		return nil
	}
	err := os.Remove(filepath.Join(l.dir, addrName))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(l.short))
}

// Dial connects to the process that listens for dir. It returns [ErrNotRunning] when there is none.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket of %q: %w", dir, err)
	}
	path, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket of %q: %w", dir, err)
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket of %q: %w", dir, ErrNotRunning)
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
	case isRefused(err), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("control socket of %q: %w", dir, ErrNotRunning)
	default:
		return nil, fmt.Errorf("control socket of %q: %w", dir, err)
	}
	// A socket in a temporary directory might be somebody else's trap.
	if err := checkPeer(c.(*net.UnixConn), os.Geteuid()); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket of %q: %w", dir, err), c.Close())
	}
	return c, nil
}

// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// DirectorySink keeps each checkpoint as a file of a directory, which need not exist: 000000012345.checkpoint covers 12,345
// records.
func DirectorySink(dir string) Sink { return directorySink(dir) }

type directorySink string

// Name implements [Sink].
func (d directorySink) Name() string { return string(d) }

// Put implements [Sink]. The file is on disk when it returns, and never there in part. What is there already stays: a
// checkpoint of another tree of the same size, such as that of a log which was put back, is an error.
func (d directorySink) Put(_ context.Context, note []byte, size uint64) error {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return err
	}
	path := filepath.Join(string(d), fmt.Sprintf("%012d.checkpoint", size))
	part := path + ".part"
	if err := writeSynced(part, os.O_CREATE|os.O_TRUNC, note); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	err := os.Link(part, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		err = sameTree(path, note)
	case err != nil: // not every file system has links
		if _, there := os.Lstat(path); errors.Is(there, fs.ErrNotExist) {
			return os.Rename(part, path)
		}
		err = sameTree(path, note)
	}
	return errors.Join(err, os.Remove(part))
}

// sameTree says that the checkpoint in a file is of another tree than note.
func sameTree(path string, note []byte) error {
	kept, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	tree := func(text []byte) string { // origin, size and root
		return strings.Join(strings.SplitN(string(text), "\n", 4)[:min(3, strings.Count(string(text), "\n")+1)], "\n")
	}
	if tree(kept) != tree(note) {
		return fmt.Errorf("%s is kept of another log, or of this one before it was put back: it was not replaced", path)
	}
	return nil
}

// WebhookSink posts each checkpoint to a URL, as text. What answers with a status below 300 has taken it.
func WebhookSink(target string) Sink {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &webhookSink{target, client}
}

type webhookSink struct {
	target string
	client *http.Client
}

// Name implements [Sink]: the host, since the rest of the URL may be secret.
func (w *webhookSink) Name() string {
	if u, err := url.Parse(w.target); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return "webhook"
}

// Put implements [Sink].
func (w *webhookSink) Put(ctx context.Context, note []byte, _ uint64) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.target, bytes.NewReader(note))
	if err != nil {
		return errors.New("the URL is not one that can be posted to")
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := w.client.Do(r)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the URL
		}
		return fmt.Errorf("posting to %s: %w", w.Name(), err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("posting to %s: it answered %s", w.Name(), answer.Status)
	}
	return nil
}

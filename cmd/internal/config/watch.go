// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// DefaultDebounce is how long [Watch] waits for the file system to calm down when it is given no other time.
const DefaultDebounce = 200 * time.Millisecond

// Watch calls onChange when the content of what c was loaded from has changed: the file, files of references, files of
// policies. It watches their directories, since editors and Kubernetes replace files rather than write them, and compares
// contents, since directories see much that changes nothing. A change between Load and Watch is noticed too; a file that is
// gone for a moment is not a change.
//
// onChange runs on the goroutine of Watch, so never twice at once. It returns the configuration that is in force from then
// on; nil keeps what is watched, for a new file that is not valid. Watch returns nil when ctx ends and an error when the
// directories cannot be watched.
func Watch(ctx context.Context, c *Config, debounce time.Duration, onChange func() *Config) error {
	if debounce <= 0 {
		debounce = DefaultDebounce
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", c.file, err)
	}
	defer w.Close()
	files := c.Files()
	if err := watchDirs(w, files); err != nil {
		return err
	}
	seen := c.seen
	timer := time.NewTimer(0) // compare once at the start
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			timer.Reset(debounce)
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch %s: %w", c.file, err)
			}
			timer.Reset(debounce)
		case <-timer.C:
			hash := contentHash(files)
			if hash == "" || hash == seen {
				continue
			}
			seen = hash
			if next := onChange(); next != nil {
				files, seen = next.Files(), next.seen
				if err := watchDirs(w, files); err != nil {
					return err
				}
				timer.Reset(0) // it may have changed since it was loaded
			}
		}
	}
}

// watchDirs makes w watch exactly the directories of files, and files that are directories.
func watchDirs(w *fsnotify.Watcher, files []string) error {
	var dirs []string
	for _, f := range files {
		dirs = append(dirs, filepath.Dir(f))
		if st, err := os.Stat(f); err == nil && st.IsDir() {
			dirs = append(dirs, f)
		}
	}
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	for _, old := range w.WatchList() {
		if !slices.Contains(dirs, old) {
			_ = w.Remove(old) // gone already when the directory is
		}
	}
	for _, dir := range dirs {
		if err := w.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	return nil
}

// contentHash digests the contents of files; of a directory, the contents of its Rego files. It is "" when the first one,
// the configuration itself, cannot be read, which is the case in the middle of a replacement.
func contentHash(files []string) string {
	h := sha256.New()
	for i, f := range files {
		inside := []string{f}
		if st, err := os.Stat(f); err == nil && st.IsDir() {
			inside, _ = filepath.Glob(filepath.Join(escapeGlob(f), "*.rego"))
		}
		for _, name := range inside {
			data, err := os.ReadFile(name)
			if err != nil && i == 0 {
				return ""
			}
			fmt.Fprintf(h, "%q %x %t\n", name, sha256.Sum256(data), err == nil)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

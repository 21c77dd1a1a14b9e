// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// useCopy offers the bundle that an earlier run kept.
func (f *Fetcher) useCopy() error {
	file, err := os.Open(f.o.Copy)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no copy of an earlier bundle in %q", f.o.Copy)
	}
	if err != nil {
		return fmt.Errorf("copy of the bundle: %w", err)
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(&bounded{r: file, left: MaxBytes})
	if err != nil {
		return fmt.Errorf("copy of the bundle in %q: %w", f.o.Copy, err)
	}
	if err := f.offer(body, "", true); err != nil {
		return fmt.Errorf("copy of the bundle in %q: %w", f.o.Copy, err)
	}
	return nil
}

// keep writes the file so that a reader, or a start after a crash, finds the
// old bytes or the new ones.
func keep(path string, body []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep bundle: %w", err)
	}
	file, err := os.CreateTemp(dir, ".bundle-*") // readable by its owner only
	if err != nil {
		return fmt.Errorf("keep bundle: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
			err = fmt.Errorf("keep bundle: %w", err)
		}
	}()
	_, err = file.Write(body)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

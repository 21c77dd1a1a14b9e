// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteSecrets stores each secret in its own file below dir, the directory of tollgate.yaml: directories with mode 0700, files
// with mode 0600. A file that is there with another content is an error, and none of the files is written then. It follows no
// symbolic link out of dir.
func WriteSecrets(dir string, secrets []Secret) error {
	if len(secrets) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer root.Close()
	var missing []Secret
	for _, s := range secrets {
		old, err := root.ReadFile(filepath.FromSlash(s.Path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, s)
		case err != nil:
			return fmt.Errorf("read %s: %w", s.Path, err)
		case !bytes.Equal(bytes.TrimSuffix(old, []byte("\n")), []byte(s.value)):
			return fmt.Errorf("%s exists and holds another value; move it away or rename it", s.Path)
		}
	}
	for _, s := range missing {
		if err := writeSecret(root, s); err != nil {
			return fmt.Errorf("write %s: %w", s.Path, err)
		}
	}
	return nil
}

func writeSecret(root *os.Root, s Secret) (err error) {
	path := filepath.FromSlash(s.Path)
	if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// One line end is dropped when the file is read, so one is added whatever the value ends with.
	_, err = f.WriteString(s.value + "\n")
	return err
}

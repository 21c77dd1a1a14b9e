// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	maxFile     = 64 << 20 // bytes of a file of alerts
	fileVersion = 1
)

// File is the [Keeper] that keeps alerts in a file, which is replaced as a whole. Its folder must exist.
type File string

type fileBody struct {
	Version int    `json:"version"`
	Alerts  []Kept `json:"alerts"`
}

// Load implements [Keeper]. Without the file there are no alerts.
func (f File) Load() ([]Kept, error) {
	in, err := os.Open(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("%q is larger than %d bytes", string(f), maxFile)
	}
	var body fileBody
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("%q is damaged: %w", string(f), err)
	}
	if body.Version != fileVersion {
		return nil, fmt.Errorf("%q has version %d, this program reads %d", string(f), body.Version, fileVersion)
	}
	return body.Alerts, nil
}

// Save implements [Keeper].
func (f File) Save(kept []Kept) error {
	text, err := json.Marshal(fileBody{fileVersion, kept})
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(string(f)), filepath.Base(string(f))+".*")
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Rename(out.Name(), string(f))
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tollgate/store"
)

// list writes the list of files.
func (w *writer) list() error {
	err := fs.WalkDir(os.DirFS(w.temp), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, w.ctx.Err())
		}
		f, err := os.Open(filepath.Join(w.temp, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		w.report.Files = append(w.report.Files, Listed{name, n, hex.EncodeToString(sum.Sum(nil))})
		w.report.Bytes += n
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return fileError(w.temp, err)
	}
	text, err := json.MarshalIndent(&w.report, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(w.temp, listFile), func(out io.Writer) error {
		_, err := out.Write(append(text, '\n'))
		return err
	})
}

// writeFile writes a new file that only its owner can read, and returns when it is on disk.
func writeFile(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fileError(path, err)
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	return fileError(path, errors.Join(err, f.Close()))
}

// pack makes an archive of the copy, reads it again and gives it its name.
func (w *writer) pack() (err error) {
	temp := w.temp + ".tar"
	defer func() {
		if gone := os.Remove(temp); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	if err := writeFile(temp, w.fill); err != nil {
		return err
	}
	if err := w.compare(temp); err != nil {
		return fmt.Errorf("the archive was read again and is not sound: %w", err)
	}
	fi, err := os.Stat(temp)
	if err != nil {
		return fileError(temp, err)
	}
	// A link does not replace what is there. Where there are none, a look before must do.
	if err := os.Link(temp, w.target); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("backup %q: %w meanwhile", w.target, fs.ErrExist)
	} else if err != nil {
		if err := rename(temp, w.target); err != nil {
			return err
		}
	}
	w.report.Path, w.report.Bytes = w.target, fi.Size()
	return fileError(w.target, store.SyncDir(filepath.Dir(w.target)))
}

// fill writes the archive.
func (w *writer) fill(out io.Writer) error {
	var zip *gzip.Writer
	if zipped(w.target) {
		zip, _ = gzip.NewWriterLevel(out, gzip.BestSpeed) // most of it is compressed already
		out = zip
	}
	t := tar.NewWriter(out)
	var packed int64
	err := fs.WalkDir(os.DirFS(w.temp), ".", func(name string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, w.ctx.Err(), w.failed); err != nil {
			return err
		}
		h := &tar.Header{Name: "./" + name, ModTime: w.report.Created, Mode: 0o700, Typeflag: tar.TypeDir, Format: tar.FormatPAX}
		if d.IsDir() {
			h.Name = strings.TrimSuffix(h.Name, ".") // of the directory itself
			if !strings.HasSuffix(h.Name, "/") {
				h.Name += "/"
			}
			return t.WriteHeader(h)
		}
		f, err := os.Open(filepath.Join(w.temp, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o600, fi.Size()
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		n, err := io.Copy(t, f)
		packed += n
		w.tell("pack", packed, w.report.Bytes)
		return err
	})
	if err == nil {
		err = t.Close()
	}
	if err == nil && zip != nil {
		err = zip.Close()
	}
	return err
}

// compare reads the archive and looks whether everything on the list is in it.
func (w *writer) compare(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := io.Reader(f)
	if zipped(w.target) {
		zip, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		in = zip
	}
	left := slices.Clone(w.report.Files)
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, w.ctx.Err()); err != nil {
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, t)
		if err != nil {
			return err
		}
		is := Listed{strings.TrimPrefix(h.Name, "./"), n, hex.EncodeToString(sum.Sum(nil))}
		left = slices.DeleteFunc(left, func(l Listed) bool { return l == is })
	}
	if len(left) > 0 {
		return fmt.Errorf("%q is not what was packed", left[0].Name)
	}
	return nil
}

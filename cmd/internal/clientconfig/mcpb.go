// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxManifest is the largest manifest.json that is read, in bytes.
const maxManifest = 1 << 20

// readBundle returns the manifest of an MCPB bundle. Nothing else of the archive is unpacked.
func readBundle(data []byte) ([]byte, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("not an MCPB bundle: %w", err)
	}
	for _, f := range archive.File {
		if f.Name != "manifest.json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("manifest.json of the bundle: %w", err)
		}
		defer r.Close()
		manifest, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
		if err != nil {
			return nil, fmt.Errorf("manifest.json of the bundle: %w", err)
		}
		if len(manifest) > maxManifest {
			return nil, errors.New("manifest.json of the bundle is too large")
		}
		return manifest, nil
	}
	return nil, errors.New("the archive has no manifest.json, so it is no MCPB bundle")
}

// mcpb reads the manifest of a bundle.
func (im *importer) mcpb(root *object) error {
	server := root.object("server")
	config := server.object("mcp_config")
	if config == nil {
		return errors.New(`the manifest has no "server.mcp_config"`)
	}
	name := root.text("name")
	if name == "" {
		name = root.text("display_name")
	}
	im.begin(name)
	im.inputs = map[string]*object{}
	if user := root.object("user_config"); user != nil {
		for _, key := range user.keys {
			im.inputs[key] = user.object(key)
		}
	}
	platform := map[string]string{"darwin": "darwin", "windows": "win32", "linux": "linux"}[im.o.OS]
	command, args, env := config.get("command"), config.get("args"), config.get("env")
	if override := config.object("platform_overrides").object(platform); override != nil {
		for _, o := range []struct {
			into *any
			key  string
		}{{&command, "command"}, {&args, "args"}, {&env, "env"}} {
			if v := override.get(o.key); v != nil {
				*o.into = v
			}
		}
	}
	if scalarText(command) == "" {
		im.skip("no command is set")
		return nil
	}
	im.process(scalarText(command), args, env, false)
	im.finish(&reader{o: newObject()})
	return nil
}

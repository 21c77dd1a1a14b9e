// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"

	"tollgate/policy"
	"tollgate/rego"
)

func read(t *testing.T, files map[string]string, v *Verification) (*Bundle, error) {
	t.Helper()
	return Read(bytes.NewReader(pack(t, files)), v)
}

// wantError fails unless err says each of the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q, want %q in it", err, text)
		}
	}
}

// TestReadUnsigned reads a bundle and lets the gateway's policy use it.
func TestReadUnsigned(t *testing.T) {
	b, err := read(t, files("r1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.Revision != "r1" || b.Verified || b.Modules["bundle:/rules/db.rego"] != denyRego {
		t.Errorf("got %+v", b)
	}
	slices.Sort(b.Roots)
	if diff := cmp.Diff([]string{"acme", "tollgate/access"}, b.Roots); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	modules, err := rego.Modules()
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]any{"acme": map[string]any{"own": true}}
	if err := b.AddTo(modules, data); err != nil {
		t.Fatal(err)
	}
	e, err := policy.Load(t.Context(), &policy.Options{
		Modules: modules, Data: data, Roles: map[string]policy.Role{"all": {Allow: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Access(t.Context(), &policy.Principal{Roles: []string{"all"}}, []policy.Object{
		{Kind: "tool", Upstream: "db", OriginalName: "x"}, {Kind: "tool", Upstream: "web", OriginalName: "x"},
	})
	if err != nil || got[0] || !got[1] {
		t.Errorf("access to db and web: %v, %v; want only web", got, err)
	}
	if acme := data["acme"].(map[string]any); acme["own"] != true || acme["limits"] == nil {
		t.Errorf("merged data: %v", data)
	}
}

// TestAddToKeepsBoth: what both give is an error, and nothing is half added.
func TestAddToKeepsBoth(t *testing.T) {
	b, err := read(t, files("r1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]any{"acme": map[string]any{"limits": map[string]any{"refund": 5}}}
	modules := map[string]string{}
	wantError(t, b.AddTo(modules, data), "data.acme.limits.refund is in the bundle")
	if len(modules) != 0 || len(data["acme"].(map[string]any)) != 1 {
		t.Errorf("an error added %v, %v", modules, data)
	}
	wantError(t, b.AddTo(map[string]string{"bundle:/rules/db.rego": ""}, map[string]any{}), `"bundle:/rules/db.rego"`)
	again := map[string]any{}
	if err := errors.Join(b.AddTo(map[string]string{}, again), b.AddTo(map[string]string{}, map[string]any{})); err != nil {
		t.Fatal(err)
	}
	again["acme"].(map[string]any)["new"] = 1
	if _, ok := b.Data["acme"].(map[string]any)["new"]; ok {
		t.Error("what is added shares maps with the bundle")
	}
}

// TestSignedBundles: with a key only what its owner signed is read.
func TestSignedBundles(t *testing.T) {
	ours, theirs := newPair(t), newPair(t)
	key := bundle.NewSigningConfig(ours.private, "RS256", "")
	secret := strings.Repeat("s", minSecret)
	plain := sign(t, files("r1"), key, "")
	named := sign(t, files("r1"), key, "prod")
	shared := sign(t, files("r1"), bundle.NewSigningConfig(secret, "HS256", ""), "")
	for _, tt := range []struct {
		name  string
		files map[string]string
		v     Verification
		want  string // "" = read
	}{
		{"signed", plain, Verification{PublicKey: ours.public}, ""},
		{"signed with an id that nobody asked for", named, Verification{PublicKey: ours.public}, ""},
		{"signed with the id", named, Verification{PublicKey: ours.public, KeyID: "prod", Algorithm: "RS256"}, ""},
		{"signed with a secret", shared, Verification{PublicKey: secret, Algorithm: "HS256"}, ""},
		{"not signed", files("r1"), Verification{PublicKey: ours.public}, "missing .signatures.json"},
		{"signed by another", plain, Verification{PublicKey: theirs.public}, "verify JWT signature"},
		{"signed with another id", named, Verification{PublicKey: ours.public, KeyID: "test"}, "prod not found"},
		{"signed without an id", plain, Verification{PublicKey: ours.public, KeyID: "test"}, "key ID is empty"},
		{"signed for no scope", plain, Verification{PublicKey: ours.public, Scope: "write"}, "scope mismatch"},
		{"signed with another algorithm", plain, Verification{PublicKey: ours.public, Algorithm: "PS256"}, "verify JWT signature"},
		{
			"signed with another secret", shared,
			Verification{PublicKey: strings.Repeat("t", minSecret), Algorithm: "HS256"}, "verify JWT signature",
		},
	} {
		b, err := read(t, tt.files, &tt.v)
		switch {
		case tt.want != "":
			t.Run(tt.name, func(t *testing.T) { wantError(t, err, tt.want) })
		case err != nil || !b.Verified || b.Revision != "r1":
			t.Errorf("%s: %+v, %v", tt.name, b, err)
		}
	}
	if b, err := read(t, plain, nil); err != nil || b.Verified {
		t.Errorf("a signed bundle without a key: %+v, %v; want it read and not verified", b, err)
	}
}

// TestTampering changes one thing at a time in a signed bundle.
func TestTampering(t *testing.T) {
	ours, theirs := newPair(t), newPair(t)
	v := &Verification{PublicKey: ours.public}
	signed := sign(t, files("r1"), bundle.NewSigningConfig(ours.private, "RS256", ""), "")
	if _, err := read(t, signed, v); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(map[string]string)
	}{
		{"rule", func(f map[string]string) { f["/rules/db.rego"] += "\npermit if true\n" }},
		{"data", func(f map[string]string) { f["/acme/data.json"] = `{"limits": {"refund": 1e9}}` }},
		{"manifest", func(f map[string]string) { f["/.manifest"] = `{"revision": "r0"}` }},
		{"added file", func(f map[string]string) { f["/rules/more.rego"] = "package tollgate.access\n\npermit if true\n" }},
		{"added data", func(f map[string]string) { f["/acme/x/data.yaml"] = "a: 1\n" }},
		{"removed file", func(f map[string]string) { delete(f, "/rules/db.rego") }},
		{"renamed file", func(f map[string]string) { f["/rules/db_test.rego"] = f["/rules/db.rego"]; delete(f, "/rules/db.rego") }},
		{"no signature", func(f map[string]string) { f["/.signatures.json"] = `{"signatures": []}` }},
		{"another verifier", func(f map[string]string) {
			f["/.signatures.json"] = strings.Replace(f["/.signatures.json"], "{", `{"plugin": "none", `, 1)
		}},
		{"signature of another", func(f map[string]string) {
			other := sign(t, files("r1"), bundle.NewSigningConfig(theirs.private, "RS256", ""), "")
			f["/.signatures.json"] = other["/.signatures.json"]
		}},
		{"cut signature", func(f map[string]string) { f["/.signatures.json"] = f["/.signatures.json"][:200] + `"]}` }},
	} {
		changed := maps.Clone(signed)
		if tt.change(changed); maps.Equal(changed, signed) {
			t.Fatalf("%s: nothing is changed", tt.name)
		}
		if b, err := read(t, changed, v); err == nil {
			t.Errorf("%s: read as %+v", tt.name, b)
		}
	}
}

func TestCheckKey(t *testing.T) {
	ours := newPair(t)
	for _, tt := range []struct{ key, algorithm, want string }{
		{ours.public, "", ""},
		{ours.public, "PS512", ""},
		{ours.public, "RS1", "unknown signature algorithm \"RS1\""},
		{ours.public, "none", "unknown signature algorithm"},
		{ours.public, "HS256", "wants a shared secret"},
		{ours.public, "ES256", "does not fit the key, which is rsa.PublicKey"},
		{ours.private, "", "the key is a private one"},
		{"short", "HS256", "has 5 bytes"},
		{"k.pem", "", "public key in PEM form"},
		{strings.ReplaceAll(ours.public, "PUBLIC KEY", "PUBLIC KEX"), "", `of type "PUBLIC KEX"`},
		{strings.ReplaceAll(ours.public, "PUBLIC KEY", "CERTIFICATE"), "", "cannot be read"},
	} {
		err := (&Verification{PublicKey: tt.key, Algorithm: tt.algorithm}).Check()
		if tt.want == "" && err != nil {
			t.Errorf("%s: %v", tt.algorithm, err)
		} else if tt.want != "" {
			wantError(t, err, tt.want)
		}
	}
	if err := (*Verification)(nil).Check(); err != nil {
		t.Error(err)
	}
}

// TestMistakesHaveTheirPlace: every file that does not parse is reported.
func TestMistakesHaveTheirPlace(t *testing.T) {
	f := files("r1")
	f["/a.rego"] = "package tollgate.access\n\ndeny contains 1 if {\n"
	f["/b_test.rego"] = "package x\n\nallow = = true\n"
	_, err := read(t, f, nil)
	var mistakes policy.Diagnostics
	if !errors.As(err, &mistakes) {
		t.Fatalf("error %v is no policy.Diagnostics", err)
	}
	wantError(t, err, "bundle:/a.rego:", "bundle:/b_test.rego:3:9: ", "(rego_parse_error)")
	for _, d := range mistakes {
		if d.Line == 0 || d.Col == 0 {
			t.Errorf("no place: %+v", d)
		}
	}
}

// TestRefusedContents: what the gateway does not run or own is refused by name.
func TestRefusedContents(t *testing.T) {
	with := func(name, text string) map[string]string {
		f := files("r1")
		f["/.manifest"] = `{"revision": "r1"}`
		f[name] = text
		return f
	}
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{with("/policy.wasm", "\x00asm"), `WebAssembly module "policy.wasm"`},
		{with("/x/plan.json", "{}"), `plan "x/plan.json"`},
		{with("/patch.json", `{"data": []}`), "publish whole bundles"},
		{with("/tollgate/config/data.json", `{"roles": {}}`), "data under tollgate (tollgate/config/data.json)"},
		{with("/data.json", `{"tollgate": {"config": {}}}`), "data under tollgate (data.json)"},
		{with("/data.yaml", "tollgate: 1\n"), "data under tollgate (data.yaml)"},
		{with("/.manifest", `{"rego_version": 0}`), "Rego version 0 (rego_version)"},
		{with("/.manifest", `{"file_rego_versions": {"/rules/db.rego": 0}}`), `Rego version 0 (/rules/db.rego)`},
		{with("/.manifest", `{"roots": ["other"]}`), "roots [other] do not permit"},
		{with("/.manifest", `{"roots": ["a", "a/b"]}`), "overlapped roots"},
		{with("/.manifest", `{`), "bundle:/.manifest:1:2: unexpected end (tollgate_data)"},
		{with("/x/.manifest", `{}`), "multiple manifest files"},
		{with("/acme/more/data.json", `{`), "bundle:/acme/more/data.json:1:2: unexpected end"},
		{with("/acme/data.yaml", "regions: []\n"), "acme"},
		{with("../x.rego", denyRego), `"../x.rego", whose name leads out`},
		{with("/a/../../x.rego", denyRego), "leads out"},
		{with("//x.rego", denyRego), `name "//x.rego"`},
		{with("C:\\x.rego", denyRego), "want a relative path"},
		{with("/a\nb.rego", denyRego), "want a relative path"},
		{with("./rules/db.rego", denyRego), `"rules/db.rego" twice`},
	} {
		_, err := read(t, tt.files, nil)
		wantError(t, err, tt.want)
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	if err := archive.WriteHeader(&tar.Header{Name: "data.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}); err != nil {
		t.Fatal(err)
	}
	closeAll(t, archive, zipped)
	_, err := Read(&out, nil)
	wantError(t, err, "a link or device")
}

// TestNothingIsPassedOver: what OPA would ignore or choose between is a mistake
// with a place.
func TestNothingIsPassedOver(t *testing.T) {
	const ignored = "the file would not be read (tollgate_data)\n\thint: data is read from data.json and data.yaml"
	for _, tt := range []struct{ name, text, want string }{
		{"/acme/more/data.json", "{\n  \"b\": 1,\n  \"c\": {\"d\": 1, \"d\": 2}\n}", `bundle:/acme/more/data.json:3:17: duplicate member "d" (tollgate_data)`},
		{"/acme/more/data.json", `{"b": 1, "\u0062": 2}`, `bundle:/acme/more/data.json:1:10: duplicate member "b"`},
		{"/acme/more/data.json", "\xef\xbb\xbf{\"b\": 1,\n\"b\": 2}", `bundle:/acme/more/data.json:2:1: duplicate member "b"`},
		{"/acme/more/data.yaml", `{"b": 1, "b": 2}`, `bundle:/acme/more/data.yaml:1:10: duplicate member "b"`},
		{"/.manifest", `{"roots": ["acme"], "roots": ["acme", "tollgate/access"]}`, `bundle:/.manifest:1:21: duplicate member "roots"`},
		{"/rules/more.REGO", denyRego, "bundle:/rules/more.REGO: " + ignored},
		{"/acme/other.json", `{"b": 1}`, "bundle:/acme/other.json: " + ignored},
		{"/acme/Data.json", `{"b": 1}`, "bundle:/acme/Data.json: " + ignored},
		{"/acme/limits.yaml", "b: 1\n", "bundle:/acme/limits.yaml: " + ignored},
		{"/acme/limits.YML", "b: 1\n", "bundle:/acme/limits.YML: " + ignored},
		{"/.Manifest", "{}", "bundle:/.Manifest: " + ignored},
	} {
		f := files("r1")
		f[tt.name] = tt.text
		_, err := read(t, f, nil)
		wantError(t, err, tt.want)
		if !errors.As(err, new(policy.Diagnostics)) {
			t.Errorf("%s: %v is no policy.Diagnostics", tt.name, err)
		}
	}
	f := files("r1")
	f["/acme/other.json"], f["/x.REGO"] = "{}", denyRego
	_, err := read(t, f, nil)
	wantError(t, err, "other.json")
	wantError(t, err, "x.REGO")
	f = files("r1")
	f["/README.md"], f["/LICENSE"], f["/acme/more/data.yaml"] = "x", "x", "b: {c: 1}\n"
	if _, err := read(t, f, nil); err != nil {
		t.Errorf("files that mean nothing, and YAML: %v", err)
	}
}

// TestArchivesOfOthers reads what tar makes of a folder, and nothing damaged.
func TestArchivesOfOthers(t *testing.T) {
	b, err := read(t, map[string]string{"./a/b.rego": "package a.b\n", "./data.json": `{"a": {"c": 1}}`, "README.md": "x"}, nil)
	if err != nil || len(b.Modules) != 1 || b.Modules["bundle:/a/b.rego"] == "" {
		t.Errorf("got %+v, %v", b, err)
	}
	sound := pack(t, files("r1"))
	for n := range len(sound) {
		if _, err := Read(bytes.NewReader(sound[:n]), nil); err == nil {
			t.Fatalf("the first %d of %d bytes are a bundle", n, len(sound))
		}
	}
	bad := bytes.Clone(sound)
	bad[len(bad)-6]++ // in the checksum
	_, err = Read(bytes.NewReader(bad), nil)
	wantError(t, err, "damaged archive")
	_, err = Read(strings.NewReader("package tollgate.access\n"), nil)
	wantError(t, err, `not a gzipped archive, want one as "opa build" writes it`)
	if b, err := read(t, nil, nil); err != nil || len(b.Modules) != 0 || b.Data == nil {
		t.Errorf("an empty bundle: %+v, %v", b, err)
	}
}

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestSizeIsBounded sends archives that are large packed, unpacked, in many
// files and as holes of a sparse file.
func TestSizeIsBounded(t *testing.T) {
	bomb := func(fill func(*tar.Writer)) []byte {
		var out bytes.Buffer
		zipped, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		archive := tar.NewWriter(zipped)
		fill(archive)
		closeAll(t, archive, zipped)
		return out.Bytes()
	}
	oneFile := bomb(func(w *tar.Writer) { write(t, w, &tar.Header{Name: "a.txt"}, strings.Repeat("\x00", MaxBytes)) })
	manyFiles := bomb(func(w *tar.Writer) {
		for i := range 40 {
			write(t, w, &tar.Header{Name: strings.Repeat("x", i+1)}, strings.Repeat("\x00", 1<<20))
		}
	})
	tooMany := bomb(func(w *tar.Writer) {
		for i := range MaxFiles + 1 {
			write(t, w, &tar.Header{Name: "d/" + hexOf([]byte{byte(i >> 8), byte(i)})}, "")
		}
	})
	for name, body := range map[string]io.Reader{
		"one file": bytes.NewReader(oneFile), "many files": bytes.NewReader(manyFiles), "sparse file": bytes.NewReader(sparse(t)),
		"behind the end": io.MultiReader(bytes.NewReader(pack(t, nil)), zeros{}),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Read(body, nil)
			runtime.ReadMemStats(&after)
			if name != "behind the end" { // which gzip takes for a damaged archive
				wantError(t, err, "larger than 32 MiB")
			} else if err == nil {
				t.Error("read")
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8*MaxBytes {
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
	_, err := Read(bytes.NewReader(tooMany), nil)
	wantError(t, err, "more than 10000 files")
}

// sparse is an archive of some hundred bytes with a file of 1 GiB.
func sparse(t *testing.T) []byte {
	var plain bytes.Buffer
	archive := tar.NewWriter(&plain)
	write(t, archive, &tar.Header{Name: "a.txt", Format: tar.FormatPAX, PAXRecords: map[string]string{
		// The writer refuses the real names, which have as many letters.
		"OUR.sparse.major": "0", "OUR.sparse.minor": "1", "OUR.sparse.numblocks": "1",
		"OUR.sparse.map": "0,1", "OUR.sparse.size": "1073741824", "OUR.sparse.name": "a.txt",
	}}, "x")
	closeAll(t, archive)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	if _, err := zipped.Write(bytes.ReplaceAll(plain.Bytes(), []byte("OUR.sparse"), []byte("GNU.sparse"))); err != nil {
		t.Fatal(err)
	}
	closeAll(t, zipped)
	return out.Bytes()
}

// FuzzRead: no archive makes Read panic, and what it reads has sound names and
// can be added to a policy.
func FuzzRead(f *testing.F) {
	ours := newPair(f)
	f.Add(".manifest", `{"revision": "r", "roots": ["a"]}`, "a/x.rego", "package a\n", false)
	f.Add("data.json", `{"a": 1}`, ".signatures.json", `{"signatures": ["a.b.c"]}`, true)
	f.Add("a/data.yaml", "a: &x [1]\nb: *x\n", ".manifest.pb", "\n\x01r", false)
	f.Add(".manifest", `{"wasm": [{"entrypoint": "a", "module": "/policy.wasm"}]}`, "../x", "", false)
	f.Fuzz(func(t *testing.T, name1, text1, name2, text2 string, keyed bool) {
		var out bytes.Buffer
		zipped := gzip.NewWriter(&out)
		archive := tar.NewWriter(zipped)
		for _, e := range [][2]string{{name1, text1}, {name2, text2}} {
			if archive.WriteHeader(&tar.Header{Name: e[0], Size: int64(len(e[1]))}) != nil {
				t.Skip()
			}
			if _, err := archive.Write([]byte(e[1])); err != nil {
				t.Skip()
			}
		}
		closeAll(t, archive, zipped)
		var v *Verification
		if keyed {
			v = &Verification{PublicKey: ours.public}
		}
		b, err := Read(&out, v)
		if err != nil {
			return
		}
		if keyed {
			t.Fatalf("unsigned files %q and %q are read as %+v", name1, name2, b)
		}
		for name := range b.Modules {
			if !strings.HasPrefix(name, "bundle:/") || strings.Contains(name, "..") && strings.Contains(name, "/../") {
				t.Errorf("module name %q", name)
			}
		}
		if err := b.AddTo(map[string]string{}, map[string]any{}); err != nil {
			t.Error(err)
		}
		if _, ok := b.Data["tollgate"]; ok {
			t.Error("data.tollgate from a bundle")
		}
	})
}

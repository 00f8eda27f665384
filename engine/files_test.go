package engine

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// put writes files below a folder; a value "-> x" makes a link to x.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(strings.ReplaceAll(target, "DIR", dir), file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// filesOf gives the files of the document that was found at a path of a scan.
func filesOf(t *testing.T, o LoadOptions, file string) *files {
	t.Helper()
	l, err := newLoader(o)
	if err != nil {
		t.Fatal(err)
	}
	found, err := l.scan(stampTrust{})
	if err != nil {
		t.Fatal(err)
	}
	found.look()
	for i := range found.sources {
		if found.sources[i].file == file {
			return l.newFiles(&found.sources[i])
		}
	}
	t.Fatalf("%s was not found in %+v", file, found.sources)
	return nil
}

// TestFilesConfinement: what a document may read, by how it was found.
func TestFilesConfinement(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"served/team/doc.yaml":       "serve :1 x",
		"served/team/own.txt":        "own",
		"served/team/with space.txt": "space",
		"served/team/link.txt":       "-> own.txt",
		"served/team/absolute.txt":   "-> DIR/served/beside.txt",
		"served/team/out.txt":        "-> ../../secret.txt",
		"served/team/outdir":         "-> ../..",
		"served/team/loop.txt":       "-> loop.txt",
		"served/team/nowhere.txt":    "-> gone.txt",
		"served/beside.txt":          "beside",
		"served/map/..2024/a.txt":    "mounted",
		"served/map/..data":          "-> ..2024",
		"served/map/a.txt":           "-> ..data/a.txt",
		"servedmore/x.txt":           "other folder",
		"secret.txt":                 "secret",
		"granted/g.txt":              "granted",
		"served/team/granted.txt":    "-> ../../granted/g.txt",
	})
	served, doc := filepath.Join(dir, "served"), filepath.Join(dir, "served", "team", "doc.yaml")
	const gone, no = "does not exist", "leads out of the folders that this document may use"
	tests := []struct{ location, inFolder, named, allowed string }{
		{"./own.txt", "own", "own", "own"},
		{"own.txt", "own", "own", "own"},
		{"file:///./own.txt", "own", "own", "own"},
		{"file://./own.txt", "own", "own", "own"},
		{"file://own.txt", "own", "own", "own"},
		{"file:///./with%20space.txt", "space", "space", "space"},
		{"with%20space.txt", gone, gone, gone},
		{"file://DIR/served/team/own.txt", "own", "own", "own"},
		{"file://localhostDIR/served/team/own.txt", "own", "own", "own"},
		{"DIR/served/team/own.txt", "own", "own", "own"},
		{"link.txt", "own", "own", "own"},
		{"../beside.txt", "beside", no, no},
		{"file:///../beside.txt", "beside", no, no},
		{"absolute.txt", "beside", no, no},
		{"../map/a.txt", "mounted", no, no},
		{"../../servedmore/x.txt", no, no, no},
		{"../../secret.txt", no, no, no},
		{"../../nothing.txt", no, no, no},
		{"DIR/secret.txt", no, no, no},
		{"file://DIR/secret.txt", no, no, no},
		{"out.txt", no, no, no},
		{"outdir/secret.txt", no, no, no},
		{"../../granted/g.txt", no, no, "granted"},
		{"granted.txt", no, no, "granted"},
		{"nowhere.txt", gone, gone, gone},
		{"nothing/at/all.txt", gone, gone, gone},
		{"own.txt/x", "cannot be read: not a directory", "cannot be read: not a directory", "cannot be read: not a directory"},
		{".", "cannot be read: not a regular file", "cannot be read: not a regular file", "cannot be read: not a regular file"},
		{"https://example.com/x", "is not a file", "is not a file", "is not a file"},
		{"file://", "is no path", "is no path", "is no path"},
		{"a\x00b", "is no path", "is no path", "is no path"},
		{" ", "is empty", "is empty", "is empty"},
	}
	for _, way := range []struct {
		name string
		o    LoadOptions
	}{
		{"inFolder", LoadOptions{Paths: []string{served}}},
		{"named", LoadOptions{Paths: []string{doc}}},
		{"allowed", LoadOptions{Paths: []string{doc}, AllowPaths: []string{filepath.Join(dir, "granted")}}},
		{"named and inFolder", LoadOptions{Paths: []string{doc, served}}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			f := filesOf(t, way.o, doc)
			for _, tt := range tests {
				want := map[string]string{"inFolder": tt.inFolder, "named": tt.named, "allowed": tt.allowed, "named and inFolder": tt.inFolder}[way.name]
				location := strings.ReplaceAll(tt.location, "DIR", dir)
				text, err := f.Read(doc, location)
				if err != nil {
					if !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), dir) && !strings.Contains(location, dir) {
						t.Errorf("%s: %v, want %q", location, err, want)
					}
					if errors.Is(err, plan.ErrOutside) != (want == no) || errors.Is(err, fs.ErrNotExist) != (want == gone) {
						t.Errorf("%s: %v wraps the wrong error", location, err)
					}
				} else if string(text) != want {
					t.Errorf("%s: read %q, want %q", location, text, want)
				}
			}
		})
	}
	loop := filesOf(t, LoadOptions{Paths: []string{doc}}, doc)
	if _, err := loop.Read(doc, "loop.txt"); err == nil || errors.Is(err, fs.ErrNotExist) || err.Error() != "loop.txt cannot be read: its links lead round in a circle" {
		t.Errorf("a loop of links: %v", err)
	}
}

// TestFilesAreRelativeToTheFileTheyStandIn: an imported file has its own folder.
func TestFilesAreRelativeToTheFileTheyStandIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"doc.yaml": "serve :1 x", "shared/part.yaml": "", "shared/x.txt": "inner", "x.txt": "outer"})
	doc := filepath.Join(dir, "doc.yaml")
	f := filesOf(t, LoadOptions{Paths: []string{dir}}, doc)
	place, err := f.Place(doc, "./shared/part.yaml")
	if err != nil || place.Name != filepath.Join(dir, "shared", "part.yaml") {
		t.Fatalf("the part is at %+v, %v", place, err)
	}
	for from, want := range map[string]string{doc: "outer", place.Name: "inner"} {
		if text, err := f.Read(from, "x.txt"); err != nil || string(text) != want {
			t.Errorf("from %s: %q, %v", from, text, err)
		}
	}
}

func TestFilesLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"doc.yaml": "serve :1 x", "big": strings.Repeat("x", 4<<20+1)})
	doc := filepath.Join(dir, "doc.yaml")
	_, err := filesOf(t, LoadOptions{Paths: []string{dir}, Limits: spec.Limits{Bytes: 10}}, doc).Read(doc, "big")
	if err == nil || err.Error() != "big has more than 4 MiB, the limit is 4 MiB" && err.Error() != "big has 4194305 bytes, the limit is 4 MiB" {
		t.Errorf("error %v", err)
	}
	if text, err := filesOf(t, LoadOptions{Paths: []string{dir}, Limits: spec.Limits{Bytes: 5 << 20}}, doc).Read(doc, "big"); err != nil || len(text) != 4<<20+1 {
		t.Errorf("a higher limit gives %d bytes, %v", len(text), err)
	}
}

// TestFilesTogether: a few lines can name a large file very often.
func TestFilesTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"doc.yaml": "serve :1 x", "big": strings.Repeat("x", 4<<20)})
	doc := filepath.Join(dir, "doc.yaml")
	f := filesOf(t, LoadOptions{Paths: []string{dir}}, doc)
	for i := range 17 {
		_, err := f.Read(doc, "big")
		if want := "big is too much: the document reads more than 64 MiB of files"; i == 16 && (err == nil || err.Error() != want) || i < 16 && err != nil {
			t.Errorf("reading %d: %v", i, err)
		}
	}
	if !f.isUnchanged(stampTrust{}) {
		t.Error("what is too much counts as a change")
	}
}

func TestFilesFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"in/doc.yaml": "serve :1 x", "secret.txt": "secret"})
	doc := filepath.Join(dir, "in", "doc.yaml")
	f := filesOf(t, LoadOptions{Paths: []string{filepath.Join(dir, "in")}}, doc)
	skills, err := f.Folder(doc, "file:///./skills")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(skills, "a.md"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the folder exists: %v", err)
	}
	put(t, dir, map[string]string{
		"in/skills/a.md": "A", "in/skills/sub/b.md": "B", "in/skills/out.md": "-> ../../secret.txt", "in/beside.txt": "beside",
		"in/skills/up.md": "-> ../beside.txt", "in/skills/same.md": "-> sub/b.md",
	})
	for name, want := range map[string]string{"a.md": "A", "sub/b.md": "B", "same.md": "B"} {
		if text, err := fs.ReadFile(skills, name); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for _, name := range []string{"out.md", "up.md", "../beside.txt", "/etc/passwd", "sub/../a.md", "gone.md"} {
		_, err := fs.ReadFile(skills, name)
		if _, stat := fs.Stat(skills, name); err == nil || stat == nil {
			t.Errorf("%s: %v and %v, want errors", name, err, stat)
		} else if strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error names the folder: %v", name, err)
		}
	}
	var walked []string
	if err := fs.WalkDir(skills, ".", func(name string, _ fs.DirEntry, err error) error {
		walked = append(walked, name)
		return err
	}); err != nil || strings.Join(walked, " ") != ". a.md out.md same.md sub sub/b.md up.md" {
		t.Errorf("walked %v, %v", walked, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "in", "skills")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, map[string]string{"in/skills": "-> .."})
	if text, err := fs.ReadFile(skills, "secret.txt"); err == nil {
		t.Errorf("a folder that was exchanged for a link gives %q", text)
	}
	if _, err := f.Folder(doc, "../elsewhere"); !errors.Is(err, plan.ErrOutside) {
		t.Errorf("a folder elsewhere: %v", err)
	}
}

// TestFilesThatAreNoFolder: nobody ever writes into the pipe, and nobody waits for that.
func TestFilesThatAreNoFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"doc.yaml": "serve :1 x", "file": "text"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	doc := filepath.Join(dir, "doc.yaml")
	f := filesOf(t, LoadOptions{Paths: []string{dir}}, doc)
	for _, name := range []string{"pipe", "file"} {
		folder, err := f.Folder(doc, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat(folder, "."); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.Read(doc, name); (err == nil) != (name == "file") {
			t.Errorf("%s is read with %v", name, err)
		}
	}
}

// TestReloadSeesWhatADocumentRead: a file that a document read, or missed, is a part of it.
func TestReloadSeesWhatADocumentRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " @./word.txt", "b.yaml": "serve " + loopback + " two", "word.txt": "one"}, nil)
	r.start()
	r.wants(loopback, "a", "one")
	first, b := r.doc("a"), r.engine.Current().Plan.Unit("b")
	r.reload()
	if again := r.doc("a"); again.Unit != first.Unit || again.Hash != first.Hash {
		t.Error("an unchanged file makes another unit or hash")
	}
	r.write("word.txt", "three")
	r.reload()
	r.wants(loopback, "a", "three")
	if now := r.doc("a"); now.Hash == first.Hash || r.engine.Current().Plan.Unit("b") != b {
		t.Error("the hash does not cover the file, or another document was compiled again")
	}

	r.remove("word.txt")
	r.reload()
	d := r.doc("a")
	if d.State != Stale || !strings.Contains(codes(d.Diagnostics), string(diag.CodeNothingExposed)) {
		t.Errorf("without its file it is %s with %v", d.State, d.Diagnostics)
	}
	r.wants(loopback, "a", "three")
	r.write("word.txt", "four")
	r.reload()
	r.wants(loopback, "a", "four")
	if status, _ := r.get(loopback, "b"); status != http.StatusOK {
		t.Errorf("b answers %d", status)
	}
}

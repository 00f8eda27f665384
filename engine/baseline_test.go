package engine

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// TestRefresh: a file whose stamp stands for what was read is not read again by a refresh, nor
// by a reload unless others may have written to it.
func TestRefresh(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("without the time of the last change every file is read")
	}
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " @./word", "b.yaml": "serve " + loopback + " one", "word": "one"}, nil)
	r.engine.loader.local.isLocal = func(string) bool { return true }
	r.start()
	refresh := func() {
		t.Helper()
		if err := r.engine.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// What has just been written may be written again without a trace.
	for _, name := range []string{"b.yaml", "word"} {
		was, err := os.Stat(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text := map[string]string{"b.yaml": "serve " + loopback + " two", "word": "two"}[name]
		r.write(name, text)
		if err := os.Chtimes(filepath.Join(r.dir, name), was.ModTime(), was.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	r.wants(loopback, "a", "two")
	r.wants(loopback, "b", "two")

	// As if the files had been read long after they were written: what nobody changes is not read.
	r.write("b.yaml", "serve "+loopback+" six")
	r.write("word", "six")
	for _, rec := range r.engine.last.records {
		rec.current.baseline = baseline{baselineOf(rec.current.file).stamp, true}
		for u := range rec.current.files.baselines {
			rec.current.files.baselines[u] = baseline{baselineOf(filepath.Join(r.dir, "word")).stamp, true}
		}
	}
	refresh()
	r.wants(loopback, "a", "two")
	r.wants(loopback, "b", "two")
	r.reload()
	r.wants(loopback, "a", "two")
	r.wants(loopback, "b", "two")
	// What is on a file system of others may be another although its stamp is not, here yet.
	r.engine.loader.local.isLocal = func(string) bool { return false }
	refresh()
	r.wants(loopback, "a", "two")
	r.reload()
	r.wants(loopback, "a", "six")
	r.wants(loopback, "b", "six")
}

// TestLoadOfOneMoment: a folder that is exchanged as a whole while it is read, as mounted
// ConfigMaps are, is never half of the old one and half of the new one.
func TestLoadOfOneMoment(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"data1/a.yaml": "serve " + loopback + " one", "data1/b.yaml": "serve " + loopback + " @./word", "data1/word": "one",
		"data2/a.yaml": "serve " + loopback + " two", "data2/b.yaml": "serve " + loopback + " @./word", "data2/word": "two",
	}, nil)
	served := filepath.Join(r.dir, "served")
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, served+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(served+".new", served); err != nil {
			t.Fatal(err)
		}
	}
	point("data1")
	r.engine.loader.Paths = []string{served}
	r.engine.loader.Jobs = 1
	r.start()
	r.wants(loopback, "a", "one")
	r.wants(loopback, "b", "one")

	compile := r.engine.loader.phases.compile
	swapped := 0
	r.engine.loader.phases.compile = func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
		u, found := compile(doc, files, grant, room)
		if swapped++; swapped == 1 {
			point("data1") // between two files
		}
		return u, found
	}
	point("data2")
	r.reload()
	r.wants(loopback, "a", "one")
	r.wants(loopback, "b", "one")
	if swapped == 0 {
		t.Error("nothing was exchanged meanwhile")
	}
}

// TestLoadOfFilesThatNeverRest: a load begins again while files change under it, but not for ever. That what it takes in the
// end may be of several moments is in the log, once; of a load whose files rest nothing is.
func TestLoadOfFilesThatNeverRest(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) { o.Logger = logTo(&log) })
	r.start()
	const warning = "what is served may be of more than one moment"
	if s := log.String(); strings.Contains(s, warning) {
		t.Errorf("files at rest, and the log says %s", s)
	}
	compile := r.engine.loader.phases.compile
	word := "two"
	r.engine.loader.phases.compile = func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
		word += "." // another size: no clock is needed to tell
		r.write("a.yaml", "serve "+loopback+" "+word)
		return compile(doc, files, grant, room)
	}
	r.write("a.yaml", "serve "+loopback+" two")
	r.reload()
	r.wants(loopback, "a", "two..")
	if s := log.String(); strings.Count(s, warning) != 1 || !strings.Contains(s, "level=WARN") {
		t.Errorf("the log says %q", s)
	}
}

// TestLoadOfOneMomentOfCarriedOver: of documents that were not looked into any further because they were as they had
// been, one that changes before the load ends is a part of it.
func TestLoadOfOneMomentOfCarriedOver(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("without the time of the last change every file is read")
	}
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " one"}, nil)
	r.engine.loader.local.isLocal = func(string) bool { return true }
	r.start()
	age := func() { // as if all had been written long before
		for _, rec := range r.engine.last.records {
			rec.current.baseline.conclusive = true
		}
	}
	age()
	now := r.engine.last
	r.reload()
	if r.engine.last != now {
		t.Error("nothing changed, and something is another")
	}
	compile := r.engine.loader.phases.compile
	once := false
	r.engine.loader.phases.compile = func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
		if !once {
			once = true
			r.write("b.yaml", "serve "+loopback+" second")
		}
		return compile(doc, files, grant, room)
	}
	r.write("a.yaml", "serve "+loopback+" second")
	r.reload()
	r.wants(loopback, "a", "second")
	r.wants(loopback, "b", "second")
}

// TestReferredFileChangedLongAgo: a reload sees that a file which a document reads has become another one, also when that
// was so long before that its stamp stands for it.
func TestReferredFileChangedLongAgo(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " @./word"}, func(o *Options) { o.AllowPaths = []string{here} })
	r.engine.loader.local.isLocal = func(string) bool { return true }
	word := filepath.Join(r.dir, "word")
	started := false
	for _, name := range []string{"doc.go", "asked.go", "doc.go"} { // nobody has just written those
		if err := os.RemoveAll(word); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(here, name), word); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(word)
		if err != nil {
			t.Fatal(err)
		}
		if started {
			r.reload()
		} else {
			r.start()
		}
		started = true
		r.wants(loopback, "a", string(text))
	}
}

// TestLoadOfOneMomentBesides: what is no document, or hides that it was written, is of the same moment as all else.
func TestLoadOfOneMomentBesides(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only the time of the last change tells")
	}
	for name, c := range map[string]struct {
		before map[string]string
		edit   func(r *rig)
	}{
		"times set back": {
			map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " one"},
			func(r *rig) {
				for _, name := range []string{"a.yaml", "b.yaml"} {
					was, err := os.Stat(filepath.Join(r.dir, name))
					if err != nil {
						t.Error(err)
						return
					}
					r.write(name, "serve "+loopback+" two")
					if err := os.Chtimes(filepath.Join(r.dir, name), was.ModTime(), was.ModTime()); err != nil {
						t.Error(err)
					}
				}
			},
		},
		"a file that was missing": {
			map[string]string{"a.yaml": "serve " + loopback + " @./.shared/word", "b.yaml": "serve " + loopback + " @./.shared/word", ".shared/other": ""},
			func(r *rig) { r.write(".shared/word", "two") },
		},
		"the policy": {
			map[string]string{"a.yaml": "serve " + loopback + " two", "b.yaml": "serve " + loopback + " two", ".policy": "policy: 1\ndefault: allow\n"},
			func(r *rig) { r.write(".policy", "policy: 1\ndefault: allow # anew\n") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.before, nil)
			if c.before[".policy"] != "" {
				r.engine.loader.policy.path = filepath.Join(r.dir, ".policy")
			}
			r.engine.loader.Jobs = 1
			compile := r.engine.loader.phases.compile
			compiled := 0
			r.engine.loader.phases.compile = func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
				u, found := compile(doc, files, grant, room)
				if compiled++; compiled == 1 {
					c.edit(r)
				}
				return u, found
			}
			r.start()
			r.wants(loopback, "a", "two")
			r.wants(loopback, "b", "two")
			if policy := r.engine.Current().Policy; policy.File != "" {
				text, err := os.ReadFile(policy.File)
				if err != nil {
					t.Fatal(err)
				}
				if policy.Hash != hashOf(text) {
					t.Error("the policy is another one by now")
				}
			}
		})
	}
}

// TestValuesInDuplicates: a file whose ID belongs to another one is a file of values as long as a document reads
// some from it, and no longer.
func TestValuesInDuplicates(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "vars.yaml": "values", "vars.yml": "values"}, nil)
	compile := r.engine.loader.phases.compile
	r.engine.loader.phases.compile = func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
		u, found := compile(doc, files, grant, room)
		if u != nil && u.Label == "values" {
			place, err := files.Place(doc.File, "vars.yml")
			if err != nil {
				t.Error(err)
			}
			u.Variables = []*plan.Variable{{Name: "V", Location: &plan.Location{File: place}}}
		}
		return u, found
	}
	r.start()
	for _, word := range []string{"values", "one", "values"} {
		r.write("a.yaml", "serve "+loopback+" "+word)
		r.reload()
		want := Refused
		if word == "values" {
			want = Ignored
		}
		for _, d := range r.engine.Current().Docs {
			if filepath.Base(d.File) == "vars.yml" && d.State != want {
				t.Errorf("a document with %s: vars.yml is %s, want %s", word, d.State, want)
			}
		}
	}
}

// TestGuardedFileOfLongAgo: a file that opens the adapter of one team is not read by another's document, also when nobody
// has written it for long.
func TestGuardedFileOfLongAgo(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	place(t, filepath.Join(dir, "a", "a.yaml"), guardedBy("./../shared/token.txt"))
	place(t, filepath.Join(dir, "b", "b.yaml"), `ikanos: 1.0.0-beta5
capability:
  consumes:
  - { from: ../shared/token.txt, import: up }
  exposes:
  - type: rest
    namespace: n
    port: 8080
    resources: { r: { path: /s, operations: { o: { method: GET, call: up.o } } } }
`)
	place(t, filepath.Join(dir, "shared", "other"), "")
	if err := os.Symlink(filepath.Join(here, "doc.go"), filepath.Join(dir, "shared", "token.txt")); err != nil { // which nobody has just written
		t.Fatal(err)
	}
	l, err := newLoader(LoadOptions{Paths: []string{dir}, AllowPaths: []string{here}})
	if err != nil {
		t.Fatal(err)
	}
	l.local.isLocal = func(string) bool { return true }
	got, err := l.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range got.Diagnostics {
		if d.Code == diag.CodeImportUnreadable && strings.Contains(d.Message, "may not be used by this document") {
			return
		}
	}
	t.Errorf("the file was read: %v", got.Diagnostics)
}

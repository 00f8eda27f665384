package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// failures collects what a shelf could not do.
type failures struct {
	mu   sync.Mutex
	seen []string
}

func (f *failures) add(operation string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, operation)
}

func (f *failures) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// keepRig gives a rig of files that keeps last good forms in state. Its engine has not started.
func keepRig(t *testing.T, state string, files map[string]string) (*rig, *failures) {
	t.Helper()
	f := &failures{}
	r := newRig(t, files, func(o *Options) { o.State = &StateOptions{Dir: state, Failed: f.add} })
	return r, f
}

// restart stops the engine, which writes what is to be kept, and gives a new one of the same
// folder that has not started.
func (r *rig) restart(change func(*Options)) *rig {
	r.t.Helper()
	if err := r.engine.Stop(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	next := newRig(r.t, nil, func(o *Options) {
		o.Paths, o.State = r.engine.opts.Paths, r.engine.opts.State
		if change != nil {
			change(o)
		}
	})
	next.dir = r.dir
	return next
}

// forms gives the forms in a state folder.
func forms(t *testing.T, state string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(state, shelfFolder, "*"+formSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeptAcrossRestarts(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{"broken": "", "panics": "panic", "no capability": "other", "import gone": "serve " + loopback + " @./gone"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			r, failed := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " @./word", "b.yaml": "serve " + loopback + " two", "word": "one"})
			r.start()
			r.write("a.yaml", broken)
			r.reload()
			since := r.doc("a").Since
			r.remove("word")

			for range 2 { // one restart after the other
				r = r.restart(nil)
				r.start()
				r.wants(loopback, "a", "one")
				r.wants(loopback, "b", "two")
				d := r.doc("a")
				if d.State != Stale || !d.Kept || !d.Diagnostics.HasErrors() || !strings.Contains(codes(d.Diagnostics), "warning stale") {
					t.Errorf("it is %s, kept %v, with %v", d.State, d.Kept, d.Diagnostics)
				}
				if !d.Since.Truncate(time.Second).Equal(since.Truncate(time.Second)) {
					t.Errorf("stale since %s, want %s, over restarts", d.Since, since)
				}
				r.reload()
				r.wants(loopback, "a", "one")
			}
			r.write("a.yaml", "serve "+loopback+" three")
			r.reload()
			r.wants(loopback, "a", "three")
			if d := r.doc("a"); d.State != Served || d.Kept || !d.Since.IsZero() {
				t.Errorf("mended, it is %+v", d)
			}
			r.write("a.yaml", broken)
			r = r.restart(nil)
			r.start()
			r.wants(loopback, "a", "three")
			if got := failed.all(); len(got) != 0 {
				t.Errorf("failed: %v", got)
			}
			if d := r.doc("a").Since; time.Since(d) > time.Minute || d.Equal(since) {
				t.Errorf("stale since %s, which was before", d)
			}
		})
	}
}

// TestKeptFormsOfRemovedDocuments: what was removed while capd runs or does not run never
// comes back, and other processes' forms are left alone.
func TestKeptFormsOfRemovedDocuments(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	other, _ := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " other"})
	other.start()
	r, _ := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " two", "c.yaml": "serve " + loopback + " three"})
	r.start()
	r = r.restart(nil)
	r.start()
	r.remove("a.yaml")
	r.reload()
	r = r.restart(func(*Options) { r.remove("b.yaml") })
	r.start()
	r.write("a.yaml", "")
	r.write("b.yaml", "")
	r = r.restart(nil)
	r.start()
	for _, id := range []string{"a", "b"} {
		if d := r.doc(id); d.State != Refused {
			t.Errorf("%s was removed, and is %s", id, d.State)
		}
	}
	r.wants(loopback, "c", "three")
	other.write("a.yaml", "")
	other = other.restart(nil)
	other.start()
	other.wants(loopback, "a", "other")
	if got := forms(t, state); len(got) != 2 {
		t.Errorf("forms %v, want those of two documents", got)
	}
}

// TestKeptFolderOutOfSight: documents of a folder that cannot be read at a start.
func TestKeptFolderOutOfSight(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("the superuser may read everything")
	}
	state := t.TempDir()
	r, _ := keepRig(t, state, map[string]string{"x/y/a.yaml": "serve " + loopback + " @./word", "x/y/word": "one", "b.yaml": "serve " + loopback + " two"})
	r.start()
	folder := filepath.Join(r.dir, "x")
	if err := os.Chmod(folder, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) }) // or it could not be removed
	for range 2 {
		r = r.restart(nil)
		r.start()
		r.reload()
		r.wants(loopback, "x/y/a", "one")
		r.wants(loopback, "b", "two")
		if d := r.doc("x/y/a"); d.State != Stale || d.Since.IsZero() {
			t.Errorf("it is %s since %s, want stale", d.State, d.Since)
		}
	}
}

// TestKeptFolderOutOfSightBesideGuards: such documents are served also where a load looks at all documents once more, since
// a file opens the adapter of one of the others.
func TestKeptFolderOutOfSightBesideGuards(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("the superuser may read everything")
	}
	dir, state := t.TempDir(), t.TempDir()
	place(t, filepath.Join(dir, "a", "token.txt"), "T=secret")
	place(t, filepath.Join(dir, "a", "a.yaml"), guardedBy("./token.txt"))
	place(t, filepath.Join(dir, "x", "b.yaml"), `ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: rest
    namespace: n
    port: 8080
    resources: { r: { path: /s, operations: { o: { method: GET, outputParameters: [ { name: v, type: string, value: v } ] } } } }
`)
	folder := filepath.Join(dir, "x")
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) }) // or it could not be removed
	for _, want := range []State{Served, Stale} {
		e, err := New(Options{
			Paths: []string{dir}, Listen: loopback, State: &StateOptions{Dir: state},
			Upstream: plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return nil, nil }),
			Adapters: map[plan.Kind]Adapter{plan.REST: handlerAdapter{http.NotFoundHandler()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range e.Current().Docs {
			got = append(got, fmt.Sprint(d.ID, " ", d.State))
		}
		if !slices.Contains(got, "x/b "+want.String()) {
			t.Errorf("documents %q, want x/b %s", got, want)
		}
		if err := e.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(folder, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeptUnreadableFile: a link that leads nowhere hides the document, and what it reads.
func TestKeptUnreadableFile(t *testing.T) {
	t.Parallel()
	r, _ := keepRig(t, t.TempDir(), map[string]string{"a.yaml": "serve " + loopback + " one"})
	r.start()
	r.remove("a.yaml")
	if err := os.Symlink("nowhere", filepath.Join(r.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	r = r.restart(nil)
	r.start()
	r.wants(loopback, "a", "one")
}

// TestKeptUnderOtherRules: what a document may not use any more it does not get from its form
// either, and a form with errors under today's rules is none.
func TestKeptUnderOtherRules(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "word"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ := keepRig(t, t.TempDir(), map[string]string{"a.yaml": "serve " + loopback + " @" + outside + "/word"})
	r.engine.loader.AllowPaths = []string{outside}
	r.start()
	r.wants(loopback, "a", "one")
	r.write("a.yaml", "")
	r = r.restart(nil)
	r.engine.loader.AllowPaths = []string{outside}
	r.start()
	r.wants(loopback, "a", "one")
	r = r.restart(nil)
	r.start()
	if d := r.doc("a"); d.State != Refused {
		t.Errorf("with a file it may not use it is %s", d.State)
	}
}

// TestKeptValuesNever: a file that values come from never gets into the folder, also when
// another document came to use it for that later.
func TestKeptValuesNever(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	r, _ := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " @./values", "b.yaml": "serve " + loopback + " two", "values": "marked-value"})
	holds := func() bool {
		for _, file := range forms(t, state) {
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f := parsed(t, whole)
			if slices.ContainsFunc(f.Reads, func(read keptRead) bool { return bytes.Contains(read.Text, []byte("marked-value")) }) {
				return true
			}
		}
		return false
	}
	r.start()
	r = r.restart(nil)
	if !holds() {
		t.Fatal("the test looks for nothing")
	}
	compile := r.engine.loader.phases.compile
	r.engine.loader.phases.compile = func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
		u, found := compile(doc, files, grant, room)
		if u != nil && u.ID == "b" {
			u.Variables = append(u.Variables, &plan.Variable{Location: &plan.Location{File: plan.FilePlace{Path: filepath.Join(r.dir, "values")}}})
		}
		return u, found
	}
	r.start()
	r = r.restart(nil)
	if holds() {
		t.Error("values are kept")
	}
	if n := len(forms(t, state)); n != 1 {
		t.Errorf("%d forms, want that of b", n)
	}
}

func parsed(t *testing.T, whole []byte) *form {
	t.Helper()
	_, rest, _ := bytes.Cut(whole, []byte("\n"))
	second, _, _ := bytes.Cut(rest, []byte("\n"))
	var is head
	if err := json.Unmarshal(second, &is); err != nil {
		t.Fatal(err)
	}
	f, err := parseForm(whole, is)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestKeptDamaged: whatever is in the folder, the start succeeds, says so, and the form is
// written again.
func TestKeptDamaged(t *testing.T) {
	t.Parallel()
	damages := map[string]func(t *testing.T, file string, whole []byte){
		"empty":   func(t *testing.T, file string, _ []byte) { overwrite(t, file, nil) },
		"cut off": func(t *testing.T, file string, whole []byte) { overwrite(t, file, whole[:len(whole)-5]) },
		"one bit": func(t *testing.T, file string, whole []byte) { whole[len(whole)-8] ^= 1; overwrite(t, file, whole) },
		"newer": func(t *testing.T, file string, whole []byte) {
			overwrite(t, file, append([]byte("capd-state 2 "), whole...))
		},
		"garbage":    func(t *testing.T, file string, _ []byte) { overwrite(t, file, bytes.Repeat([]byte{0xff, '\n'}, 1000)) },
		"folder":     func(t *testing.T, file string, _ []byte) { replaceByFolder(t, file) },
		"of another": func(t *testing.T, file string, _ []byte) { overwrite(t, file, foreign(t)) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			r, failed := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " two"})
			r.start()
			r = r.restart(nil)
			file := filepath.Join(state, shelfFolder, shelfName(filepath.Join(r.dir, "a.yaml"), "a")+formSuffix)
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, file, whole)
			overwrite(t, filepath.Join(state, shelfFolder, "notes.txt"), []byte("left alone"))
			r.write("a.yaml", "")
			r.start()
			r.wants(loopback, "b", "two")
			if d := r.doc("a"); d.State != Refused {
				t.Errorf("it is %s", d.State)
			}
			if got := failed.all(); !slices.Contains(got, "read") {
				t.Errorf("failed: %v, want a read", got)
			}
			r.write("a.yaml", "serve "+loopback+" three")
			r.reload()
			r = r.restart(nil)
			if name == "folder" {
				return // it is not capd's to remove
			}
			r.write("a.yaml", "")
			r.start()
			r.wants(loopback, "a", "three")
		})
	}
}

func overwrite(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func replaceByFolder(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// foreign is an intact form of another document.
func foreign(t *testing.T) []byte {
	t.Helper()
	whole, err := (&keepsake{text: []byte("serve " + loopback + " evil")}).encode(head{ID: "b", Path: "/elsewhere/b.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// TestKeptWithoutRoom: what cannot be written is told, and hurts nobody.
func TestKeptWithoutRoom(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.yaml": "serve " + loopback + " one"}
	t.Run("a file in its place", func(t *testing.T) {
		t.Parallel()
		state := filepath.Join(t.TempDir(), "file")
		overwrite(t, state, nil)
		r, failed := keepRig(t, state, files)
		r.start()
		r.wants(loopback, "a", "one")
		r.reload()
		r = r.restart(nil)
		r.start()
		r.wants(loopback, "a", "one")
		if got := failed.all(); !slices.Contains(got, "open") {
			t.Errorf("failed: %v", got)
		}
	})
	t.Run("not private", func(t *testing.T) {
		t.Parallel()
		state := t.TempDir()
		if err := os.MkdirAll(filepath.Join(state, shelfFolder), 0o755); err != nil {
			t.Fatal(err)
		}
		r, failed := keepRig(t, state, files)
		r.start()
		r.restart(nil)
		if got := failed.all(); !slices.Contains(got, "open") || len(forms(t, state)) != 0 {
			t.Errorf("failed: %v, kept %v", got, forms(t, state))
		}
	})
	t.Run("full", func(t *testing.T) {
		t.Parallel()
		state := t.TempDir()
		r, failed := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " " + strings.Repeat("x", 1000)})
		r.engine.loader.shelf.max = 500
		r.start()
		r.wants(loopback, "a", "one")
		engine := r.engine
		r.restart(nil)
		if got := failed.all(); !slices.Equal(got, []string{"write", "write"}) && !slices.Equal(got, []string{"write"}) {
			t.Errorf("failed: %v", got)
		}
		if facts := engine.State(); facts.Unsaved != 1 || facts.Forms != 1 || !strings.Contains(facts.Error, "form of b is not kept") {
			t.Errorf("facts %+v", facts)
		}
	})
}

// TestKeptIsPrivate: nobody else reads it.
func TestKeptIsPrivate(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	r, _ := keepRig(t, state, map[string]string{"a.yaml": "serve " + loopback + " one"})
	r.start()
	r.write("a.yaml", "")
	r.reload()
	r.restart(nil)
	err := filepath.WalkDir(state, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKeptMovedDocument: a document that moved to an address that cannot be bound stays where
// it was, over a restart too.
func TestKeptMovedDocument(t *testing.T) {
	t.Parallel()
	r, _ := keepRig(t, t.TempDir(), map[string]string{"a.yaml": "serve " + loopback + " one"})
	r.start()
	taken := occupied(t)
	r.write("a.yaml", "serve "+taken+" two")
	r.reload()
	r.wants(loopback, "a", "one")
	r.write("b.yaml", "serve "+loopback+" three")
	for range 2 {
		r = r.restart(nil)
		r.start()
		r.wants(loopback, "a", "one")
		if d := r.doc("a"); d.State != Stale || !strings.Contains(codes(d.Diagnostics), "error cannot-listen") {
			t.Errorf("it is %s with %v", d.State, d.Diagnostics)
		}
	}
}

// TestKeptNotUnderFail: who wants no errors gets none.
func TestKeptNotUnderFail(t *testing.T) {
	t.Parallel()
	r, _ := keepRig(t, t.TempDir(), map[string]string{"a.yaml": "serve " + loopback + " one"})
	r.start()
	r.write("a.yaml", "")
	r = r.restart(func(o *Options) { o.OnInvalid = Fail })
	if err := r.engine.Start(t.Context()); err == nil {
		t.Error("it started")
	}
	r = r.restart(func(o *Options) { o.OnInvalid = Quarantine })
	r.start()
	r.wants(loopback, "a", "one")
}

// TestKeptByTwo: two processes write the same folder at the same time, and each form is whole.
func TestKeptByTwo(t *testing.T) {
	t.Parallel()
	state, files := t.TempDir(), map[string]string{}
	for _, id := range []string{"a", "b", "c", "d"} {
		files[id+".yaml"] = "serve " + loopback + " " + id
	}
	r, failed := keepRig(t, state, files)
	var both sync.WaitGroup
	engines := []*rig{r, r.twin()}
	for n, one := range engines {
		one.start()
		both.Go(func() {
			for i := range 20 {
				for id := range files {
					if n == 0 {
						r.write(id, "serve "+loopback+" "+strings.Repeat("x", i+1))
					}
				}
				if err := one.engine.Reload(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	r.stopAll(engines)
	for _, file := range forms(t, state) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed(t, whole)
	}
	if n := len(forms(t, state)); n != 4 {
		t.Errorf("%d forms, want 4", n)
	}
	if got := failed.all(); len(got) != 0 {
		t.Errorf("failed: %v", got)
	}
}

// twin gives another rig of the same folders.
func (r *rig) twin() *rig {
	next := newRig(r.t, nil, func(o *Options) { o.Paths, o.State = r.engine.opts.Paths, r.engine.opts.State })
	next.dir = r.dir
	return next
}

// stopAll stops them, so that all is written.
func (r *rig) stopAll(engines []*rig) {
	for _, one := range engines {
		if err := one.engine.Stop(r.t.Context()); err != nil {
			r.t.Error(err)
		}
	}
}

package engine

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestWatch: whatever way a file is changed, and in both modes, it is told.
func TestWatch(t *testing.T) {
	t.Parallel()
	modes := map[string]WatchOptions{
		"events": {Interval: time.Hour},
		"poll":   {Mode: WatchPoll, Interval: time.Millisecond},
	}
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " @./word", "word": "two"}, nil)
			// A mounted ConfigMap: the file is a link through a link that is exchanged.
			writeTo(t, filepath.Join(r.dir, "..v1", "c.yaml"), "serve "+loopback+" three")
			writeTo(t, filepath.Join(r.dir, "..v2", "c.yaml"), "serve "+loopback+" four!")
			link(t, "..v1", filepath.Join(r.dir, "..data"))
			link(t, filepath.Join("..data", "c.yaml"), filepath.Join(r.dir, "c.yaml"))

			changed := r.engine.Watch(context.Background(), o)
			r.start()
			for _, step := range []struct {
				change   func()
				id, want string // what is served then; empty for nothing
			}{
				{func() { r.write("a.yaml", "serve "+loopback+" another") }, "a", "another"},
				{func() { r.write("d.yaml", "serve "+loopback+" five") }, "d", "five"},
				{func() { r.remove("d.yaml") }, "d", ""},
				{func() { r.write("e/f/g.yaml", "serve "+loopback+" six") }, "e/f/g", "six"},
				{func() { r.write("e/f/g.yaml", "serve "+loopback+" seven") }, "e/f/g", "seven"},
				{func() { r.write("word", "twenty") }, "b", "twenty"},
				{func() { r.write(".a.swp", "serve "+loopback+" editor"); move(t, r.dir, ".a.swp", "a.yaml") }, "a", "editor"},
				{func() { link(t, "..v2", filepath.Join(r.dir, "..new")); move(t, r.dir, "..new", "..data") }, "c", "four!"},
			} {
				step.change()
				for word := "?"; word != step.want; { // a file may be seen half written first
					<-changed // or the test's time is up
					r.reload()
					word = ""
					if u := r.engine.Current().Plan.Unit(step.id); u != nil {
						word = u.Label
					}
				}
			}
		})
	}
}

// TestWatchLooksAtWhatMatters: other files may change as they like, and what a document newly
// refers to is no change.
func TestWatchLooksAtWhatMatters(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " @./word", "word": "two", ".hidden/b.yaml": "x"}, nil)
	env := filepath.Join(t.TempDir(), "env")
	writeTo(t, env, "A=1")
	w := &watcher{engine: r.engine, extra: []string{env}}
	before := w.look()
	r.start()
	r.write("log.txt", "a line")
	r.write(".hidden/b.yaml", "another x")
	after := w.look()
	if after.differs(before) {
		t.Errorf("%v became %v, and neither a document nor what it refers to changed", before, after)
	}
	r.write("word", "another")
	if !w.look().differs(after) {
		t.Error("what a document refers to changed, and nobody noticed")
	}
	after = w.look()
	writeTo(t, env, "A=1\nB=2")
	if !w.look().differs(after) {
		t.Error("the env file changed, and nobody noticed")
	}
}

// TestWatchSeesTimesSetBack: text of the same size under the same time, as tools write it that keep times, is a change.
func TestWatchSeesTimesSetBack(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only the time of the last change tells")
	}
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	file := filepath.Join(r.dir, "a.yaml")
	was, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{engine: r.engine}
	before := w.look()
	for range 10000 { // until the clock of the file system has made a step
		r.write("a.yaml", "serve "+loopback+" two")
		if err := os.Chtimes(file, was.ModTime(), was.ModTime()); err != nil {
			t.Fatal(err)
		}
		if w.look().differs(before) {
			return
		}
	}
	t.Error("nobody noticed")
}

// TestWatchMissesNothingThatWasServed: a document may come, be loaded since something else changed, and go
// between two looks.
func TestWatchMissesNothingThatWasServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	w := &watcher{engine: r.engine}
	r.start()
	before := w.look()
	r.write("b.yaml", "serve "+loopback+" two")
	r.reload()
	r.remove("b.yaml")
	if !w.look().differs(before) {
		t.Error("a document that is served is gone, and nobody noticed")
	}
	r.reload()
	if w.look().differs(before) {
		t.Error("all is as before, and something seems to have changed")
	}
}

// TestWatchEnds: with its context, and with the engine.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	r.engine.Watch(ctx, WatchOptions{})
	r.engine.Watch(context.Background(), WatchOptions{Mode: WatchPoll})
	r.start()
	cancel()
	if err := r.engine.Stop(context.Background()); err != nil { // waits for both
		t.Error(err)
	}
}

func writeTo(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Skip(err) // where the system cannot
	}
}

func move(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

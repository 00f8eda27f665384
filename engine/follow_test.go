package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReloadFollows: what a reload comes to that looks only at what may have changed since the last one is what one
// comes to that reads everything, whichever files and folders came, changed, moved and went.
func TestReloadFollows(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("without the time of the last change every file is read")
	}
	follows := newRig(t, map[string]string{"word": "first", "a.yaml": "serve " + loopback + " a"}, nil)
	reads := newRig(t, nil, func(o *Options) { o.Paths = []string{follows.dir} })
	for _, r := range []*rig{follows, reads} {
		r.engine.loader.local.isLocal = func(string) bool { return r == follows }
		r.start()
	}
	f := &moving{t: t, dir: follows.dir, dice: rand.New(rand.NewPCG(5, 6)), clock: time.Now()}
	followed, nothing := 0, 0
	for step := range 600 {
		// As if all had been looked at long after it was written.
		for _, r := range follows.engine.last.records {
			r.current.baseline.conclusive = r.current.baseline.isThere()
		}
		for _, l := range follows.engine.loader.listings {
			l.conclusive = true
		}
		did := "nothing"
		if step%100 == 50 { // from then on all is isolated
			for _, name := range movingFiles {
				f.must(os.RemoveAll(f.path(name)))
				f.touch(path.Dir(name))
			}
		}
		f.isolated = step%100 >= 50
		if f.dice.IntN(5) > 0 {
			did = f.change()
		}
		was := follows.engine.last
		follows.reload()
		reads.engine.loader.listings = nil
		reads.reload()
		if got, want := told(follows.engine), told(reads.engine); got != want {
			t.Fatalf("step %d: after %s\ngot\n%s\nwant\n%s", step, did, got, want)
		}
		now := follows.engine.last
		if now == was {
			nothing++
		} else if now.candidates != nil && slices.Equal(now.candidates, was.candidates) {
			followed++
		}
	}
	if followed < 100 || nothing < 20 {
		t.Errorf("%d reloads went on from the last one, and %d found nothing changed", followed, nothing)
	}
}

// told writes what is served and said.
func told(e *Engine) string {
	var b strings.Builder
	now := e.Current()
	for _, d := range now.Docs {
		label := ""
		if d.Unit != nil {
			label = d.Unit.Label
		}
		fmt.Fprintf(&b, "%s %s %s %.8s %q %v\n", d.ID, d.File, d.State, d.Hash, label, d.Diagnostics)
	}
	fmt.Fprintf(&b, "%v\n", now.Diagnostics)
	for _, u := range now.Plan.Units {
		fmt.Fprintf(&b, "%s %s\n", u.ID, u.Label)
	}
	return b.String()
}

// moving changes files and folders. Each change is a while after the one before.
type moving struct {
	t        *testing.T
	dir      string
	dice     *rand.Rand
	clock    time.Time
	isolated bool // documents are by themselves, and good
}

var movingFiles = []string{"a.yaml", "b.yaml", "x/a.yaml", "x/b.yaml", "y/a.yaml", "x/y/c.yaml", "b.yml"}

// change does one thing.
func (f *moving) change() string {
	files, kind := movingFiles, f.dice.IntN(12)
	if f.isolated {
		files = files[:6]
		if kind >= 4 {
			kind = 12
		}
	}
	name, other := files[f.dice.IntN(len(files))], files[f.dice.IntN(len(files))]
	f.clock = f.clock.Add(time.Second)
	switch kind {
	case 0:
		f.must(os.RemoveAll(f.path(name)))
		f.touch(path.Dir(name))
		return "removing " + name
	case 1:
		if err := os.Rename(f.path(name), f.path(other)); err != nil {
			return "nothing"
		}
		f.touch(path.Dir(name))
		f.touch(path.Dir(other))
		return "moving " + name + " to " + other
	case 2:
		if err := os.Rename(f.path("x"), f.path("z")); err != nil {
			return "nothing"
		}
		_ = os.Rename(f.path("y"), f.path("x")) // it may not be there
		f.must(os.Rename(f.path("z"), f.path("y")))
		f.touch(".")
		return "exchanging x and y"
	case 3:
		f.write("word", fmt.Sprintf("word%d", f.clock.Unix()))
		return "writing word"
	case 4:
		f.must(os.RemoveAll(f.path(name)))
		f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o700))
		to := "a.yaml"
		if path.Base(name) == to {
			to = "b.yaml"
		}
		if err := os.Symlink(to, f.path(name)); err != nil {
			f.t.Fatal(err)
		}
		f.touch(path.Dir(name))
		return "linking " + name
	case 5:
		f.write("x/other.txt", "no document")
		return "writing another file"
	case 6:
		f.write(name, "serve "+loopback+" @./"+strings.Repeat("../", strings.Count(name, "/"))+"word")
		return "letting " + name + " read"
	case 7:
		f.write(name, "other "+f.clock.String())
		return "breaking " + name
	default:
		f.write(name, fmt.Sprintf("serve %s word%d", loopback, f.clock.Unix()))
		return "writing " + name
	}
}

func (f *moving) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *moving) must(err error) {
	f.t.Helper()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
}

// write writes a file, which is another file at times.
func (f *moving) write(name, text string) {
	f.t.Helper()
	if info, err := os.Lstat(f.path(name)); err == nil && (!info.Mode().IsRegular() || f.dice.IntN(3) == 0) {
		f.must(os.RemoveAll(f.path(name)))
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if _, err := os.Stat(f.path(dir)); err == nil {
			break
		}
		defer f.touch(path.Dir(dir))
	}
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o700))
	_, err := os.Stat(f.path(name))
	f.must(err)
	f.must(os.WriteFile(f.path(name), []byte(text), 0o600))
	f.touch(name)
	if err != nil {
		f.touch(path.Dir(name))
	}
}

// touch gives a file or folder the time that it is.
func (f *moving) touch(name string) { f.must(os.Chtimes(f.path(name), f.clock, f.clock)) }

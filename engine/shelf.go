package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// StateOptions say where the last good form of each document is kept across restarts.
type StateOptions struct {
	// Dir is the folder. What is kept is in a folder of its own in there.
	Dir string
	// MaxBytes bounds all that is kept; zero means DefaultMaxState.
	MaxBytes int64
	// Failed, if set, is told of what could not be done: open, read, write or remove.
	Failed func(operation string)
}

// DefaultMaxState is 1 GiB for all that is kept.
const DefaultMaxState = 1 << 30

// The layout of the folder. Another format gets another folder, so that an older capd finds
// its own, and nothing of a newer one.
const (
	shelfFolder = "capd-v1"
	shelfMagic  = "capd-state 1 "
	formSuffix  = ".kept"  // a form: name() + formSuffix
	staleSuffix = ".stale" // an empty file, whose time says since when the document is stale
	tempPrefix  = ".new-"
	// tempLife is how old a file that was being written must be to be one of a process that
	// was killed.
	tempLife = time.Hour
	// maxHead bounds the lines before the texts.
	maxHead = 64 << 10
)

// shelfRetry is when what could not be written is tried again.
const shelfRetry = time.Minute

// shelfGrace is how long a stop waits for what is being written.
const shelfGrace = 2 * time.Second

// shelf keeps the last good forms of documents in a folder. Each form is one file, which is
// written beside and put in place as a whole: a reader sees all of the old one or all of the
// new one, whatever process wrote it and whenever it was killed. Several processes may share a
// folder; each only removes forms of documents below the paths that it serves. A nil shelf
// keeps nothing.
type shelf struct {
	dir      string
	max      int64
	failed   func(operation string)
	log      *slog.Logger
	readable bool     // forms are used at a start
	served   []string // the absolute paths that are served

	wake chan struct{}
	end  chan struct{} // closed when nothing more comes
	done chan struct{} // closed when all is written

	mu      sync.Mutex
	runs    bool
	pending *holding // the last commit; nil when it was written
	facts   StateFacts
}

// StateFacts tell of the folder of kept forms.
type StateFacts struct {
	Dir string
	// Forms and Bytes are what was there when it was last written to.
	Forms int
	Bytes int64
	// Unsaved are documents whose last good form could not be kept.
	Unsaved int
	// Error says what went wrong last; empty when all went well.
	Error string
}

// holding is what is to be on the shelf.
type holding struct {
	items []item
	// present are the names of all documents that were found, served or not.
	present map[string]bool
	// closed are the folders that could not be looked into.
	closed []string
}

// item is one document.
type item struct {
	name, path, id string
	version        *version  // nil when the form on the shelf is to stay
	since          time.Time // stale since; zero: it is not
}

// newShelf makes a shelf. Nothing is read or written.
func newShelf(o *Options) *shelf {
	if o.State == nil {
		return nil
	}
	s := &shelf{
		dir: filepath.Join(o.State.Dir, shelfFolder), max: cmp.Or(o.State.MaxBytes, DefaultMaxState),
		failed: o.State.Failed, log: o.Logger, readable: o.OnInvalid != Fail,
		wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{}),
		facts: StateFacts{Dir: o.State.Dir},
	}
	if s.failed == nil {
		s.failed = func(string) {}
	}
	for _, p := range o.Paths {
		if abs, err := filepath.Abs(p); err == nil {
			s.served = append(s.served, abs)
		}
	}
	return s
}

// open opens the folder, which is of this user alone: what is in it is served.
func (s *shelf) open(create bool) (*os.Root, error) {
	if create {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, err
		}
	}
	info, err := os.Lstat(s.dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || !isPrivate(info) {
		return nil, errors.New("the folder " + shelfFolder + " in it must belong to the user who runs capd, and nobody else may use it (mode 0700)")
	}
	return os.OpenRoot(s.dir)
}

// look opens the shelf to read from it; nil when it cannot be opened, or nothing was kept yet.
func (s *shelf) look() *os.Root {
	root, err := s.open(false)
	if err == nil {
		return root
	}
	if !errors.Is(err, fs.ErrNotExist) {
		_ = s.fail("open", err)
	}
	return nil
}

// read gives the form of a document; nil when there is none that can be trusted.
func (s *shelf) read(file, id string) *form {
	if !s.readable {
		return nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	root := s.look()
	if root == nil {
		return nil
	}
	defer func() { _ = root.Close() }() // nothing was written
	name := shelfName(path, id)
	whole, err := s.readWhole(root, name+formSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		_ = s.fail("read", err)
		return nil
	}
	f, err := parseForm(whole, head{ID: id, Path: path})
	if err != nil {
		_ = s.fail("read", fmt.Errorf("what was kept of %s is not used: %w", file, err))
		return nil
	}
	if info, err := root.Lstat(name + staleSuffix); err == nil {
		f.since = info.ModTime()
	}
	return f
}

func (s *shelf) readWhole(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return readAll(nil, f, info.Size(), s.max)
}

// heads gives what is on the shelf of documents below a folder.
func (s *shelf) heads(folder string) []head {
	if !s.readable {
		return nil
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil
	}
	root := s.look()
	if root == nil {
		return nil
	}
	defer func() { _ = root.Close() }() // nothing was written
	names, err := shelved(root)
	if err != nil {
		_ = s.fail("read", err)
		return nil
	}
	var out []head
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !strings.HasSuffix(name, formSuffix) {
			continue
		}
		if h, ok := readHead(root, name); ok && isBelow(abs, h.Path) {
			h.folder = abs
			out = append(out, h)
		}
	}
	return out
}

// isBelow reports whether a path is in a folder.
func isBelow(folder, path string) bool { return path != folder && isWithin(folder, path) }

// shelved gives the files on the shelf with their sizes.
func shelved(root *os.Root) (map[string]int64, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // nothing was written
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			out[e.Name()] = info.Size()
		}
	}
	return out, nil
}

// keep takes what was committed, to be written when there is time. It does not block.
func (s *shelf) keep(c *change) {
	if s == nil {
		return
	}
	h := &holding{present: make(map[string]bool, len(c.records))}
	values := valueFiles(c.records)
	for _, r := range c.records {
		path, err := filepath.Abs(r.current.file)
		if err != nil || r.candidate != nil && r.candidate.stdin {
			continue
		}
		if r.role == roleFolder {
			h.closed = append(h.closed, path)
			continue
		}
		i := item{name: shelfName(path, r.id), path: path, id: r.id}
		h.present[i.name] = true
		switch {
		case !r.isOwner() || r.served.unit == nil:
			continue
		case r.isStale():
			i.since = r.since
		case !isServedAt(r.served.unit, c.plan, c.failed):
			continue // what is on the shelf may listen
		}
		if r.readsValues(path, values) {
			if r.served.keepsake.Swap(nil) != nil {
				s.log.Warn("the last good form of a document is not kept: it reads a file that values of variables come from", "document", r.id)
			}
			h.present[i.name] = false
			continue
		}
		if r.served.keepsake.Load() != nil {
			i.version = r.served
		}
		h.items = append(h.items, i)
	}
	s.mu.Lock()
	s.pending = h
	if !s.runs {
		s.runs = true
		go s.run()
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it will look
	}
}

// run writes what is pending until close is called.
func (s *shelf) run() {
	defer close(s.done)
	retry := time.NewTimer(shelfRetry)
	defer retry.Stop()
	for {
		select {
		case <-s.end:
			s.flush()
			return
		case <-s.wake:
		case <-retry.C:
		}
		s.flush()
		retry.Reset(shelfRetry)
	}
}

// close writes what is pending, and waits for it a moment.
func (s *shelf) close(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.Lock()
	runs := s.runs
	s.mu.Unlock()
	if !runs {
		return
	}
	close(s.end)
	ctx, cancel := context.WithTimeout(ctx, shelfGrace)
	defer cancel()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.log.Warn("the last good forms of some documents are not kept: writing them takes too long")
	}
}

// owns reports whether a document is one of the paths that are served.
func (s *shelf) owns(path string) bool {
	return slices.ContainsFunc(s.served, func(p string) bool { return isWithin(p, path) })
}

// fail tells of what could not be done, and gives it.
func (s *shelf) fail(operation string, err error) error {
	s.failed(operation)
	s.log.Warn("the state folder", "operation", operation, "error", err)
	return err
}

// State tells of the folder of kept forms; nil when there is none.
func (e *Engine) State() *StateFacts {
	s := e.loader.shelf
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	facts := s.facts
	return &facts
}

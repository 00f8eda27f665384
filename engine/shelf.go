package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// head is what the second line of a form says.
type head struct {
	ID   string `json:"id"`
	Path string `json:"path"` // absolute
	// folder is the absolute path that was asked for.
	folder string
}

// form is what is kept of a document.
type form struct {
	Text  []byte     `json:"text"`
	Reads []keptRead `json:"reads,omitempty"`
	since time.Time
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

// name is the name of a document on the shelf, without a suffix.
func shelfName(path, id string) string {
	sum := sha256.Sum256([]byte(path + "\x00" + id))
	return hex.EncodeToString(sum[:])
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
	return readAll(f, info.Size(), s.max)
}

// errDamaged is why a form is not used.
var errDamaged = errors.New("it is damaged")

// parseForm reads a form of a document. The digest is of everything behind the first line.
func parseForm(whole []byte, want head) (*form, error) {
	first, rest, ok := bytes.Cut(whole, []byte("\n"))
	digest, known := bytes.CutPrefix(first, []byte(shelfMagic))
	if !ok || !known {
		return nil, errDamaged
	}
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != string(digest) {
		return nil, errDamaged
	}
	second, texts, ok := bytes.Cut(rest, []byte("\n"))
	var is head
	if !ok || json.Unmarshal(second, &is) != nil {
		return nil, errDamaged
	}
	if is != want {
		return nil, errors.New("it is of another document")
	}
	f := &form{}
	if json.Unmarshal(texts, f) != nil {
		return nil, errDamaged
	}
	return f, nil
}

// encode writes a form. The same form always has the same bytes.
func (k *keepsake) encode(of head) ([]byte, error) {
	first, err := json.Marshal(of)
	if err != nil {
		return nil, err
	}
	texts, err := json.Marshal(form{Text: k.text, Reads: k.reads})
	if err != nil {
		return nil, err
	}
	rest := slices.Concat(first, []byte("\n"), texts, []byte("\n"))
	sum := sha256.Sum256(rest)
	return slices.Concat([]byte(shelfMagic+hex.EncodeToString(sum[:])+"\n"), rest), nil
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

// readHead reads whose form a file is, without a look at the digest.
func readHead(root *os.Root, name string) (h head, ok bool) {
	f, err := root.Open(name)
	if err != nil {
		return head{}, false
	}
	defer func() { _ = f.Close() }() // nothing was written
	lines := bufio.NewReader(io.LimitReader(f, maxHead))
	first, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, shelfMagic) {
		return head{}, false
	}
	second, err := lines.ReadBytes('\n')
	if err != nil || json.Unmarshal(second, &h) != nil {
		return head{}, false
	}
	return h, shelfName(h.Path, h.ID)+formSuffix == name
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
		if err != nil || r.src != nil && r.src.stdin {
			continue
		}
		if r.folder {
			h.closed = append(h.closed, path)
			continue
		}
		i := item{name: shelfName(path, r.id), path: path, id: r.id}
		h.present[i.name] = true
		switch {
		case !r.owner || r.served.unit == nil:
			continue
		case r.served != r.current:
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

// flush brings the shelf to what is pending. What fails stays pending.
func (s *shelf) flush() {
	s.mu.Lock()
	h := s.pending
	s.mu.Unlock()
	if h == nil {
		return
	}
	facts := StateFacts{Dir: s.facts.Dir}
	if err := s.write(h, &facts); err != nil {
		facts.Error = err.Error()
		for _, i := range h.items {
			if i.version != nil && i.version.keepsake.Load() != nil {
				facts.Unsaved++
			}
		}
	}
	s.mu.Lock()
	s.facts = facts
	if s.pending == h && facts.Error == "" {
		s.pending = nil
	}
	s.mu.Unlock()
}

// write does what can be done, and gives the first thing that went wrong.
func (s *shelf) write(h *holding, facts *StateFacts) error {
	root, err := s.open(true)
	if err != nil {
		return s.fail("open", err)
	}
	defer func() { _ = root.Close() }() // files were closed one by one
	names, err := shelved(root)
	if err != nil {
		return s.fail("read", err)
	}
	var total int64
	for _, size := range names {
		total += size
	}
	s.sweep(root, h, names, &total)
	var failed error
	wrote := false
	for _, i := range h.items {
		grown, err := s.put(root, i, names, total)
		total += grown
		wrote = wrote || grown != 0
		if err != nil && failed == nil {
			failed = s.fail("write", fmt.Errorf("the last good form of %s is not kept: %w", i.id, err))
		} else if err != nil {
			s.failed("write")
		}
	}
	if wrote {
		if err := syncFolder(root); err != nil && failed == nil {
			failed = s.fail("write", err)
		}
	}
	for name := range names {
		if strings.HasSuffix(name, formSuffix) {
			facts.Forms++
		}
	}
	facts.Bytes = total
	return failed
}

// put brings the files of one document to what they should be, and gives by how much they grew.
func (s *shelf) put(root *os.Root, i item, names map[string]int64, total int64) (int64, error) {
	mark := i.name + staleSuffix
	switch _, marked := names[mark]; {
	case marked && i.since.IsZero():
		if err := root.Remove(mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	case !marked && !i.since.IsZero():
		if err := root.WriteFile(mark, nil, 0o600); err != nil {
			return 0, err
		}
		if err := root.Chtimes(mark, i.since, i.since); err != nil {
			return 0, err
		}
	}
	if i.version == nil {
		return 0, nil
	}
	k := i.version.keepsake.Load()
	if k == nil {
		return 0, nil // it was written before
	}
	whole, err := k.encode(head{ID: i.id, Path: i.path})
	if err != nil {
		return 0, err
	}
	file := i.name + formSuffix
	grown := int64(len(whole)) - names[file]
	if total+grown > s.max {
		return 0, fmt.Errorf("all together would have more than %s", sizeText(s.max))
	}
	if was, err := s.readWhole(root, file); err != nil || !bytes.Equal(was, whole) {
		if err := replaceFile(root, file, whole); err != nil {
			return 0, err
		}
	}
	names[file] = int64(len(whole))
	i.version.keepsake.CompareAndSwap(k, nil)
	return grown, nil
}

// replaceFile writes a file beside, and puts it in place when all of it is on the disk.
func replaceFile(root *os.Root, name string, text []byte) (err error) {
	temp := tempPrefix + rand.Text()
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp) // what matters is in err
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return root.Rename(temp, name)
}

// syncFolder puts the names on the disk. Not every file system can.
func syncFolder(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	_ = dir.Sync() // then the names are written a little later
	return dir.Close()
}

// sweep removes the forms of documents that are gone, and what a process that was killed left.
func (s *shelf) sweep(root *os.Root, h *holding, names map[string]int64, total *int64) {
	for name, size := range maps.Clone(names) {
		bare, isForm := strings.CutSuffix(name, formSuffix)
		switch {
		case strings.HasPrefix(name, tempPrefix):
			if info, err := root.Lstat(name); err != nil || time.Since(info.ModTime()) < tempLife {
				continue
			}
		case !isForm || h.present[bare]:
			continue
		default:
			of, ok := readHead(root, name)
			if !ok || !s.owns(of.Path) || slices.ContainsFunc(h.closed, func(dir string) bool { return isBelow(dir, of.Path) }) {
				continue
			}
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = s.fail("remove", err)
			continue
		}
		if isForm {
			_ = root.Remove(bare + staleSuffix) // most have none
			delete(names, bare+staleSuffix)
		}
		delete(names, name)
		*total -= size
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

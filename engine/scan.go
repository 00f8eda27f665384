package engine

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stdinPath is the path that means standard input.
const stdinPath = "-"

// errNotRegular is why a pipe, a device or a folder with the name of a document is not read.
var errNotRegular = errors.New("not a regular file")

// candidate is a file to load, as it was found. It does not change, and one load shares it with the next.
type candidate struct {
	id    string // path below the served folder without extension, slash-separated
	file  string // as shown: the path given, with the path below it
	named bool   // given on the command line, not found in a folder
	stdin bool
	link  bool     // found through a symbolic link
	roots []string // the folders whose files it may use
	dir   string   // the folder it was found in, without links; empty for one that was named
	shut  error    // not a file but a folder; why it cannot be looked into
}

// source is a candidate and what is there now, or the reason why it cannot be loaded.
type source struct {
	*candidate
	real  string     // of a link, where it leads
	trust stampTrust // a file whose stamp has not changed, and is believed, is not read again
	now   stamp      // of the real file
	err   error
	ahead *content // nil unless it was read before its turn
}

// found is what a look at the paths came to.
type found struct {
	candidates []*candidate
	folders    []scannedFolder // that were looked into
	simple     bool            // all candidates are files of one folder: each is another one
	// What was looked at in the candidates, to see whether it changes meanwhile: files as they are, and those
	// whose records of the last load were carried over.
	sources []source
	carried []*record
}

// scannedFolder is a folder as it was just before it was looked into, or could not be.
type scannedFolder struct {
	path string
	stamp
}

// listing is what matters in a folder. It is good as long as the folder's stamp is unchanged, which becomes
// another one with each name that comes, goes or changes.
type listing struct {
	baseline
	real    string // the folder, without links
	entries []entry
}

// entry is a folder, or a file.
type entry struct {
	name      string
	candidate *candidate // nil of a folder
}

// listings are the folders that were looked into, by the path of the command line that they are below, and
// their own.
type listings map[[2]string]*listing

// scan looks at every path in the order given, and into folders in the order of names. Folders that
// certainly have in them what they had are not listed again. The error joins a [*PathError] for each path
// that is not there.
func (l *loader) scan(trust stampTrust) (*found, error) {
	s := &scanner{before: l.listings, after: listings{}, trust: trust}
	s.simple = len(l.Paths) == 1
	var errs []error
	for _, p := range l.Paths {
		if p == stdinPath && l.Stdin != nil {
			s.add(&candidate{id: baseID(l.StdinName), file: l.StdinName, named: true, stdin: true, roots: []string{filepath.Dir(l.StdinName)}})
			continue
		}
		if err := s.path(p); err != nil {
			errs = append(errs, &PathError{Path: p, Err: err})
		}
	}
	l.listings = s.after
	return &s.found, errors.Join(errs...)
}

// look looks at everything that was found. Each real file is a source once.
func (f *found) look() {
	f.sources = make([]source, len(f.candidates))
	for i, p := range f.candidates {
		f.sources[i].candidate = p
	}
	each(len(f.sources), func(i int) { f.sources[i].look() })
	f.sources = slices.DeleteFunc(f.sources, func(src source) bool { return src.link && src.now.isFolder() })
	if !f.simple {
		f.sources = distinct(f.sources)
	}
}

// changedMeanwhile reports whether anything that was found is another than it was.
func (f *found) changedMeanwhile() bool {
	for i := range f.folders {
		if now, err := stampOf(f.folders[i].path); err != nil || !f.folders[i].isStill(now) {
			return true
		}
	}
	var changed atomic.Bool
	each(len(f.sources), func(i int) {
		if !changed.Load() && f.sources[i].changedMeanwhile() {
			changed.Store(true)
		}
	})
	each(len(f.carried), func(i int) {
		if !changed.Load() && f.carried[i].changedMeanwhile() {
			changed.Store(true)
		}
	})
	return changed.Load()
}

// changedMeanwhile reports whether the file of a record that was carried over is another than it was.
func (r *record) changedMeanwhile() bool {
	now, err := stampOf(r.candidate.file)
	return err != nil || !r.current.baseline.isUnchanged(now)
}

// changedMeanwhile reports whether a file is another than it was a moment ago.
func (s *source) changedMeanwhile() bool {
	if s.stdin || s.shut != nil {
		return false
	}
	now := source{candidate: s.candidate}
	now.look()
	return now.real != s.real || (now.err == nil) != (s.err == nil) || !s.now.isStill(now.now)
}

// eachAtOnce is how many numbers one processor takes at a time.
const eachAtOnce = 128

// each does something with the numbers below n, as many at once as there are processors.
func each(n int, do func(i int)) {
	var running sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n/eachAtOnce+1) {
		running.Go(func() {
			for {
				to := int(next.Add(eachAtOnce))
				if to-eachAtOnce >= n {
					return
				}
				for i := to - eachAtOnce; i < min(to, n); i++ {
					do(i)
				}
			}
		})
	}
	running.Wait()
}

// scanner collects candidates.
type scanner struct {
	found
	root          string // the folder of the command line that is looked into
	before, after listings
	trust         stampTrust // where the stamp of a folder says what is in it
}

// add adds a candidate that is not just a file in a folder.
func (s *scanner) add(p *candidate) {
	s.candidates, s.simple = append(s.candidates, p), false
}

// path adds a path of the command line.
func (s *scanner) path(p string) error {
	now, err := stampOf(p)
	if err != nil {
		return err
	}
	real, err := resolve(p)
	if err != nil {
		return err
	}
	p = filepath.Clean(p)
	if now.isFolder() {
		s.root = p
		l, err := s.list(p, real, "")
		if err != nil {
			return err
		}
		s.folder(l, p, "")
		return nil
	}
	s.add(&candidate{id: baseID(filepath.Base(p)), file: p, named: true, roots: []string{filepath.Dir(p)}})
	return nil
}

// list gives what is in a folder.
func (s *scanner) list(dir, real, prefix string) (*listing, error) {
	at := time.Now()
	now, err := stampOf(dir)
	if err != nil {
		return nil, err
	}
	s.folders = append(s.folders, scannedFolder{dir, now})
	key := [2]string{s.root, dir}
	l := s.before[key]
	if l == nil || l.real != real || !l.isUnchanged(now) || !s.trust.covers(dir, now) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		l = l.relisted(entries, s.root, dir, real, prefix)
		l.baseline = now.baseline(at)
	}
	s.after[key] = l
	return l, nil
}

// relisted gives the listing that follows l, which can be nil. Where the same names are the same files, the
// candidates are the same.
func (l *listing) relisted(entries []fs.DirEntry, root, dir, real, prefix string) *listing {
	var last []entry
	if l != nil && l.real == real {
		last = l.entries
	}
	next, roots := &listing{real: real}, []string{root}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || !e.IsDir() && !isYAML(name) {
			continue
		}
		for len(last) > 0 && last[0].name < name {
			last = last[1:]
		}
		link := e.Type()&fs.ModeSymlink != 0
		switch {
		case e.IsDir():
			next.entries = append(next.entries, entry{name: name})
		case len(last) > 0 && last[0].name == name && last[0].candidate != nil && last[0].candidate.link == link:
			next.entries = append(next.entries, last[0])
		default:
			next.entries = append(next.entries, entry{name, &candidate{
				id: path.Join(prefix, baseID(name)), file: filepath.Join(dir, name), dir: real, link: link, roots: roots,
			}})
		}
	}
	return next
}

// folder adds what is below dir: documents, and folders that cannot be read. Links to
// folders are not followed, so that no loop of links can be walked.
func (s *scanner) folder(l *listing, dir, prefix string) {
	for _, e := range l.entries {
		switch {
		case e.candidate != nil && e.candidate.link:
			s.add(e.candidate)
			continue
		case e.candidate != nil:
			s.candidates = append(s.candidates, e.candidate)
			continue
		}
		file, id := filepath.Join(dir, e.name), path.Join(prefix, e.name)
		below, err := s.list(file, filepath.Join(l.real, e.name), id)
		if err != nil {
			s.add(&candidate{id: id, file: file, roots: []string{s.root}, shut: err})
			continue
		}
		s.folder(below, file, id)
	}
}

// look looks at the file, links followed.
func (s *source) look() {
	if s.err = s.shut; s.stdin || s.shut != nil {
		return
	}
	s.now, s.err = stampOf(s.file)
	if s.err == nil && s.link {
		if s.now.isFolder() {
			return
		}
		s.real, s.err = resolve(s.file)
	}
	if s.err == nil && !s.named && !s.now.isRegular() {
		s.err = errNotRegular
	}
}

// realPath gives the absolute path without links.
func (s *source) realPath() string {
	switch {
	case s.real != "":
		return s.real
	case s.named:
		real, _ := resolve(s.file) // it was there a moment ago
		return real
	}
	return filepath.Join(s.dir, filepath.Base(s.file))
}

// distinct leaves each real file once, under the first name it was given or, in folders, under its
// own name rather than a link's.
func distinct(sources []source) []source {
	byReal := make(map[string]int, len(sources)) // to index of out
	out := make([]source, 0, len(sources))
	for _, src := range sources {
		if src.err != nil || src.stdin {
			out = append(out, src)
			continue
		}
		real := src.realPath()
		i, known := byReal[real]
		if !known {
			byReal[real] = len(out)
			out = append(out, src)
			continue
		}
		old := &out[i]
		roots := slices.Concat(old.roots, src.roots)
		if old.link && !old.named && !src.link && !src.named {
			*old = src
		}
		both := *old.candidate
		both.roots, both.named = roots, both.named || src.named
		old.candidate = &both
	}
	return out
}

// resolve gives the absolute path without links.
func resolve(p string) (string, error) {
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return "", err
	}
	return filepath.Abs(real)
}

// isYAML reports whether a name found in a folder is one of a document.
func isYAML(name string) bool {
	ext := filepath.Ext(name)
	return strings.EqualFold(ext, ".yaml") || strings.EqualFold(ext, ".yml")
}

// baseID is a file name without its extension.
func baseID(name string) string {
	name = filepath.Base(name)
	if id := strings.TrimSuffix(name, filepath.Ext(name)); id != "" {
		return id
	}
	return name
}

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
)

// stdinPath is the path that means standard input.
const stdinPath = "-"

// errNotRegular is why a pipe, a device or a folder with the name of a document is not read.
var errNotRegular = errors.New("not a regular file")

// source is one file to load, or the reason why it cannot be.
type source struct {
	id     string // path below the served folder without extension, slash-separated
	file   string // as shown: the path given, with the path below it
	named  bool   // given on the command line, not found in a folder
	stdin  bool
	link   bool        // found through a symbolic link
	folder bool        // a folder that cannot be looked into; err says why
	roots  []string    // the folders whose files it may use
	dir    string      // the folder it was found in, without links; empty for one that was named
	real   string      // of a link, where it leads
	first  bool        // nothing was loaded before
	trust  bool        // a file whose stamp has not changed is not read again
	info   fs.FileInfo // of the real file
	err    error
	ahead  *content // nil unless it was read before its turn
}

// found is what a look at the paths came to.
type found struct {
	sources []source
	folders []seenFolder // that were looked into
}

// seenFolder is a folder as it was just before it was looked into.
type seenFolder struct {
	path string
	info stamp
}

// scan looks at every path in the order given, and into folders in the order of names. The
// error joins a [*PathError] for each path that is not there.
func scan(paths []string, stdin bool, stdinName string) (*found, error) {
	s := &scanner{}
	var errs []error
	for _, p := range paths {
		if p == stdinPath && stdin {
			s.sources = append(s.sources, source{id: baseID(stdinName), file: stdinName, named: true, stdin: true, roots: []string{filepath.Dir(stdinName)}})
			continue
		}
		if err := s.path(p); err != nil {
			errs = append(errs, &PathError{Path: p, Err: err})
		}
	}
	each(s.sources, (*source).look)
	s.sources = slices.DeleteFunc(s.sources, func(src source) bool { return src.link && src.info != nil && src.info.IsDir() })
	if len(paths) > 1 || slices.ContainsFunc(s.sources, func(src source) bool { return src.link }) {
		s.sources = distinct(s.sources) // else each file has one path
	}
	return &s.found, errors.Join(errs...)
}

// isAsNow reports whether everything that was found is still as it was.
func (f *found) isAsNow() bool {
	for i := range f.folders {
		if info, err := os.Stat(f.folders[i].path); err != nil || !same(info, f.folders[i].info) {
			return false
		}
	}
	var changed atomic.Bool
	each(f.sources, func(s *source) {
		if !changed.Load() && !s.isAsNow() {
			changed.Store(true)
		}
	})
	return !changed.Load()
}

// isAsNow reports whether a file is as it was a moment ago.
func (s *source) isAsNow() bool {
	if s.stdin || s.folder {
		return true
	}
	now := *s
	now.err = nil
	now.look()
	return now.real == s.real && (now.err == nil) == (s.err == nil) && same(now.info, s.info)
}

// each does something with all elements, as many at once as there are processors.
func each[T any](all []T, do func(*T)) {
	var running sync.WaitGroup
	size := len(all)/runtime.GOMAXPROCS(0) + 1
	for part := range slices.Chunk(all, size) {
		running.Go(func() {
			for i := range part {
				do(&part[i])
			}
		})
	}
	running.Wait()
}

// scanner collects sources.
type scanner struct {
	found
	root string // the folder of the command line that is looked into
}

// path adds a path of the command line.
func (s *scanner) path(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		return err
	}
	real, err := resolve(p)
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := os.ReadDir(p)
		if err != nil {
			return err
		}
		s.root = filepath.Clean(p)
		s.folder(s.root, real, "", info, entries)
		return nil
	}
	p = filepath.Clean(p)
	s.sources = append(s.sources, source{id: baseID(filepath.Base(p)), file: p, named: true, roots: []string{filepath.Dir(p)}})
	return nil
}

// folder adds what is below dir: documents, and folders that cannot be read. Links to
// folders are not followed, so that no loop of links can be walked.
func (s *scanner) folder(dir, real, prefix string, info stamp, entries []fs.DirEntry) {
	s.folders = append(s.folders, seenFolder{dir, info})
	roots := []string{s.root}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		file := filepath.Join(dir, name)
		if e.IsDir() {
			info, err := os.Stat(file)
			var below []fs.DirEntry
			if err == nil {
				below, err = os.ReadDir(file)
			}
			if err != nil {
				s.sources = append(s.sources, source{id: path.Join(prefix, name), file: file, folder: true, roots: roots, err: err})
				continue
			}
			s.folder(file, filepath.Join(real, name), path.Join(prefix, name), info, below)
			continue
		}
		if isYAML(name) {
			s.sources = append(s.sources, source{id: path.Join(prefix, baseID(name)), file: file, dir: real, link: e.Type()&fs.ModeSymlink != 0, roots: roots})
		}
	}
}

// look looks at the file, links followed.
func (s *source) look() {
	if s.stdin || s.folder {
		return
	}
	s.info, s.err = os.Stat(s.file)
	if s.err == nil && s.link {
		if s.info.IsDir() {
			return
		}
		s.real, s.err = resolve(s.file)
	}
	if s.err == nil && !s.named && !s.info.Mode().IsRegular() {
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
		src.roots = slices.Concat(old.roots, src.roots)
		old.roots = src.roots
		switch {
		case src.named:
			old.named = true
		case old.link && !old.named && !src.link:
			*old = src
		}
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

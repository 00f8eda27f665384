package engine

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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
	first  bool        // nothing was loaded before
	trust  bool        // a file whose stamp has not changed is not read again
	info   fs.FileInfo // of the real file
	err    error
}

// scanner collects sources. A real file is read once, under the first name it was given or,
// in folders, under its own name rather than a link's.
type scanner struct {
	sources []source
	byReal  map[string]int // resolved path to index of sources
	root    string         // the folder of the command line that is looked into
}

// scan looks at every path in the order given, and into folders in the order of names. The
// error joins a [*PathError] for each path that is not there.
func scan(paths []string, stdin bool, stdinName string) ([]source, error) {
	s := &scanner{byReal: make(map[string]int)}
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
	return s.sources, errors.Join(errs...)
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
		s.folder(s.root, real, "", entries)
		return nil
	}
	p = filepath.Clean(p)
	s.add(source{id: baseID(filepath.Base(p)), file: p, named: true, info: info, roots: []string{filepath.Dir(p)}}, real)
	return nil
}

// folder adds what is below dir: documents, and folders that cannot be read. Links to
// folders are not followed, so that no loop of links can be walked.
func (s *scanner) folder(dir, real, prefix string, entries []fs.DirEntry) {
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		file := filepath.Join(dir, name)
		if e.IsDir() {
			below, err := os.ReadDir(file)
			if err != nil {
				s.sources = append(s.sources, source{id: path.Join(prefix, name), file: file, folder: true, roots: []string{s.root}, err: err})
				continue
			}
			s.folder(file, filepath.Join(real, name), path.Join(prefix, name), below)
			continue
		}
		if isYAML(name) {
			src := source{id: path.Join(prefix, baseID(name)), file: file, link: e.Type()&fs.ModeSymlink != 0, roots: []string{s.root}}
			s.document(src, filepath.Join(real, name))
		}
	}
}

// document adds a file of a folder.
func (s *scanner) document(src source, real string) {
	src.info, src.err = os.Stat(src.file)
	if src.err == nil && src.link {
		if src.info.IsDir() {
			return
		}
		real, src.err = filepath.EvalSymlinks(src.file)
		if src.err == nil {
			real, src.err = filepath.Abs(real)
		}
	}
	if src.err == nil && !src.info.Mode().IsRegular() {
		src.err = errNotRegular
	}
	if src.err != nil {
		s.sources = append(s.sources, src)
		return
	}
	s.add(src, real)
}

// add takes src unless its real file is known already.
func (s *scanner) add(src source, real string) {
	i, known := s.byReal[real]
	if !known {
		s.byReal[real] = len(s.sources)
		s.sources = append(s.sources, src)
		return
	}
	old := &s.sources[i]
	src.roots = append(slices.Clone(old.roots), src.roots...)
	old.roots = src.roots
	switch {
	case src.named:
		old.named = true
	case old.link && !old.named && !src.link:
		*old = src
	}
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

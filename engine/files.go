package engine

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// files gives one document what it refers to (see [plan.Files]). A document that was found in
// a served folder may use what is below that folder, one that was named what is below its own,
// and every one what is below the folders of LoadOptions.AllowPaths. It is safe for concurrent
// use.
type files struct {
	limit int64
	// policy is what no document may read.
	policy *policyFile
	// roots gives the folders that may be used. Most documents refer to nothing, and never ask.
	roots func() []allowedRoot

	// mu guards what was asked for, with a digest of what came of it, and how many bytes may
	// still be read.
	mu   sync.Mutex
	uses map[use]string
	left int64
	// baselines are the files that were read, as they were before that text of them was read which the document has.
	baselines map[use]baseline
	// texts holds what was read, for those who keep it; nil: nobody does.
	texts map[use][]byte
	// kept are texts that stand in the place of what is on disk now, by the absolute path of
	// the file that names them; nil for a document as it stands.
	kept map[use][]byte
	// grant is what the policy lets the document do; guarded by mu.
	grant *plan.Grant
	// elsewhere holds locations of [files.Place] for which the working directory matters.
	elsewhere map[use]fallback

	barred *barred // what may not be used there; nil: nothing
	home   home    // of the document's team
}

// allowedRoot is a folder that may be used, as it was given and without links. Both are absolute.
type allowedRoot struct {
	path, real string
	own        bool // the document was found in it
}

// use is a question of a document.
type use struct{ what, from, location string }

// The questions.
const (
	useRead  = "read"
	usePlace = "place"
	// useFolder is read when a call asks for it, so that it makes no other document.
	useFolder = "folder"
)

// fallback is what became of a location that is not beside its file but, as a path, below the
// working directory.
type fallback struct{ refused bool }

// newFiles gives the files of a source.
func (l *loader) newFiles(src *source) *files {
	own, more := src.roots, l.AllowPaths
	if l.Sealed {
		own, more = nil, nil
	}
	limit := max(l.Limits.Bytes, spec.DefaultLimits.Bytes)
	f := &files{
		policy: &l.policy,
		limit:  limit, left: readTogether * limit,
		roots:  sync.OnceValue(func() []allowedRoot { return append(openRoots(own, true), openRoots(more, false)...) }),
		barred: l.barred, home: src.home(),
	}
	if l.shelf != nil && !src.stdin {
		f.texts = map[use][]byte{}
	}
	return f
}

// keepIn sets a member of a map that is made for the first one: most documents refer to nothing.
func keepIn[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = value
}

// openRoots finds folders. One that is not there holds nothing that could be used.
func openRoots(paths []string, own bool) []allowedRoot {
	var out []allowedRoot
	for _, p := range paths {
		path, err := filepath.Abs(p)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			out = append(out, allowedRoot{path, real, own})
		}
	}
	return out
}

// readTogether is how many times the size of one file a document may read in all: what it reads
// is kept, and a few lines can name a large file very often.
const readTogether = 16

// Read implements [plan.Files].
func (f *files) Read(from, location string) ([]byte, error) {
	var text []byte
	var err error
	enough := f.affords(0)
	if enough {
		var was baseline
		u := use{useRead, from, location}
		text, was, err = f.answer(from, location)
		f.note(u, digest(text, err))
		f.setBaseline(u, was)
		f.retain(u, text, err)
	}
	if !enough || !f.affords(len(text)) {
		return nil, &fileError{location: location, text: "is too much: the document reads more than " + sizeText(readTogether*f.limit) + " of files"}
	}
	return text, err
}

func (f *files) affords(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left -= int64(n)
	return f.left >= 0
}

// answer gives what the document is to see: of a kept form what was read then, unless it may
// not be used any more.
func (f *files) answer(from, location string) ([]byte, baseline, error) {
	text, ok := f.keptText(from, location)
	if !ok {
		return f.read(from, location)
	}
	if _, err := f.findJudged(from, location); isForbidden(err) {
		return nil, baseline{}, err
	}
	return text, baseline{}, nil
}

func (f *files) keptText(from, location string) ([]byte, bool) {
	if f.kept == nil {
		return nil, false
	}
	path, err := filepath.Abs(from)
	if err != nil {
		return nil, false
	}
	text, ok := f.kept[use{useRead, path, location}]
	return text, ok
}

// retain remembers a text for those who keep it.
func (f *files) retain(u use, text []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.texts != nil && err == nil {
		f.texts[u] = text
	}
}

// read gives what is there, and the file as it was before.
func (f *files) read(from, location string) ([]byte, baseline, error) {
	at, err := f.findJudged(from, location)
	if err != nil {
		return nil, baseline{}, err
	}
	if at.real == "" {
		return nil, baseline{}, missing(location)
	}
	if f.barred.isOthers(at.real, f.home) {
		return nil, baseline{}, barredError(location)
	}
	was := baselineOf(at.real)
	text, err := at.read(f.limit)
	if err != nil {
		return nil, baseline{}, unusable(location, err)
	}
	return text, was, nil
}

// Place implements [plan.Files].
func (f *files) Place(from, location string) (plan.FilePlace, error) {
	place, back, err := f.place(from, location)
	u := use{usePlace, from, location}
	f.note(u, digest([]byte(place.Path), err))
	f.mu.Lock()
	defer f.mu.Unlock()
	if back != nil {
		keepIn(&f.elsewhere, u, *back)
	}
	return place, err
}

// place gives the place beside the file or, when nothing is there, below the working
// directory, which is where other engines look.
func (f *files) place(from, location string) (plan.FilePlace, *fallback, error) {
	at, err := f.findJudged(from, location)
	if _, ok := f.keptText(from, location); ok && !isForbidden(err) {
		return at.FilePlace, nil, nil // whatever is there now
	}
	if err != nil {
		return plan.FilePlace{}, nil, err
	}
	if at.real != "" {
		return at.FilePlace, nil, nil
	}
	other, err := f.findJudged("", location)
	switch {
	case errors.Is(err, plan.ErrOutside) && exists(location):
		return at.FilePlace, &fallback{refused: true}, nil
	case err != nil || other.real == "" || other.Path == at.Path:
		return at.FilePlace, nil, nil
	}
	return other.FilePlace, &fallback{}, nil
}

// aside says which binds do not find their file beside the document but in the working
// directory. Where that is depends on who starts capd.
func (f *files) aside(doc *spec.Document) diag.List {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.elsewhere) == 0 {
		return nil
	}
	binds := slices.Clone(doc.Binds)
	for _, part := range doc.Parts {
		binds = append(binds, part.Binds...)
	}
	var out diag.List
	for i := range binds {
		at := binds[i].Location
		back, ok := f.elsewhere[use{usePlace, at.Span().File, strings.TrimSpace(at.Value)}]
		if !ok || slices.ContainsFunc(out, func(d diag.Diagnostic) bool { return d.Span == at.Span() }) {
			continue
		}
		d := diag.Diagnostic{
			Code: diag.CodeBindLocation, Severity: diag.Warning, Span: at.Span(),
			Message: at.Value + " is not beside this file; the one in the working directory is used",
			Hint:    "write the location relative to this file",
		}
		if back.refused {
			d.Message = at.Value + " is not beside this file, and the one in the working directory may not be used"
			d.Hint = "write the location relative to this file, or allow its folder with --allow-path"
		}
		out.Add(d)
	}
	return out
}

package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

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
	// looked are the files that were read, as they were before.
	looked map[use]looked
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
		roots: sync.OnceValue(func() []allowedRoot { return append(openRoots(own, true), openRoots(more, false)...) }),
		uses:  map[use]string{}, elsewhere: map[use]fallback{}, looked: map[use]looked{},
		barred: l.barred, home: src.home(),
	}
	if l.shelf != nil && !src.stdin {
		f.texts = map[use][]byte{}
	}
	return f
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

// fileError says in words fit for a diagnostic what is wrong with a location.
type fileError struct {
	location, text string
	cause          error // fs.ErrNotExist, plan.ErrOutside or nil
}

func (e *fileError) Error() string { return e.location + " " + e.text }
func (e *fileError) Unwrap() error { return e.cause }

// spot is a place on disk that may be used.
type spot struct {
	plan.FilePlace
	real string // the path without links; empty when nothing is there
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
		text, err = f.answer(from, location)
		f.note(use{useRead, from, location}, digest(text, err))
		f.retain(use{useRead, from, location}, text, err)
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
func (f *files) answer(from, location string) ([]byte, error) {
	text, ok := f.keptText(from, location)
	if !ok {
		return f.read(from, location)
	}
	if _, err := f.findJudged(from, location); isForbidden(err) {
		return nil, err
	}
	return text, nil
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

func (f *files) read(from, location string) ([]byte, error) {
	at, err := f.findJudged(from, location)
	if err != nil {
		return nil, err
	}
	if at.real == "" {
		return nil, missing(location)
	}
	if f.barred.isOthers(at.real, f.home) {
		return nil, barredError(location)
	}
	was := lookAt(at.real)
	text, err := at.read(f.limit)
	if err != nil {
		return nil, unusable(location, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked[use{useRead, from, location}] = was
	return text, nil
}

// Place implements [plan.Files].
func (f *files) Place(from, location string) (plan.FilePlace, error) {
	place, back, err := f.place(from, location)
	u := use{usePlace, from, location}
	f.note(u, digest([]byte(place.Path), err))
	f.mu.Lock()
	defer f.mu.Unlock()
	if back != nil {
		f.elsewhere[u] = *back
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

// exists reports whether something is at a relative location below the working directory.
func exists(location string) bool {
	path, err := locationPath(location)
	if err != nil || filepath.IsAbs(path) {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

// findJudged looks for a location that the policy allows.
func (f *files) findJudged(from, location string) (spot, error) {
	at, err := f.find(from, location)
	if err != nil {
		return at, err
	}
	return f.judged(at, location, false)
}

// isForbidden reports whether a document may not use what is at a location, be it there or not.
func isForbidden(err error) bool {
	_, denied := errors.AsType[*plan.Denied](err)
	return denied || errors.Is(err, plan.ErrOutside)
}

// find looks for a location. That nothing is there is no error. Where it would be is given
// too when it cannot be looked at.
func (f *files) find(from, location string) (spot, error) {
	path, err := locationPath(location)
	if err != nil {
		return spot{}, err
	}
	name := filepath.Clean(path)
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(from), name)
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return spot{}, unusable(location, err)
	}
	inside := func(path string, of func(allowedRoot) string) int {
		return slices.IndexFunc(f.roots(), func(r allowedRoot) bool { return isWithin(of(r), path) })
	}
	i := inside(abs, func(r allowedRoot) string { return r.path })
	if i < 0 {
		i = inside(abs, func(r allowedRoot) string { return r.real })
	}
	if i < 0 {
		return spot{}, outside(location)
	}
	at := spot{FilePlace: plan.FilePlace{Name: name, Path: abs, Root: f.roots()[i].real}}
	if f.barred.isOwn(abs) {
		return spot{}, barredError(location)
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	if err != nil {
		return at, unusable(location, err)
	}
	if i = inside(real, func(r allowedRoot) string { return r.real }); i < 0 {
		return spot{}, outside(location)
	}
	if f.barred.isOwn(real) {
		return spot{}, barredError(location)
	}
	at.real, at.Root = real, f.roots()[i].real
	return at, nil
}

// locationPath gives the path that a location is: a path as it stands, or that of a file://
// URI, in which authors write file:///./x and file://./x for a relative one.
func locationPath(location string) (string, error) {
	bad := func(text string) error { return &fileError{location: location, text: text} }
	if strings.TrimSpace(location) == "" {
		return "", &fileError{location: "the location", text: "is empty"}
	}
	if strings.ContainsRune(location, 0) {
		return "", bad("is no path")
	}
	scheme, rest, found := strings.Cut(location, "://")
	switch {
	case !found:
		return filepath.FromSlash(location), nil
	case !strings.EqualFold(scheme, "file"):
		return "", bad("is not a file")
	}
	for _, relative := range []string{"/./", "/../"} {
		if strings.HasPrefix(rest, relative) {
			rest = rest[1:]
		}
	}
	if after, ok := strings.CutPrefix(rest, "localhost/"); ok {
		rest = "/" + after
	}
	if plain, err := url.PathUnescape(rest); err == nil {
		rest = plain
	}
	if rest == "" || strings.ContainsRune(rest, 0) {
		return "", bad("is no path")
	}
	return filepath.FromSlash(rest), nil
}

// isWithin reports whether a clean path is a folder or something in it.
func isWithin(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

// read reads a file, no further than the limit. What another process puts in its place
// meanwhile is still confined.
func (s *spot) read(limit int64) ([]byte, error) {
	folder, err := os.OpenRoot(s.Root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }() // nothing was written
	rel, err := filepath.Rel(s.Root, s.real)
	if err != nil {
		return nil, err
	}
	file, size, err := openRegular(folder, rel)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	if size > limit {
		return nil, &sizeError{size, limit}
	}
	return readAll(file, size, limit)
}

// openRegular opens a file. It does not wait for the other end of a pipe.
func openRegular(folder *os.Root, name string) (*os.File, int64, error) {
	info, err := folder.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	file, err := folder.Open(name)
	return file, info.Size(), err
}

func missing(location string) error {
	return &fileError{location, "does not exist", fs.ErrNotExist}
}

// barredError is for what lies in a folder that may be used, and is not the document's to use.
func barredError(location string) error {
	return &fileError{location, "may not be used by this document", plan.ErrBarred}
}

func outside(location string) error {
	return &fileError{location, "leads out of the folders that this document may use", plan.ErrOutside}
}

// unusable words an error of the system without its path.
func unusable(location string, err error) error {
	var size *sizeError
	switch {
	case errors.As(err, &size):
		return &fileError{location: location, text: "has " + size.atLeast() + ", the limit is " + sizeText(size.limit)}
	case errors.Is(err, fs.ErrNotExist):
		return missing(location)
	}
	why := reason(err)
	if strings.HasSuffix(why, "too many links") { // of filepath.EvalSymlinks, which has no value for it
		why = "its links lead round in a circle"
	}
	return &fileError{location: location, text: "cannot be read: " + why}
}

// Folder implements [plan.Files].
func (f *files) Folder(from, location string) (fs.FS, error) {
	err := f.opens(from, location)
	f.note(use{useFolder, from, location}, "")
	if err != nil && (f.kept == nil || isForbidden(err)) {
		return nil, err
	}
	return &folder{files: f, from: from, location: location}, nil
}

// opens says why a folder may not be looked into.
func (f *files) opens(from, location string) error {
	at, err := f.find(from, location)
	if err == nil {
		_, err = f.judged(at, location, true)
	}
	return err
}

// folder is what is below a folder. It looks for the folder each time, since it may come late
// and be exchanged at any time. Nothing leads out of it, links included.
type folder struct {
	files          *files
	from, location string
}

// Open implements [fs.FS].
func (d *folder) Open(name string) (fs.File, error) {
	var file fs.File
	err := d.within("open", name, func(r *os.Root) error {
		info, err := r.Stat(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return errNotRegular
		}
		file, err = r.Open(filepath.FromSlash(name))
		return err
	})
	return file, err
}

// Stat implements [fs.StatFS].
func (d *folder) Stat(name string) (info fs.FileInfo, err error) {
	err = d.within("stat", name, func(r *os.Root) error {
		info, err = r.Stat(filepath.FromSlash(name))
		return err
	})
	return info, err
}

// within does something in the folder.
func (d *folder) within(op, name string, do func(*os.Root) error) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	fail := func(err error) error {
		if inner, ok := errors.AsType[*fs.PathError](err); ok {
			err = inner.Err
		}
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	at, err := d.files.find(d.from, d.location)
	if err != nil {
		return fail(err)
	}
	if at.real == "" {
		return fail(fs.ErrNotExist)
	}
	if d.files.bars(filepath.Join(at.real, filepath.FromSlash(name))) {
		return fail(fs.ErrNotExist)
	}
	if at, err = d.files.below(at, name); err != nil {
		return fail(err)
	}
	// Opened before it is asked for, a pipe would be waited for.
	if info, err := os.Stat(at.real); err != nil {
		return fail(err)
	} else if !info.IsDir() {
		return fail(syscall.ENOTDIR)
	}
	r, err := os.OpenRoot(at.real)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = r.Close() }() // nothing was written
	if err := do(r); err != nil {
		return fail(err)
	}
	return nil
}

// below judges what a name in a folder leads to. It gives the folder.
func (f *files) below(at spot, name string) (spot, error) {
	inner := at
	inner.real = filepath.Join(at.real, filepath.FromSlash(name))
	if real, err := filepath.EvalSymlinks(inner.real); err == nil {
		inner.real = real
	}
	info, err := os.Stat(inner.real)
	if _, err := f.judged(inner, name, err == nil && info.IsDir()); err != nil {
		return spot{}, fs.ErrPermission
	}
	return at, nil
}

// bars reports whether a file in a folder may not be used, whatever the folder is.
func (f *files) bars(path string) bool {
	if f.barred.isEmpty() {
		return false
	}
	real := realPath(path)
	return f.barred.isOwn(path) || f.barred.isOwn(real) || f.barred.isOthers(real, f.home)
}

// digest stands for what came of a question. An error has the digest of its text.
func digest(text []byte, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (f *files) note(u use, digest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uses[u] = digest
}

// unchanged reports whether every question would have the same answer now. A file whose stamp
// has not changed is not read for that when it is local, or with trust.
func (f *files) unchanged(trust bool, local *localSystems) bool {
	for u, was := range f.asked() {
		var now string
		switch u.what {
		case useRead:
			if f.isUntouched(u, trust, local) {
				continue
			}
			now = digest(f.read(u.from, u.location))
		case usePlace:
			place, _, err := f.place(u.from, u.location)
			now = digest([]byte(place.Path), err)
		case useFolder:
			continue
		}
		if now != was {
			return false
		}
	}
	return true
}

// isUntouched reports whether a file that was read has certainly not changed since.
func (f *files) isUntouched(u use, trust bool, local *localSystems) bool {
	was, ok := f.lookedAt(u)
	if !ok {
		return false
	}
	at, err := f.find(u.from, u.location)
	if err != nil || at.real == "" {
		return false
	}
	now := lookAt(at.real).info
	return was.isCertainly(now) && (trust || local.holds(at.real, now))
}

// moved reports whether a file that was read is another one now, as far as its stamp says.
func (f *files) moved() bool {
	for u := range f.asked() {
		if was, ok := f.lookedAt(u); ok {
			at, err := f.find(u.from, u.location)
			if err != nil || !same(was.info, lookAt(at.real).info) {
				return true
			}
		}
	}
	return false
}

func (f *files) lookedAt(u use) (looked, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, ok := f.looked[u]
	return was, ok
}

// refersToNothing reports whether the document asked for no file.
func (f *files) refersToNothing() bool {
	if f == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uses) == 0
}

func (f *files) asked() map[use]string {
	if f.refersToNothing() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.uses)
}

// hash adds what was read to the hash of a document's text.
func (f *files) hash(text string) string {
	uses := f.asked()
	maps.DeleteFunc(uses, func(u use, _ string) bool { return u.what != useRead })
	if len(uses) == 0 {
		return text
	}
	sum := sha256.New()
	_, _ = io.WriteString(sum, text) // a hash takes everything
	for _, u := range slices.SortedFunc(maps.Keys(uses), func(a, b use) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.location, b.location))
	}) {
		_, _ = io.WriteString(sum, "\x00"+u.from+"\x00"+u.location+"\x00"+uses[u])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

package engine

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"capd/engine/plan"
)

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
	return readAll(nil, file, size, limit)
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

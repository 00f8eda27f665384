package plan

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxFolderEntries bounds what is looked at to list the files of one folder.
const MaxFolderEntries = 20_000

// Folder is the files of a static resource: those of a folder, or one file. It is read
// anew each time. Names that begin with a dot are not part of it, and neither is what a
// link shows outside of the folder.
type Folder struct {
	files fs.FS
	one   fs.FS  // the folder above, when the location may be a file
	name  string // of the file in one
}

// openFolder gives the files of a location. What is not there yet is no error.
func openFolder(files Files, from, location string) (*Folder, error) {
	if files == nil {
		return nil, errors.New("files cannot be read here")
	}
	inside, err := files.Folder(from, location)
	if err != nil {
		return nil, err
	}
	f := &Folder{files: inside}
	trimmed := strings.TrimRight(location, "/")
	if i := strings.LastIndexByte(trimmed, '/'); i >= 0 {
		if one, err := files.Folder(from, trimmed[:i+1]); err == nil {
			f.one, f.name = one, trimmed[i+1:]
		}
	} else if one, err := files.Folder(from, "."); err == nil {
		f.one, f.name = one, trimmed
	}
	if !fs.ValidPath(f.name) || f.name == "." {
		f.one = nil
	}
	return f, nil
}

// isFile reports whether the location is one file.
func (f *Folder) isFile() bool {
	if f.one == nil {
		return false
	}
	info, err := fs.Stat(f.one, f.name)
	return err == nil && info.Mode().IsRegular()
}

// Files gives the paths of the files below the folder, sorted, and whether there are more
// than are looked at. Of a location that is a file it gives one empty path.
func (f *Folder) Files(ctx context.Context) (names []string, more bool, err error) {
	if f.isFile() {
		return []string{""}, false, nil
	}
	seen := 0
	err = fs.WalkDir(f.files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && name == ".":
			return err
		case err != nil:
			return skip(d)
		case name == ".":
			return nil
		case !isFileName(d.Name()):
			return skip(d)
		}
		if seen++; seen > MaxFolderEntries {
			more = true
			return fs.SkipAll
		}
		if f.isListed(name, d) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return nil, false, AsError(ctx.Err())
	}
	if err != nil {
		return nil, false, &Error{Code: CodeNotConfigured, Message: "the folder cannot be read", Cause: err}
	}
	slices.Sort(names)
	return names, more, nil
}

func skip(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// isListed reports whether an entry is a file that can be read. Of a link only what it
// shows tells.
func (f *Folder) isListed(name string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular()
	}
	info, err := fs.Stat(f.files, name)
	return err == nil && info.Mode().IsRegular()
}

// isFileName reports whether a segment is the name of a file that may be shown.
func isFileName(s string) bool {
	return s != "" && s[0] != '.' && !strings.ContainsAny(s, "/\\\x00") && utf8.ValidString(s)
}

// Read gives the bytes of a file, whose path is as Files gives it or as [Resource.Match]
// does. limit bounds it; 0 means no bound. The error is an *[Error].
func (f *Folder) Read(name string, limit int64) ([]byte, error) {
	notFound := Errorf(CodeNotFound, "there is no such file")
	files := f.files
	if name == "" {
		if !f.isFile() {
			return nil, Errorf(CodeNotFound, "this is a folder; read the files in it")
		}
		files, name = f.one, f.name
	} else if !fs.ValidPath(name) || slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return !isFileName(s) }) {
		return nil, notFound
	}
	file, err := files.Open(name)
	if err != nil {
		return nil, notFound
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	switch {
	case err != nil || !info.Mode().IsRegular():
		return nil, notFound
	case limit > 0 && info.Size() > limit:
		return nil, tooLargeFile(limit)
	}
	r := io.Reader(file)
	if limit > 0 {
		r = io.LimitReader(file, limit+1)
	}
	b, err := io.ReadAll(r)
	switch {
	case err != nil:
		return nil, &Error{Code: CodeNotConfigured, Message: "the file cannot be read", Cause: err}
	case limit > 0 && int64(len(b)) > limit:
		return nil, tooLargeFile(limit)
	}
	return b, nil
}

// FileName gives the last part of a file's path, for its media type.
func (f *Folder) FileName(name string) string {
	if name == "" {
		return f.name
	}
	return path.Base(name)
}

func tooLargeFile(limit int64) *Error {
	return Errorf(CodeUpstreamTooLarge, "the file is over the limit of %d bytes", limit)
}

// size gives the bytes of a file, 0 when it is not there.
func (f *Folder) size(name string) int64 {
	s, _ := f.Stamp(name)
	return s.Size
}

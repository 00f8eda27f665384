package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

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

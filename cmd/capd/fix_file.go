package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// readSpec reads a file that is to be rewritten, no further than the limit.
func readSpec(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("larger than %s, the limit of --max-document", (*size)(&limit))
	}
	return text, err
}

// writable fails when the user may not write the file, which the rename that replaces it would
// not ask. A file that nobody may write is left alone for a superuser too: the mode is a wish.
func writable(file string, info os.FileInfo) error {
	readOnly := errors.New("the file is read-only and stays as it is; make it writable and run the command again")
	if info.Mode().Perm()&0o222 == 0 {
		return readOnly
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrPermission) {
		return readOnly
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// replaceFile puts a new text in a file's place in one step, so that a reader has the old or
// the new one. The file keeps its mode, and a symbolic link stays one. It fails when the file
// is read-only, and when it is not what old says any more.
func replaceFile(file string, old, text []byte) (err error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if err := writable(real, info); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(real), "."+filepath.Base(real)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	now, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return errors.New("the file was changed meanwhile; run the command again")
	}
	return os.Rename(temp.Name(), real)
}

package secrets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"capd/engine/plan"
)

var errNotRegular = errors.New("not a regular file")

// OpenKey opens the file of a key or a certificate inside the folder that it must stay in. It
// does not wait for the other end of a pipe, and reads no device. The error may name the path.
func OpenKey(file plan.KeyFile) (fs.File, error) {
	name := file.Path.Reveal()
	if file.Root == "" {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, errNotRegular
		}
		return os.Open(name)
	}
	name, err := filepath.Rel(file.Root, name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(file.Root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return root.Open(name)
}

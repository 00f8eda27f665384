package plan

import (
	"errors"
	"fmt"
	"io/fs"
)

// Files gives what a document refers to by a location: a path, relative to the file that the
// location is written in, or a file:// URI. The shell keeps every location inside the folders
// that the document may use, links included, and remembers what was read, so that a change
// of it counts as a change of the document. A nil Files has nothing.
//
// In every method from is the file in which the location is written (Span.File of its value).
// The text of an error is fit for a diagnostic: it names no path but the location. An error
// wraps [fs.ErrNotExist] when nothing is there, and [ErrOutside] when the document may not use
// what is there.
type Files interface {
	// Read gives the bytes of a file.
	Read(from, location string) ([]byte, error)
	// Folder gives what is below a folder, to be read when a call asks for it; what is not
	// there yet is no error.
	Folder(from, location string) (fs.FS, error)
	// Place says where a location is, for those who read it anew at each bind. What is not
	// there yet is no error. Of what is not beside the file, the working directory is tried.
	Place(from, location string) (FilePlace, error)
}

// ErrOutside says that a location leads out of the folders that the document may use.
var ErrOutside = errors.New("outside of the folders that this document may use")

// ErrBarred is an [ErrOutside] of what lies in such a folder and is not the document's to use: a
// file of capd's own, or one that opens an adapter of others.
var ErrBarred = fmt.Errorf("%w: it belongs to somebody else", ErrOutside)

// FilePlace is where a file or a folder is.
type FilePlace struct {
	Name string // as it is shown, like the file it is written in
	Path string // absolute
	Root string // the absolute folder that it must stay in, links included
}

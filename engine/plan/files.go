package plan

import "io/fs"

// Files gives what a document refers to by a location: a path, relative to the file that the
// location is written in, or a file:// URI. The shell keeps every location inside the folders
// that the document may use, links included, and remembers what was read, so that a change
// of it counts as a change of the document. A nil Files has nothing.
//
// The text of an error is fit for a diagnostic: it names no path but the location.
type Files interface {
	// Read gives the bytes of a file. from is the file in which the location is written
	// (Span.File of its value).
	Read(from, location string) ([]byte, error)
	// Folder gives what is below a folder, to be read when a call asks for it; what is not
	// there yet is no error.
	Folder(from, location string) (fs.FS, error)
	// Path gives the absolute path of a location, for those who read it anew at each bind.
	Path(from, location string) (string, error)
}

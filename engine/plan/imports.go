package plan

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Resolve gives the document with what it imports from other files, which Compile takes (see
// [spec.Document.Resolve]). The document itself stays as it is.
func Resolve(doc *spec.Document, files Files) (*spec.Document, diag.List) {
	if len(doc.Imports) == 0 {
		return doc, nil
	}
	self := doc.File
	if files != nil {
		if at, err := files.Place(doc.File, filepath.Base(doc.File)); err == nil {
			self = at.Path
		}
	}
	return doc.Resolve(self, func(from, location string) (spec.Opened, *spec.OpenError) { return open(files, from, location) })
}

// open reads a file to import from.
func open(files Files, from, location string) (spec.Opened, *spec.OpenError) {
	if files == nil {
		return spec.Opened{}, &spec.OpenError{Missing: true, Text: "no other file is at hand for " + location, Hint: "check the document where its files are"}
	}
	text, err := files.Read(from, location)
	var at FilePlace
	if err == nil {
		at, err = files.Place(from, location)
	}
	switch {
	case err == nil:
		return spec.Opened{Name: at.Name, ID: at.Path, Text: text}, nil
	case errors.Is(err, fs.ErrNotExist):
		return spec.Opened{}, &spec.OpenError{Missing: true, Text: location + " does not exist",
			Hint: "put the file there, or write what it holds into this document; the path is relative to this file"}
	}
	if d := asDenied(err); d != nil {
		return spec.Opened{}, &spec.OpenError{Code: diag.CodePolicy, Text: err.Error(), Hint: d.Hint, Related: []diag.Related{d.At}}
	}
	return spec.Opened{}, &spec.OpenError{Text: err.Error(), Hint: hintOutside(err)}
}

// hintOutside says what lets a document use a file elsewhere; nothing for another error.
func hintOutside(err error) string {
	switch {
	case errors.Is(err, ErrBarred):
		return "it is a file of capd's own, or opens an adapter of others"
	case errors.Is(err, ErrOutside):
		return "allow its folder with --allow-path"
	}
	return ""
}

// ownFixes leaves out repairs that would write into another file than the document's: others
// may use that file too.
func ownFixes(file string, list diag.List) {
	for i := range list {
		if slices.ContainsFunc(list[i].Fixes, func(e diag.Edit) bool { return e.Span.File != file }) {
			list[i].Fixes = nil
		}
	}
}

package diag

import (
	"path/filepath"
	"regexp"
	"slices"
)

// Filter says which findings nobody wants to see.
type Filter struct {
	Codes []Code
	// Files match the names of files, with slashes.
	Files []*regexp.Regexp
}

// Drops reports whether the filter leaves d out.
func (f *Filter) Drops(d *Diagnostic) bool {
	return slices.Contains(f.Codes, d.Code) || f.DropsFile(d.Span.File)
}

// DropsFile reports whether the filter leaves out all findings of a file.
func (f *Filter) DropsFile(file string) bool {
	name := filepath.ToSlash(file)
	return slices.ContainsFunc(f.Files, func(r *regexp.Regexp) bool { return r.MatchString(name) })
}

// Apply gives the findings that are left, in the order of l.
func (f *Filter) Apply(l List) List {
	out := make(List, 0, len(l))
	for i := range l {
		if !f.Drops(&l[i]) {
			out.Add(l[i])
		}
	}
	return out
}

// AtLeast counts the findings that are as bad as s or worse. The zero Severity counts none.
func (l List) AtLeast(s Severity) int {
	n := 0
	for i := range l {
		if l[i].Severity <= s {
			n++
		}
	}
	return n
}

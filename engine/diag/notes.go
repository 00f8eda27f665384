package diag

import "fmt"

// Text is the message and what to do.
func (d *Diagnostic) Text() string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + "; " + d.Hint
}

// String gives "file:line:col: message".
func (r Related) String() string {
	if r.Span.File == "" {
		return r.Message
	}
	return r.Span.String() + ": " + r.Message
}

// notes gives the related places that people are shown: a problem of fifty tools is still
// one problem. All of them are for programs.
func notes(all []Related) []Related {
	if len(all) <= maxNotes {
		return all
	}
	more := Related{Message: fmt.Sprintf("and %d more", len(all)-maxNotes+1)}
	return append(all[:maxNotes-1:maxNotes-1], more)
}

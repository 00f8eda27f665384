package format

import (
	"errors"
	"fmt"
)

// Error is an answer that cannot be turned into JSON. Its text is fit for a caller: it never
// quotes the answer.
type Error struct {
	Format Format
	Limit  bool   // the answer goes over a limit; it need not be wrong
	Reason string // such as "line 3: an element is not closed"
}

// Error gives a whole sentence.
func (e *Error) Error() string {
	switch {
	case e.Format == Binary:
		return "the answer is binary: " + e.Reason
	case e.Limit:
		return fmt.Sprintf("the answer is too much to be read as %s: %s", e.Format.title(), e.Reason)
	}
	return fmt.Sprintf("the answer is not valid %s: %s", e.Format.title(), e.Reason)
}

// SchemaError is a schema or a selector that cannot be used. Its text is for the author of
// the document.
type SchemaError struct {
	File         string // as given or imported; empty for a selector
	Line, Column int    // 1-based; 0 when not known
	Message      string
}

// Error gives the place, as far as it is known, and the message.
func (e *SchemaError) Error() string {
	switch {
	case e.File == "":
		return e.Message
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// invalid says what is wrong with an answer.
func invalid(format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}

// tooMuch says which limit an answer goes over.
func tooMuch(format string, args ...any) *Error {
	return &Error{Limit: true, Reason: fmt.Sprintf(format, args...)}
}

// inFormat gives a reading's error its format. Another error is a fault of a library, whose
// text may quote the answer.
func inFormat(f Format, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = invalid("it cannot be read")
	}
	return &Error{Format: f, Limit: e.Limit, Reason: e.Reason}
}

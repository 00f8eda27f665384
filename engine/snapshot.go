package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"capd/engine/diag"
	"capd/engine/plan"
)

// Snapshot is everything that is served at one time and why. It is immutable.
type Snapshot struct {
	// Serial counts the snapshots of an engine from 1.
	Serial uint64
	Plan   *plan.Plan
	Bound  *plan.Bound
	// Policy is what documents are judged by.
	Policy PolicyState
	// Docs are all files that were found, by ID and file.
	Docs []*DocState
	// Diagnostics holds every problem of every phase once, sorted.
	Diagnostics diag.List
}

// State is what became of a document by itself. Whether the plan could take anything of its unit is another question: routes can
// be taken, addresses in use, and values missing.
type State uint8

// The states of a document.
const (
	// Served: it is served as the file stands, except for what its diagnostics refuse.
	Served State = iota + 1
	// Refused: nothing of it is served.
	Refused
	// Stale: the file cannot be served as it stands; its last good state is.
	Stale
	// Ignored: the file, found in a folder, is no capability document.
	Ignored
)

// String gives the lower-case word for the state.
func (s State) String() string {
	switch s {
	case Served:
		return "served"
	case Refused:
		return "refused"
	case Stale:
		return "stale"
	case Ignored:
		return "ignored"
	}
	return "invalid state " + strconv.Itoa(int(s))
}

// MarshalText gives the word of [State.String].
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DocState is one file that was found.
type DocState struct {
	ID, File string
	// Hash is the SHA-256 of the file's bytes in hex; empty when it was not read. Of a file
	// that has others read it covers those too.
	Hash  string
	State State
	// Since is when a stale document began to be stale, and Kept says that its last good state
	// comes from the state folder.
	Since time.Time
	Kept  bool
	// Files gives what the document refers to, to those who compile its text again; nil when
	// the file was not read.
	Files plan.Files
	// Unit is what is served of it; nil when nothing is.
	Unit *plan.Unit
	// Diagnostics are the problems of this document alone and in the company of others.
	Diagnostics diag.List
}

// Addr is an address of the plan: as declared, and as the system gave it. Err says why
// nothing listens there; Actual is then empty.
type Addr struct {
	Declared, Actual string
	Err              error
}

// PathError says that a path given by the user is not there or cannot be looked into.
type PathError struct {
	Path string
	Err  error
}

// Error names the path.
func (e *PathError) Error() string { return fmt.Sprintf("cannot read %s: %s", e.Path, reason(e.Err)) }

// Unwrap gives the cause.
func (e *PathError) Unwrap() error { return e.Err }

// InvalidError says that documents have errors and the options want none.
type InvalidError struct {
	// Diagnostics are all problems, warnings included.
	Diagnostics diag.List
}

// Error counts the errors; the list has the details.
func (e *InvalidError) Error() string {
	n := e.Diagnostics.Count(diag.Error)
	if n == 1 {
		return "the documents have an error"
	}
	return fmt.Sprintf("the documents have %d errors", n)
}

// ListenError says that addresses cannot be listened on.
type ListenError struct{ Addrs []Addr }

// Error names each address with the reason.
func (e *ListenError) Error() string {
	parts := make([]string, len(e.Addrs))
	for i, a := range e.Addrs {
		parts[i] = a.Declared + ": " + reason(a.Err)
	}
	return "cannot listen on " + strings.Join(parts, "; ")
}

// Unwrap gives the causes.
func (e *ListenError) Unwrap() []error {
	errs := make([]error, len(e.Addrs))
	for i, a := range e.Addrs {
		errs[i] = a.Err
	}
	return errs
}

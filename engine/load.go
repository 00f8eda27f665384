package engine

import (
	"context"
	"io"
	"log/slog"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// LoadOptions say what to load. Commands that serve nothing (validate, list, stub) and serve
// itself use the same phases.
type LoadOptions struct {
	// Paths are files and folders; "-" is Stdin.
	Paths []string
	// Stdin is the text of the path "-", StdinName the file name it goes by; empty means
	// "stdin.yaml".
	Stdin     io.Reader
	StdinName string
	// Limits bound a document; zero fields mean those of [spec.DefaultLimits].
	Limits spec.Limits
	// Link decides on addresses.
	Link plan.LinkOptions
	// Bind, if set, looks up the variables too.
	Bind *plan.BindOptions
	// Logger is told of faults of capd, with a stack; nil means nobody is.
	Logger *slog.Logger
}

// Loaded is what the documents came to.
type Loaded struct {
	Plan *plan.Plan
	// Bound is nil unless LoadOptions.Bind was set.
	Bound *plan.Bound
	// Docs are all files that were found, by ID and file.
	Docs []DocState
	// Diagnostics holds every problem of every phase once, sorted.
	Diagnostics diag.List
}

// Load reads, parses, checks, compiles and links documents, and binds their variables if
// asked to. Problems of documents are diagnostics; the error, a [*PathError] for a path that
// is not there, says that the job could not be done.
func Load(ctx context.Context, o LoadOptions) (*Loaded, error) { panic("later") }

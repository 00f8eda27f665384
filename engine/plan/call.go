package plan

import "context"

// BaseURI is a compiled base URI: text and variables.
type BaseURI struct{}

// Operation is one thing a caller can do, the same for every adapter. It is immutable.
type Operation struct{}

// Name gives "<document>/<adapter namespace>/<operation or tool>", for logs and metrics.
func (op *Operation) Name() string { panic("later") }

// Bind finds the operation's inputs in a request. It reads src.Body only when the
// operation needs a part of it. The error is an *[Error].
func (op *Operation) Bind(src *Source) (Args, error) { panic("later") }

// Invoke renders the upstream request, sends it and shapes the answer. The error is an
// *[Error]. The caller closes the result's body.
func (op *Operation) Invoke(ctx context.Context, in *Invocation) (*Result, error) { panic("later") }

// Call is a compiled consumed operation as one exposed operation uses it.
type Call struct{}

// Name gives "<consumed namespace>.<operation>".
func (c *Call) Name() string { panic("later") }

// Unit gives the document the call belongs to.
func (c *Call) Unit() *Unit { panic("later") }

// Method gives the upstream's method, upper case.
func (c *Call) Method() string { panic("later") }

// Segments gives the pattern of the operation's path, the base path left out. The Param
// numbers of its parts have no further meaning.
func (c *Call) Segments() []Segment { panic("later") }

// Sample is a place of the upstream's answer that the operation's output reads.
type Sample struct {
	Path []string // member names from the root; an empty name stands for a list's elements
	Type string   // string, number, integer, boolean, object, array or empty
}

// Samples gives the places the operation's output mappings read; none when it hands the
// whole body on.
func (c *Call) Samples() []Sample { panic("later") }

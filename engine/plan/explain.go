package plan

import (
	"slices"

	"capd/engine/diag"
	"capd/engine/spec"
)

// CompileExplained compiles as [Compile] does and keeps, beside the plan, where everything
// in it comes from: [Call.Origins], [Operation.Inputs] and [Unit.Consumed]. What runs is the
// same; the explanation costs memory, so that those who serve do without.
func CompileExplained(doc *spec.Document, files Files) (*Unit, diag.List) {
	return Compiler{Explain: true}.Compile(doc, files)
}

// Part is a kind of part of an upstream request.
type Part string

// The parts of a request.
const (
	PartMethod Part = "method"
	PartBase   Part = "base"
	PartPath   Part = "path" // with a name: a value in it; without: its text
	PartQuery  Part = "query"
	PartHeader Part = "header"
	PartCookie Part = "cookie"
	PartTLS    Part = "tls"  // what the client shows while it connects
	PartBody   Part = "body" // with a name: a member, dotted when it is a nested one; without: the whole
)

// Origin says where one part of an upstream request comes from.
type Origin struct {
	Part Part
	Name string
	// Auth: authentication puts it there.
	Auth bool
	// Rule of the contract that puts the part there, and the place in the document that it
	// reads: a path, a parameter, a template.
	Rule string
	Span diag.Span
	// Sources give the value; several stand one behind the other.
	Sources []OriginSource
}

// SourceKind is the kind of an [OriginSource].
type SourceKind string

// The kinds of source.
const (
	SourceLiteral  SourceKind = "literal"
	SourceInput    SourceKind = "input"
	SourceVariable SourceKind = "variable"
	SourceRequest  SourceKind = "request" // a part of the caller's request as it is, where it is forwarded
	SourceStep     SourceKind = "step"    // what came of an earlier step
	SourceAnswer   SourceKind = "answer"  // what the user, or his client, answered to a question
)

// OriginSource is one source of a value.
type OriginSource struct {
	Kind SourceKind
	// Name of the input or of the environment variable; of a literal, its text. A literal
	// credential is hidden.
	Name string
	// Places are where an input is looked for, in order.
	Places []Place
	// Rule of the contract that joins source and part, and the place in the document that
	// says so. A literal has none.
	Rule string
	Span diag.Span
	// Declared is where the document declares the input or the variable; zero when it does
	// not.
	Declared diag.Span
}

// Place is where an input is looked for in a caller's request.
type Place struct {
	In   PlaceKind
	Name string // of what is looked for; empty for the whole body
}

// PlaceKind is the kind of a [Place].
type PlaceKind string

// The kinds of place.
const (
	InPath     PlaceKind = "path"     // a placeholder of the route
	InQuery    PlaceKind = "query"    // a query parameter
	InHeader   PlaceKind = "header"   // a header
	InMember   PlaceKind = "member"   // a member of the body
	InBody     PlaceKind = "body"     // the body itself
	InArgument PlaceKind = "argument" // an argument of a tool call
)

// String names the place for people.
func (p Place) String() string {
	switch p.In {
	case InPath:
		return "placeholder {" + p.Name + "}"
	case InQuery:
		return "query parameter " + p.Name
	case InHeader:
		return "header " + p.Name
	case InMember:
		return "body member " + p.Name
	case InBody:
		return "the body"
	}
	return "argument " + p.Name
}

// Input is what a caller can give an operation.
type Input struct {
	Name     string
	Type     string // of JSON Schema; empty when it may be anything
	Required bool
	Places   []Place
	// Declared is where the exposed operation declares it: as a parameter, or by a
	// placeholder of its path. Zero for an input that is derived; Rule and Span then say by
	// which rule and from what.
	Declared diag.Span
	Rule     string
	Span     diag.Span
	// Feeds are the parts of the request it ends up in.
	Feeds []PartName
}

// PartName names a part of a request.
type PartName struct {
	Part Part
	Name string
}

// String gives "query limit", or just "body".
func (p PartName) String() string {
	if p.Name == "" {
		return string(p.Part)
	}
	return string(p.Part) + " " + p.Name
}

// ConsumedOperation is an operation of an API that a document calls, used or not.
type ConsumedOperation struct {
	Name       string // "<namespace>.<operation>"
	Method     string
	URL        string // with {input} and {{VARIABLE}}, query constants included
	Auth       string // declared type of authentication; empty for none
	Parameters []ConsumedParameter
	Fault      *Refusal // why nothing can call it
	Span       diag.Span
}

// ConsumedParameter is an input of a consumed operation.
type ConsumedParameter struct {
	Name     string
	In       string // path, query, header, cookie or body
	Type     string // of JSON Schema; empty when it may be anything
	Required bool
	Span     diag.Span // zero for a placeholder that nobody declares
}

// Origins say where each part of the call's requests comes from. They are nil unless the
// document was compiled by [CompileExplained].
func (c *Call) Origins() []Origin {
	if c == nil || c.why == nil {
		return nil
	}
	return slices.Clone(c.why.origins)
}

// Inputs give what callers can give the operation, in the order of the document. They are
// nil unless the document was compiled by [CompileExplained].
func (op *Operation) Inputs() []Input {
	if op == nil || op.why == nil {
		return nil
	}
	return slices.Clone(op.why.inputs)
}

// Consumed gives every operation of the APIs that the document calls. It is nil unless the
// document was compiled by [CompileExplained].
func (u *Unit) Consumed() []ConsumedOperation {
	if u == nil {
		return nil
	}
	return slices.Clone(u.consumed)
}

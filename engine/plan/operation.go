package plan

import (
	"context"
	"net/http"
)

// Source is one request as its adapter sees it, before anything is looked up in it. REST
// fills Path, Query, Header and Body; MCP fills Arguments only.
type Source struct {
	// Bound, if set, counts what Bind keeps in memory for the document.
	Bound *Bound
	// Method of the request.
	Method string
	// Rest is what {path} of a forwarded route stands for: escaped as it came, empty or with a
	// leading slash.
	Rest string
	// Path holds the decoded values of Route.Params, in their order.
	Path []string
	// Query is the raw query.
	Query string
	// Conditions are pairs of the query that belong to the route (contract X3).
	Conditions []Pair
	Header     http.Header
	// Body is the inbound body. Bind reads it when the operation needs a part of it, and
	// leaves what it read in Body.Bytes.
	Body        Body
	ContentType string
	// AcceptEncoding is the caller's header of that name.
	AcceptEncoding string
	// Arguments is the JSON object of a tool call; nil counts as {}. For REST it is unset.
	Arguments []byte
}

// Args are the bound inputs of one call: what [Operation.Bind] found for each input the
// operation was compiled with. They belong to that operation and to one call.
type Args struct {
	values      []any // JSON value, or absent{}
	body        Body
	inbound     any // body as a value, when members are merged into it
	contentType string
	// contentEncoding is how body is packed; it belongs to the bytes that are sent on.
	contentEncoding string
	encoding        string
	conditions      []Field    // of the caller's header, to be sent on
	forwarded       *forwarded // nil unless the request is passed on as it is
	held            *holding   // what was read of the request; nil: not worth counting
}

// Invocation is all that belongs to one call. It is never shared.
type Invocation struct {
	Args    Args
	Bound   *Bound
	Caller  *Caller
	Answers *Answers // to the operation's questions; nil: nothing was asked yet
	Observe Observer // nil: nobody looks
}

// Step names one step of an operation, for those who watch it.
type Step struct {
	Index int
	Name  string
}

// Observer watches a call. The same code runs with and without one.
type Observer interface {
	// Step is told that a step begins; the context it gives is the step's, and done is told
	// how the step ended.
	Step(ctx context.Context, s Step) (_ context.Context, done func(error))
	// Sent is told each request before it goes upstream.
	Sent(ctx context.Context, req *Request)
	// Received is told what came of it: an answer or an error.
	Received(ctx context.Context, req *Request, resp *Response, err error)
}

// ResultKind is the kind of a [Result].
type ResultKind uint8

// The kinds of result.
const (
	// Passthrough: the upstream's body, untouched and perhaps not yet read.
	Passthrough ResultKind = iota + 1
	// Value: a JSON value that capd made by mapping, in Body.Bytes.
	Value
	// Contents: what a tool says, in Content. Body holds what it is made of, for those who want
	// its structure; often nothing.
	Contents
	// Asks: nothing was called, since the questions of Ask must be answered first.
	Asks
)

// Result is the outcome of a call. It must be closed.
type Result struct {
	Kind      ResultKind
	Status    int // of the upstream; 200 when there was none
	Header    []Field
	Body      Body
	MediaType string // Content-Type of Body, parameters included; empty when not known
	// FromUpstream: the upstream itself answered with this status. Status of 400 or more
	// is then a failure that the upstream reports.
	FromUpstream bool
	// Structured is the value of Body in a form that fits [Operation.OutputSchema], of an
	// operation of MCP; nil when Body itself fits.
	Structured []byte
	// Content is what a tool says, item by item, when Kind is Contents.
	Content []ContentItem
	// IsError: the document says that this answer is a failure.
	IsError bool
	// Method is the upstream request's method: an answer to HEAD has no body.
	Method string
	// Ask is what must be answered first, of kind Asks.
	Ask *Ask

	held *holding // memory; nil: nothing
}

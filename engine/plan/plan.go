// Package plan turns documents into an immutable plan and runs its operations. Compile
// looks at one document, Link at all of them together, Bind gives variables their values;
// whatever can fail has failed by then, and a call only executes what was compiled.
//
// The package has no sockets, no files and no globals.
package plan

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"capd/engine/diag"
)

// Kind is a kind of exposure.
type Kind string

// The kinds of exposure, named as the language names them.
const (
	REST    Kind = "rest"
	MCP     Kind = "mcp"
	Skill   Kind = "skill"
	Control Kind = "control"
)

// Prefix is the first path segment under which exposures of the kind are always reachable.
func (k Kind) Prefix() string {
	switch k {
	case REST:
		return "apis"
	case MCP:
		return "mcp"
	case Skill:
		return "skills"
	case Control:
		return "control"
	}
	return ""
}

// Unit is one compiled document. It is immutable and shared between plans as long as the
// document does not change, whatever happens to its neighbours.
type Unit struct {
	ID          string // path below the served folder without extension
	Team        string // who the document belongs to, as far as folders tell; documents of one trust each other
	File        string
	Label       string
	Description string
	Revision    string // version of what the document describes, as it says; may be empty
	Tags        []string
	WebsiteURL  string // of what the document describes; may be empty
	Icons       []Icon
	SpecVersion string // of the language
	Exposures   []*Exposure
	Unserved    []*Exposure // adapters that are declared and refused, with nothing in them
	Variables   []*Variable // what the document's served operations need, by name
	Bases       []*BaseURI  // the base URIs its served operations call
	Caps        Caps        // what it may use, as somebody else than the document says; zero: like every other

	scripts     bool                // some step is a script
	credentials []*credentialPlan   // the credentials its served operations call with
	consumed    []ConsumedOperation // of an explained document
}

// Exposure is one adapter of a document.
type Exposure struct {
	Unit          *Unit
	Kind          Kind
	Namespace     string
	Index         int // position in the document's exposes
	Description   string
	Address       string    // as declared; empty when not
	PortSpan      diag.Span // of the value of port, usable or not
	AddressSpan   diag.Span // of Address
	Port          int       // 0 when not declared
	Transport     string    // of MCP: http or stdio
	TransportSpan diag.Span // of Transport
	Routes        []*Route
	Tools         []*Tool
	Toolsets      []Toolset // of MCP
	Skills        []*SkillEntry
	Guard         *Guard      // what callers must show; nil: nothing
	Resources     []*Resource // of MCP
	Prompts       []*Prompt   // of MCP
	MaxBinary     int64       // bytes of an answer that is not text; 0 when not declared
	TTL           int         // of MCP: how long lists may be kept, in milliseconds
	Public        bool        // of MCP: a list that is kept may be shared between callers
	Icons         []Icon      // of MCP: those of the server
	Management    *Management // of control
	Span          diag.Span
}

// Route is one REST operation. Exactly one of Operation and Refusal is set.
type Route struct {
	Name        string
	Description string
	Method      string    // upper case, or AnyMethod
	Path        string    // as declared, with a leading slash, without conditions
	Segments    []Segment // of Path, split at "/"
	Params      []string  // names of the placeholders, in order
	Conditions  []Pair    // pairs the request's query must have (contract X3)
	Responses   []DeclaredResponse
	Scopes      []string // that a call needs beside those of the adapter
	Operation   *Operation
	Refusal     *Refusal
	Span        diag.Span
}

// Segment is one path segment of a route: a literal, a placeholder, or a mix of both.
type Segment []SegmentPart

// SegmentPart is literal text, decoded, or, when Param is not negative, the placeholder
// Route.Params[Param], which stands for one or more characters. With Many, it stands for any
// number of segments, none included, and is the whole segment.
type SegmentPart struct {
	Literal string
	Param   int
	Many    bool
}

// Pair is a query pair, decoded.
type Pair struct{ Name, Value string }

// Tool is one MCP tool. Exactly one of Operation and Refusal is set. A refused tool is not
// listed; calling it gives the reason.
type Tool struct {
	Name        string // as declared
	Title       string
	Description string // never empty
	Tags        []string
	InputSchema []byte // a JSON Schema object, compact JSON
	Annotations Annotations
	Icons       []Icon
	AsDeclared  bool     // schemas are published byte for byte, whatever clients make of them
	Mirrored    bool     // clients repeat arguments in headers, as InputSchema says (x-mcp-header)
	MaxResult   int64    // bytes of text in a result; 0 when not declared
	Scopes      []string // that a call needs beside those of the adapter
	Operation   *Operation
	Refusal     *Refusal
	Span        diag.Span
}

// Annotations are MCP's hints about a tool, from its hints and the upstream's method.
type Annotations struct {
	ReadOnly, Destructive, Idempotent, OpenWorld bool
}

// Refusal says why an operation is declared and not served. Reason is fit for a caller: no
// file, no line, no value.
type Refusal struct {
	Code   diag.Code
	Reason string
}

// Error gives the refusal as the error of a call.
func (r *Refusal) Error() *Error {
	return Errorf(CodeRefused, "%s: %s", r.Code, r.Reason)
}

// Variable is a value a document wants from its surroundings.
type Variable struct {
	Name   string // by which people know it: of the environment variable, or as the bind declares it
	Source string // its name at the source
	// Location is where the value comes from; nil for the process environment.
	Location  *Location
	Namespace string // of the bind that declares it; empty when undeclared
	Key       string // the document's own name for it
	Declared  bool
	Setting   bool // stands only in a scheme, host, port or base path: may be printed
	Span      diag.Span
	index     int  // in Unit.Variables
	calls     bool // calls use it
	guards    bool // guards use it
	shown     bool // it is what callers must show to a guard
	sent      bool // a guard sends it to others, who judge for it
}

// Plan is everything that is served at one time. It is immutable.
type Plan struct {
	Units     []*Unit     // by ID
	Listeners []*Listener // by address
	// Stdio is what is served on standard input and output; nil when nothing is.
	Stdio *View

	// withheld are the variables that have no value since they open other documents' adapters.
	withheld map[*Variable]*Error
	opening  []*Unit // that have variables which callers must show, by ID

	subjects map[*Unit]Subject // what documents are to the policy; empty: there is none
	public   string            // URL under which clients reach all of it; empty when not known

	// For the next link: how this one was made, and what it found between documents.
	layout layout
	alone  bool // see [LinkOptions.judgesEachAlone]
	notes  diag.List
	seed   maphash.Seed // of claims
}

// Listener is everything served at one address.
type Listener struct {
	Addr   string // host:port to listen on; an IPv6 host in brackets
	Mounts []*Mount
	Bare   []*BareRoute // REST routes at their declared path
	// Skills are the skills at /skills/<name> too. No other document has its address there.
	Skills []*BareSkill
	// SoleMCP is the one MCP exposure of this address, served at /mcp too; nil when there
	// are none or several.
	SoleMCP *Mount
	// SoleControl is the one control exposure of this address, served at the root too; nil when
	// there are none or several, or a REST exposure.
	SoleControl *Mount
	// Combined: /mcp is the view of all exposures when there are several.
	Combined bool

	claims claims
	kinds  []Kind // of the exposures that are here, and maybe of some that were

	named []NamedView
	once  sync.Once
	known *views // of this listener; see views
}

// Mount is an exposure under one of its fixed addresses: /apis/<id>, /mcp/<id>, /skills/<id>,
// /control/<id>, and with /<namespace> behind it when the document has several exposures of the kind.
type Mount struct {
	Exposure *Exposure
	Path     string   // escaped, as a client writes it
	Segments []string // decoded, the kind's prefix left out
	// Main is set on one mount of each exposure: the address to show.
	Main bool
}

// BareRoute is a route at its declared path, with the exposure it belongs to.
type BareRoute struct {
	Exposure *Exposure
	Route    *Route
}

// Listener gives the listener of an address, or nil.
func (p *Plan) Listener(addr string) *Listener {
	if p == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(p.Listeners, addr, func(l *Listener, addr string) int { return strings.Compare(l.Addr, addr) })
	if !found {
		return nil
	}
	return p.Listeners[i]
}

// MayHave reports whether an exposure of a kind may be here. If not, the mounts need not be looked through.
func (l *Listener) MayHave(k Kind) bool { return slices.Contains(l.kinds, k) }

// add adds kinds of exposures that are here.
func (l *Listener) add(kinds ...Kind) {
	for _, k := range kinds {
		if !l.MayHave(k) {
			l.kinds = append(slices.Clip(l.kinds), k)
		}
	}
}

// claimSeed gives the seed of the claims of a plan and of all that follow it.
func (p *Plan) claimSeed() maphash.Seed {
	if p == nil || p.seed == (maphash.Seed{}) {
		return maphash.MakeSeed()
	}
	return p.seed
}

// Unit gives the unit of an ID, or nil.
func (p *Plan) Unit(id string) *Unit {
	if p == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(p.Units, id, func(u *Unit, id string) int { return strings.Compare(u.ID, id) })
	if !found {
		return nil
	}
	return p.Units[i]
}

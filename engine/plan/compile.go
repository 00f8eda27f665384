package plan

import (
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Compile turns one document into a unit. It is pure. It returns nil when nothing of the
// document can be served; the list then holds an error that says why. files gives what the
// document refers to.
func Compile(doc *spec.Document, files Files) (*Unit, diag.List) {
	return Compiler{}.Compile(doc, files)
}

// Compiler compiles documents with what the shell lends it. Commands that only look and those
// that serve lend the same, so that both find the same.
type Compiler struct {
	// Schemas compiles the JSON Schemas that tools hold. Without it such a tool is refused.
	Schemas Schemas
	// Grant is what the policy lets the document do; nil: everything.
	Grant *Grant
	// Explain keeps, beside the plan, where everything comes from (see [CompileExplained]).
	Explain bool
	// Unsampled keeps no [Call.Samples]: nobody will answer in the place of upstreams.
	Unsampled bool
	// Room is memory in which documents are compiled, one after the other; nil: each has its own.
	Room *Room
}

// Room is memory in which one document is compiled at a time. No unit holds a part of it, but it
// holds what it wants of the last document. The zero value is ready.
type Room struct{ compiler compiler }

// Schemas compiles a JSON Schema, a JSON text. The text of the error is fit for a diagnostic, and
// says what is wrong with "it".
//
// check says which member of a value, a JSON text, does not fit, such as a.b[0], or empty for the
// value itself, and what it must be, which is empty when the value fits. Neither repeats a value.
type Schemas = func(schema []byte) (check func(value []byte) (place, rule string), err error)

// Compile turns one document into a unit, as [Compile] does.
func (with Compiler) Compile(doc *spec.Document, files Files) (unit *Unit, list diag.List) {
	room := with.Room
	if room == nil {
		room = new(Room)
	}
	defer func() {
		if r := recover(); r != nil {
			*room = Room{} // nobody knows what it is in the middle of
			unit, list = nil, diag.List{{
				Code: diag.CodeInternal, Severity: diag.Error, Span: diag.Span{File: doc.File}, Unit: diag.Unit{Doc: doc.ID},
				Message: "capd failed while compiling this document", Hint: fmt.Sprintf("please report it: %v at %s", r, origin(debug.Stack())),
			}}
		}
	}()
	c := &room.compiler
	c.begin(with, doc, files)
	return c.compile()
}

// begin forgets the last document, but for the memory.
func (c *compiler) begin(with Compiler, doc *spec.Document, files Files) {
	clear(c.faults)
	c.kept.begin()
	c.drafts.slots.begin()
	c.drafts.pieces.begin()
	*c = compiler{
		doc:     doc,
		files:   files,
		unit:    &Unit{ID: doc.ID, Team: doc.Team, File: doc.File, Label: doc.Label.Value, Description: doc.Description.Value, Revision: doc.Revision.Value, SpecVersion: doc.Version.Value, Tags: tagsOf(doc.Tags)},
		explain: with.Explain,
		samples: !with.Unsampled,
		schemas: with.Schemas,
		grant:   with.Grant,
		drafts:  c.drafts,
	}
}

// compile compiles the document.
func (c *compiler) compile() (*Unit, diag.List) {
	c.unit.Caps = c.grant.Caps()
	c.introduce()
	c.vars.init(c)
	c.consume()
	c.flows()
	c.expose()
	c.finish()
	c.countMore()
	c.list.Sort()
	ownFixes(c.doc.File, c.list)
	if !c.serves() {
		return nil, c.list
	}
	return c.unit, c.list
}

// introduce reads what servers show of the document beside its name.
func (c *compiler) introduce() {
	c.unit.Icons = c.icons(c.doc.Icons, diag.Unit{})
	site := c.doc.WebsiteURL
	if !site.IsSet() {
		return
	}
	if u, err := url.Parse(site.Value); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeWrongType, "", site.Span(), "websiteUrl is %q, expected the address of a web site; it is left out", site.Value))
		return
	}
	c.unit.WebsiteURL = site.Value
}

// origin gives the function in which a panic began.
func origin(stack []byte) string {
	for _, line := range strings.Split(string(stack), "\n") {
		if strings.HasPrefix(line, "capd/engine/plan.") && !strings.Contains(line, ".Compile.func") {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "capd/engine/"), "(")
			return name
		}
	}
	return "an unknown place"
}

// compiler holds what is known while one document is compiled.
type compiler struct {
	doc         *spec.Document
	files       Files
	unit        *Unit
	list        diag.List
	more        map[int]int // units refused for a fault of list that it does not name
	vars        variables
	namespaces  map[string]*namespace
	order       []*namespace
	imports     map[string]spec.Import
	flowRefs    []flowRef
	transports  []*Transport
	resiliences []*Resilience
	usual       map[*spec.Consumed]*Resilience // of operations that say nothing of it
	roots       map[*spec.Value]string         // of caFile, by where it is written
	unreachable []*fault                       // why whole APIs are not called
	sound       []*BaseURI                     // that operations can call
	explain     bool                           // keep where everything comes from
	samples     bool                           // keep what is read of answers
	schemas     Schemas
	grant       *Grant // nil: it may do everything

	credentials map[*spec.Value]*credentialPlan // by the authentication that declares them
	auths       map[*spec.Value]authPlan        // that are as they should be, likewise

	drafts
}

// drafts are the memory that the next document is compiled in. What a unit keeps of it is a copy.
type drafts struct {
	faults  map[string]int // already reported, by code, place and message: index in list
	kept    kept
	ops     []consumed
	slots   lent[slot]  // of the operations
	pieces  lent[piece] // of their paths
	exposed exposed     // one of it makes room for the next
	draft   draft       // likewise
	text    []byte      // a JSON text
}

// lent is memory for values that one document needs. They stay where they are until the next document
// is begun, which gets the memory again.
type lent[T any] struct {
	block []T
	free  []T // of block
}

// take gives n empty values.
func (l *lent[T]) take(n int) []T {
	if n > len(l.free) {
		l.block = make([]T, max(n, 2*len(l.block), 16))
		l.free = l.block
	}
	out := l.free[:n:n]
	l.free = l.free[n:]
	return out
}

// begin takes back all that was given.
func (l *lent[T]) begin() {
	clear(l.block[:len(l.block)-len(l.free)])
	l.free = l.block
}

// fault is why a unit is refused: a diagnostic that is not reported yet.
type fault struct {
	code    diag.Code
	rule    string
	span    diag.Span
	path    string
	message string
	hint    string
	related []diag.Related
	repair  func() []diag.Edit // what mends it, if that can be written; asked when it is reported
	denied  bool               // by the policy
}

// faultf makes a fault. When one of args is an error of the policy, the fault is one of it.
func faultf(code diag.Code, rule string, span diag.Span, format string, args ...any) *fault {
	f := &fault{code: code, rule: rule, span: span, message: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			if d := asDenied(err); d != nil {
				f.adopt(d)
			}
		}
	}
	return f
}

// hintf sets the hint. That of a policy stays: nothing else helps.
func (f *fault) hintf(format string, args ...any) *fault {
	if f.denied {
		return f
	}
	f.hint = fmt.Sprintf(format, args...)
	return f
}

// refuse reports why a unit is not served. The same fault of several units is reported
// once; the other units are related places.
func (c *compiler) refuse(u diag.Unit, at diag.Span, what string, f *fault) *Refusal {
	u.Doc = c.doc.ID
	key := string(f.code) + "\x00" + f.span.String() + "\x00" + f.message
	if i, ok := c.faults[key]; ok {
		c.alsoRefused(i, at, what)
	} else {
		d := diag.Diagnostic{
			Code: f.code, Severity: diag.Error, Rule: f.rule, Span: f.span, Path: f.path, Unit: u,
			Message: f.message, Hint: f.hint, Related: f.related, Fixes: f.fixes(),
		}
		if at != f.span && at.Start.IsValid() {
			d.Related = append(slices.Clone(d.Related), diag.Related{Span: at, Message: what + " is not served"})
		}
		c.report(key, d)
	}
	return &Refusal{Code: f.code, Reason: f.message}
}

// maxRelated is how many places explain one problem before the rest is only counted.
const maxRelated = 6

// alsoRefused adds a unit to the fault that refuses it.
func (c *compiler) alsoRefused(i int, at diag.Span, what string) {
	if len(c.list[i].Related) < maxRelated {
		c.list[i].Related = append(c.list[i].Related, diag.Related{Span: at, Message: what + " is refused for the same reason"})
		return
	}
	if c.more == nil {
		c.more = map[int]int{}
	}
	c.more[i]++
}

// report adds a diagnostic, which is not reported again.
func (c *compiler) report(key string, d diag.Diagnostic) {
	if c.faults == nil {
		c.faults = map[string]int{}
	}
	c.faults[key] = len(c.list)
	c.list.Add(d)
}

// countMore says how many units a fault refuses beside those it names.
func (c *compiler) countMore() {
	for i, n := range c.more {
		c.list[i].Related = append(c.list[i].Related, diag.Related{Span: c.list[i].Span, Message: fmt.Sprintf("and %d more, refused for the same reason", n)})
	}
}

// note reports something that refuses nothing, once.
func (c *compiler) note(sev diag.Severity, u diag.Unit, f *fault) {
	u.Doc = c.doc.ID
	key := string(f.code) + "\x00" + f.span.String() + "\x00" + f.message
	if _, ok := c.faults[key]; ok {
		return
	}
	if f.denied {
		sev = diag.Error // something that was asked for is not there
	}
	c.report(key, diag.Diagnostic{
		Code: f.code, Severity: sev, Rule: f.rule, Span: f.span, Path: f.path, Unit: u,
		Message: f.message, Hint: f.hint, Related: f.related, Fixes: f.fixes(),
	})
}

func (c *compiler) serves() bool {
	for _, e := range c.unit.Exposures {
		if len(e.Routes)+len(e.Tools)+len(e.Skills)+len(e.Resources)+len(e.Prompts) > 0 {
			return true
		}
	}
	return c.onlyControls()
}

// finish judges the document as a whole and drops what no served operation needs.
func (c *compiler) finish() {
	if c.declared() == 0 && !c.onlyControls() {
		c.nothingExposed()
	}
	for _, f := range c.unreachable {
		c.note(diag.Warning, diag.Unit{}, f) // where nothing exposed has been refused for it
	}
	c.fixVariables()
	c.vars.settle()
	c.listConsumed()
}

func (c *compiler) nothingExposed() {
	at, _ := c.doc.Locate("/capability/exposes")
	at.End = diag.Pos{}
	f := faultf(diag.CodeNothingExposed, "L4", at, "the document exposes no REST operation, no MCP tool and no skill").
		hintf("add an adapter of type rest, mcp or skill to capability.exposes")
	if t := c.doc.Truncation; t != nil {
		f = faultf(diag.CodeTruncatedBeforeExposes, "L4", t.Span, "the text was cut off before anything is exposed")
		if t.Source != "" {
			f.hintf("get the full text from %s", t.Source)
		}
	}
	c.refuse(diag.Unit{}, f.span, "the document", f)
}

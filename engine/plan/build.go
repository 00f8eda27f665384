package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// draft is one exposed operation while it is compiled: what its calls have in common. A compiler
// has one, of which it makes operation after operation: what an operation keeps is copied.
type draft struct {
	c         *compiler
	x         *exposed
	own       string // namespace by which the strings being compiled refer to inputs
	inputs    []input
	asked     []lookup      // the places by which inputs were asked for
	known     []knownInput  // what is known of each input
	reached   names         // input names that something asks for
	paths     []bool        // placeholders that something asks for
	excused   names         // names that only a dropped parameter asked for, by letters and digits
	fed       names         // input names that with uses
	implicit  *property     // the body of a tool whose body is implicit
	bindings  []binding     // names that with of the operation or of a flow gives, the inner ones last
	steps     *stepDraft    // nil: a single call, or no call
	shape     []spec.Output // outputParameters that shape the answer
	answering *consumed     // what gives the answer; nil: no call
	asks      *askDraft     // nil: nothing is asked
	heads     []string      // the first members that are read of the answer of a single call

	outputDecls map[*output]*spec.Output // what declares the parts of the answer

	out *Operation
	why []*provenance // of each call; empty unless explained

	// What of it is compiled now. One makes room for the next.
	builder   builder
	stepDraft stepDraft
	rare      rareOperation
}

// knownInput is what is known of an input while its operation is compiled.
type knownInput struct {
	asked    []lookup // the places by which it was asked for
	fallback *slot    // a parameter with a default that takes it
	feeds    bool     // slots, and template variables, which say what property is
	property property
}

// said gives what the slots that an input feeds say of it; nil: it feeds none.
func (d *draft) said(i int) *property {
	if k := &d.known[i]; k.feeds {
		return &k.property
	}
	return nil
}

// names is a set of few names.
type names []string

func (n names) has(name string) bool { return slices.Contains(n, name) }

func (n *names) add(name string) {
	if !n.has(name) {
		*n = append(*n, name)
	}
}

// builder makes one call of a consumed operation.
type builder struct {
	*draft
	op       *consumed // nil: no call, just values
	answers  bool      // there is an answer to map
	with     *spec.Value
	slots    []*slot // live slots of op
	vars     []templateVar
	feeds    feeds[*slot]  // of slots, from with or own value
	sources  feeds[*slot]  // the values of slots
	varFeeds feeds[string] // template variables fed by with
	extra    []member      // W5: members of an implicit body
	pairs    []queryPart   // W5: query pairs
	whole    *expression   // W5: the whole of an implicit body
	readAt   []string      // where in the answer nested mappings read
	call     *Call
	parts    callParts
	why      *provenance // nil unless explained
}

// feeds are values by what they are for.
type feeds[K comparable] []feed[K]

type feed[K comparable] struct {
	of    K
	value expression
}

func (f feeds[K]) get(of K) (x expression, ok bool) {
	for i := range f {
		if f[i].of == of {
			return f[i].value, true
		}
	}
	return x, false
}

// set sets the value of one, and gives where it is until the next is set.
func (f *feeds[K]) set(of K, x expression) *expression {
	at := slices.IndexFunc(*f, func(f feed[K]) bool { return f.of == of })
	if at < 0 {
		at = len(*f)
		*f = append(*f, feed[K]{of: of})
	}
	(*f)[at].value = x
	return &(*f)[at].value
}

// build compiles an exposed operation, or says why it is refused.
func (c *compiler) build(x *exposed) (*Operation, *Refusal) {
	op, f := c.buildOperation(x)
	if f != nil {
		return nil, c.refuse(x.unit, x.decl.Span, x.title(), f)
	}
	return op, nil
}

func (c *compiler) buildOperation(x *exposed) (*Operation, *fault) {
	if f := c.truncated(x.decl.Span, x.title); f != nil {
		return nil, f
	}
	d := c.newDraft(x)
	run := x.decl
	if f := d.declareAsks(&x.decl.Asking); f != nil {
		return nil, f
	}
	if x.decl.Ref.IsSet() {
		var f *fault
		if run, f = d.enterFlow(); f != nil {
			return nil, f
		}
		if f = d.declareAsks(&x.flow.flow.Asking); f != nil {
			return nil, f
		}
	}
	d.shape = run.Outputs
	d.judgeModes(run)
	var f *fault
	silent := (run.Call == nil || run.Call.Kind == spec.Null) && run.CallForm == nil // it calls nothing
	switch {
	case x.text != nil:
		f = d.buildPlain(x.text)
	case run.HasSteps:
		f = d.buildSteps(run)
	case silent && (isConstant(run.Outputs) || x.says() && len(run.Outputs) == 0):
		f = d.buildConstant()
	default:
		f = d.buildCall(run)
	}
	if f == nil {
		f = d.buildAsks(&x.decl.Asking)
	}
	if f != nil {
		return nil, f
	}
	if f = c.exchanges(d.out, x.out); f != nil {
		return nil, f
	}
	d.finish()
	return d.out, nil
}

// newDraft begins an operation. It ends the one before.
func (c *compiler) newDraft(x *exposed) *draft {
	c.draft.begin(c, x)
	return &c.draft
}

// begin forgets all but the memory.
func (d *draft) begin(c *compiler, x *exposed) {
	clear(d.outputDecls)
	*d = draft{
		c: c, x: x, own: x.own, outputDecls: d.outputDecls, builder: d.builder, stepDraft: d.stepDraft,
		inputs: d.inputs[:0], asked: d.asked[:0], known: d.known[:0], reached: d.reached[:0], excused: d.excused[:0], fed: d.fed[:0], bindings: d.bindings[:0],
		paths: slices.Grow(d.paths[:0], len(x.params))[:len(x.params)],
		out:   newOperation(x.out, x.unit.Name, &d.rare),
	}
	clear(d.paths)
}

// newBuilder begins a call, or, with a nil op, values without one. It ends the one before, unless
// that is to be explained.
func (d *draft) newBuilder(op *consumed, with *spec.Value) *builder {
	b := &d.builder
	if d.c.explain {
		b = new(builder)
	}
	*b = builder{
		draft: d, op: op, answers: op != nil, with: with, parts: b.parts,
		slots: b.slots[:0], vars: b.vars[:0], feeds: b.feeds[:0], sources: b.sources[:0], varFeeds: b.varFeeds[:0], pairs: b.pairs[:0], readAt: b.readAt[:0],
	}
	if d.c.explain {
		b.why = newProvenance(b)
		d.why = append(d.why, b.why)
	}
	return b
}

// finish hands what was found of the inputs to the operation.
func (d *draft) finish() {
	d.out.intake = d.inputSchema()
	d.applyDeclared()
	d.out.inputs = d.inputs
	d.out.schema = d.outputSchema()
	d.out.structured = d.x.kind == MCP && d.out.schema != nil
	if d.out.output != nil {
		d.out.shape = newShape(d.out.output)
	}
	d.finishSchemas()
	if d.x.kind == REST {
		d.out.intake = d.takeDown()
	}
	d.noteUnusedBindings()
	d.finishProvenance()
	d.c.kept.settle(d.out)
}

// consumedBy finds what a call means and whether that can be called.
func (d *draft) consumedBy(by *callee) (*consumed, *fault) {
	op, f := d.c.resolve(by)
	if f != nil {
		return nil, f
	}
	if op.fault != nil {
		return nil, op.fault
	}
	if f := d.c.truncated(op.decl.Span, op.title); f != nil {
		return nil, f
	}
	for _, w := range op.warnings {
		d.c.note(diag.Warning, d.x.unit, w)
	}
	return op, nil
}

// truncated refuses what holds the last node of a text that was cut off (contract L3).
func (c *compiler) truncated(at diag.Span, what func() string) *fault {
	t := c.doc.TruncationOf(at.File)
	if t == nil || !at.Start.IsValid() || t.Last.Start.Compare(at.Start) < 0 || t.Last.Start.Compare(at.End) > 0 {
		return nil
	}
	f := faultf(diag.CodeTruncated, "L3", t.Last, "the text was cut off inside %s", what())
	if t.Source != "" {
		f.hintf("get the full text from %s", t.Source)
	}
	return f
}

// buildConstant compiles an operation whose answer stands in the document.
func (d *draft) buildConstant() *fault {
	b := d.newBuilder(nil, nil)
	if f := b.readOutputs(); f != nil {
		return f
	}
	return b.readContent()
}

// buildCall compiles an operation that is one call.
func (d *draft) buildCall(run *spec.ExposedOperation) *fault {
	op, f := d.consumedBy(&callee{x: d.x, call: run.Call, form: run.CallForm, at: run.Span})
	if f != nil {
		return f
	}
	b := d.newBuilder(op, run.With)
	if f := b.build(); f != nil {
		return f
	}
	for _, step := range []func() *fault{b.readContent, b.checkInputs, b.readOutputs} {
		if f := step(); f != nil {
			return f
		}
	}
	d.answering = op
	d.out.steps = []step{&callStep{index: 0, call: b.call}}
	d.out.passEncoding = d.out.output == nil && d.x.kind == REST
	b.call.mapped = b.call.mapped || d.out.output != nil || d.out.contents != nil
	d.out.conditional = d.conditional(b.call)
	return nil
}

// build compiles the request.
func (b *builder) build() *fault {
	op := b.op
	b.begin(op.target(b.c.unit), rareCall{})
	for _, s := range op.slots {
		if !s.dropped && !s.authFilled {
			b.slots = append(b.slots, s)
		} else if !s.host {
			b.excused.add(expr.Fold(s.name))
		}
	}
	if f := b.collectVars(); f != nil {
		return f
	}
	for _, step := range []func() *fault{b.readWith, b.pairLost, b.placeSlots, b.placeBody, b.placeAuth} {
		if f := step(); f != nil {
			return f
		}
	}
	b.parts.settle(b.call, &op.made, &b.c.kept)
	return nil
}

// callParts is memory for the parts of a call while they are found.
type callParts struct {
	path             []pathPart
	query            []queryPart
	headers, cookies []headerPart
	required         []requirement
	body             bodyPlan
	rare             rareCall
}

// lend gives it to a call.
func (p *callParts) lend(c *Call, rare rareCall) {
	p.body, p.rare = bodyPlan{}, rare
	c.body, c.rareCall = &p.body, &p.rare
	c.path, c.query, c.headers, c.cookies, c.required = p.path[:0], p.query[:0], p.headers[:0], p.cookies[:0], p.required[:0]
}

// settle takes it back from a call, which shares what another call of the operation has too, and
// gets memory of its own for the rest, as much as it needs.
func (p *callParts) settle(c *Call, of *madeParts, kept *kept) {
	p.path, p.query, p.headers, p.cookies, p.required = c.path, c.query, c.headers, c.cookies, c.required
	c.path, c.query, c.headers, c.cookies, c.required = once(&of.paths, p.path), once(&of.queries, p.query), once(&of.headers, p.headers), exactly(p.cookies), once(&of.required, p.required)
	kept.settleCall(c)
}

// madeParts are the parts of the calls of a consumed operation.
type madeParts struct {
	paths    [][]pathPart
	queries  [][]queryPart
	headers  [][]headerPart
	required [][]requirement
}

// once gives the list that is equal and made already, of the recent ones, or else copies it into memory
// of its size.
func once[T comparable](made *[][]T, list []T) []T {
	for _, m := range recent(*made) {
		if slices.Equal(m, list) {
			return m
		}
	}
	list = exactly(list)
	*made = append(*made, list)
	return list
}

// exactly copies a list into memory of its size.
func exactly[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	out := make([]T, len(list))
	copy(out, list)
	return out
}

// begin makes the call.
func (b *builder) begin(to *callTarget, rare rareCall) {
	b.call = &Call{callTarget: to}
	b.parts.lend(b.call, rare)
}

// target gives what all calls of the operation have in common.
func (op *consumed) target(unit *Unit) *callTarget {
	if op.called == nil {
		op.called = &callTarget{
			unit: unit, name: op.label(), description: op.decl.Description.Value, method: op.method, base: op.base,
			basic: op.auth.basic, literals: op.auth.literals, credential: op.auth.credential, transport: op.transport, resilience: op.resilience,
		}
	}
	return op.called
}

// input gives the number of an input, made when first asked for.
func (b *draft) input(name string, lookups []lookup) int {
	for i := range lookups {
		if l := &lookups[i]; l.kind == lookPath {
			b.paths[l.index] = true
			b.reached.add(b.x.params[l.index])
		} else {
			b.reached.add(l.name)
		}
	}
	b.reached.add(name)
	for i := range b.inputs {
		if b.inputs[i].name == name && slices.EqualFunc(b.known[i].asked, lookups, lookup.equals) {
			return i
		}
	}
	from := len(b.asked)
	b.asked = append(b.asked, lookups...)
	asked := b.asked[from:len(b.asked):len(b.asked)]
	b.inputs = append(b.inputs, input{name: name, lookups: asked})
	b.known = append(b.known, knownInput{asked: asked})
	return len(b.inputs) - 1
}

func (b *draft) inputExpr(name string, lookups []lookup) expression {
	return expression{kind: exprInput, index: int32(b.input(name, lookups))}
}

// byName is the input that a slot or template variable takes for its own name (contract
// I2, I3).
func (b *draft) byName(in, name string) expression {
	if b.x.kind != REST {
		return b.argument(name)
	}
	var room [maxPlaces]lookup
	l, declared := b.appendDeclared(room[:0], name)
	if declared {
		return b.inputExpr(name, l)
	}
	order := "BQP"
	switch in {
	case "path":
		order = "PQB"
	case "query":
		order = "QP"
	case "header":
		order = "H"
	case "cookie":
		order = "QH"
	}
	return b.inputExpr(name, b.appendPlaces(l, order, name))
}

// maxPlaces is in how many places an input is usually looked for at most.
const maxPlaces = 8

// appendDeclared appends where the exposed operation says that the input is read; it is read
// nowhere else. ok is false when the operation does not declare it.
func (b *draft) appendDeclared(dst []lookup, name string) (_ []lookup, ok bool) {
	i, ok := b.x.declares(name)
	if !ok {
		return dst, false
	}
	d := &b.x.declared[i]
	order := "BQP"
	switch d.in {
	case "path":
		order = "P"
	case "query":
		order = "QP"
	case "header":
		order = "H"
	case "cookie":
		order = "C"
	}
	return b.appendPlaces(dst, order, d.name), true
}

// appendPlaces appends REST lookups in the order of the letters: P placeholder, Q query, B member
// of the body, H header, C cookie.
func (b *draft) appendPlaces(dst []lookup, order, name string) []lookup {
	for _, letter := range order {
		switch letter {
		case 'P':
			if i, ok := matchName(name, b.x.params); ok {
				dst = append(dst, lookup{kind: lookPath, index: int32(i)})
			}
		case 'Q':
			dst = append(dst, lookup{kind: lookQuery, name: name})
		case 'B':
			dst = append(dst, lookup{kind: lookMember, name: name})
		case 'H':
			dst = append(dst, lookup{kind: lookHeader, name: name})
		case 'C':
			dst = append(dst, lookup{kind: lookCookie, name: name})
		}
	}
	return dst
}

// argument is the argument of a tool that has the name.
func (b *draft) argument(name string) expression {
	return b.inputExpr(name, []lookup{argumentLookup(name)})
}

func argumentLookup(name string) lookup {
	l := lookup{kind: lookArg, name: name}
	if fold := expr.Fold(name); fold != name {
		l.more = &lookupMore{fold: fold}
	}
	return l
}

// reference is the input that a name with an input prefix means (contract W2). member
// says that it stands alone as the value of a key named body that is one of several.
func (b *draft) reference(name string, member bool) expression {
	if x, ok := b.bound(name); ok {
		return x
	}
	b.fed.add(name)
	scope, rest, scoped := cutScope(name)
	if b.x.kind != REST {
		x := b.argument(name)
		if scoped && scope != "body" {
			b.inputs[x.index].lookups = []lookup{argumentLookup(name), argumentLookup(rest)}
			b.reached.add(rest)
		}
		return x
	}
	var room [maxPlaces]lookup
	switch {
	case name == "body" && member:
		return b.inputExpr(name, b.appendPlaces(room[:0], "B", name))
	case name == "body":
		return b.inputExpr(name, []lookup{{kind: lookBody, name: "body"}})
	case !scoped:
		l, _ := b.appendDeclared(room[:0], name)
		return b.inputExpr(name, b.appendPlaces(l, "PQBH", name))
	}
	order := "H"
	switch scope {
	case "path":
		order = "P"
	case "query":
		order = "Q"
	case "body":
		order = "B"
	}
	return b.inputExpr(rest, b.appendPlaces(b.appendPlaces(room[:0], "PQ", name), order, rest))
}

// cutScope takes path., query., header(s). or body. off a name.
func cutScope(name string) (scope, rest string, ok bool) {
	scope, rest, ok = strings.Cut(name, ".")
	switch scope {
	case "path", "query", "header", "headers", "body":
		return scope, rest, ok && rest != ""
	}
	return "", "", false
}

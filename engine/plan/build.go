package plan

import (
	"strings"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// draft is one exposed operation while it is compiled: what its calls have in common.
type draft struct {
	c         *compiler
	x         *exposed
	own       string // namespace by which the strings being compiled refer to inputs
	inputs    []input
	index     map[string]int
	reached   map[string]bool   // input names that something asks for
	paths     map[int]bool      // placeholders that something asks for
	excused   map[string]bool   // names that only a dropped parameter asked for
	fed       map[string]bool   // input names that with uses
	props     map[int]*property // what is known of each input
	fallbacks map[int]*slot     // parameters with a default that take the input
	implicit  *property         // the body of a tool whose body is implicit
	bindings  []binding         // names that with of the operation or of a flow gives, the inner ones last
	steps     *stepDraft        // nil: a single call, or no call
	shape     []spec.Output     // outputParameters that shape the answer
	answering *consumed         // what gives the answer; nil: no call
	asks      *askDraft         // nil: nothing is asked

	outputDecls map[*output]*spec.Output // what declares the parts of the answer

	out *Operation
	why []*provenance // of each call; empty unless explained
}

// builder makes one call of a consumed operation.
type builder struct {
	*draft
	op       *consumed // nil: no call, just values
	answers  bool      // there is an answer to map
	with     *spec.Value
	slots    []*slot // live slots of op
	vars     []templateVar
	feeds    map[*slot]*expression  // from with or own value
	varFeeds map[string]*expression // template variables fed by with
	extra    []member               // W5: members of an implicit body
	pairs    []queryPart            // W5: query pairs
	whole    *expression            // W5: the whole of an implicit body
	readAt   []string               // where in the answer nested mappings read
	call     *Call
	why      *provenance // nil unless explained
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
	if f := c.truncated(x.decl.Span, x.title()); f != nil {
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

// newDraft begins an operation.
func (c *compiler) newDraft(x *exposed) *draft {
	return &draft{
		c: c, x: x, own: x.own, index: map[string]int{}, reached: map[string]bool{}, paths: map[int]bool{},
		excused: map[string]bool{}, fed: map[string]bool{}, props: map[int]*property{}, fallbacks: map[int]*slot{},
		out: &Operation{unit: c.unit, exposure: x.out, called: x.unit.Name, name: c.unit.ID + "/" + adapterName(x.out) + "/" + x.unit.Name},
	}
}

// newBuilder begins a call, or, with a nil op, values without one.
func (d *draft) newBuilder(op *consumed, with *spec.Value) *builder {
	b := &builder{draft: d, op: op, answers: op != nil, with: with, feeds: map[*slot]*expression{}, varFeeds: map[string]*expression{}}
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
}

// consumedBy finds what a call means and whether that can be called.
func (d *draft) consumedBy(call, form *spec.Value, at diag.Span, what string) (*consumed, *fault) {
	op, f := d.c.resolve(&callee{x: d.x, call: call, form: form, at: at, what: what})
	if f != nil {
		return nil, f
	}
	if op.fault != nil {
		return nil, op.fault
	}
	if f := d.c.truncated(op.decl.Span, "operation "+op.label()); f != nil {
		return nil, f
	}
	for _, w := range op.warnings {
		d.c.note(diag.Warning, d.x.unit, w)
	}
	return op, nil
}

// truncated refuses what holds the last node of a text that was cut off (contract L3).
func (c *compiler) truncated(at diag.Span, what string) *fault {
	t := c.doc.TruncationOf(at.File)
	if t == nil || !at.Start.IsValid() || t.Last.Start.Compare(at.Start) < 0 || t.Last.Start.Compare(at.End) > 0 {
		return nil
	}
	f := faultf(diag.CodeTruncated, "L3", t.Last, "the text was cut off inside %s", what)
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
	op, f := d.consumedBy(run.Call, run.CallForm, run.Span, d.x.title())
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
	b.call = &Call{unit: b.c.unit, name: op.label(), description: op.decl.Description.Value, method: op.method, base: op.base, pattern: op.segments(), transport: op.transport, resilience: op.resilience}
	b.out.calls = append(b.out.calls, b.call)
	for _, s := range op.slots {
		if !s.dropped && !s.authFilled {
			b.slots = append(b.slots, s)
		} else if !s.host {
			b.excused[expr.Fold(s.name)] = true
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
	return nil
}

// segments gives the operation's path as segments, for matching a request to it.
func (op *consumed) segments() []Segment {
	if op.pattern != nil {
		return op.pattern
	}
	var text strings.Builder
	for _, p := range op.path {
		if p.ref != nil {
			text.WriteString("{x}")
		} else {
			text.WriteString(p.literal)
		}
	}
	path := text.String()
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	op.pattern, _ = compilePattern(path)
	return op.pattern
}

// input gives the number of an input, made when first asked for.
func (b *draft) input(name string, lookups []lookup) int {
	key := append(make([]byte, 0, 64), name...)
	for _, l := range lookups {
		key = append(key, 0, byte(l.kind))
		key = append(key, l.name...)
		key = utf8.AppendRune(key, rune(l.index))
		switch l.kind {
		case lookPath:
			b.paths[l.index] = true
			b.reached[b.x.params[l.index]] = true
		default:
			b.reached[l.name] = true
		}
	}
	b.reached[name] = true
	if i, ok := b.index[string(key)]; ok {
		return i
	}
	b.index[string(key)] = len(b.inputs)
	b.inputs = append(b.inputs, input{name: name, lookups: lookups})
	return len(b.inputs) - 1
}

func (b *draft) inputExpr(name string, lookups []lookup) expression {
	return expression{kind: exprInput, index: b.input(name, lookups)}
}

// byName is the input that a slot or template variable takes for its own name (contract
// I2, I3).
func (b *draft) byName(in, name string) expression {
	if b.x.kind != REST {
		return b.inputExpr(name, b.arguments(name))
	}
	if l, ok := b.declaredPlace(name); ok {
		return b.inputExpr(name, l)
	}
	switch in {
	case "path":
		return b.inputExpr(name, b.places("PQB", name))
	case "query":
		return b.inputExpr(name, b.places("QP", name))
	case "header":
		return b.inputExpr(name, b.places("H", name))
	case "cookie":
		return b.inputExpr(name, b.places("QH", name))
	}
	return b.inputExpr(name, b.places("BQP", name))
}

// declaredPlace is where the exposed operation says that the input is read; it is read
// nowhere else.
func (b *draft) declaredPlace(name string) ([]lookup, bool) {
	names := make([]string, len(b.x.declared))
	for i, d := range b.x.declared {
		names[i] = d.name
	}
	i, ok := matchName(name, names)
	if !ok {
		return nil, false
	}
	d := b.x.declared[i]
	switch d.in {
	case "path":
		return b.places("P", d.name), true
	case "query":
		return b.places("QP", d.name), true
	case "header":
		return b.places("H", d.name), true
	case "cookie":
		return b.places("C", d.name), true
	}
	return b.places("BQP", d.name), true
}

// places gives REST lookups in the order of the letters: P placeholder, Q query, B member
// of the body, H header, C cookie.
func (b *draft) places(order, name string) []lookup {
	out := make([]lookup, 0, len(order))
	for _, letter := range order {
		switch letter {
		case 'P':
			if i, ok := matchName(name, b.x.params); ok {
				out = append(out, lookup{kind: lookPath, index: i})
			}
		case 'Q':
			out = append(out, lookup{kind: lookQuery, name: name})
		case 'B':
			out = append(out, lookup{kind: lookMember, name: name})
		case 'H':
			out = append(out, lookup{kind: lookHeader, name: name})
		case 'C':
			out = append(out, lookup{kind: lookCookie, name: name})
		}
	}
	return out
}

func (b *draft) arguments(name string) []lookup {
	return []lookup{{kind: lookArg, name: name, fold: expr.Fold(name)}}
}

// reference is the input that a name with an input prefix means (contract W2). member
// says that it stands alone as the value of a key named body that is one of several.
func (b *draft) reference(name string, member bool) expression {
	if x, ok := b.bound(name); ok {
		return x
	}
	b.fed[name] = true
	if b.x.kind != REST {
		x := b.inputExpr(name, b.arguments(name))
		if scope, rest, ok := cutScope(name); ok && scope != "body" {
			i := x.index
			b.inputs[i].lookups = append(b.inputs[i].lookups[:1:1], b.arguments(rest)...)
			b.reached[rest] = true
		}
		return x
	}
	switch {
	case name == "body" && member:
		return b.inputExpr(name, b.places("B", name))
	case name == "body":
		return b.inputExpr(name, []lookup{{kind: lookBody, name: "body"}})
	}
	scope, rest, ok := cutScope(name)
	if !ok {
		if l, found := b.declaredPlace(name); found {
			return b.inputExpr(name, append(l, b.places("PQBH", name)...))
		}
		return b.inputExpr(name, b.places("PQBH", name))
	}
	full := b.places("PQ", name)
	switch scope {
	case "path":
		return b.inputExpr(rest, append(full, b.places("P", rest)...))
	case "query":
		return b.inputExpr(rest, append(full, b.places("Q", rest)...))
	case "body":
		return b.inputExpr(rest, append(full, b.places("B", rest)...))
	}
	return b.inputExpr(rest, append(full, b.places("H", rest)...))
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

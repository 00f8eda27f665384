package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// buildSteps compiles an orchestration.
func (d *draft) buildSteps(run *spec.ExposedOperation) *fault {
	d.steps = &d.stepDraft
	d.steps.begin(len(run.Steps))
	for i := range run.Steps {
		name := run.Steps[i].Name
		if name.Value == "" {
			return faultf(diag.CodeStep, "", run.Steps[i].Span, "a step of %s has no name", d.x.title()).hintf("give it one: others refer to its answer by it")
		}
		if slices.Contains(d.steps.names, name.Value) {
			return faultf(diag.CodeStep, "", name.Span(), "%s has two steps called %s", d.x.title(), name.Value).hintf("give one of them another name")
		}
		d.steps.names = append(d.steps.names, name.Value)
	}
	if len(run.Steps) == 0 {
		return faultf(diag.CodeStep, "", run.Span, "%s has no steps", d.x.title()).hintf("add a step, or write call: namespace.operation")
	}
	if f := d.bind(run.With); f != nil {
		return f
	}
	var waves waves
	d.out.steps = make([]step, 0, len(run.Steps))
	for i := range run.Steps {
		d.steps.next(i)
		s, f := d.step(&run.Steps[i])
		if f != nil {
			return f
		}
		said, f := d.remark(&run.Steps[i])
		if f != nil {
			return f
		}
		if said != nil && d.out.remarks == nil {
			d.out.remarks = make([]*remark, len(run.Steps))
		}
		if said != nil {
			d.out.remarks[i] = said
		}
		d.out.steps = append(d.out.steps, s)
		waves.add(i, d.steps.facts, s.hasEffects())
	}
	d.steps.current = len(run.Steps)
	d.out.waves = waves.list
	if f := d.stepOutputs(run); f != nil {
		return f
	}
	if f := d.newBuilder(nil, nil).readContent(); f != nil {
		return f
	}
	if f := d.readAnswers(); f != nil {
		return f
	}
	if d.out.last >= 0 {
		d.answering = d.steps.facts[d.out.last].called
	}
	d.out.passEncoding = d.out.output == nil && d.x.kind == REST
	return d.checkStepInputs()
}

// step compiles one step.
func (d *draft) step(decl *spec.Step) (step, *fault) {
	kind := strings.ToLower(decl.Type.Value)
	if kind == "" {
		kind = stepKind(decl)
	}
	d.judgeStepWords(decl, kind)
	switch kind {
	case "call":
		return d.callStep(decl)
	case "lookup":
		return d.lookupStep(decl)
	case "script":
		return d.scriptStep(decl)
	case "log":
		if decl.Log == nil {
			return nil, faultf(diag.CodeStep, "", decl.Span, "step %s says nothing", decl.Name.Value).hintf("write log: a text")
		}
		return &remarkStep{decl.Name.Value}, nil
	case "":
		return nil, faultf(diag.CodeStep, "", decl.Span, "step %s has no type", decl.Name.Value).hintf("write type: call, lookup or script")
	}
	f := faultf(diag.CodeStep, "", decl.Type.Span(), "step type %q is not defined", decl.Type.Value)
	if near, ok := diag.Nearest(kind, []string{"call", "lookup", "script", "log"}); ok {
		return nil, f.hintf("did you mean %s?", near)
	}
	return nil, f.hintf("expected call, lookup or script")
}

// stepWords are the words that only steps of one type can say.
var stepWords = [...]struct {
	kind, belongs string
	words         []string
}{
	{"call", "steps of type call", []string{"call"}},
	{"lookup", "steps of type lookup", []string{"index", "match", "lookupValue", "outputParameters"}},
	{"script", "steps of type script", []string{"file", "language", "location", "dependencies"}},
}

// judgeStepWords reports what a step says that only steps of another type can say.
func (d *draft) judgeStepWords(decl *spec.Step, kind string) {
	for _, other := range stepWords {
		if other.kind != kind {
			d.c.misplaced(decl.Node, d.x.unit, other.belongs, other.words...)
		}
	}
	if kind == "lookup" || kind == "log" {
		d.c.misplaced(decl.Node, d.x.unit, "steps of type call or script", "with")
	}
}

// judgeModes reports what an operation says for another way of running than its own.
func (d *draft) judgeModes(run *spec.ExposedOperation) {
	switch {
	case run.HasSteps && run.Call != nil && run.Call.Kind != spec.Null:
		d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeAssumed, "K", run.Call.Span(), "call of %s is ignored, since its steps say what it runs", d.x.title()).
			hintf("leave out one of the two"))
	case !run.HasSteps && len(run.Mappings) > 0:
		d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeNotHonoured, "", run.Mappings[0].Span, "mappings of %s have no effect, since it has no steps", d.x.title()).
			hintf("write what the answer is made of in outputParameters"))
	}
}

// stepKind tells the type of a step that does not say it, by what it has.
func stepKind(decl *spec.Step) string {
	switch {
	case decl.Call != nil:
		return "call"
	case decl.Index.IsSet():
		return "lookup"
	case decl.File.IsSet():
		return "script"
	case decl.Log != nil:
		return "log"
	}
	return ""
}

func (d *draft) callStep(decl *spec.Step) (step, *fault) {
	op, f := d.consumedBy(&callee{x: d.x, step: decl.Name.Value, call: decl.Call, at: decl.Span})
	if f != nil {
		return nil, f
	}
	b := d.newBuilder(op, decl.With)
	if f := b.build(); f != nil {
		return nil, f
	}
	s := &callStep{index: d.steps.current, step: decl.Name.Value, call: b.call}
	is := &d.steps.facts[s.index]
	is.called = op
	if d.c.samples {
		is.sampled = b.call
	}
	s.projection, f = b.project()
	is.projection = s.projection
	return s, f
}

// readAnswers compiles how the answers that something reads become JSON.
func (d *draft) readAnswers() *fault {
	for i, s := range d.out.steps {
		call, ok := s.(*callStep)
		if !ok {
			continue
		}
		is, answers := &d.steps.facts[i], i == d.out.last
		call.keep = is.read || d.out.output != nil && answers
		call.final = answers
		call.call.mapped = call.keep
		if !call.keep {
			continue
		}
		var by *output
		if answers {
			by = d.out.output
		}
		var f *fault
		if call.reading, f = d.c.reading(is.called, is.heads, by); f != nil {
			return f
		}
	}
	return nil
}

// project compiles the outputs that the consumed operation declares: named ones are what
// other steps see of an answer (language reference 4.7). It is nil where they see all of it.
func (b *builder) project() (*projection, *fault) {
	var p projection
	for i := range b.op.decl.Outputs {
		o := b.op.decl.Outputs[i]
		text := o.Mapping
		if !o.HasMapping {
			text = o.Value.AsText()
		}
		path, err := expr.ParseJSONPath(text.Value)
		if err != nil {
			return nil, faultf(diag.CodeOutput, "R1", text.Span(), "%s", err.Error()).hintf("write a path such as $.data.items")
		}
		if o.Name.Value == "" {
			if len(p.parts) == 0 && !path.IsWhole() {
				p.whole = path
			}
			continue
		}
		p.names = append(p.names, o.Name.Value)
		p.parts = append(p.parts, path)
	}
	if p.whole == nil && p.parts == nil {
		return nil, nil
	}
	return &p, nil
}

// checkStepInputs refuses inputs that no step and no mapping reads (contract I5).
func (d *draft) checkStepInputs() *fault {
	if slices.ContainsFunc(d.out.steps, func(s step) bool { _, ok := s.(*scriptStep); return ok }) {
		return nil // a script sees every input
	}
	if d.x.kind == REST {
		for i, name := range d.x.params {
			if !d.paths[i] && !d.reached.has(name) && !d.excused.has(expr.Fold(name)) {
				return faultf(diag.CodeUnusedPathInput, "I5", d.placeholderSpan(name), "{%s} of %s is read by no step", name, d.x.title()).
					hintf("pass it to a step: with: {parameter: \"{{%s}}\"}", name)
			}
		}
	}
	for i := range d.x.declared {
		in := &d.x.declared[i]
		if d.isReached(in.name) || d.isShown(in.name) || d.excused.has(expr.Fold(in.name)) {
			continue
		}
		f := faultf(diag.CodeUnboundInput, "I5", in.param.Span, "input %q of %s is read by no step", in.name, d.x.title())
		if near, ok := diag.Nearest(in.name, slices.Sorted(slices.Values(d.reached))); ok {
			return f.hintf("did you mean %s?", near)
		}
		return f.hintf("pass it to a step: with: {parameter: \"{{%s}}\"}", in.name)
	}
	return nil
}

// waves puts steps into groups that run one behind the other; those of a group run together.
// A step with effects is alone: everything before it has ended, and nothing behind it has
// begun.
type waves struct {
	list [][]int
	of   []int // wave of each step
	from int   // the first wave that a step may still join
}

func (w *waves) add(i int, steps []stepFact, effects bool) {
	at := w.from
	for k := range w.of {
		if steps[k].dep {
			at = max(at, w.of[k]+1)
		}
	}
	if effects {
		at = len(w.list)
		w.from = at + 1
	}
	for len(w.list) <= at {
		w.list = append(w.list, nil)
	}
	w.list[at] = append(w.list[at], i)
	w.of = append(w.of, at)
}

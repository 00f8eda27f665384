package plan

import (
	"context"
	"errors"
	"slices"

	"capd/engine/expr"
	"capd/engine/script"
	"capd/engine/spec"
)

// scriptStep runs a script on what the inputs and the earlier steps gave (language reference
// 11). Its variable context has a member for each input, then for each step, then for each
// key of with; the later ones win.
type scriptStep struct {
	index   int
	step    string
	program *script.Program
	limits  script.Limits
	context expression // an object
}

// scriptStep compiles a script.
func (d *draft) scriptStep(decl *spec.Step) (step, *fault) {
	s := &scriptStep{index: d.steps.current, step: decl.Name.Value, context: expression{kind: exprObject, detail: &detail{}}}
	var f *fault
	if s.program, s.limits, f = d.c.compileScript(decl); f != nil {
		return nil, f
	}
	d.c.unit.scripts = true
	return s, d.scriptContext(s, decl)
}

func (d *draft) scriptContext(s *scriptStep, decl *spec.Step) *fault {
	b := d.newBuilder(nil, decl.With)
	set := func(name string, x expression) {
		if i := slices.Index(s.context.detail.names, name); i >= 0 {
			s.context.parts[i] = x
			return
		}
		s.context.addMember(name, x)
	}
	for _, name := range d.x.params {
		set(name, d.byName("", name))
	}
	for _, in := range d.x.declared {
		x := d.byName("", in.name)
		if x.kind == exprInput {
			x.typ = valueTypeOf(in.typ)
		}
		b.noteInputs(x, nil)
		set(in.name, x)
	}
	for i := range d.bindings {
		d.bindings[i].used = true
		set(d.bindings[i].name, d.bindings[i].value)
	}
	if d.asks != nil {
		set(answersName, d.allAnswers())
	}
	for i := range d.steps.current {
		x, f := d.stepResult(d.steps.names[i], decl.Span)
		if f != nil {
			return f
		}
		set(d.steps.names[i], x)
	}
	return b.eachOf(decl.With, func(key spec.Text, x expression) { set(key.Value, x) })
}

func (s *scriptStep) name() string     { return s.step }
func (s *scriptStep) hasEffects() bool { return false }

func (s *scriptStep) expressions(visit func(*expression)) { s.context.walk(visit) }

func (s *scriptStep) run(ctx context.Context, r *run, scope *scope) error {
	in := s.context.eval(scope)
	if scope.err != nil {
		return scope.err
	}
	if isAbsent(in) {
		in = rawJSON("{}")
	}
	text := appendJSON(nil, in)
	account := expr.NewAccount(&r.held)
	defer account.Close()
	if !account.Add(expr.Decoded(text)) {
		return inStep(s.step, "", r.held.unfound("what the script is given cannot be read", account.Err()))
	}
	result, set, err := runScript(ctx, r.in.Bound.opts.Scripts, s.program, s.limits, text)
	if err != nil {
		return inStep(s.step, "", withoutSecrets(AsError(err), newMasker(scope.secrets)))
	}
	r.held.add(len(result))
	if set {
		r.results[s.index].value, r.results[s.index].secrets = result, scope.secrets
	}
	return nil
}

// withoutSecrets hides what a script was given in what it says of its failure, also to the log.
func withoutSecrets(err *Error, m masker) *Error {
	out := *err
	out.Message = m.text(err.Message)
	if failed, ok := errors.AsType[*script.Error](err.Cause); ok {
		said := *failed
		said.Message = m.text(failed.Message)
		out.Cause = &said
	}
	return &out
}

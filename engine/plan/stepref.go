package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// stepDraft is what is known of an operation's steps while they are compiled, in order.
type stepDraft struct {
	names   []string   // of all steps
	facts   []stepFact // of all steps
	current int        // the step being compiled; behind the last one: what is made of them
}

// stepFact is what is known of one step.
type stepFact struct {
	dep    bool      // the one being compiled reads it
	read   bool      // something reads its value
	heads  []string  // the first members that are read of it
	called *consumed // what it calls; nil: nothing

	sampled    *Call       // that is to know what is read of its answer; nil: none
	projection *projection // what others see of the answer
}

// begin forgets all but the memory.
func (s *stepDraft) begin(steps int) {
	s.names, s.facts, s.current = s.names[:0], slices.Grow(s.facts[:0], steps)[:steps], 0
	clear(s.facts)
}

// next goes on to a step.
func (s *stepDraft) next(i int) {
	s.current = i
	for k := range s.facts {
		s.facts[k].dep = false
	}
}

// cutStep finds the step whose name begins a reference such as step.member[0].
func (s *stepDraft) cutStep(name string) (index int, rest string, ok bool) {
	if s == nil {
		return 0, "", false
	}
	name = strings.TrimPrefix(name, "steps.")
	index = -1
	for i, n := range s.names {
		after, found := strings.CutPrefix(name, n)
		if !found || n == "" || after != "" && after[0] != '.' && after[0] != '[' {
			continue
		}
		if index < 0 || len(n) > len(s.names[index]) {
			index, rest = i, after
		}
	}
	return index, rest, index >= 0
}

// isStepName reports whether a template's word is, or begins with, the name of a step. Where
// an input has that name too, the word means the input until the step has run. Where the
// step is called like what inputs are referred to by, such as the adapter's namespace, the
// word means the input if there is one.
func (d *draft) isStepName(name string) bool {
	i, rest, ok := d.steps.cutStep(name)
	if !ok {
		return false
	}
	if _, input, prefixed := cutInputPrefix(name, d.own); prefixed && d.isInputName(input) {
		return false
	}
	return i < d.steps.current || !d.isInputName(strings.TrimSuffix(name, rest))
}

// isInputName reports whether a caller, or with, is known to give a value of that name.
func (d *draft) isInputName(name string) bool {
	return slices.Contains(d.declaredNames(), name) || slices.Contains(d.x.params, name) || d.isBound(name)
}

// stepResult compiles a reference such as step.member[0].
func (d *draft) stepResult(name string, at diag.Span) (expression, *fault) {
	i, rest, _ := d.steps.cutStep(name)
	path, err := expr.ParseJSONPath("$" + rest)
	if err != nil {
		return expression{}, faultf(diag.CodeStep, "", at, "%q is no path into the answer of step %s", rest, d.steps.names[i]).
			hintf("write a path such as %s.items[0].id", d.steps.names[i])
	}
	return d.resultOf(i, path, at)
}

// resultOf gives the value at a path of what came of a step that ran before.
func (d *draft) resultOf(i int, path *expr.JSONPath, at diag.Span) (expression, *fault) {
	s := d.steps
	if i >= s.current {
		return expression{}, faultf(diag.CodeUnknownStep, "", at, "step %s has not run when %s reads it", s.names[i], s.reader()).
			hintf("move it in front; steps run in the order of the document")
	}
	step, names := &s.facts[i], path.Names()
	step.dep, step.read = true, true
	if len(names) > 0 {
		step.heads = append(step.heads, names[0])
	}
	s.sample(i, s.projected(i, names), "")
	said := strings.Join(append([]string{s.names[i]}, names...), ".")
	return expression{kind: exprResult, index: int32(i), detail: &detail{said: said, path: path}}, nil
}

// sample notes a place that is read of a step's answer, for stubs, with its type if that is
// known.
func (s *stepDraft) sample(i int, names []string, typ string) {
	call := s.facts[i].sampled
	if call == nil || len(names) == 0 {
		return
	}
	for k := range call.samples {
		if slices.Equal(call.samples[k].Path, names) {
			call.samples[k].Type = firstOf(call.samples[k].Type, typ)
			return
		}
	}
	call.samples = append(call.samples, Sample{Path: names, Type: typ})
}

// projected gives where the answer itself holds a place that others read: a name that the
// consumed operation declares stands for another place.
func (s *stepDraft) projected(i int, names []string) []string {
	p := s.facts[i].projection
	if p == nil || len(names) == 0 {
		return names
	}
	if at := slices.Index(p.names, names[0]); at >= 0 {
		return slices.Concat(p.parts[at].Names(), names[1:])
	}
	return names
}

func (s *stepDraft) reader() string {
	if s.current < len(s.names) {
		return "step " + s.names[s.current]
	}
	return "the answer"
}

// stepPath reads a string that is a JSONPath over the steps, such as $.step.member, or a
// bare step.member. ok is false when it is neither.
func (b *builder) stepPath(t spec.Text) (x expression, ok bool, f *fault) {
	if b.steps == nil {
		return expression{}, false, nil
	}
	text := strings.TrimSpace(t.Value)
	switch {
	case strings.HasPrefix(text, "$.") || strings.HasPrefix(text, "$["):
		x, f = b.stepJSONPath(text, t.Span())
		return x, f == nil, f
	case strings.Contains(text, ".") && !strings.ContainsAny(text, " \n{}<>/:") && b.isStepName(text):
		if x, f = b.stepResult(text, t.Span()); f != nil {
			return x, false, f
		}
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "W2", t.Span(), "%s is read as the answer of a step", text).
			hintf("write \"{{%s}}\" or $.%s", text, text))
		return x, true, nil
	}
	return expression{}, false, nil
}

// stepJSONPath compiles a JSONPath over an object with a member for each step.
func (d *draft) stepJSONPath(text string, at diag.Span) (expression, *fault) {
	if name, ok := strings.CutPrefix(text, "$."); ok && d.isAnswer(name) {
		return d.answer(name, at)
	}
	path, err := expr.ParseJSONPath(text)
	if err != nil {
		return expression{}, faultf(diag.CodeStep, "", at, "%s", err.Error()).hintf("write a path such as $.step.items[0].id")
	}
	s := d.steps
	if name, rest, ok := path.CutName(); ok {
		for i, n := range s.names {
			if n == name {
				return d.resultOf(i, rest, at)
			}
		}
		if i, after, ok := s.cutStep(text[2:]); ok && text[1] == '.' { // a name with dots in it
			if rest, err := expr.ParseJSONPath("$" + after); err == nil {
				return d.resultOf(i, rest, at)
			}
		}
		if x, ok := d.bound(name); ok {
			return expression{kind: exprFind, parts: []expression{x}, detail: &detail{path: rest}}, nil
		}
		f := faultf(diag.CodeUnknownStep, "", at, "there is no step %q", name)
		if near, ok := diag.Nearest(name, s.names); ok {
			return expression{}, f.hintf("did you mean $.%s?", near)
		}
		return expression{}, f.hintf("the steps are %s; an input is written {{%s}}", someOf(s.names), name)
	}
	all := expression{kind: exprObject}
	for i := range min(s.current, len(s.names)) {
		x, f := d.resultOf(i, &expr.JSONPath{}, at)
		if f != nil {
			return x, f
		}
		all.addMember(s.names[i], x)
	}
	return expression{kind: exprFind, parts: []expression{all}, detail: &detail{path: path}}, nil
}

// judgeName refuses a template's word that is no input but nearly a step.
func (d *draft) judgeName(name string, at diag.Span) *fault {
	head, _, dotted := strings.Cut(name, ".")
	if d.steps == nil || !dotted || d.isBound(head) {
		return nil
	}
	if _, declared := matchName(head, d.declaredNames()); declared {
		return nil
	}
	if near, ok := diag.Nearest(head, d.steps.names); ok {
		return faultf(diag.CodeUnknownStep, "", at, "there is no step %q", head).hintf("did you mean %s?", near)
	}
	return nil
}

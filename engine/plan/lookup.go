package plan

import (
	"context"
	"slices"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// lookupStep finds elements in the answer of an earlier step (language reference 4.7). Of
// one value it gives the first element whose member is equal to it, or nothing; of a list of
// values, the list of the elements that were found, in the order of the values.
type lookupStep struct {
	index  int
	step   string
	in     expression     // the list, or one object
	match  *expr.JSONPath // the member that is compared
	value  expression
	fields []lookupField // what is kept; none: the whole element
}

type lookupField struct {
	name string
	path *expr.JSONPath
}

// lookupStep compiles a lookup.
func (d *draft) lookupStep(decl *spec.Step) (step, *fault) {
	s := &lookupStep{index: d.steps.current, step: decl.Name.Value}
	incomplete := func(key, example string) *fault {
		return faultf(diag.CodeStep, "", decl.Span, "lookup %s has no %s", decl.Name.Value, key).hintf("write %s: %s", key, example)
	}
	switch {
	case !decl.Index.IsSet():
		return nil, incomplete("index", "step, the step whose answer is searched")
	case !decl.Match.IsSet():
		return nil, incomplete("match", "member, which is compared")
	case decl.LookupValue == nil:
		return nil, incomplete("lookupValue", "$.step.member")
	}
	var f *fault
	if s.in, f = d.lookupIndex(decl.Index); f != nil {
		return nil, f
	}
	if s.match, f = memberPath(decl.Match); f != nil {
		return nil, f
	}
	b := d.newBuilder(nil, nil)
	if s.value, f = b.value(decl.LookupValue, false); f != nil {
		return nil, f
	}
	b.noteInputs(s.value, nil)
	if s.in.kind == exprResult {
		for _, t := range append([]spec.Text{decl.Match}, decl.Fields...) {
			if path, f := memberPath(t); f == nil {
				names := d.steps.projected(int(s.in.index), path.Names())
				d.steps.sample(int(s.in.index), slices.Concat(s.in.detail.path.Names(), []string{""}, names), "")
			}
		}
	}
	for _, t := range decl.Fields {
		path, f := memberPath(t)
		if f != nil {
			return nil, f
		}
		s.fields = append(s.fields, lookupField{t.Value, path})
	}
	return s, nil
}

// lookupIndex compiles the place that is searched: a step, or a path into its answer.
func (d *draft) lookupIndex(t spec.Text) (expression, *fault) {
	if len(t.Value) > 1 && t.Value[0] == '$' {
		return d.stepJSONPath(t.Value, t.Span())
	}
	if _, _, ok := d.steps.cutStep(t.Value); !ok {
		f := faultf(diag.CodeUnknownStep, "", t.Span(), "there is no step %q", t.Value)
		if near, ok := diag.Nearest(t.Value, d.steps.names); ok {
			return expression{}, f.hintf("did you mean %s?", near)
		}
		return expression{}, f.hintf("the steps are %s", someOf(d.steps.names))
	}
	return d.stepResult(t.Value, t.Span())
}

// memberPath compiles the name of a member, or a path to one.
func memberPath(t spec.Text) (*expr.JSONPath, *fault) {
	path, err := expr.ParseJSONPath(t.Value)
	if err != nil {
		path, err = expr.ParseJSONPath("$['" + t.Value + "']")
	}
	if err != nil {
		return nil, faultf(diag.CodeStep, "", t.Span(), "%q is no name of a member", t.Value).hintf("write a name, or a path such as address.city")
	}
	return path, nil
}

func (s *lookupStep) name() string     { return s.step }
func (s *lookupStep) hasEffects() bool { return false }

func (s *lookupStep) expressions(visit func(*expression)) {
	s.in.walk(visit)
	s.value.walk(visit)
}

func (s *lookupStep) run(_ context.Context, r *run, scope *scope) error {
	in, value := s.in.eval(scope), s.value.eval(scope)
	if scope.err != nil {
		return scope.err
	}
	list, isList := in.(rawJSON)
	if isMissing(in) || isMissing(value) {
		return nil // nothing is found in nothing
	}
	if !isList && scope.placeholders {
		return nil
	}
	if !isList {
		return Errorf(CodeBadOutput, "step %q searches an answer that is neither a list nor an object", s.step)
	}
	r.results[s.index].secrets = scope.secrets
	r.results[s.index].value = s.look(list, value, scope)
	if scope.err != nil {
		return scope.err
	}
	return nil
}

// look gives the element of a value, or the list of those of several; nil for nothing.
func (s *lookupStep) look(list rawJSON, value any, scope *scope) []byte {
	account := expr.NewAccount(scope.held)
	defer account.Close()
	index := s.indexOf(list, scope, &account)
	if err := account.Err(); err != nil && scope.err == nil {
		scope.err = scope.held.unfound("the answer of a step cannot be searched", err)
	}
	if scope.err != nil {
		return nil
	}
	out := []byte{'['}
	several := eachText(value, func(text string) bool {
		e, ok := index[text]
		if !ok {
			return true
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		before := len(out)
		out = append(out, s.pick(e, scope)...)
		return account.Add(int64(len(out) - before)) // one element can be found again and again
	})
	if err := account.Err(); err != nil {
		scope.err = scope.held.unfound("what a step finds is too large", err)
	}
	if several {
		return append(out, ']')
	}
	if e, ok := index[textOf(value)]; ok {
		return s.pick(e, scope)
	}
	return nil
}

// indexOf gives the elements by the text of the member that is compared; the first of a text
// wins. A single object is a list of one.
func (s *lookupStep) indexOf(list rawJSON, scope *scope, account *expr.Account) map[string][]byte {
	var elements [][]byte
	isList := expr.EachElement(list, func(e []byte) bool {
		if !account.Add(indexSize) {
			return false
		}
		elements = append(elements, e)
		return true
	})
	if !isList {
		elements = [][]byte{list}
	}
	index := make(map[string][]byte, len(elements))
	for _, e := range elements {
		raw, ok := scope.findText(e, s.match)
		v := parseValue(raw)
		if !ok || isMissing(v) {
			continue
		}
		key := textOf(v)
		if _, known := index[key]; !known && account.Add(int64(len(key))) {
			index[key] = e
		}
	}
	return index
}

// indexSize is about how many bytes an element takes in an index, beside the text of its member.
const indexSize = 150

// pick gives the declared members of an element; one that is not there is null.
func (s *lookupStep) pick(element []byte, scope *scope) []byte {
	if len(s.fields) == 0 {
		return element
	}
	out := []byte{'{'}
	for i, f := range s.fields {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, f.name), ':')
		raw, ok := scope.findText(element, f.path)
		if !ok {
			raw = []byte("null")
		}
		out = append(out, raw...)
	}
	return append(out, '}')
}

package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// MaxCompletions is how many values a client takes at once (MCP specification, completion).
const MaxCompletions = 100

// completionInput is the name by which a completion refers to what the user has typed.
const completionInput = "value"

// Completion is what a user may choose from while typing a value: what stands in the document
// or, with an operation, what that answers.
type Completion struct {
	Operation *Operation // nil: the values stand in the document
	values    []string
	searches  bool // the operation is given what was typed
}

// Source gives what [Operation.Bind] needs: what was typed, and the values of others that the
// user has filled in.
func (c *Completion) Source(typed string, others map[string]string) *Source {
	args := map[string]string{}
	for name, v := range others {
		args[name] = v
	}
	args[completionInput] = typed
	b, err := json.Marshal(args)
	if err != nil { // strings always marshal
		b = []byte("{}")
	}
	return &Source{Arguments: b}
}

// Chosen gives the values that fit what was typed, at most [MaxCompletions] of them, and how
// many there are. answer is what the operation answered, a JSON array; nil without one. An
// operation that is given what was typed has chosen by itself.
func (c *Completion) Chosen(typed string, answer []byte) (values []string, total int, _ error) {
	if c.Operation != nil {
		if k := expr.Kind(answer); k != '[' && k != 'n' || !expr.Valid(answer) {
			return nil, 0, Errorf(CodeBadOutput, "the values to choose from are not a list")
		}
	}
	seen := map[string]bool{}
	values = []string{}
	offer := func(v string) bool {
		if seen[v] || !c.searches && !beginsLike(v, typed) {
			return true
		}
		seen[v] = true
		if total++; total <= MaxCompletions {
			values = append(values, v)
		}
		return total < maxCounted
	}
	if c.Operation != nil {
		eachTypable(answer, offer)
		return values, total, nil
	}
	for _, v := range c.values {
		offer(v)
	}
	return values, total, nil
}

// maxCounted is where counting ends: what was seen has to be remembered for it, and nobody reads so long a list.
const maxCounted = 100_000

// eachTypable calls yield with the values of a list that a user can type, until it says false.
func eachTypable(list []byte, yield func(string) bool) {
	expr.EachElement(list, func(e []byte) bool {
		switch v := parseValue(e).(type) {
		case string:
			return yield(v)
		case json.Number:
			return yield(v.String())
		}
		return true
	})
}

// beginsLike reports whether a text begins with what was typed, in either case.
func beginsLike(text, typed string) bool {
	have, want := []rune(text), []rune(typed)
	return len(have) >= len(want) && strings.EqualFold(string(have[:len(want)]), typed)
}

// completion compiles what a user may choose from for one value; others are the names of the
// values that may be filled in by then. It is nil when that cannot be: then nothing is offered.
func (c *compiler) completion(decl *spec.Completion, out *Exposure, own string, unit diag.Unit, what string, others []string) *Completion {
	refuse := func(f *fault) *Completion {
		c.refuse(unit, decl.Span, what, f)
		return nil
	}
	code := diag.CodeCompletion
	switch {
	case decl.Node.Kind == spec.List && len(decl.Values) == 0:
		return refuse(faultf(code, "M", decl.Span, "%s has no values", what).hintf("write the values: [a, b], or call: and an operation"))
	case decl.Node.Kind == spec.List:
		done := &Completion{}
		for _, v := range decl.Values {
			done.values = append(done.values, v.Value)
		}
		return done
	case decl.Node.Kind != spec.Map || decl.Call == nil:
		return refuse(faultf(code, "M", decl.Span, "%s does not say where the values come from", what).hintf("write a list of values, or call: and an operation"))
	}
	op := &spec.ExposedOperation{
		Span: decl.Span, Node: decl.Node, Name: spec.Text{Value: unit.Name}, Call: decl.Call, With: decl.With, HasOutputs: true,
		Outputs: []spec.Output{{Span: decl.Span, Node: decl.Node, Type: spec.Text{Value: "array"}, Mapping: decl.Path, HasMapping: decl.Path.IsSet()}},
	}
	x := &exposed{decl: op, out: out, kind: MCP, what: "completion", own: own, unit: unit}
	run, refusal := c.build(x)
	switch {
	case refusal != nil:
		return nil
	case run.changes():
		return refuse(faultf(code, "M", decl.Call.Span(), "%s may change something: it is called while the user types", what).hintf("call an operation that only reads"))
	case len(run.Questions()) > 0:
		return refuse(faultf(code, "M", decl.Call.Span(), "%s asks the user, who is typing", what).hintf("call an operation that asks nothing"))
	}
	known := append([]string{completionInput}, others...)
	for _, name := range requiredArguments(run.intake) {
		if _, ok := matchName(name, known); !ok {
			return refuse(faultf(code, "M", decl.Call.Span(), "%s needs the input %q, which is neither what is typed nor another value", what, name).
				hintf(`write with: {%s: "{{value}}"}`, name))
		}
	}
	return &Completion{Operation: run, searches: slices.ContainsFunc(run.inputs, func(i input) bool { return expr.Fold(i.name) == completionInput })}
}

// completePrompt compiles the completions of a prompt's arguments.
func (c *compiler) completePrompt(decl *spec.Prompt, p *Prompt, out *Exposure, own string, unit diag.Unit) {
	names := p.argumentNames()
	for i := range p.Arguments {
		a := &p.Arguments[i]
		at := slices.IndexFunc(decl.Arguments, func(d spec.PromptArgument) bool { return d.Name.Value == a.Name })
		if at < 0 || decl.Arguments[at].Complete == nil {
			continue
		}
		a.Complete = c.completion(decl.Arguments[at].Complete, out, own, unit, "the completion of argument "+a.Name+" of prompt "+p.Name, names)
	}
}

// completeResource compiles the completions of the variables of a resource's URI.
func (c *compiler) completeResource(x *exposed, decl *spec.MCPResource, r *Resource) {
	if r.Refusal != nil {
		return
	}
	for i := range decl.Complete {
		d := &decl.Complete[i]
		name := d.For.Value
		if !slices.Contains(r.Params, name) {
			f := faultf(diag.CodeCompletion, "M", placeOr(d.For.Span(), d.Span), "the URI of resource %s has no {%s} to complete", r.Name, name)
			near, ok := diag.Nearest(name, r.Params)
			switch {
			case name == "":
				f = faultf(diag.CodeCompletion, "M", d.Span, "complete of resource %s does not say for which part of the URI", r.Name).
					hintf("write complete: {name of a part of the URI: values}")
			case ok:
				f.hintf("did you mean %s?", near)
			default:
				f.hintf("write complete: {name of a part of the URI: values}")
			}
			c.note(diag.Warning, x.unit, f)
			continue
		}
		done := c.completion(d, x.out, x.own, x.unit, "the completion of {"+name+"} of resource "+r.Name, r.Params)
		if done == nil {
			continue
		}
		if r.Completions == nil {
			r.Completions = map[string]*Completion{}
		}
		r.Completions[publishedVariable(name)] = done
	}
}

// Variables gives the names of the variables of the URI, as clients see them.
func (r *Resource) Variables() []string {
	var out []string
	for _, name := range r.Params {
		out = append(out, publishedVariable(name))
	}
	return out
}

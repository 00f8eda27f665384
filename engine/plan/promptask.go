package plan

import (
	"encoding/json"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// promptAsks is what a prompt asks before it is filled in. Its draft is that of an operation
// that does nothing but ask.
type promptAsks struct {
	op    *Operation
	used  map[string]expression // the answers that the messages use, by how they name them
	draft *draft                // while it is compiled
	fault *fault
}

// promptAsks declares what a prompt asks.
func (c *compiler) promptAsks(decl *spec.Prompt, p *Prompt, out *Exposure, unit diag.Unit) *fault {
	x := &exposed{decl: &spec.ExposedOperation{Span: decl.Span, Node: decl.Node, Name: decl.Name, Label: decl.Label}, out: out, kind: MCP, what: "prompt", own: out.Namespace, unit: unit}
	d := new(draft) // for as long as the prompt is compiled
	d.begin(c, x)
	if f := d.declareAsks(&decl.Asking); f != nil {
		return f
	}
	if d.asks != nil || decl.Asking.Requires != nil {
		p.asks = &promptAsks{draft: d, used: map[string]expression{}}
	}
	return nil
}

// refersTo reports whether a placeholder of the prompt's messages is an answer.
func (a *promptAsks) refersTo(r expr.Ref) bool {
	if a == nil || !a.draft.isAnswer(r.Name) {
		return false
	}
	if _, known := a.used[r.Name]; known {
		return true
	}
	x, f := a.draft.answer(r.Name, a.draft.x.decl.Span)
	if f != nil && a.fault == nil {
		a.fault = f
	}
	a.used[r.Name] = x
	return true
}

// has reports whether the messages use an answer of that name.
func (a *promptAsks) has(name string) bool {
	if a == nil {
		return false
	}
	_, ok := a.used[name]
	return ok
}

// build compiles the questions, when the prompt and its arguments are known.
func (a *promptAsks) build(decl *spec.Prompt, p *Prompt) *fault {
	if a == nil || a.fault != nil {
		if a != nil {
			return a.fault
		}
		return nil
	}
	d := a.draft
	for _, arg := range p.Arguments {
		d.x.declared = append(d.x.declared, declaredInput{name: arg.Name, typ: "string", param: &spec.Parameter{}})
	}
	if f := d.buildAsks(&decl.Asking); f != nil {
		return f
	}
	for i := range d.inputs {
		name := d.inputs[i].name
		if _, ok := matchName(name, d.declaredNames()); ok {
			continue
		}
		if len(decl.Arguments) > 0 {
			f := faultf(diag.CodeAsk, "", decl.Span, "a question of prompt %s uses {{%s}}, which is no argument of the prompt", p.Name, name)
			if near, ok := diag.Nearest(name, d.declaredNames()); ok {
				return f.hintf("did you mean {{%s}}?", near)
			}
			return f.hintf("declare it in arguments")
		}
		p.Arguments = append(p.Arguments, PromptArgument{Name: name})
	}
	d.out.inputs = d.inputs
	d.c.kept.settle(d.out)
	a.op = d.out
	a.forget()
	return nil
}

// forget leaves what only compiling needs.
func (a *promptAsks) forget() {
	if a != nil {
		a.draft, a.fault = nil, nil
	}
}

// Asks is [Operation.Asks] of a prompt.
func (p *Prompt) Asks() bool { return p.asks != nil }

// Requires gives the abilities that a client must have for the prompt, whatever it asks.
func (p *Prompt) Requires() []Capability {
	if p.asks == nil || p.asks.op == nil {
		return nil
	}
	return p.asks.op.Requires()
}

// Questions is [Operation.Questions] of a prompt.
func (p *Prompt) Questions() []Question {
	if p.asks == nil || p.asks.op == nil {
		return nil
	}
	return p.asks.op.Questions()
}

// Ask gives what must be answered before the prompt is filled in, or else what [Prompt.Render]
// needs: the arguments and the answers. The error is an *[Error].
func (p *Prompt) Ask(given map[string]string, answers *Answers) (filled map[string]string, ask *Ask, err error) {
	if p.asks == nil || p.asks.op.asking == nil {
		return given, nil, nil
	}
	defer recovered(&err)
	raw, err := json.Marshal(given)
	if err != nil { // texts always marshal
		return nil, nil, err
	}
	args, err := p.asks.op.Bind(&Source{Arguments: raw})
	if err != nil {
		return nil, nil, err
	}
	s := &scope{args: args.values}
	if ask, err = p.asks.op.asking.ask(s, answers); ask != nil || err != nil {
		return nil, ask, err
	}
	filled = make(map[string]string, len(given)+len(p.asks.used))
	for name, value := range given {
		filled[name] = value
	}
	for name := range p.asks.used {
		x := p.asks.used[name]
		filled[name] = textOf(x.eval(s))
	}
	return filled, nil, s.failure()
}

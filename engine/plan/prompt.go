package plan

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// Prompt is one MCP prompt. A refused prompt is not listed; getting it gives the reason.
type Prompt struct {
	Name        string // as declared
	Title       string
	Description string
	Arguments   []PromptArgument
	Location    string // of the file it is, as declared
	Icons       []Icon
	Scopes      []string // that getting it needs beside those of the adapter
	Refusal     *Refusal
	Span        diag.Span

	messages     []promptMessage
	placeholders []string    // names of arguments that the messages use
	asks         *promptAsks // nil: nothing is asked
}

// PromptArgument is a value that a user fills in.
type PromptArgument struct {
	Name        string
	Title       string
	Description string
	Required    bool
	Complete    *Completion // nil: nothing to choose from
}

// PromptMessage is a message of a filled-in prompt.
type PromptMessage struct {
	Role string // user or assistant
	ContentItem
}

// promptMessage is a compiled message. Its placeholders count in Prompt.placeholders.
type promptMessage struct {
	role string
	item contentItem
}

// Render fills the prompt in. A placeholder without a value stays as it is written. Values
// are never looked at again. The error is an *[Error].
func (p *Prompt) Render(given map[string]string) ([]PromptMessage, error) {
	names := sortedKeys(given)
	var missing []string
	for _, a := range p.Arguments {
		if _, ok := argument(given, names, a.Name); a.Required && !ok {
			missing = append(missing, a.Name)
		}
	}
	if len(missing) > 0 {
		return nil, Errorf(CodeInvalidInput, "missing argument %s", strings.Join(missing, ", "))
	}
	scope := &scope{args: make([]any, len(p.placeholders))}
	for i, name := range p.placeholders {
		scope.args[i] = absent{}
		if v, ok := argument(given, names, name); ok {
			scope.args[i] = v
		}
	}
	out := []PromptMessage{}
	for i := range p.messages {
		items, err := p.messages[i].item.say(nil, scope)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			out = append(out, PromptMessage{p.messages[i].role, item})
		}
	}
	return out, nil
}

// argument finds a value by rule N1. names are those of given.
func argument(given map[string]string, names []string, name string) (string, bool) {
	if v, ok := given[name]; ok {
		return v, true
	}
	if i, ok := matchName(name, names); ok {
		return given[names[i]], true
	}
	return "", false
}

var placeholderName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_.-]*$`)

// exposePrompts compiles the prompts of an MCP adapter.
func (c *compiler) exposePrompts(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	seen := map[string]*Prompt{}
	for i := range e.Prompts {
		decl := &e.Prompts[i]
		unit.Name = decl.Name.Value
		what := func() string { return "prompt " + decl.Name.Value }
		p := &Prompt{Name: decl.Name.Value, Title: decl.Label.Value, Description: strings.TrimSpace(decl.Description.Value), Location: decl.Location.Value, Span: decl.Span, Icons: c.icons(decl.Icons, unit)}
		if first := seen[p.Name]; first != nil {
			f := faultf(diag.CodeDuplicatePrompt, "M", decl.Span, "prompt %s is declared twice in this adapter", p.Name).hintf("give one of them another name")
			f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
			c.refuse(unit, decl.Span, what(), f)
			continue
		}
		seen[p.Name] = p
		var f *fault
		if p.Scopes, f = c.scopes(decl.Scopes, out, what); f == nil {
			f = c.truncated(decl.Span, what)
		}
		if f == nil {
			f = c.promptAsks(decl, p, out, unit)
		}
		if f == nil {
			f = c.prompt(decl, p, out, unit)
		}
		if f == nil {
			f = p.asks.build(decl, p)
		}
		if f != nil {
			p.Refusal = c.refuse(unit, decl.Span, what(), f)
			p.asks.forget()
		} else {
			c.completePrompt(decl, p, out, e.Own(), unit)
		}
		out.Prompts = append(out.Prompts, p)
	}
}

// prompt compiles the arguments and the messages of a prompt.
func (c *compiler) prompt(decl *spec.Prompt, p *Prompt, out *Exposure, unit diag.Unit) *fault {
	if p.Name == "" {
		return faultf(diag.CodePrompt, "M", decl.Span, "the prompt has no name").hintf("write name: and what clients show it as")
	}
	for _, a := range decl.Arguments {
		if a.Name.Value == "" || slices.ContainsFunc(p.Arguments, func(b PromptArgument) bool { return b.Name == a.Name.Value }) {
			c.note(diag.Warning, unit, faultf(diag.CodePrompt, "M", placeOr(a.Name.Span(), a.Span), "argument %q of prompt %s is there twice or has no name; it is left out", a.Name.Value, p.Name))
			continue
		}
		p.Arguments = append(p.Arguments, PromptArgument{Name: a.Name.Value, Title: a.Label.Value, Description: strings.TrimSpace(a.Description.Value), Required: a.Required})
	}
	switch {
	case decl.Location.IsSet() && decl.HasMessages:
		return faultf(diag.CodePrompt, "M", decl.Location.Span(), "prompt %s has both a template and a location", p.Name).hintf("keep one of them")
	case decl.Location.IsSet():
		return c.promptFile(decl, p, out.Namespace)
	case len(decl.Messages) == 0:
		return faultf(diag.CodePrompt, "M", decl.Span, "prompt %s has no messages", p.Name).
			hintf("write template: [{role: user, content: text}], or location: and a file")
	}
	declared := len(p.Arguments) > 0
	d := &contentDraft{
		c: c, unit: unit, code: diag.CodePrompt, what: "prompt " + p.Name, out: out,
		parts: func(t spec.Text, tpl expr.Template) ([]expression, *fault) {
			return c.promptParts(t, tpl, p, out.Namespace, unit, declared), nil
		},
	}
	for _, m := range decl.Messages {
		role := strings.ToLower(strings.TrimSpace(m.Role.Value))
		switch role {
		case "":
			role = "user"
		case "user", "assistant":
		default:
			return faultf(diag.CodePrompt, "M", m.Role.Span(), "%q is no role of a message", m.Role.Value).hintf("expected user or assistant")
		}
		for i := range m.Items {
			item, f := d.item(&m.Items[i])
			if f != nil {
				return f
			}
			p.messages = append(p.messages, promptMessage{role, item})
		}
	}
	return nil
}

// promptParts compiles a text of a message. Where a prompt declares no arguments, its
// placeholders are arguments that may be left out.
func (c *compiler) promptParts(content spec.Text, tpl expr.Template, p *Prompt, own string, unit diag.Unit, declared bool) []expression {
	var parts []expression
	for _, part := range tpl.Parts {
		name, ok := promptName(part.Ref, p, own)
		switch {
		case !ok:
			parts = append(parts, literalExpr(part.Literal))
			continue
		case p.hasArgument(name):
		case c.vars.isVariable(name) && !expr.IsScreaming(name):
			c.note(diag.Warning, unit, faultf(diag.CodePrompt, "M", content.Sub(part.Ref.Start, part.Ref.End), "variable %s is not put into prompts; it stays as it is written", name).
				hintf("write its value"))
			parts = append(parts, literalExpr(part.Literal))
			continue
		case declared:
			f := faultf(diag.CodePrompt, "M", content.Sub(part.Ref.Start, part.Ref.End), "%s is no declared argument of prompt %s; it stays as it is written unless a client gives it", part.Literal, p.Name)
			if near, ok := diag.Nearest(name, p.argumentNames()); ok {
				f.hintf("did you mean {{%s}}?", near)
			} else {
				f.hintf("declare it in arguments")
			}
			c.note(diag.Warning, unit, f)
		default:
			p.Arguments = append(p.Arguments, PromptArgument{Name: name})
		}
		parts = append(parts, p.placeholder(part.Literal, name))
	}
	return parts
}

// placeholder gives the argument of that name, or literal where nobody gives it.
func (p *Prompt) placeholder(literal, name string) expression {
	at := slices.Index(p.placeholders, name)
	if at < 0 {
		at = len(p.placeholders)
		p.placeholders = append(p.placeholders, name)
	}
	return expression{kind: exprFilled, index: int32(at), literal: literal}
}

// promptName gives the argument that a reference names, if it is a placeholder.
func promptName(r expr.Ref, p *Prompt, own string) (string, bool) {
	if r.Form != expr.Mustache {
		return "", false
	}
	if p.asks.refersTo(r) {
		return r.Name, true
	}
	if !placeholderName.MatchString(r.Name) {
		return "", false
	}
	if p.hasArgument(r.Name) {
		return r.Name, true
	}
	if _, rest, ok := cutInputPrefix(r.Name, own); ok && p.hasArgument(rest) {
		return rest, true
	}
	return r.Name, true
}

func (p *Prompt) argumentNames() []string {
	names := make([]string, len(p.Arguments))
	for i, a := range p.Arguments {
		names[i] = a.Name
	}
	return names
}

func (p *Prompt) hasArgument(name string) bool {
	if p.asks.has(name) {
		return true
	}
	_, ok := matchName(name, p.argumentNames())
	return ok
}

// promptFile reads a prompt that is a file: one message of the user. Only declared
// arguments are placeholders in it, since a file may be about templates.
func (c *compiler) promptFile(decl *spec.Prompt, p *Prompt, own string) *fault {
	at := decl.Location.Span()
	if c.files == nil {
		return faultf(diag.CodePrompt, "M", at, "the file of prompt %s is not available: files cannot be read here", p.Name)
	}
	text, err := c.files.Read(at.File, decl.Location.Value)
	switch {
	case err != nil:
		return faultf(diag.CodePrompt, "M", at, "the file of prompt %s is not available: %v", p.Name, err).
			hintf("write the path of a text file, relative to this file")
	case !utf8.Valid(text):
		return faultf(diag.CodePrompt, "M", at, "the file of prompt %s is not UTF-8 text", p.Name)
	}
	var parts []expression
	for _, part := range expr.ParseTemplate(strings.TrimPrefix(string(text), "\ufeff")).Parts {
		if name, ok := promptName(part.Ref, p, own); ok && p.hasArgument(name) {
			parts = append(parts, p.placeholder(part.Literal, name))
			continue
		}
		parts = append(parts, literalExpr(part.Literal))
	}
	whole := mergeLiterals(expression{kind: exprText, parts: parts})
	p.messages = []promptMessage{{"user", contentItem{kind: TextContent, text: &whole}}}
	return nil
}

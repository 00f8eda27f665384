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
	Refusal     *Refusal
	Span        diag.Span

	messages []promptMessage
}

// PromptArgument is a value that a user fills in.
type PromptArgument struct {
	Name        string
	Title       string
	Description string
	Required    bool
}

// PromptMessage is a message of a filled-in prompt.
type PromptMessage struct {
	Role string // user or assistant
	Text string
}

type promptMessage struct {
	role  string
	parts []promptPart
}

// promptPart is literal text, or a placeholder: literal is then what is left of it when
// nothing fills it.
type promptPart struct {
	literal, argument string
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
	out := make([]PromptMessage, len(p.messages))
	for i, m := range p.messages {
		var b strings.Builder
		for _, part := range m.parts {
			text := part.literal
			if part.argument != "" {
				if v, ok := argument(given, names, part.argument); ok {
					text = v
				}
			}
			b.WriteString(text)
		}
		out[i] = PromptMessage{Role: m.role, Text: b.String()}
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
		what := "prompt " + decl.Name.Value
		p := &Prompt{Name: decl.Name.Value, Title: decl.Label.Value, Description: strings.TrimSpace(decl.Description.Value), Location: decl.Location.Value, Span: decl.Span}
		if first := seen[p.Name]; first != nil {
			f := faultf(diag.CodeDuplicatePrompt, "M", decl.Span, "prompt %s is declared twice in this adapter", p.Name).hintf("give one of them another name")
			f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
			c.refuse(unit, decl.Span, what, f)
			continue
		}
		seen[p.Name] = p
		f := c.truncated(decl.Span, what)
		if f == nil {
			f = c.prompt(decl, p, out.Namespace, unit)
		}
		if f != nil {
			p.Refusal = c.refuse(unit, decl.Span, what, f)
		}
		out.Prompts = append(out.Prompts, p)
	}
}

// prompt compiles the arguments and the messages of a prompt.
func (c *compiler) prompt(decl *spec.Prompt, p *Prompt, own string, unit diag.Unit) *fault {
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
		return c.promptFile(decl, p, own)
	case len(decl.Messages) == 0:
		return faultf(diag.CodePrompt, "M", decl.Span, "prompt %s has no messages", p.Name).
			hintf("write template: [{role: user, content: text}], or location: and a file")
	}
	declared := len(p.Arguments) > 0
	for _, m := range decl.Messages {
		role := strings.ToLower(strings.TrimSpace(m.Role.Value))
		switch role {
		case "":
			role = "user"
		case "user", "assistant":
		default:
			return faultf(diag.CodePrompt, "M", m.Role.Span(), "%q is no role of a message", m.Role.Value).hintf("expected user or assistant")
		}
		parts := c.promptParts(m.Content, p, own, unit, declared)
		p.messages = append(p.messages, promptMessage{role, parts})
	}
	return nil
}

// promptParts compiles the content of a message. Where a prompt declares no arguments, its
// placeholders are arguments that may be left out.
func (c *compiler) promptParts(content spec.Text, p *Prompt, own string, unit diag.Unit, declared bool) []promptPart {
	var parts []promptPart
	for _, part := range expr.ParseTemplate(content.Value).Parts {
		name, ok := promptName(part.Ref, p, own)
		switch {
		case !ok:
			parts = append(parts, promptPart{literal: part.Literal})
			continue
		case p.hasArgument(name):
		case c.vars.isVariable(name) && !expr.IsScreaming(name):
			c.note(diag.Warning, unit, faultf(diag.CodePrompt, "M", content.Sub(part.Ref.Start, part.Ref.End), "variable %s is not put into prompts; it stays as it is written", name).
				hintf("write its value"))
			parts = append(parts, promptPart{literal: part.Literal})
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
		parts = append(parts, promptPart{part.Literal, name})
	}
	return parts
}

// promptName gives the argument that a reference names, if it is a placeholder.
func promptName(r *expr.Ref, p *Prompt, own string) (string, bool) {
	if r == nil || r.Form != expr.Mustache || !placeholderName.MatchString(r.Name) {
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
		return faultf(diag.CodePrompt, "M", at, "the file of prompt %s is not available: %s", p.Name, err.Error()).
			hintf("write the path of a text file, relative to this file")
	case !utf8.Valid(text):
		return faultf(diag.CodePrompt, "M", at, "the file of prompt %s is not UTF-8 text", p.Name)
	}
	var parts []promptPart
	for _, part := range expr.ParseTemplate(strings.TrimPrefix(string(text), "\ufeff")).Parts {
		name, ok := promptName(part.Ref, p, own)
		if !ok || !p.hasArgument(name) {
			name = ""
		}
		parts = append(parts, promptPart{part.Literal, name})
	}
	p.messages = []promptMessage{{"user", parts}}
	return nil
}

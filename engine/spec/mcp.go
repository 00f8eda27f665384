package spec

import "capd/engine/diag"

// MCPResource is what an MCP client reads by a URI: the answer of an operation or, with a
// location, the files of a folder.
type MCPResource struct {
	Operation ExposedOperation // name, label, description; without Location what it calls
	URI       Text             // {name} makes it a template
	MimeType  Text
	Binary    Tristate
	Location  Text // static: a folder or a file

	Watch *Value // how often it is looked at for subscribers

	Complete []Completion // of the variables of the URI

	Text        Text // instead of a call: what it is, a template
	Data        Text // instead of a call: what it is, as base64
	Annotations *ContentAnnotations
	Icons       []Icon
}

// Prompt is a prompt that an MCP client offers to its users: messages, or a file that is
// one message.
type Prompt struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	Label       Text
	Description Text
	Arguments   []PromptArgument
	Messages    []PromptMessage // the key "template"
	HasMessages bool
	Location    Text
	Icons       []Icon
	Asking      Asking
	Scopes      *Value // of callers
}

// PromptArgument is a value that a user fills into a prompt. It is required unless it says
// that it is not, in every version.
type PromptArgument struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	Label       Text
	Description Text
	Required    bool
	Complete    *Completion // nil: nothing to choose from
}

// PromptMessage is one message of a prompt, or as many as it has items.
type PromptMessage struct {
	Span  diag.Span
	Role  Text
	Items []ContentItem
}

const (
	mcpResourceKeys   = "name uri mimeType binary description call with steps mappings outputParameters location complete scopes watch text data annotations icons confirm ask requires label display"
	mcpResourceSilent = "title summary tags hints inputParameters calls operation"

	watchKeys = "every"

	promptKeys           = "name description arguments template location scopes icons confirm ask requires label display"
	promptSilent         = "title summary tags"
	promptArgumentKeys   = "name description required complete enum label display"
	promptArgumentSilent = "title summary type default example examples"
	promptMessageKeys    = "role content"
)

// mcpResources reads the resources of an MCP adapter.
func (p *parser) mcpResources(v *Value) []MCPResource {
	var out []MCPResource
	for _, e := range p.entries(v, "resources", "resource", diag.Error) {
		if p.keys(e.value, mcpResourceKeys, mcpResourceSilent) {
			p.unheard(e.value, mcpResourceUnheard)
		}
		out = append(out, MCPResource{
			Operation: p.operation(e, p.required()), URI: p.text(e.value, "uri"), MimeType: p.text(e.value, "mimeType"),
			Binary: p.tristate(e.value, "binary", Unset), Location: p.text(e.value, "location"),
			Text: p.text(e.value, "text"), Data: p.text(e.value, "data"), Annotations: p.contentAnnotations(e.value), Icons: p.icons(e.value),
			Watch: p.watch(e.value), Complete: p.completions(e.value),
		})
	}
	return out
}

// watch reads how often a resource is looked at.
func (p *parser) watch(resource *Value) *Value {
	v := some(resource, "watch")
	if v != nil && v.Kind == Map {
		p.keys(v, watchKeys, "")
	}
	return v
}

// prompts reads the prompts of an MCP adapter.
func (p *parser) prompts(v *Value) []Prompt {
	var out []Prompt
	for _, e := range p.entries(v, "prompts", "prompt", diag.Error) {
		p.keys(e.value, promptKeys, promptSilent)
		out = append(out, Prompt{
			Span: e.span, Node: e.value, Name: e.name, Label: p.first(e.value, "label", "display", "title"),
			Description: p.first(e.value, "description", "summary"), Arguments: p.promptArguments(e.value),
			Messages: p.promptMessages(e.value), HasMessages: some(e.value, "template") != nil, Location: p.text(e.value, "location"),
			Icons:  p.icons(e.value),
			Asking: p.asking(e.value),
			Scopes: some(e.value, "scopes"),
		})
	}
	return out
}

func (p *parser) promptArguments(v *Value) []PromptArgument {
	var out []PromptArgument
	for _, e := range p.entries(v, "arguments", "argument", diag.Warning) {
		if p.keys(e.value, promptArgumentKeys, promptArgumentSilent) {
			p.unheard(e.value, promptArgumentUnheard)
		}
		out = append(out, PromptArgument{
			Span: e.span, Node: e.value, Name: e.name, Label: p.first(e.value, "label", "display", "title"),
			Description: p.first(e.value, "description", "summary"), Required: p.tristate(e.value, "required", True) == True,
			Complete: p.argumentCompletion(e.value),
		})
	}
	return out
}

// promptMessages reads a template: a list of messages. A text is read as the one message of
// the user, and a mapping as a list of one.
func (p *parser) promptMessages(v *Value) []PromptMessage {
	list := some(v, "template")
	switch {
	case list == nil:
		return nil
	case list.Kind == Map:
		return []PromptMessage{p.promptMessage(list)}
	case list.Kind != List:
		return []PromptMessage{{Span: list.Span(), Items: textItem(p.text(v, "template"))}}
	}
	out := make([]PromptMessage, 0, len(list.Items))
	for _, item := range list.Items {
		switch item.Kind {
		case Map:
			out = append(out, p.promptMessage(item))
		case String:
			out = append(out, PromptMessage{Span: item.Span(), Items: textItem(item.AsText())})
		default:
			p.dropped(item, "message", diag.Error)
		}
	}
	return out
}

func (p *parser) promptMessage(v *Value) PromptMessage {
	p.keys(v, promptMessageKeys, "")
	m := PromptMessage{Span: v.Span(), Role: p.text(v, "role")}
	if c := some(v, "content"); c != nil && (c.Kind == List || c.Kind == Map && bracedText(c) == nil) {
		m.Items = p.content(v, "content")
	} else {
		m.Items = textItem(p.text(v, "content"))
	}
	return m
}

// textItem gives a text as the only item of a message, which may be empty.
func textItem(t Text) []ContentItem {
	return []ContentItem{{Span: t.Span(), Node: t.node, Text: t}}
}

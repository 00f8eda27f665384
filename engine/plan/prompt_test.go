package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

func (d *document) prompt(name string) *plan.Prompt {
	d.t.Helper()
	if d.unit != nil {
		for _, p := range d.unit.Exposures[0].Prompts {
			if p.Name == name {
				return p
			}
		}
	}
	d.t.Fatalf("no prompt %s; diagnostics: %v", name, d.list)
	return nil
}

// TestRefusedPrompts: what cannot be filled in is refused alone, at its place; what only
// looks wrong is a warning, and the prompt is served.
func TestRefusedPrompts(t *testing.T) {
	t.Parallel()
	const ok = "{name: ok, template: [{role: user, content: hi}]}"
	for text, want := range map[string]string{
		"‸{name: r}":                                          "error prompt has no messages; template",
		"‸{name: r, template: []}":                            "error prompt has no messages",
		"‸{template: hi}":                                     "error prompt has no name",
		"‸{name: ok, template: bye}":                          "error duplicate-prompt declared twice",
		"{name: r, location: ‸nowhere.md}":                    "error prompt not available",
		"{name: r, location: ‸bytes.md}":                      "error prompt not UTF-8",
		"{name: r, template: hi, location: ‸p.md}":            "error prompt both a template and a location",
		"{name: r, template: [{role: ‸system, content: hi}]}": "error prompt system; user or assistant",
		"{name: r, arguments: [{name: a}], template: [{role: user, content: 'x ‸{{b}}'}]}":          "warning prompt {{b}} is no declared argument",
		"{name: r, arguments: [{name: topic}], template: [{role: user, content: 'x ‸{{tpoic}}'}]}":  "warning prompt did you mean {{topic}}?",
		"{name: r, template: [{role: user, content: 'x ‸{{env.TENANT}}'}]}":                         "warning prompt variable env.TENANT is not put into prompts",
		"{name: r, arguments: [{name: a}, {name: ‸a}], template: [{role: user, content: '{{a}}'}]}": "warning prompt there twice",
		"{name: r, template: [{role: user, content: 'y'}], ‸templates: 5}":                          "warning unknown-key template",
	} {
		more := "prompts: [" + ok + ", " + text + "]"
		d := loadMCP(t, more)
		severity, rest, _ := strings.Cut(want, " ")
		code, words, _ := strings.Cut(rest, " ")
		sev := diag.Error
		if severity == "warning" {
			sev = diag.Warning
			if p := d.prompt("r"); p.Refusal != nil {
				t.Errorf("%s: refused: %v", text, p.Refusal)
			}
		}
		if code != "unknown-key" {
			d.found(withMCP(more), sev, diag.Code(code), strings.Split(words, "; ")...)
		}
		if d.prompt("ok").Refusal != nil {
			t.Errorf("%s: the other prompt is refused too", text)
		}
	}
}

func TestRenderedPrompts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prompt string
		args   map[string]string
		want   string
	}{
		"roles":          {"template: [{role: User, content: a}, {role: assistant, content: b}, {content: c}]", nil, "user: a|assistant: b|user: c"},
		"derived":        {"template: 'Hi {{who}}'", map[string]string{"who": "Ann"}, "user: Hi Ann"},
		"missing":        {"template: 'Hi {{who}}'", nil, "user: Hi {{who}}"},
		"by prefix":      {"arguments: {who: {}}, template: 'Hi {{inputs.who}} {{m.who}} {{tools.who}}'", map[string]string{"who": "Ann"}, "user: Hi Ann Ann Ann"},
		"a file":         {"arguments: {who: {}}, location: p.md", map[string]string{"who": "Ann"}, "user: Hello Ann"},
		"a plain file":   {"location: p.md", map[string]string{"who": "Ann"}, "user: Hello {{who}}"},
		"not a name":     {"template: 'a {{not a name}} {{#if}} {{}} {{ x" + "', arguments: {}", map[string]string{"not a name": "x"}, "user: a {{not a name}} {{#if}} {{}} {{ x"},
		"never twice":    {"template: '{{a}} {{b}}'", map[string]string{"a": "{{b}}", "b": "{{a}}"}, "user: {{b}} {{a}}"},
		"an odd content": {"template: [{role: user, content: 5}]", nil, "user: 5"},
	} {
		d := loadMCP(t, "prompts: [{name: r, "+tt.prompt+"}]")
		messages, err := d.prompt("r").Render(tt.args)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, m := range messages {
			got = append(got, m.Role+": "+m.Text)
		}
		if text := strings.Join(got, "|"); text != tt.want {
			t.Errorf("%s: %q, want %q", name, text, tt.want)
		}
	}
}

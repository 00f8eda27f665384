package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/spec"
)

const mcpList = `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    resources:
    - name: profile
      label: Profile
      uri: data://users/{id}
      description: One user.
      mimeType: application/json
      call: api.get
      with: { id: "{{id}}" }
    - { name: guides, label: Guides, uri: 'data://guides', description: Files., location: 'file:///guides', binary: true }
    prompts:
    - name: outreach
      label: Outreach
      description: Write to someone.
      arguments:
      - { name: who, description: The reader. }
      - { name: tone, label: Tone, description: How., required: false }
      template:
      - { role: user, content: 'Write to {{who}}.' }
      - role: assistant
        content: {{tone}}
    - { name: review, label: Review, description: From a file., location: 'file:///review.md' }
`

const mcpMap = `ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    resources:
      profile:
        display: Profile
        uri: data://users/{id}
        description: One user.
        mimeType: application/json
        call: api.get
        with: { id: "{{id}}" }
      guides: { display: Guides, uri: 'data://guides', description: Files., location: 'file:///guides', binary: true }
    prompts:
      outreach:
        display: Outreach
        description: Write to someone.
        arguments:
          who: { description: The reader. }
          tone: { display: Tone, description: How., required: false }
        template:
        - { role: user, content: 'Write to {{who}}.' }
        - role: assistant
          content: '{{tone}}'
      review: { display: Review, description: From a file., location: 'file:///review.md' }
`

const mcpOutline = `resource profile "Profile" data://users/{id} "One user." application/json binary 0 at "" calls "api.get" with {"id":"{{id}}"}
resource guides "Guides" data://guides "Files."  binary 2 at "file:///guides" calls null with null
prompt outreach "Outreach" "Write to someone." template true at ""
  argument who "" "The reader." required true
  argument tone "Tone" "How." required false
  user: Write to {{who}}.
  assistant: {{tone}}
prompt review "Review" "From a file." template false at "file:///review.md"
`

func outlineMCP(x *spec.Exposed) string {
	var b strings.Builder
	for _, r := range x.MCPResources {
		o := r.Operation
		fmt.Fprintf(&b, "resource %s %q %s %q %s binary %d at %q calls %s with %s\n", o.Name.Value, o.Label.Value, r.URI.Value,
			o.Description.Value, r.MimeType.Value, r.Binary, r.Location.Value, o.Call.JSON(), o.With.JSON())
	}
	for _, p := range x.Prompts {
		fmt.Fprintf(&b, "prompt %s %q %q template %v at %q\n", p.Name.Value, p.Label.Value, p.Description.Value, p.HasMessages, p.Location.Value)
		for _, a := range p.Arguments {
			fmt.Fprintf(&b, "  argument %s %q %q required %v\n", a.Name.Value, a.Label.Value, a.Description.Value, a.Required)
		}
		for _, m := range p.Messages {
			fmt.Fprintf(&b, "  %s: %s\n", m.Role.Value, m.Items[0].Text.Value)
		}
	}
	return b.String()
}

// Both forms give one tree, an argument being required unless it says otherwise.
func TestResourcesAndPrompts(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"list": mcpList, "map": mcpMap} {
		doc, list := spec.Parse("f.yaml", []byte(text), spec.Limits{})
		if doc == nil {
			t.Fatalf("%s: not read: %v", name, list)
		}
		if got := outlineMCP(&doc.Exposes[0]); got != mcpOutline {
			t.Errorf("%s form gives\n%swant\n%s", name, got, mcpOutline)
		}
		if others := doc.Exposes[0].Others; len(others) > 0 {
			t.Errorf("%s form has others %v", name, values(others))
		}
	}
}

// What is written in a form that only looks wrong is read as what it means.
func TestForgivingPrompts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ prompts, want, finding string }{
		"one message":        {"[{name: p, template: {role: user, content: hi}}]", "user: hi", ""},
		"text":               {"[{name: p, template: hi}]", ": hi", ""},
		"a list of texts":    {"[{name: p, template: [hi]}]", ": hi", ""},
		"an unknown key":     {"[{name: p, template: [{role: user, contnet: hi}]}]", "user: ", "unknown-key"},
		"a message of lists": {"[{name: p, template: [[hi]]}]", "", "wrong-type"},
		"one prompt":         {"{name: p, template: hi}", ": hi", "wrong-type"},
	} {
		text := "naftiko: 1.0.0-alpha2\ncapability: {exposes: [{type: mcp, namespace: m, port: 1, prompts: " + tt.prompts + "}]}\n"
		doc, list := spec.Parse("f.yaml", []byte(text), spec.Limits{})
		if doc == nil || len(doc.Exposes) != 1 || len(doc.Exposes[0].Prompts) != 1 {
			t.Errorf("%s: not read: %v", name, list)
			continue
		}
		got := ""
		for _, m := range doc.Exposes[0].Prompts[0].Messages {
			got += m.Role.Value + ": " + m.Items[0].Text.Value
		}
		if got != tt.want {
			t.Errorf("%s: messages %q, want %q", name, got, tt.want)
		}
		if found := len(list) > 0; found != (tt.finding != "") || found && string(list[0].Code) != tt.finding {
			t.Errorf("%s: findings %v, want %q", name, list, tt.finding)
		}
	}
}

package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/spec"
)

// told writes what was read of skills.
func told(d *spec.Document) string {
	var b strings.Builder
	for _, x := range d.Exposes {
		for _, s := range x.Skills {
			fmt.Fprintf(&b, "%s|%s|%s|%s|%s|%s|%s|%d %d|%s\n", s.Name.Value, s.Description.Value, s.License.Value, s.Compatibility.Value,
				s.AllowedTools.Value, s.ArgumentHint.Value, s.Location.Value, s.UserInvocable, s.DisableModelInvocation, s.Call.Value)
			for _, m := range s.Metadata {
				fmt.Fprintf(&b, "  %s=%s\n", m.Key.Value, m.Value.Text)
			}
			for _, t := range s.Tools {
				fmt.Fprintf(&b, "  - %s|%s|%v %s.%s|%s\n", t.Name.Value, t.Description.Value, t.HasFrom, t.Namespace.Value, t.Action.Value, t.Instruction.Value)
			}
		}
	}
	return b.String()
}

func TestSkills(t *testing.T) {
	t.Parallel()
	const wanted = `booking|Book rooms|MIT|any|list-rooms book|[room-id]|skills/booking|2 1|
  author=Ann
  revision=1.10
  - list-rooms|List|true web.list-rooms|
  - guide||false .|guide.md
plain|||||||0 0|
`
	const inside = `description: Book rooms, license: MIT, compatibility: any, metadata: {author: Ann, none: null, revision: 1.10}, ` +
		`allowed-tools: ALLOWED, argument-hint: [room-id], user-invocable: true, disable-model-invocation: false, location: skills/booking`
	for name, text := range map[string]string{
		"list form": "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: skill\n    skills:\n    - {name: booking, " + inside + ", tools: [" +
			"{name: list-rooms, description: List, from: {sourceNamespace: web, action: list-rooms}}, {name: guide, instruction: guide.md}]}\n    - name: plain\n",
		"map form": "ikanos: 1.0.0-beta5\ncapability:\n  exposes:\n    s:\n      type: skill\n      skills:\n        booking: {" + inside + ", tools: {" +
			"list-rooms: {description: List, from: {sourceNamespace: web, action: list-rooms}}, guide: {instruction: guide.md}}}\n        plain:\n",
	} {
		for _, allowed := range []string{"list-rooms book", "[list-rooms, book]"} {
			doc, list := spec.Parse("a.yaml", []byte(strings.ReplaceAll(text, "ALLOWED", allowed)), spec.Limits{})
			if doc == nil || len(list) > 0 {
				t.Fatalf("%s: %v", name, list)
			}
			if got := told(doc); got != wanted {
				t.Errorf("%s, %s: got\n%swant\n%s", name, allowed, got, wanted)
			}
		}
	}
}

// What catalogues write into skills is read without a word; what is nearly a key is not.
func TestSkillKeys(t *testing.T) {
	t.Parallel()
	const head = "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: skill\n    skills:\n    - "
	for text, want := range map[string]string{
		"{name: a, call: x.y, hints: {readOnly: true}, inputParameters: [{name: like}], title: A}": "",
		"{name: a, tools: [{name: b, from: {sourceNamespace: w, action: b}, label: B}]}":           "",
		"{name: a, allowed_tools: b}":                         `allowed-tools`,
		"{name: a, tools: [{name: b, instructions: b.md}]}":   `instruction`,
		"{name: a, tools: [{name: b, from: {namespace: w}}]}": `"namespace"`,
		"{name: a, tools: [{name: b, from: web.list}]}":       `from is text, expected a mapping with sourceNamespace and action`,
		"{name: a, metadata: {tags: [a]}}":                    `"tags" is a list, expected text`,
		"{name: a, metadata: text}":                           `metadata is text, expected a mapping of texts`,
		"{name: a, user-invocable: sometimes}":                `user-invocable is "sometimes", expected true or false`,
		"just-a-name":                                         `skill entry is text, expected a mapping`,
		"{name: a, tools: [list-rooms]}":                      `tool entry is text, expected a mapping`,
	} {
		doc, list := spec.Parse("a.yaml", []byte(head+text+"\n"), spec.Limits{})
		if doc == nil || len(list) > 1 || (want == "") != (len(list) == 0) || want != "" && !strings.Contains(list[0].Message+list[0].Hint, want) {
			t.Errorf("%s: got %v, want %q", text, list, want)
		}
	}
}

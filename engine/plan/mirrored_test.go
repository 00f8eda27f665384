package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
)

// TestMirroredArguments: headers that clients do not take are told where they stand, and those they
// take make a tool of which arguments are compared.
func TestMirroredArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		properties, why string
		mirrored        bool
	}{
		{`{ region: { type: string } }`, "", false},
		{`{ region: { type: string, x-mcp-header: Region }, n: { type: integer, x-mcp-header: N } }`, "", true},
		{`{ a: { type: object, properties: { on: { type: boolean, x-mcp-header: On } } } }`, "", true},
		{`{ region: { type: string, x-mcp-header: no name } }`, "region is no name of a header", false},
		{`{ region: { type: string, x-mcp-header: 7 } }`, "region is no name of a header", false},
		{`{ region: { type: string, x-mcp-header: '' } }`, "region is no name of a header", false},
		{`{ n: { type: number, x-mcp-header: N } }`, "n repeats what is no string, integer or boolean", false},
		{`{ n: { type: [string, 'null'], x-mcp-header: N } }`, "n repeats what is no string, integer or boolean", false},
		{`{ a: { type: string, x-mcp-header: Same }, b: { type: object, properties: { c: { type: string, x-mcp-header: SAME } } } }`, "b.c has the name of another one", false},
	} {
		text := `ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
      route:
        description: Say which region is meant
        portable: PORTABLE
        inputSchema:
          type: object
          properties: ` + tt.properties + `
        content: 'region'
`
		d := load(t, strings.Replace(text, "PORTABLE", "false", 1))
		got := ""
		for _, x := range d.list {
			if x.Code != diag.CodeMirroredArgument || x.Severity != diag.Warning || x.Span.Start.Line != 13 {
				t.Errorf("%s: %v", tt.properties, x)
			}
			got += x.Message
		}
		want := tt.why
		if want != "" {
			argument, why, _ := strings.Cut(want, " ")
			want = "the x-mcp-header of " + argument + " in tool route " + why + ", so clients do not show the tool"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", tt.properties, got, want)
		}
		if tool := d.unit.Exposures[0].Tools[0]; tool.Mirrored != tt.mirrored || tool.Operation == nil {
			t.Errorf("%s: mirrored is %v", tt.properties, tool.Mirrored)
		}
		if d := load(t, strings.Replace(text, "PORTABLE", "true", 1)); d.codes() != "" || d.unit.Exposures[0].Tools[0].Mirrored {
			t.Errorf("%s: a portable schema: %s", tt.properties, d.codes())
		}
	}
}

package plan_test

import (
	"strings"
	"testing"
)

// TestCompletionFaults: a completion that cannot be offered is refused alone, and says why.
func TestCompletionFaults(t *testing.T) {
	t.Parallel()
	const text = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
    - path: /cities
      operations:
      - { name: search, method: GET, inputParameters: [{ name: q, in: query, required: true }] }
      - { name: add, method: POST }
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    prompts:
    - name: p
      arguments: [{ name: city, complete: COMPLETE }]
      template: [{ role: user, content: 'Go to {{city}}' }]
    resources:
    - { name: r, uri: 'city://{city}', call: api.search, with: { q: '{city}' }, complete: RESOURCE }
`
	for _, tt := range []struct{ prompt, resource, want string }{
		{"[a, b]", "{ city: [a] }", ""},
		{"{ call: api.search, with: { q: '{{value}}' } }", "{ city: { call: api.search, with: { q: '{{value}}' }, values: '$.x' } }", ""},
		{"[]", "{ city: [a] }", "error completion"},
		{"anything", "{ city: [a] }", "error completion"},
		{"{ with: { q: x } }", "{ city: [a] }", "error completion"},
		{"{ call: api.search }", "{ city: [a] }", "error completion"},
		{"{ call: api.add }", "{ city: [a] }", "error completion"},
		{"{ call: api.nothing }", "{ city: [a] }", "error call-unresolved-operation"},
		{"[a]", "{ town: [a] }", "warning completion"},
		{"[a]", "[a]", "warning completion"},
	} {
		d := load(t, strings.NewReplacer("COMPLETE", tt.prompt, "RESOURCE", tt.resource).Replace(text))
		if got := d.codes(); got != tt.want {
			t.Errorf("%s, %s: %s, want %s\n%v", tt.prompt, tt.resource, got, tt.want, d.list)
		}
		x := d.unit.Exposures[0]
		if x.Prompts[0].Refusal != nil || x.Resources[0].Refusal != nil {
			t.Errorf("%s, %s: refuses more than the completion", tt.prompt, tt.resource)
		}
	}
}

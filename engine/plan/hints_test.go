package plan_test

import (
	"strings"
	"testing"
)

// TestHintsAgainstMethods: hints that contradict each other, or what a tool calls, are told; what
// published documents rightly say is not.
func TestHintsAgainstMethods(t *testing.T) {
	t.Parallel()
	for hints, want := range map[string]string{
		"call: api.get, hints: {readOnly: true}":                                                                        "",
		"call: api.get, hints: {readOnly: false}":                                                                       "info hints",
		"call: api.find, hints: {readOnly: true}":                                                                       "",
		"call: api.make, hints: {readOnly: true}":                                                                       "info hints",
		"call: api.make, hints: {idempotent: true}":                                                                     "",
		"call: api.make, hints: {readOnly: false, destructive: true}":                                                   "",
		"call: api.set, hints: {readOnly: true}":                                                                        "warning hints",
		"call: api.change, hints: {readOnly: true}":                                                                     "warning hints",
		"call: api.remove, hints: {readOnly: true}":                                                                     "warning hints",
		"call: api.remove, hints: {readOnly: true, destructive: true}":                                                  "warning hints, warning hints",
		"call: api.get, hints: {readOnly: true, destructive: true}":                                                     "warning hints",
		"call: api.remove, hints: {readOnly: false, destructive: true}":                                                 "",
		"call: api.remove, hints: {readOnly: surely}":                                                                   "warning hints",
		"steps: [{name: a, type: call, call: api.get}, {name: b, type: call, call: api.set}], hints: {readOnly: true}":  "warning hints",
		"steps: [{name: a, type: call, call: api.get}, {name: b, type: call, call: api.get}], hints: {readOnly: false}": "info hints",
	} {
		d := load(t, strings.Replace(`naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    resources:
    - path: /x
      operations: [{name: get}, {name: set, method: PUT}, {name: change, method: PATCH}, {name: remove, method: DELETE}]
    - path: /y
      operations: [{name: find, method: POST}]
    - path: /z
      operations: [{name: make, method: POST}]
  exposes:
  - {type: mcp, port: 1, namespace: m, tools: [{name: t, description: T, HINTS}]}
`, "HINTS", hints, 1))
		if got := d.codes(); got != want {
			t.Errorf("%s: %s, want %s: %v", hints, got, want, d.list)
		}
	}
}

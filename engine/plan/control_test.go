package plan_test

import (
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

// controlOnly is a document with nothing but a control adapter.
const controlOnly = `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - { type: control, port: 9001 }
`

// restAt is a document with a route.
func restAt(path string) string {
	return `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: a
    baseUri: https://a.example.com
    resources:
    - path: /x
      operations:
      - { name: x, method: GET }
  exposes:
  - type: rest
    namespace: r
    port: 9001
    resources:
    - path: ` + path + `
      operations:
      - { name: x, method: GET, call: a.x }
`
}

// TestControlAddresses: a control adapter has a fixed address, and the root of its listener
// while it is alone there and no route has paths of its own.
func TestControlAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		docs map[string]string
		root bool
		bare int
	}{
		{"alone", map[string]string{"a": controlOnly}, true, 0},
		{"two", map[string]string{"a": controlOnly, "b": controlOnly}, false, 0},
		{"three", map[string]string{"a": controlOnly, "b": controlOnly, "c": controlOnly}, false, 0},
		{"beside routes", map[string]string{"a": controlOnly, "b": restAt("/status")}, false, 1},
		{"beside a route in its place", map[string]string{"a": controlOnly, "b": restAt("/control/a")}, false, 0},
		{"a route without one", map[string]string{"b": restAt("/control/a")}, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, list := viewed(t, tt.docs, plan.LinkOptions{})
			if (l.SoleControl != nil) != tt.root || len(l.Bare) != tt.bare {
				t.Errorf("root %v, %d bare routes: %v", l.SoleControl, len(l.Bare), list)
			}
			if tt.docs["a"] != "" && !slices.ContainsFunc(l.Mounts, func(m *plan.Mount) bool { return m.Path == "/control/a" && m.Main }) {
				t.Error("it has no fixed address")
			}
			reserved := slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Code == diag.CodeReservedPath })
			if reserved != (tt.name == "beside a route in its place") {
				t.Errorf("%v", list)
			}
		})
	}
}

// TestControlObservability: what a document says of the process it once had for itself is told to
// be that of the whole process. It is a warning where that makes a difference.
func TestControlObservability(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"null":                       "",
		"{}":                         "info",
		"{ enabled: false }":         "info",
		"{ metrics: { local: {} } }": "info",
		"{ traces: { local: {} } }":  "warning traces.local",
		"{ traces: { local: { buffer-size: 50 } } }":                                 "warning traces.local",
		"{ traces: { local: { enabled: false }, sampling: 1.0, propagation: w3c } }": "info",
		"{ traces: { sampling: 0.5, propagation: b3 } }":                             "warning traces.sampling, traces.propagation",
		"{ exporters: { otlp: { endpoint: 'http://collector.example.com:4317' } } }": "warning exporters",
	} {
		d := load(t, restAt("/x")+"  - { type: control, port: 9002, observability: "+settings+" }\n")
		got := ""
		for _, x := range d.list {
			got += x.Severity.String()
			if what, _, ok := strings.Cut(x.Message, " under observability has no effect"); ok {
				got += " " + what
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", settings, got, want)
		}
	}
}

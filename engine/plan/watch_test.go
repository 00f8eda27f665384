package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWatchKeyword: how often is said in words for a time, and what is said wrong is left out
// while the resource is served.
func TestWatchKeyword(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		watch, call string
		every       time.Duration
		want        string
	}{
		"a mapping":  {`{ every: 90s }`, "get", 90 * time.Second, ""},
		"a text":     {`5m`, "get", 5 * time.Minute, ""},
		"no unit":    {`30`, "get", 0, `watch of resource r has no effect: every is "30", expected a time such as 30s or 5m; write a number with its unit`},
		"too often":  {`{ every: 10ms }`, "get", 0, `watch of resource r has no effect: every is 10ms, and the least is 1s; write 1s or more`},
		"how often":  {`{}`, "get", 0, `watch of resource r has no effect: it does not say how often; write watch: {every: 30s}`},
		"it changes": {`30s`, "post", 0, `watch of resource r has no effect: reading it may change something, so it is not done unasked; watch only what is read`},
		"it asks":    {`30s, confirm: 'Show it?'`, "get", 0, `watch of resource r has no effect: there is nobody to ask; leave out ask, confirm and requires, or watch`},
		"it wants":   {`30s, requires: {clientCapabilities: [roots]}`, "get", 0, `watch of resource r has no effect: there is nobody to ask; leave out ask, confirm and requires, or watch`},
	} {
		d := load(t, `ikanos: 1.0.0-beta5
capability:
  consumes:
  - namespace: api
    type: http
    baseUri: https://api.test
    resources: { a: { path: /a, operations: { get: { method: GET }, post: { method: POST } } } }
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    resources:
      r: { uri: 'data://r', call: api.`+tc.call+`, watch: `+tc.watch+` }
`)
		r := d.unit.Exposures[0].Resources[0]
		got := ""
		for _, x := range d.list {
			if strings.Contains(x.Message, "watch") {
				got = fmt.Sprintf("%s; %s", x.Message, x.Hint)
			}
		}
		if r.Refusal != nil || r.Every != tc.every || got != tc.want {
			t.Errorf("%s: every %s, want %s; %v\ngot  %s\nwant %s", name, r.Every, tc.every, r.Refusal, got, tc.want)
		}
	}
}

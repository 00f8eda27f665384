package plan_test

import (
	"strings"
	"testing"

	"capd/engine/plan"
)

// TestListsOfXML: a mapping that says array gives a list, whether an element of an XML answer
// stands there several times, once, or not at all.
func TestListsOfXML(t *testing.T) {
	t.Parallel()
	const (
		none = `<ships note=""></ships>`
		one  = `<ships><ship><name>Ann</name><port>Oslo</port></ship></ships>`
		two  = `<ships><ship><name>Ann</name></ship><ship><name>Bob</name><port>Oslo</port><port>Bergen</port></ship></ships>`
	)
	const ships = "{ type: array, mapping: %, items: { type: object, properties: { name: { type: string, mapping: $.name }, ports: { type: array, mapping: $.port } } } }"
	tests := []struct{ output, answer, want string }{
		{strings.Replace(ships, "%", "$.ship", 1), two, `[{"name":"Ann","ports":[]},{"name":"Bob","ports":["Oslo","Bergen"]}]`},
		{strings.Replace(ships, "%", "$.ship", 1), one, `[{"name":"Ann","ports":["Oslo"]}]`},
		{strings.Replace(ships, "%", "$.ship", 1), none, `[]`},
		{strings.Replace(ships, "%", "$.ship", 1), `<ships/>`, `[]`},
		{strings.Replace(ships, "%", "$.", 1), two, `[{"name":"Ann","ports":[]},{"name":"Bob","ports":["Oslo","Bergen"]}]`},
		{strings.Replace(ships, "%", "$", 1), one, `[{"name":"Ann","ports":["Oslo"]}]`},
		{strings.Replace(ships, "%", "$.", 1), `<ship><name>Ann</name><port>Oslo</port></ship>`, `[{"name":"Ann","ports":["Oslo"]}]`},
		{strings.Replace(ships, "%", "$.", 1), `<ship><name>Ann</name></ship>`, `[{"name":"Ann","ports":[]}]`},
		{strings.Replace(ships, "%", "$.", 1), `<ships/>`, `[]`},
		{"{ type: array, mapping: $.ship.name, items: { type: string } }", one, `["Ann"]`},
		{"{ type: array, mapping: $.ship.name }", one, `["Ann"]`},
		{"{ type: string, mapping: $.ship.name }", one, `"Ann"`},
	}
	for _, tt := range tests {
		d := load(t, `ikanos: 1.0.0-beta5
capability:
  consumes:
  - type: http
    namespace: port
    baseUri: https://port.example.com
    resources: { ships: { path: /ships, operations: { list: { method: GET, outputRawFormat: xml } } } }
  exposes:
  - type: mcp
    namespace: tools
    port: 9091
    tools: { list: { description: List, call: port.list, outputParameters: [`+tt.output+`] } }
`)
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/xml"}}, Body: plan.BytesBody([]byte(tt.answer))}, nil
		}
		got, err := d.tool("list", "{}")
		if want := "200 " + tt.want; got != want || err != nil {
			t.Errorf("%s of %s gives %s (%v), want %s", tt.output, tt.answer, got, err, want)
		}
	}
}

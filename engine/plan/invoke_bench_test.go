package plan_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"
)

// shapes has an operation for each way in which an answer is shaped.
const shapes = `
ikanos: 1.0.0-beta5
info: { label: Shapes }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: http://127.0.0.1
    resources:
    - name: thing
      path: /things/{id}
      operations:
      - { name: get, method: GET, inputParameters: [{ name: id, in: path, type: string }] }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /{id}
      operations:
      - name: object
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        call: up.get
        with: { id: "{{id}}" }
        outputParameters:
        - type: object
          properties:
            key: { type: string, mapping: $.id }
            title: { type: string, mapping: $.name }
            owner: { type: string, mapping: $.owner.email }
    - path: /array/{id}
      operations:
      - name: array
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        call: up.get
        with: { id: "{{id}}" }
        outputParameters:
        - type: array
          mapping: $.items
          items:
            type: object
            properties:
              number: { type: number, mapping: $.id }
              text: { type: string, mapping: $.title }
              price: { type: number, mapping: $.price }
    - path: /column/{id}
      operations:
      - name: column
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        call: up.get
        with: { id: "{{id}}" }
        outputParameters: [{ type: array, mapping: "$.items[*].title" }]
    - path: /dependent/{id}
      operations:
      - name: dependent
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        steps:
        - { type: call, name: first, call: up.get, with: { id: "{{id}}" } }
        - { type: call, name: second, call: up.get, with: { id: "{{first.id}}" } }
        mappings: [{ targetName: email, value: "$.second.owner.email" }]
        outputParameters: [{ name: email, type: string }]
    - path: /independent/{id}
      operations:
      - name: independent
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        steps:
        - { type: call, name: first, call: up.get, with: { id: "{{id}}" } }
        - { type: call, name: second, call: up.get, with: { id: "7" } }
        mappings: [{ targetName: first, value: "$.first.id" }, { targetName: second, value: "$.second.id" }]
        outputParameters: [{ name: first, type: string }, { name: second, type: string }]
`

// things is a document of about size bytes.
func things(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"42","name":"A thing","owner":{"id":7,"email":"owner@example.com"},"items":[`)
	for n := 0; b.Len() < size-60; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"Item number %d","done":%t,"price":%d.25}`, n, n, n%2 == 0, n)
	}
	return append(b.Bytes(), "]}"...)
}

// compiled gives the operations of a document by their names, and what they are called with.
func compiled(tb testing.TB, text string, up plan.UpstreamFunc) (map[string]*plan.Operation, *plan.Bound) {
	tb.Helper()
	doc, list := spec.Parse("test.yaml", []byte(text), spec.Limits{})
	if doc == nil {
		tb.Fatal(list)
	}
	doc.ID = "test"
	unit, list := plan.Compiler{Schemas: schema.Compile}.Compile(doc, nil)
	if unit == nil || len(list) > 0 {
		tb.Fatal(list)
	}
	p, list := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	if len(list) > 0 {
		tb.Fatal(list)
	}
	bound, list := plan.Bind(p, plan.BindOptions{Upstream: up})
	if len(list) > 0 {
		tb.Fatal(list)
	}
	out := map[string]*plan.Operation{}
	for _, e := range unit.Exposures {
		for _, r := range e.Routes {
			out[r.Name] = r.Operation
		}
	}
	return out, bound
}

// likeConnection is an upstream whose answers are read as those of a connection are.
func likeConnection(body []byte) plan.UpstreamFunc {
	header := []plan.Field{{Name: "Content-Type", Value: "application/json"}}
	return func(context.Context, *plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 200, Header: header, Body: plan.Body{Stream: io.NopCloser(bytes.NewReader(body)), Len: int64(len(body))}}, nil
	}
}

// BenchmarkInvoke is a call from its inputs to the bytes of its answer.
func BenchmarkInvoke(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
		ops   []string
	}{
		{"1K", 1 << 10, []string{"object", "array", "column", "dependent", "independent"}},
		{"16K", 16 << 10, []string{"object", "array", "column"}},
		{"1M", 1 << 20, []string{"object", "array", "column"}},
	} {
		body := things(size.bytes)
		ops, bound := compiled(b, shapes, likeConnection(body))
		for _, name := range size.ops {
			op := ops[name]
			b.Run(name+"/"+size.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					args, err := op.Bind(&plan.Source{Path: []string{"42"}})
					if err != nil {
						b.Fatal(err)
					}
					res, err := op.Invoke(b.Context(), &plan.Invocation{Args: args, Bound: bound})
					if err != nil {
						b.Fatal(err)
					}
					_ = res.Close()
				}
			})
		}
	}
}

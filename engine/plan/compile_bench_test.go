package plan_test

import (
	"testing"

	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"
)

// everyWay has an operation for each way of a call, as generated documents of cmd/bench have.
const everyWay = `ikanos: 1.0.0-beta5
info: { label: Document 0, description: Every way of a call that is measured }
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{env.UPSTREAM}}"
    resources:
    - name: thing
      path: /things/{size}/{id}
      operations:
      - name: get
        method: GET
        inputParameters: [{ name: size, in: path, type: string }, { name: id, in: path, type: string }]
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /d0/whole/{size}/{id}
      operations:
      - { name: whole, method: GET, inputParameters: [{ name: size, in: path, type: string }, { name: id, in: path, type: string }], call: up.get, with: { size: "{{size}}", id: "{{id}}" } }
    - path: /d0/object/{size}/{id}
      operations:
      - name: object
        method: GET
        inputParameters: [{ name: size, in: path, type: string }, { name: id, in: path, type: string }]
        call: up.get
        with: { size: "{{size}}", id: "{{id}}" }
        outputParameters:
        - type: object
          properties:
            key: { type: string, mapping: $.id }
            title: { type: string, mapping: $.name }
            owner: { type: string, mapping: $.owner.email }
    - path: /d0/array/{size}/{id}
      operations:
      - name: array
        method: GET
        inputParameters: [{ name: size, in: path, type: string }, { name: id, in: path, type: string }]
        call: up.get
        with: { size: "{{size}}", id: "{{id}}" }
        outputParameters:
        - type: array
          mapping: $.items
          items:
            type: object
            properties:
              number: { type: number, mapping: $.id }
              text: { type: string, mapping: $.title }
              price: { type: number, mapping: $.price }
    - path: /d0/dependent/{id}
      operations:
      - name: dependent
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        steps:
        - { type: call, name: first, call: up.get, with: { size: 1k, id: "{{id}}" } }
        - { type: call, name: second, call: up.get, with: { size: 1k, id: "{{first.id}}" } }
        mappings:
        - { targetName: email, value: "$.second.owner.email" }
        outputParameters: [{ name: email, type: string }]
    - path: /d0/independent/{id}
      operations:
      - name: independent
        method: GET
        inputParameters: [{ name: id, in: path, type: string }]
        steps:
        - { type: call, name: first, call: up.get, with: { size: 1k, id: "{{id}}" } }
        - { type: call, name: second, call: up.get, with: { size: 1k, id: "7" } }
        mappings:
        - { targetName: first, value: "$.first.id" }
        - { targetName: second, value: "$.second.id" }
        outputParameters: [{ name: first, type: string }, { name: second, type: string }]
    - path: /d0/forward/{path}
      forward: { targetNamespace: up, trustedHeaders: [Accept] }
  - type: mcp
    namespace: tools
    port: 9090
    tools:
    - name: get-thing-0
      description: Get a thing
      inputParameters: [{ name: id, type: string, description: Its ID }]
      call: up.get
      with: { size: 1k, id: "{{id}}" }
`

// BenchmarkCompile compiles a document of 3 KB.
func BenchmarkCompile(b *testing.B) {
	doc, list := spec.Parse("test.yaml", []byte(everyWay), spec.Limits{})
	if doc == nil {
		b.Fatal(list)
	}
	doc.ID = "test"
	with := plan.Compiler{Schemas: schema.Compile, Room: new(plan.Room)}
	b.ReportAllocs()
	for b.Loop() {
		if unit, list := with.Compile(doc, nil); unit == nil || len(list) > 0 {
			b.Fatal(list)
		}
	}
}

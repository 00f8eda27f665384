package plan_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"
)

// passing has an operation for each sort of request whose answer is handed on.
const passing = `
ikanos: 1.0.0-beta5
info: { label: Passing }
binds:
- { namespace: env, keys: { KEY: KEY } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: http://127.0.0.1/v1
    resources:
    - name: thing
      path: /things/{id}
      operations:
      - { name: get, method: GET, inputParameters: [{ name: id, in: path }, { name: page, in: query }, { name: accept, in: header, value: application/json }] }
      - { name: set, method: PUT, inputParameters: [{ name: id, in: path }], body: '{"id": "{{id}}", "name": "thing"}' }
      - { name: replace, method: POST, inputParameters: [{ name: id, in: path }] }
  - type: http
    namespace: keyed
    baseUri: http://127.0.0.1
    authentication: { type: apikey, key: X-API-Key, value: '{{KEY}}', placement: header }
    resources:
    - name: thing
      path: /things/{id}
      operations: [{ name: get, method: GET, inputParameters: [{ name: id, in: path }] }]
  - type: http
    namespace: bearer
    baseUri: http://127.0.0.1
    authentication: { type: bearer, token: '{{KEY}}' }
    resources:
    - name: thing
      path: /things/{id}
      operations: [{ name: get, method: GET, inputParameters: [{ name: id, in: path }] }]
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /{id}
      operations:
      - { name: get, method: GET, inputParameters: [{ name: id, in: path }, { name: page, in: query }], call: up.get, with: { id: '{{id}}', page: '{{page}}' } }
      - { name: set, method: PUT, inputParameters: [{ name: id, in: path }], call: up.set, with: { id: '{{id}}' } }
      - { name: replace, method: POST, inputParameters: [{ name: id, in: path }], call: up.replace, with: { id: '{{id}}' } }
    - path: /keyed/{id}
      operations: [{ name: keyed, method: GET, inputParameters: [{ name: id, in: path }], call: keyed.get, with: { id: '{{id}}' } }]
    - path: /bearer/{id}
      operations: [{ name: bearer, method: GET, inputParameters: [{ name: id, in: path }], call: bearer.get, with: { id: '{{id}}' } }]
    - path: /forward/{path}
      forward: { targetNamespace: up }
`

// BenchmarkPass is a call from its bound inputs to an answer that is handed on unread, as those of
// a server are that bounds the time of calls and counts them.
func BenchmarkPass(b *testing.B) {
	doc, list := spec.Parse("test.yaml", []byte(passing), spec.Limits{})
	if doc == nil {
		b.Fatal(list)
	}
	doc.ID = "test"
	unit, list := plan.Compiler{Schemas: schema.Compile}.Compile(doc, nil)
	if unit == nil {
		b.Fatal(list)
	}
	p, _ := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	answer := &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}, {Name: "Etag", Value: `"one"`}}}
	bound, list := plan.Bind(p, plan.BindOptions{
		Look:        func(string, *plan.Variable) (plan.Secret, error) { return plan.NewSecret("a-key-of-the-upstream"), nil },
		CallTimeout: time.Minute,
		Quotas:      plan.NewQuotas(plan.QuotaOptions{}),
		Upstream: plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
			answer.Body = plan.Body{Stream: http.NoBody, Len: -1}
			return answer, nil
		}),
	})
	if len(list) > 0 {
		b.Fatal(list)
	}
	body := bytes.Repeat([]byte(" "), 1<<10)
	for _, r := range unit.Exposures[0].Routes {
		b.Run(r.Name, func(b *testing.B) {
			if r.Operation == nil {
				b.Fatal(r.Refusal)
			}
			src := plan.Source{Method: r.Method, Path: []string{"42"}, Query: "page=3", Conditions: r.Conditions, Header: http.Header{"Accept": {"*/*"}, "Accept-Language": {"en"}, "User-Agent": {"a"}, "Cookie": {"a=b"}}}
			switch r.Method {
			case plan.AnyMethod:
				src.Method, src.Rest, src.Path = "GET", "/things/42", []string{""}
			case "POST":
				src.Body, src.ContentType = plan.Body{Stream: io.NopCloser(bytes.NewReader(body)), Len: int64(len(body))}, "text/plain"
			}
			args, err := r.Operation.Bind(&src)
			ctx, cancel := context.WithCancel(b.Context()) // of a caller
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if r.Method == plan.AnyMethod { // what is passed on belongs to it
					args, err = r.Operation.Bind(&src)
				}
				if err != nil {
					b.Fatal(err)
				}
				res, err := r.Operation.Invoke(ctx, &plan.Invocation{Args: args, Bound: bound})
				if err != nil {
					b.Fatal(err)
				}
				_ = res.Close()
			}
		})
	}
}

package plan_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"capd/engine/plan"
	"capd/engine/spec"
)

// busy is a document whose one call uses every part of a request.
const busy = `naftiko: 1.0.0-alpha2
binds:
- {namespace: env, keys: {TOKEN: TOKEN, TENANT: TENANT, HOST: API_HOST}}
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: "https://{{HOST}}/v1"
    authentication: {type: apikey, key: k, value: "{{TOKEN}}", placement: cookie}
    resources:
    - path: "/t/{{TENANT}}/rooms/{id}?fixed=1"
      operations:
      - name: put
        method: PUT
        inputParameters:
        - {name: q, in: query}
        - {name: X-H, in: header}
        - {name: b, in: body}
        body: {type: json, data: {a: "{{tools.a}}", list: ["{{tools.a}}", "x{{tools.c}}"]}}
  exposes:
  - type: mcp
    port: 9090
    namespace: m
    tools:
    - {name: t, call: api.put, with: {q: tools.q}, outputParameters: [{name: id, mapping: $.id}, {name: ok, mapping: $.ok}]}
`

const busyArguments = `{"id":"a/b","q":[1,"2"],"X-H":"h","b":{"n":1.50},"a":true,"c":"é"}`

// wireForm is everything of a request that an upstream sees.
func wireForm(r *plan.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s://%s %s\n", r.Method, r.Base.Scheme, r.Base.Host, r.Target)
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s (%v)\n", f.Name, f.Value, f.Secret)
	}
	fmt.Fprintf(&b, "%d %v\n", r.Body.Len, r.Accept)
	body, _ := io.ReadAll(r.Body.Reader())
	b.Write(body)
	return b.String()
}

// A stub replaces the transport and nothing else.
func TestStubAndUpstreamReceiveTheSame(t *testing.T) {
	t.Parallel()
	send := func(o plan.BindOptions) string {
		d := load(t, busy)
		got := ""
		o.Look = func(_ string, v *plan.Variable) (plan.Secret, error) { return plan.NewSecret("val-" + v.Name), nil }
		o.Upstream = plan.UpstreamFunc(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
			got = wireForm(r)
			return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(`{"id":1}`))}, nil
		})
		var list any
		d.bound, list = plan.Bind(d.bound.Plan(), o)
		if _, err := d.tool("t", busyArguments); err != nil {
			t.Fatal(err, list)
		}
		return got
	}
	upstream := send(plan.BindOptions{})
	stub := send(plan.BindOptions{Placeholders: true})
	if upstream != stub || !strings.Contains(upstream, "PUT https://val-API_HOST /v1/t/val-TENANT/rooms/a%2Fb?fixed=1&q=1&q=2\n") {
		t.Errorf("the upstream receives\n%s\nthe stub\n%s", upstream, stub)
	}
}

// An observer sees the very request that is sent, and changes nothing.
func TestObserverSeesWhatIsSent(t *testing.T) {
	t.Parallel()
	d := load(t, busy)
	op := d.find("t").Operation
	run := func(o plan.Observer) string {
		args, err := op.Bind(&plan.Source{Arguments: []byte(busyArguments)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: d.bound, Observe: o}); err != nil {
			t.Fatal(err)
		}
		return wireForm(d.sent[len(d.sent)-1])
	}
	plain := run(nil)
	var seen watcher
	if observed := run(&seen); observed != plain || seen.sent != d.sent[1] || seen.received != d.sent[1] || seen.status != 200 {
		t.Errorf("seen %+v, sent\n%s\nwant\n%s", seen, observed, plain)
	}
}

type watcher struct {
	sent, received *plan.Request
	status         int
}

func (w *watcher) Step(ctx context.Context, _ plan.Step) (context.Context, func(error)) {
	return ctx, func(error) {}
}

func (w *watcher) Sent(_ context.Context, r *plan.Request) { w.sent = r }

func (w *watcher) Received(_ context.Context, r *plan.Request, resp *plan.Response, _ error) {
	w.received, w.status = r, resp.Status
}

// Units of documents that did not change are the same ones after a reload, and so are the
// listeners that serve only them.
func TestLinkKeepsUnits(t *testing.T) {
	t.Parallel()
	compile := func(id, text string) *plan.Unit {
		doc, list := spec.Parse(id+".yaml", []byte(text), spec.Limits{})
		doc.ID = id
		u, more := plan.Compile(doc, nil)
		if u == nil {
			t.Fatal(list, more)
		}
		return u
	}
	at := func(port string) string { return strings.Replace(busy, "9090", port, 1) }
	a, b := compile("a", at("1001")), compile("b", at("1002"))
	first, _ := plan.Link(nil, []*plan.Unit{b, a}, plan.LinkOptions{})
	changed := compile("b", at("1002"))
	second, _ := plan.Link(first, []*plan.Unit{a, changed}, plan.LinkOptions{})
	if first.Unit("a") != a || second.Unit("a") != a {
		t.Errorf("the unit that did not change is another one")
	}
	if second.Unit("b") != changed || changed == b {
		t.Errorf("the unit that changed is the old one")
	}
	if first.Unit("b") != b {
		t.Errorf("linking changed an earlier plan")
	}
	if addr := "127.0.0.1:1001"; first.Listener(addr) == nil || first.Listener(addr) != second.Listener(addr) {
		t.Errorf("the listener that did not change is another one")
	}
	if addr := "127.0.0.1:1002"; first.Listener(addr) == second.Listener(addr) {
		t.Errorf("the listener of the changed unit is the old one")
	}
	if x := first.Listener("127.0.0.1:1001"); x.SoleMCP == nil || x.SoleMCP.Exposure != a.Exposures[0] {
		t.Errorf("the exposure is not the unit's own: %+v", x)
	}
}

// One operation serves many callers at once, each with its own values.
func TestConcurrentInvocations(t *testing.T) {
	t.Parallel()
	d := load(t, busy)
	bound, _ := plan.Bind(d.bound.Plan(), plan.BindOptions{
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) { return plan.NewSecret("val-" + v.Name), nil },
		Upstream: plan.UpstreamFunc(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Body: plan.BytesBody(fmt.Appendf(nil, `{"id":%q,"ok":%q}`, r.Target, r.Body.Bytes))}, nil
		}),
	})
	op := d.find("t").Operation
	var group sync.WaitGroup
	for n := range 50 {
		group.Go(func() {
			for i := range 20 {
				key := fmt.Sprintf("c%d-%d", n, i)
				args, err := op.Bind(&plan.Source{Arguments: fmt.Appendf(nil, `{"id":%q,"a":%q}`, key, key)})
				if err != nil {
					t.Error(err)
					return
				}
				res, err := op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: bound})
				if err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprintf(`{"id":%q,"ok":%q}`, "/v1/t/val-TENANT/rooms/"+key+"?fixed=1", fmt.Sprintf(`{"a":%q,"list":[%q,"x"]}`, key, key))
				if !bytes.Equal(res.Body.Bytes, []byte(want)) {
					t.Errorf("got %s, want %s", res.Body.Bytes, want)
				}
			}
		})
	}
	group.Wait()
}

// Printing a request shows no secret.
func TestRequestHidesSecrets(t *testing.T) {
	t.Parallel()
	d := load(t, busy)
	if _, err := d.tool("t", busyArguments); err != nil {
		t.Fatal(err)
	}
	r := d.sent[0]
	for _, verb := range []string{"%v", "%+v", "%s", "%q", "%#v"} {
		got := fmt.Sprintf(verb, r)
		if strings.Contains(got, "val-TOKEN") || strings.Contains(got, "val-TENANT") || !strings.Contains(got, "rooms/a%2Fb") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if !strings.Contains(d.wire(), "k=val-TOKEN") {
		t.Errorf("the secret is not sent: %s", d.wire())
	}
}

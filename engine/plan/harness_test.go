package plan_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"
)

// document is a compiled, linked and bound document whose upstream is a recorder.
type document struct {
	t     *testing.T
	unit  *plan.Unit
	list  diag.List
	bound *plan.Bound
	mu    sync.Mutex // steps may send at the same time
	sent  []*plan.Request
	body  string // of the last request
	// answer is what the upstream answers; 200 {"ok":true} when nil.
	answer func(*plan.Request) (*plan.Response, error)
}

// load compiles text. Every variable NAME has the value val-NAME, unless env gives another
// one; a value of "-" unsets it.
func load(t *testing.T, text string, env ...string) *document {
	t.Helper()
	return loadWith(t, text, nil, env...)
}

// loadWith loads a document that refers to files.
func loadWith(t *testing.T, text string, files plan.Files, env ...string) *document {
	t.Helper()
	d := &document{t: t}
	doc, list := spec.Parse("test.yaml", []byte(text), spec.Limits{})
	d.list = list
	if doc == nil {
		return d
	}
	doc.ID = "test"
	unit, more := plan.Compiler{Schemas: schema.Compile}.Compile(doc, files)
	d.unit = unit
	d.list = append(d.list, more...)
	if unit == nil {
		return d
	}
	p, more := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	d.list = append(d.list, more...)
	values := map[string]string{}
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		values[k] = v
	}
	d.bound, more = plan.Bind(p, plan.BindOptions{
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) {
			value, ok := values[v.Name]
			switch {
			case value == "-":
				return plan.Secret{}, plan.ErrUnset
			case !ok:
				value = "val-" + v.Name
			}
			return plan.NewSecret(value), nil
		},
		Upstream: d.upstream(),
	})
	d.list = append(d.list, more...)
	return d
}

// upstream keeps every request and answers it.
func (d *document) upstream() plan.Upstream {
	return plan.UpstreamFunc(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		b, _ := io.ReadAll(r.Body.Reader())
		d.mu.Lock()
		d.sent, d.body = append(d.sent, r), string(b)
		d.mu.Unlock()
		if d.answer != nil {
			return d.answer(r)
		}
		return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(`{"ok":true}`))}, nil
	})
}

// wire writes the last upstream request: method and URL, headers sorted, an empty line and
// the body.
func (d *document) wire() string {
	d.t.Helper()
	if len(d.sent) == 0 {
		return "nothing sent"
	}
	r := d.sent[len(d.sent)-1]
	lines := []string{}
	for _, f := range r.Header {
		lines = append(lines, f.Name+": "+f.Value)
	}
	sort.Strings(lines)
	out := strings.Join(append([]string{r.Method + " " + r.URL()}, lines...), "\n")
	if d.body != "" {
		out += "\n\n" + d.body
	}
	return out
}

// rest calls the route of that name. target is what a client asks for, from the route's
// path on; header lines and a body may follow.
func (d *document) rest(name string, path []string, query, body string, header ...string) (string, error) {
	d.t.Helper()
	h := http.Header{}
	for _, line := range header {
		k, v, _ := strings.Cut(line, ": ")
		h.Add(k, v)
	}
	if body != "" && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	r := d.route(name)
	if r.Operation == nil {
		return "", r.Refusal.Error()
	}
	src := &plan.Source{Path: path, Query: query, Conditions: r.Conditions, Header: h, ContentType: h.Get("Content-Type"), Body: plan.Body{}}
	if body != "" {
		src.Body = plan.Body{Stream: io.NopCloser(strings.NewReader(body)), Len: int64(len(body))}
	}
	return d.invoke(r.Operation, src)
}

// tool calls the tool of that name with JSON arguments.
func (d *document) tool(name, arguments string) (string, error) {
	d.t.Helper()
	for _, e := range d.unit.Exposures {
		for _, x := range e.Tools {
			if x.Name != name {
				continue
			}
			if x.Operation == nil {
				return "", x.Refusal.Error()
			}
			return d.invoke(x.Operation, &plan.Source{Arguments: []byte(arguments)})
		}
	}
	d.t.Fatalf("no tool %s; diagnostics: %v", name, d.list)
	return "", nil
}

func (d *document) route(name string) *plan.Route {
	d.t.Helper()
	if d.unit != nil {
		for _, e := range d.unit.Exposures {
			for _, r := range e.Routes {
				if r.Name == name {
					return r
				}
			}
		}
	}
	d.t.Fatalf("no route %s; diagnostics: %v", name, d.list)
	return nil
}

// invoke gives "status body".
func (d *document) invoke(op *plan.Operation, src *plan.Source) (string, error) {
	args, err := op.Bind(src)
	if err != nil {
		return "", err
	}
	res, err := op.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body.Reader())
	return fmt.Sprintf("%d %s", res.Status, b), err
}

// codes lists "severity code" of every diagnostic, in order.
func (d *document) codes() string {
	var out []string
	for _, x := range d.list {
		out = append(out, x.Severity.String()+" "+string(x.Code))
	}
	return strings.Join(out, ", ")
}

// rebound binds the document's plan to another upstream, which must be safe for concurrent
// use.
func rebound(t *testing.T, d *document, up plan.UpstreamFunc) *plan.Bound {
	t.Helper()
	b, list := plan.Bind(d.bound.Plan(), plan.BindOptions{Upstream: up})
	if len(list) > 0 {
		t.Fatal(list)
	}
	return b
}

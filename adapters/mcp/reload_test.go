package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"
)

// TestReloadsWhileViewsAreOpened: views that clients open while the documents change are there
// with each reload, and who calls them never gets half of an answer.
func TestReloadsWhileViewsAreOpened(t *testing.T) {
	t.Parallel()
	docs := func(n int) map[string]string {
		out := map[string]string{"t/a": rooms, "t/b": rooms, "u/c": strings.ReplaceAll(rooms, "Get a room.", fmt.Sprint("Get room ", n, "."))}
		if n%2 == 1 {
			out["t/d"] = rooms
		}
		return out
	}
	link := plan.LinkOptions{CombinedMCP: true}
	h := openLinked(t, docs(0), nil, link, mcp.Options{SearchAbove: 8})
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for _, path := range []string{"/mcp", "/mcp/t", "/mcp/u", "/mcp/t/d", "/mcp/t/a"} {
		clients.Go(func() {
			header, body := modern("tools/list", "", "{}")
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := h.post(path, header, body)
				if path == "/mcp/t/d" && got.status == 404 {
					continue
				}
				if got.status != 200 || !strings.Contains(got.body, `"tools":[{`) {
					t.Errorf("%s: %d %.200s", path, got.status, got.body)
					return
				}
			}
		})
	}
	for n := range 40 {
		h.load(docs(n), h.upstream)
	}
	close(stop)
	clients.Wait()
}

// TestReloadLeavesEndpointsAlone: a call of a document that changes is made by the plan that has it, and a call of one
// that does not change by the latest plan, whichever documents come and go meanwhile.
func TestReloadLeavesEndpointsAlone(t *testing.T) {
	t.Parallel()
	kept, guest := unit(t, "kept", rooms), unit(t, "guest", rooms)
	var changing [2][]*plan.Unit // in two editions
	for n := range changing {
		for i := range 60 {
			changing[n] = append(changing[n], unit(t, fmt.Sprint("changing", i), strings.ReplaceAll(rooms, "path: /rooms/{id}", fmt.Sprintf("path: /edition%d/{id}", n))))
		}
	}
	h := openLinked(t, map[string]string{"kept": rooms}, nil, plan.LinkOptions{}, mcp.Options{})
	var last *plan.Plan
	load := func(n int) {
		t.Helper()
		units := append([]*plan.Unit{kept}, changing[n%2]...)
		if n%3 == 0 {
			units = append(units, guest)
		}
		p, _ := plan.Link(last, units, plan.LinkOptions{Listen: addr})
		b, _ := plan.Bind(p, plan.BindOptions{Upstream: plan.UpstreamFunc(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
			return response(200, "application/json", fmt.Sprintf(`{"by":"edition%d","load":"%d","path":%q}`, n%2, n, strings.TrimPrefix(r.URL(), "https://api.example.test"))), nil
		})})
		h.serve(b)
		last = p
	}
	load(0)
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"1"}}`)
	get := func(doc string) (by, load, path string, ok bool) {
		got := h.post("/mcp/"+doc, header, body)
		var answer struct {
			Result struct {
				StructuredContent struct{ By, Load, Path string }
			}
		}
		text := got.body
		if i := strings.Index(text, "{"); i > 0 {
			text = text[i:]
		}
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&answer); err != nil || got.status != 200 {
			t.Errorf("%s: %d %.300s", doc, got.status, got.body)
			return "", "", "", false
		}
		c := answer.Result.StructuredContent
		return c.By, c.Load, c.Path, c.By != ""
	}
	var callers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if by, _, path, ok := get("changing59"); !ok || path != "/"+by+"/1" {
					t.Errorf("%q was called by the plan of %q", path, by)
					return
				}
			}
		})
	}
	for n := 1; n <= 200; n++ {
		load(n)
		if _, by, _, _ := get("kept"); by != fmt.Sprint(n) {
			t.Errorf("load %d: a document that did not change is served by %q", n, by)
		}
		if got := h.post("/mcp/guest", header, body); (got.status == 200) != (n%3 == 0) {
			t.Errorf("load %d: a document that comes and goes: %d", n, got.status)
		}
	}
	close(stop)
	callers.Wait()
}

func unit(t *testing.T, id, text string) *plan.Unit {
	t.Helper()
	doc, found := spec.Parse(id+".yaml", []byte(text), spec.Limits{})
	if doc == nil {
		t.Fatal(found)
	}
	doc.ID = id
	u, found := plan.Compiler{Schemas: schema.Compile}.Compile(doc, nil)
	if u == nil {
		t.Fatal(found)
	}
	return u
}

package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/engine/plan"
)

const addr = "127.0.0.1:8080"

// exposure makes an exposure of refused routes: who answers shows in the reason.
func exposure(t testing.TB, u *plan.Unit, namespace string, routes ...string) *plan.Exposure {
	x := &plan.Exposure{Unit: u, Kind: plan.REST, Namespace: namespace, Index: len(u.Exposures)}
	for _, text := range routes {
		r := parseRoute(t, text)
		r.Refusal.Reason = u.ID + "/" + namespace + " " + text
		x.Routes = append(x.Routes, r)
	}
	u.Exposures = append(u.Exposures, x)
	return x
}

func mount(x *plan.Exposure, main bool, segments ...string) *plan.Mount {
	return &plan.Mount{Exposure: x, Path: "/apis/" + strings.Join(segments, "/"), Segments: segments, Main: main}
}

func bound(t testing.TB, p *plan.Plan) *plan.Bound {
	t.Helper()
	b, problems := plan.Bind(p, plan.BindOptions{Look: func(string, *plan.Variable) (plan.Secret, error) { return plan.Secret{}, plan.ErrUnset }})
	if b == nil {
		t.Fatal(problems)
	}
	return b
}

// swapIn prepares and swaps, and gives the handler of addr.
func swapIn(t testing.TB, a *Adapter, prev, next *plan.Bound) (http.Handler, func()) {
	t.Helper()
	swap, err := a.Prepare(context.Background(), prev, next)
	if err != nil {
		t.Fatal(err)
	}
	handler, retire := swap()
	return handler(addr), retire
}

// ask gives the status of an answer and whose it is: the reason of a refused route.
func ask(t testing.TB, h http.Handler, method, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	var p struct{ Detail string }
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem") {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, strings.TrimPrefix(p.Detail, "test: ")
}

func TestMountsAndBareRoutes(t *testing.T) {
	t.Parallel()
	rooms, team := &plan.Unit{ID: "rooms"}, &plan.Unit{ID: "rooms/team"}
	first := exposure(t, rooms, "first", "GET /a", "GET /team/x", "GET /second/x", "GET /only/{id}")
	second := exposure(t, rooms, "second", "GET /a")
	other := exposure(t, team, "other", "GET /y")
	mcp := &plan.Exposure{Unit: rooms, Kind: plan.MCP}
	p := &plan.Plan{Units: []*plan.Unit{rooms, team}, Listeners: []*plan.Listener{{
		Addr: addr,
		Mounts: []*plan.Mount{
			mount(first, true, "rooms"), mount(first, false, "rooms", "first"), mount(second, true, "rooms", "second"),
			mount(other, true, "rooms", "team"), mount(mcp, true, "tools"),
		},
		Bare: []*plan.BareRoute{{Exposure: first, Route: first.Routes[0]}, {Exposure: other, Route: other.Routes[0]}},
	}}}
	h, _ := swapIn(t, New(Options{}), nil, bound(t, p))
	for _, c := range []struct {
		target string
		status int
		who    string
	}{
		{"/apis/rooms/a", 501, "rooms/first GET /a"},
		{"/apis/rooms/first/a", 501, "rooms/first GET /a"},
		{"/apis/rooms/second/a", 501, "rooms/second GET /a"},
		{"/apis/rooms/team/y", 501, "rooms/team/other GET /y"},
		{"/apis/ro%6Fms/only/a%2Fb", 501, "rooms/first GET /only/{id}"},
		{"/%61pis/rooms/a", 501, "rooms/first GET /a"},
		{"/a", 501, "rooms/first GET /a"},
		{"/y", 501, "rooms/team/other GET /y"},
		{"/apis/rooms/team/x", 404, ""},   // the longest ID owns its prefix
		{"/apis/rooms/second/x", 404, ""}, // and the namespace its own
		{"/apis/rooms%2Fteam/y", 404, ""},
		{"/apis/tools/a", 404, ""}, // another adapter's
		{"/apis/nothing", 404, ""},
		{"/team/x", 404, ""}, // reachable under /apis only
	} {
		status, who := ask(t, h, "GET", c.target)
		if c.status == 404 {
			who = ""
		}
		if status != c.status || who != c.who {
			t.Errorf("%s: got %d %q, want %d %q", c.target, status, who, c.status, c.who)
		}
	}
	if status, who := ask(t, h, "POST", "/apis/rooms/a"); status != 405 || who != "this path is served for GET, HEAD, OPTIONS only" {
		t.Errorf("POST: got %d %q", status, who)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	u := &plan.Unit{ID: "u"}
	x := exposure(t, u, "r", "GET /x", "DELETE /x")
	h, _ := swapIn(t, New(Options{}), nil, bound(t, &plan.Plan{Units: []*plan.Unit{u}, Listeners: []*plan.Listener{{Addr: addr, Mounts: []*plan.Mount{mount(x, true, "u")}}}}))
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"OPTIONS", "/apis/u/x", 204, "DELETE, GET, HEAD, OPTIONS"},
		{"PATCH", "/apis/u/x", 405, "DELETE, GET, HEAD, OPTIONS"},
		{"OPTIONS", "/apis/u/y", 404, ""},
		{"OPTIONS", "/apis", 204, "GET, HEAD, OPTIONS"},
		{"POST", "/apis/", 405, "GET, HEAD, OPTIONS"},
		{"HEAD", "/apis/u/x", 501, ""},
		{"HEAD", "/apis", 200, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d, Allow %q; want %d, %q", c.method, c.path, w.Code, w.Header().Get("Allow"), c.status, c.allow)
		}
		if (c.method == "HEAD" || c.status == 204) && w.Body.Len() > 0 {
			t.Errorf("%s %s: has the content %q", c.method, c.path, w.Body)
		}
	}
}

func TestRequestsThatAreNoPath(t *testing.T) {
	t.Parallel()
	h, _ := swapIn(t, New(Options{}), nil, bound(t, &plan.Plan{Listeners: []*plan.Listener{{Addr: addr}}}))
	for path, want := range map[string]int{"*": 404, "": 404, "/": 404} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q: got %d %v, want a problem with status %d", path, w.Code, w.Header(), want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path, r.URL.RawPath = "/%zz", "/%zz"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("an invalid escape: got %d %s, want 400", w.Code, w.Body)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	u := &plan.Unit{ID: "team/rooms", Label: "Rooms", Description: "All rooms"}
	first := exposure(t, u, "first", "GET /a/{id}?Action=Get Room&flag")
	first.Routes[0].Name, first.Routes[0].Refusal.Reason = "get-a", "why not"
	second := exposure(t, u, "second", "POST /b")
	second.Description = "The second"
	second.Routes[0].Refusal = nil // no reason to show, though nothing serves it either
	other := &plan.Unit{ID: "other"}
	root := exposure(t, other, "root", "GET /")
	p := &plan.Plan{Units: []*plan.Unit{u, other}, Listeners: []*plan.Listener{{Addr: addr, Mounts: []*plan.Mount{
		mount(root, true, "other"), mount(first, true, "team", "rooms"), mount(first, false, "team", "rooms", "first"), mount(second, true, "team", "rooms", "second"),
	}}}}
	h, _ := swapIn(t, New(Options{}), nil, bound(t, p))

	const (
		indexFirst  = `{"id":"team/rooms","namespace":"first","label":"Rooms","description":"All rooms","url":"/apis/team/rooms","openapi":"/apis/team/rooms/openapi.json","routes":[{"name":"get-a","method":"GET","path":"/a/{id}","query":"Action=Get+Room&flag","refused":{"code":"test","reason":"why not"}}]}`
		indexSecond = `{"id":"team/rooms","namespace":"second","label":"Rooms","description":"The second","url":"/apis/team/rooms/second","openapi":"/apis/team/rooms/second/openapi.json","routes":[{"name":"POST /b","method":"POST","path":"/b"}]}`
		indexOther  = `{"id":"other","namespace":"root","url":"/apis/other","openapi":"/apis/other/openapi.json","routes":[{"name":"GET /","method":"GET","path":"/","refused":{"code":"test","reason":"other/root GET /"}}]}`
	)
	for target, want := range map[string]string{
		"/apis":                   indexOther + "," + indexFirst + "," + indexSecond,
		"/apis/":                  indexOther + "," + indexFirst + "," + indexSecond,
		"/apis/team/rooms":        indexFirst + "," + indexSecond,
		"/apis/team/rooms/":       indexFirst + "," + indexSecond,
		"/apis/team/rooms/first":  indexFirst,
		"/apis/team/rooms/second": indexSecond,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if got := w.Body.String(); w.Code != 200 || got != `{"apis":[`+want+"]}\n" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s\nwant %s", target, w.Code, got, want)
		}
	}
	if status, who := ask(t, h, "GET", "/apis/other"); status != 501 || who != "other/root GET /" {
		t.Errorf("a route at / hides the index: got %d %q", status, who)
	}
	if status, _ := ask(t, h, "GET", "/apis/team"); status != 404 {
		t.Errorf("/apis/team: got %d, want 404", status)
	}
}

func TestRouteThatWasNotCompiledIsRefused(t *testing.T) {
	t.Parallel()
	u := &plan.Unit{ID: "u"}
	x := exposure(t, u, "r", "GET /neither", "GET /{beyond}")
	x.Routes[0].Refusal = nil
	x.Routes[1].Params = nil
	h, _ := swapIn(t, New(Options{}), nil, bound(t, &plan.Plan{Units: []*plan.Unit{u}, Listeners: []*plan.Listener{{Addr: addr, Mounts: []*plan.Mount{mount(x, true, "u")}}}}))
	for _, path := range []string{"/apis/u/neither", "/apis/u/1"} {
		if status, why := ask(t, h, "GET", path); status != 501 || why != "internal: the route was not compiled completely" {
			t.Errorf("%s: got %d %q", path, status, why)
		}
	}
}

func TestSwapSharesWhatDidNotChange(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	kept, old, changed := &plan.Unit{ID: "kept"}, &plan.Unit{ID: "doc"}, &plan.Unit{ID: "doc"}
	x, before, after := exposure(t, kept, "r", "GET /k"), exposure(t, old, "r", "GET /before"), exposure(t, changed, "r", "GET /after")
	layout := func(doc *plan.Exposure) *plan.Plan {
		return &plan.Plan{Units: []*plan.Unit{kept, doc.Unit}, Listeners: []*plan.Listener{{
			Addr:   addr,
			Mounts: []*plan.Mount{mount(x, true, "kept"), mount(doc, true, "doc")},
			Bare:   []*plan.BareRoute{{Exposure: x, Route: x.Routes[0]}},
		}}}
	}
	one := bound(t, layout(before))
	h1, retire := swapIn(t, a, nil, one)
	s1 := a.live

	swap, err := a.Prepare(context.Background(), one, bound(t, layout(after)))
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, h1, "GET", "/apis/doc/before"); a.live != s1 || status != 501 {
		t.Errorf("Prepare touched what is live")
	}
	handler, _ := swap()
	h2 := handler(addr)
	s2 := a.live
	if s1.sites[addr].mounts.at([]string{"kept"}).mount.table != s2.sites[addr].mounts.at([]string{"kept"}).mount.table || s1.sites[addr].bare != s2.sites[addr].bare {
		t.Errorf("the table of an unchanged exposure was built again")
	}
	s2.sites[addr].mounts.each(func(m *mounted) {
		if m.mount.Exposure == before {
			t.Errorf("the table of an exposure that is gone is kept")
		}
	})
	retire()
	for _, c := range []struct {
		h      http.Handler
		path   string
		status int
	}{
		{h1, "/apis/doc/before", 501}, {h1, "/apis/doc/after", 404}, {h1, "/k", 501},
		{h2, "/apis/doc/before", 404}, {h2, "/apis/doc/after", 501}, {h2, "/k", 501},
		{handler("127.0.0.1:1"), "/k", 404},
	} {
		if status, _ := ask(t, c.h, "GET", c.path); status != c.status {
			t.Errorf("%s: got %d, want %d", c.path, status, c.status)
		}
	}
}

func TestPrepareFails(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}).Prepare(context.Background(), nil, nil); err == nil {
		t.Error("there is nothing to serve, and no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := bound(t, &plan.Plan{Listeners: []*plan.Listener{{Addr: addr}}})
	if _, err := New(Options{}).Prepare(ctx, nil, b); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context: got %v", err)
	}
}

package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

const news = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
    - { path: /news, operations: [{ name: news, method: GET }] }
    - { path: '/users/{id}', operations: [{ name: user, method: GET, inputParameters: [{ name: id, in: path, type: string, required: true }] }] }
  exposes:
  - type: mcp
    namespace: news
    port: 9090
    resources:
    - { name: news, uri: 'data://news', call: api.news, watch: { every: 30s } }
    - { name: user, uri: 'data://users/{id}', call: api.user, watch: 30s }
    - { name: unwatched, uri: 'data://unwatched', call: api.news, description: D }
    - { name: guides, uri: 'data://guides', location: guides }
`

// subscribers gives a way to subscribe in each era, the stream on which changes are told, and
// what ends the subscription.
var subscribers = map[string]func(h *house, path string, uris ...string) (*openStream, func()){
	"2026-07-28": func(h *house, path string, uris ...string) (*openStream, func()) {
		h.t.Helper()
		list, _ := json.Marshal(uris)
		header, body := modern("subscriptions/listen", "", `{"notifications":{"resourceSubscriptions":`+string(list)+`}}`)
		ctx, cancel := context.WithCancel(context.Background())
		h.t.Cleanup(cancel)
		s := h.follow(h.request(http.MethodPost, path, header, body).WithContext(ctx))
		if m := <-s.messages; m.Method != "notifications/subscriptions/acknowledged" || !strings.Contains(string(m.Params), uris[0]) {
			h.t.Fatalf("first message %+v, want the acknowledgement", m)
		}
		return s, cancel
	},
	"2025-11-25": func(h *house, path string, uris ...string) (*openStream, func()) {
		h.t.Helper()
		s, session := h.stream(path)
		for _, uri := range uris {
			if a := h.post(path, map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"`+uri+`"}}`); a.messages[0].Error != nil {
				h.t.Fatal(a.body)
			}
		}
		return s, func() {
			h.t.Helper()
			for _, uri := range uris {
				if a := h.post(path, map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe","params":{"uri":"`+uri+`"}}`); a.messages[0].Error != nil {
					h.t.Error(a.body)
				}
			}
		}
	},
}

// wantUpdate wants the next message of a stream to say that a resource changed.
func wantUpdate(t *testing.T, s *openStream, uri string) {
	t.Helper()
	if m := <-s.messages; m.Method != "notifications/resources/updated" || !strings.Contains(string(m.Params), `"uri":"`+uri+`"`) {
		t.Errorf("got %s %s, want an update of %s", m.Method, m.Params, uri)
	}
}

// TestWatchedResources: subscribers are told when what the upstream gives is another, by one
// reader for all of them, and nobody reads when the last one has gone.
func TestWatchedResources(t *testing.T) {
	t.Parallel()
	for era, subscribe := range subscribers {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			const every = 30 * time.Second
			clock := newClock()
			var text, reads atomic.Int64
			h := open(t, map[string]string{"news": news}, mcp.Options{After: clock.After})
			h.upstream.set(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
				reads.Add(1)
				return response(200, "text/plain", fmt.Sprint(text.Load())), nil
			})
			one, endOne := subscribe(h, "/mcp/news", "data://news")
			clock.await(every, 1)
			two, endTwo := subscribe(h, "/mcp/news", "data://news")
			if n := reads.Load(); n != 1 {
				t.Errorf("%d reads for two subscribers, want one", n)
			}
			clock.pass(every) // the same as before
			clock.await(every, 1)
			for range 3 {
				text.Add(1)
				clock.pass(every)
				wantUpdate(t, one, "data://news")
				wantUpdate(t, two, "data://news")
				clock.await(every, 1)
			}
			if n := reads.Load(); n != 5 {
				t.Errorf("%d reads, want one for each look", n)
			}
			// A failure says nothing about what is there.
			h.upstream.answer(500, "text/plain", "down")
			clock.pass(every)
			clock.await(every, 1)
			h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
				return response(200, "text/plain", fmt.Sprint(text.Load())), nil
			})
			clock.pass(every)
			clock.await(every, 1)

			endOne()
			text.Add(1)
			clock.pass(every)
			wantUpdate(t, two, "data://news")
			clock.await(every, 1)
			endTwo()
			clock.await(every, 0)
		})
	}
}

// TestWatchesOfAView: in a view of several the published URI is what is subscribed to, and
// values of a template are resources of their own.
func TestWatchesOfAView(t *testing.T) {
	t.Parallel()
	const every = 30 * time.Second
	clock := newClock()
	h := open(t, map[string]string{"team/a": news, "team/b": strings.ReplaceAll(news, "namespace: news", "namespace: other")}, mcp.Options{After: clock.After})
	var a atomic.Int64
	h.upstream.set(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		if strings.HasSuffix(r.URL(), "/users/7") {
			return response(200, "text/plain", fmt.Sprint(a.Load())), nil
		}
		return response(200, "text/plain", "same"), nil
	})
	header, body := modern("resources/templates/list", "", "{}")
	list := h.post("/mcp/team", header, body)
	var res struct {
		ResourceTemplates []struct{ URITemplate string }
	}
	if err := json.Unmarshal(list.messages[0].Result, &res); err != nil || len(res.ResourceTemplates) != 2 {
		t.Fatalf("%v %s", err, list.body)
	}
	of := func(i int, id string) string {
		return strings.ReplaceAll(res.ResourceTemplates[i].URITemplate, "{id}", id)
	}
	s, end := subscribers["2026-07-28"](h, "/mcp/team", of(0, "7"), of(0, "8"), of(1, "8"))
	clock.await(every, 3)
	a.Add(1)
	clock.pass(every)
	wantUpdate(t, s, of(0, "7"))
	clock.await(every, 3)
	end()
	clock.await(every, 0)
}

// TestWatchedFiles: a file is looked at while somebody subscribed to it, and read only when its
// size or time is another; a reload looks at once.
func TestWatchedFiles(t *testing.T) {
	t.Parallel()
	const every = 5 * time.Second
	for era, subscribe := range subscribers {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(text string, age time.Duration) {
				t.Helper()
				name := filepath.Join(dir, "guides", "a.md")
				_ = os.MkdirAll(filepath.Dir(name), 0o755)
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				at := time.Unix(1_700_000_000, 0).Add(-age)
				if err := os.Chtimes(name, at, at); err != nil {
					t.Fatal(err)
				}
			}
			write("one", time.Hour)
			clock := newClock()
			h := openWith(t, map[string]string{"news": news}, disk(dir), mcp.Options{After: clock.After})
			s, end := subscribe(h, "/mcp/news", "data://guides/a.md")
			clock.await(every, 1)
			write("one", time.Minute) // another time, the same text
			clock.pass(every)
			clock.await(every, 1)
			write("two", 0)
			clock.pass(every)
			wantUpdate(t, s, "data://guides/a.md")
			clock.await(every, 1)

			write("three", 0)
			h.load(map[string]string{"news": news}, h.upstream)
			wantUpdate(t, s, "data://guides/a.md")
			clock.await(every, 1)
			if err := os.Remove(filepath.Join(dir, "guides", "a.md")); err != nil {
				t.Fatal(err)
			}
			clock.pass(every)
			wantUpdate(t, s, "data://guides/a.md")
			clock.await(every, 1)
			end()
			clock.await(every, 0)
		})
	}
}

// TestReloadedResources: what is not watched may be another when its document is.
func TestReloadedResources(t *testing.T) {
	t.Parallel()
	for era, subscribe := range subscribers {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h := open(t, map[string]string{"news": news}, mcp.Options{After: newClock().After})
			s, _ := subscribe(h, "/mcp/news", "data://unwatched")
			h.load(map[string]string{"news": strings.ReplaceAll(news, "api.example.test", "new.example.test")}, h.upstream)
			wantUpdate(t, s, "data://unwatched")
		})
	}
}

// TestSubscriptionLimits: what is not there cannot be subscribed to, and there are only so many
// subscriptions; the end of a session gives its place back.
func TestSubscriptionLimits(t *testing.T) {
	t.Parallel()
	clock := newClock()
	h := open(t, map[string]string{"news": news, "rooms": rooms}, mcp.Options{After: clock.After, MaxSubscriptions: 2})
	session := h.session("/mcp/news")
	subscribe := func(path, session, uri string) answer {
		return h.post(path, map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"`+uri+`"}}`)
	}
	for _, x := range []struct {
		uri  string
		code int
	}{{"data://nowhere", -32002}, {"data://news", 0}, {"data://news", 0}, {"data://users/7", 0}, {"data://users/8", -32603}} {
		a := subscribe("/mcp/news", session, x.uri)
		if got := a.messages[0].Error; (got != nil) != (x.code != 0) || got != nil && got.Code != x.code {
			t.Errorf("%s: %s, want code %d", x.uri, a.body, x.code)
		}
	}
	header, body := modern("subscriptions/listen", "", `{"notifications":{"resourceSubscriptions":["data://users/9"]}}`)
	if a := h.post("/mcp/news", header, body); len(a.messages) != 1 || a.messages[0].Error == nil || a.messages[0].Error.Code != -32603 {
		t.Errorf("modern: %d %s", a.status, a.body)
	}
	header, body = modern("subscriptions/listen", "", `{"notifications":{"resourceSubscriptions":["data://nowhere"]}}`)
	if a := h.post("/mcp/news", header, body); a.status != http.StatusBadRequest || a.messages[0].Error.Code != -32602 {
		t.Errorf("modern, nowhere: %d %s", a.status, a.body)
	}
	if a := subscribe("/mcp/rooms", h.session("/mcp/rooms"), "data://news"); a.messages[0].Error == nil || a.messages[0].Error.Code != -32601 {
		t.Errorf("no resources: %s", a.body)
	}
	clock.await(30*time.Second, 2)
	h.do(http.MethodDelete, "/mcp/news", map[string]string{"Mcp-Session-Id": session}, "")
	clock.await(30*time.Second, 0)
	if a := subscribe("/mcp/news", h.session("/mcp/news"), "data://users/8"); a.messages[0].Error != nil {
		t.Errorf("after the session ended: %s", a.body)
	}
	// A removed endpoint looks at nothing.
	clock.await(30*time.Second, 1)
	h.load(map[string]string{"rooms": rooms}, h.upstream)
	clock.await(30*time.Second, 0)

	h = open(t, map[string]string{"news": news}, mcp.Options{WithoutSessions: true})
	if a := subscribe("/mcp/news", "", "data://news"); a.messages[0].Error == nil || a.messages[0].Error.Code != -32601 {
		t.Errorf("without sessions: %s", a.body)
	}
}

// TestSubscriptionsNeedScopes: who may not read a resource is not told that it changed, in
// neither era; who may, is.
func TestSubscriptionsNeedScopes(t *testing.T) {
	t.Parallel()
	const every = 30 * time.Second
	scoped := strings.Replace(strings.Replace(news, "call: api.news, watch", "call: api.news, scopes: [news.read], watch", 1),
		"    port: 9090\n", "    port: 9090\n    authentication: { type: oauth2, authorizationServerUri: 'https://issuer.example.test', resource: 'https://capd.example.test/mcp/news' }\n", 1)
	clock := newClock()
	h := open(t, map[string]string{"news": scoped}, mcp.Options{After: clock.After})
	var text atomic.Int64
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		return response(200, "text/plain", fmt.Sprint(text.Load())), nil
	})
	header, body := modern("subscriptions/listen", "", `{"notifications":{"resourceSubscriptions":["data://news"]}}`)
	header["Test-Scopes"], header["Test-Request-Id"] = "other", "one"
	if a := h.post("/mcp/news", header, body); len(a.messages) != 1 || a.messages[0].Error == nil || !strings.Contains(a.body, "news.read") {
		t.Errorf("without the scope: %d %s", a.status, a.body)
	}
	header["Test-Scopes"], header["Test-Request-Id"] = "news.read", "two"
	s := h.follow(h.request(http.MethodPost, "/mcp/news", header, body))
	if m := <-s.messages; m.Method != "notifications/subscriptions/acknowledged" {
		t.Fatalf("with the scope: %+v", m)
	}
	clock.await(every, 1)
	text.Add(1)
	clock.pass(every)
	wantUpdate(t, s, "data://news")
}

package cache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/cache"
	"capd/adapters/httpclient"
	"capd/adapters/memory"
	"capd/engine/plan"
)

// clock is one that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

// Now moves on by itself a little, as clocks do.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Nanosecond)
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) httpDate(d time.Duration) string { return c.Now().Add(d).UTC().Format(http.TimeFormat) }

// bench is a cache in front of a real upstream that counts.
type bench struct {
	*clock
	t     *testing.T
	cache *cache.Cache
	store *memory.Store
	base  *plan.Base
	rule  plan.Resilience

	mu     sync.Mutex
	seen   []*http.Request
	counts map[cache.Result]int
	failed []string
}

// newBench serves with handler, which is told how many requests came before.
func newBench(t *testing.T, rule plan.Resilience, handler func(w http.ResponseWriter, r *http.Request, n int)) *bench {
	t.Helper()
	b := &bench{clock: newClock(), t: t, rule: rule, counts: map[cache.Result]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		n := len(b.seen)
		b.seen = append(b.seen, r)
		b.mu.Unlock()
		w.Header().Set("Date", b.httpDate(0))
		handler(w, r, n)
	}))
	t.Cleanup(server.Close)
	client, err := httpclient.New(httpclient.Options{Proxy: func(*url.URL) (*url.URL, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b.base = &plan.Base{Scheme: "http", Host: strings.TrimPrefix(server.URL, "http://")}
	b.store = memory.New(memory.Options{Now: b.Now})
	b.cache = b.in(b.store, client)
	return b
}

// in gives a cache that keeps its answers in store.
func (b *bench) in(store plan.Store, next plan.Upstream) *cache.Cache {
	return cache.New(next, cache.Options{
		Store: store, Now: b.Now,
		Count: func(_ *plan.Call, r cache.Result) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.counts[r]++
		},
		StoreFailed: func(operation string, _ error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.failed = append(b.failed, operation)
		},
	})
}

// reached gives how many requests came upstream.
func (b *bench) reached() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen)
}

func (b *bench) last() *http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[len(b.seen)-1]
}

func (b *bench) counted(r cache.Result) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[r]
}

// fields reads "Name: value" lines.
func fields(lines ...string) []plan.Field {
	var out []plan.Field
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		out = append(out, plan.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	return out
}

func (b *bench) request(method, target string, header ...string) *plan.Request {
	rule := b.rule
	return &plan.Request{
		Method: method, Base: b.base, Target: target, Header: fields(header...), Resilience: &rule,
		Accept: plan.Accept{Stream: true},
	}
}

// reply is an answer that was read.
type reply struct {
	status int
	header []plan.Field
	body   string
}

func (r *reply) get(name string) string { return (&plan.Response{Header: r.header}).Get(name) }

func (b *bench) do(req *plan.Request) *reply {
	b.t.Helper()
	return b.as(context.Background(), req)
}

func (b *bench) as(ctx context.Context, req *plan.Request) *reply {
	b.t.Helper()
	got, err := b.try(ctx, b.cache, req)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *bench) try(ctx context.Context, c *cache.Cache, req *plan.Request) (*reply, error) {
	resp, err := c.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	body := resp.Body.Reader()
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	return &reply{resp.Status, slices.Clone(resp.Header), string(text)}, err
}

func (b *bench) get(target string, header ...string) *reply {
	b.t.Helper()
	return b.do(b.request("GET", target, header...))
}

// named gives the context of a caller.
func named(subject string) context.Context {
	return plan.WithCaller(context.Background(), &plan.Caller{Scheme: "basic", Subject: subject})
}

// keeps is a rule that keeps what says so itself.
func keeps() plan.Resilience {
	return plan.Resilience{Scope: "doc/api", Cache: plan.Caching{Max: 1 << 20}}
}

// numbered answers each request with its number, and with these headers.
func numbered(header ...string) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, n int) {
		for _, f := range fields(header...) {
			w.Header().Add(f.Name, f.Value)
		}
		_, _ = fmt.Fprintf(w, "answer %d", n)
	}
}

package cache_test

import (
	"context"
	"net/http"
	"testing"

	"capd/adapters/cache"
	"capd/adapters/memory"
	"capd/engine/plan"
)

// BenchmarkDo is what the cache adds to a request: where it is off, where the answer is kept, and
// where the upstream is asked each time.
func BenchmarkDo(b *testing.B) {
	body := plan.BytesBody(make([]byte, 2000))
	kept := fields("Content-Type: application/json", "Cache-Control: max-age=3600", `ETag: "one"`)
	up := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: http.StatusOK, Header: kept, Body: body}, nil
	})
	c := cache.New(up, cache.Options{Store: memory.New(memory.Options{})})
	request := func(method string, rule *plan.Resilience) *plan.Request {
		return &plan.Request{
			Method: method, Base: &plan.Base{Scheme: "https", Host: "api.test"}, Target: "/rooms/42?page=3",
			Header:     []plan.Field{{Name: "Accept", Value: "application/json"}, {Name: "X-Key", Value: "secret", Secret: true}},
			Resilience: rule, Secrets: []plan.Secret{plan.NewSecret("secret")},
		}
	}
	keep := plan.Caching{Max: 1 << 20}
	for name, req := range map[string]*plan.Request{
		"off":      request("GET", &plan.Resilience{}),
		"hit":      request("GET", &plan.Resilience{Cache: keep}),
		"miss":     request("GET", &plan.Resilience{Cache: plan.Caching{Max: 1}}),
		"coalesce": request("GET", &plan.Resilience{Coalesce: true}),
		"change":   request("POST", &plan.Resilience{Cache: keep}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Do(context.Background(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Where it is off, the cache costs no allocation.
func TestOffCostsNothing(t *testing.T) {
	c := cache.New(plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return nil, nil }), cache.Options{})
	for _, rule := range []*plan.Resilience{nil, {}} {
		req := &plan.Request{Method: "GET", Resilience: rule}
		if n := testing.AllocsPerRun(100, func() { _, _ = c.Do(context.Background(), req) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

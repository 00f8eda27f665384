package resilience_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"capd/adapters/resilience"
	"capd/engine/plan"
)

// TestConcurrency: so many are under way at once, so many wait, in turn, and the others are
// turned away.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) { r.Concurrency = plan.Concurrency{Max: 2, Queue: 3} })
		release := make(chan struct{})
		p.hold = func(context.Context) { <-release }
		var group sync.WaitGroup
		results := make(chan string, 9)
		for range 9 {
			group.Go(func() { results <- p.call(t.Context(), "GET") })
			synctest.Wait()
		}
		check(t, "under way", p.count(), 2)
		check(t, "turned away", len(results), 4)
		check(t, "as", <-results, "overloaded")
		check(t, "told", p.take(), "["+strings.TrimSpace(strings.Repeat("limited doc concurrency ", 4))+"]")
		_, err := p.Do(t.Context(), p.request("POST", "x"))
		e := plan.AsError(err)
		check(t, "error", fmt.Sprint(e.Message, e.RetryAfter), "too many requests to upstream api.test are under way; try again in 1 s1s")
		close(release)
		group.Wait()
		check(t, "the others", p.count(), 5)
	})
}

// TestConcurrencyOfAnswers: an answer that is still read has its place until it is closed.
func TestConcurrencyOfAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) { r.Concurrency.Max = 1 })
		resp, err := p.Do(t.Context(), p.request("GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		check(t, "while it is read", p.call(t.Context(), "GET"), "overloaded")
		_, _ = resp.Body.Close(), resp.Body.Close()
		check(t, "after that", p.call(t.Context(), "GET"), "200")
		check(t, "once more", p.call(t.Context(), "GET"), "200") // one place, though it was closed twice
		p.answers = []string{"lost"}
		check(t, "one that fails", p.calls(t.Context(), 3), "upstream-failed")
	})
}

// TestQueueEndsWithTheCaller: who waits does so no longer than the settings, the call and its
// caller.
func TestQueueEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) {
			r.Concurrency = plan.Concurrency{Max: 1, Queue: 5, Wait: 3 * time.Second}
		})
		resp, err := p.Do(t.Context(), p.request("GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		took := func(ctx context.Context) string {
			begun := time.Now()
			return fmt.Sprint(p.call(ctx, "GET"), time.Since(begun))
		}
		check(t, "as long as it may", took(t.Context()), "overloaded3s")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		check(t, "as long as the call", took(ctx), "overloaded2s")
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		check(t, "as long as the caller", took(ctx), "canceled1s")
		check(t, "sent", p.count(), 1)
		_ = resp.Body.Close()
		check(t, "then", p.call(t.Context(), "GET"), "200")
	})
}

// TestRates: so many calls in so much time, over all that share the limit.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) {
			r.Rate.Rate = plan.Rate{Count: 6, Period: time.Minute, Burst: 3}
		})
		check(t, "outcomes", p.calls(t.Context(), 10), "200 rate-limited")
		check(t, "sent", p.count(), 3)
		check(t, "told", slices.Compact(p.take()), "[limited doc rate]")
		_, err := p.Do(t.Context(), p.request("GET", ""))
		e := plan.AsError(err)
		check(t, "error", fmt.Sprint(e.Message, " ", e.RetryAfter), "upstream api.test is called too often; try again in 10 s 10s")
		time.Sleep(10 * time.Second)
		check(t, "after a while", p.calls(t.Context(), 2), "200 rate-limited")
		p.settings.Scope = "doc#other"
		check(t, "another API", p.calls(t.Context(), 1), "200")
		p.settings.Scope = "doc#api"
		req := p.request("GET", "")
		req.Base = &plan.Base{Scheme: "https", Host: "eu.api.test"}
		check(t, "another host", outcome(p.Do(t.Context(), req)), "200")
	})
}

// TestRateWaits: who may wait gets through later.
func TestRateWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) {
			r.Rate = plan.RateLimit{Rate: plan.Rate{Count: 1, Period: time.Second, Burst: 1}, Wait: 2 * time.Second}
		})
		begun := time.Now()
		check(t, "one after the other", p.calls(t.Context(), 4), "200")
		check(t, "took", time.Since(begun).Round(time.Millisecond), 3*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		check(t, "no time to wait", p.call(ctx, "GET"), "rate-limited")
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		check(t, "went away", p.call(ctx, "GET"), "canceled")
		check(t, "sent", p.count(), 4)
	})
}

// TestCallerRates: each caller has a bucket, those that nobody vouches for have one together, and
// who calls too often takes nothing from the others.
func TestCallerRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		as := func(subject string) context.Context {
			return plan.WithCaller(t.Context(), &plan.Caller{Scheme: "basic", Subject: subject, RequestID: plan.NewRequestID()})
		}
		p := protect(answers("200"), func(r *plan.Resilience) {
			r.Rate.Rate = plan.Rate{Count: 5, Period: time.Minute, Burst: 5}
			r.CallerRate = plan.RateLimit{Rate: plan.Rate{Count: 2, Period: time.Minute, Burst: 2}, PerCaller: true}
		})
		check(t, "ann", p.calls(as("ann"), 50), "200 rate-limited")
		check(t, "bob", p.calls(as("bob"), 2), "200")
		check(t, "nobody", p.calls(t.Context(), 1), "200")
		check(t, "all together", p.calls(as("eve"), 1), "rate-limited")
		check(t, "sent", p.count(), 5)
		got := p.take()
		check(t, "told", slices.Compact(got), "[limited doc caller limited doc rate]")
		_, err := p.Do(as("ann"), p.request("GET", ""))
		check(t, "says", plan.AsError(err).Message, "you call upstream api.test too often; try again in 30 s")
	})
}

// TestLimitsOfAPolicy: what a policy adds holds besides, for all that it names together.
func TestLimitsOfAPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) {
			r.Rate.Rate = plan.Rate{Count: 3, Period: time.Minute, Burst: 3}
			r.Limits = []plan.RateLimit{{Rate: plan.Rate{Count: 5, Period: time.Minute, Burst: 5}, Scope: "team"}}
		})
		check(t, "one API", p.calls(t.Context(), 4), "200 rate-limited")
		p.settings.Scope = "doc#other"
		p.calls(t.Context(), 5)
		check(t, "the team", p.count(), 5) // the call that its own limit refused took no token of the team's
	})
}

// brokenStore takes no tokens.
type brokenStore struct{ plan.Store }

func (brokenStore) Take(context.Context, string, plan.Rate) (time.Duration, error) {
	return 0, errStore
}

// TestStoreThatFails: without the store calls go on, but those of callers who left.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	p := protect(answers("200"), func(r *plan.Resilience) { r.Rate.Rate = plan.Rate{Count: 1, Period: time.Hour, Burst: 1} })
	p.Upstream = resilience.New(p.counting, resilience.Options{Store: brokenStore{}, Watcher: p.seen})
	check(t, "outcomes", p.calls(t.Context(), 3), "200")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	check(t, "a caller who left", p.call(gone, "GET"), "canceled")
	check(t, "told", p.take(), "[]")
	p.Upstream = resilience.New(p.counting, resilience.Options{})
	check(t, "no store", p.calls(t.Context(), 3), "200")
}

// TestWithoutSettings: a request without settings goes on as it is.
func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	p := protect(answers("503"), nil)
	req := p.request("GET", "")
	req.Resilience = nil
	check(t, "outcome", outcome(p.Do(t.Context(), req)), "503")
	check(t, "sent", p.count(), 1)
}

// TestHostsAreMasked: an error shows no secret that stands in the host.
func TestHostsAreMasked(t *testing.T) {
	t.Parallel()
	p := protect(answers("200"), func(r *plan.Resilience) { r.Rate.Rate = plan.Rate{Count: 1, Period: time.Hour, Burst: 1} })
	for range 2 {
		req := p.request("GET", "")
		req.Base = &plan.Base{Scheme: "https", Host: "s3cr3t-tenant.api.test"}
		req.Secrets = []plan.Secret{plan.NewSecret("s3cr3t-tenant")}
		if _, err := p.Do(t.Context(), req); err != nil {
			check(t, "says", err, "upstream <secret>.api.test is called too often; try again in 3600 s")
		}
	}
	check(t, "sent", p.count(), 1)
}

// TestCost: with the defaults a call that works makes no garbage.
func TestCost(t *testing.T) {
	resp := &plan.Response{Status: 200}
	up := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return resp, nil })
	p, u := protect(answers("200"), nil), newUpstream(up)
	req := p.request("GET", "")
	ctx := t.Context()
	if got := testing.AllocsPerRun(100, func() { _, _ = u.Do(ctx, req) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// BenchmarkDo is what the defaults cost a call.
func BenchmarkDo(b *testing.B) {
	resp := &plan.Response{Status: 200}
	up := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return resp, nil })
	p, u := protect(answers("200"), nil), newUpstream(up)
	off, on := p.request("GET", ""), p.request("GET", "")
	off.Resilience = nil
	for _, bench := range []struct {
		name string
		req  *plan.Request
	}{{"off", off}, {"on", on}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = u.Do(b.Context(), bench.req)
				}
			})
		})
	}
}

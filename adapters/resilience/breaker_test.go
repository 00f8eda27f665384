package resilience_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"capd/adapters/resilience"
	"capd/engine/plan"
)

// TestBreaker: after enough failures nothing is sent, then one request tries, and what comes of
// it decides.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), onlyBreaker)
		check(t, "up to the limit", p.calls(t.Context(), 20), "503")
		check(t, "told", p.take(), "[opened doc api]")
		_, err := p.Do(t.Context(), p.request("POST", ""))
		e := plan.AsError(err)
		check(t, "refused", fmt.Sprint(e.Code, e.RetryAfter), "upstream-unavailable 5s")
		check(t, "says", e.Message, "upstream api.test failed too often and is left alone for a while; try again in 5 s")
		check(t, "and on", p.calls(t.Context(), 100), "upstream-unavailable")
		check(t, "sent", p.count(), 20)

		time.Sleep(4 * time.Second)
		_, err = p.Do(t.Context(), p.request("GET", ""))
		check(t, "later", plan.AsError(err).RetryAfterSeconds(), 1)
		time.Sleep(time.Second)
		check(t, "it tries and fails", p.calls(t.Context(), 3), "503 upstream-unavailable")
		check(t, "sent", p.count(), 21)
		check(t, "told", p.take(), "[opened doc api]")
		check(t, "status", p.Breakers(), []plan.BreakerStatus{{Document: "doc", API: "api", Host: "api.test", State: plan.BreakerOpen}})

		time.Sleep(5 * time.Second)
		p.answers = []string{"200"}
		check(t, "it tries and succeeds", p.calls(t.Context(), 50), "200")
		check(t, "told", p.take(), "[]")
		p.answers = []string{"503"}
		p.calls(t.Context(), 30)
		check(t, "too few of all", p.take(), "[]")
		p.calls(t.Context(), 100)
		check(t, "half of all", p.count(), 20+1+50+49) // the first of the 50 tried
	})
}

// TestBreakerCounts: what is a failure of the upstream, and what is none.
func TestBreakerCounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		answers string // again and again
		opens   bool
	}{
		{"lost", true}, {"slow", true}, {"malformed", false}, {"502", true}, {"504", true}, {"503/60", true},
		{"500", false}, {"429", false}, {"404", false}, {"unconfigured", false}, {"200", false},
		{"503 200", true}, {"503 200 200", false}, {"unconfigured 503", true}, {"unconfigured unconfigured 503", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := protect(answers(strings.Fields(strings.Repeat(tc.answers+" ", 100))...), onlyBreaker)
			p.calls(t.Context(), 99)
			if got := p.count() < 99; got != tc.opens {
				t.Errorf("%s: opened is %v, %d requests were sent", tc.answers, got, p.count())
			}
		})
	}
}

// TestBreakerWindow: failures of long ago do not count, and an API that is seldom called has no
// open breaker.
func TestBreakerWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), onlyBreaker)
		for range 100 {
			p.calls(t.Context(), 1)
			time.Sleep(2 * time.Second)
		}
		check(t, "seldom called", p.count(), 100)
		p.calls(t.Context(), 8)
		time.Sleep(30 * time.Second)
		p.calls(t.Context(), 15)
		check(t, "long ago", p.count(), 123)
		p.calls(t.Context(), 15)
		check(t, "of late", p.count(), 128)
	})
}

// TestBreakerIsOfOneAPI: neither another document, nor another host, nor other settings know of
// an open breaker; a compiled anew document does.
func TestBreakerIsOfOneAPI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), onlyBreaker)
		p.calls(t.Context(), 30)
		check(t, "this one", p.count(), 20)
		was := p.settings
		p.settings.Scope, p.settings.Document = "team-b#api", "team-b"
		p.calls(t.Context(), 30)
		check(t, "another document", p.count(), 40)
		p.settings = was
		p.settings.Breaker.Of = 30
		p.calls(t.Context(), 40)
		check(t, "other settings", p.count(), 70)
		p.settings = was
		req := p.request("GET", "")
		req.Base = &plan.Base{Scheme: "https", Host: "eu.api.test"}
		check(t, "another host", outcome(p.Do(t.Context(), req)), "503")
		check(t, "after a reload", outcome(p.Do(t.Context(), p.request("GET", ""))), "upstream-unavailable")
		p.settings.Breaker = plan.Breaker{}
		check(t, "without a breaker", p.calls(t.Context(), 1), "503")
	})
}

// TestBreakerThatNobodyUses: what opened a breaker is forgotten when nobody asked for longer than
// is counted, as happens when callers are gone or settings have changed.
func TestBreakerThatNobodyUses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		p := protect(answers("503"), onlyBreaker)
		p.Upstream = resilience.New(p.counting, resilience.Options{Watcher: p.seen, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		states := func() string {
			var out []string
			for _, b := range p.Breakers() {
				out = append(out, b.State.String())
			}
			slices.Sort(out)
			return strings.Join(out, " ")
		}
		check(t, "at first", states(), "")
		p.calls(t.Context(), 30)
		check(t, "it opened", states(), "open")
		p.settings.Breaker.Of = 30
		for range 60 {
			p.calls(t.Context(), 1)
			time.Sleep(100 * time.Millisecond)
		}
		check(t, "other settings", states(), "open open")
		p.calls(t.Context(), 1)
		for range 20 {
			time.Sleep(time.Second)
			p.calls(t.Context(), 1) // one that is down is still asked for
		}
		check(t, "one of them is in use", states(), "closed open")
		check(t, "lines of the log", strings.Count(log.String(), "\n"), 2)
		time.Sleep(26 * time.Second)
		check(t, "nobody asks", states(), "closed closed")
		before := p.count()
		check(t, "it begins anew", p.calls(t.Context(), 30), "503")
		check(t, "sent", p.count()-before, 30)
		check(t, "and opens", states(), "closed open")
	})
}

// TestBreakerAndCallersWhoLeave: callers who go away are no failures of the upstream, and a
// probe whose caller goes away does not keep the others out.
func TestBreakerAndCallersWhoLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), onlyBreaker)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			check(t, "gone", p.call(gone, "GET"), "canceled")
		}
		check(t, "told", p.take(), "[]")
		check(t, "the upstream works", p.calls(t.Context(), 1), "200")

		p.answers = []string{"503"}
		p.calls(t.Context(), 40)
		p.answers = []string{"200"}
		time.Sleep(5 * time.Second)
		p.take()
		before := p.count()
		for range 3 {
			check(t, "a probe whose caller left", p.call(gone, "GET"), "canceled")
		}
		check(t, "probes", p.count()-before, 3)
		check(t, "told", p.take(), "[]")
		check(t, "the next", p.calls(t.Context(), 2), "200")
		check(t, "told", p.take(), "[]")
	})
}

// TestOneProbe: while one request tries, the others are refused; answers to requests that were
// sent before the breaker opened neither close nor open it.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), onlyBreaker)
		release := make(chan struct{})
		p.hold = func(context.Context) { <-release }
		var old sync.WaitGroup
		for range 40 {
			old.Go(func() { p.call(t.Context(), "GET") })
		}
		synctest.Wait()
		p.hold, p.answers = nil, []string{"503"}
		p.calls(t.Context(), 60)
		check(t, "opened", p.take(), "[opened doc api]")

		time.Sleep(5 * time.Second)
		second := make(chan struct{})
		p.answers, p.hold = []string{"503"}, func(context.Context) { <-second }
		before := p.count()
		var probes sync.WaitGroup
		results := make(chan string, 30)
		for range 30 {
			probes.Go(func() { results <- p.call(t.Context(), "GET") })
		}
		synctest.Wait()
		check(t, "one tries", p.count()-before, 1)
		check(t, "refused", len(results), 29)
		check(t, "as", <-results, "upstream-unavailable")
		close(release) // 40 successes of before
		old.Wait()
		p.hold = nil
		check(t, "still one", p.call(t.Context(), "GET"), "upstream-unavailable")
		close(second)
		probes.Wait()
		check(t, "told", p.take(), "[opened doc api]")
	})
}

// TestProbesAreSentOnce: a probe that fails is not sent again, and neither is what failed while
// the breaker opened.
func TestProbesAreSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), func(r *plan.Resilience) { r.Breaker.Failures, r.Breaker.Of = 2, 2 })
		p.calls(t.Context(), 5)
		check(t, "to begin with", p.count(), 6) // three each
		time.Sleep(5 * time.Second)
		p.calls(t.Context(), 5)
		check(t, "probe", p.count(), 7)
	})
}

// TestFlappingUpstream: of an upstream that comes and goes, no call is lost that could be saved,
// and the load stays what it is.
func TestFlappingUpstream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), nil)
		ok := 0
		for i := range 1000 {
			p.answers = []string{"200"}
			if i%10 == 0 { // every tenth request is lost
				p.answers = []string{"lost", "200"}
			}
			if p.call(t.Context(), "GET") == "200" {
				ok++
			}
			time.Sleep(10 * time.Millisecond)
		}
		check(t, "answered", ok, 1000)
		check(t, "sent", p.count(), 1100)
	})
}

// TestPanicsGiveTheirPlaceBack: a transport that panics takes no place of a probe or of a gate.
func TestPanicsGiveTheirPlaceBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), func(r *plan.Resilience) {
			onlyBreaker(r)
			r.Concurrency.Max = 1
		})
		p.calls(t.Context(), 30)
		time.Sleep(5 * time.Second)
		p.answers = []string{"panic"}
		for range 3 {
			func() {
				defer func() { _ = recover() }()
				p.call(t.Context(), "GET")
				t.Error("it did not panic")
			}()
		}
		p.answers = []string{"200"}
		check(t, "after that", p.calls(t.Context(), 2), "200")
	})
}

// TestRacingCalls: whatever happens at the same time, what was let in is let out again.
func TestRacingCalls(t *testing.T) {
	t.Parallel()
	p := protect(answers(strings.Fields(strings.Repeat("503 lost 200 ", 2000)+"200")...), func(r *plan.Resilience) {
		r.Retry.Wait, r.Retry.MaxWait = time.Microsecond, time.Microsecond
		r.Breaker = plan.Breaker{Failures: 3, Of: 5, Window: time.Second, Open: time.Millisecond}
		r.Concurrency = plan.Concurrency{Max: 3, Queue: 5, Wait: time.Millisecond}
	})
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%4 == 0 {
					cancel()
				}
				p.call(ctx, "GET")
				cancel()
			}
		})
	}
	group.Wait()
	p.answers = []string{"200"}
	for deadline := time.Now().Add(5 * time.Minute); p.call(t.Context(), "GET") != "200"; {
		if time.Now().After(deadline) {
			t.Fatal("nothing gets through any more")
		}
	}
	check(t, "then all", p.calls(t.Context(), 3), "200")
}

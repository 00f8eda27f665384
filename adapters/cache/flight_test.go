package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"capd/adapters/cache"
	"capd/adapters/memory"
	"capd/engine/plan"
)

// pond is a cache in front of an upstream that a test answers for. It lives in a bubble of
// synctest, so that "everybody waits" can be waited for.
type pond struct {
	t     *testing.T
	cache *cache.Cache
	rule  plan.Resilience
	// asked gets each request that comes upstream.
	asked chan *asked
	mu    sync.Mutex
	total int
}

// asked is one request upstream and the way to answer it.
type asked struct {
	ctx    context.Context
	req    *plan.Request
	answer chan func() (*plan.Response, error)
}

func newPond(t *testing.T, rule plan.Resilience) *pond {
	p := &pond{t: t, rule: rule, asked: make(chan *asked, 1000)}
	up := plan.UpstreamFunc(func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		p.mu.Lock()
		p.total++
		p.mu.Unlock()
		a := &asked{ctx, req, make(chan func() (*plan.Response, error), 1)}
		p.asked <- a
		select {
		case give := <-a.answer:
			return give()
		case <-ctx.Done():
			return nil, plan.AsError(ctx.Err())
		}
	})
	p.cache = cache.New(up, cache.Options{Store: memory.New(memory.Options{})})
	return p
}

func (p *pond) reached() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// says answers with these bytes.
func says(body string, header ...string) func() (*plan.Response, error) {
	return func() (*plan.Response, error) {
		return &plan.Response{Status: 200, Header: fields(header...), Attempts: 1, Body: plan.Body{Stream: io.NopCloser(strings.NewReader(body)), Len: int64(len(body))}}, nil
	}
}

// fails answers with an error.
func fails(code plan.Code) func() (*plan.Response, error) {
	return func() (*plan.Response, error) { return nil, plan.Errorf(code, "no") }
}

// outcome is what a call got.
type outcome struct {
	body string
	err  error
	resp *plan.Response
}

// call begins a call and gives where its outcome will come.
func (p *pond) call(ctx context.Context, method, target string, header ...string) <-chan outcome {
	out := make(chan outcome, 1)
	rule := p.rule
	req := &plan.Request{
		Method: method, Base: &plan.Base{Scheme: "http", Host: "api.test"}, Target: target, Header: fields(header...), Resilience: &rule,
	}
	go func() {
		resp, err := p.cache.Do(ctx, req)
		if err != nil {
			out <- outcome{err: err}
			return
		}
		r := resp.Body.Reader()
		body, err := io.ReadAll(r)
		_ = r.Close()
		out <- outcome{string(body), err, resp}
	}()
	synctest.Wait()
	return out
}

func shares() plan.Resilience { return plan.Resilience{Scope: "doc/api", Coalesce: true} }

func (p *pond) wants(got <-chan outcome, body string) {
	p.t.Helper()
	if o := <-got; o.err != nil || o.body != body {
		p.t.Errorf("got %q, %v; want %q", o.body, o.err, body)
	}
}

func (p *pond) fails(got <-chan outcome, code plan.Code) {
	p.t.Helper()
	if o := <-got; o.err == nil || plan.AsError(o.err).Code != code {
		p.t.Errorf("got %q, %v; want %s", o.body, o.err, code)
	}
}

func TestIdenticalRequestsAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		var calls []<-chan outcome
		for range 50 {
			calls = append(calls, p.call(t.Context(), "GET", "/a"))
		}
		other := p.call(t.Context(), "GET", "/b")
		if p.reached() != 2 {
			t.Fatalf("%d requests came upstream", p.reached())
		}
		(<-p.asked).answer <- says("a")
		(<-p.asked).answer <- says("b")
		for _, c := range calls {
			p.wants(c, "a")
		}
		p.wants(other, "b")
		// Nothing is kept: the next one is another.
		next := p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("a2")
		p.wants(next, "a2")
	})
}

func TestFollowersAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		leader, follower := p.call(t.Context(), "GET", "/a"), p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("a", "ETag: x")
		first, second := <-leader, <-follower
		if got := first.resp.Get("Cache-Status"); got != "" || first.resp.Attempts != 1 {
			t.Errorf("leader: %q, %d attempts", got, first.resp.Attempts)
		}
		if got := second.resp.Get("Cache-Status"); got != "capd; fwd=uri-miss; collapsed" || second.resp.Attempts != 0 || second.resp.Get("ETag") != "x" {
			t.Errorf("follower: %q, %d attempts, %v", got, second.resp.Attempts, second.resp.Header)
		}
	})
}

func TestWhatIsNotShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		for _, each := range []struct {
			method, header string
			ctx            context.Context
		}{
			{"GET", "A: 1", t.Context()},
			{"GET", "A: 2", t.Context()},
			{"GET", "A: 1", named("ann")},
			{"GET", "A: 1", named("bob")},
			{"GET", "Range: bytes=0-1", t.Context()},
			{"GET", "Range: bytes=0-1", t.Context()},
			{"GET", `If-None-Match: "a"`, t.Context()},
			{"GET", `If-None-Match: "b"`, t.Context()},
			{"GET", "Cache-Control: no-cache", t.Context()},
			{"HEAD", "A: 1", t.Context()},
			{"OPTIONS", "A: 1", t.Context()},
			{"OPTIONS", "A: 1", t.Context()},
			{"POST", "A: 1", t.Context()},
			{"POST", "A: 1", t.Context()},
			{"PUT", "A: 1", t.Context()},
			{"PUT", "A: 1", t.Context()},
			{"DELETE", "A: 1", t.Context()},
			{"DELETE", "A: 1", t.Context()},
		} {
			before := p.reached()
			c := p.call(each.ctx, each.method, "/a", each.header)
			if p.reached() != before+1 {
				t.Errorf("%s with %s was not sent", each.method, each.header)
			}
			defer func() { <-c }()
		}
		for range p.reached() {
			(<-p.asked).answer <- says("")
		}
	})
}

// The fetch goes on for those who wait when the one who began it hangs up.
func TestLeaderHangsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		ctx, cancel := context.WithCancel(t.Context())
		leader := p.call(ctx, "GET", "/a")
		follower := p.call(t.Context(), "GET", "/a")
		cancel()
		p.fails(leader, plan.CodeCanceled)
		late := p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("a")
		p.wants(follower, "a")
		p.wants(late, "a")
		if p.reached() != 1 {
			t.Errorf("%d requests came upstream", p.reached())
		}
	})
}

// When nobody waits any more the upstream is let go.
func TestAllHangUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		ctx, cancel := context.WithCancel(t.Context())
		leader, follower := p.call(ctx, "GET", "/a"), p.call(ctx, "GET", "/a")
		up := <-p.asked
		cancel()
		p.fails(leader, plan.CodeCanceled)
		p.fails(follower, plan.CodeCanceled)
		synctest.Wait()
		if up.ctx.Err() == nil {
			t.Error("the request goes on for nobody")
		}
		next := p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("a")
		p.wants(next, "a")
	})
}

func TestFollowerHangsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		leader := p.call(t.Context(), "GET", "/a")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		follower := p.call(short, "GET", "/a")
		p.fails(follower, plan.CodeUpstreamTimeout) // its own time, not the leader's
		(<-p.asked).answer <- says("a")
		p.wants(leader, "a")
	})
}

// That the leader's time is over is not the others' end.
func TestLeaderRunsOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		leader, follower := p.call(short, "GET", "/a"), p.call(t.Context(), "GET", "/a")
		<-p.asked
		p.fails(leader, plan.CodeUpstreamTimeout)
		synctest.Wait()
		(<-p.asked).answer <- says("a")
		p.wants(follower, "a")
	})
}

func TestErrorsAreShared(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code   plan.Code
		shared bool
	}{
		{plan.CodeUpstreamFailed, true},
		{plan.CodeUpstreamTimeout, true},
		{plan.CodeUpstreamUnavailable, true},
		{plan.CodeRateLimited, false},
		{plan.CodeOverloaded, false},
		{plan.CodeNotConfigured, false},
		{plan.CodeInternal, false},
	} {
		t.Run(test.code.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPond(t, shares())
				leader, follower := p.call(t.Context(), "GET", "/a"), p.call(t.Context(), "GET", "/a")
				(<-p.asked).answer <- fails(test.code)
				p.fails(leader, test.code)
				if test.shared {
					p.fails(follower, test.code)
					return
				}
				(<-p.asked).answer <- says("a")
				p.wants(follower, "a")
			})
		})
	}
}

func TestPanicIsOneCallsFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		leader, follower := p.call(t.Context(), "GET", "/a"), p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- func() (*plan.Response, error) { panic("boom") }
		p.fails(leader, plan.CodeInternal)
		(<-p.asked).answer <- says("a")
		p.wants(follower, "a")
	})
}

// pieces is a body that comes as a test sends it.
type pieces struct {
	from chan string
	err  error
	left string
	done chan struct{}
	once sync.Once
}

func newPieces() *pieces { return &pieces{from: make(chan string), done: make(chan struct{})} }

func (s *pieces) Read(p []byte) (int, error) {
	for s.left == "" {
		select {
		case piece, ok := <-s.from:
			if !ok && s.err != nil {
				return 0, s.err
			}
			if !ok {
				return 0, io.EOF
			}
			s.left = piece
		case <-s.done:
			return 0, plan.Errorf(plan.CodeCanceled, "closed")
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *pieces) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *pieces) says(header ...string) func() (*plan.Response, error) {
	return func() (*plan.Response, error) {
		return &plan.Response{Status: 200, Header: fields(header...), Body: plan.Body{Stream: s, Len: -1}}, nil
	}
}

// The leader reads the answer as it comes.
func TestLeaderStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		rule := p.rule
		ready := make(chan *plan.Response, 1)
		go func() {
			resp, err := p.cache.Do(t.Context(), &plan.Request{Method: "GET", Base: &plan.Base{Scheme: "http", Host: "api.test"}, Target: "/a", Resilience: &rule})
			if err != nil {
				t.Error(err)
			}
			ready <- resp
		}()
		synctest.Wait()
		follower := p.call(t.Context(), "GET", "/a")
		s := newPieces()
		(<-p.asked).answer <- s.says()
		leader := <-ready // before the first byte
		s.from <- "one"
		got := make([]byte, 10)
		if n, err := leader.Body.Stream.Read(got); err != nil || string(got[:n]) != "one" {
			t.Fatalf("%q, %v", got[:n], err)
		}
		s.from <- "two"
		close(s.from)
		p.wants(follower, "onetwo") // the leader need not read for that
		if rest, err := io.ReadAll(leader.Body.Stream); err != nil || string(rest) != "two" {
			t.Errorf("%q, %v", rest, err)
		}
		_ = leader.Body.Stream.Close()
	})
}

// What is too large to be shared is the leader's, and the others ask for themselves.
func TestTooLargeToShare(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 3<<20)
	for _, known := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPond(t, shares())
			leader, follower := p.call(t.Context(), "GET", "/a"), p.call(t.Context(), "GET", "/a")
			for range 2 {
				(<-p.asked).answer <- func() (*plan.Response, error) {
					resp, err := says(large)()
					if !known {
						resp.Body.Len = -1
					}
					return resp, err
				}
			}
			p.wants(leader, large)
			p.wants(follower, large)
			if p.reached() != 2 {
				t.Errorf("%d requests came upstream", p.reached())
			}
		})
	}
}

// Nobody waits for the end of what has none.
func TestEventStreamIsNotShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		leader, follower := p.call(t.Context(), "GET", "/a"), p.call(t.Context(), "GET", "/a")
		endless := newPieces()
		(<-p.asked).answer <- endless.says("Content-Type: text/event-stream")
		(<-p.asked).answer <- says("mine")
		p.wants(follower, "mine")
		close(endless.from)
		p.wants(leader, "")
	})
}

func TestBodyBreaksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rule := shares()
		rule.Cache.Max = 1 << 20
		p := newPond(t, rule)
		leader, follower := p.call(t.Context(), "GET", "/a"), p.call(t.Context(), "GET", "/a")
		s := newPieces()
		s.err = plan.Errorf(plan.CodeUpstreamFailed, "reset")
		(<-p.asked).answer <- s.says("Cache-Control: max-age=100")
		s.from <- "half"
		close(s.from)
		p.fails(leader, plan.CodeUpstreamFailed)
		p.fails(follower, plan.CodeUpstreamFailed)
		next := p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("whole", "Cache-Control: max-age=100")
		p.wants(next, "whole")
	})
}

// The leader hangs up while the body comes: the others get it, and it is kept.
func TestLeaderHangsUpInBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rule := shares()
		rule.Cache.Max = 1 << 20
		p := newPond(t, rule)
		ctx, cancel := context.WithCancel(t.Context())
		leader, follower := p.call(ctx, "GET", "/a"), p.call(t.Context(), "GET", "/a")
		s := newPieces()
		(<-p.asked).answer <- s.says("Cache-Control: max-age=100")
		s.from <- "half"
		cancel()
		p.fails(leader, plan.CodeCanceled)
		s.from <- " and half"
		close(s.from)
		p.wants(follower, "half and half")
		p.wants(p.call(t.Context(), "GET", "/a"), "half and half")
		if p.reached() != 1 {
			t.Errorf("%d requests came upstream", p.reached())
		}
	})
}

// What is under way before a change is not the answer to what is asked after it.
func TestChangeEndsSharing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPond(t, shares())
		before := p.call(t.Context(), "GET", "/a")
		old := <-p.asked
		change := p.call(t.Context(), "POST", "/b")
		(<-p.asked).answer <- says("")
		p.wants(change, "")
		after := p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("new")
		old.answer <- says("old")
		p.wants(before, "old")
		p.wants(after, "new")
	})
}

// One kept answer that is over is asked for once.
func TestRevalidationIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rule := shares()
		rule.Cache.Max = 1 << 20
		p := newPond(t, rule)
		first := p.call(t.Context(), "GET", "/a")
		(<-p.asked).answer <- says("a", "Cache-Control: max-age=10", `ETag: "one"`)
		p.wants(first, "a")
		time.Sleep(time.Minute) // of the bubble
		var calls []<-chan outcome
		for range 20 {
			calls = append(calls, p.call(t.Context(), "GET", "/a"))
		}
		up := <-p.asked
		if got := (&plan.Response{Header: up.req.Header}).Get("If-None-Match"); got != `"one"` {
			t.Errorf("If-None-Match: %s", got)
		}
		up.answer <- func() (*plan.Response, error) { return &plan.Response{Status: 304, Header: fields(`ETag: "one"`)}, nil }
		for _, c := range calls {
			p.wants(c, "a")
		}
		if p.reached() != 2 {
			t.Errorf("%d requests came upstream", p.reached())
		}
	})
}

// Callers that come and go at random all get a whole answer or their own end, and nothing is
// left of them.
func TestCoalescingUnderChange(t *testing.T) {
	t.Parallel()
	var under atomic.Int64
	body := strings.Repeat("0123456789", 1000)
	up := plan.UpstreamFunc(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		under.Add(1)
		defer under.Add(-1)
		switch rand.IntN(10) {
		case 0:
			return nil, plan.Errorf(plan.CodeUpstreamFailed, "reset")
		case 1:
			<-ctx.Done()
			return nil, plan.AsError(ctx.Err())
		}
		return &plan.Response{Status: 200, Header: fields("Cache-Control: max-age=0"), Body: plan.Body{Stream: io.NopCloser(strings.NewReader(body)), Len: -1}}, nil
	})
	rule := shares()
	rule.Cache.Max = 1 << 20
	c := cache.New(up, cache.Options{Store: memory.New(memory.Options{})})
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for range 100 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3000))*time.Microsecond)
				method := "GET"
				if rand.IntN(20) == 0 {
					method = "POST"
				}
				got, err := read(ctx, c, &plan.Request{Method: method, Base: &plan.Base{Scheme: "http", Host: "api.test"}, Target: fmt.Sprintf("/%d", i%3), Resilience: &rule})
				if err == nil && got != body {
					t.Errorf("got %d bytes of %d", len(got), len(body))
				}
				var e *plan.Error
				if err != nil && (!errors.As(err, &e) || e.Code == plan.CodeInternal) {
					t.Errorf("got %v", err)
				}
				cancel()
			}
		})
	}
	group.Wait()
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); { // what was begun for nobody ends soon
		if under.Load() == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		<-ctx.Done()
		cancel()
	}
	t.Errorf("%d requests go on for nobody", under.Load())
}

func read(ctx context.Context, c *cache.Cache, req *plan.Request) (string, error) {
	resp, err := c.Do(ctx, req)
	if err != nil {
		return "", err
	}
	r := resp.Body.Reader()
	defer func() { _ = r.Close() }()
	body, err := io.ReadAll(r)
	return string(body), err
}

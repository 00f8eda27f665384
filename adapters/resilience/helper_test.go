package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/memory"
	"capd/adapters/resilience"
	"capd/engine/plan"
)

// counting is an upstream that counts what reaches it. Its answers are statuses, perhaps with a
// Retry-After behind a slash, or words for failures; the last is for all that follow.
type counting struct {
	mu      sync.Mutex
	answers []string
	sent    []string // method and body
	at      []time.Time
	hold    func(ctx context.Context) // nil: it answers at once
}

func answers(s ...string) *counting { return &counting{answers: s} }

func (c *counting) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	body, _ := io.ReadAll(req.Body.Reader())
	_ = req.Body.Close()
	c.mu.Lock()
	answer := c.answers[0]
	if len(c.answers) > 1 {
		c.answers = c.answers[1:]
	}
	c.sent, c.at = append(c.sent, strings.TrimSpace(req.Method+" "+string(body))), append(c.at, time.Now())
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		hold(ctx)
	}
	if ctx.Err() != nil {
		return nil, plan.AsError(ctx.Err())
	}
	switch answer {
	case "lost":
		return nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "upstream: connection reset before an answer", Lost: true}
	case "malformed":
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "upstream: malformed answer")
	case "slow":
		return nil, plan.Errorf(plan.CodeUpstreamTimeout, "upstream: no answer in time")
	case "unconfigured":
		return nil, plan.Errorf(plan.CodeNotConfigured, "no certificate")
	case "panic":
		panic("the transport")
	}
	resp := &plan.Response{Attempts: 1}
	status, after, ok := strings.Cut(answer, "/")
	if _, err := fmt.Sscan(status, &resp.Status); err != nil {
		panic(answer)
	}
	if ok {
		resp.Header = []plan.Field{{Name: "Retry-After", Value: after}}
	}
	resp.Body = plan.Body{Stream: io.NopCloser(strings.NewReader("body of " + status)), Len: -1}
	return resp, nil
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

// gaps gives the times between what was sent.
func (c *counting) gaps() []time.Duration {
	var out []time.Duration
	for i := 1; i < len(c.at); i++ {
		out = append(out, c.at[i].Sub(c.at[i-1]))
	}
	return out
}

// seen is a watcher that keeps what it is told.
type seen struct {
	mu    sync.Mutex
	lines []string
}

func (s *seen) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *seen) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.lines
	s.lines = nil
	return out
}

func (s *seen) Retried(document, reason string)       { s.add("retried %s %s", document, reason) }
func (s *seen) BreakerOpened(document, api string)    { s.add("opened %s %s", document, api) }
func (s *seen) Limited(document string, l plan.Limit) { s.add("limited %s %s", document, l) }

// protected is an upstream in front of a counting one.
type protected struct {
	*resilience.Upstream
	*counting
	*seen
	settings plan.Resilience
}

// protect puts the default settings, changed by change, in front of an upstream.
func protect(up *counting, change func(*plan.Resilience)) *protected {
	p := &protected{counting: up, seen: &seen{}, settings: plan.DefaultResilience()}
	p.settings.Scope, p.settings.Document, p.settings.API = "doc#api", "doc", "api"
	if change != nil {
		change(&p.settings)
	}
	p.Upstream = resilience.New(up, resilience.Options{Store: memory.New(memory.Options{}), Watcher: p.seen})
	return p
}

func onlyRetry(r *plan.Resilience)   { r.Breaker = plan.Breaker{} }
func onlyBreaker(r *plan.Resilience) { r.Retry = plan.Retry{} }

// Do is the protected one.
func (p *protected) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	return p.Upstream.Do(ctx, req)
}

// request makes a request of the settings.
func (p *protected) request(method, body string) *plan.Request {
	settings := p.settings
	return &plan.Request{Method: method, Base: &plan.Base{Scheme: "https", Host: "api.test"}, Target: "/x", Body: plan.BytesBody([]byte(body)), Resilience: &settings}
}

// call sends a request and gives what came of it: a status or a code.
func (p *protected) call(ctx context.Context, method string) string {
	return outcome(p.Do(ctx, p.request(method, "")))
}

func outcome(resp *plan.Response, err error) string {
	if err != nil {
		return plan.AsError(err).Code.String()
	}
	_, _ = io.ReadAll(resp.Body.Reader())
	_ = resp.Body.Close()
	return fmt.Sprint(resp.Status)
}

// calls makes n calls and gives their outcomes, equal ones in a row once.
func (p *protected) calls(ctx context.Context, n int) string {
	var out []string
	for range n {
		out = append(out, p.call(ctx, "GET"))
	}
	return strings.Join(slices.Compact(out), " ")
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

var errStore = errors.New("the store is gone")

// newUpstream protects another upstream.
func newUpstream(next plan.Upstream) *resilience.Upstream {
	return resilience.New(next, resilience.Options{Store: memory.New(memory.Options{})})
}

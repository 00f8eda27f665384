package resilience_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"capd/engine/plan"
)

// TestRetry: what reaches the upstream, of what it answers.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method string
		answers      string
		want         string // outcome
		attempts     int
		retried      string
	}{
		{"it works", "GET", "200", "200", 1, ""},
		{"a lost connection", "GET", "lost 200", "200", 2, "connection"},
		{"twice", "GET", "lost 503 200", "200", 3, "connection 503"},
		{"no more than twice", "GET", "502 503 504 200", "504", 3, "502 503"},
		{"lost to the end", "GET", "lost", "upstream-failed", 3, "connection connection"},
		{"too many requests", "HEAD", "429 200", "200", 2, "429"},
		{"PUT", "PUT", "503 201", "201", 2, "503"},
		{"DELETE", "DELETE", "lost 204", "204", 2, "connection"},
		{"OPTIONS", "OPTIONS", "504 200", "200", 2, "504"},
		{"a fault of its own", "GET", "500 200", "500", 1, ""},
		{"not found", "GET", "404 200", "404", 1, ""},
		{"an answer that is wrong", "GET", "malformed 200", "upstream-failed", 1, ""},
		{"an answer that is late", "GET", "slow 200", "upstream-timeout", 1, ""},
		{"nothing to send it with", "GET", "unconfigured 200", "not-configured", 1, ""},
		{"POST", "POST", "503 201", "503", 1, ""},
		{"POST that is lost", "POST", "lost 201", "upstream-failed", 1, ""},
		{"PATCH", "PATCH", "429 201", "429", 1, ""},
		{"a method of its own", "PURGE", "503 201", "503", 1, ""},
		{"CONNECT", "CONNECT", "503 201", "503", 1, ""},
		{"lower case is another method", "get", "503 200", "503", 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := protect(answers(strings.Fields(tc.answers)...), nil)
				resp, err := p.Do(t.Context(), p.request(tc.method, "content"))
				attempts := 0
				if err == nil {
					attempts = resp.Attempts
				} else {
					attempts = max(plan.AsError(err).Attempts, 1)
				}
				check(t, "outcome", outcome(resp, err), tc.want)
				check(t, "attempts", attempts, tc.attempts)
				check(t, "sent", p.sent, "["+strings.TrimSpace(strings.Repeat(tc.method+" content ", tc.attempts))+"]")
				check(t, "retried", strings.ReplaceAll(strings.Join(p.take(), " "), "retried doc ", ""), tc.retried)
			})
		})
	}
}

// TestNotSentTwice: whatever comes back, and whatever the settings say, a request that changes
// something, or whose body is gone, is sent once.
func TestNotSentTwice(t *testing.T) {
	t.Parallel()
	most := func(r *plan.Resilience) {
		onlyRetry(r)
		r.Retry.Max, r.Retry.Statuses = 10, []int{400, 409, 425, 429, 500, 502, 503, 504}
	}
	for _, answer := range []string{"lost", "slow", "malformed", "400", "425", "429/0", "500", "503", "503/1"} {
		for _, method := range []string{"POST", "PATCH", "LOCK"} {
			p := protect(answers(answer), most)
			_ = p.call(t.Context(), method)
			check(t, method+" "+answer, p.count(), 1)
		}
		p := protect(answers(answer), most)
		req := p.request("PUT", "")
		req.Body = plan.Body{Stream: io.NopCloser(strings.NewReader("once")), Len: -1}
		_ = outcome(p.Do(t.Context(), req))
		check(t, "a stream, "+answer, p.sent, "[PUT once]")
	}
}

// TestRetryAfter: an upstream that says when is asked then, and not at all when that is too late.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, answer string
		sent         int
		least        time.Duration // of the wait
	}{
		{"seconds", "503/2", 2, 2 * time.Second},
		{"none", "503", 2, 50 * time.Millisecond},
		{"at once", "429/0", 2, 50 * time.Millisecond},
		{"longer than is waited", "503/3", 1, 0},
		{"far longer", "429/99999999999999", 1, 0},
		{"a date", "503/Sat, 01 Jan 2000 00:00:02 GMT", 2, 2 * time.Second},
		{"a late date", "503/Sat, 01 Jan 2000 00:01:00 GMT", 1, 0},
		{"a date that is over", "503/Fri, 31 Dec 1999 00:00:00 GMT", 2, 50 * time.Millisecond},
		{"no date", "503/soon", 2, 50 * time.Millisecond},
		{"a negative number", "503/-5", 2, 50 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // where it is the first second of 2000
				p := protect(answers(tc.answer, "200"), nil)
				p.call(t.Context(), "GET")
				check(t, "sent", p.count(), tc.sent)
				if tc.sent > 1 && (p.gaps()[0] < tc.least || p.gaps()[0] > tc.least+100*time.Millisecond) {
					t.Errorf("waited %s, want %s and a little", p.gaps()[0], tc.least)
				}
			})
		})
	}
}

// TestRetryWaits: each wait is twice the one before, up to the longest, with jitter.
func TestRetryWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), func(r *plan.Resilience) {
			onlyRetry(r)
			r.Retry.Max, r.Retry.Wait, r.Retry.MaxWait = 5, time.Second, 5*time.Second
		})
		check(t, "outcome", p.call(t.Context(), "GET"), "503")
		for i, most := range []time.Duration{1, 2, 4, 5, 5} {
			if got := p.gaps()[i]; got < most*time.Second/2 || got > most*time.Second {
				t.Errorf("wait %d is %s, want half of %d s to all of it", i+1, got, most)
			}
		}
	})
}

// TestRetryWithinTheCall: what a call has no time for is not begun, and a caller that goes away
// is not waited for.
func TestRetryWithinTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		p := protect(answers("503"), nil)
		check(t, "no time", p.call(ctx, "GET"), "503")
		check(t, "no time, sent", p.count(), 1)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		p = protect(answers("503/2"), nil)
		begun := time.Now()
		check(t, "went away", p.call(ctx, "GET"), "canceled")
		check(t, "went away, sent", p.count(), 1)
		check(t, "went away, after", time.Since(begun), time.Second)
	})
}

// TestRetryBudget: an upstream that is down gets a fifth more than its load, and a few requests.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("503"), onlyRetry)
		check(t, "outcomes", p.calls(t.Context(), 500), "503")
		if got := p.count(); got < 500+100 || got > 500+100+10 {
			t.Errorf("500 calls made %d requests, want 600 to 610", got)
		}
		// Another API of the upstream has its own, and after good times there is some again.
		before := p.count()
		p.settings.Scope = "doc#other"
		p.calls(t.Context(), 1)
		check(t, "another API", p.count()-before, 3)
		p.settings.Scope = "doc#api"
		p.answers = []string{"200"}
		p.calls(t.Context(), 50)
		p.answers = []string{"503"}
		before = p.count()
		p.calls(t.Context(), 5)
		check(t, "after good times", p.count()-before, 15)
	})
}

// brokenStream is an answer that breaks off.
type brokenStream struct {
	read   int
	closed int
}

func (b *brokenStream) Read(p []byte) (int, error) {
	if b.read++; b.read == 1 {
		return copy(p, "half"), nil
	}
	return 0, errors.New("connection reset")
}

func (b *brokenStream) Close() error { b.closed++; return nil }

// TestAnswersAreHandedOn: an answer is handed on unread, whatever becomes of it, and one that is
// not handed on is closed.
func TestAnswersAreHandedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(answers("200"), func(r *plan.Resilience) { r.Concurrency.Max = 1 })
		var bodies []*brokenStream
		up := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
			b := &brokenStream{}
			bodies = append(bodies, b)
			return &plan.Response{Status: []int{503, 200}[(len(bodies)-1)%2], Body: plan.Body{Stream: b, Len: -1}, Attempts: 1}, nil
		})
		u := newUpstream(up)
		for range 8 {
			resp, err := u.Do(t.Context(), p.request("GET", ""))
			if err != nil {
				t.Fatal(err)
			}
			last := bodies[len(bodies)-1]
			if last.read != 0 || last.closed != 0 || resp.Status != 200 || resp.Attempts != 2 {
				t.Fatalf("handed on: %d reads, %d closes, status %d, %d attempts", last.read, last.closed, resp.Status, resp.Attempts)
			}
			if got, err := io.ReadAll(resp.Body.Stream); string(got) != "half" || err == nil {
				t.Fatalf("read %q, %v", got, err)
			}
			_, _ = resp.Body.Close(), resp.Body.Close()
			if first := bodies[len(bodies)-2]; first.read != 0 || first.closed != 1 || last.closed != 2 {
				t.Fatalf("closed %d times, read %d times; the last closed %d times", first.closed, first.read, last.closed)
			}
		}
	})
}

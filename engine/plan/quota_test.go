package plan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/engine/plan"
)

const cappedSpec = `naftiko: 1.0.0-beta2
capability:
  exposes:
    - type: rest
      port: 8080
      namespace: api
      resources:
        - path: /things
          operations:
            - {name: get, method: GET, call: up.get}
            - {name: shaped, method: POST, call: up.post, outputParameters: [{name: a, type: string, mapping: $.a}]}
        - path: /shown
          operations:
            - {name: shown, method: GET, call: up.get, outputParameters: [{name: a, type: string, mapping: $.a}]}
            - {name: send, method: POST, call: up.post, inputParameters: [{name: note, in: body}], with: {note: api.note}}
  consumes:
    - type: http
      namespace: up
      baseUri: https://up.example.com
      resources:
        - path: /things
          operations:
            - {name: get, method: GET}
            - {name: post, method: POST, inputParameters: [{name: note, in: body}]}
`

// capped binds the spec with caps. Its upstream answers with what answer gives.
func capped(t *testing.T, o plan.QuotaOptions, answer plan.UpstreamFunc) (*document, *plan.Quotas) {
	t.Helper()
	d := load(t, cappedSpec)
	q := plan.NewQuotas(o)
	b, list := plan.Bind(d.bound.Plan(), plan.BindOptions{Upstream: answer, Quotas: q})
	if len(list) > 0 {
		t.Fatal(list)
	}
	d.bound = b
	return d, q
}

// call calls a route and leaves its result open.
func (d *document) call(ctx context.Context, name string, body io.Reader, length int64) (*plan.Result, error) {
	d.t.Helper()
	op := d.route(name).Operation
	if op == nil {
		d.t.Fatal(d.list)
	}
	src := &plan.Source{Bound: d.bound, ContentType: "application/json"}
	if body != nil {
		src.Body = plan.Body{Stream: io.NopCloser(body), Len: length}
	}
	args, err := op.Bind(src)
	if err != nil {
		return nil, err
	}
	defer args.Release()
	return op.Invoke(ctx, &plan.Invocation{Args: args, Bound: d.bound})
}

func jsonAnswer(body plan.Body) *plan.Response {
	return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: body}
}

func streamOf(text string, length int64) plan.Body {
	return plan.Body{Stream: io.NopCloser(strings.NewReader(text)), Len: length}
}

// isNothingUsed wants everything to be given back.
func isNothingUsed(t *testing.T, d *document) {
	t.Helper()
	if got := d.bound.Quota(d.unit).Used(); got != (plan.Used{}) {
		t.Errorf("still in use: %+v", got)
	}
}

// TestCallsWaitInLine fills the places and the line of a document: the next call is refused at
// once, and those in the line get places in the order in which they came.
func TestCallsWaitInLine(t *testing.T) {
	t.Parallel()
	const places, line = 3, 4
	release, begun := make(chan struct{}), make(chan int, places+line)
	var mu sync.Mutex
	var limited []plan.Limit
	d, _ := capped(t, plan.QuotaOptions{
		Caps:    plan.Caps{Calls: places, Waiting: line, Wait: time.Minute},
		Limited: func(_ string, l plan.Limit) { mu.Lock(); defer mu.Unlock(); limited = append(limited, l) },
	}, func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		begun <- ctx.Value(numberKey{}).(int)
		<-release
		return jsonAnswer(plan.BytesBody([]byte(`{}`))), nil
	})
	var calls sync.WaitGroup
	quota := d.bound.Quota(d.unit)
	start := func(n int) {
		calls.Go(func() {
			res, err := d.call(context.WithValue(context.Background(), numberKey{}, n), "get", nil, 0)
			if err != nil {
				t.Errorf("call %d: %v", n, err)
				return
			}
			_ = res.Close()
		})
	}
	for n := range places {
		start(n)
		<-begun
	}
	for n := range line {
		start(places + n)
		for quota.Used().Waiting != n+1 {
			runtime.Gosched()
		}
	}
	_, err := d.call(context.WithValue(context.Background(), numberKey{}, 99), "get", nil, 0)
	e := plan.AsError(err)
	if err == nil || e.Code != plan.CodeOverloaded || e.RetryAfter <= 0 {
		t.Errorf("one too many: %v (%v, retry after %v)", err, e.Code, e.RetryAfter)
	}
	for n := range line {
		release <- struct{}{}
		if got := <-begun; got != places+n {
			t.Errorf("call %d went on, %d was first", got, places+n)
		}
	}
	close(release)
	calls.Wait()
	if len(limited) != 1 || limited[0] != plan.LimitCalls {
		t.Errorf("told of %v", limited)
	}
	isNothingUsed(t, d)
}

type numberKey struct{}

// TestWaitEnds gives up waiting when the caller goes away, and when the time is up; neither
// leaves a place behind.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wait time.Duration
		gone bool
		want plan.Code
	}{
		"the caller goes away": {time.Minute, true, plan.CodeCanceled},
		"the time is up":       {time.Millisecond, false, plan.CodeOverloaded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, release := make(chan struct{}, 1), make(chan struct{})
			d, _ := capped(t, plan.QuotaOptions{Caps: plan.Caps{Calls: 1, Waiting: 1, Wait: tt.wait}}, func(context.Context, *plan.Request) (*plan.Response, error) {
				begun <- struct{}{}
				<-release
				return jsonAnswer(plan.BytesBody([]byte(`{}`))), nil
			})
			var first sync.WaitGroup
			first.Go(func() { res, _ := d.call(context.Background(), "get", nil, 0); _ = res.Close() })
			<-begun
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if tt.gone {
				go func() {
					for d.bound.Quota(d.unit).Used().Waiting == 0 {
						runtime.Gosched()
					}
					cancel()
				}()
			}
			if _, err := d.call(ctx, "get", nil, 0); err == nil || plan.AsError(err).Code != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
			close(release)
			first.Wait()
			isNothingUsed(t, d)
		})
	}
}

// TestMemoryOfCalls counts what calls hold in memory: what is known to be too much is not read,
// what turns out to be is not read on, and everything is given back.
func TestMemoryOfCalls(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	big := `{"a":"` + strings.Repeat("x", 2*most) + `"}`
	small := `{"a":"` + strings.Repeat("x", most/4) + `"}`
	for name, tt := range map[string]struct {
		route        string
		body, answer plan.Body
		want         plan.Code // 0: none
		unread       bool
	}{
		"a small answer":                     {"shown", plan.Body{}, streamOf(small, int64(len(small))), 0, false},
		"a small answer of unknown length":   {"shown", plan.Body{}, streamOf(small, -1), 0, false},
		"a large answer":                     {"shown", plan.Body{}, streamOf(big, int64(len(big))), plan.CodeOverloaded, true},
		"a large answer of unknown length":   {"shown", plan.Body{}, streamOf(big, -1), plan.CodeOverloaded, false},
		"a large answer to what has effects": {"shaped", plan.Body{}, streamOf(big, -1), plan.CodeUpstreamTooLarge, false},
		"a large answer nobody looks at":     {"get", plan.Body{}, streamOf(big, -1), 0, false},
		"a small request":                    {"send", streamOf(`{"note":`+small+`}`, -1), streamOf("{}", 2), 0, false},
		"a large request":                    {"send", streamOf(big, int64(len(big))), plan.Body{}, plan.CodeOverloaded, true},
		"a large request of unknown length":  {"send", streamOf(big, -1), plan.Body{}, plan.CodeOverloaded, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := capped(t, plan.QuotaOptions{Caps: plan.Caps{Memory: most}}, func(context.Context, *plan.Request) (*plan.Response, error) {
				return jsonAnswer(tt.answer), nil
			})
			res, err := d.call(context.Background(), tt.route, tt.body.Stream, tt.body.Len)
			switch {
			case err != nil && plan.AsError(err).Code != tt.want:
				t.Errorf("%v, want %v", err, tt.want)
			case err == nil && tt.want != 0:
				t.Errorf("went well, want %v", tt.want)
			case err == nil:
				if _, err := io.Copy(io.Discard, res.Body.Reader()); err != nil {
					t.Error(err)
				}
				_ = res.Close()
				_ = res.Close()
			}
			if tt.unread {
				of := tt.body
				if of.Stream == nil {
					of = tt.answer
				}
				if rest, _ := io.ReadAll(of.Stream); len(rest) < most {
					t.Errorf("%d bytes were read although the length was known", most-len(rest))
				}
			}
			isNothingUsed(t, d)
		})
	}
}

// TestMemoryIsHeldUntilClose lets one document's open results fill its share.
func TestMemoryIsHeldUntilClose(t *testing.T) {
	t.Parallel()
	text := `{"a":"` + strings.Repeat("x", 100<<10) + `"}`
	d, _ := capped(t, plan.QuotaOptions{Caps: plan.Caps{Memory: 512 << 10}}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return jsonAnswer(streamOf(text, int64(len(text)))), nil
	})
	var open []*plan.Result
	for {
		res, err := d.call(context.Background(), "shown", nil, 0)
		if err != nil {
			if e := plan.AsError(err); e.Code != plan.CodeOverloaded {
				t.Fatal(err)
			}
			break
		}
		open = append(open, res)
		if len(open) > 10 {
			t.Fatal("nothing is counted")
		}
	}
	for _, res := range open {
		_ = res.Close()
	}
	res, err := d.call(context.Background(), "shown", nil, 0)
	if err != nil {
		t.Fatalf("when all are closed: %v", err)
	}
	_ = res.Close()
	isNothingUsed(t, d)
}

// TestSlowReaders keep no new call out while there is room among the streams, and keep the
// places of their calls when there is none.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	d, _ := capped(t, plan.QuotaOptions{Caps: plan.Caps{Calls: 1, Waiting: -1, Streams: 2}}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return jsonAnswer(streamOf("{}", -1)), nil
	})
	var open []*plan.Result
	for n := range 3 {
		res, err := d.call(context.Background(), "get", nil, 0)
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		open = append(open, res)
	}
	if _, err := d.call(context.Background(), "get", nil, 0); err == nil {
		t.Error("there was room for a fourth")
	}
	for _, res := range open {
		_ = res.Close()
	}
	isNothingUsed(t, d)
}

// TestPlacesAfterFaults gives places back after failures and panics.
func TestPlacesAfterFaults(t *testing.T) {
	t.Parallel()
	var fail func() (*plan.Response, error)
	d, _ := capped(t, plan.QuotaOptions{Caps: plan.Caps{Calls: 1, Waiting: -1, Memory: 1 << 20, Streams: 1}}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return fail()
	})
	for name, f := range map[string]func() (*plan.Response, error){
		"panic":    func() (*plan.Response, error) { panic("upstream") },
		"error":    func() (*plan.Response, error) { return nil, plan.Errorf(plan.CodeUpstreamFailed, "no") },
		"bad body": func() (*plan.Response, error) { return jsonAnswer(streamOf(strings.Repeat("x", 10<<10), -1)), nil },
		"panic while a body is read": func() (*plan.Response, error) {
			from := io.MultiReader(strings.NewReader(strings.Repeat(" ", 10<<10)), panickyReader{})
			return jsonAnswer(plan.Body{Stream: io.NopCloser(from), Len: -1}), nil
		},
	} {
		fail = f
		if _, err := d.call(context.Background(), "shown", nil, 0); err == nil {
			t.Errorf("%s went well", name)
		}
		isNothingUsed(t, d)
	}
}

type panickyReader struct{}

func (panickyReader) Read([]byte) (int, error) { panic("body") }

// TestQuotasSurviveReloads has a new plan go on counting where the last one was.
func TestQuotasSurviveReloads(t *testing.T) {
	t.Parallel()
	d, q := capped(t, plan.QuotaOptions{Caps: plan.Caps{Streams: 1}}, nil)
	if !d.bound.Quota(d.unit).OpenStream() {
		t.Fatal("no stream")
	}
	again := load(t, cappedSpec)
	b, _ := plan.Bind(again.bound.Plan(), plan.BindOptions{Quotas: q})
	if b.Quota(again.unit).OpenStream() {
		t.Error("a reload forgot an open stream")
	}
	empty, _ := plan.Link(nil, nil, plan.LinkOptions{})
	_, _ = plan.Bind(empty, plan.BindOptions{Quotas: q}) // the document is gone, its stream is not
	if b, _ = plan.Bind(again.bound.Plan(), plan.BindOptions{Quotas: q}); b.Quota(again.unit).OpenStream() {
		t.Error("a document that came back forgot an open stream")
	}
	d.bound.Quota(d.unit).CloseStream()
	again.unit.Caps.Streams = 2
	b, _ = plan.Bind(again.bound.Plan(), plan.BindOptions{Quotas: q})
	for n, want := range []bool{true, true, false} {
		if got := b.Quota(again.unit).OpenStream(); got != want {
			t.Errorf("stream %d of the document's own cap of two: %t", n+1, got)
		}
	}
}

// countingStore gives as many tokens as a rate has, and then none.
type countingStore struct {
	plan.Store
	mu    sync.Mutex
	taken map[string]int
	err   error
}

func (s *countingStore) Take(_ context.Context, bucket string, r plan.Rate) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[bucket]++; s.taken[bucket] > r.Count {
		return 7 * time.Second, s.err
	}
	return 0, s.err
}

// TestRates refuses who calls too often, and only them.
func TestRates(t *testing.T) {
	t.Parallel()
	store := &countingStore{taken: map[string]int{}}
	d, _ := capped(t, plan.QuotaOptions{
		Store: store, Caps: plan.Caps{Rate: plan.Rate{Count: 5, Period: time.Minute}, CallerRate: plan.Rate{Count: 2, Period: time.Minute}},
	}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return jsonAnswer(plan.BytesBody([]byte(`{}`))), nil
	})
	as := func(who *plan.Caller) string {
		res, err := d.call(plan.WithCaller(context.Background(), who), "get", nil, 0)
		if err != nil {
			e := plan.AsError(err)
			return fmt.Sprintf("%s %s %v", e.Code, e.Message, e.RetryAfter)
		}
		_ = res.Close()
		return "ok"
	}
	at := func(a string) *plan.Caller { return &plan.Caller{Address: netip.MustParseAddr(a)} }
	anna := &plan.Caller{Scheme: plan.SchemeBasic, Subject: "anna", Address: netip.MustParseAddr("192.0.2.1")}
	const tooOften = "rate-limited you call this capability too often 7s"
	for i, step := range []struct {
		who  *plan.Caller
		want string
	}{
		{anna, "ok"}, {anna, "ok"}, {anna, tooOften},
		{at("192.0.2.1"), "ok"}, // the same address, and nobody says who it is
		{at("2001:db8::1"), "ok"}, {at("2001:db8::2"), "rate-limited this capability is called too often 7s"},
		{at("2001:db8::3"), tooOften}, // of the same network
	} {
		if i == 5 {
			store.taken["document:test"] = 5
		}
		if got := as(step.who); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	store.err = errors.New("the store is away")
	if got := as(anna); got != "ok" {
		t.Errorf("without a store: %s", got)
	}
	isNothingUsed(t, d)
}

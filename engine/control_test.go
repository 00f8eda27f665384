package engine

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"capd/engine/plan"
)

// controlled gives options with a control address that answers with the serial of what is
// served.
func controlled(handler http.HandlerFunc) func(*Options) {
	return func(o *Options) { o.Control = &ControlOptions{Addr: "127.0.0.1:0", Handler: handler} }
}

func answerWord(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "control") }

// askControl makes a request at the control address.
func askControl(t *testing.T, e *Engine, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.ControlAddr()+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// preparing tells of each Prepare and waits for leave to go on.
type preparing struct {
	handlerAdapter
	begun chan struct{}
	leave chan struct{}
}

func (a *preparing) Prepare(ctx context.Context, prev, next *plan.Bound) (Swap, error) {
	a.begun <- struct{}{}
	<-a.leave
	return a.handlerAdapter.Prepare(ctx, prev, next)
}

// TestControlIsFirstAndLast: the control address answers while the documents are loaded and
// while calls in flight finish.
func TestControlIsFirstAndLast(t *testing.T) {
	t.Parallel()
	inCall, finish := make(chan struct{}), make(chan struct{})
	a := &preparing{begun: make(chan struct{}, 1), leave: make(chan struct{})}
	a.handlerAdapter = handlerAdapter{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inCall)
		<-finish
		_, _ = io.WriteString(w, "done")
	})}
	r := newRig(t, map[string]string{"a.yaml": "serve 127.0.0.1:0 x"}, func(o *Options) {
		controlled(answerWord)(o)
		o.Adapters = map[plan.Kind]Adapter{plan.REST: a}
	})
	started := make(chan error, 1)
	go func() { started <- r.engine.Start(context.Background()) }()
	<-a.begun
	if status, body := askControl(t, r.engine); status != 200 || body != "control" || r.engine.Current().Serial != 0 {
		t.Fatalf("while it starts: %d %q, serial %d", status, body, r.engine.Current().Serial)
	}
	close(a.leave)
	if err := <-started; err != nil {
		t.Fatal(err)
	}

	called := make(chan string, 1)
	go func() {
		_, body, err := get(r.engine.Addr("127.0.0.1:0"), "/x")
		if err != nil {
			body = err.Error()
		}
		called <- body
	}()
	<-inCall
	stopped := make(chan error, 1)
	go func() { stopped <- r.engine.Stop(context.Background()) }()
	<-r.engine.stopping
	if status, body := askControl(t, r.engine); status != 200 || body != "control" || !r.engine.IsStopping() {
		t.Errorf("while it stops: %d %q", status, body)
	}
	close(finish)
	if body := <-called; body != "done" {
		t.Errorf("the call in flight: %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if at := r.engine.ControlAddr(); at != "" {
		t.Errorf("the control address %s outlives the engine", at)
	}
}

// TestControlAndPages: no web page uses the control address, however it is called.
func TestControlAndPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve 127.0.0.1:0 x"}, func(o *Options) {
		controlled(answerWord)(o)
		o.AllowedOrigins, o.AllowedHosts = []string{"*"}, []string{"*"}
	})
	r.start()
	for _, tt := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"a program", nil, 200},
		{"a person at a browser", []string{"Sec-Fetch-Site", "none"}, 200},
		{"a page of this machine", []string{"Origin", "http://localhost:3000"}, 403},
		{"a page of this address", []string{"Origin", "http://" + r.engine.ControlAddr()}, 403},
		{"an image in a page", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"an image in a page of this machine", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a rebound name", []string{"Host", "evil.example"}, 403},
	} {
		if got, body := askControl(t, r.engine, tt.headers...); got != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, got, body, tt.want)
		}
	}
}

// TestControlStartFails: a start that fails leaves no control address behind, and one that
// cannot be bound is an error of the start.
func TestControlStartFails(t *testing.T) {
	t.Parallel()
	taken := occupied(t)
	r := newRig(t, map[string]string{"a.yaml": "serve " + taken + " x"}, controlled(answerWord))
	if err := r.engine.Start(t.Context()); err == nil || r.engine.ControlAddr() != "" {
		t.Errorf("%v, control at %q", err, r.engine.ControlAddr())
	}
	r = newRig(t, map[string]string{"a.yaml": "serve 127.0.0.1:0 x"}, func(o *Options) {
		o.Control = &ControlOptions{Addr: taken, Handler: http.HandlerFunc(answerWord)}
	})
	var listen *ListenError
	if err := r.engine.Start(t.Context()); !errors.As(err, &listen) || r.engine.Current().Serial != 0 {
		t.Errorf("an address in use: %v", err)
	}
}

// TestControlCallsAreCut: a call at the control address that does not end keeps nobody from
// stopping.
func TestControlCallsAreCut(t *testing.T) {
	t.Parallel()
	in := make(chan struct{})
	r := newRig(t, map[string]string{"a.yaml": "serve 127.0.0.1:0 x"}, controlled(func(_ http.ResponseWriter, q *http.Request) {
		close(in)
		<-q.Context().Done()
	}))
	r.start()
	at := r.engine.ControlAddr()
	ended := make(chan error, 1)
	go func() { _, _, err := get(at, "/x"); ended <- err }()
	<-in
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.engine.Stop(ctx); err == nil {
		t.Error("a call was cut off, and Stop does not say so")
	}
	if err := <-ended; err == nil {
		t.Error("the call had an answer")
	}
}

package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/engine/plan"
)

func TestStartAddressInUse(t *testing.T) {
	t.Parallel()
	busy := occupied(t)
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + busy + " two"}, nil)
	r.start()
	r.wants(loopback, "a", "one")
	want := filepath.Join(r.dir, "b.yaml") + ": error [cannot-listen] cannot listen on " + busy + ": address already in use; " +
		"stop what listens there, change the port, or serve everything on one address with --listen"
	if l := r.engine.Current().Diagnostics; len(l) != 1 || l[0].String() != want {
		t.Errorf("got  %v\nwant %s", l, want)
	}
	for _, a := range r.engine.Addrs() {
		if (a.Err != nil) != (a.Declared == busy) || (a.Actual == "") != (a.Declared == busy) {
			t.Errorf("got %+v", a)
		}
	}
}

func TestStartNoAddressFree(t *testing.T) {
	t.Parallel()
	busy := occupied(t)
	r := newRig(t, map[string]string{"a.yaml": "serve " + busy + " one"}, nil)
	err := r.engine.Start(t.Context())
	var listen *ListenError
	if !errors.As(err, &listen) || err.Error() != "cannot listen on "+busy+": address already in use" {
		t.Fatalf("got %v", err)
	}
	r.write("a.yaml", "serve "+loopback+" one")
	r.start() // a failed start may be tried again
	r.wants(loopback, "a", "one")
}

func TestStartFailOnInvalid(t *testing.T) {
	t.Parallel()
	fail := func(o *Options) { o.OnInvalid = Fail }
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": ""}, fail)
	err := r.engine.Start(t.Context())
	var invalid *InvalidError
	if !errors.As(err, &invalid) || err.Error() != "the documents have an error" {
		t.Errorf("got %v", err)
	}
	if got := r.engine.Addr(loopback); got != "" {
		t.Errorf("it listens on %s", got)
	}

	busy := occupied(t)
	r = newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + busy + " two"}, fail)
	var listen *ListenError
	if err := r.engine.Start(t.Context()); !errors.As(err, &listen) || len(listen.Addrs) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestStartNothingToServe(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": ""}, nil)
	r.start()
	if s := r.engine.Current(); s.Serial != 1 || len(s.Plan.Listeners) != 0 {
		t.Errorf("got %+v", s)
	}
	r.write("a.yaml", "serve "+loopback+" one")
	r.reload()
	r.wants(loopback, "a", "one")
}

func TestStartMissingPath(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(o *Options) { o.Paths = append(o.Paths, "no such folder") })
	var path *PathError
	if err := r.engine.Start(t.Context()); !errors.As(err, &path) {
		t.Errorf("got %v", err)
	}
}

func TestWrongTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	ctx := t.Context()
	if err := r.engine.Reload(ctx); !errors.Is(err, ErrNotStarted) {
		t.Errorf("reload before start: %v", err)
	}
	r.start()
	if err := r.engine.Start(ctx); !errors.Is(err, ErrStarted) {
		t.Errorf("second start: %v", err)
	}
	for range 2 {
		if err := r.engine.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	if err := r.engine.Start(ctx); !errors.Is(err, ErrStopped) {
		t.Errorf("start after stop: %v", err)
	}
	if err := r.engine.Reload(ctx); !errors.Is(err, ErrStopped) {
		t.Errorf("reload after stop: %v", err)
	}
	if got := r.engine.Addr(loopback); got != "" {
		t.Errorf("after stop it listens on %s", got)
	}
}

func TestStopLetsCallsFinish(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	addr := freeAddress(t) // that nobody else listens on when it is closed
	r := newRig(t, map[string]string{"a.yaml": "serve " + addr + " one"}, nil)
	r.adapter.before = func(string) { close(entered); <-leave }
	r.adapter.drained = make(chan struct{})
	r.start()
	body := make(chan string, 1)
	go func() {
		_, b, _ := get(addr, "/apis/a")
		body <- b
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.engine.Stop(context.Background()) }()
	<-r.adapter.drained // the socket is closed by then
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a stopping engine accepts connections")
	}
	close(leave)
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if b := <-body; b != "one" {
		t.Errorf("the call in flight got %q", b)
	}
}

// TestStopEndsStreams: an answer that only ends when it is drained does not hold up a stop.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) { o.DrainTimeout = time.Hour })
	r.adapter.drained = make(chan struct{})
	r.adapter.before = func(string) { close(entered); <-r.adapter.drained }
	r.start()
	addr := r.engine.Addr(loopback)
	go func() { _, _, _ = get(addr, "/apis/a") }()
	<-entered
	if err := r.engine.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	entered, cut := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(cut)
	})
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.DrainTimeout = time.Millisecond
		o.Adapters = map[plan.Kind]Adapter{plan.REST: handlerAdapter{h}}
	})
	r.start()
	// While a body stands unread, net/http does not notice that the connection is gone.
	conn, err := net.Dial("tcp", r.engine.Addr(loopback))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	err = r.engine.Stop(context.Background())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), loopback+": calls were cut off: ") {
		t.Errorf("got %v", err)
	}
	<-cut
}

// handlerAdapter serves one handler everywhere.
type handlerAdapter struct{ http.Handler }

func (a handlerAdapter) Prepare(context.Context, *plan.Bound, *plan.Bound) (Swap, error) {
	return func() (func(string) http.Handler, func()) {
		return func(string) http.Handler { return a.Handler }, nil
	}, nil
}

func TestStopEndsAReload(t *testing.T) {
	t.Parallel()
	preparing := make(chan struct{}, 1)
	a := &slowAdapter{preparing: preparing}
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.Adapters = map[plan.Kind]Adapter{plan.REST: a}
	})
	r.start()
	reloaded := make(chan error, 1)
	go func() { reloaded <- r.engine.Reload(context.Background()) }()
	<-preparing
	if err := r.engine.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-reloaded; !errors.Is(err, ErrStopped) {
		t.Errorf("reload: %v", err)
	}
}

// slowAdapter prepares the first time, and after that waits for the end of its context.
type slowAdapter struct {
	once      sync.Once
	preparing chan struct{}
}

func (a *slowAdapter) Prepare(ctx context.Context, prev, next *plan.Bound) (Swap, error) {
	first := false
	a.once.Do(func() { first = true })
	if !first {
		a.preparing <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return handlerAdapter{http.NotFoundHandler()}.Prepare(ctx, prev, next)
}

func TestRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.adapter.before = func(string) { cancel() }
	ended := make(chan error, 1)
	go func() { ended <- r.engine.Run(ctx) }()
	for r.engine.Addr(loopback) == "" {
		runtime.Gosched()
	}
	r.wants(loopback, "a", "one") // the call ends the run, and still gets its answer
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestConcurrentLifecycle(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
		ctx := t.Context()
		var all sync.WaitGroup
		for _, f := range []func(context.Context) error{
			r.engine.Start, r.engine.Reload, r.engine.Stop, r.engine.Start, r.engine.Reload, r.engine.Stop, r.engine.Run,
		} {
			all.Go(func() {
				err := f(ctx)
				if err != nil && !errors.Is(err, ErrStarted) && !errors.Is(err, ErrNotStarted) && !errors.Is(err, ErrStopped) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := r.engine.Addr(loopback); got != "" {
			t.Fatalf("after stop it listens on %s", got)
		}
	}
}

// TestStopLeavesNoGoroutines is not parallel: it looks at all goroutines of the process.
func TestStopLeavesNoGoroutines(t *testing.T) {
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve localhost:0 two"}, nil)
	r.start()
	r.wants(loopback, "a", "one")
	r.remove("b.yaml")
	r.reload()
	if err := r.engine.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	// What Stop does not wait for has only to notice a closed channel.
	deadline := time.Now().Add(5 * time.Minute)
	for stack := engineGoroutines(); stack != ""; stack = engineGoroutines() {
		if time.Now().After(deadline) {
			t.Fatalf("left behind:\n%s", stack)
		}
		runtime.Gosched()
	}
}

// engineGoroutines gives the goroutines that run code of an engine or were created by it.
func engineGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var out []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(g, "capd/engine.(*Engine)") || strings.Contains(g, "capd/engine.(*server)") {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}

func TestNewValidates(t *testing.T) {
	t.Parallel()
	good := Options{
		Paths:    []string{"."},
		Upstream: plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return nil, nil }),
		Adapters: map[plan.Kind]Adapter{plan.REST: handlerAdapter{http.NotFoundHandler()}},
	}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no path", func(o *Options) { o.Paths = nil }, "no path given: name a file or a folder of capability documents"},
		{"no upstream", func(o *Options) { o.Upstream = nil }, "no upstream given"},
		{"no adapter", func(o *Options) { o.Adapters = nil }, "no adapter given"},
		{"nil adapter", func(o *Options) { o.Adapters = map[plan.Kind]Adapter{plan.MCP: nil} }, `the adapter of kind "mcp" is nil`},
		{"negative", func(o *Options) { o.CallTimeout = -1 }, "a limit is negative: limits and timeouts are zero, for the default, or more"},
		{"listen", func(o *Options) { o.Listen = "8080" }, `listen address "8080" is not host:port, for example 127.0.0.1:8080`},
		{"listen port", func(o *Options) { o.Listen = ":http" }, `listen address ":http": the port is not a number from 0 to 65535`},
		{"listen big port", func(o *Options) { o.Listen = ":65536" }, `listen address ":65536": the port is not a number from 0 to 65535`},
		{"address", func(o *Options) { o.Address = "127.0.0.1:80" }, `address "127.0.0.1:80" is not a host name or an IP address; the port comes from the documents`},
		{"hosts", func(o *Options) { o.AllowedHosts = []string{"http://a"} }, `allowed host "http://a" is none of "name", "name:port", "*.name" and "*"`},
		{"origins", func(o *Options) { o.AllowedOrigins = []string{"a.example"} }, `allowed origin "a.example" is neither "scheme://host[:port]" nor "*"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := good
			tt.change(&o)
			if _, err := New(o); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

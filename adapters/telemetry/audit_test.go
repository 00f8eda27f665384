package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"capd/adapters/telemetry"
	"capd/engine/plan"
)

// disk is full while it is told to be: half of a line fits.
type disk struct {
	paper
	mu   sync.Mutex
	full bool
}

func (d *disk) fill(is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = is
}

func (d *disk) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		n, _ := d.paper.Write(b[:min(len(b), 10)])
		return n, errors.New("no space left on device")
	}
	return d.paper.Write(b)
}

// told is a log whose messages can be waited for.
type told struct{ messages chan string }

func (l told) Write(b []byte) (int, error) {
	l.messages <- string(b)
	return len(b), nil
}

func (l told) await(t *testing.T, text string) {
	t.Helper()
	for m := range l.messages {
		if strings.Contains(m, text) {
			return
		}
	}
}

// call ends one call in a watch.
func call(w plan.Watcher, name string) {
	x := &plan.Exposure{Unit: &plan.Unit{ID: "rooms"}, Kind: plan.REST, Namespace: "api"}
	_, o := w.Begin(context.Background(), &plan.Called{Exposure: x, Name: name, Caller: &plan.Caller{RequestID: "r"}})
	o.Ended(plan.Outcome{Status: 200})
}

func TestFullDiskIsSaid(t *testing.T) {
	t.Parallel()
	d, log := &disk{full: true}, told{make(chan string, 100)}
	w, err := telemetry.New(telemetry.Options{
		Audit:  func() (io.WriteCloser, error) { return d, nil },
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	call(w, "first")
	log.await(t, "cannot be written")
	call(w, "second")
	d.fill(false)
	call(w, "third")
	log.await(t, "can be written again")
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(d.String()), "\n")
	last := lines[len(lines)-1]
	if !strings.Contains(last, `"operation":"third"`) {
		t.Errorf("the last line is %s", last)
	}
	dropped := 0
	for _, line := range lines {
		var n int
		if _, after, ok := strings.Cut(line, `"audit lines dropped","lines":`); ok {
			if _, err := fmt.Sscanf(after, "%d}", &n); err != nil {
				t.Fatal(line)
			}
			dropped += n
		}
	}
	written := strings.Count(d.String(), `"msg":"call"`)
	if dropped+written != 3 || dropped == 0 {
		t.Errorf("%d lines are said to be dropped and %d written, of 3:\n%s", dropped, written, d)
	}
}

// stuck takes no byte until it is let go.
type stuck struct {
	paper
	began, free chan struct{}
	once        sync.Once
}

func (s *stuck) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.began) })
	<-s.free
	return s.paper.Write(b)
}

func TestFullPipeHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const queue, calls = 4, 100
	pipe := &stuck{began: make(chan struct{}), free: make(chan struct{})}
	w, err := telemetry.New(telemetry.Options{
		Audit: func() (io.WriteCloser, error) { return pipe, nil }, AuditQueue: queue, Metrics: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	call(w, "first")
	<-pipe.began
	for range calls {
		call(w, "show") // comes back although nothing is written
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Close(ctx); err == nil {
		t.Error("what is stuck was closed without an error")
	}
	h := &house{watch: w}
	if want := fmt.Sprintf("capd_audit_lines_dropped_total %d", calls-queue); !strings.Contains(h.metrics(t), want) {
		t.Errorf("there is no %s", want)
	}
	close(pipe.free)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`"msg":"audit lines dropped","lines":%d}`, calls-queue); !strings.Contains(pipe.String(), want) {
		t.Errorf("there is no %s in\n%s", want, pipe)
	}
	if n := strings.Count(pipe.String(), `"msg":"call"`); n != queue+1 {
		t.Errorf("%d lines were written", n)
	}
}

func TestReopenFollowsAFileThatWasMoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, moved := filepath.Join(dir, "audit"), filepath.Join(dir, "audit.1")
	var opened []chan struct{}
	for range 2 {
		opened = append(opened, make(chan struct{}))
	}
	n := 0
	w, err := telemetry.New(telemetry.Options{Audit: func() (io.WriteCloser, error) {
		defer func() { close(opened[n]); n++ }()
		return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, moved); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	<-opened[1]
	call(w, "after")
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil || !strings.Contains(string(text), `"operation":"after"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestOpenFailureStops(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.New(telemetry.Options{Audit: func() (io.WriteCloser, error) { return nil, os.ErrPermission }}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("the error is %v", err)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	w, err := telemetry.New(telemetry.Options{Metrics: true, MaxOperations: 10, Spans: tracetest.NewInMemoryExporter()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		call(w, fmt.Sprint("operation-", i))
	}
	for i := range 100 {
		_, ended := w.Receive(t.Context(), plan.REST, fmt.Sprint("METHOD", i))
		ended(i * 100)
	}
	text := (&house{watch: w}).metrics(t)
	if n := strings.Count(text, "\ncapd_calls_total{"); n != 11 {
		t.Errorf("there are %d series", n)
	}
	if !strings.Contains(text, `capd_calls_total{adapter="rest",code="2xx",document="_other",operation="_other"} 990`) {
		t.Error("what is too much is not counted together")
	}
	if n := strings.Count(text, "\ncapd_http_requests_total{"); n != 6 {
		t.Errorf("there are %d series of requests", n)
	}
}

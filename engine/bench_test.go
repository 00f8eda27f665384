package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("documents=%d", n), func(b *testing.B) {
			dir := benchmarkFolder(b, n)
			for b.Loop() {
				loaded, err := Load(b.Context(), LoadOptions{Paths: []string{dir}})
				if err != nil || len(loaded.Plan.Units) != n {
					b.Fatal(err, loaded.Diagnostics)
				}
			}
		})
	}
}

// BenchmarkReload is what a reload costs after one document of many has changed, and after none has. Of
// ten times as many documents it allocates little more for each: what a look at a file takes.
func BenchmarkReload(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, changed := range []bool{false, true} {
			b.Run(fmt.Sprintf("documents=%d/changed=%v", n, changed), func(b *testing.B) { benchmarkReload(b, n, changed) })
		}
	}
}

func benchmarkReload(b *testing.B, n int, changed bool) {
	dir := benchmarkFolder(b, n)
	e, err := New(Options{
		Paths: []string{dir}, Listen: loopback,
		Upstream: plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return nil, nil }),
		Adapters: map[plan.Kind]Adapter{plan.REST: handlerAdapter{http.NotFoundHandler()}},
	})
	if err != nil {
		b.Fatal(err)
	}
	e.loader.local.isLocal = func(string) bool { return true }
	if err := e.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Stop(context.Background()) }()
	for _, r := range e.last.records { // as if they had been written long before
		r.current.baseline.conclusive = true
	}
	for _, l := range e.loader.listings {
		l.conclusive = true
	}
	file := filepath.Join(dir, "rooms-0.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if changed {
			if err := os.WriteFile(file, fmt.Appendf(text, "# %d\n", i), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		if err := e.Reload(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkFolder(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	for i := range n {
		file := filepath.Join(dir, fmt.Sprintf("rooms-%d.yaml", i))
		if err := os.WriteFile(file, fmt.Appendf(nil, realDocument, i), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkFront is what the front adds to a call.
func BenchmarkFront(b *testing.B) {
	a, err := newAllowance(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	f := &front{
		door: newDoor(a, "127.0.0.1:8080"), log: slog.New(slog.DiscardHandler), listener: &plan.Listener{},
		rest: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	for _, request := range []struct{ name, method, body string }{{"bare", http.MethodGet, ""}, {"body", http.MethodPost, "{}"}} {
		b.Run(request.name, func(b *testing.B) {
			body := strings.NewReader(request.body)
			r := httptest.NewRequest(request.method, "http://localhost:8080/apis/rooms", body)
			if request.body == "" {
				r.Body = http.NoBody
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			r = r.WithContext(ctx) // which can end, as that of every request
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(request.body)
				f.ServeHTTP(w, r)
			}
		})
	}
}

// discard is an answer that nobody reads, on a connection with deadlines.
type discard struct{ header http.Header }

func (d discard) Header() http.Header              { return d.header }
func (d discard) WriteHeader(int)                  {}
func (d discard) Write(p []byte) (int, error)      { return len(p), nil }
func (d discard) SetReadDeadline(time.Time) error  { return nil }
func (d discard) SetWriteDeadline(time.Time) error { return nil }

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// An instance with everything on: what it writes, counts and sends are of the same call.
func TestTelemetryOfAnInstance(t *testing.T) { // not parallel: exporters read the process environment
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[]`) }))
	t.Cleanup(up.Close)
	var mu sync.Mutex
	var spans strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v1/traces" {
			_, _ = io.Copy(&spans, r.Body)
		}
	}))
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	i, control, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec},
		[]string{"UPSTREAM=" + up.URL, "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL}, "--audit", file)

	if got := knock(t, http.MethodGet, i.url+"/apis/rooms/rooms"); got.Status != http.StatusOK {
		t.Fatal(got)
	}
	const line = `"document":"rooms","adapter":"api","operation":"list","status":200`
	eventually(t, "the line of the call", func() bool { // it is written beside everything else
		audit, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(audit), line)
	})
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	asks(t, http.MethodPost, control+"/reload", "", http.StatusOK, nil)
	eventually(t, "the audit to be opened again", func() bool { _, err := os.Stat(file); return err == nil })
	metrics := asks(t, http.MethodGet, control+"/metrics", "", http.StatusOK, nil)
	for _, want := range []string{
		`capd_calls_total{adapter="rest",code="2xx",document="rooms",operation="list"} 1`,
		`capd_upstream_requests_total{code="2xx",document="rooms",operation="rooms.list-rooms"} 1`,
		`capd_reloads_total{result="ok"} 2`, `capd_documents{state="served"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if got := i.stop(); got != exitOK {
		t.Fatalf("exit code %d", got)
	}
	audit, err := os.ReadFile(file + ".1")
	if err != nil || !strings.Contains(string(audit), line) {
		t.Errorf("the audit has %s, %v", audit, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the audit was not opened again: %v, %v", info, err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"GET /apis", "rest rooms/list", "GET rooms.list-rooms"} {
		if !strings.Contains(spans.String(), want) {
			t.Errorf("the collector has no span %s", want)
		}
	}
}

func TestAuditThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := filepath.Join(dir, "rooms.yaml")
	writeSpec(t, spec, roomsSpec)
	for _, tt := range []struct {
		name, want, env string
		args            []string
	}{
		{"no folder", "--audit: open", "", []string{"serve", "--audit", filepath.Join(dir, "no", "audit"), spec}},
		{"the protocol's own output", "standard output belongs to the protocol", "", []string{"mcp", "--audit", "-", spec}},
		{"an exporter nobody has", "OTEL_TRACES_EXPORTER", "zipkin", []string{"serve", "--check", spec}},
	} {
		errs := &output{}
		if code := run(t.Context(), tt.args, []string{"OTEL_TRACES_EXPORTER=" + tt.env}, strings.NewReader(""), &output{}, errs); code != exitFailed {
			t.Errorf("%s: exit code %d", tt.name, code)
		}
		if !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%s: it says %s", tt.name, errs)
		}
	}
}

func TestFullDiskServes(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no disk that is always full")
	}
	i := start(t, nil, "--stub", "--audit", "/dev/full", specFile(t, "rooms.yaml", roomsSpec))
	for range 20 {
		if got := knock(t, http.MethodGet, i.url+"/apis/rooms/rooms"); got.Status != http.StatusOK {
			t.Fatal(got)
		}
	}
	i.stop()
	if n := strings.Count(i.stderr.String(), "the audit log cannot be written"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"capd/adapters/httpclient"
	"capd/adapters/mcp"
	"capd/adapters/rest"
	"capd/adapters/skill"
	"capd/adapters/telemetry"
	"capd/engine"
	"capd/engine/plan"
)

// Everything that must not be seen has this mark in it.
const mark = "MARKED"

const rooms = `
naftiko: 1.0.0-alpha1
binds:
- { namespace: env, keys: { KEY: ROOMS_KEY, HOST: ROOMS_HOST } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "http://{{HOST}}"
    authentication: { type: bearer, token: "{{KEY}}" }
    resources:
    - path: "/rooms/{id}"
      operations:
      - { name: get-room, method: GET, inputParameters: [{ name: id, in: path }, { name: q, in: query }] }
      - { name: free-room, method: DELETE, inputParameters: [{ name: id, in: path }] }
  exposes:
  - type: rest
    port: 8080
    namespace: api
    resources:
    - path: "/rooms/{id}"
      operations:
      - { name: show, method: GET, call: up.get-room, inputParameters: [{ name: id, in: path }, { name: q, in: query }] }
  - type: mcp
    port: 8081
    namespace: tools
    tools:
    - name: get-room
      description: A room.
      inputParameters: [{ name: id, type: string, description: Its number, required: true }]
      call: up.get-room
      with: { id: "{{id}}" }
    - name: swap-rooms
      description: Two rooms.
      inputParameters: [{ name: id, type: string, description: Its number, required: true }]
      steps:
      - { name: first, type: call, call: up.get-room, with: { id: "{{id}}" } }
      - { name: second, type: call, call: up.free-room, with: { id: "{{id}}" } }
`

// house is an engine that is watched.
type house struct {
	*engine.Engine
	url      string
	watch    *telemetry.Telemetry
	audit    *paper
	spans    *tracetest.InMemoryExporter
	upstream *recorder
}

// paper is written to.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *paper) Close() error { return nil }

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

type recorder struct {
	mu   sync.Mutex
	seen []http.Header
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, req.Header.Clone())
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Answer", mark)
	if strings.HasSuffix(req.URL.Path, "missing") {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprintf(w, `{"room":"%s"}`, mark)
}

func (r *recorder) last(t *testing.T) http.Header {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) == 0 {
		t.Fatal("nothing went upstream")
	}
	return r.seen[len(r.seen)-1]
}

// serve starts an engine whose telemetry is as change wants it.
func serve(t *testing.T, change func(*telemetry.Options)) *house {
	t.Helper()
	h := &house{audit: &paper{}, spans: tracetest.NewInMemoryExporter(), upstream: &recorder{}}
	up := httptest.NewServer(h.upstream)
	t.Cleanup(up.Close)
	o := telemetry.Options{
		Audit: func() (io.WriteCloser, error) { return h.audit, nil }, Metrics: true, Spans: h.spans, Version: "1",
	}
	if change != nil {
		change(&o)
	}
	var err error
	if h.watch, err = telemetry.New(o); err != nil {
		t.Fatal(err)
	}
	client, err := httpclient.New(httpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rooms.yaml")
	if err := os.WriteFile(file, []byte(rooms), 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"ROOMS_KEY": "key-" + mark, "ROOMS_HOST": strings.TrimPrefix(up.URL, "http://")}
	h.Engine, err = engine.New(engine.Options{
		Paths: []string{file}, Listen: "127.0.0.1:0", Upstream: h.watch.Upstream(client), Watch: h.watch.Watcher(),
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) {
			if s, ok := values[v.Source]; ok {
				return plan.NewSecret(s), nil
			}
			return plan.Secret{}, plan.ErrUnset
		},
		Adapters: map[plan.Kind]engine.Adapter{
			plan.REST: rest.New(rest.Options{}), plan.MCP: mcp.New(mcp.Options{}), plan.Skill: skill.New(skill.Options{}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Stop(context.Background()) })
	if d := h.Current().Diagnostics; d.HasErrors() {
		t.Fatal(d)
	}
	h.url = "http://" + h.Addr("127.0.0.1:0")
	return h
}

// get asks the REST door.
func (h *house) get(t *testing.T, path string, header ...string) int {
	t.Helper()
	return h.send(t, http.MethodGet, path, "", header...)
}

func (h *house) send(t *testing.T, method, path, body string, header ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// call asks the MCP door, in the modern protocol. meta is more of its _meta.
func (h *house) call(t *testing.T, tool, arguments, meta string, header ...string) {
	t.Helper()
	message := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + arguments +
		`,"_meta":{` + meta + `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	header = append(header, "Content-Type", "application/json", "Accept", "application/json, text/event-stream",
		"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool)
	if got := h.send(t, http.MethodPost, "/mcp/rooms", message, header...); got != http.StatusOK {
		t.Fatalf("MCP answered %d", got)
	}
}

// entry is a line of the audit.
type entry struct {
	Msg, Wire, Document, Adapter, Operation, Code string
	Status                                        int
	DurationMS                                    *float64 `json:"duration_ms"`
	RequestID                                     string   `json:"request_id"`
	TraceID                                       string   `json:"trace_id"`
	Upstream                                      []struct {
		Step, Call, Method, Host, Code string
		Status                         int
	}
}

// ended stops what watches and gives what the audit has, in the order of the calls' ends.
func (h *house) ended(t *testing.T) []entry {
	t.Helper()
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.watch.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return entries(t, h.audit.String())
}

func entries(t *testing.T, text string) []entry {
	t.Helper()
	var out []entry
	for line := range strings.Lines(text) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

// metrics gives what Prometheus reads.
func (h *house) metrics(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.watch.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersParent = "00-" + callersTrace + "-b7ad6b7169203331-01"
)

func TestAuditHasALineForEachCall(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	h.get(t, "/apis/rooms/rooms/1?q="+mark)
	h.get(t, "/apis/rooms/rooms/missing")
	h.call(t, "get-room", `{"id":"1"}`, "")
	h.call(t, "get-room", `{"no":"`+mark+`"}`, "")
	h.call(t, "swap-rooms", `{"id":"1"}`, "")
	var got []string
	for _, e := range h.ended(t) {
		text := fmt.Sprintf("%s %s %s %s %d%s", e.Wire, e.Document, e.Adapter, e.Operation, e.Status, e.Code)
		for _, u := range e.Upstream {
			text += fmt.Sprintf(" [%s %s %s %d]", u.Step, u.Call, u.Method, u.Status)
			if u.Host != strings.TrimPrefix(u.Host, "127.0.0.1:") && u.Host != "" {
				continue
			}
			t.Errorf("the host is %q", u.Host)
		}
		got = append(got, text)
		if e.Msg != "call" || e.RequestID == "" || len(e.TraceID) != 32 || e.DurationMS == nil {
			t.Errorf("the line is %+v", e)
		}
	}
	want := []string{
		"rest rooms api show 200 [ up.get-room GET 200]",
		"rest rooms api show 404 [ up.get-room GET 404]",
		"mcp rooms tools get-room 200 [ up.get-room GET 200]",
		"mcp rooms tools get-room 0invalid-input",
		"mcp rooms tools swap-rooms 200 [first up.get-room GET 200] [second up.free-room DELETE 200]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMetricsCountBothDoors(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	h.get(t, "/apis/rooms/rooms/1")
	h.get(t, "/apis/rooms/rooms/missing")
	h.get(t, "/nothing/here")
	h.call(t, "get-room", `{"id":"1"}`, "")
	h.call(t, "get-room", `{}`, "")
	h.watch.Reloaded(telemetry.Reload{Begun: time.Now(), Documents: map[string]int{"served": 1, "refused": 0}, Serves: func(id string) bool { return id == "rooms" }})
	h.watch.Reloaded(telemetry.Reload{Begun: time.Now(), Err: errors.New("no")})
	text := h.metrics(t)
	for _, want := range []string{
		`capd_calls_total{adapter="rest",code="2xx",document="rooms",operation="show"} 1`,
		`capd_calls_total{adapter="rest",code="4xx",document="rooms",operation="show"} 1`,
		`capd_calls_total{adapter="mcp",code="2xx",document="rooms",operation="get-room"} 1`,
		`capd_calls_total{adapter="mcp",code="invalid-input",document="rooms",operation="get-room"} 1`,
		`capd_call_duration_seconds_count{adapter="rest",document="rooms",operation="show"} 2`,
		`capd_upstream_requests_total{code="2xx",document="rooms",operation="up.get-room"} 2`,
		`capd_upstream_requests_total{code="4xx",document="rooms",operation="up.get-room"} 1`,
		`capd_http_requests_total{adapter="rest",code="4xx"} 2`,
		`capd_http_requests_total{adapter="mcp",code="2xx"} 2`,
		`capd_reloads_total{result="ok"} 1`, `capd_reloads_total{result="failed"} 1`,
		`capd_documents{state="served"} 1`, `capd_calls_in_flight 0`, `capd_audit_lines_dropped_total 0`,
		`capd_build_info{version="1"} 1`, `go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %s", want)
		}
	}
	h.watch.Reloaded(telemetry.Reload{Begun: time.Now(), Serves: func(id string) bool { return id == "another" }})
	if strings.Contains(h.metrics(t), `document="rooms"`) {
		t.Error("a document that is gone has series still")
	}
}

func TestTracesGoFromTheCallerToTheUpstream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		call func(t *testing.T, h *house)
		want []string // spans as "name<parent"
	}{
		{"rest", func(t *testing.T, h *house) {
			h.get(t, "/apis/rooms/rooms/1", "Traceparent", callersParent, "Tracestate", "vendor=1", "Baggage", "a="+mark)
		}, []string{
			"GET /apis<caller", "GET up.get-room<step up.get-room", "rest rooms/show<GET /apis", "step up.get-room<rest rooms/show",
		}},
		{"mcp, by the header", func(t *testing.T, h *house) {
			h.call(t, "get-room", `{"id":"1"}`, "", "Traceparent", callersParent, "Tracestate", "vendor=1")
		}, []string{
			"GET up.get-room<step up.get-room", "POST /mcp<caller", "mcp rooms/get-room<POST /mcp", "step up.get-room<mcp rooms/get-room",
		}},
		{"mcp, by _meta", func(t *testing.T, h *house) {
			h.call(t, "get-room", `{"id":"1"}`, `"traceparent":"`+callersParent+`","tracestate":"vendor=1","baggage":"a=`+mark+`",`)
		}, []string{
			"GET up.get-room<step up.get-room", "POST /mcp<", "mcp rooms/get-room<caller", "step up.get-room<mcp rooms/get-room",
		}},
		{"steps", func(t *testing.T, h *house) {
			h.call(t, "swap-rooms", `{"id":"1"}`, "", "Traceparent", callersParent, "Tracestate", "vendor=1")
		}, []string{
			"DELETE up.free-room<step second", "GET up.get-room<step first", "POST /mcp<caller", "mcp rooms/swap-rooms<POST /mcp",
			"step first<mcp rooms/swap-rooms", "step second<mcp rooms/swap-rooms",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keep := &keepingExporter{InMemoryExporter: tracetest.NewInMemoryExporter()}
			h := serve(t, func(o *telemetry.Options) { o.Spans = keep })
			tt.call(t, h)
			lines := h.ended(t)
			spans := keep.GetSpans()
			names := map[trace.SpanID]string{}
			for _, s := range spans {
				names[s.SpanContext.SpanID()] = s.Name
			}
			var got []string
			var upstream tracetest.SpanStub
			for _, s := range spans {
				parent := names[s.Parent.SpanID()]
				if s.Parent.SpanID().String() == "b7ad6b7169203331" {
					parent = "caller"
				}
				got = append(got, s.Name+"<"+parent)
				if s.SpanKind == trace.SpanKindClient {
					upstream = s
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			sent := h.upstream.last(t)
			if p := sent.Get("Traceparent"); p != "00-"+callersTrace+"-"+upstream.SpanContext.SpanID().String()+"-01" {
				t.Errorf("the upstream was told %q", p)
			}
			if sent.Get("Tracestate") != "vendor=1" || sent.Get("Baggage") != "" {
				t.Errorf("the upstream was told %v", sent)
			}
			if len(lines) != 1 || lines[0].TraceID != callersTrace {
				t.Errorf("the audit has %+v", lines)
			}
		})
	}
}

// keepingExporter keeps its spans when it is shut down.
type keepingExporter struct{ *tracetest.InMemoryExporter }

func (*keepingExporter) Shutdown(context.Context) error { return nil }

func TestUpstreamsNeedNotBeTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*telemetry.Options){
		"no traces":    func(o *telemetry.Options) { o.Spans = nil },
		"not upstream": func(o *telemetry.Options) { o.NotUpstream = true },
	} {
		h := serve(t, change)
		h.get(t, "/apis/rooms/rooms/1", "Traceparent", callersParent)
		if p := h.upstream.last(t).Get("Traceparent"); p != "" {
			t.Errorf("%s: the upstream was told %q", name, p)
		}
		if lines := h.ended(t); len(lines) != 1 || lines[0].TraceID != callersTrace {
			t.Errorf("%s: the audit has %+v", name, lines)
		}
	}
}

func TestTraceOfACallerIsChecked(t *testing.T) {
	t.Parallel()
	h := serve(t, func(o *telemetry.Options) { o.Spans = nil })
	for _, bad := range []string{mark, "00-" + callersTrace, "00-00000000000000000000000000000000-b7ad6b7169203331-01", strings.Repeat("a", 5000)} {
		h.get(t, "/apis/rooms/rooms/1", "Traceparent", bad)
	}
	for _, e := range h.ended(t) {
		if e.TraceID != "" {
			t.Errorf("the audit has the trace %q", e.TraceID)
		}
	}
}

func TestNothingMarkedIsSeen(t *testing.T) {
	t.Parallel()
	keep := &keepingExporter{InMemoryExporter: tracetest.NewInMemoryExporter()}
	log := &paper{}
	h := serve(t, func(o *telemetry.Options) {
		o.Spans, o.Logger = keep, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	h.send(t, "GET", "/apis/rooms/rooms/"+mark+"?q="+mark, "", "Authorization", "Bearer "+mark, "Cookie", mark, "Traceparent", mark, "X-Request-Id", mark)
	h.send(t, mark, "/apis/rooms/rooms/"+mark, mark)
	h.send(t, "GET", "/"+mark+"/"+mark, "")
	h.send(t, "GET", "/skills/"+mark, "")
	h.call(t, "get-room", `{"id":"`+mark+`"}`, `"baggage":"a=`+mark+`",`)
	h.call(t, "swap-rooms", `{"id":"`+mark+`missing"}`, "")
	h.send(t, "POST", "/mcp/rooms", mark, "Content-Type", "application/json")
	metrics := h.metrics(t)
	h.ended(t)
	if sent := h.upstream.last(t).Get("Authorization"); sent != "Bearer key-"+mark {
		t.Errorf("the upstream was sent %q, so that nothing is tested here", sent)
	}
	spans, err := json.Marshal(keep.GetSpans())
	if err != nil || len(keep.GetSpans()) < 8 {
		t.Fatalf("%d spans, %v", len(keep.GetSpans()), err)
	}
	for where, text := range map[string]string{"audit": h.audit.String(), "metrics": metrics, "spans": string(spans), "log": log.String()} {
		for line := range strings.Lines(text) {
			if strings.Contains(strings.ToUpper(line), mark) {
				t.Errorf("%s: %s", where, line)
			}
		}
	}
	if !strings.Contains(h.audit.String(), `"step-failed"`) {
		t.Error("no step failed")
	}
}

func TestOffIsNothing(t *testing.T) {
	t.Parallel()
	off, err := telemetry.New(telemetry.Options{})
	if off != nil || err != nil || off.Watcher() != nil {
		t.Fatalf("%v, %v", off, err)
	}
	client, err := httpclient.New(httpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if off.Upstream(client) != plan.Upstream(client) {
		t.Error("something stands before the transport")
	}
	off.Reopen()
	off.Reloaded(telemetry.Reload{})
	if err := off.Close(t.Context()); err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	if off.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil)); w.Code != http.StatusNotFound {
		t.Errorf("metrics: %d", w.Code)
	}
}

// TestFirstFailuresAreIncreases: Prometheus sees no increase in a series that begins at one, and
// alerts would miss the first failure.
func TestFirstFailuresAreIncreases(t *testing.T) {
	t.Parallel()
	w, err := telemetry.New(telemetry.Options{Metrics: true})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`capd_reloads_total{result="failed"} 0`, `capd_policy_reloads_total{result="failed"} 0`, `capd_state_errors_total{operation="write"} 0`,
	} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
}

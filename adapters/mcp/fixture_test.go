package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// rooms is the document most tests serve.
const rooms = `naftiko: 1.0.0-alpha2
info:
  label: Rooms
  description: Rooms of a building.
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
    - name: rooms
      path: /rooms
      operations:
      - name: list
        method: GET
        inputParameters:
        - { name: $filter, in: query, type: string }
      - name: create
        method: POST
    - name: room
      path: /rooms/{id}
      operations:
      - name: get
        method: GET
        inputParameters:
        - { name: id, in: path, type: string, required: true }
  exposes:
  - type: mcp
    namespace: rooms-mcp
    port: 9090
    description: Find and book rooms.
    tools:
    - name: get-room
      description: Get a room.
      hints: { readOnly: true }
      call: api.get
      with: { id: tools.id }
    - name: list.rooms
      description: List rooms.
      call: api.list
    - name: create-room
      description: Create a room.
      call: api.create
    - name: broken
      description: Calls nothing.
      call: api.nothing
`

// upstream answers every call; a test replaces what it does.
type upstream struct {
	do atomic.Pointer[plan.UpstreamFunc]
}

func (u *upstream) Do(ctx context.Context, r *plan.Request) (*plan.Response, error) {
	return (*u.do.Load())(ctx, r)
}

func (u *upstream) answer(status int, mediaType, body string) {
	u.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		return response(status, mediaType, body), nil
	})
}

func (u *upstream) set(f plan.UpstreamFunc) { u.do.Store(&f) }

func response(status int, mediaType, body string) *plan.Response {
	r := &plan.Response{Status: status, Body: plan.BytesBody([]byte(body)), Attempts: 1}
	if mediaType != "" {
		r.Header = []plan.Field{{Name: "Content-Type", Value: mediaType}}
	}
	return r
}

// house is an adapter behind an HTTP server, with documents that can be replaced.
type house struct {
	*httptest.Server
	t        testing.TB
	adapter  *mcp.Adapter
	upstream *upstream
	log      *records
	handler  atomic.Pointer[http.Handler]
	bound    *plan.Bound
	files    plan.Files // what documents refer to
	link     plan.LinkOptions
}

const addr = "127.0.0.1:9090"

// open serves documents by their IDs.
func open(t testing.TB, docs map[string]string, o mcp.Options) *house {
	t.Helper()
	return openWith(t, docs, nil, o)
}

// openWith serves documents that refer to files.
func openWith(t testing.TB, docs map[string]string, files plan.Files, o mcp.Options) *house {
	t.Helper()
	return openLinked(t, docs, files, plan.LinkOptions{}, o)
}

// openLinked serves documents with more views.
func openLinked(t testing.TB, docs map[string]string, files plan.Files, link plan.LinkOptions, o mcp.Options) *house {
	t.Helper()
	link.Listen = addr
	h := &house{t: t, upstream: &upstream{}, log: &records{}, files: files, link: link}
	h.upstream.set(echo)
	o.Logger = slog.New(h.log)
	h.adapter = mcp.New(o)
	h.load(docs, h.upstream)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("Test-Request-Id"); id != "" {
			r = r.WithContext(plan.WithRequestID(r.Context(), id))
		}
		(*h.handler.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(h.CloseClientConnections)
	t.Cleanup(h.Close)
	t.Cleanup(func() { _ = h.adapter.Drain(context.Background()) })
	return h
}

// load replaces what is served, as a reload does.
func (h *house) load(docs map[string]string, up plan.Upstream) {
	h.t.Helper()
	h.serve(bind(h.t, docs, h.files, h.link, up))
}

// serve replaces what is served by a plan that is made.
func (h *house) serve(next *plan.Bound) {
	h.t.Helper()
	swap, err := h.adapter.Prepare(context.Background(), h.bound, next)
	if err != nil {
		h.t.Fatal(err)
	}
	handler, retire := swap()
	now := handler(addr)
	h.handler.Store(&now)
	h.bound = next
	retire()
}

func bind(t testing.TB, docs map[string]string, files plan.Files, link plan.LinkOptions, up plan.Upstream) *plan.Bound {
	t.Helper()
	var units []*plan.Unit
	for id, text := range docs {
		doc, found := spec.Parse(id+".yaml", []byte(text), spec.Limits{})
		if doc == nil {
			t.Fatalf("%s does not parse: %v", id, found)
		}
		doc.ID = id
		u, found := plan.Compiler{Schemas: schema.Compile}.Compile(doc, files)
		if u == nil {
			t.Fatalf("%s does not compile: %v", id, found)
		}
		units = append(units, u)
	}
	p, _ := plan.Link(nil, units, link)
	b, _ := plan.Bind(p, plan.BindOptions{Upstream: up, Gate: func(plan.Lock) plan.Gate { return believer{} }})
	return b
}

// believer is a gate that lets everybody in who says which scopes they have.
type believer struct{}

func (believer) Admit(r *http.Request) *http.Request {
	if r.Header.Get("Test-Scopes") == "" {
		return nil
	}
	who := &plan.Caller{RequestID: plan.RequestID(r.Context()), Scheme: "bearer", Scopes: strings.Fields(r.Header.Get("Test-Scopes"))}
	return r.WithContext(plan.WithCaller(r.Context(), who))
}

func (believer) Refuse(w http.ResponseWriter, _ *http.Request) plan.Code {
	w.WriteHeader(http.StatusUnauthorized)
	return plan.CodeUnauthorized
}

// echo answers with what it was sent.
func echo(_ context.Context, r *plan.Request) (*plan.Response, error) {
	body, err := io.ReadAll(r.Body.Reader())
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(map[string]string{"method": r.Method, "url": r.URL(), "body": string(body)})
	if err != nil {
		return nil, err
	}
	return response(200, "application/json", string(b)), nil
}

// connect opens a client of the SDK, in the era of the version.
func (h *house) connect(path, version string, o *sdk.ClientOptions) *sdk.ClientSession {
	h.t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o)
	s, err := c.Connect(context.Background(), &sdk.StreamableClientTransport{Endpoint: h.URL + path, MaxRetries: -1},
		&sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		h.t.Fatal(err)
	}
	if got := s.InitializeResult().ProtocolVersion; got != version {
		h.t.Fatalf("negotiated %s, want %s", got, version)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

// call calls a tool and wants a result.
func call(t *testing.T, s *sdk.ClientSession, tool string, args any) *sdk.CallToolResult {
	t.Helper()
	res, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return res
}

// text gives the text of a result's only content.
func text(t *testing.T, r *sdk.CallToolResult) string {
	t.Helper()
	if len(r.Content) != 1 {
		t.Fatalf("%d contents, want one", len(r.Content))
	}
	c, ok := r.Content[0].(*sdk.TextContent)
	if !ok {
		t.Fatalf("content is %T, want text", r.Content[0])
	}
	return c.Text
}

// message is a JSON-RPC message as it came over the wire.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// answer is an HTTP response and the messages in it, JSON or event stream.
type answer struct {
	status   int
	header   http.Header
	body     string
	messages []message
}

// patience is when what is waited for is given up: long after a machine that stands still for a
// while would have done it.
const patience = 5 * time.Minute

// post sends one message and reads the whole response.
func (h *house) post(path string, header map[string]string, body string) answer {
	h.t.Helper()
	return h.do(http.MethodPost, path, header, body)
}

func (h *house) do(method, path string, header map[string]string, body string) answer {
	h.t.Helper()
	resp, err := h.Client().Do(h.request(method, path, header, body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(b)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		for ev := range events(bytes.NewReader(b)) {
			a.messages = append(a.messages, ev)
		}
	} else {
		var m message
		if json.Unmarshal(b, &m) == nil {
			a.messages = append(a.messages, m)
		}
	}
	return a
}

func (h *house) request(method, path string, header map[string]string, body string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequest(method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for k, v := range header {
		if v == "" {
			r.Header.Del(k)
		} else {
			r.Header.Set(k, v)
		}
	}
	return r
}

// events gives the messages of an event stream until it ends.
func events(r io.Reader) func(func(message) bool) {
	return func(yield func(message) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var m message
			if ok && json.Unmarshal([]byte(data), &m) == nil && !yield(m) {
				return
			}
		}
	}
}

// modern gives headers and body of a request of 2026-07-28; params is a JSON object.
func modern(method, name, params string) (map[string]string, string) {
	header := map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name}
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	if inner := strings.TrimSuffix(strings.TrimPrefix(params, "{"), "}"); inner != "" {
		meta += "," + inner
	}
	return header, `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + meta + `}}`
}

// records is a log handler that keeps what it is told.
type records struct {
	mu  sync.Mutex
	all []slog.Record
}

func (l *records) Enabled(context.Context, slog.Level) bool { return true }
func (l *records) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *records) WithGroup(string) slog.Handler            { return l }
func (l *records) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r)
	return nil
}

// text gives the records with the message, or all if it is empty: level, message and
// attributes of each on a line.
func (l *records) text(msg string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, r := range l.all {
		if msg != "" && r.Message != msg {
			continue
		}
		b.WriteString(r.Level.String() + " " + r.Message)
		r.Attrs(func(a slog.Attr) bool { b.WriteString(" " + a.String()); return true })
		b.WriteByte('\n')
	}
	return b.String()
}

// count gives how many records have the message and, where one is given, the attribute.
func (l *records) count(msg, key, value string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.all {
		found := key == ""
		r.Attrs(func(a slog.Attr) bool {
			found = found || a.Key == key && a.Value.String() == value
			return true
		})
		if r.Message == msg && found {
			n++
		}
	}
	return n
}

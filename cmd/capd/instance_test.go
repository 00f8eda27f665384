package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// instance is a capd serving in this process.
type instance struct {
	url    string // of its one listener
	report seenReport
	stdout *output
	stderr *output
	stop   func() int // gives the exit code; any number of times
}

// seenReport is a report as the log has it.
type seenReport struct {
	Documents   []reportedFile
	Addresses   []reportAddress
	Diagnostics []struct {
		File                          string
		Line                          int
		Severity, Code, Message, Hint string
	}
}

// reportedFile is a file in a report.
type reportedFile struct {
	ID, File, State string
	Adapters        []reportAdapter
	Needs, Missing  []string
}

// start serves until the test ends. The arguments follow "serve"; they get a listener on a
// free port and JSON logs.
func start(tb testing.TB, env []string, args ...string) *instance {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	serving := make(chan []byte, 1)
	i := &instance{stdout: &output{}, stderr: &output{event: "serving", seen: serving}}
	code := make(chan int, 1)
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)
	go func() { code <- run(ctx, args, env, strings.NewReader(""), i.stdout, i.stderr) }()
	i.stop = sync.OnceValue(func() int { cancel(); return <-code })
	tb.Cleanup(func() {
		if got := i.stop(); got != exitOK {
			tb.Errorf("capd stopped with exit code %d; it printed:\n%s", got, i.stderr)
		}
	})
	select {
	case line := <-serving:
		if err := json.Unmarshal(line, &i.report); err != nil {
			tb.Fatalf("the report is no JSON: %v\n%s", err, line)
		}
	case n := <-code:
		code <- n
		tb.Fatalf("capd did not serve, exit code %d:\n%s", n, i.stderr)
	}
	if len(i.report.Addresses) != 1 || i.report.Addresses[0].Actual == "" {
		tb.Fatalf("capd listens on %+v, want one address", i.report.Addresses)
	}
	i.url = "http://" + i.report.Addresses[0].Actual
	return i
}

// printed gives everything the instance wrote.
func (i *instance) printed() string { return i.stdout.String() + i.stderr.String() }

// output collects what a command prints and tells of the log event with a given message.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	event string
	seen  chan<- []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen != nil && (bytes.Contains(p, []byte(`"msg":"`+o.event+`"`)) || bytes.Contains(p, []byte(" msg="+o.event))) {
		o.seen <- bytes.Clone(p)
		o.seen = nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// exchange is a request as an upstream saw it.
type exchange struct {
	Method, Target string
	Header         http.Header
	Body           string
}

// upstream records requests and answers them.
type upstream struct {
	*recorder
	url string
}

type recorder struct {
	mu   sync.Mutex
	seen []exchange
}

func (r *recorder) record(req *http.Request) exchange {
	body, _ := io.ReadAll(req.Body)
	e := exchange{req.Method, req.RequestURI, req.Header.Clone(), string(body)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, e)
	return e
}

// take gives the requests since the last take.
func (r *recorder) take() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// one gives the only request since the last take.
func (r *recorder) one(tb testing.TB) exchange {
	tb.Helper()
	seen := r.take()
	if len(seen) != 1 {
		tb.Fatalf("the upstream saw %d requests, want 1: %+v", len(seen), seen)
	}
	return seen[0]
}

// answer is a whole HTTP answer of an upstream or of capd.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// mcpCall is one tools/call of the protocol revision without sessions. It gives the JSON-RPC
// answer and whatever stood around it.
func mcpCall(tb testing.TB, url, tool, arguments string) (result json.RawMessage, wire string) {
	tb.Helper()
	message := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":` + quoteJSON(tool) + `,"arguments":` + arguments +
		`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type":         {"application/json"},
		"Accept":               {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"},
		"Mcp-Method":           {"tools/call"},
		"Mcp-Name":             {tool},
	}
	got := send(tb, req)
	var rpc struct{ Result, Error json.RawMessage }
	if err := json.Unmarshal(messageOf(got), &rpc); err != nil {
		tb.Fatalf("MCP answered %d %q", got.Status, got.Body)
	}
	if rpc.Error != nil {
		return rpc.Error, got.Body
	}
	return rpc.Result, got.Body
}

// messageOf gives the JSON-RPC answer of a plain or an event-stream body.
func messageOf(a answer) []byte {
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
		return []byte(a.Body)
	}
	var last []byte
	lines := bufio.NewScanner(strings.NewReader(a.Body))
	lines.Buffer(nil, len(a.Body)+1)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && strings.Contains(data, `"id"`) {
			last = []byte(strings.TrimSpace(data))
		}
	}
	return last
}

// toolResult is what a tool call gives.
type toolResult struct {
	Content []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	Structured json.RawMessage `json:"structuredContent"`
	IsError    bool            `json:"isError"`
	Code       int             `json:"code"` // of a protocol error
	Message    string          `json:"message"`
}

// callTool calls a tool and reads its result.
func callTool(tb testing.TB, url, tool, arguments string) toolResult {
	tb.Helper()
	raw, _ := mcpCall(tb, url, tool, arguments)
	var r toolResult
	if err := json.Unmarshal(raw, &r); err != nil {
		tb.Fatalf("tool result %s: %v", raw, err)
	}
	return r
}

// text gives the only text of the result.
func (r toolResult) text(tb testing.TB) string {
	tb.Helper()
	if len(r.Content) != 1 || r.Content[0].Type != "text" {
		tb.Fatalf("content %+v, want one text", r.Content)
	}
	return r.Content[0].Text
}

// send sends a request without following redirects.
func send(tb testing.TB, req *http.Request) answer {
	tb.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		tb.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// call sends a request with a JSON body, or none.
func call(tb testing.TB, method, url, body string) answer {
	tb.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, content)
	if err != nil {
		tb.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return send(tb, req)
}

// specFile writes a spec and gives its path.
func specFile(tb testing.TB, name, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// patience is when what is waited for is given up: long after a machine that stands still for a
// while would have done it.
const patience = 5 * time.Minute

// until waits for something that another goroutine brings about, and fails the test when it
// takes absurdly long.
func until[T any](tb testing.TB, c <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		tb.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// eventually asks again and again until the answer is yes, and fails the test when that takes
// absurdly long.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// process is capd as a process of its own.
type process struct {
	*exec.Cmd
	url    string
	events chan event // of its log
	exit   chan int
}

// event is a line of the JSON log.
type event struct {
	Message string `json:"msg"`
	seenReport
	Added, Removed, Changed []reportedFile // after a reload
}

// spawn starts capd and waits until it serves.
func spawn(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	// The test binary is installed as capd in PATH, see TestMain.
	return spawnBy(t, env, []string{"capd"}, args...)
}

// spawnBy starts capd by the words of a command.
func spawnBy(t *testing.T, env, by []string, args ...string) *process {
	t.Helper()
	p := &process{events: make(chan event, 100), exit: make(chan int, 1)}
	p.Cmd = exec.Command(by[0], slices.Concat(by[1:], []string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json"}, args)...)
	p.Env = append(os.Environ(), env...)
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				p.events <- e
			}
		}
		err := p.Wait()
		code := 0
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			code = e.ExitCode()
		}
		p.exit <- code
	}()
	first := p.await(t, "serving")
	if len(first.Addresses) != 1 {
		t.Fatalf("capd listens on %+v, want one address: %+v", first.Addresses, first.Diagnostics)
	}
	p.url = "http://" + first.Addresses[0].Actual
	return p
}

// await gives the next event with a message.
func (p *process) await(t *testing.T, message string) event {
	t.Helper()
	for {
		if e := until(t, p.events, "the event "+message); e.Message == message {
			return e
		}
	}
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// TestReloadBySignal: SIGHUP serves what the files say now; a file that broke keeps its last
// good state; SIGTERM ends with 0.
func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "card.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	card := func(value string) string {
		return `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /card
      operations: [{ name: get, method: GET, outputParameters: [{ name: state, type: string, value: ` + value + ` }, { name: n, type: string, value: x }] }]
`
	}
	write(card("first"))
	p := spawn(t, nil, dir)
	wants := func(state string) {
		t.Helper()
		sameJSON(t, "answer", call(t, "GET", p.url+"/card", "").Body, `{"state":"`+state+`","n":"x"}`)
	}
	wants("first")

	write(card("second"))
	p.signal(t, syscall.SIGHUP)
	if e := p.await(t, "reloaded"); len(e.Changed) != 1 || len(e.Added)+len(e.Removed)+len(e.Diagnostics) != 0 {
		t.Errorf("got %+v, want one changed file", e)
	}
	wants("second")

	p.signal(t, syscall.SIGHUP)
	if e := p.await(t, "reloaded"); len(e.Added)+len(e.Removed)+len(e.Changed)+len(e.Diagnostics) != 0 {
		t.Errorf("got %+v, want nothing changed", e)
	}

	write("naftiko: [")
	p.signal(t, syscall.SIGHUP)
	e := p.await(t, "reloaded")
	if len(e.Changed) != 1 || e.Changed[0].State != "stale" {
		t.Errorf("changed %+v, want one stale", e.Changed)
	}
	var codes []string
	for _, d := range e.Diagnostics {
		codes = append(codes, d.Code)
	}
	if !slices.Contains(codes, "yaml") {
		t.Errorf("diagnostics %v, want the syntax error", codes)
	}
	wants("second")

	p.signal(t, syscall.SIGTERM)
	if code := until(t, p.exit, "the end"); code != exitOK {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// hanging serves mappedSpec in front of an upstream that answers when told to.
func hanging(t *testing.T) (p *process, asked chan struct{}, release func()) {
	t.Helper()
	asked = make(chan struct{}, 1)
	free := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-free:
			_, _ = w.Write([]byte(`{"id":"7"}`))
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	p = spawn(t, []string{"UPSTREAM=" + server.URL}, "--drain-timeout", "5m", "--call-timeout", "5m", specFile(t, "spec.yaml", mappedSpec))
	return p, asked, func() { close(free) }
}

// refusesConnections waits until nothing accepts connections any more.
func refusesConnections(t *testing.T, p *process) {
	t.Helper()
	for {
		var d net.Dialer
		conn, err := d.DialContext(context.Background(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

// TestStopLetsCallsFinish: after SIGINT no connection is accepted, and the call in flight gets
// its answer.
func TestStopLetsCallsFinish(t *testing.T) {
	t.Parallel()
	p, asked, release := hanging(t)
	answered := make(chan answer, 1)
	go func() { answered <- call(t, "GET", p.url+"/apis/spec/things", "") }()
	until(t, asked, "the call to arrive upstream")
	p.signal(t, os.Interrupt)
	refusesConnections(t, p)
	release()
	if got := until(t, answered, "the answer"); got.Status != http.StatusOK || got.Body != `"7"` {
		t.Errorf("the call in flight got %d %s", got.Status, got.Body)
	}
	if code := until(t, p.exit, "the end"); code != exitOK {
		t.Errorf("exit code %d after SIGINT, want 0", code)
	}
}

// TestSecondSignal ends the process at once, whatever still runs.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p, asked, _ := hanging(t)
			go func() {
				// The connection dies with the process.
				if resp, err := http.Get(p.url + "/apis/spec/things"); err == nil {
					_ = resp.Body.Close()
				}
			}()
			until(t, asked, "the call to arrive upstream")
			p.signal(t, sig)
			p.await(t, "stopping") // or two signals could arrive as one
			p.signal(t, sig)
			if code := until(t, p.exit, "the end"); code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
		})
	}
}

// TestStopWithStream: an MCP client that holds its event stream open does not hold up a stop.
func TestStopWithStream(t *testing.T) {
	t.Parallel()
	p := spawn(t, []string{"UPSTREAM=http://upstream.example"}, "--drain-timeout", "5m", specFile(t, "spec.yaml", mappedSpec))
	request := func(method, body, session string) *http.Response {
		req, err := http.NewRequest(method, p.url+"/mcp/spec", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
			req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	hello := request("POST", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, "")
	session := hello.Header.Get("Mcp-Session-Id")
	if session == "" {
		t.Fatalf("initialize answered %s without a session", hello.Status)
	}
	if stream := request("GET", "", session); stream.StatusCode != http.StatusOK {
		t.Fatalf("the stream answered %s", stream.Status)
	}
	p.signal(t, syscall.SIGTERM)
	if code := until(t, p.exit, "the end"); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestReloadOfGuard: a rotated credential lets in from the reload on, and the old one does not,
// at REST and MCP alike.
func TestReloadOfGuard(t *testing.T) {
	t.Parallel()
	env := filepath.Join(t.TempDir(), "env")
	rotate := func(token string) {
		if err := os.WriteFile(env, []byte("DOOR_TOKEN="+token+"\nUPSTREAM=http://127.0.0.1:1\nDOOR_USER=u\nDOOR_PASS=p\nDOOR_KEY=k\nDOOR_NAME=n\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate("one")
	p := spawn(t, nil, "--env-file", env, specFile(t, "spec.yaml", guardedSpec))
	wants := func(token string, status int) {
		t.Helper()
		for _, path := range []string{"/apis/spec/bearer", "/mcp"} {
			if got := knock(t, "GET", p.url+path, "Authorization: Bearer "+token); got.Status != status {
				t.Errorf("%s with %s: %d, want %d", path, token, got.Status, status)
			}
		}
	}
	wants("one", 200)
	wants("two", 401)
	rotate("two")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "reloaded")
	wants("one", 401)
	wants("two", 200)
	rotate("")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "reloaded")
	wants("one", 401)
	wants("two", 401)
	wants("", 401)
}

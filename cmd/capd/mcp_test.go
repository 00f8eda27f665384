//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// stdioSpec has a tool with one call to the variable UPSTREAM.
func stdioSpec(tool string) string {
	return `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET }
  exposes:
  - type: mcp
    transport: stdio
    namespace: tools
    tools:
    - { name: ` + tool + `, description: List rooms, call: up.list }
`
}

// host is capd as a desktop client starts it.
type host struct {
	*exec.Cmd
	log *output
}

func newHost(t *testing.T, env []string, args ...string) *host {
	t.Helper()
	h := &host{exec.Command("capd", append([]string{"mcp"}, args...)...), &output{}}
	h.Env = append(os.Environ(), env...)
	h.Stderr = h.log
	return h
}

// dial starts capd and connects the SDK's client to it.
func (h *host) dial(t *testing.T, era string, o *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o)
	s, err := c.Connect(context.Background(), &sdk.CommandTransport{Command: h.Cmd, TerminateDuration: patience}, &sdk.ClientSessionOptions{ProtocolVersion: era})
	if err != nil {
		t.Fatalf("%v\n%s", err, h.log)
	}
	t.Cleanup(func() { _ = s.Close() })
	if got := s.InitializeResult().ProtocolVersion; got != era {
		t.Fatalf("negotiated %s, want %s", got, era)
	}
	return s
}

var piped = []string{"2026-07-28", "2025-11-25"}

// TestMCPCommand: a client that starts capd calls the real upstream, in both eras; it reloads
// by SIGHUP, tells of it, and ends with its input.
func TestMCPCommand(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"rooms": []}`)
	}))
	t.Cleanup(server.Close)
	for _, era := range piped {
		file := specFile(t, "rooms.yaml", stdioSpec("list-rooms"))
		h := newHost(t, []string{"UPSTREAM=" + server.URL}, "--log-level", "debug", file)
		told := make(chan struct{}, 8)
		s := h.dial(t, era, &sdk.ClientOptions{
			ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { told <- struct{}{} },
		})
		res, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "list-rooms"})
		if err != nil || res.IsError {
			t.Fatalf("%s: %+v %v", era, res, err)
		}
		sameJSON(t, era, res.Content[0].(*sdk.TextContent).Text, `{"rooms":[]}`)
		rec.one(t)

		if err := os.WriteFile(file, []byte(stdioSpec("show-rooms")), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, told, "the news of other tools")
		list, err := s.ListTools(context.Background(), nil)
		if err != nil || len(list.Tools) != 1 || list.Tools[0].Name != "show-rooms" {
			t.Errorf("%s: %+v %v", era, list, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: capd ended with %v\n%s", era, err, h.log)
		}
		if text := h.log.String(); !strings.Contains(text, "reloaded: 1 file changed") || !strings.Contains(text, "msg=stopped") {
			t.Errorf("%s: the log is\n%s", era, text)
		}
	}
}

// TestMCPCommandSignals: the first SIGTERM stops after the calls in flight, the second at
// once, also while the input stays open.
func TestMCPCommandSignals(t *testing.T) {
	t.Parallel()
	for _, second := range []bool{false, true} {
		arrived, release := make(chan struct{}), make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			select {
			case <-release:
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, "late")
		}))
		h := newHost(t, []string{"UPSTREAM=" + server.URL}, specFile(t, "rooms.yaml", stdioSpec("list-rooms")))
		stopping := make(chan []byte, 1)
		h.log.event, h.log.seen = "stopping", stopping
		in, err := h.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := h.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list-rooms",`+
			`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`+"\n"); err != nil {
			t.Fatal(err)
		}
		until(t, arrived, "the call upstream")
		signal := func() {
			if err := h.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		signal()
		until(t, stopping, "the word that capd stops") // or two signals could arrive as one
		want := 0
		if second {
			want = 143
			signal()
		} else {
			close(release)
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil || !strings.Contains(line, `"text":"late"`) {
				t.Errorf("%q %v", line, err)
			}
		}
		_ = h.Wait()
		if got := h.ProcessState.ExitCode(); got != want {
			t.Errorf("exit code %d, want %d\n%s", got, want, h.log)
		}
		_ = in.Close()
		server.CloseClientConnections()
		server.Close()
	}
}

// TestMCPCommandReaderGone: a client that closed its end is no reason for a crash.
func TestMCPCommandReaderGone(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "--stub", specFile(t, "rooms.yaml", stdioSpec("list-rooms")))
	in, err := h.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(); err != nil {
		t.Errorf("%v\n%s", err, h.log)
	}
}

// TestMCPCapabilities: every shipped capability with an MCP adapter can be served to a desktop
// client, alone and together.
func TestMCPCapabilities(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "--stub", capabilities)
	s := h.dial(t, piped[0], nil)
	all, err := s.ListTools(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(capabilities + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	alone := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "type: mcp") {
			continue
		}
		list, err := newHost(t, nil, "--stub", file).dial(t, piped[1], nil).ListTools(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		alone += len(list.Tools)
		for _, tool := range list.Tools {
			if !slices.ContainsFunc(all.Tools, func(a *sdk.Tool) bool { return strings.HasSuffix(a.Name, tool.Name) }) {
				t.Errorf("%s is not among all", tool.Name)
			}
		}
	}
	if alone == 0 || alone != len(all.Tools) {
		t.Errorf("%d tools together, %d alone", len(all.Tools), alone)
	}
}

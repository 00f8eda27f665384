package mcp_test

//lint:file-ignore SA1019 clients of the older protocol have what 2026-07-28 deprecates

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// trips has a tool of three steps that may run together, one of two that may not, one of one
// call, and one that is not declared with steps.
const trips = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
    - name: things
      path: /things/{id}
      operations:
      - name: get
        method: GET
        inputParameters:
        - { name: id, in: path, type: string, required: true }
      - name: put
        method: PUT
        inputParameters:
        - { name: id, in: path, type: string, required: true }
  exposes:
  - type: mcp
    namespace: trips
    port: 9090
    tools:
    - name: plan-trip
      description: Plan a trip.
      steps:
      - { name: train, type: call, call: api.get, with: { id: train } }
      - { name: hotel, type: call, call: api.get, with: { id: hotel } }
      - { name: museum, type: call, call: api.get, with: { id: museum } }
    - name: book-trip
      description: Book a trip.
      steps:
      - { name: seat, type: call, call: api.put, with: { id: seat } }
      - { name: bed, type: call, call: api.put, with: { id: bed } }
    - name: look
      description: Look at one thing.
      call: api.get
      with: { id: one }
`

// told is what a client was told before the answer of a call.
type told struct {
	progress []struct {
		ProgressToken   any
		Progress, Total float64
		Message         string
	}
	log []struct {
		Level, Logger string
		Data          map[string]any
	}
	answer message
}

func tellings(t *testing.T, a answer) told {
	t.Helper()
	var out told
	for _, m := range a.messages {
		var err error
		switch m.Method {
		case "notifications/progress":
			out.progress = append(out.progress, struct {
				ProgressToken   any
				Progress, Total float64
				Message         string
			}{})
			err = json.Unmarshal(m.Params, &out.progress[len(out.progress)-1])
		case "notifications/message":
			out.log = append(out.log, struct {
				Level, Logger string
				Data          map[string]any
			}{})
			err = json.Unmarshal(m.Params, &out.log[len(out.log)-1])
		case "":
			out.answer = m
		default:
			t.Errorf("unexpected %s", m.Method)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if out.answer.Result == nil {
		t.Errorf("no result in %s", a.body)
	}
	return out
}

// eraCall calls a tool in one era, with what _meta has besides; the older era has a session.
func (h *house) eraCall(era, path, tool, args, meta string) answer {
	h.t.Helper()
	if era >= "2026-07-28" {
		header, body := modern("tools/call", tool, `{"name":"`+tool+`","arguments":`+args+`}`)
		if meta != "" {
			body = strings.Replace(body, `"_meta":{`, `"_meta":{`+meta+`,`, 1)
		}
		return h.post(path, header, body)
	}
	session := h.session(path)
	return h.sessionCall(path, session, tool, args, meta)
}

func (h *house) sessionCall(path, session, tool, args, meta string) answer {
	h.t.Helper()
	return h.post(path, map[string]string{"Mcp-Session-Id": session},
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"`+tool+`","arguments":`+args+`,"_meta":{`+meta+`}}}`)
}

// TestProgress: who sends a token is told each step that finishes, and the count only grows.
func TestProgress(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"trips": trips}, mcp.Options{})
	for _, era := range eras {
		for tool, steps := range map[string][]string{"plan-trip": {"hotel", "museum", "train"}, "book-trip": {"bed", "seat"}} {
			for _, token := range []string{`"t-1"`, `17`} {
				got := tellings(t, h.eraCall(era, "/mcp/trips", tool, `{}`, `"progressToken":`+token))
				var names []string
				for i, p := range got.progress {
					names = append(names, p.Message)
					if b, _ := json.Marshal(p.ProgressToken); string(b) != token || p.Progress != float64(i+1) || p.Total != float64(len(steps)) {
						t.Errorf("%s %s: progress %d is %+v", era, tool, i, p)
					}
				}
				slices.Sort(names)
				if !slices.Equal(names, steps) {
					t.Errorf("%s %s: steps %v, want %v", era, tool, names, steps)
				}
				if len(got.log) > 0 {
					t.Errorf("%s %s: log messages that nobody asked for: %+v", era, tool, got.log)
				}
			}
		}
		for tool, meta := range map[string]string{"look": `"progressToken":"t"`, "plan-trip": `"progressToken":{"a":1}`, "book-trip": `"x":1`} {
			if got := tellings(t, h.eraCall(era, "/mcp/trips", tool, `{}`, meta)); len(got.progress)+len(got.log) > 0 {
				t.Errorf("%s %s %s: told %+v", era, tool, meta, got)
			}
		}
	}
}

// TestStepsAreLogged to clients that ask for it: at info when a step finished, at error when
// it failed, and never with a value.
func TestStepsAreLogged(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"trips": trips}, mcp.Options{})
	h.upstream.set(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		if strings.HasSuffix(r.URL(), "/bed") {
			return response(500, "text/plain", "tell-tale"), nil
		}
		return response(200, "text/plain", "tell-tale"), nil
	})
	session := h.session("/mcp/trips")
	if a := h.post("/mcp/trips", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}`); a.messages[0].Error != nil {
		t.Fatal(a.body)
	}
	calls := map[string]func(tool, level string) answer{
		"2026-07-28": func(tool, level string) answer {
			return h.eraCall("2026-07-28", "/mcp/trips", tool, `{}`, `"io.modelcontextprotocol/logLevel":"`+level+`"`)
		},
		"2025-11-25": func(tool, level string) answer {
			h.post("/mcp/trips", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"`+level+`"}}`)
			return h.sessionCall("/mcp/trips", session, tool, `{}`, "")
		},
	}
	for era, call := range calls {
		var lines []string
		for _, l := range tellings(t, call("plan-trip", "info")).log {
			if _, timed := l.Data["durationMs"].(float64); !timed || l.Logger != "plan-trip" {
				t.Errorf("%s: %+v", era, l)
			}
			lines = append(lines, fmt.Sprint(l.Level, " ", l.Data["step"], " ", l.Data["failure"]))
		}
		slices.Sort(lines)
		if want := []string{"info hotel <nil>", "info museum <nil>", "info train <nil>"}; !slices.Equal(lines, want) {
			t.Errorf("%s: %q, want %q", era, lines, want)
		}

		a := call("book-trip", "debug")
		lines = nil
		for _, l := range tellings(t, a).log {
			lines = append(lines, fmt.Sprint(l.Level, " ", l.Data["step"], " ", l.Data["failure"]))
			if b, _ := json.Marshal(l); strings.Contains(string(b), "tell-tale") {
				t.Errorf("%s: a value is logged: %s", era, b)
			}
		}
		if want := []string{"info seat <nil>", "error bed step-failed"}; !slices.Equal(lines, want) {
			t.Errorf("%s: %q, want %q", era, lines, want)
		}
		if got := tellings(t, call("book-trip", "error")).log; len(got) != 1 || got[0].Level != "error" {
			t.Errorf("%s: at level error: %+v", era, got)
		}
		if got := tellings(t, call("plan-trip", "warning")).log; len(got) != 0 {
			t.Errorf("%s: at level warning: %+v", era, got)
		}
	}
}

// TestLoggingCapability is only offered where something can be logged.
func TestLoggingCapability(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"trips": trips, "rooms": rooms}, mcp.Options{})
	for _, x := range []struct {
		path string
		want bool
	}{{"/mcp/trips", true}, {"/mcp/rooms", false}} {
		for _, era := range eras {
			if got := h.connect(x.path, era, nil).InitializeResult().Capabilities.Logging != nil; got != x.want {
				t.Errorf("%s %s: logging is %t, want %t", era, x.path, got, x.want)
			}
		}
		a := h.post(x.path, map[string]string{"Mcp-Session-Id": h.session(x.path)}, `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}`)
		if refused := a.messages[0].Error != nil && a.messages[0].Error.Code == -32601; refused == x.want {
			t.Errorf("%s: logging/setLevel: %s", x.path, a.body)
		}
	}
}

// TestPlainAnswers: an answer of the modern protocol is an event stream only where something
// may come before it, and only for clients that take one.
func TestPlainAnswers(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"trips": trips}, mcp.Options{})
	for _, x := range []struct{ method, tool, accept, want string }{
		{"tools/call", "plan-trip", "", "text/event-stream"},
		{"tools/call", "plan-trip", "application/json", "application/json"},
		{"tools/call", "plan-trip", "*/*", "text/event-stream"},
		{"tools/call", "look", "", "application/json"},
		{"tools/call", "look", "application/json;q=1", "application/json"},
		{"tools/list", "", "", "application/json"},
		{"server/discover", "", "application/json", "application/json"},
	} {
		params := "{}"
		if x.tool != "" {
			params = `{"name":"` + x.tool + `","arguments":{}}`
		}
		header, body := modern(x.method, x.tool, params)
		if x.accept != "" {
			header["Accept"] = x.accept
		}
		a := h.post("/mcp/trips", header, body)
		if a.header.Get("Content-Type") != x.want || len(a.messages) == 0 || a.messages[len(a.messages)-1].Result == nil {
			t.Errorf("%+v: %d %v %s", x, a.status, a.header, a.body)
		}
	}
	for _, x := range []struct{ method, accept string }{{"tools/list", "text/event-stream"}, {"tools/list", "text/html"}, {"subscriptions/listen", "application/json"}} {
		header, body := modern(x.method, "", `{"notifications":{"toolsListChanged":true}}`)
		header["Accept"] = x.accept
		if a := h.post("/mcp/trips", header, body); a.status != 400 {
			t.Errorf("%+v: %d, want 400", x, a.status)
		}
	}
}

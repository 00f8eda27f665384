package mcp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// mapped is a document whose tool reads a member of what its upstream says.
var mapped = strings.Replace(rooms, "      with: { id: tools.id }\n",
	"      with: { id: tools.id }\n      outputParameters: [{ name: name, type: string, mapping: $.name }]\n", 1)

// TestFailuresAreLoggedByWhoMustAct: a caller's mistakes are for debugging, what the
// upstream or the configuration did is a warning, and what capd did an error.
func TestFailuresAreLoggedByWhoMustAct(t *testing.T) {
	t.Parallel()
	failure := func(c plan.Code) plan.UpstreamFunc { return fail(plan.Errorf(c, "it failed")) }
	tests := map[string]struct {
		answer plan.UpstreamFunc
		args   string
		want   string
	}{
		"bad output":      {respond(200, "text/html", "<html>"), `{"id":"1"}`, "WARN code=bad-output"},
		"too large":       {respond(404, "text/plain", strings.Repeat("x", 65)), `{"id":"1"}`, "WARN code=upstream-too-large"},
		"no cause":        {failure(plan.CodeUpstreamFailed), `{"id":"1"}`, "WARN code=upstream-failed"},
		"not configured":  {failure(plan.CodeNotConfigured), `{"id":"1"}`, "WARN code=not-configured"},
		"internal":        {failure(plan.CodeInternal), `{"id":"1"}`, "ERROR code=internal"},
		"canceled":        {failure(plan.CodeCanceled), `{"id":"1"}`, "DEBUG code=canceled"},
		"wrong arguments": {echo, `{}`, "DEBUG code=invalid-input"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, map[string]string{"rooms": mapped}, mcp.Options{MaxResult: 64})
			h.upstream.set(tt.answer)
			header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":`+tt.args+`}`)
			header["Test-Request-Id"] = "the-request"
			h.post("/mcp/rooms", header, body)
			level, code, _ := strings.Cut(tt.want, " ")
			got := h.log.text("MCP call failed")
			for _, want := range []string{level + " MCP call failed request_id=the-request " + code + " document=rooms tool=get-room message=", " operation=rooms/rooms-mcp/get-room"} {
				if strings.Count(got, want) != 1 {
					t.Errorf("logged %q, want one %q", got, want)
				}
			}
		})
	}
}

// TestCausesAreLoggedWithoutURLs, because their queries can hold keys.
func TestCausesAreLoggedWithoutURLs(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	h.upstream.set(fail(&plan.Error{Code: plan.CodeUpstreamFailed, Message: "no answer",
		Cause: &url.Error{Op: "Get", URL: "https://api.example.test/?key=hidden", Err: errors.New("refused")}}))
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"1"}}`)
	h.post("/mcp/rooms", header, body)
	if got := h.log.text("MCP call failed"); !strings.Contains(got, "cause=Get: refused") || strings.Contains(got, "hidden") {
		t.Errorf("logged %s", got)
	}
}

// TestMistakesOfClientsAreNoErrors: an operator cannot act on them.
func TestMistakesOfClientsAreNoErrors(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	session := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")}
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	const initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	h.post("/mcp/rooms", nil, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	h.post("/mcp/rooms", nil, initialized)
	h.post("/mcp/rooms", session, initialized)
	h.post("/mcp/rooms", session, initialize)
	h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","id":2,"method":"no/such"}`)
	h.post("/mcp/rooms", session, `{"jsonrpc":`)
	h.post(pathAnd(modern("ping", "", "{}")))
	got := h.log.text("")
	if !strings.Contains(got, "DEBUG method invalid during initialization") {
		t.Errorf("no trace of the first mistake in\n%s", got)
	}
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "ERROR") || strings.HasPrefix(line, "WARN") {
			t.Errorf("logged %s", line)
		}
	}
}

// TestRedirectsAreFailures: nothing is known of what a call did whose redirect was not
// followed.
func TestRedirectsAreFailures(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": mapped}, mcp.Options{})
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		s := h.connect("/mcp/rooms", era, nil)
		h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
			r := response(http.StatusFound, "", "")
			r.Header = []plan.Field{{Name: "Location", Value: "https://elsewhere.example.test/?key=hidden"}}
			return r, nil
		})
		res := call(t, s, "get-room", map[string]any{"id": "1"})
		if got := text(t, res); !res.IsError || got != "upstream answered 302 Found: it redirected elsewhere, which was not followed" {
			t.Errorf("%s: isError %t, %q", era, res.IsError, got)
		}
	}
}

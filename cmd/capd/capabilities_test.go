package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const capabilities = "../../capabilities"

// shipped is one call of a shipped capability through both doors.
type shipped struct {
	name         string
	id           string // of the document
	method, path string // of the declared route
	body         string // of the REST request
	tool         string
	arguments    map[string]any
	sent         string // method and target upstream, /base standing for the base path; empty when nothing is sent
	sentBody     string // JSON
	auth         string // Authorization upstream
	answer       string // what the upstream says
	want         string // what both callers get, JSON
}

var shippedCalls = []shipped{
	{
		name: "telnyx create", id: "telnyx-client-tokens",
		method: "POST", path: "/v1/telnyx/rooms/0ccc7b54/client-tokens", body: `{"token_ttl_secs": 60}`,
		tool: "create-room-client-token", arguments: map[string]any{"room_id": "0ccc7b54", "token_ttl_secs": 60},
		sent: "POST /v2/rooms/0ccc7b54/actions/generate_join_client_token", sentBody: `{"token_ttl_secs":60}`, auth: "Bearer key-telnyx",
		answer: `{"data":{"token":"t1","token_expires_at":"2026-01-01T00:10:00Z","refresh_token":"r1","refresh_token_expires_at":"2026-01-01T01:00:00Z"}}`,
		want:   `{"token":"t1","expires_at":"2026-01-01T00:10:00Z","refresh_token":"r1","refresh_expires_at":"2026-01-01T01:00:00Z"}`,
	},
	{
		name: "telnyx refresh", id: "telnyx-client-tokens",
		method: "POST", path: "/v1/telnyx/rooms/0ccc7b54/client-tokens/refresh", body: `{"refresh_token": "r1"}`,
		tool: "refresh-room-client-token", arguments: map[string]any{"room_id": "0ccc7b54", "refresh_token": "r1"},
		sent: "POST /v2/rooms/0ccc7b54/actions/refresh_client_token", sentBody: `{"refresh_token":"r1"}`, auth: "Bearer key-telnyx",
		answer: `{"data":{"token":"t2","token_expires_at":"2026-01-01T00:20:00Z"}}`,
		want:   `{"token":"t2","expires_at":"2026-01-01T00:20:00Z"}`,
	},
	{
		name: "hms create", id: "hms-room-codes",
		method: "POST", path: "/v1/hms/rooms/room1/codes",
		tool: "create-room-codes", arguments: map[string]any{"room_id": "room1"},
		sent: "POST /v2/room-codes/room/room1", auth: "Bearer key-hms",
		answer: `{"data":[{"code":"abc-defg-hij","role":"host"}]}`, want: `{"data":[{"code":"abc-defg-hij","role":"host"}]}`,
	},
	{
		name: "hms get", id: "hms-room-codes",
		method: "GET", path: "/v1/hms/rooms/room1/codes",
		tool: "get-room-codes", arguments: map[string]any{"room_id": "room1"},
		sent: "GET /v2/room-codes/room/room1", auth: "Bearer key-hms",
		answer: `{"data":[]}`, want: `{"data":[]}`,
	},
	{
		name: "hms update", id: "hms-room-codes",
		method: "PUT", path: "/v1/hms/codes/abc-defg-hij", body: `{"enabled": false}`,
		tool: "update-room-code", arguments: map[string]any{"code": "abc-defg-hij", "enabled": false},
		sent: "POST /v2/room-codes/code/abc-defg-hij", sentBody: `{"enabled":false}`, auth: "Bearer key-hms",
		answer: `{"enabled":false}`, want: `{"enabled":false}`,
	},
	{
		name: "telapi mint", id: "telapi-call-tokens",
		method: "POST", path: "/v1/telapi/call-tokens", body: `{"endpoint_id": "ep 1"}`,
		tool: "mint-call-token", arguments: map[string]any{"endpoint_id": "ep 1"},
		sent: "POST /telapi/v1/call-tokens", sentBody: `{"endpoint_id":"ep 1"}`, auth: "Bearer key-telapi",
		answer: `{"token":"ct","endpoint_id":"ep 1"}`, want: `{"token":"ct","endpoint_id":"ep 1"}`,
	},
	{
		name: "telapi read", id: "telapi-call-tokens",
		method: "GET", path: "/v1/telapi/call-tokens/a%2Fb",
		tool: "read-call-token", arguments: map[string]any{"token_id": "a/b"},
		sent: "GET /telapi/v1/call-tokens/a%2Fb", auth: "Bearer key-telapi",
		answer: `{"state":"unused"}`, want: `{"state":"unused"}`,
	},
	{
		name: "service card", id: "service-card",
		method: "GET", path: "/v1/service-card",
		tool: "get-service-card", arguments: map[string]any{},
		want: `{"service":"Token desk","contact":"token-desk@example.com","hours":"Monday to Friday, 08:00 to 18:00 UTC"}`,
	},
}

// TestCapabilities loads every shipped capability without a finding and calls each of its
// operations over REST and over MCP against a recording upstream.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	answers := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(<-answers))
	}))
	t.Cleanup(server.Close)
	i := start(t, []string{
		"TELNYX_API_KEY=key-telnyx", "HMS_MANAGEMENT_TOKEN=key-hms",
		"TELAPI_API_KEY=key-telapi", "TELAPI_BASE_URI=" + "https://telapi.example.com/telapi/v1",
	}, "--upstream", server.URL, capabilities)
	if len(i.report.Diagnostics) > 0 {
		t.Errorf("the shipped capabilities have findings: %+v", i.report.Diagnostics)
	}
	everyOperationIsCalled(t, i)

	for _, c := range shippedCalls {
		t.Run(c.name, func(t *testing.T) { // one after another: they share the recorder
			if c.sent != "" {
				answers <- c.answer
			}
			got := call(t, c.method, i.url+c.path, c.body)
			wantStatus := http.StatusCreated
			if c.sent == "" {
				wantStatus = http.StatusOK
			}
			if got.Status != wantStatus {
				t.Errorf("REST answered %d %s, want %d", got.Status, got.Body, wantStatus)
			}
			sameJSON(t, "REST answer", got.Body, c.want)
			c.checkSent(t, rec)

			if c.sent != "" {
				answers <- c.answer
			}
			result := sdkCall(t, i.url+"/mcp/"+c.id, c.tool, c.arguments)
			if result.IsError {
				t.Errorf("the tool failed: %+v", result.Content)
			}
			text, ok := result.Content[0].(*mcp.TextContent)
			if !ok {
				t.Fatalf("content %T, want text", result.Content[0])
			}
			sameJSON(t, "tool text", text.Text, c.want)
			structured, err := json.Marshal(result.StructuredContent)
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "structured content", string(structured), c.want)
			c.checkSent(t, rec)
		})
	}
}

// everyOperationIsCalled compares the table with what is served, so that a new operation
// cannot be shipped without a call.
func everyOperationIsCalled(t *testing.T, i *instance) {
	t.Helper()
	files, err := os.ReadDir(capabilities)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, c := range shippedCalls {
		calls[c.id]++
	}
	for _, f := range files {
		if id := strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())); calls[id] == 0 {
			t.Errorf("no test calls %s", f.Name())
		}
	}
	for _, d := range i.report.Documents {
		for _, a := range d.Adapters {
			if n := a.Routes + a.Tools; n != calls[d.ID] || a.Refused > 0 {
				t.Errorf("%s %s serves %d operations and refuses %d, the test calls %d", d.ID, a.Kind, n, a.Refused, calls[d.ID])
			}
		}
	}
}

// checkSent wants the one request of the table at the upstream, or none.
func (c shipped) checkSent(t *testing.T, rec *recorder) {
	t.Helper()
	if c.sent == "" {
		if seen := rec.take(); len(seen) > 0 {
			t.Errorf("something was sent: %+v", seen)
		}
		return
	}
	got := rec.one(t)
	if sent := got.Method + " " + got.Target; sent != c.sent {
		t.Errorf("sent %s, want %s", sent, c.sent)
	}
	if got.Header.Get("Authorization") != c.auth {
		t.Errorf("sent Authorization %q, want %q", got.Header.Get("Authorization"), c.auth)
	}
	if c.sentBody == "" {
		if got.Body != "" {
			t.Errorf("sent the body %q, want none", got.Body)
		}
		return
	}
	sameJSON(t, "sent body", got.Body, c.sentBody)
	if ct := got.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("sent Content-Type %q, want JSON", ct)
	}
}

// sdkCall calls a tool with the official client, which also reads the tool's schema.
func sdkCall(t *testing.T, url, tool string, arguments map[string]any) *mcp.CallToolResult {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(context.Background(), &mcp.StreamableClientTransport{Endpoint: url, MaxRetries: -1}, nil)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	defer func() { _ = session.Close() }()
	tools, err := session.ListTools(context.Background(), nil)
	if err != nil {
		t.Fatalf("list tools: %v", err)
	}
	listed := false
	for _, have := range tools.Tools {
		listed = listed || have.Name == tool && have.Description != ""
	}
	if !listed {
		t.Errorf("tool %s is not listed with a description", tool)
	}
	result, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatalf("call %s: %v", tool, err)
	}
	return result
}

// sameJSON wants equal JSON values.
func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s %q is no JSON: %v", what, got, err)
		return
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s %s, want %s", what, got, want)
	}
}

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestWebPagesCannotCall: a page in a browser can reach a loopback port, by its own origin or
// by a name of its own that resolves to loopback; both doors refuse it unless it is allowed (D4).
func TestWebPagesCannotCall(t *testing.T) {
	t.Parallel()
	card := filepath.Join(capabilities, "service-card.yaml")
	closed := start(t, nil, card)
	open := start(t, nil, "--allowed-hosts", "capd.example.com", "--allowed-origins", "https://app.example.com", card)
	tests := []struct {
		name         string
		host, origin string // empty: as a plain client sends them
		closed, open int
	}{
		{"plain client", "", "", 200, 200},
		{"local page", "", "http://localhost:3000", 200, 200},
		{"other page", "", "https://evil.example", 403, 403},
		{"opaque page", "", "null", 403, 403},
		{"rebound name", "evil.example", "", 403, 403},
		{"rebound name and page", "evil.example", "http://evil.example", 403, 403},
		{"allowed host", "capd.example.com", "", 403, 200},
		{"allowed page", "", "https://app.example.com", 403, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range map[*instance]int{closed: tt.closed, open: tt.open} {
				for _, path := range []string{"/v1/service-card", "/mcp/service-card"} {
					if got := visit(t, i.url+path, tt.host, tt.origin); got.Status != want {
						t.Errorf("%s answered %d %s, want %d", path, got.Status, got.Body, want)
					}
				}
			}
		})
	}
}

// visit makes a GET to a REST path and a tools/list to an MCP path.
func visit(t *testing.T, url, host, origin string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if strings.Contains(url, "/mcp/") {
		req, err = http.NewRequest(http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":`+
			`{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type":         {"application/json"},
		"Accept":               {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"},
		"Mcp-Method":           {"tools/list"},
	}
	if host != "" {
		req.Host = host
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	return send(t, req)
}

// TestPagesOfUpstreamsHaveNoOrigin: a page that an upstream answers with is handed on without
// the origin of capd, whatever the case and the parameters of its type. What is no page is left alone.
func TestPagesOfUpstreamsHaveNoOrigin(t *testing.T) {
	t.Parallel()
	var mediaType atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", *mediaType.Load())
		w.Header().Set("Content-Security-Policy", "default-src *")
		_, _ = io.WriteString(w, "<script>fetch('/apis')</script>")
	}))
	defer server.Close()
	i := start(t, []string{"UPSTREAM=" + server.URL}, specFile(t, "spec.yaml", roomsSpec))
	for sent, want := range map[string]bool{
		"text/html": true, "Text/HTML; charset=utf-8": true, "application/xhtml+xml": true, "image/svg+xml": true, "application/xml": true,
		"application/json": false, "text/plain": false, "image/png": false,
	} {
		mediaType.Store(&sent)
		got := knock(t, http.MethodGet, i.url+"/rooms")
		policy := got.Header.Get("Content-Security-Policy")
		if got.Status != http.StatusOK || strings.HasPrefix(policy, "sandbox") != want || strings.Contains(policy, "allow-same-origin") || strings.Contains(policy, "default-src") {
			t.Errorf("%s: %d, policy %q", sent, got.Status, policy)
		}
		if got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: browsers may guess another type", sent)
		}
	}
	// What such a page then asks comes from the origin "null".
	if got := knock(t, http.MethodGet, i.url+"/rooms", "Origin: null"); got.Status != http.StatusForbidden {
		t.Errorf("a page without an origin gets %d", got.Status)
	}
}

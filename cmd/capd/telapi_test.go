package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

const telapiKey = "telapi-long-lived-key-93b1c7"

// telapi serves the shipped TelAPI capability in front of handler.
func telapi(t *testing.T, handler http.HandlerFunc) *instance {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return start(t, []string{"TELAPI_API_KEY=" + telapiKey, "TELAPI_BASE_URI=" + server.URL + "/v1"},
		"--log-level", "debug", filepath.Join(capabilities, "telapi-call-tokens.yaml"))
}

const (
	mintPath = "/v1/telapi/call-tokens"
	mintBody = `{"endpoint_id":"ep"}`
	mintTool = "mint-call-token"
)

// TestTelAPIErrors: the statuses the API documents reach the caller as it sent them.
func TestTelAPIErrors(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 409, 429} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"error":{"status":%d,"detail":"as the API says"}}`, status)
			var sent atomic.Int32
			i := telapi(t, func(w http.ResponseWriter, r *http.Request) {
				sent.Add(1)
				w.Header().Set("Content-Type", "application/vnd.telapi+json")
				if status == http.StatusTooManyRequests {
					w.Header().Set("Retry-After", "17")
				}
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			})

			got := call(t, "POST", i.url+mintPath, mintBody)
			if got.Status != status || got.Body != body {
				t.Errorf("REST answered %d %q, want %d %q", got.Status, got.Body, status, body)
			}
			if ct := got.Header.Get("Content-Type"); ct != "application/vnd.telapi+json" {
				t.Errorf("Content-Type %q is not the upstream's", ct)
			}
			wantRetry := ""
			if status == http.StatusTooManyRequests {
				wantRetry = "17"
			}
			if retry := got.Header.Get("Retry-After"); retry != wantRetry {
				t.Errorf("Retry-After %q, want %q", retry, wantRetry)
			}

			result := callTool(t, i.url+"/mcp/telapi-call-tokens", mintTool, mintBody)
			if !result.IsError || result.text(t) != body {
				t.Errorf("tool gave isError %v and %q, want an error with %q", result.IsError, result.text(t), body)
			}
			if n := sent.Load(); n != 2 {
				t.Errorf("the upstream saw %d requests for two calls", n)
			}
			if strings.Contains(i.printed(), telapiKey) {
				t.Errorf("the key was printed:\n%s", i.printed())
			}
		})
	}
}

// TestTelAPIMintIsNeverRetried: an upstream that takes the request and drops the connection,
// a new one or one that was used before, sees exactly one request (D11).
func TestTelAPIMintIsNeverRetried(t *testing.T) {
	t.Parallel()
	for _, reused := range []bool{false, true} {
		t.Run(fmt.Sprintf("reused=%v", reused), func(t *testing.T) {
			t.Parallel()
			var sent, drop atomic.Int32
			i := telapi(t, func(w http.ResponseWriter, r *http.Request) {
				sent.Add(1)
				if drop.Load() == 0 {
					_, _ = w.Write([]byte(`{}`))
					return
				}
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.Close()
			})
			mints := map[string]func() string{
				"REST": func() string {
					got := call(t, "POST", i.url+mintPath, mintBody)
					if drop.Load() == 1 && got.Status != http.StatusBadGateway {
						t.Errorf("REST answered %d %s, want 502", got.Status, got.Body)
					}
					return got.Body
				},
				"MCP": func() string {
					result := callTool(t, i.url+"/mcp/telapi-call-tokens", mintTool, mintBody)
					if drop.Load() == 1 && !result.IsError {
						t.Errorf("the tool succeeded with %q", result.text(t))
					}
					return result.text(t)
				},
			}
			for door, mint := range mints {
				drop.Store(0)
				if reused {
					mint()
				}
				drop.Store(1)
				sent.Store(0)
				body := mint()
				if n := sent.Load(); n != 1 {
					t.Errorf("%s: the upstream saw %d mints, want exactly 1", door, n)
				}
				if strings.Contains(body, telapiKey) {
					t.Errorf("%s: the key reached the caller: %s", door, body)
				}
			}
			if strings.Contains(i.printed(), telapiKey) {
				t.Errorf("the key was printed:\n%s", i.printed())
			}
		})
	}
}

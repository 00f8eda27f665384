package engine

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"capd/engine/plan"
)

func TestAllowedOriginsInABrowser(t *testing.T) {
	t.Parallel()
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		w.Header().Set("Access-Control-Allow-Origin", "https://upstream.example")
		if r.Header.Get("Origin") == "" || r.Method == http.MethodOptions {
			w.Header().Del("Access-Control-Allow-Origin")
		}
		_, _ = io.WriteString(w, "served")
	})
	tests := []struct {
		name              string
		origins           []string
		origin            string
		status            int  // of a request
		shared, preflight bool // the answer, and the preflight by capd itself
		varies            bool
	}{
		{name: "listed", origins: []string{"https://app.example"}, origin: "https://app.example", status: 200, shared: true, preflight: true, varies: true},
		{name: "not listed", origins: []string{"https://app.example"}, origin: "https://evil.example", status: 403},
		{name: "null", origins: []string{"https://app.example"}, origin: "null", status: 403},
		{name: "all", origins: []string{"*"}, origin: "https://any.example", status: 200, shared: true, preflight: true, varies: true},
		{name: "trusted without being listed", origins: []string{"https://app.example"}, origin: "http://localhost:3000", status: 200, varies: true},
		{name: "listed loopback", origins: []string{"http://localhost:3000"}, origin: "http://localhost:3000", status: 200, shared: true, preflight: true, varies: true},
		{name: "no page", origins: []string{"https://app.example"}, status: 200, varies: true},
		{name: "nothing listed", origin: "http://localhost:3000", status: 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
				o.AllowedOrigins = tt.origins
				o.Adapters = map[plan.Kind]Adapter{plan.REST: handlerAdapter{served}, plan.MCP: handlerAdapter{served}}
			})
			r.start()
			for _, path := range []string{"/apis/a", "/mcp/a"} {
				ask := func(method string, more ...string) *http.Response {
					return browser(t, method, "http://"+r.engine.Addr(loopback)+path, append(more, "Origin", tt.origin)...)
				}
				got := ask(http.MethodPost)
				if got.StatusCode != tt.status {
					t.Fatalf("%s: got %s", path, got.Status)
				}
				if tt.shared {
					wantHeader(t, got, "Access-Control-Allow-Origin", tt.origin)
					if v := got.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(v, "Mcp-Session-Id") || !strings.Contains(v, "X-Request-Id") {
						t.Errorf("exposed: %q", v)
					}
				}
				if varies := strings.Contains(strings.Join(got.Header.Values("Vary"), ", "), "Origin"); varies != tt.varies {
					t.Errorf("%s: Vary %q", path, got.Header.Values("Vary"))
				}
				got = ask(http.MethodOptions, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type, x-custom")
				switch {
				case tt.preflight:
					wantHeader(t, got, "Access-Control-Allow-Origin", tt.origin)
					wantHeader(t, got, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
					wantHeader(t, got, "Access-Control-Allow-Headers", "content-type, x-custom")
					wantHeader(t, got, "Access-Control-Max-Age", "600")
					wantHeader(t, got, "Vary", "Origin")
					if got.StatusCode != http.StatusNoContent {
						t.Errorf("preflight: got %s", got.Status)
					}
				default:
					wantHeader(t, got, "Access-Control-Allow-Origin", "")
					wantHeader(t, got, "Access-Control-Allow-Methods", "")
					if got.StatusCode != tt.status {
						t.Errorf("preflight: got %s", got.Status)
					}
				}
				wantHeader(t, got, "Access-Control-Allow-Credentials", "")
				// An OPTIONS that is no preflight belongs to the adapter.
				if got = ask(http.MethodOptions); got.StatusCode != tt.status {
					t.Errorf("OPTIONS: got %s", got.Status)
				}
			}
		})
	}
}

// browser sends a request with headers, names and values in turn; empty values are left out.
func browser(t *testing.T, method, url string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

func wantHeader(t *testing.T, resp *http.Response, name, want string) {
	t.Helper()
	if got := strings.Join(resp.Header.Values(name), ", "); got != want {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

// TestBrowserMCPClients: a page of an allowed origin may send every header of the protocol,
// and see those of the answer, also when it is refused.
func TestBrowserMCPClients(t *testing.T) {
	t.Parallel()
	const origin = "https://inspector.example"
	refusing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.Header().Set("Mcp-Session-Id", "s")
		w.WriteHeader(http.StatusUnauthorized)
	})
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.AllowedOrigins = []string{origin}
		o.Adapters = map[plan.Kind]Adapter{plan.MCP: handlerAdapter{refusing}}
	})
	r.start()
	url := "http://" + r.engine.Addr(loopback) + "/mcp/a"
	const sent = "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name"
	for _, method := range []string{"POST", "GET", "DELETE"} {
		got := browser(t, http.MethodOptions, url, "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", sent)
		if got.StatusCode != http.StatusNoContent || !strings.Contains(got.Header.Get("Access-Control-Allow-Methods"), method) {
			t.Errorf("preflight of %s: %s %v", method, got.Status, got.Header)
		}
		wantHeader(t, got, "Access-Control-Allow-Origin", origin)
		wantHeader(t, got, "Access-Control-Allow-Headers", sent)
	}
	got := browser(t, http.MethodPost, url, "Origin", origin)
	wantHeader(t, got, "Access-Control-Allow-Origin", origin)
	for _, name := range []string{"Mcp-Session-Id", "WWW-Authenticate"} {
		if !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), name) || got.Header.Get(name) == "" {
			t.Errorf("%s cannot be seen: %v", name, got.Header)
		}
	}
	if got := browser(t, http.MethodPost, url, "Origin", "https://evil.example"); got.StatusCode != http.StatusForbidden {
		t.Errorf("another origin: %s", got.Status)
	}
}

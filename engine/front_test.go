package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/engine/plan"
)

func TestDoor(t *testing.T) {
	t.Parallel()
	const (
		forbiddenHost   = "the Host of this request is not one that is served here; --allowed-hosts allows more"
		forbiddenOrigin = "pages of this Origin may not call; --allowed-origins allows more"
		forbiddenSite   = "pages of other sites may not use this address; --allowed-origins '*' lets them"
	)
	tests := []struct {
		name                     string
		listen                   string // 127.0.0.1:8080 when empty
		hosts, origins           []string
		host, origin, fetch, why string
	}{
		{name: "loopback address", host: "127.0.0.1:8080"},
		{name: "any loopback address", host: "127.1.2.3"},
		{name: "localhost", host: "localhost:8080"},
		{name: "upper case and final dot", host: "LocalHost.:8080"},
		{name: "below localhost", host: "rooms.localhost:8080"},
		{name: "other port", host: "localhost:1"},
		{name: "IPv6 loopback", host: "[::1]:8080"},
		{name: "IPv6 loopback without port", host: "[::1]"},
		{name: "IPv4 in IPv6", host: "[::ffff:127.0.0.1]:80"},
		{name: "the machine's own address", host: "10.0.0.5:8080"},
		{name: "another address", host: "10.0.0.6:8080", why: forbiddenHost},
		{name: "a name", host: "capd.example", why: forbiddenHost},
		{name: "a name that begins like one", host: "localhost.evil.example", why: forbiddenHost},
		{name: "a name that ends like one", host: "notlocalhost", why: forbiddenHost},
		{name: "an odd spelling of an address", host: "127.1", why: forbiddenHost},
		{name: "no host", host: "", why: forbiddenHost},
		{name: "port that is none", host: "localhost:x", why: forbiddenHost},
		{name: "brackets around a name", host: "[localhost]:80", why: forbiddenHost},
		{name: "the listen host", listen: "capd.example:8080", host: "Capd.Example:8080"},
		{name: "all interfaces are no host", listen: "0.0.0.0:8080", host: "0.0.0.0:8080", why: forbiddenHost},
		{name: "all interfaces without a host", listen: ":8080", host: "evil.example", why: forbiddenHost},
		{name: "allowed", hosts: []string{"api.example"}, host: "API.example:8443"},
		{name: "allowed with a port", hosts: []string{"api.example:8443"}, host: "api.example:8443"},
		{name: "allowed with another port", hosts: []string{"api.example:8443"}, host: "api.example", why: forbiddenHost},
		{name: "allowed below", hosts: []string{"*.example"}, host: "a.b.example"},
		{name: "allowed below, not itself", hosts: []string{"*.example"}, host: "example", why: forbiddenHost},
		{name: "allowed address", hosts: []string{"fd00::1"}, host: "[FD00:0::1]:80"},
		{name: "all hosts", hosts: []string{"*"}, host: "anything.example"},

		{name: "local page", host: "localhost:8080", origin: "http://localhost:3000"},
		{name: "local page by https", host: "localhost:8080", origin: "https://127.0.0.1"},
		{name: "page of the listen host", listen: "capd.example:8080", host: "capd.example:8080", origin: "http://capd.example:8080"},
		{name: "page of an allowed host", hosts: []string{"api.example"}, host: "api.example", origin: "https://api.example"},
		{name: "web page", host: "localhost:8080", origin: "https://evil.example", why: forbiddenOrigin},
		{name: "page without an origin", host: "localhost:8080", origin: "null", why: forbiddenOrigin},
		{name: "no origin at all", host: "localhost:8080", origin: "nonsense", why: forbiddenOrigin},
		{name: "origin with user", host: "localhost:8080", origin: "http://localhost@evil.example", why: forbiddenOrigin},
		{name: "other scheme", host: "localhost:8080", origin: "extension://localhost", why: forbiddenOrigin},
		{name: "allowed origin", origins: []string{"https://app.example"}, host: "localhost", origin: "https://App.example:443"},
		{name: "allowed origin, other scheme", origins: []string{"https://app.example"}, host: "localhost", origin: "http://app.example", why: forbiddenOrigin},
		{name: "allowed origin, other port", origins: []string{"https://app.example"}, host: "localhost", origin: "https://app.example:8443", why: forbiddenOrigin},
		{name: "allowed odd scheme", origins: []string{"extension://abc"}, host: "localhost", origin: "extension://abc"},
		{name: "all origins", origins: []string{"*"}, host: "localhost", origin: "https://evil.example"},
		{name: "all hosts are not all origins", hosts: []string{"*"}, host: "api.example", origin: "https://evil.example", why: forbiddenOrigin},
		{name: "all hosts allow their own pages", hosts: []string{"*"}, host: "api.example", origin: "https://api.example"},
		{name: "image in a web page", host: "localhost:8080", fetch: "cross-site", why: forbiddenSite},
		{name: "typed by hand", host: "localhost:8080", fetch: "none"},
		{name: "image, all origins", origins: []string{"*"}, host: "localhost:8080", fetch: "cross-site"},
		{name: "link to a public host", hosts: []string{"api.example"}, host: "api.example", fetch: "cross-site"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := newAllowance(tt.hosts, tt.origins)
			if err != nil {
				t.Fatal(err)
			}
			listen := tt.listen
			if listen == "" {
				listen = "127.0.0.1:8080"
			}
			r := arrivedAt(t, "10.0.0.5:8080")
			r.Host = tt.host
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if tt.fetch != "" {
				r.Header.Set("Sec-Fetch-Site", tt.fetch)
			}
			if got := newDoor(a, listen).refuse(r); got != tt.why {
				t.Errorf("got  %q\nwant %q", got, tt.why)
			}
		})
	}
}

func TestFrontDispatch(t *testing.T) {
	t.Parallel()
	word := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
	}
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.Adapters = map[plan.Kind]Adapter{
			plan.REST: handlerAdapter{word("rest")}, plan.MCP: handlerAdapter{word("mcp")},
		}
	})
	r.start()
	for path, want := range map[string]string{
		"/":                       "rest",
		"/apis/a":                 "rest",
		"/rooms/1":                "rest",
		"/skills/a":               "rest",
		"/mcpx":                   "rest",
		"/mcp":                    "mcp",
		"/mcp/":                   "mcp",
		"/mcp/a/b":                "mcp",
		"/%6Dcp/a":                "mcp",
		"/mcp%2Fa":                "rest",
		"/x/mcp":                  "rest",
		"/.well-known":            "",
		"/.well-known/anything":   "",
		"/%2Ewell-known/anything": "",
	} {
		status, body, err := get(r.engine.Addr(loopback), path)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && status != http.StatusNotFound || want != "" && body != want {
			t.Errorf("%s: %d %q, want %q", path, status, body, want)
		}
	}
}

func TestFrontRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	r.start()
	req, err := http.NewRequest(http.MethodGet, "http://"+r.engine.Addr(loopback)+"/apis/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var p problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if p.Code != "forbidden" || p.Status != http.StatusForbidden || !strings.Contains(p.Detail, "--allowed-hosts") {
		t.Errorf("got %+v", p)
	}
	if id := resp.Header.Get("X-Request-Id"); id == "" || id != p.RequestID {
		t.Errorf("the header has the identifier %q, the body %q", id, p.RequestID)
	}
}

func TestFrontPanics(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/begun":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic(errors.New("a secret of the call"))
	})
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.Adapters = map[plan.Kind]Adapter{plan.REST: handlerAdapter{h}}
		o.Logger = logTo(&log)
	})
	r.start()
	addr := r.engine.Addr(loopback)
	status, body, err := get(addr, "/fresh")
	if err != nil || status != http.StatusInternalServerError || !strings.Contains(body, `"code":"internal"`) {
		t.Errorf("got %d %s %v", status, body, err)
	}
	if _, _, err := get(addr, "/begun"); err == nil {
		t.Error("an answer that broke off looks whole")
	}
	if _, _, err := get(addr, "/abort"); err == nil {
		t.Error("an aborted answer looks whole")
	}
	if err := r.engine.Stop(t.Context()); err != nil { // and with it the last log line is written
		t.Fatal(err)
	}
	if s := log.String(); strings.Contains(s, "secret") || strings.Contains(s, "/fresh") || strings.Count(s, "internal fault") != 2 {
		t.Errorf("got %s", s)
	}
}

func TestFrontRecord(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	x := &plan.Exposure{Unit: &plan.Unit{ID: "team/a"}}
	y := &plan.Exposure{Unit: &plan.Unit{ID: "team"}}
	a, err := newAllowance(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var id string
	f := &front{
		door: newDoor(a, "127.0.0.1:80"), log: logTo(&log),
		listener: &plan.Listener{Mounts: []*plan.Mount{{Exposure: y, Path: "/apis/team"}, {Exposure: x, Path: "/apis/team/a"}}},
		rest:     http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = plan.RequestID(r.Context()) }),
	}
	req := arrivedAt(t, "127.0.0.1:80")
	req.URL.Path, req.URL.RawQuery, req.Host = "/apis/team/a/private", "also=private", "localhost"
	f.ServeHTTP(httptest.NewRecorder(), req)
	s := log.String()
	for _, want := range []string{"status=200", "document=team/a", "request_id=" + id, "duration="} {
		if !strings.Contains(s, want) {
			t.Errorf("no %s in %s", want, s)
		}
	}
	if id == "" || strings.Contains(s, "private") {
		t.Errorf("request %q is recorded as %s", id, s)
	}
}

// arrivedAt makes a request on a connection to an address of this machine.
func arrivedAt(t *testing.T, local string) *http.Request {
	t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
}

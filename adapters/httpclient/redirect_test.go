package httpclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

func TestRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := server(t, func(http.ResponseWriter, *http.Request) { t.Error("another origin was called") })
	var srv *httptest.Server
	srv = server(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/1": "/2?a=%2F", "/2": "3", "/3": "/end%2Fx?q=1#frag", "/0": "/1",
			"/loop": "/loop", "/abs": strings.Replace(srv.URL, "http:", "HTTP:", 1) + "/end%2Fx?q=1",
			"/other": elsewhere.URL + "/", "/scheme": strings.Replace(srv.URL, "http:", "https:", 1) + "/",
			"/user": strings.Replace(srv.URL, "//", "//u:p@", 1) + "/", "/broken": "http://%zz/", "/none": "",
		}
		location, ok := to[r.URL.Path]
		if !ok {
			_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" "+r.Header.Get("Authorization"))
			return
		}
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, "moved")
	})
	c := newClient(t, httpclient.Options{})
	for _, tc := range []struct {
		method, target string
		status         int
		body           string
		attempts       int
	}{
		{"GET", "/1", 200, "GET /end%2Fx?q=1 Bearer t", 4},
		{"HEAD", "/1", 200, "", 4},
		{"GET", "/abs", 200, "GET /end%2Fx?q=1 Bearer t", 2},
		{"GET", "/0", 302, "moved", 4}, // one too many
		{"GET", "/loop", 302, "moved", 4},
		{"POST", "/1", 302, "moved", 1},
		{"PUT", "/1", 302, "moved", 1},
		{"DELETE", "/1", 302, "moved", 1},
		{"GET", "/other", 302, "moved", 1},
		{"GET", "/scheme", 302, "moved", 1},
		{"GET", "/user", 302, "moved", 1},
		{"GET", "/broken", 302, "moved", 1},
		{"GET", "/none", 302, "moved", 1},
	} {
		t.Run(tc.method+tc.target, func(t *testing.T) {
			t.Parallel()
			resp, body := do(t, c, request(t, tc.method, srv.URL, tc.target, "Authorization", "Bearer t"))
			if resp.Status != tc.status || body != tc.body || resp.Attempts != tc.attempts {
				t.Errorf("%d %q after %d requests, want %d %q after %d", resp.Status, body, resp.Attempts, tc.status, tc.body, tc.attempts)
			}
		})
	}
	req := request(t, "GET", srv.URL, "/1")
	req.Body = plan.BytesBody([]byte("query"))
	if resp, _ := do(t, c, req); resp.Status != 302 {
		t.Errorf("a GET with content was redirected: %d", resp.Status)
	}
}

func TestRedirectKeepsSecretsOutOfOtherHosts(t *testing.T) {
	t.Parallel()
	base, _ := raw(t, "HTTP/1.1 307 Temporary Redirect\r\nLocation: //example.invalid/x\r\nContent-Length: 0\r\n\r\n")
	resp, _ := do(t, newClient(t, httpclient.Options{}), request(t, "GET", base, "/"))
	if resp.Status != 307 || resp.Get("Location") != "//example.invalid/x" {
		t.Errorf("%d %s", resp.Status, resp.Get("Location"))
	}
}

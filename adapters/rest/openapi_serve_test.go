package rest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"capd/adapters/rest"
	"capd/engine"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestOpenAPIText pins two whole descriptions.
func TestOpenAPIText(t *testing.T) {
	t.Parallel()
	for spec, golden := range map[string]string{
		"../../capabilities/telapi-call-tokens.yaml": "testdata/openapi/telapi-call-tokens.json",
		"testdata/openapi/depot.yaml":                "testdata/openapi/depot.json",
	} {
		loaded, err := engine.Load(t.Context(), engine.LoadOptions{Paths: []string{spec}})
		if err != nil {
			t.Fatal(err)
		}
		got := rest.OpenAPI(loaded.Plan.Units[0].Exposures[0], rest.OpenAPIOptions{Server: "https://api.example.com", Indent: true})
		if *update {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s; -update rewrites it:\n%s", spec, golden, got)
		}
	}
}

// TestOpenAPIIsServed: at the address of each adapter, for those who may call it, unless the
// document has something else there.
func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	d := serveDescribed(t, "testdata/openapi")
	for name, c := range map[string]struct {
		method, target, key string
		status              int
		body                string // begins with
	}{
		"the first adapter":                 {"GET", "/apis/depot/openapi.json", "", 200, `{"openapi":"3.1.0","info":{"title":"Depot","description":"The parcels of a depot","version":"2.1.0"},"servers":[{"url":"/apis/depot"}],`},
		"by its namespace":                  {"GET", "/apis/depot/api/openapi.json", "", 200, `{"openapi":"3.1.0","info":{"title":"Depot","description":"The parcels of a depot","version":"2.1.0"},"servers":[{"url":"/apis/depot/api"}],`},
		"another adapter":                   {"GET", "/apis/depot/guarded/openapi.json", callerKey, 200, `{"openapi":"3.1.0","info":{"title":"Depot","description":"Parcels and what happens to them","version":"2.1.0"},"servers":[{"url":"/apis/depot/guarded"}],"security":[{"guard":[]}],`},
		"without the credential":            {"GET", "/apis/depot/guarded/openapi.json", "", 401, ``},
		"with a wrong one":                  {"GET", "/apis/depot/guarded/openapi.json", "no", 401, ``},
		"HEAD":                              {"HEAD", "/apis/depot/openapi.json", "", 200, ``},
		"OPTIONS":                           {"OPTIONS", "/apis/depot/openapi.json", "", 204, ``},
		"POST":                              {"POST", "/apis/depot/openapi.json", "", 405, `{"type":"about:blank"`},
		"a route of the document":           {"GET", "/apis/depot/closed/openapi.json", callerKey, 200, `{}`},
		"the declared path":                 {"GET", "/openapi.json", callerKey, 200, `{}`},
		"a slash behind it":                 {"GET", "/apis/depot/openapi.json/", "", 404, `{"type":"about:blank"`},
		"a placeholder of the same adapter": {"GET", "/apis/depot/guarded/7", callerKey, 200, `{}`},
	} {
		req := d.request(t, c.method, c.target, "", nil)
		req.URL.RawQuery = ""
		req.Header = http.Header{}
		if c.key != "" {
			req.Header.Set("X-Caller-Key", c.key)
			req.Header.Set("Authorization", "Bearer "+c.key)
		}
		status, body := d.send(t, req)
		if status != c.status || !strings.HasPrefix(string(body), c.body) || c.method == "HEAD" && len(body) > 0 {
			t.Errorf("%s: %d %.200s", name, status, body)
		}
	}
}

// TestOpenAPIIsCachable: who has it already is told so.
func TestOpenAPIIsCachable(t *testing.T) {
	t.Parallel()
	d := serveDescribed(t, "testdata/openapi")
	get := func(condition string) *http.Response {
		req := d.request(t, "GET", "/apis/depot/openapi.json", "", nil)
		req.Header.Set("If-None-Match", condition)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	first := get("")
	etag := first.Header.Get("ETag")
	if first.StatusCode != 200 || len(etag) < 10 || first.Header.Get("Content-Type") != "application/json" || first.Header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("%d %v", first.StatusCode, first.Header)
	}
	for condition, want := range map[string]int{etag: 304, `"other", W/` + etag: 304, "*": 304, `"other"`: 200} {
		if got := get(condition); got.StatusCode != want || got.Header.Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d, want %d", condition, got.StatusCode, want)
		}
	}
}

// TestOpenAPISecurity: what callers must show, by the kind of authentication.
func TestOpenAPISecurity(t *testing.T) {
	t.Parallel()
	loaded, err := engine.Load(t.Context(), engine.LoadOptions{Paths: []string{"testdata/openapi/depot.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"api":     `{"authorization":{"type":"apiKey","description":"Sent to the operation as an input.","name":"Authorization","in":"header"}}`,
		"guarded": `{"guard":{"type":"apiKey","name":"X-Caller-Key","in":"header"}}`,
		"named":   `{"guard":{"type":"apiKey","description":"Its name is configured where this is served.","name":"configured","in":"query"}}`,
		"closed":  `{"guard":{"type":"http","scheme":"bearer"}}`,
	}
	for _, x := range loaded.Plan.Units[0].Exposures {
		var doc struct {
			Components struct{ SecuritySchemes json.RawMessage }
		}
		if err := json.Unmarshal(rest.OpenAPI(x, rest.OpenAPIOptions{}), &doc); err != nil {
			t.Fatal(err)
		}
		if got := string(doc.Components.SecuritySchemes); got != want[x.Namespace] {
			t.Errorf("%s: %s, want %s", x.Namespace, got, want[x.Namespace])
		}
	}
}

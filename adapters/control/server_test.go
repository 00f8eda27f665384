package control_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"capd/adapters/control"
	"capd/engine/plan"
)

// ask makes a request and gives the status and the body.
func ask(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func serve(t *testing.T, o control.ServerOptions) string {
	t.Helper()
	s := httptest.NewServer(control.NewServer(o))
	t.Cleanup(s.Close)
	return s.URL
}

// TestReadiness: what makes the process ready and what does not.
func TestReadiness(t *testing.T) {
	t.Parallel()
	doc := func(state string) control.Document {
		return control.Document{ID: "d", State: state, Codes: []string{"yaml"}}
	}
	for _, tt := range []struct {
		name  string
		facts control.Facts
		code  int
		body  string
	}{
		{"starting", control.Facts{}, 503, `{"status":"DOWN","reason":"starting","serial":0,"documents":{"served":0,"stale":0,"refused":0}}`},
		{
			"serving", known(control.Serving, 1, doc("served")), 200,
			`{"status":"UP","serial":1,"documents":{"served":1,"stale":0,"refused":0}}`,
		},
		{
			"one of two", known(control.Serving, 2, doc("served"), doc("refused")), 200,
			`{"status":"DEGRADED","serial":2,"documents":{"served":1,"stale":0,"refused":1},"refused":[{"id":"d","codes":["yaml"]}]}`,
		},
		{
			"only stale", known(control.Serving, 2, doc("stale")), 200,
			`{"status":"DEGRADED","serial":2,"documents":{"served":0,"stale":1,"refused":0},"stale":[{"id":"d","codes":["yaml"]}]}`,
		},
		{
			"nothing", known(control.Serving, 2, doc("refused")), 503,
			`{"status":"DOWN","reason":"nothing-served","serial":2,"documents":{"served":0,"stale":0,"refused":1},"refused":[{"id":"d","codes":["yaml"]}]}`,
		},
		{
			"stopping", known(control.Stopping, 2, doc("served")), 503,
			`{"status":"DOWN","reason":"stopping","serial":2,"documents":{"served":1,"stale":0,"refused":0}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, control.ServerOptions{Facts: func() control.Facts { return tt.facts }})
			resp, body := ask(t, "GET", url+"/health/ready", "")
			if resp.StatusCode != tt.code || body != tt.body+"\n" {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.code, tt.body)
			}
			if resp, body := ask(t, "HEAD", url+"/health/ready", ""); resp.StatusCode != tt.code || body != "" {
				t.Errorf("HEAD: %d %q", resp.StatusCode, body)
			}
			if resp, body := ask(t, "GET", url+"/health/live", ""); resp.StatusCode != 200 || body != `{"status":"UP"}`+"\n" {
				t.Errorf("live: %d %s", resp.StatusCode, body)
			}
		})
	}
}

// TestMoreHandlers: what is plugged in stands behind the token, as all but health does.
func TestMoreHandlers(t *testing.T) {
	t.Parallel()
	url := serve(t, control.ServerOptions{
		Facts: func() control.Facts { return control.Facts{} },
		Token: func() plan.Secret { return plan.NewSecret("key") },
		Handlers: map[string]http.Handler{"/metrics": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "up 1\n")
		})},
	})
	if resp, _ := ask(t, "GET", url+"/metrics", ""); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without the token: %d", resp.StatusCode)
	}
	if resp, body := ask(t, "GET", url+"/metrics", "", "Authorization", "Bearer key"); resp.StatusCode != 200 || body != "up 1\n" {
		t.Errorf("with the token: %d %s", resp.StatusCode, body)
	}
	if resp, _ := ask(t, "POST", url+"/reload", "", "Authorization", "Bearer key"); resp.StatusCode != 404 {
		t.Errorf("what is not given is not there: %d", resp.StatusCode)
	}
	empty := serve(t, control.ServerOptions{Facts: func() control.Facts { return control.Facts{} }, Token: func() plan.Secret { return plan.Secret{} }})
	if resp, _ := ask(t, "GET", empty+"/status", "", "Authorization", "Bearer "); resp.StatusCode != 401 {
		t.Errorf("an empty token lets in: %d", resp.StatusCode)
	}
}

// TestProfiles: what `go tool pprof` reads is there behind the token, and nothing else that
// net/http/pprof has.
func TestProfiles(t *testing.T) {
	t.Parallel()
	url := serve(t, control.ServerOptions{Token: func() plan.Secret { return plan.NewSecret("key") }})
	if resp, _ := ask(t, "GET", url+"/debug/pprof/heap", ""); resp.StatusCode != 401 {
		t.Errorf("without the token: %s", resp.Status)
	}
	for path, want := range map[string]int{
		"heap": 200, "allocs": 200, "goroutine": 200, "profile?seconds=1": 200, "mutex?seconds=1": 200,
		"mutex": 400, "block": 400, "profile?seconds=0": 400, "profile?seconds=1e9": 400, "heap?seconds=-1": 400,
		"cmdline": 404, "": 404, "trace": 404, "symbol": 404,
	} {
		resp, body := ask(t, "GET", url+"/debug/pprof/"+path, "", "Authorization", "Bearer key")
		if resp.StatusCode != want || want == 200 && !strings.HasPrefix(body, "\x1f\x8b") { // a profile is packed by gzip
			t.Errorf("%s: %s, %d bytes, want %d", path, resp.Status, len(body), want)
		}
	}
}

// TestValidateIsBounded: while one text is validated another has to wait.
func TestValidateIsBounded(t *testing.T) {
	t.Parallel()
	url := serve(t, control.ServerOptions{
		Facts:   func() control.Facts { return control.Facts{} },
		MaxText: 10,
		Validate: func(_ context.Context, _ string, text []byte) (json.RawMessage, bool, error) {
			if string(text) == "busy" {
				return nil, false, control.ErrBusy
			}
			return json.RawMessage(`{}`), string(text) == "bad", nil
		},
	})
	for text, want := range map[string]int{"good": 200, "bad": 422, "busy": 429, "0123456789": 200, "01234567890": 413} {
		if resp, body := ask(t, "POST", url+"/validate", text); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", text, resp.StatusCode, body, want)
		}
	}
}

// TestUptime: the duration is one of ISO 8601.
func TestUptime(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]string{0: `"PT0S"`, 90 * time.Minute: `"PT1H30M`, 50 * time.Hour: `"PT50H`} {
		url := serve(t, control.ServerOptions{Facts: func() control.Facts { return control.Facts{} }, Started: time.Now().Add(-ago)})
		if _, body := ask(t, "GET", url+"/status", ""); ago > 0 && !strings.Contains(body, `"uptime":`+want) {
			t.Errorf("%v: %s", ago, body)
		}
	}
}

// known are facts of some documents.
func known(phase control.Phase, serial uint64, docs ...control.Document) control.Facts {
	f := control.Facts{Phase: phase, Serial: serial, Documents: func() []control.Document { return docs }}
	for _, d := range docs {
		switch d.State {
		case control.StateServed:
			f.Counts.Served++
		case control.StateStale:
			f.Counts.Stale++
		default:
			f.Counts.Refused++
		}
	}
	return f
}

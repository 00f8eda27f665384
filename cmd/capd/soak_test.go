//go:build unix

package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"capd/adapters/porttest"
)

// soakSpec answers with its own edition, so that half a change would be seen: the mapped value and
// the constant belong together.
const soakSpec = `naftiko: 1.0.0-alpha2
binds: [{ namespace: env, keys: { UPSTREAM: UPSTREAM } }]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources: [{ path: /edition/EDITION, operations: [{ name: get, method: GET }, { name: add, method: POST }] }]
  exposes:
  - type: rest
    namespace: api
    resources:
    - { path: /whole, operations: [{ name: whole, method: GET, call: up.get }] }
    - path: /mapped
      operations: [{ name: mapped, method: GET, call: up.get, outputParameters: [{ name: a, type: string, mapping: $.id }, { name: b, type: string, value: 'EDITION' }] }]
    - { path: /add, operations: [{ name: add, method: POST, call: up.add }] }
  - type: mcp
    namespace: tools
    tools: [{ name: get, description: Get, call: up.get, outputParameters: [{ name: a, type: string, mapping: $.id }, { name: b, type: string, value: 'EDITION' }] }]
`

// TestSoak serves for a long time, at full load, while documents change and come and go and
// upstreams of others fail. CAPD_SOAK_CALLS says how long: a million calls are some minutes.
// Without it there are a few thousand, which keep the test itself in order.
func TestSoak(t *testing.T) {
	calls := int64(4000)
	if n, err := strconv.ParseInt(os.Getenv("CAPD_SOAK_CALLS"), 10, 64); err == nil {
		calls = n
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":%q,"filler":%q}`, filepath.Base(r.URL.Path), strings.Repeat("x", 900))
	}))
	t.Cleanup(up.Close)
	w := &world{hostile: newHostileUpstream(t)}
	w.hostile.fates = fates(up.URL)
	delete(w.hostile.fates, "silent") // it only waits
	dir := t.TempDir()
	for name := range w.hostile.fates {
		writeSpec(t, filepath.Join(dir, "bad-"+name+".yaml"), strings.ReplaceAll(faultSpec, "FATE", name))
	}
	const healthy = 20
	edit := func(doc, edition int) {
		file := filepath.Join(dir, fmt.Sprintf("good-%d.yaml", doc))
		writeSpec(t, file+".new", strings.ReplaceAll(soakSpec, "EDITION", fmt.Sprintf("e%d-%d", doc, edition)))
		if err := os.Rename(file+".new", file); err != nil {
			t.Error(err)
		}
	}
	for doc := range healthy {
		edit(doc, 0)
	}
	control := porttest.Reserve(t)
	w.control = "http://" + control
	w.process = spawn(t, []string{"UPSTREAM=" + up.URL, "HOSTILE=http://" + w.hostile.Addr().String()},
		"--control-address", control, "--watch", "off", "--log-level", "error", "--max-upstream-body", "1MiB", dir)
	go func() { // nobody reads the log
		for range w.events {
		}
	}()

	var made, failed, reloads atomic.Int64
	fail := func(format string, args ...any) {
		if failed.Add(1) < 20 {
			t.Errorf(format, args...)
		}
	}
	enough := func() bool { return made.Load() >= calls }
	var clients sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	for n := range 24 {
		clients.Go(func() {
			for i := n; !enough(); i++ {
				made.Add(1)
				base := fmt.Sprintf("%s/apis/good-%d", w.url, i%healthy)
				switch i % 3 {
				case 0:
					soakCall(fail, transport, "GET", base+"/whole", false)
				case 1:
					soakCall(fail, transport, "GET", base+"/mapped", true)
				case 2:
					soakCall(fail, transport, "POST", base+"/add", false)
				}
			}
		})
	}
	for n := range 6 {
		clients.Go(func() {
			for i := n; !enough(); i++ { // each session lives for some calls
				w.soakSession(fail, &made, fmt.Sprintf("%s/mcp/good-%d", w.url, i%healthy), n%2 == 0)
			}
		})
	}
	for n := range 2 {
		clients.Go(func() {
			names := slices.Sorted(maps.Keys(w.hostile.fates))
			for i := n; !enough(); i++ {
				fateOf(t, "GET", w.url+"/apis/bad-"+names[i%len(names)]+"/mapped")
			}
		})
	}
	clients.Go(func() {
		for edition := 1; !enough(); edition++ {
			edit(edition%healthy, edition)
			extra := filepath.Join(dir, "extra.yaml")
			if edition%2 == 0 {
				writeSpec(t, extra, "naftiko: [")
			} else {
				_ = os.Remove(extra)
			}
			if a := call(t, "POST", w.control+"/reload", ""); a.Status != http.StatusOK {
				fail("reload: %d %s", a.Status, a.Body)
			}
			reloads.Add(1)
		}
	})
	resident := make([]float64, 0, 5)
	for part := int64(1); part <= 4; part++ {
		for made.Load() < calls*part/4 && made.Load() < calls {
			call(t, "GET", w.control+"/health/ready", "")
		}
		resident = append(resident, w.resident(t))
	}
	clients.Wait()
	t.Logf("%d calls, %d of them failed, %d reloads; resident MiB after each quarter: %.0f", made.Load(), failed.Load(), reloads.Load(), resident)
	if calls >= 100_000 && resident[3] > resident[0]*1.25 {
		t.Errorf("the resident memory grew from %.0f to %.0f MiB", resident[0], resident[3])
	}
	w.signal(t, syscall.SIGTERM)
	if code := until(t, w.exit, "the end"); code != exitOK {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// soakCall makes a call and wants its one right answer.
func soakCall(fail func(string, ...any), rt http.RoundTripper, method, url string, mapped bool) {
	req, err := http.NewRequest(method, url, http.NoBody)
	if err != nil {
		fail("%v", err)
		return
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		fail("%s %s: %v", method, url, err)
		return
	}
	defer resp.Body.Close()
	body := new(strings.Builder)
	if err := resp.Write(body); err != nil || resp.StatusCode != http.StatusOK {
		fail("%s %s: %s %v %s", method, url, resp.Status, err, body)
	} else if mapped && !sameEdition(body.String()) {
		fail("%s %s: half a change: %s", method, url, body)
	}
}

// sameEdition reports whether {"a":"X","b":"X"} stands in text.
func sameEdition(text string) bool {
	_, rest, ok := strings.Cut(text, `{"a":"`)
	a, rest, ok2 := strings.Cut(rest, `","b":"`)
	b, _, ok3 := strings.Cut(rest, `"}`)
	return ok && ok2 && ok3 && a == b
}

// soakSession is a client of MCP that lists and calls.
func (w *world) soakSession(fail func(string, ...any), made *atomic.Int64, url string, older bool) {
	ctx := context.Background()
	client := sdk.NewClient(&sdk.Implementation{Name: "soak", Version: "1"}, nil)
	transport := &sdk.StreamableClientTransport{Endpoint: url, DisableStandaloneSSE: !older}
	session, err := client.Connect(ctx, transport, nil)
	if err != nil {
		fail("%s: %v", url, err)
		return
	}
	defer session.Close()
	for range 20 {
		made.Add(1)
		if _, err := session.ListTools(ctx, nil); err != nil {
			fail("%s: list: %v", url, err)
			return
		}
		res, err := session.CallTool(ctx, &sdk.CallToolParams{Name: "get"})
		if err != nil || res.IsError || len(res.Content) != 1 {
			fail("%s: call: %v %+v", url, err, res)
			return
		}
		if text, ok := res.Content[0].(*sdk.TextContent); !ok || !sameEdition(text.Text) {
			fail("%s: half a change: %+v", url, res.Content[0])
		}
	}
}

// resident gives the resident memory of the process in MiB.
func (w *world) resident(t *testing.T) float64 {
	t.Helper()
	for line := range strings.Lines(call(t, "GET", w.control+"/metrics", "").Body) {
		if text, ok := strings.CutPrefix(line, "process_resident_memory_bytes "); ok {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return bytes / (1 << 20)
		}
	}
	t.Fatal("the metrics do not tell the resident memory")
	return 0
}

//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/adapters/porttest"
)

// TestIdleConnections: five hundred connections that say nothing, or half a header, keep nobody
// out of a process that may have 64 files. Callers come with new connections and with kept ones,
// each of their calls goes upstream, and the control address answers, with as many at its door.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"said":"hello"}`)
	}))
	t.Cleanup(upstream.Close)
	control := porttest.Reserve(t)
	few := []string{"sh", "-c", `ulimit -n 64; exec capd "$@"`, "capd"}
	p := spawnBy(t, []string{"UPSTREAM=" + upstream.URL}, few, "--control-address", control, "--watch", "off", specFile(t, "flood.yaml", saysSpec("flood", "hello", "8080")))

	flood := func(addr string, n int) {
		for i := range n {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if i%2 == 1 {
				_, _ = io.WriteString(conn, "GET /flood HTTP/1.1\r\nHost: 127") // it may be closed already
			}
		}
	}
	first, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	get := func(c *http.Client, url string) string {
		t.Helper()
		resp, err := c.Get(url)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s %v", url, resp.Status, body, err)
		}
		return string(body)
	}
	for range 50 {
		flood(strings.TrimPrefix(p.url, "http://"), 10)
		flood(control, 2)
		get(fresh, p.url+"/flood")
		get(kept, p.url+"/flood")
		get(fresh, "http://"+control+"/health/ready")
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("the connection that waited longest was given something to read")
	}
	for _, want := range []string{`capd_connections{state="active"} 0`, `capd_connections{state="idle"} 2`} {
		// A call has its answer before its connection is idle.
		eventually(t, want, func() bool { return strings.Contains(get(fresh, "http://"+control+"/metrics"), want) })
	}
}

// TestMoreCallsThanConnections: who calls while every connection has a call waits for one that
// ends, whose answer says that its connection does. No call is cut off.
func TestMoreCallsThanConnections(t *testing.T) {
	t.Parallel()
	asked, free := make(chan struct{}, 10), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-free
		_, _ = io.WriteString(w, `{"said":"hello"}`)
	}))
	t.Cleanup(upstream.Close)
	i := start(t, []string{"UPSTREAM=" + upstream.URL}, "--max-connections", "2", specFile(t, "few.yaml", saysSpec("few", "hello", "8080")))
	answers := make(chan string, 5)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for range 5 {
		go func() {
			resp, err := client.Get(i.url + "/few")
			if err != nil {
				answers <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			answers <- fmt.Sprint(resp.StatusCode, " ", string(body), " ", err)
		}()
	}
	until(t, asked, "the first call")
	until(t, asked, "the second call")
	close(free)
	for range 5 {
		if got := until(t, answers, "an answer"); got != `200 {"one":"hello","two":"hello","own":"hello"} <nil>` {
			t.Error(got)
		}
	}
}

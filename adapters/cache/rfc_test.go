package cache_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

// TestFreshness says of answers by their headers whether a second request is answered by what
// was kept, some time later (RFC 9111 sections 3, 4.2 and 5).
func TestFreshness(t *testing.T) {
	t.Parallel()
	shared := func(r *plan.Resilience) { r.Cache.Shared = true }
	ttl := func(r *plan.Resilience) { r.Cache.TTL = time.Minute }
	for _, test := range []struct {
		name   string
		header string // of the answer, lines; {+10} is a date in 10 seconds
		after  time.Duration
		kept   bool
		rule   func(*plan.Resilience)
		status int
	}{
		{name: "says nothing"},
		{name: "max-age", header: "Cache-Control: max-age=10", kept: true},
		{name: "max-age, not yet over", header: "Cache-Control: max-age=10", after: 9 * time.Second, kept: true},
		{name: "max-age, over", header: "Cache-Control: max-age=10", after: 10 * time.Second},
		{name: "max-age 0", header: "Cache-Control: max-age=0"},
		{name: "max-age, quoted", header: `Cache-Control: max-age="10"`, kept: true},
		{name: "max-age, capitals", header: "cache-control: MaX-aGe=10", kept: true},
		{name: "max-age, negative", header: "Cache-Control: max-age=-1"},
		{name: "max-age, no number", header: "Cache-Control: max-age=10a"},
		{name: "max-age, decimal", header: "Cache-Control: max-age=10.0"},
		{name: "max-age, in single quotes", header: "Cache-Control: max-age='10'"},
		{name: "max-age, without a value", header: "Cache-Control: max-age"},
		{name: "max-age, huge", header: "Cache-Control: max-age=99999999999999999999999", after: 23 * time.Hour, kept: true},
		{name: "max-age twice", header: "Cache-Control: max-age=100, max-age=10", after: 20 * time.Second},
		{name: "max-age in two fields", header: "Cache-Control: max-age=100\nCache-Control: max-age=10", after: 20 * time.Second},
		{name: "max-age in another's value", header: `Cache-Control: a="max-age=10"`},
		{name: "max-age behind another's value", header: `Cache-Control: a="b, \"c", max-age=10`, kept: true},
		{name: "max-age among what nobody knows", header: "Cache-Control: ,, foo=bar ,max-age=10 , foo", kept: true},
		{name: "max-age beats Expires", header: "Cache-Control: max-age=10\nExpires: {-10}", kept: true},
		{name: "max-age 0 beats Expires", header: "Cache-Control: max-age=0\nExpires: {+10}"},
		{name: "no-store", header: "Cache-Control: no-store, max-age=10"},
		{name: "no-store in a second field", header: "Cache-Control: max-age=10\nCache-Control: no-store"},
		{name: "no-store with spaces", header: "Cache-Control: max-age=10,  NO-STORE  "},
		{name: "no-cache", header: "Cache-Control: no-cache, max-age=10"},
		{name: "no-cache of a field", header: `Cache-Control: no-cache="a", max-age=10`},
		{name: "private", header: "Cache-Control: private, max-age=10", kept: true},
		{name: "private, shared", header: "Cache-Control: private, max-age=10", rule: shared},
		{name: "s-maxage is for shared caches", header: "Cache-Control: s-maxage=10"},
		{name: "s-maxage, shared", header: "Cache-Control: s-maxage=10", rule: shared, kept: true},
		{name: "s-maxage beats max-age, shared", header: "Cache-Control: s-maxage=0, max-age=10", rule: shared},
		{name: "s-maxage beats max-age, longer, shared", header: "Cache-Control: s-maxage=10, max-age=0", rule: shared, kept: true},
		{name: "Expires", header: "Expires: {+10}", kept: true},
		{name: "Expires, over", header: "Expires: {+10}", after: 11 * time.Second},
		{name: "Expires, in the past", header: "Expires: {-10}"},
		{name: "Expires 0", header: "Expires: 0"},
		{name: "Expires, no date", header: "Expires: tomorrow"},
		{name: "Age", header: "Cache-Control: max-age=10\nAge: 5", after: 4 * time.Second, kept: true},
		{name: "Age, over", header: "Cache-Control: max-age=10\nAge: 5", after: 5 * time.Second},
		{name: "Age, too old", header: "Cache-Control: max-age=10\nAge: 20"},
		{name: "Age, no number", header: "Cache-Control: max-age=10\nAge: old", kept: true},
		{name: "Date in the past", header: "Cache-Control: max-age=10\nDate: {-20}"},
		{name: "Date in the past, Expires", header: "Expires: {+10}\nDate: {-20}", after: 9 * time.Second, kept: true},
		{name: "Date in the future", header: "Cache-Control: max-age=10\nDate: {+20}", kept: true},
		{name: "no Date", header: "Cache-Control: max-age=10\nDate: never", kept: true},
		{name: "Last-Modified is no reason", header: "Last-Modified: {-100000}"},
		{name: "the document's time", rule: ttl, kept: true},
		{name: "the document's time, over", rule: ttl, after: time.Minute},
		{name: "the document's time does not beat the answer", rule: ttl, header: "Cache-Control: max-age=1", after: 2 * time.Second},
		{name: "the document's time and no-cache", rule: ttl, header: "Cache-Control: no-cache"},
		{name: "the document's time and no-store", rule: ttl, header: "Cache-Control: no-store"},
		{name: "the document's time and Expires 0", rule: ttl, header: "Expires: 0"},
		{name: "the document's time and 404", rule: ttl, status: 404},
		{name: "the document's time and 410", rule: ttl, status: 410, kept: true},
		{name: "the document's time and 500", rule: ttl, status: 500},
		{name: "the document's time and 302", rule: ttl, status: 302},
		{name: "the document's time and 301", rule: ttl, status: 301, kept: true},
		{name: "Vary", header: "Cache-Control: max-age=10\nVary: Accept, X-Other", kept: true},
		{name: "Vary *", header: "Cache-Control: max-age=10\nVary: *"},
		{name: "Vary * among others", header: "Cache-Control: max-age=10\nVary: Accept, *"},
		{name: "Content-Range", header: "Cache-Control: max-age=10\nContent-Range: bytes 0-1/2"},
		{name: "Pragma says nothing of answers", header: "Cache-Control: max-age=10\nPragma: no-cache", kept: true},
		{name: "an event stream", header: "Cache-Control: max-age=10\nContent-Type: text/event-stream; charset=utf-8"},
		{name: "203", header: "Cache-Control: max-age=10", status: 203, kept: true},
		{name: "299", header: "Cache-Control: max-age=10", status: 299, kept: true},
		{name: "404", header: "Cache-Control: max-age=10", status: 404, kept: true},
		{name: "302", header: "Cache-Control: max-age=10", status: 302, kept: true},
		{name: "206", header: "Cache-Control: max-age=10", status: 206},
		{name: "401", header: "Cache-Control: max-age=10", status: 401},
		{name: "429", header: "Cache-Control: max-age=10", status: 429},
		{name: "500", header: "Cache-Control: max-age=10", status: 500},
		{name: "503", header: "Cache-Control: max-age=10", status: 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rule := keeps()
			if test.rule != nil {
				test.rule(&rule)
			}
			var b *bench
			b = newBench(t, rule, func(w http.ResponseWriter, _ *http.Request, n int) {
				for line := range strings.SplitSeq(test.header, "\n") {
					if name, value, ok := strings.Cut(line, ": "); ok {
						if name == "Date" {
							w.Header().Del("Date")
						}
						w.Header().Add(name, b.dated(value))
					}
				}
				w.WriteHeader(max(test.status, 200))
				_, _ = fmt.Fprint(w, "answer ", n)
			})
			first := b.get("/a")
			b.pass(test.after)
			second := b.get("/a")
			if kept := b.reached() == 1; kept != test.kept {
				t.Errorf("kept: %t, want %t", kept, test.kept)
			}
			if want := map[bool]string{true: first.body, false: "answer 1"}[test.kept]; second.body != want || second.status != max(test.status, 200) {
				t.Errorf("got %d %q, want %q", second.status, second.body, want)
			}
			if hit := strings.HasPrefix(second.get("Cache-Status"), "capd; hit"); hit != test.kept {
				t.Errorf("Cache-Status: %s", second.get("Cache-Status"))
			}
		})
	}
}

// dated replaces {+10} by the date in 10 seconds.
func (b *bench) dated(value string) string {
	var seconds int
	if n, _ := fmt.Sscanf(value, "{%d}", &seconds); n == 1 {
		return b.httpDate(time.Duration(seconds) * time.Second)
	}
	return value
}

// TestWishes says what a request may want of what is kept (RFC 9111 section 5.2.1).
func TestWishes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header string
		after  time.Duration
		kept   bool
		status int
	}{
		{header: "Cache-Control: max-age=100", kept: true},
		{header: "Cache-Control: max-age=5", after: 6 * time.Second},
		{header: "Cache-Control: max-age=0", after: time.Second},
		{header: "Cache-Control: min-fresh=5", kept: true},
		{header: "Cache-Control: min-fresh=5", after: 6 * time.Second},
		{header: "Cache-Control: max-stale=5", after: 14 * time.Second, kept: true},
		{header: "Cache-Control: max-stale=5", after: 16 * time.Second},
		{header: "Cache-Control: max-stale", after: 30 * time.Minute, kept: true},
		{header: "Cache-Control: no-cache"},
		{header: "Cache-Control: no-store"},
		{header: "Pragma: no-cache"},
		{header: "Cache-Control: only-if-cached", kept: true},
		{header: "Cache-Control: only-if-cached", after: time.Minute, kept: true, status: 504},
	} {
		t.Run(fmt.Sprint(test.header, " after ", test.after), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, keeps(), numbered("Cache-Control: max-age=10", `ETag: "x"`))
			b.get("/a")
			b.pass(test.after)
			got := b.get("/a", test.header)
			if kept := b.reached() == 1; kept != test.kept {
				t.Errorf("kept: %t, want %t", kept, test.kept)
			}
			if want := max(test.status, 200); got.status != want {
				t.Errorf("got %d, want %d", got.status, want)
			}
		})
	}
}

func TestOnlyIfCachedWithoutAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), numbered())
	if got := b.get("/a", "Cache-Control: only-if-cached"); got.status != 504 || b.reached() != 0 {
		t.Errorf("got %d after %d requests", got.status, b.reached())
	}
}

func TestRevalidation(t *testing.T) {
	t.Parallel()
	const modified = "Thu, 01 Jan 2026 00:00:00 GMT"
	b := newBench(t, keeps(), func(w http.ResponseWriter, r *http.Request, n int) {
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Last-Modified", modified)
		w.Header().Set("X-Count", fmt.Sprint(n))
		if r.Header.Get("If-None-Match") == `"one"` {
			w.Header().Set("Content-Type", "nonsense/of-a-304")
			w.WriteHeader(304)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprint(w, "answer ", n)
	})
	b.get("/a")
	b.pass(11 * time.Second)
	got := b.get("/a")
	if b.reached() != 2 || b.last().Header.Get("If-None-Match") != `"one"` || b.last().Header.Get("If-Modified-Since") != modified {
		t.Fatalf("%d requests, the last with %v", b.reached(), b.last().Header)
	}
	if got.status != 200 || got.body != "answer 0" || got.get("X-Count") != "1" || got.get("Content-Type") != "text/plain" || got.get("Age") != "0" {
		t.Errorf("got %+v, want the kept answer with the new headers", got)
	}
	if status := got.get("Cache-Status"); status != "capd; fwd=stale; fwd-status=304" {
		t.Errorf("Cache-Status: %s", status)
	}
	b.pass(9 * time.Second) // the 304 began the time again
	if got := b.get("/a"); got.body != "answer 0" || b.reached() != 2 || got.get("Age") != "9" {
		t.Errorf("got %+v after %d requests", got, b.reached())
	}
}

func TestRevalidationFindsAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), func(w http.ResponseWriter, _ *http.Request, n int) {
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
		_, _ = fmt.Fprint(w, "answer ", n)
	})
	b.get("/a")
	b.pass(time.Minute)
	if got := b.get("/a"); got.body != "answer 1" || got.get("Cache-Status") != "capd; fwd=stale; fwd-status=200" {
		t.Errorf("got %+v", got)
	}
	if got := b.get("/a"); got.body != "answer 1" || b.reached() != 2 {
		t.Errorf("got %+v after %d requests: the new answer is not kept", got, b.reached())
	}
}

// A 304 that speaks of another answer than the one that is kept must not be used.
func TestRevalidationOfAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), func(w http.ResponseWriter, r *http.Request, n int) {
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(304)
			return
		}
		_, _ = fmt.Fprint(w, "answer ", n)
	})
	b.get("/a")
	b.pass(time.Minute)
	if got := b.get("/a"); got.status != 200 || got.body != "answer 2" || b.reached() != 3 {
		t.Errorf("got %+v after %d requests", got, b.reached())
	}
}

func TestNoCacheIsRevalidated(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), func(w http.ResponseWriter, r *http.Request, n int) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", `W/"one"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(304)
			return
		}
		_, _ = fmt.Fprint(w, "answer ", n)
	})
	for range 3 {
		if got := b.get("/a"); got.body != "answer 0" || got.status != 200 {
			t.Errorf("got %+v", got)
		}
	}
	if b.reached() != 3 || b.last().Header.Get("If-None-Match") != `W/"one"` {
		t.Errorf("%d requests, the last with %v", b.reached(), b.last().Header)
	}
}

// What a caller has already is not sent again, whether the answer is kept or not.
func TestConditionsOfCallers(t *testing.T) {
	t.Parallel()
	const modified = "Thu, 01 Jan 2026 00:00:00 GMT"
	for _, test := range []struct {
		name, header string
		current      bool
	}{
		{"the tag", `If-None-Match: "one"`, true},
		{"the tag, weak", `If-None-Match: W/"one"`, true},
		{"the tag among others", `If-None-Match: "two", W/"three" , "one"`, true},
		{"any", "If-None-Match: *", true},
		{"another tag", `If-None-Match: "two"`, false},
		{"a tag that holds the tag", `If-None-Match: "x\"one\""`, false},
		{"no tag", "If-None-Match: one", false},
		{"the date", "If-Modified-Since: " + modified, true},
		{"a later date", "If-Modified-Since: Fri, 02 Jan 2026 00:00:00 GMT", true},
		{"an earlier date", "If-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT", false},
		{"no date", "If-Modified-Since: yesterday", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, keeps(), numbered("Cache-Control: max-age=10", `ETag: "one"`, "Last-Modified: "+modified, "Content-Type: text/plain"))
			for i := range 2 { // the first is asked of the upstream, the second is kept
				got := b.get("/a", test.header)
				want := map[bool]int{true: 304, false: 200}[test.current]
				if got.status != want || (got.body == "") != test.current || (got.get("Content-Type") == "") != test.current {
					t.Errorf("answer %d: %+v, want %d", i, got, want)
				}
				if got.get("ETag") != `"one"` || got.get("Cache-Control") == "" {
					t.Errorf("answer %d lacks headers: %v", i, got.header)
				}
			}
			if b.reached() != 1 || b.last().Header.Get("If-None-Match") != "" || b.last().Header.Get("If-Modified-Since") != "" {
				t.Errorf("%d requests, the last with %v", b.reached(), b.last().Header)
			}
			if got := b.get("/a"); got.status != 200 || got.body != "answer 0" || b.reached() != 1 {
				t.Errorf("without a condition: %+v after %d requests", got, b.reached())
			}
		})
	}
}

// What is not kept is asked for as the caller asks, once that is known.
func TestConditionsOfWhatIsNotKept(t *testing.T) {
	t.Parallel()
	for _, coalesce := range []bool{false, true} {
		rule := keeps()
		rule.Coalesce = coalesce
		b := newBench(t, rule, func(w http.ResponseWriter, r *http.Request, n int) {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("ETag", `"one"`)
			if r.Header.Get("If-None-Match") == `"one"` {
				w.WriteHeader(304)
				return
			}
			_, _ = fmt.Fprint(w, "answer ", n)
		})
		for i := range 3 {
			if got := b.get("/a", `If-None-Match: "one"`); got.status != 304 || got.body != "" {
				t.Errorf("got %+v", got)
			}
			if asked := b.last().Header.Get("If-None-Match") != ""; asked != (i > 0) {
				t.Errorf("request %d: the upstream got %v", i, b.last().Header)
			}
		}
		if got := b.get("/a"); got.status != 200 || got.body != "answer 3" {
			t.Errorf("got %+v", got)
		}
		b.pass(time.Hour)
		b.get("/a", `If-None-Match: "one"`)
		if b.last().Header.Get("If-None-Match") != "" || b.reached() != 5 {
			t.Errorf("after an hour it is not tried again")
		}
	}
}

// A tag beats a date (RFC 9110 section 13.1.3).
func TestTagBeatsDate(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), numbered("Cache-Control: max-age=10", `ETag: "one"`, "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"))
	if got := b.get("/a", `If-None-Match: "two"`, "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"); got.status != 200 {
		t.Errorf("got %d", got.status)
	}
}

// Parts and preconditions are the upstream's.
func TestBypass(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Range: bytes=0-1", `If-Range: "one"`, `If-Match: "one"`, "If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT", "Cache-Control: no-store"} {
		t.Run(header, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, keeps(), func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Cache-Control", "max-age=10")
				if r.Header.Get("Range") != "" {
					w.WriteHeader(206)
				}
				_, _ = fmt.Fprint(w, "answer ", n)
			})
			name, value, _ := strings.Cut(header, ": ")
			for i := range 2 {
				if got := b.get("/a", header); got.body != fmt.Sprint("answer ", i) || got.get("Cache-Status") != "capd; fwd=bypass" {
					t.Errorf("got %+v", got)
				}
				if b.last().Header.Get(name) != value {
					t.Errorf("the upstream got %v", b.last().Header)
				}
			}
			if got := b.get("/a"); got.body != "answer 2" {
				t.Errorf("what was asked with %s was kept: %+v", header, got)
			}
			if b.get("/a", header); b.reached() != 4 {
				t.Errorf("what is kept was given to %s", header)
			}
		})
	}
}

func TestInvalidation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, method, target string
		status               int
		header               string
		gone                 bool
	}{
		{name: "POST", method: "POST", target: "/a", gone: true},
		{name: "PUT", method: "PUT", target: "/a", gone: true},
		{name: "DELETE", method: "DELETE", target: "/a", status: 204, gone: true},
		{name: "PATCH", method: "PATCH", target: "/a", gone: true},
		{name: "a method nobody knows", method: "FROB", target: "/a", gone: true},
		{name: "of another query", method: "POST", target: "/a?all", gone: true},
		{name: "a redirect", method: "POST", target: "/a", status: 303, gone: true},
		{name: "a failure of the server", method: "POST", target: "/a", status: 502, gone: true},
		{name: "refused", method: "POST", target: "/a", status: 403},
		{name: "of another path", method: "POST", target: "/b"},
		{name: "OPTIONS", method: "OPTIONS", target: "/a"},
		{name: "HEAD", method: "HEAD", target: "/a"},
		{name: "Location", method: "POST", target: "/b", status: 201, header: "Location: /a", gone: true},
		{name: "Location, the whole URL", method: "POST", target: "/b", status: 201, header: "Location: http://HOST/a", gone: true},
		{name: "Content-Location", method: "POST", target: "/b", header: "Content-Location: a", gone: true},
		{name: "Location elsewhere", method: "POST", target: "/b", status: 201, header: "Location: http://other.example/a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, keeps(), func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Cache-Control", "max-age=1000")
				if r.Method != "GET" {
					if name, value, ok := strings.Cut(test.header, ": "); ok {
						w.Header().Set(name, strings.Replace(value, "HOST", r.Host, 1))
					}
					w.WriteHeader(max(test.status, 200))
					return
				}
				_, _ = fmt.Fprint(w, "answer ", n)
			})
			b.get("/a?q=1")
			b.pass(time.Second)
			b.do(b.request(test.method, test.target))
			before := b.reached()
			b.get("/a?q=1")
			if gone := b.reached() > before; gone != test.gone {
				t.Errorf("gone: %t, want %t", gone, test.gone)
			}
			before = b.reached()
			if b.get("/a?q=1"); b.reached() != before {
				t.Error("nothing is kept after the change any more")
			}
		})
	}
}

// An answer that was asked for before a change and comes in after it is not kept.
func TestInvalidationUnderWay(t *testing.T) {
	t.Parallel()
	asked, go1 := make(chan struct{}), make(chan struct{})
	b := newBench(t, keeps(), func(w http.ResponseWriter, r *http.Request, n int) {
		w.Header().Set("Cache-Control", "max-age=1000")
		if r.Method == "GET" && n == 0 {
			close(asked)
			<-go1
		}
		_, _ = fmt.Fprint(w, "answer ", n)
	})
	old := make(chan *reply)
	go func() { old <- b.get("/a") }()
	<-asked
	b.do(b.request("POST", "/a"))
	close(go1)
	if got := <-old; got.body != "answer 0" {
		t.Errorf("got %+v", got)
	}
	if got := b.get("/a"); got.body != "answer 2" {
		t.Errorf("the answer from before the change was kept: %+v", got)
	}
}

func TestHeadIsAnsweredFromGet(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), numbered("Cache-Control: max-age=10", `ETag: "one"`))
	b.do(b.request("HEAD", "/a"))
	if b.get("/a"); b.reached() != 2 {
		t.Error("what answered a HEAD was given to a GET")
	}
	if got := b.do(b.request("HEAD", "/a")); b.reached() != 2 || got.body != "" || got.get("ETag") != `"one"` {
		t.Errorf("got %+v after %d requests", got, b.reached())
	}
}

func TestStaleIfError(t *testing.T) {
	t.Parallel()
	window := func(r *plan.Resilience) { r.Cache.Stale = time.Minute }
	for _, test := range []struct {
		name, header string
		rule         func(*plan.Resilience)
		status       int // of the failure; 0: the connection breaks
		after        time.Duration
		stale        bool
	}{
		{name: "nobody allows it", status: 503},
		{name: "the document allows it", rule: window, status: 503, stale: true},
		{name: "no connection", rule: window, stale: true},
		{name: "500", rule: window, status: 500, stale: true},
		{name: "501 is an answer", rule: window, status: 501},
		{name: "404 is an answer", rule: window, status: 404},
		{name: "too old", rule: window, status: 503, after: 2 * time.Minute},
		{name: "the answer allows it", header: ", stale-if-error=60", status: 503, stale: true},
		{name: "the answer allows less", header: ", stale-if-error=5", rule: window, status: 503, after: 10 * time.Second},
		{name: "must-revalidate", header: ", must-revalidate", rule: window, status: 503},
		{name: "no-cache", header: ", no-cache", rule: window, status: 503},
		{name: "proxy-revalidate is for shared caches", header: ", proxy-revalidate", rule: window, status: 503, stale: true},
		{name: "proxy-revalidate, shared", header: ", proxy-revalidate", status: 503,
			rule: func(r *plan.Resilience) { window(r); r.Cache.Shared = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rule := keeps()
			if test.rule != nil {
				test.rule(&rule)
			}
			b := newBench(t, rule, func(w http.ResponseWriter, _ *http.Request, n int) {
				switch {
				case n == 0:
					w.Header().Set("Cache-Control", "max-age=10"+test.header)
					w.Header().Set("ETag", `"one"`)
				case test.status == 0:
					panic(http.ErrAbortHandler)
				default:
					w.WriteHeader(test.status)
				}
				_, _ = fmt.Fprint(w, "answer ", n)
			})
			b.get("/a")
			b.pass(11*time.Second + test.after)
			got, err := b.try(t.Context(), b.cache, b.request("GET", "/a"))
			if stale := err == nil && got.body == "answer 0"; stale != test.stale {
				t.Errorf("stale: %t, want %t (%+v, %v)", stale, test.stale, got, err)
			}
			if test.stale && (got.status != 200 || got.get("Age") != "11" || !strings.HasPrefix(got.get("Cache-Status"), "capd; fwd=stale")) {
				t.Errorf("got %+v", got)
			}
			if b.reached() < 2 {
				t.Error("the upstream was not asked")
			}
		})
	}
}

// The answer that took the place of a kept one is what counts, also if it is not kept itself.
func TestAnotherAnswerEndsTheKeptOne(t *testing.T) {
	t.Parallel()
	rule := keeps()
	rule.Cache.Stale = time.Hour
	b := newBench(t, rule, func(w http.ResponseWriter, _ *http.Request, n int) {
		switch n {
		case 0:
			w.Header().Set("Cache-Control", "max-age=10")
		case 1:
			w.WriteHeader(404)
		default:
			w.WriteHeader(503)
		}
		_, _ = fmt.Fprint(w, "answer ", n)
	})
	b.get("/a")
	b.pass(time.Minute)
	if got := b.get("/a"); got.status != 404 {
		t.Errorf("got %+v", got)
	}
	if got := b.get("/a"); got.status != 503 {
		t.Errorf("what is not there any more was given again: %+v", got)
	}
}

func TestAgeIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), numbered("Cache-Control: max-age=100", "Age: 7"))
	if got := b.get("/a"); got.get("Age") != "7" || got.get("Cache-Status") != "capd; fwd=uri-miss" {
		t.Errorf("got %v", got.header)
	}
	b.pass(30 * time.Second)
	if got := b.get("/a"); got.get("Age") != "37" || got.get("Cache-Status") != "capd; hit; ttl=62" {
		t.Errorf("got %v", got.header)
	}
}

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/cache"
	"capd/engine/plan"
	"capd/engine/spec"
)

// callOf gives a call of a document with that ID.
func callOf(t *testing.T, id string) *plan.Call {
	t.Helper()
	const text = `naftiko: "0.5"
capability:
  consumes:
    - {type: http, namespace: api, baseUri: http://api.test, resources: [{name: a, path: /a, operations: [{name: get, method: GET}]}]}
  exposes:
    - {type: api, port: 8080, namespace: x, resources: [{path: /a, operations: [{method: GET, call: api.get}]}]}
`
	doc, problems := spec.Parse(id+".yaml", []byte(text), spec.DefaultLimits)
	if doc == nil {
		t.Fatal(problems)
	}
	doc.ID = id
	unit, problems := plan.Compile(doc, nil)
	if unit == nil || len(unit.Exposures) != 1 || len(unit.Exposures[0].Routes) != 1 || unit.Exposures[0].Routes[0].Operation == nil {
		t.Fatal(problems)
	}
	return unit.Exposures[0].Routes[0].Operation.Calls()[0]
}

// TestKeys says of pairs of requests whether one may be given the answer to the other.
func TestKeys(t *testing.T) {
	t.Parallel()
	one, other := callOf(t, "one"), callOf(t, "other")
	secret := func(value string) plan.Secret { return plan.NewSecret(value) }
	for _, test := range []struct {
		name          string
		first, second func(*plan.Request)
		firstCaller   string
		secondCaller  string
		rule          func(*plan.Resilience)
		same          bool
	}{
		{name: "the same", same: true},
		{name: "another query", second: func(r *plan.Request) { r.Target = "/a?q=2" }},
		{name: "another path", second: func(r *plan.Request) { r.Target = "/b?q=1" }},
		{name: "another scope", second: func(r *plan.Request) { r.Resilience.Scope = "doc/other" }},
		{
			name:  "another document, whatever the scope",
			first: func(r *plan.Request) { r.Call = one }, second: func(r *plan.Request) { r.Call = other },
		},
		{name: "the same document", first: func(r *plan.Request) { r.Call = one }, second: func(r *plan.Request) { r.Call = one }, same: true},
		{name: "another header", second: func(r *plan.Request) { r.Header = append(r.Header, plan.Field{Name: "X-Other", Value: "1"}) }},
		{name: "another value of a header", second: func(r *plan.Request) { r.Header[0].Value = "fr" }},
		{name: "another spelling of a header", second: func(r *plan.Request) { r.Header[0].Name = "ACCEPT-language" }, same: true},
		{
			name: "another order of headers", same: true,
			first:  func(r *plan.Request) { r.Header = append(r.Header, plan.Field{Name: "A", Value: "1"}) },
			second: func(r *plan.Request) { r.Header = append(fields("A: 1"), r.Header...) },
		},
		{
			name:   "another order of the values of a header",
			first:  func(r *plan.Request) { r.Header = fields("A: 1", "A: 2") },
			second: func(r *plan.Request) { r.Header = fields("A: 2", "A: 1") },
		},
		{
			name:   "text that only looks the same",
			first:  func(r *plan.Request) { r.Header = fields("A: 1", "B: 2") },
			second: func(r *plan.Request) { r.Header = fields("A: 1B2") },
		},
		{
			name: "another secret header",
			first: func(r *plan.Request) {
				r.Header = []plan.Field{{Name: "Authorization", Value: "Bearer a", Secret: true}}
			},
			second: func(r *plan.Request) {
				r.Header = []plan.Field{{Name: "Authorization", Value: "Bearer b", Secret: true}}
			},
		},
		{name: "an encoding", second: func(r *plan.Request) { r.Accept.Encoding = "gzip" }},
		{
			name:  "another credential",
			first: func(r *plan.Request) { r.Auth = &plan.Digest{Username: secret("u"), Password: secret("a")} }, second: func(r *plan.Request) { r.Auth = &plan.Digest{Username: secret("u"), Password: secret("b")} },
		},
		{
			name: "the same credential", same: true,
			first: func(r *plan.Request) { r.Auth = &plan.Digest{Username: secret("u"), Password: secret("a")} }, second: func(r *plan.Request) { r.Auth = &plan.Digest{Username: secret("u"), Password: secret("a")} },
		},
		{name: "a credential or none", second: func(r *plan.Request) { r.Auth = &plan.Digest{} }},
		{
			name:   "another certificate",
			first:  func(r *plan.Request) { r.Certificate = &plan.ClientCertificate{Cert: secret("a")} },
			second: func(r *plan.Request) { r.Certificate = &plan.ClientCertificate{Cert: secret("b")} },
		},
		{
			name:   "another trust",
			first:  func(r *plan.Request) { r.Transport = &plan.Transport{ServerName: "a"} },
			second: func(r *plan.Request) { r.Transport = &plan.Transport{ServerName: "b"} },
		},
		{name: "another caller", firstCaller: "ann", secondCaller: "bob"},
		{name: "the same caller", firstCaller: "ann", secondCaller: "ann", same: true},
		{name: "a caller or nobody", secondCaller: "ann"},
		{name: "another caller, shared", firstCaller: "ann", secondCaller: "bob", rule: func(r *plan.Resilience) { r.Cache.Shared = true }, same: true},
		{
			name: "another caller, in whose name the call is made, shared", firstCaller: "ann", secondCaller: "bob",
			rule: func(r *plan.Resilience) { r.Cache.Shared = true },
			first: func(r *plan.Request) {
				r.Auth = &plan.OAuth2{Grant: plan.GrantTokenExchange, SubjectToken: secret("t")}
			},
			second: func(r *plan.Request) {
				r.Auth = &plan.OAuth2{Grant: plan.GrantTokenExchange, SubjectToken: secret("t")}
			},
		},
		{
			name: "another token of the same caller, shared", firstCaller: "ann", secondCaller: "ann",
			rule: func(r *plan.Resilience) { r.Cache.Shared = true },
			first: func(r *plan.Request) {
				r.Auth = &plan.OAuth2{Grant: plan.GrantTokenExchange, SubjectToken: secret("t")}
			},
			second: func(r *plan.Request) {
				r.Auth = &plan.OAuth2{Grant: plan.GrantTokenExchange, SubjectToken: secret("u")}
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rule := keeps()
			if test.rule != nil {
				test.rule(&rule)
			}
			// The upstream's answer is for everybody, as far as it says: no Vary.
			var mu sync.Mutex
			n := 0
			up := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				n++
				return &plan.Response{Status: 200, Header: fields("Cache-Control: max-age=100, public"), Body: plan.BytesBody(fmt.Append(nil, "answer ", n))}, nil
			})
			b := newBench(t, rule, numbered())
			c := b.in(b.store, up)
			ask := func(caller string, edit func(*plan.Request)) {
				req := b.request("GET", "/a?q=1", "Accept-Language: de")
				if edit != nil {
					edit(req)
				}
				ctx := context.Background()
				if caller != "" {
					ctx = named(caller)
				}
				if _, err := b.try(ctx, c, req); err != nil {
					t.Fatal(err)
				}
			}
			ask(test.firstCaller, test.first)
			ask(test.firstCaller, test.first)
			if n != 1 {
				t.Fatalf("%d requests for the same", n)
			}
			ask(test.secondCaller, test.second)
			if same := n == 1; same != test.same {
				t.Errorf("same: %t, want %t", same, test.same)
			}
		})
	}
}

// watched remembers all that goes into a store.
type watched struct {
	plan.Store
	mu  sync.Mutex
	all []string
}

func (w *watched) note(s ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, s...)
}

func (w *watched) Load(ctx context.Context, key string) ([]byte, error) {
	w.note(key)
	return w.Store.Load(ctx, key)
}

func (w *watched) Save(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	w.note(key, string(value))
	return w.Store.Save(ctx, key, value, ttl)
}

// No secret of a request is ever in a store: not in a key, and not in an answer that repeats it.
func TestStoreHasNoSecrets(t *testing.T) {
	t.Parallel()
	const marked = "s3cr3t-m4rk"
	const issued = "1ssu3d-m4rk"
	for _, test := range []struct {
		name   string
		answer plan.Response
		kept   bool
	}{
		{name: "nothing of it", answer: plan.Response{Status: 200, Body: plan.BytesBody([]byte("fine"))}, kept: true},
		{name: "a cookie", answer: plan.Response{Status: 200, Header: fields("Set-Cookie: id=c00k1e")}, kept: true},
		{name: "in the body", answer: plan.Response{Status: 200, Body: plan.BytesBody([]byte("you sent " + marked))}},
		{name: "in a header", answer: plan.Response{Status: 200, Header: fields("Link: </a?key=" + marked + ">")}},
		{name: "in the body of a failure", answer: plan.Response{Status: 404, Body: plan.BytesBody([]byte(marked))}},
		{name: "what was added below", answer: plan.Response{Status: 200, Body: plan.BytesBody([]byte(issued)), Secrets: []plan.Secret{plan.NewSecret(issued)}}},
		{name: "perhaps, packed", answer: plan.Response{Status: 404, Header: fields("Content-Encoding: br"), Body: plan.BytesBody([]byte("xyz"))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			up := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
				n++
				out := test.answer
				out.Header = append(fields("Cache-Control: max-age=100"), out.Header...)
				return &out, nil
			})
			b := newBench(t, keeps(), numbered())
			store := &watched{Store: b.store}
			c := b.in(store, up)
			for range 2 {
				req := b.request("GET", "/a?key="+marked)
				req.Header = []plan.Field{{Name: "X-Key", Value: marked, Secret: true}}
				req.Auth = &plan.Digest{Username: plan.NewSecret(marked), Password: plan.NewSecret(marked)}
				req.Secrets = []plan.Secret{plan.NewSecret(marked)}
				if _, err := b.try(t.Context(), c, req); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range store.all {
				if strings.Contains(s, marked) || strings.Contains(s, issued) || strings.Contains(s, "c00k1e") {
					t.Errorf("the store was told %q", s)
				}
			}
			if kept := n == 1; kept != test.kept {
				t.Errorf("kept: %t, want %t", kept, test.kept)
			}
		})
	}
}

// A key of its own makes other keys, so that nobody can try passwords on them.
func TestKeyOfKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t, keeps(), numbered())
	seen := map[string]bool{}
	for _, secret := range []string{"", "one", "two"} {
		store := &watched{Store: b.store}
		c := cache.New(plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200}, nil
		}), cache.Options{Store: store, Key: []byte(secret)})
		if _, err := c.Do(t.Context(), b.request("GET", "/a")); err != nil {
			t.Fatal(err)
		}
		for _, key := range store.all {
			if strings.HasPrefix(key, "cache/") {
				if seen[key] {
					t.Errorf("key %s is the same with another secret", key)
				}
			}
		}
		for _, key := range store.all {
			seen[key] = true
		}
	}
	if len(seen) < 3 {
		t.Fatal("no keys")
	}
}

// broken is a store that fails, or gives nonsense.
type broken struct {
	plan.Store
	nonsense bool
}

func (s *broken) Load(context.Context, string) ([]byte, error) {
	if s.nonsense {
		return []byte("nonsense"), nil // of no known length
	}
	return nil, errors.New("gone")
}

func (s *broken) Save(context.Context, string, []byte, time.Duration) error {
	return errors.New("gone")
}

func (s *broken) Delete(context.Context, string) error { return errors.New("gone") }

// A store that fails costs nothing but the answers in it.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for _, nonsense := range []bool{false, true} {
		for _, coalesce := range []bool{false, true} {
			rule := keeps()
			rule.Coalesce = coalesce
			b := newBench(t, rule, numbered("Cache-Control: max-age=100"))
			n := 0
			c := b.in(&broken{nonsense: nonsense}, plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
				n++
				return &plan.Response{Status: 200, Header: fields("Cache-Control: max-age=100"), Body: plan.BytesBody([]byte("fine"))}, nil
			}))
			for _, method := range []string{"GET", "GET", "POST", "GET"} {
				got, err := b.try(t.Context(), c, b.request(method, "/a"))
				if err != nil || got.body != "fine" {
					t.Errorf("%s: %+v, %v", method, got, err)
				}
			}
			if n != 4 || len(b.failed) < 4 {
				t.Errorf("%d requests, and failures %v", n, b.failed)
			}
		}
	}
}

// What is too large is streamed through and not kept, and what breaks off is not either.
func TestBodies(t *testing.T) {
	t.Parallel()
	const most = 1000
	for _, test := range []struct {
		name    string
		size    int
		chunked bool
		breaks  bool
		kept    bool
	}{
		{name: "small", size: 10, kept: true},
		{name: "empty", size: 0, kept: true},
		{name: "just", size: most, kept: true},
		{name: "just, of no known length", size: most, chunked: true, kept: true},
		{name: "too large", size: most + 1},
		{name: "too large, of no known length", size: 100 * most, chunked: true},
		{name: "breaks off", size: 10, breaks: true},
		{name: "breaks off, of no known length", size: 10, chunked: true, breaks: true},
	} {
		for _, coalesce := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, " ", coalesce), func(t *testing.T) {
				t.Parallel()
				rule := keeps()
				rule.Cache.Max, rule.Coalesce = most, coalesce
				b := newBench(t, rule, func(w http.ResponseWriter, _ *http.Request, _ int) {
					w.Header().Set("Cache-Control", "max-age=100")
					length := test.size
					if test.breaks {
						length += 5
					}
					if !test.chunked {
						w.Header().Set("Content-Length", fmt.Sprint(length))
					}
					_, _ = w.Write(make([]byte, test.size/2))
					if test.chunked || test.breaks {
						_ = http.NewResponseController(w).Flush()
					}
					_, _ = w.Write(make([]byte, test.size-test.size/2))
					if test.breaks {
						panic(http.ErrAbortHandler)
					}
				})
				for range 3 {
					got, err := b.try(t.Context(), b.cache, b.request("GET", "/a"))
					if (err != nil) != test.breaks || err == nil && len(got.body) != test.size {
						t.Errorf("got %v, %v", got, err)
					}
				}
				if want := map[bool]int{true: 1, false: 3}[test.kept]; b.reached() != want {
					t.Errorf("%d requests came upstream, want %d", b.reached(), want)
				}
			})
		}
	}
}

// A caller that hangs up leaves no part of an answer behind.
func TestCallerHangsUp(t *testing.T) {
	t.Parallel()
	for _, coalesce := range []bool{false, true} {
		rule := keeps()
		rule.Coalesce = coalesce
		b := newBench(t, rule, numbered("Cache-Control: max-age=100"))
		resp, err := b.cache.Do(t.Context(), b.request("GET", "/a"))
		if err != nil {
			t.Fatal(err)
		}
		one := make([]byte, 3)
		if _, err := resp.Body.Stream.Read(one); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := b.get("/a"); got.body != "answer 0" && got.body != "answer 1" {
			t.Errorf("got %+v", got)
		}
		if got := b.get("/a"); len(got.body) != len("answer 0") {
			t.Errorf("got %+v", got)
		}
	}
}

// A request of an API that wants none of it is not looked at.
func TestOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, plan.Resilience{}, numbered("Cache-Control: max-age=100"))
	for i := range 2 {
		if got := b.get("/a"); got.body != fmt.Sprint("answer ", i) || got.get("Cache-Status") != "" {
			t.Errorf("got %+v", got)
		}
	}
	req := b.request("GET", "/a")
	req.Resilience = nil
	if got := b.do(req); got.body != "answer 2" {
		t.Errorf("got %+v", got)
	}
	withBody := b.request("GET", "/a")
	rule := keeps()
	rule.Coalesce = true
	withBody.Resilience, withBody.Body = &rule, plan.BytesBody([]byte("x"))
	for i := range 2 {
		if got := b.do(withBody); got.body != fmt.Sprint("answer ", 3+i) {
			t.Errorf("a GET with a body: %+v", got)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	rule := keeps()
	rule.Cache.Stale = time.Hour
	b := newBench(t, rule, func(w http.ResponseWriter, r *http.Request, n int) {
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("ETag", `"one"`)
		switch {
		case n == 2:
			w.WriteHeader(503)
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(304)
		}
	})
	b.get("/a") // miss
	b.get("/a") // hit
	b.get("/a") // hit
	b.pass(time.Minute)
	b.get("/a") // revalidated
	b.pass(time.Minute)
	b.get("/a")                        // stale
	b.get("/a", "Range: bytes=0-1")    // bypass
	b.do(b.request("POST", "/a"))      // is none for a cache
	b.do(b.request("GET", "/another")) // miss
	want := map[cache.Result]int{cache.Miss: 2, cache.Hit: 2, cache.Revalidated: 1, cache.Stale: 1, cache.Bypass: 1}
	for r, n := range want {
		if b.counted(r) != n {
			t.Errorf("%s was counted %d times, want %d", r, b.counted(r), n)
		}
	}
	if len(b.counts) != len(want) {
		t.Errorf("counted %v", b.counts)
	}
}

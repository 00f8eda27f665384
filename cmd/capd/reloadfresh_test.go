package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"capd/adapters/control"
)

// TestReloadIsAsFresh: after any sequence of changes to documents that share ports, paths and
// names, what a capd that was reloaded after each says, lists and serves is what one says, lists
// and serves that has just been started on the same documents.
func TestReloadIsAsFresh(t *testing.T) {
	const seeds, steps = 4, 8
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			f := newChanging(t, seed)
			for _, name := range documentNames[:4] {
				f.put(name, f.document())
			}
			f.loaded = maps.Clone(f.texts)
			lived := f.serve(fmt.Sprintf("127.0.%d.1", 10+seed), f.live)
			for step := range steps {
				var did []string
				for range 1 + f.dice.IntN(2) {
					did = append(did, f.change())
				}
				f.settle()
				asks(t, http.MethodPost, lived.control+"/reload", "", http.StatusOK, nil)
				got := f.told(lived)
				fresh := f.serve(fmt.Sprintf("127.0.%d.%d", 10+seed, step+2), f.shadow)
				want := f.told(fresh)
				fresh.stop()
				for _, what := range slices.Sorted(maps.Keys(want)) {
					if got[what] != want[what] {
						t.Fatalf("step %d: after %s, %s differs from that of a new start\ngot  %s\nwant %s", step, strings.Join(did, ", "), what, got[what], want[what])
					}
				}
				if len(got) != len(want) {
					t.Fatalf("step %d: after %s, more is known: %v", step, strings.Join(did, ", "), slices.Sorted(maps.Keys(got)))
				}
			}
		})
	}
}

// changing are documents that change. What is broken in the one folder is in the other as it was
// loaded last when it was good, which is what a reload goes on to serve.
type changing struct {
	t            *testing.T
	dice         *rand.Rand
	live, shadow string
	ports        []string
	texts        map[string]string // by ID, as they are
	broken       map[string]bool
	loaded       map[string]string // as they were last good at a load
	edition      int
	views        bool // views of several documents are wanted
	env          string
	token        bool // the env file has one
}

func newChanging(t *testing.T, seed uint64) *changing {
	env := filepath.Join(t.TempDir(), "env")
	writeSpec(t, env, "")
	return &changing{
		env: env,
		t:   t, dice: rand.New(rand.NewPCG(seed, 7)), live: t.TempDir(), shadow: t.TempDir(),
		ports: []string{freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")},
		texts: map[string]string{}, broken: map[string]bool{}, views: seed%2 == 1,
	}
}

// documentNames are IDs some of which are below others.
var documentNames = []string{"team/b", "a", "z", "team", "team/a", "b", "team/a/one", "c"}

// change does one thing to one document.
func (f *changing) change() string {
	if f.dice.IntN(5) == 0 {
		f.token = !f.token
		text := ""
		if f.token {
			text = "TOKEN=token"
		}
		writeSpec(f.t, f.env, text)
		return "writing the env file"
	}
	name := pick(f.dice, documentNames)
	text, there := f.texts[name]
	switch what := f.dice.IntN(10); {
	case !there || what < 4:
		f.put(name, f.document())
		return "writing " + name
	case what < 6:
		f.remove(name)
		return "removing " + name
	case what < 8:
		f.put(name, pick(f.dice, []string{"capability: [", "ikanos: 1.0.0-beta5\ncapability: { exposes: [] }\n"}))
		f.broken[name] = true
		return "breaking " + name
	}
	to, broken := pick(f.dice, documentNames), f.broken[name]
	f.remove(name)
	f.put(to, text)
	f.broken[to] = broken
	return "renaming " + name + " to " + to
}

func (f *changing) put(name, text string) {
	f.texts[name], f.broken[name] = text, false
	f.write(f.live, name, text)
}

func (f *changing) remove(name string) {
	delete(f.texts, name)
	if err := os.Remove(filepath.Join(f.live, name+".yaml")); err != nil {
		f.t.Fatal(err)
	}
}

func (f *changing) write(dir, name, text string) {
	file := filepath.Join(dir, name+".yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		f.t.Fatal(err)
	}
	writeSpec(f.t, file, text)
}

// settle makes the other folder what the next load should come to.
func (f *changing) settle() {
	if err := os.RemoveAll(f.shadow); err != nil {
		f.t.Fatal(err)
	}
	was := f.loaded
	f.loaded = map[string]string{}
	for name, text := range f.texts {
		if good := was[name]; f.broken[name] && good != "" {
			text = good
		}
		f.write(f.shadow, name, text)
		if !f.broken[name] || was[name] != "" {
			f.loaded[name] = text
		}
	}
}

// document makes one that has some of everything two documents can both claim.
func (f *changing) document() string {
	f.edition++
	var b strings.Builder
	fmt.Fprintf(&b, "ikanos: 1.0.0-beta5\ninfo: { label: Edition %d, tags: [%s] }\n", f.edition, pick(f.dice, []string{"red", "blue"}))
	fmt.Fprintf(&b, `binds: [ { namespace: env, keys: { UPSTREAM: UPSTREAM, TOKEN: TOKEN } } ]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resources: { say: { path: "/say/%d", operations: { say: { method: GET } } } }
  exposes:
`, f.edition)
	own := ""
	if f.dice.IntN(2) == 0 { // it has to do with nobody
		own = fmt.Sprintf("/%d", f.edition)
	}
	for n := range 1 + f.dice.IntN(3) {
		namespace, port := fmt.Sprintf("n%d", n), pick(f.dice, f.ports)
		switch f.dice.IntN(11) {
		case 0, 1, 2, 3, 4:
			fmt.Fprintf(&b, "  - type: rest\n    namespace: %s\n    port: %s\n%s    resources:\n", namespace, port, f.lock())
			for k, path := range f.some(sharedPaths) {
				call := pick(f.dice, []string{"up.say", "up.say", "up.say", "up.nothing"})
				fmt.Fprintf(&b, "      r%d: { path: %q, operations: { o%d: { method: GET, call: %s, outputParameters: [ { name: own, type: string, value: e%d } ] } } }\n", k, own+path, k, call, f.edition)
			}
		case 5, 6, 7, 8, 9:
			fmt.Fprintf(&b, "  - type: mcp\n    namespace: %s\n    port: %s\n%s    tools:\n", namespace, port, f.lock())
			for _, tool := range f.some([]string{"one", "two", "three"}) {
				fmt.Fprintf(&b, "      %s: { description: Say %d., call: up.say }\n", tool, f.edition)
			}
		default:
			fmt.Fprintf(&b, "  - type: skill\n    namespace: %s\n    port: %s\n    skills:\n", namespace, port)
			for _, skill := range f.some([]string{"team", "a", "desk"}) {
				fmt.Fprintf(&b, "    - { name: %s, description: Edition %d }\n", skill, f.edition)
			}
		}
	}
	return b.String()
}

// lock lets some adapters want a token.
func (f *changing) lock() string {
	if f.dice.IntN(8) > 0 {
		return ""
	}
	return "    authentication: { type: bearer, token: \"{{TOKEN}}\" }\n"
}

// sharedPaths are those of routes. Some are those of documents, too.
var sharedPaths = []string{"/x", "/x/{id}", "/x/{name}", "/x/{id}.json", "/{any}/y", "/x?kind=a", "/x?kind=b", "/a/one", "/one/x", "/apis/x", "/.well-known/x"}

// some gives one or more, in any order.
func (f *changing) some(all []string) []string {
	out := slices.Clone(all)
	f.dice.Shuffle(len(out), func(i, k int) { out[i], out[k] = out[k], out[i] })
	return out[:1+f.dice.IntN(len(out))]
}

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

// served is a capd on an address of its own.
type served struct {
	dir, host, control string
	stop               func()
}

// serve starts one, and waits until it serves.
func (f *changing) serve(host, dir string) *served {
	f.t.Helper()
	log := &quiet{control: make(chan string, 1), serving: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args := []string{"serve", dir, "--address", host, "--control-address", "127.0.0.1:0", "--watch", "off", "--stub", "--log-format", "json", "--env-file", f.env}
	if f.views {
		args = append(args, "--mcp-combined", "--mcp-view", "reds=tag:red,team/**")
	}
	go func() { ended <- run(ctx, args, nil, strings.NewReader(""), io.Discard, log) }()
	s := &served{dir: dir, host: host, stop: func() { stop(); <-ended }}
	f.t.Cleanup(stop)
	s.control = "http://" + until(f.t, log.control, "the control address")
	until(f.t, log.serving, "the start")
	return s
}

// told gives everything that a capd says, lists and answers, by what it is. What is said of the
// text of a broken document is left out: its last good form is told about in the other folder.
func (f *changing) told(s *served) map[string]string {
	f.t.Helper()
	same := strings.NewReplacer(s.host, "HOST", s.dir, "DIR").Replace
	out := map[string]string{}
	var status struct {
		Counts    json.RawMessage
		Listeners []control.Listener
		Documents []control.Document
	}
	asks(f.t, http.MethodGet, s.control+"/status", "", http.StatusOK, &status)
	for _, d := range status.Documents {
		if f.broken[d.ID] {
			d.State, d.Hash, d.Codes, d.Since = "", "", nil, nil
		}
		out["document "+d.ID] = same(fmt.Sprintf("%+v", d))
	}
	out["listeners"] = same(fmt.Sprint(status.Listeners))
	var all struct{ Routes []control.Route }
	asks(f.t, http.MethodGet, s.control+"/routes", "", http.StatusOK, &all)
	out["routes"] = same(fmt.Sprint(all.Routes))
	var reloaded struct {
		Diagnostics struct {
			Findings []struct {
				Code, Severity, Path, Message, Hint string
				Span                                struct {
					File       string
					Start, End json.RawMessage
				}
				Unit, Related json.RawMessage
			}
		}
	}
	asks(f.t, http.MethodPost, s.control+"/reload", "", http.StatusOK, &reloaded)
	var found []string
	for _, d := range reloaded.Diagnostics.Findings {
		id := strings.TrimSuffix(strings.TrimPrefix(d.Span.File, s.dir+"/"), ".yaml")
		if !f.broken[id] {
			found = append(found, same(fmt.Sprintf("%s %s %s:%s %s %s %s %s %s", d.Severity, d.Code, d.Span.File, d.Span.Start, d.Path, d.Message, d.Hint, d.Unit, d.Related)))
		}
	}
	out["diagnostics"] = strings.Join(found, "\n")
	f.probe(s, all.Routes, func(what, answer string) { out[same(what)] = same(answer) })
	return out
}

// probe calls everything that could be there.
func (f *changing) probe(s *served, routes []control.Route, seen func(what, answer string)) {
	f.t.Helper()
	urls := map[string]bool{}
	for _, r := range routes {
		for _, at := range r.Addresses {
			urls[at] = true
		}
	}
	for _, port := range f.ports {
		origin := "http://" + s.host + ":" + port
		for _, path := range []string{
			"/apis", "/skills", "/mcp", "/mcp/views/reds", "/mcp/tags/blue", "/mcp/team", "/skills/team", "/skills/a", "/skills/desk",
			"/x", "/x/", "/x/7", "/x/7.json", "/q/y", "/x?kind=a", "/x?kind=b", "/x?kind=a&kind=b", "/a/one", "/one/x", "/apis/x", "/.well-known/x", "/openapi.json",
		} {
			urls[origin+path] = true
		}
		for _, name := range documentNames {
			for _, below := range []string{"/apis/" + name, "/apis/" + name + "/x", "/apis/" + name + "/one/x", "/mcp/" + name, "/skills/" + name} {
				urls[origin+below] = true
				for n := range 3 {
					urls[origin+below+fmt.Sprintf("/n%d", n)] = true
				}
			}
		}
	}
	for at := range urls {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			seen(method+" "+at, f.ask(method, at))
		}
	}
}

var serverInfo = regexp.MustCompile(`"io.modelcontextprotocol/serverInfo":\{[^}]*\}`)

// ask gives an answer, or that there is none. A POST asks for tools.
func (f *changing) ask(method, at string) string {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
	}
	req, err := http.NewRequest(method, at, body)
	if err != nil {
		f.t.Fatal(err)
	}
	if method == http.MethodPost {
		for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"} {
			req.Header.Set(name, value)
		}
	} else {
		req.Header.Set("Accept", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(resp.Header.Get("X-Request-ID")), nil)
	text = serverInfo.ReplaceAll(text, nil) // stays as the first client found it
	return fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("Content-Type"), text)
}

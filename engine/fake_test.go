package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// The shell is tested with a language of one line, so that its tests know nothing of the
// real one: "serve ADDR WORD" is a document that answers WORD at ADDR. A word such as @./x is
// what the file ./x holds.

// fakeCore stands for the core. It remembers what it did.
type fakeCore struct {
	mu       sync.Mutex
	compiled []string                   // files
	plans    map[*plan.Bound]*plan.Plan // what was bound
	linkErr  bool
}

func newFakeCore() *fakeCore { return &fakeCore{plans: make(map[*plan.Bound]*plan.Plan)} }

func (c *fakeCore) phases() phases {
	return phases{
		parse:   c.parse,
		check:   func(*spec.Document) diag.List { return nil },
		resolve: func(doc *spec.Document, _ plan.Files) (*spec.Document, diag.List) { return doc, nil },
		compile: c.compile,
		link:    c.link,
		bind:    c.bind,
	}
}

func (c *fakeCore) parse(_ *spec.Memory, file, text string, _ spec.Limits) (*spec.Document, diag.List) {
	word, _, _ := strings.Cut(text, " ")
	d := diag.Diagnostic{Severity: diag.Error, Span: diag.Span{File: file, Start: diag.Pos{Line: 1, Col: 1}}}
	switch word {
	case "section":
		d.Code, d.Message = diag.CodeSection, "serves nothing by itself"
	case "other":
		d.Code, d.Message = diag.CodeNotACapability, "no capability document"
	default:
		return &spec.Document{File: file, Label: spec.Text{Value: text}}, nil
	}
	return nil, diag.List{d}
}

func (c *fakeCore) compile(doc *spec.Document, files plan.Files, _ *plan.Grant, _ *plan.Room) (*plan.Unit, diag.List) {
	c.mu.Lock()
	c.compiled = append(c.compiled, doc.File)
	c.mu.Unlock()
	words := strings.Fields(doc.Label.Value)
	if location, ok := strings.CutPrefix(strings.Join(words[min(2, len(words)):], " "), "@"); ok {
		text, err := files.Read(doc.File, location)
		if err != nil {
			return nil, diag.List{{Code: diag.CodeNothingExposed, Severity: diag.Error, Span: diag.Span{File: doc.File}, Message: err.Error()}}
		}
		words[len(words)-1] = string(text)
	}
	switch {
	case len(words) == 3 && words[0] == "serve":
		u := &plan.Unit{ID: doc.ID, File: doc.File, Label: words[2]}
		u.Exposures = []*plan.Exposure{{Unit: u, Kind: plan.REST, Namespace: "n", Address: words[1], Span: diag.Span{File: doc.File}}}
		return u, nil
	case len(words) == 1 && words[0] == "panic":
		panic("a secret of the document")
	}
	return nil, diag.List{{Code: diag.CodeNothingExposed, Severity: diag.Error, Span: diag.Span{File: doc.File}, Message: "nothing is exposed"}}
}

func (c *fakeCore) link(_ *plan.Plan, units []*plan.Unit, _ plan.LinkOptions) (*plan.Plan, diag.List) {
	if c.linkErr {
		panic("a fault")
	}
	p := &plan.Plan{Units: units}
	for _, u := range units {
		for _, x := range u.Exposures {
			l := p.Listener(x.Address)
			if l == nil {
				l = &plan.Listener{Addr: x.Address}
				p.Listeners = append(p.Listeners, l)
			}
			l.Mounts = append(l.Mounts, &plan.Mount{Exposure: x, Path: "/apis/" + u.ID, Main: true})
		}
	}
	slices.SortFunc(p.Listeners, func(a, b *plan.Listener) int { return cmp.Compare(a.Addr, b.Addr) })
	return p, nil
}

func (c *fakeCore) bind(p *plan.Plan, _ plan.BindOptions) (*plan.Bound, diag.List) {
	b := &plan.Bound{}
	c.mu.Lock()
	c.plans[b] = p
	c.mu.Unlock()
	return b, nil
}

func (c *fakeCore) planOf(b *plan.Bound) *plan.Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plans[b]
}

// fakeAdapter answers the word of the document a path names.
type fakeAdapter struct {
	core *fakeCore
	// before, if set, is called with the path inside every call, on the snapshot it began.
	before func(path string)

	mu      sync.Mutex
	err     error
	retired int
	drained chan struct{} // closed by Drain
}

func (a *fakeAdapter) Prepare(_ context.Context, _, next *plan.Bound) (Swap, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	p := a.core.planOf(next)
	return func() (func(string) http.Handler, func()) {
		retire := func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.retired++
		}
		return func(addr string) http.Handler { return a.handler(p.Listener(addr)) }, retire
	}, nil
}

func (a *fakeAdapter) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *fakeAdapter) handler(l *plan.Listener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.before != nil {
			a.before(r.URL.Path)
		}
		for _, m := range l.Mounts {
			if m.Path == r.URL.Path {
				_, _ = io.WriteString(w, m.Exposure.Unit.Label)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func (a *fakeAdapter) Drain(context.Context) error {
	if a.drained != nil {
		close(a.drained)
	}
	return nil
}

// rig is an engine over a folder, with a fake core and one fake adapter.
type rig struct {
	t       *testing.T
	dir     string
	core    *fakeCore
	adapter *fakeAdapter
	engine  *Engine
}

// newRig makes a rig of files. Without change the engine has the options of the shell's
// defaults.
func newRig(t *testing.T, files map[string]string, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), core: newFakeCore()}
	r.adapter = &fakeAdapter{core: r.core}
	for name, text := range files {
		r.write(name, text)
	}
	o := Options{
		Paths:    []string{r.dir},
		Upstream: plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return nil, nil }),
		Adapters: map[plan.Kind]Adapter{plan.REST: r.adapter},
	}
	if change != nil {
		change(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.loader.phases = r.core.phases()
	r.engine = e
	t.Cleanup(func() { _ = e.Stop(context.Background()) })
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) start() {
	r.t.Helper()
	if err := r.engine.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reload() {
	r.t.Helper()
	if err := r.engine.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// get calls a document, and gives the status and the body.
func (r *rig) get(addr, id string) (int, string) {
	r.t.Helper()
	status, body, err := get(r.engine.Addr(addr), "/apis/"+id)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, body
}

// get sends one request on a connection of its own.
func get(addr, path string) (int, string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// wants checks what a document answers.
func (r *rig) wants(addr, id, want string) {
	r.t.Helper()
	if status, body := r.get(addr, id); status != http.StatusOK || body != want {
		r.t.Errorf("%s at %s: %d %q, want 200 %q", id, addr, status, body, want)
	}
}

// doc gives the state of a document.
func (r *rig) doc(id string) DocState {
	r.t.Helper()
	for _, d := range r.engine.Current().Docs {
		if d.ID == id {
			return *d
		}
	}
	r.t.Fatalf("no document %s", id)
	return DocState{}
}

// occupied gives an address on which somebody else listens.
func occupied(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// freeAddress gives an address on which nobody listens, and on a host of its own, so that no
// other test is given the port meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.77.0.1:0")
	if err != nil {
		t.Skipf("this system has one loopback address only: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// codes gives "severity code" of each problem, sorted.
func codes(l diag.List) string {
	var out []string
	for _, d := range l {
		out = append(out, fmt.Sprintf("%s %s", d.Severity, d.Code))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// logTo gives a logger of every level that writes to w.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// syncBuffer is a buffer for many writers.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// guardedBy gives a document whose adapter is opened by a token in a file, relative to it.
func guardedBy(file string) string {
	return `ikanos: 1.0.0-beta5
binds: [ { namespace: v, location: "file:///` + file + `", keys: { T: T } } ]
capability:
  exposes:
  - type: rest
    namespace: n
    port: 8080
    authentication: { type: bearer, token: "{{T}}" }
    resources: { r: { path: /r, operations: { o: { method: GET, outputParameters: [ { name: v, type: string, value: v } ] } } } }
`
}

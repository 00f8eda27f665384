package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"capd/engine/plan"
)

// Options are what an [Adapter] tells and does. Listening and State must be given.
type Options struct {
	// Build says which capd this is, Started since when it runs.
	Build   Build
	Started time.Time
	// Listening reports whether a declared address is listened on.
	Listening func(addr string) bool
	// State gives what became of a document, one of the states, the codes of its errors, and
	// the serial of what is served.
	State func(id string) (state string, codes []string, serial uint64)
	// Reload reads everything again; nil leaves that to the operator.
	Reload Reloader
	// Validate is that of [ServerOptions].
	Validate func(ctx context.Context, name string, text []byte) (findings json.RawMessage, failed bool, err error)
	// MaxText bounds a text to validate, in bytes; zero means DefaultMaxText.
	MaxText int64
	// Telemetry reports whether calls are measured; nil: they are not.
	Telemetry func() bool
	// Handlers gives more endpoints of an exposure, by path: metrics and traces.
	Handlers func(x *plan.Exposure) map[string]http.Handler
	// Logger is told of reloads that were asked for; nil discards it.
	Logger *slog.Logger
}

// Adapter serves control exposures, each for its own document. One lives as long as the
// process.
type Adapter struct{ opts Options }

// New makes an adapter that serves nothing yet.
func New(o Options) *Adapter {
	if o.MaxText == 0 {
		o.MaxText = DefaultMaxText
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Adapter{opts: o}
}

// Prepare builds what next serves. It touches nothing live. Calling swap makes it current; the
// handler it returns serves one listener of the plan, by its address, and is nil for an address
// without control exposures.
func (a *Adapter) Prepare(_ context.Context, _, next *plan.Bound) (swap func() (handler func(addr string) http.Handler, retire func()), err error) {
	p := next.Plan()
	if p == nil {
		return nil, errors.New("prepare control: there is no plan to serve")
	}
	where := sync.OnceValue(func() map[*plan.Exposure]string { return addressesOf(p) }) // few documents ask
	sites := map[string]http.Handler{}
	for _, l := range p.Listeners {
		if !l.MayHave(plan.Control) {
			continue
		}
		if s := a.newSite(l, next, where); len(s.mounts) > 0 {
			sites[l.Addr] = s
		}
	}
	return func() (func(addr string) http.Handler, func()) {
		return func(addr string) http.Handler { return sites[addr] }, nil
	}, nil
}

// addressesOf gives where exposures are served.
func addressesOf(p *plan.Plan) map[*plan.Exposure]string {
	out := map[*plan.Exposure]string{}
	for _, l := range p.Listeners {
		for _, m := range l.Mounts {
			out[m.Exposure] = l.Addr
		}
	}
	return out
}

// site is what is served at one address. It is immutable.
type site struct {
	mounts map[string]*deck // by the segments behind /control
	sole   *deck            // at the root
	depth  int              // most segments of a mount
}

func (a *Adapter) newSite(l *plan.Listener, bound *plan.Bound, where func() map[*plan.Exposure]string) *site {
	s := &site{mounts: map[string]*deck{}}
	decks := map[*plan.Exposure]*deck{}
	for _, m := range l.Mounts {
		if m.Exposure.Kind != plan.Control {
			continue
		}
		d := decks[m.Exposure]
		if d == nil {
			d = a.newDeck(m.Exposure, bound, where)
			decks[m.Exposure] = d
		}
		if key := strings.Join(m.Segments, "\x00"); s.mounts[key] == nil {
			s.mounts[key] = d
		}
		s.depth = max(s.depth, len(m.Segments))
	}
	if l.SoleControl != nil {
		s.sole = decks[l.SoleControl.Exposure]
	}
	return s
}

// ServeHTTP finds the document that a path belongs to. The longest address wins.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mark(w)
	segments, ok := pathSegments(r.URL)
	if !ok {
		notFound(w, r)
		return
	}
	if segments[0] == plan.Control.Prefix() {
		segments = segments[1:]
		for n := min(s.depth, len(segments)); n > 0; n-- {
			if d := s.mounts[strings.Join(segments[:n], "\x00")]; d != nil {
				d.serve(w, r, segments[n:])
				return
			}
		}
	} else if s.sole != nil {
		s.sole.serve(w, r, segments)
		return
	}
	notFound(w, r)
}

// pathSegments gives the decoded segments of a path.
func pathSegments(u *url.URL) ([]string, bool) {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = decoded
	}
	return segments, true
}

// deck answers for one exposure.
type deck struct {
	opts      *Options
	exposure  *plan.Exposure
	gate      plan.Gate // nil: everybody may come in
	bound     *plan.Bound
	where     func() map[*plan.Exposure]string
	endpoints map[string]http.Handler
}

func (a *Adapter) newDeck(x *plan.Exposure, bound *plan.Bound, where func() map[*plan.Exposure]string) *deck {
	d := &deck{opts: &a.opts, exposure: x, gate: bound.Gate(x), bound: bound, where: where, endpoints: map[string]http.Handler{}}
	add := func(on bool, path, method string, serve http.HandlerFunc) {
		if on {
			d.endpoints[path] = &endpoint{methods: map[string]http.HandlerFunc{method: serve}}
		}
	}
	m := x.Management
	add(m.Health, "health/live", http.MethodGet, live)
	add(m.Health, "health/ready", http.MethodGet, d.ready)
	add(m.Info, "status", http.MethodGet, d.status)
	add(m.Reload, "config/reload", http.MethodPost, d.reload)
	add(m.Validate, "config/validate", http.MethodPost, d.validate)
	if a.opts.Handlers != nil {
		for path, h := range a.opts.Handlers(x) {
			d.endpoints[strings.TrimPrefix(path, "/")] = h
		}
	}
	return d
}

// serve answers a request for the path behind the address of the exposure. The gate is first,
// for health too: so the author of the document said.
func (d *deck) serve(w http.ResponseWriter, r *http.Request, rest []string) {
	if d.gate != nil {
		in := d.gate.Admit(r)
		if in == nil {
			ended := d.bound.Begin(r.Context(), d.exposure, "")
			ended(0, plan.Errorf(d.gate.Refuse(w, r), "not let in"))
			return
		}
		r = in
	}
	if h := d.endpoints[strings.Join(rest, "/")]; h != nil && !slices.ContainsFunc(rest, func(s string) bool { return strings.Contains(s, "/") }) {
		h.ServeHTTP(w, r)
		return
	}
	notFound(w, r)
}

// adapterState is one adapter of the document, as other engines of the language write it.
type adapterState struct {
	Type      plan.Kind `json:"type"`
	Namespace string    `json:"namespace,omitempty"`
	Port      int       `json:"port,omitempty"`
	State     string    `json:"state"`
}

const (
	started = "started"
	stopped = "stopped"
)

// adapters gives the adapters of the document in its order, and whether all run that should.
// What is for standard input and output is never at an address, and holds nobody up.
func (d *deck) adapters() (out []adapterState, all bool) {
	u := d.exposure.Unit
	list := slices.Concat(u.Exposures, u.Unserved)
	slices.SortStableFunc(list, func(a, b *plan.Exposure) int { return a.Index - b.Index })
	all = true
	where := d.where()
	for _, x := range list {
		s := adapterState{Type: x.Kind, Namespace: x.Namespace, Port: x.Port, State: stopped}
		if addr := where[x]; addr != "" && d.opts.Listening(addr) {
			s.State = started
		}
		if s.State == stopped && x.Kind != plan.Control && (x.Kind != plan.MCP || x.Transport != "stdio") {
			all = false
		}
		out = append(out, s)
	}
	return out, all
}

// ready says whether every adapter of the document runs. A document whose file has errors now
// is served as it was, and says so.
func (d *deck) ready(w http.ResponseWriter, r *http.Request) {
	out := struct {
		Status   string         `json:"status"`
		Document string         `json:"document,omitempty"` // stale
		Adapters []adapterState `json:"adapters"`
	}{Status: statusUp}
	status, all := http.StatusOK, false
	if out.Adapters, all = d.adapters(); !all {
		status, out.Status = http.StatusServiceUnavailable, statusDegraded
	}
	if state, _, _ := d.opts.State(d.exposure.Unit.ID); state == StateStale {
		out.Document = state
	}
	answer(w, r, status, out)
}

// capability is what /status says of the document.
type capability struct {
	Display     string `json:"display,omitempty"`
	SpecVersion string `json:"specVersion"`
}

// telemetry is what /status says of telemetry.
type telemetry struct {
	Status string `json:"status"`
}

func (d *deck) status(w http.ResponseWriter, r *http.Request) {
	out := struct {
		Capability capability     `json:"capability"`
		Engine     Build          `json:"engine"`
		Uptime     string         `json:"uptime"`
		Otel       telemetry      `json:"otel"`
		Adapters   []adapterState `json:"adapters"`
	}{
		Capability: capability{d.exposure.Unit.Label, d.exposure.Unit.SpecVersion}, Engine: d.opts.Build,
		Uptime: isoDuration(time.Since(d.opts.Started)), Otel: telemetry{"inactive"},
	}
	if d.opts.Telemetry != nil && d.opts.Telemetry() {
		out.Otel.Status = "active"
	}
	out.Adapters, _ = d.adapters()
	answer(w, r, http.StatusOK, out)
}

// reload reads everything again, and tells of the own document only.
func (d *deck) reload(w http.ResponseWriter, r *http.Request) {
	if d.opts.Reload == nil {
		fail(w, r, http.StatusForbidden, plan.Errorf(plan.CodeForbidden, "reloading is left to those who run capd"))
		return
	}
	id := d.exposure.Unit.ID
	d.opts.Logger.LogAttrs(r.Context(), slog.LevelInfo, "a document's control adapter was asked for a reload",
		slog.String("document", id), slog.String("request_id", plan.RequestID(r.Context())))
	_, err := d.opts.Reload(r.Context())
	type own struct {
		State string   `json:"state,omitempty"`
		Codes []string `json:"codes,omitempty"`
	}
	out := struct {
		Status   string `json:"status"` // reloaded or failed
		Serial   uint64 `json:"serial"`
		Document own    `json:"document"`
	}{Status: "reloaded"}
	out.Document.State, out.Document.Codes, out.Serial = d.opts.State(id)
	status := http.StatusOK
	if err != nil {
		status, out.Status = http.StatusConflict, "failed" // why may be another document's business
	}
	answer(w, r, status, out)
}

func (d *deck) validate(w http.ResponseWriter, r *http.Request) {
	serveValidate(w, r, d.opts.MaxText, d.opts.Validate)
}

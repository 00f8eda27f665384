package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"capd/adapters/control"
	"capd/adapters/stub"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// controlFlags say where those who run the process ask it.
type controlFlags struct {
	address   string
	tokenFile string
	tls       bool
}

func (f *controlFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "control-address", "", "serve health, status, reload and validation of the whole process on `HOST:PORT`; without HOST on loopback")
	flags.BoolVar(&f.tls, "control-tls", false, "serve https on the control address, with --tls-cert; certificates of callers are not asked for")
	flags.StringVar(&f.tokenFile, "control-token-file", "", "`FILE` with the token that callers of the control address must show for everything but health")
}

// listen gives the address to listen on. A port without a host is one of loopback.
func (f *controlFlags) listen() string {
	if port, ok := strings.CutPrefix(f.address, ":"); ok {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return f.address
}

// isWide reports whether other machines reach the address.
func (f *controlFlags) isWide() bool {
	host, _, err := net.SplitHostPort(f.listen())
	if err != nil {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && !ip.IsLoopback() || err != nil && !strings.EqualFold(host, "localhost")
}

// readToken reads the token, without the line end that editors leave.
func (f *controlFlags) readToken() (plan.Secret, error) {
	raw, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return plan.Secret{}, failure("--control-token-file: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return plan.Secret{}, failure("--control-token-file: %s must hold one word, the token", f.tokenFile)
	}
	return plan.NewSecret(token), nil
}

// desk answers those who run the process: it tells the control adapter what there is to tell.
type desk struct {
	wiring   *wiring
	flags    *serveFlags
	log      *slog.Logger
	started  time.Time
	engine   atomic.Pointer[engine.Engine] // nil until there is one
	token    atomic.Pointer[plan.Secret]   // nil: none is wanted
	last     atomic.Pointer[control.LastReload]
	told     atomic.Pointer[described] // nil before the first report
	asked    chan asking               // reloads, for the one who does them
	closed   chan struct{}             // nobody does any more
	close    func()
	checking chan struct{} // holds the one text that is validated
}

// described is what is served, and what is told of it.
type described struct {
	snapshot *engine.Snapshot
	report   *report
}

// asking is a reload that somebody waits for.
type asking struct{ done chan<- outcome }

// outcome is how a reload ended.
type outcome struct {
	reloaded control.Reloaded
	err      error
}

func newDesk(w *wiring, f *serveFlags, log *slog.Logger) (*desk, error) {
	d := &desk{
		wiring: w, flags: f, log: log, started: time.Now(),
		asked: make(chan asking), closed: make(chan struct{}), checking: make(chan struct{}, 1),
	}
	if f.control.tls && f.control.address == "" {
		return nil, failure("--control-tls needs --control-address: the address that is to speak https")
	}
	if f.control.tls && w.TLS == nil {
		return nil, failure("--control-tls needs --tls-cert and --tls-key: the certificate to show")
	}
	d.close = sync.OnceFunc(func() { close(d.closed) })
	if f.control.tokenFile != "" {
		token, err := f.control.readToken()
		if err != nil {
			return nil, err
		}
		d.token.Store(&token)
	}
	return d, nil
}

// owns reports whether a port is that of the control address. On loopback it asks for no token,
// and trusts whoever is on this machine: a document is not, though capd would call it for one.
func (d *desk) owns(port uint16) bool {
	e := d.engine.Load()
	if e == nil {
		return false
	}
	at, err := netip.ParseAddrPort(e.ControlAddr())
	return err == nil && at.Port() == port
}

// reloaded remembers how a reload, or the start, ended.
func (d *desk) reloaded(begun time.Time, err error) {
	begun = begun.UTC()
	took := time.Since(begun)
	r := &control.LastReload{At: begun.Truncate(time.Second), Took: took.Round(time.Millisecond).String(), Result: "ok"}
	if err != nil {
		r.Result, r.Error = "failed", err.Error()
		if last := d.last.Load(); last != nil {
			r.Succeeded = last.Succeeded
		}
	} else {
		r.Succeeded = &r.At
	}
	d.last.Store(r)
}

// reloadToken takes a token that was rotated. One that cannot be read leaves the last.
func (d *desk) reloadToken() {
	if d.flags.control.tokenFile == "" {
		return
	}
	token, err := d.flags.control.readToken()
	if err != nil {
		d.log.Error("the token of the control address is the one of before", "error", err)
		return
	}
	d.token.Store(&token)
}

// control gives the control address, nil when none was asked for.
func (d *desk) control() *engine.ControlOptions {
	f := &d.flags.control
	if f.address == "" {
		return nil
	}
	o := control.ServerOptions{
		Build: d.build(), Started: d.started, Facts: d.facts, Config: d.config, Routes: d.routes,
		Reload: d.reload, Validate: d.validate, MaxText: int64(d.flags.documents.maxDocument),
		Level: d.flags.log.now, Log: d.flags.log.followed, Logger: d.log,
		Attempts:   d.wiring.attempts,
		HealthOnly: f.isWide() && f.tokenFile == "",
	}
	o.Handlers = map[string]http.Handler{"/metrics": d.wiring.telemetry.Handler()}
	if f.tokenFile != "" {
		o.Token = func() plan.Secret { return *d.token.Load() }
	}
	out := &engine.ControlOptions{Addr: f.listen(), TLS: f.tls, MaxConnections: d.flags.callers.forControl(), Handler: control.NewServer(o)}
	if o.Log != nil {
		out.Drain = o.Log.Close
	}
	return out
}

// adapter gives what serves the control adapters of documents. Where the operator decides when
// files are read (--watch off), no document does.
func (d *desk) adapter() engine.Adapter {
	o := control.Options{
		Build: d.build(), Started: d.started, State: d.stateOf, Validate: d.validate,
		Listening: func(addr string) bool { return d.engine.Load().Addr(addr) != "" },
		MaxText:   int64(d.flags.documents.maxDocument), Logger: d.log,
	}
	if d.flags.watch != watchOff {
		o.Reload = d.reload
	}
	return control.New(o)
}

// stateOf tells what became of a document.
func (d *desk) stateOf(id string) (state string, codes []string, serial uint64) {
	now := d.engine.Load().Current()
	for i := range now.Docs {
		if doc := now.Docs[i]; doc.ID == id && doc.State != engine.Ignored {
			return doc.State.String(), errorCodes(doc.Diagnostics), now.Serial
		}
	}
	return control.StateRefused, nil, now.Serial
}

func (d *desk) build() control.Build {
	b := thisBuild()
	return control.Build{Version: b.Version, Revision: b.Revision, Go: b.Go, Platform: b.Platform}
}

// facts tells what is served now.
func (d *desk) facts() control.Facts {
	e := d.engine.Load()
	if e == nil {
		return control.Facts{}
	}
	now, told := e.Current(), d.told.Load()
	if told == nil || told.snapshot != now {
		var none *report
		told = &described{now, none.follow(now, nil, d.flags.tls.scheme().origins(e.Addr), d.wiring.Look)}
	}
	out := control.Facts{Serial: now.Serial, Store: d.wiring.store.facts(), LastReload: d.last.Load(), Watch: d.flags.watch}
	out.Breakers = openBreakers(d.wiring.protected.Breakers(), now.Plan)
	out.Lost.AuditLines, out.Lost.Spans = d.wiring.telemetry.Lost()
	if s := e.State(); s != nil {
		out.State = &control.StateFolder{Folder: s.Dir, Forms: s.Forms, Bytes: s.Bytes, Unsaved: s.Unsaved, Error: s.Error}
	}
	if p := now.Policy; p.File != "" {
		out.Policy = &control.Policy{File: p.File, Hash: p.Hash, Stale: p.Stale}
	}
	switch {
	case e.IsStopping():
		out.Phase = control.Stopping
	case now.Serial > 0:
		out.Phase = control.Serving
	}
	for _, a := range e.Addrs() {
		l := control.Listener{Declared: a.Declared, Actual: a.Actual}
		if a.Err != nil {
			l.Error = a.Err.Error()
		}
		out.Listeners = append(out.Listeners, l)
	}
	out.Counts = told.report.counts()
	out.Documents = func() []control.Document {
		var all []control.Document
		for i, doc := range told.report.Documents {
			if doc.State != engine.Ignored {
				all = append(all, documentFacts(now.Docs[i], doc))
			}
		}
		return all
	}
	return out
}

// counts counts documents by what became of them.
func (r *report) counts() (n control.Counts) {
	for _, doc := range r.Documents {
		switch doc.State {
		case engine.Ignored:
		case engine.Refused:
			n.Refused++
		case engine.Stale:
			n.Stale++
		default:
			n.Served++
		}
	}
	return n
}

// openBreakers gives the breakers of what is served that are not closed, in order.
func openBreakers(all []plan.BreakerStatus, p *plan.Plan) []control.Breaker {
	var out []control.Breaker
	for _, b := range all {
		if b.State != plan.BreakerClosed && p.Unit(b.Document) != nil {
			out = append(out, control.Breaker{Document: b.Document, API: b.API, Host: b.Host, State: b.State.String()})
		}
	}
	slices.SortFunc(out, func(a, b control.Breaker) int {
		return cmp.Or(strings.Compare(a.Document, b.Document), strings.Compare(a.API, b.API), strings.Compare(a.Host, b.Host))
	})
	return out
}

// documentFacts tells of one document.
func documentFacts(d *engine.DocState, doc *reportDocument) control.Document {
	out := control.Document{ID: d.ID, File: d.File, State: control.StateServed, Hash: d.Hash, Label: doc.Label}
	for _, a := range doc.Adapters {
		out.Adapters = append(out.Adapters, control.Endpoint{Kind: string(a.Kind), Namespace: a.Namespace, URL: a.URL, Has: a.counts()})
	}
	switch doc.State {
	case engine.Refused:
		out.State = control.StateRefused
	case engine.Stale:
		since := d.Since.UTC().Truncate(time.Second)
		out.State, out.Since, out.Kept = control.StateStale, &since, d.Kept
	}
	out.Codes = errorCodes(d.Diagnostics)
	return out
}

// errorCodes gives the codes of the errors, each once.
func errorCodes(l diag.List) []string {
	var out []string
	for _, p := range l {
		if p.Severity == diag.Error && !slices.Contains(out, string(p.Code)) {
			out = append(out, string(p.Code))
		}
	}
	slices.Sort(out)
	return out
}

// routes tells what can be called, and where.
func (d *desk) routes() []control.Route {
	e := d.engine.Load()
	if e == nil {
		return nil
	}
	now := e.Current()
	where := newAddressBook(now.Plan, d.flags.tls.scheme())
	var out []control.Route
	for _, doc := range now.Docs {
		if doc.Unit == nil {
			continue
		}
		for _, x := range doc.Unit.Exposures {
			for _, l := range listExposure(x, where) {
				r := control.Route{
					Document: doc.ID, Kind: string(l.Kind), Type: l.Type, Namespace: l.Namespace, Name: l.Name,
					Method: l.Method, Path: l.Path, Addresses: l.Addresses, Calls: l.Calls,
				}
				if l.Refused != nil {
					r.Refused = string(l.Refused.Code)
				}
				out = append(out, r)
			}
		}
	}
	actualAddresses(out, e.Addrs())
	return out
}

// actualAddresses puts the addresses that the system gave in the place of declared ones.
func actualAddresses(routes []control.Route, addrs []engine.Addr) {
	actual := map[string]string{}
	for _, a := range addrs {
		if a.Actual != "" {
			actual[a.Declared] = reachable(a.Actual)
		}
	}
	for _, r := range routes {
		for i, at := range r.Addresses {
			before, rest, _ := strings.Cut(at, "://")
			host, _, _ := strings.Cut(rest, "/")
			if to := actual[host]; to != "" {
				r.Addresses[i] = before + "://" + to + strings.TrimPrefix(rest, host)
			}
		}
	}
}

// config tells how the process was set up.
func (d *desk) config() control.Config {
	out := control.Config{Paths: d.wiring.Paths}
	d.flags.all.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		out.Options = append(out.Options, control.Option{Name: f.Name, Value: maskSetting(f.Name, value), Set: f.Changed})
	})
	return out
}

// The places of a setting where a password can stand: before the host of a URL, and in its query.
var (
	urlUser  = regexp.MustCompile(`://\S*@`)
	urlQuery = regexp.MustCompile(`([?&][^=\s&]*=)[^&\s,]*`)
	secretly = regexp.MustCompile(`(^|-)(token|secret|password|key)$`)
)

// maskSetting gives a setting with what may be a credential taken out.
func maskSetting(name, value string) string {
	if value != "" && secretly.MatchString(name) {
		return "<secret>"
	}
	value = urlUser.ReplaceAllString(value, "://<secret>@")
	return urlQuery.ReplaceAllString(value, "$1<secret>")
}

// reload asks for a reload and waits for its end.
func (d *desk) reload(ctx context.Context) (control.Reloaded, error) {
	done := make(chan outcome, 1)
	select {
	case d.asked <- asking{done}:
	case <-d.closed:
		return control.Reloaded{}, engine.ErrStopped
	case <-ctx.Done():
		return control.Reloaded{}, ctx.Err()
	}
	select {
	case o := <-done:
		return o.reloaded, o.err
	case <-ctx.Done():
		return control.Reloaded{}, ctx.Err()
	}
}

// reloadFor reloads once for all who ask at the same time.
func (s *server) reloadFor(ctx context.Context, first asking) {
	all := []asking{first}
	for waiting := true; waiting; {
		select {
		case a := <-s.wiring.desk.asked:
			all = append(all, a)
		default:
			waiting = false
		}
	}
	done, err := s.reload(ctx)
	for _, a := range all {
		a.done <- outcome{done, err}
	}
}

// validate checks a text by itself: with no file beside it, and without a look at variables,
// so that the answer tells nothing of this machine.
func (d *desk) validate(ctx context.Context, name string, text []byte) (json.RawMessage, bool, error) {
	select {
	case d.checking <- struct{}{}:
		defer func() { <-d.checking }()
	default:
		return nil, false, control.ErrBusy
	}
	unread := func(string, *plan.Variable) (plan.Secret, error) { return plan.Secret{}, plan.ErrUnread }
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths: []string{"-"}, Stdin: bytes.NewReader(text), StdinName: name, Sealed: true,
		Limits: d.flags.documents.limits(), Link: d.wiring.Linking(),
		Bind: &plan.BindOptions{Look: unread, Upstream: stub.New()},
		Jobs: 1, HideIgnored: true, Logger: d.log,
	})
	if err != nil {
		return nil, false, err
	}
	return findingsJSON(loaded.Diagnostics), loaded.Diagnostics.HasErrors(), nil
}

// findingsJSON gives findings as validate --format json writes them.
func findingsJSON(l diag.List) json.RawMessage {
	var b bytes.Buffer
	if err := diag.WriteJSON(&b, l); err != nil {
		return nil // a buffer takes everything
	}
	return b.Bytes()
}

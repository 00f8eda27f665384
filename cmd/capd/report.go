package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// report is what serve says when it has started: what is served and where, what is missing,
// and every problem. After a reload it says what changed (see [changes]).
type report struct {
	Documents []*reportDocument
	Addresses []reportAddress

	states  []*engine.DocState // of each of the documents
	bound   *plan.Bound        // nil where nothing was
	list    diag.List
	checked bool // nothing listens
	stdio   bool // one client is served, at no address
	// knowsCallers: who calls has shown a certificate.
	knowsCallers bool
}

// reportDocument is one file that was found. One of which nothing is served is refused, whatever
// its errors are.
type reportDocument struct {
	ID       string          `json:"id"`
	File     string          `json:"file"`
	Label    string          `json:"label,omitempty"`
	State    engine.State    `json:"state"`
	Adapters []reportAdapter `json:"adapters,omitempty"`
	Needs    []string        `json:"needs,omitempty"`   // variables
	Missing  []string        `json:"missing,omitempty"` // those without a value
	Sources  []reportSource  `json:"sources,omitempty"` // where those come from that are not of the environment

	hash     string // of the text
	isServed bool   // anything of it
}

// reportSource is where a variable comes from.
type reportSource struct {
	Name     string `json:"name"`
	Location string `json:"location"`
	Key      string `json:"key"`
}

// reportAdapter is one exposure at its main address.
type reportAdapter struct {
	Kind      plan.Kind `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	URL       string    `json:"url"`
	Alias     string    `json:"alias,omitempty"` // what names of tools begin with, on stdio
	Routes    int       `json:"routes,omitempty"`
	Tools     int       `json:"tools,omitempty"`
	Resources int       `json:"resources,omitempty"`
	Prompts   int       `json:"prompts,omitempty"`
	Skills    int       `json:"skills,omitempty"`
	Serves    []string  `json:"serves,omitempty"`  // of a control adapter
	Refused   int       `json:"refused,omitempty"` // what is declared and not served
}

// reportAddress is one address of the plan.
type reportAddress struct {
	Declared string `json:"declared"`
	Actual   string `json:"actual,omitempty"`
	Error    string `json:"error,omitempty"`
	// AllInterfaces: whoever reaches this machine reaches the address.
	AllInterfaces bool `json:"allInterfaces,omitempty"`
}

// reportDiagnostic is a problem in a log event.
type reportDiagnostic struct {
	File     string        `json:"file,omitempty"`
	Line     int           `json:"line,omitempty"`
	Column   int           `json:"column,omitempty"`
	Severity diag.Severity `json:"severity"`
	Code     diag.Code     `json:"code"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	Path     string        `json:"path,omitempty"`
}

// lookup gives the value of a document's variable, or [plan.ErrUnset].
type lookup func(doc string, v *plan.Variable) (plan.Secret, error)

// isEmpty reports whether nothing of any document is served.
func (r *report) isEmpty() bool {
	return !slices.ContainsFunc(r.Documents, func(d *reportDocument) bool { return d.isServed })
}

// newReport describes a plan. origin gives the URL of a declared address, empty when nothing
// listens there.
func newReport(p *plan.Plan, docs []*engine.DocState, list diag.List, origin func(string) string, look lookup) *report {
	r := &report{
		Documents: make([]*reportDocument, len(docs)), Addresses: []reportAddress{}, states: docs, list: list, stdio: p.Stdio != nil,
	}
	r.describe(p, origin, look)
	return r
}

// follow is newReport for what is served after last, in which what did not change stands already.
func (last *report) follow(now *engine.Snapshot, at []reportAddress, origin func(string) string, look lookup) *report {
	r := &report{
		Documents: make([]*reportDocument, len(now.Docs)), Addresses: at, states: now.Docs, bound: now.Bound, list: now.Diagnostics, stdio: now.Plan.Stdio != nil,
	}
	if last != nil && slices.Equal(last.Addresses, at) {
		others, known := now.Bound.Since(last.bound)
		k := 0
		for i, d := range now.Docs {
			for k < len(last.states) && last.states[k] != d && last.states[k].ID < d.ID {
				k++
			}
			if k < len(last.states) && last.states[k] == d && (known || now.Bound.Shares(last.bound, d.Unit)) {
				r.Documents[i] = last.Documents[k]
			}
		}
		for _, u := range others {
			i, _ := slices.BinarySearchFunc(now.Docs, u.ID, func(d *engine.DocState, id string) int { return strings.Compare(d.ID, id) })
			for ; i < len(now.Docs) && now.Docs[i].ID == u.ID; i++ {
				r.Documents[i] = nil
			}
		}
	}
	r.describe(now.Plan, origin, look)
	return r
}

// describe fills in the documents that are not described yet.
func (r *report) describe(p *plan.Plan, origin func(string) string, look lookup) {
	wanted := map[*plan.Unit]bool{}
	for i, d := range r.states {
		if r.Documents[i] == nil && d.Unit != nil {
			wanted[d.Unit] = true
		}
	}
	exposures := exposuresByUnit(p, wanted, origin)
	for i, d := range r.states {
		if r.Documents[i] == nil {
			r.Documents[i] = newReportDocument(d, exposures[d.Unit], look)
		}
	}
}

func newReportDocument(d *engine.DocState, adapters []reportAdapter, look lookup) *reportDocument {
	doc := &reportDocument{ID: d.ID, File: d.File, State: d.State, hash: d.Hash}
	if d.Unit != nil {
		doc.Label = d.Unit.Label
		doc.Adapters = adapters
		doc.Needs, doc.Missing = variables(d.Unit, look)
		doc.Sources = sourcesOf(d.Unit)
	}
	doc.isServed = doc.served()
	if d.State != engine.Ignored && !doc.isServed {
		doc.State = engine.Refused
	}
	return doc
}

// served reports whether anything of a document is served. A control adapter counts when the
// document has nothing else.
func (d *reportDocument) served() bool {
	only := !slices.ContainsFunc(d.Adapters, func(a reportAdapter) bool { return a.Kind != plan.Control })
	return slices.ContainsFunc(d.Adapters, func(a reportAdapter) bool {
		return a.URL != "" && (a.Routes+a.Tools+a.Resources+a.Prompts+a.Skills > 0 || only && a.Kind == plan.Control)
	})
}

// reportDiagnostics gives problems as they stand in a log event.
func reportDiagnostics(list diag.List) []reportDiagnostic {
	out := make([]reportDiagnostic, 0, len(list))
	for _, d := range list {
		out = append(out, reportDiagnostic{
			File: d.Span.File, Line: d.Span.Start.Line, Column: d.Span.Start.Col,
			Severity: d.Severity, Code: d.Code, Message: d.Message, Hint: d.Hint, Path: d.Path,
		})
	}
	return out
}

// exposuresByUnit gives the exposures of some documents, each in the order the document has them.
func exposuresByUnit(p *plan.Plan, wanted map[*plan.Unit]bool, origin func(string) string) map[*plan.Unit][]reportAdapter {
	type placed struct {
		index int
		reportAdapter
	}
	found := map[*plan.Unit][]placed{}
	for _, l := range p.Listeners {
		at := origin(l.Addr)
		for u := range wanted {
			for _, m := range l.Of(u) {
				if !m.Main || m.Exposure.Unit != u {
					continue
				}
				e := m.Exposure
				a := reportAdapter{Kind: e.Kind, Namespace: e.Namespace}
				if at != "" {
					a.URL = at + m.Path
				}
				if e.Management != nil {
					a.Serves = e.Management.Words()
				}
				a.tally(e.Routes, e.Skills, e.Tools, e.Resources, e.Prompts)
				found[u] = append(found[u], placed{e.Index, a})
			}
		}
	}
	if p.Stdio != nil {
		for _, m := range p.Stdio.Members {
			a := reportAdapter{Kind: m.Exposure.Kind, Namespace: m.Exposure.Namespace, URL: stdioURL, Alias: m.Alias}
			a.tally(nil, nil, m.Tools, m.Resources, m.Prompts)
			found[m.Exposure.Unit] = append(found[m.Exposure.Unit], placed{m.Exposure.Index, a})
		}
	}
	out := make(map[*plan.Unit][]reportAdapter, len(found))
	for u, list := range found {
		slices.SortStableFunc(list, func(a, b placed) int { return a.index - b.index })
		for _, a := range list {
			out[u] = append(out[u], a.reportAdapter)
		}
	}
	return out
}

// stdioURL stands for the address of what is served on standard input and output.
const stdioURL = "stdio"

// tally counts what an exposure has.
func (a *reportAdapter) tally(routes []*plan.Route, skills []*plan.SkillEntry, tools []*plan.Tool, resources []*plan.Resource, prompts []*plan.Prompt) {
	for _, route := range routes {
		tally(route.Operation != nil, &a.Routes, &a.Refused)
	}
	for _, tool := range tools {
		tally(tool.Operation != nil, &a.Tools, &a.Refused)
	}
	for _, r := range resources {
		tally(r.Refusal == nil, &a.Resources, &a.Refused)
	}
	for _, p := range prompts {
		tally(p.Refusal == nil, &a.Prompts, &a.Refused)
	}
	for _, skill := range skills {
		tally(skill.Refusal == nil, &a.Skills, &a.Refused)
	}
}

// reachable gives an address at which this machine can call what listens on another. All
// interfaces are no address to call.
func reachable(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || !allInterfaces(addr) {
		return addr
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// allInterfaces reports whether an address is one of all interfaces.
func allInterfaces(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// tally adds one to the counter that the condition picks.
func tally(ok bool, yes, no *int) {
	if ok {
		*yes++
	} else {
		*no++
	}
}

// variables gives the names a document needs and those that have no value.
func variables(u *plan.Unit, look lookup) (needs, missing []string) {
	for _, v := range u.Variables {
		needs = append(needs, v.Name)
		if _, err := look(u.ID, v); err != nil && !errors.Is(err, plan.ErrUnread) {
			missing = append(missing, v.Name)
		}
	}
	slices.Sort(needs)
	slices.Sort(missing)
	return slices.Compact(needs), slices.Compact(missing)
}

// sourcesOf gives the places of variables that are not of the environment.
func sourcesOf(u *plan.Unit) []reportSource {
	var out []reportSource
	for _, v := range u.Variables {
		if v.Location != nil {
			out = append(out, reportSource{Name: v.Name, Location: v.Location.Text, Key: v.Source})
		}
	}
	return out
}

// report says what the engine serves now: everything the first time, later what changed. It
// gives the changes in a few words.
func (s *server) report() (summary string) {
	now := s.engine.Current()
	at := []reportAddress{}
	for _, a := range s.engine.Addrs() {
		one := reportAddress{Declared: a.Declared, Actual: a.Actual, AllInterfaces: a.Actual != "" && allInterfaces(a.Actual)}
		if a.Err != nil {
			one.Error = a.Err.Error()
		}
		at = append(at, one)
	}
	r := s.last.follow(now, at, s.flags.tls.scheme().origins(s.engine.Addr), s.wiring.Look)
	r.knowsCallers = s.flags.tls.knowsCallers()
	write := released(r.write)
	if s.last != nil {
		c := r.since(s.last)
		write, summary = c.write, c.summary()
	}
	s.last = r
	s.wiring.desk.told.Store(&described{now, r})
	if err := write(s.stderr, s.flags.log.format); err != nil {
		s.log.Warn("cannot write the report", "error", err)
	}
	return summary
}

// released gives memory back to the system before anything is written. Loading leaves several times
// as much garbage as the plans weigh, a long report leaves some too, and the next collection may be
// hours away.
func released(write func(io.Writer, string) error) func(io.Writer, string) error {
	return func(w io.Writer, format string) error {
		var text bytes.Buffer
		err := write(&text, format)
		debug.FreeOSMemory()
		_, failed := text.WriteTo(w)
		return errors.Join(err, failed)
	}
}

// diagnostics prints problems that kept everything else from being said.
func (s *server) diagnostics(list diag.List) {
	r := newReport(&plan.Plan{}, nil, list, declaredAddr, s.wiring.Look)
	if s.flags.log.format == formatJSON {
		r.event(s.stderr, "refused")
		return
	}
	_ = diag.WriteText(s.stderr, list, diag.TextOptions{})
}

// write prints the report as text, or as one event of the log.
func (r *report) write(w io.Writer, format string) error {
	if format != formatJSON {
		return r.text(w)
	}
	if r.checked {
		r.event(w, "checked")
	} else {
		r.event(w, "serving")
	}
	return nil
}

// event writes the report as one event in the form of the log.
func (r *report) event(w io.Writer, message string) {
	writeEvent(w, r.list, message,
		slog.Any("documents", r.Documents), slog.Any("addresses", r.Addresses), slog.Any("diagnostics", reportDiagnostics(r.list)))
}

// writeEvent writes one event in the form of the log. It is as important as the worst problem
// in it, and is written whatever --log-level says, as the text is.
func writeEvent(w io.Writer, list diag.List, message string, attrs ...slog.Attr) {
	level := slog.LevelInfo
	switch {
	case list.HasErrors():
		level = slog.LevelError
	case list.Count(diag.Warning) > 0:
		level = slog.LevelWarn
	}
	slog.New(slog.NewJSONHandler(w, nil)).LogAttrs(context.Background(), level, message, attrs...)
}

// text writes the report for people.
func (r *report) text(out io.Writer) error {
	var b strings.Builder
	if err := diag.WriteText(&b, r.list, diag.TextOptions{}); err != nil {
		return err
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString("capd " + r.headline() + "\n")
	r.warnOpen(&b, nil)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, d := range r.Documents {
		if d.State != engine.Ignored { // its finding says enough
			d.text(w)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// headline counts what is served.
func (r *report) headline() string {
	served := 0
	for _, d := range r.Documents {
		if d.isServed {
			served++
		}
	}
	verb := "serves"
	if r.checked {
		verb = "would serve"
	}
	text := fmt.Sprintf("%s %d of %s", verb, served, plural(len(r.Documents), "file"))
	var at []string
	for _, a := range r.Addresses {
		if a.Actual != "" {
			at = append(at, a.Actual)
		}
	}
	if r.stdio {
		text += " on standard input and output"
	}
	if len(at) > 0 {
		text += " on " + strings.Join(at, ", ")
	}
	return text
}

// warnOpen says which addresses are open to others than this machine, those left out that a
// former report has told of.
func (r *report) warnOpen(w io.Writer, told []reportAddress) {
	for _, a := range r.Addresses {
		if a.AllInterfaces && !r.knowsCallers && !slices.Contains(told, a) {
			fmt.Fprintf(w, "capd: %s is on all interfaces of this machine, and callers are not authenticated: everyone who reaches it can call\n", a.Actual)
		}
	}
}

// text writes one document, columns separated by tabs.
func (d *reportDocument) text(w io.Writer) {
	title := d.ID // names come from files and may hold anything
	if d.Label != "" {
		title += ": " + d.Label
	}
	switch d.State {
	case engine.Served:
	case engine.Stale:
		title += " (stale: " + d.File + " has errors now, its last good state is served)"
	default:
		title += " (" + d.State.String() + ": " + d.File + ")"
	}
	fmt.Fprintf(w, "\n%s\n", diag.Printable(title))
	for _, a := range d.Adapters {
		at := a.URL
		switch {
		case at == "":
			at = "(not listening)"
		case a.Alias != "":
			at += " as " + a.Alias + "__*"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", a.Kind, diag.Printable(at), a.counts())
	}
	if len(d.Needs) > 0 {
		fmt.Fprintf(w, "  needs\t%s\n", strings.Join(d.needs(), ", "))
	}
}

// needs gives the variables with a remark on those without a value.
func (d *reportDocument) needs() []string {
	out := slices.Clone(d.Needs)
	for i, name := range out {
		for _, s := range d.Sources {
			if s.Name == name {
				out[i] += " from " + diag.Printable(s.Location)
			}
		}
		if slices.Contains(d.Missing, name) {
			out[i] += " (not set)"
		}
	}
	return out
}

// counts says how much an exposure has.
func (a *reportAdapter) counts() string {
	var parts []string
	switch a.Kind {
	case plan.MCP:
		parts = append(parts, a.mcpCounts()...)
	case plan.Skill:
		parts = append(parts, plural(a.Skills, "skill"))
	case plan.Control:
		parts = append(parts, a.Serves...)
	default:
		parts = append(parts, plural(a.Routes, "route"))
	}
	if a.Refused > 0 {
		parts = append(parts, fmt.Sprintf("%d refused", a.Refused))
	}
	return strings.Join(parts, ", ")
}

// plural counts things whose name takes an s.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

package plan

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
)

// LinkOptions decides on which addresses exposures are served.
type LinkOptions struct {
	// Listen, if set, is the one address (host:port) for everything.
	Listen string
	// Address is the host to listen on for declared ports; empty means 127.0.0.1.
	Address string
	// AllowSpecAddress honours addresses that documents declare.
	AllowSpecAddress bool
	// CombinedMCP serves the MCP exposures of each address together at /mcp.
	CombinedMCP bool
	// Views are more views of several MCP exposures.
	Views []NamedView
	// PublicURL is where clients reach what is served, in front of the fixed addresses:
	// "https://host[/path]" without a slash at its end. Empty means that it is not known.
	PublicURL string
	// Policy says who owns a bare path, and Subjects what documents are to it; nil: nobody narrows
	// what they may do.
	Policy   *Policy
	Subjects map[*Unit]Subject
	// WithoutCertificates: no address asks callers for a certificate.
	WithoutCertificates bool
	// Origin gives where the value of a variable comes from that is in a file; nil: what is
	// written tells.
	Origin func(v *Variable) ValuePlace
	// Stdio, if set, serves nothing but a view of MCP exposures on standard input and output,
	// and no address at all.
	Stdio *StdioOptions
}

// Link gives each exposure its addresses and resolves what documents claim twice
// (decision D3). Units are used as they are, so that those of an unchanged document stay
// the same between plans; so do the listeners of prev that come out equal. It reports only
// problems between documents.
func Link(prev *Plan, units []*Unit, o LinkOptions) (*Plan, diag.List) {
	l := &linker{options: o, listeners: map[string]*Listener{}, seed: prev.claimSeed()}
	p := &Plan{Units: prev.inOrder(units), public: o.PublicURL, subjects: o.Subjects, layout: o.layout(), alone: o.judgesEachAlone(), seed: l.seed}
	if o.Stdio != nil {
		p.Stdio = l.stdio(p.Units, o.Stdio)
		l.list.Sort()
		return p, l.list
	}
	l.gone, l.came = prev.unitsApart(p)
	l.guarded(prev, p)
	if !l.relink(prev, p) {
		l.together(prev, p)
	}
	l.judgeViews(p)
	l.list.Sort()
	p.notes = l.list
	return p, slices.Clone(l.list)
}

// together links all documents.
func (l *linker) together(prev, p *Plan) {
	for _, u := range p.Units {
		l.mountAll(u)
	}
	for _, addr := range sortedKeys(l.listeners) {
		x := l.listeners[addr]
		l.settle(x)
		if old := prev.Listener(addr); old != nil && old.equal(x) {
			x = old
		}
		p.Listeners = append(p.Listeners, x)
	}
}

// mountAll gives the exposures of a document their fixed addresses.
func (l *linker) mountAll(u *Unit) {
	for _, e := range u.Exposures {
		if addr, ok := l.address(e); ok && l.canBeNamed(e) {
			l.warnOfCertificates(e)
			l.listener(addr).mount(e)
		}
	}
}

// settle decides on what documents at an address claim twice.
func (l *linker) settle(x *Listener) {
	x.keepViews()
	x.findSoleControl()
	l.shadowed(x)
	l.bareRoutes(x)
	l.bareSkills(x)
}

type linker struct {
	options   LinkOptions
	listeners map[string]*Listener
	list      diag.List
	seed      maphash.Seed // of claims

	gone, came []*Unit // since the last link
}

func (l *linker) note(sev diag.Severity, code diag.Code, e *Exposure, at diag.Span, hint, format string, args ...any) {
	l.list.Add(diag.Diagnostic{
		Code: code, Severity: sev, Rule: "D3", Span: at, Unit: diag.Unit{Doc: e.Unit.ID, Adapter: adapterName(e)},
		Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// grant gives what the document of an exposure may do.
func (l *linker) grant(e *Exposure) *Grant { return l.options.Subjects[e.Unit].Grant }

// deny reports what the policy does not allow.
func (l *linker) deny(e *Exposure, at diag.Span, d *Denied) {
	l.list.Add(diag.Diagnostic{
		Code: diag.CodePolicy, Severity: diag.Error, Span: at, Unit: diag.Unit{Doc: e.Unit.ID, Adapter: adapterName(e)},
		Message: d.Text, Hint: d.Hint, Related: []diag.Related{d.At},
	})
}

// address gives where an exposure is served.
func (l *linker) address(e *Exposure) (string, bool) {
	switch {
	case e.onStdio():
		l.note(diag.Info, diag.CodeStdio, e, placeOr(e.TransportSpan, e.Span), "run capd mcp FILE; or leave transport out, to serve it over HTTP",
			"the adapter is for standard input and output, and not served at an address")
		return "", false
	case l.options.Listen != "":
		return l.options.Listen, true
	case e.Port == 0:
		at, hint := e.Span, "add port, or serve with --listen"
		if e.PortSpan.Start.IsValid() {
			at, hint = e.PortSpan, "write a port from 1 to 65535, or serve with --listen"
		}
		l.note(diag.Error, diag.CodeMissingPort, e, at, hint, "the adapter has no usable port")
		return "", false
	}
	if d := l.grant(e).port(e.Port); d != nil {
		l.deny(e, placeOr(e.PortSpan, e.Span), d)
		return "", false
	}
	host := cmp.Or(l.options.Address, "127.0.0.1")
	if e.Address != "" && l.options.AllowSpecAddress && l.options.Address == "" {
		host = e.Address
	} else if e.Address != "" && !isLoopback(e.Address) && l.options.Address == "" {
		l.note(diag.Warning, diag.CodeSpecAddress, e, placeOr(e.AddressSpan, e.Span), "serve with --allow-spec-address to honour it, or with --address",
			"the address %s is not honoured; the adapter listens on %s", e.Address, host)
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(e.Port)), true
}

func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (l *linker) listener(addr string) *Listener {
	x := l.listeners[addr]
	if x == nil {
		x = &Listener{Addr: addr, Combined: l.options.CombinedMCP, named: l.options.Views, claims: newClaims()}
		l.listeners[addr] = x
	}
	return x
}

// mount gives an exposure its fixed addresses on this listener.
func (x *Listener) mount(e *Exposure) {
	if e.Kind.Prefix() == "" {
		return
	}
	same, first := 0, true
	for _, o := range e.Unit.Exposures {
		if o.Kind == e.Kind && !o.onStdio() {
			if same == 0 {
				first = o == e
			}
			same++
		}
	}
	id := strings.Split(e.Unit.ID, "/")
	if first {
		x.Mounts = append(x.Mounts, newMount(e, id, true))
	}
	if same > 1 && e.Namespace != "" {
		x.Mounts = append(x.Mounts, newMount(e, append(slices.Clone(id), e.Namespace), !first))
	}
	x.add(e.Kind)
	if e.Kind == MCP {
		x.countMCP()
	}
}

func newMount(e *Exposure, segments []string, main bool) *Mount {
	path := "/" + e.Kind.Prefix()
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return &Mount{Exposure: e, Path: path, Segments: segments, Main: main}
}

// countMCP keeps SoleMCP true: the one MCP exposure, or none of several.
func (x *Listener) countMCP() {
	x.SoleMCP = nil
	for _, m := range x.Mounts {
		if m.Exposure.Kind != MCP || !m.Main {
			continue
		}
		if x.SoleMCP != nil {
			x.SoleMCP = nil
			return
		}
		x.SoleMCP = m
	}
}

// shadowed reports addresses of one document that lie inside those of another's longer ID.
func (l *linker) shadowed(x *Listener) {
	owner := map[string]*Mount{}
	for _, m := range x.Mounts {
		key := m.Path
		if first := owner[key]; first != nil {
			l.note(diag.Warning, diag.CodeShadowedAddress, m.Exposure, m.Exposure.Span, "rename the document or the adapter", "%s belongs to document %s", m.Path, first.Exposure.Unit.ID)
			continue
		}
		owner[key] = m
	}
	inside := map[string][]*Mount{} // by the path of each shorter address
	for _, m := range x.Mounts {
		for n := 1; n < len(m.Segments); n++ {
			key := mountKey(m.Exposure.Kind, m.Segments[:n])
			inside[key] = append(inside[key], m)
		}
	}
	for _, m := range x.Mounts {
		for _, o := range inside[mountKey(m.Exposure.Kind, m.Segments)] {
			for _, r := range m.Exposure.Routes {
				if o.Exposure != m.Exposure && beginsWith(r, o.Segments[len(m.Segments):]) {
					l.note(diag.Warning, diag.CodeShadowedAddress, m.Exposure, r.Span, "rename one of the documents", "%s%s is hidden by document %s", m.Path, r.Path, o.Exposure.Unit.ID)
				}
			}
			for _, s := range m.Exposure.Skills {
				if o.Exposure != m.Exposure && hidesSkill(o.Segments[len(m.Segments):], s) {
					l.note(diag.Warning, diag.CodeShadowedAddress, m.Exposure, s.Span, "rename the skill, or one of the documents", "%s/%s is hidden by document %s", m.Path, s.Name, o.Exposure.Unit.ID)
				}
			}
		}
	}
}

func mountKey(k Kind, segments []string) string {
	return string(k) + "\x00" + strings.Join(segments, "\x00")
}

// beginsWith reports whether the route's path begins with those literal segments.
func beginsWith(r *Route, segments []string) bool {
	if len(segments) > len(r.Segments) {
		return false
	}
	for i, want := range segments {
		s := r.Segments[i]
		if len(s) != 1 || s[0].Param >= 0 || s[0].Literal != want {
			return false
		}
	}
	return true
}

// bareRoutes mounts routes at their declared path too. Of several documents that claim one,
// the first ID wins.
func (l *linker) bareRoutes(x *Listener) {
	claimed := map[string]*BareRoute{}
	l.claimBare(x, claimed, true)
	l.claimBare(x, claimed, false) // a refused operation takes no path from one that is served
}

// claimBare mounts the routes that are served, or those that are refused.
func (l *linker) claimBare(x *Listener, claimed map[string]*BareRoute, served bool) {
	for _, m := range x.Mounts {
		if m.Exposure.Kind != REST || !m.Main {
			continue
		}
		for _, r := range m.Exposure.Routes {
			if (r.Operation != nil) != served {
				continue
			}
			if x.isReserved(r) && !(isWellKnown(r) && l.grant(m.Exposure).wellKnown(r)) {
				l.note(diag.Warning, diag.CodeReservedPath, m.Exposure, r.Span, "", "%s is under a path of capd's own; it is served at %s%s only", r.Path, m.Path, r.Path)
				continue
			}
			if o := l.options.Policy.owner(r.Segments); o != nil && !o.isOf(l.options.Subjects[m.Exposure.Unit]) {
				l.note(diag.Warning, diag.CodeRouteConflict, m.Exposure, r.Span, "", "%s %s belongs to another document, as the policy says; here it is served at %s%s only", r.Method, r.Path, m.Path, r.Path)
				l.list[len(l.list)-1].Related = []diag.Related{{Span: o.span, Message: "the policy says whose it is"}}
				continue
			}
			key := routeKey(r)
			l.claim(x, key)
			if first := claimed[key]; first != nil {
				if served && first.Exposure != m.Exposure {
					l.conflict(m, r, first)
				}
				continue
			}
			b := &BareRoute{Exposure: m.Exposure, Route: r}
			claimed[key] = b
			x.Bare = append(x.Bare, b)
		}
	}
}

func (l *linker) conflict(m *Mount, r *Route, first *BareRoute) {
	l.note(diag.Warning, diag.CodeRouteConflict, m.Exposure, r.Span, "", "%s %s is claimed by document %s too; here it is served at %s%s only",
		r.Method, r.Path, first.Exposure.Unit.ID, m.Path, r.Path)
	d := &l.list[len(l.list)-1]
	d.Related = []diag.Related{{Span: first.Route.Span, Message: "served at the bare path"}}
}

func (x *Listener) isReserved(r *Route) bool {
	if len(r.Segments) == 0 || len(r.Segments[0]) != 1 || r.Segments[0][0].Param >= 0 {
		return false
	}
	switch r.Segments[0][0].Literal {
	case "apis", "mcp", "skills", ".well-known":
		return true
	case Control.Prefix():
		return x.MayHave(Control) // the first segment of paths is taken
	}
	return false
}

// AnswersWellKnown reports whether a route is served at an escaped path below /.well-known.
func (x *Listener) AnswersWellKnown(path string) bool {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range names {
		names[i] = unescapePath(names[i])
	}
	return slices.ContainsFunc(x.Bare, func(b *BareRoute) bool {
		return slices.EqualFunc(b.Route.Segments, names, func(s Segment, name string) bool {
			literal, ok := s.literal()
			return ok && literal == name
		})
	})
}

// isWellKnown reports whether a route is below /.well-known.
func isWellKnown(r *Route) bool { return r.Segments[0][0].Literal == ".well-known" }

// isOf reports whether a document owns the paths.
func (o *ownedRoute) isOf(s Subject) bool { return s.Name != "" && o.owner.match(splitName(s.Name)) }

// equal reports whether both serve the very same things.
func (x *Listener) equal(y *Listener) bool {
	return slices.EqualFunc(x.Mounts, y.Mounts, sameMount) &&
		slices.EqualFunc(x.Bare, y.Bare, sameBare) &&
		slices.EqualFunc(x.Skills, y.Skills, func(a, b *BareSkill) bool { return *a == *b }) &&
		x.Combined == y.Combined && slices.EqualFunc(x.named, y.named, func(a, b NamedView) bool {
		return a.Name == b.Name && slices.Equal(a.Selectors, b.Selectors)
	})
}

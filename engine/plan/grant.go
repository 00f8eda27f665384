package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Grant is what the policy lets a document do. It does not change. The nil Grant lets it do
// everything.
type Grant struct {
	open  bool
	at    diag.Span // what the policy says of everything else
	rules []*policyRule
	caps  Caps

	private    *diag.Span
	deniedNets []RefusedNet
	reach      Reach
	key        string // of what it says
	placed     string // of where that stands
}

// Subject is what a document is to a policy.
type Subject struct {
	Name  string // the path that rules know it by; empty: none
	Grant *Grant
}

// Key is equal for grants that let a document do the same.
func (g *Grant) Key() string {
	if g == nil {
		return ""
	}
	return g.key
}

// Placed is equal for grants whose words stand at the same places of the file.
func (g *Grant) Placed() string {
	if g == nil {
		return ""
	}
	return g.placed
}

// Denied is the error of what a policy does not let a document do. Its text is fit for a
// diagnostic.
type Denied struct {
	Text, Hint string
	At         diag.Related // the policy's own line
}

// Error gives the text.
func (d *Denied) Error() string { return d.Text }

// fault gives the fault of what is denied at a place of the document.
func (d *Denied) fault(at diag.Span) *fault {
	f := faultf(diag.CodePolicy, "", at, "%s", d.Text)
	f.adopt(d)
	return f
}

// adopt makes a fault one of the policy.
func (f *fault) adopt(d *Denied) {
	f.code, f.rule, f.hint, f.denied = diag.CodePolicy, "", d.Hint, true
	f.related = append(slices.Clone(f.related), d.At)
}

// judge says why something is not allowed, nil when it is. thing names it as in "call
// api.example.com".
func (g *Grant) judge(kind int, thing string, is func(*pattern) bool) *Denied {
	if g == nil {
		return nil
	}
	d := &Denied{Text: "the policy does not let this document " + thing}
	for _, r := range g.rules {
		if e := r.deny[kind]; e != nil {
			if i := slices.IndexFunc(e.patterns, func(p pattern) bool { return is(&p) }); i >= 0 {
				return d.deniedAt(e.patterns[i].span)
			}
		}
	}
	at, spoken := g.at, false
	for _, r := range g.rules {
		e := r.allow[kind]
		if e == nil {
			continue
		}
		at, spoken = e.span, true
		if slices.ContainsFunc(e.patterns, func(p pattern) bool { return is(&p) }) {
			return nil
		}
	}
	if spoken {
		d.At = diag.Related{Span: at, Message: "these " + plural(kind) + " are allowed"}
		d.Hint = "ask those who run capd to allow it in " + policyLine(at)
		return d
	}
	if g.open || kind == entAdapters {
		return nil
	}
	d.At = diag.Related{Span: at, Message: "what no rule allows to a document is denied"}
	d.Hint = fmt.Sprintf("no rule for this document allows %s; ask those who run capd for one in %s", plural(kind), filepath.Base(at.File))
	return d
}

func (d *Denied) deniedAt(at diag.Span) *Denied {
	d.At = diag.Related{Span: at, Message: "denied here"}
	d.Hint = "ask those who run capd about " + policyLine(at)
	return d
}

func plural(kind int) string {
	return [...]string{"variables", "files", "secrets", "hosts", "ports", "paths", "adapters"}[kind]
}

// variable judges where the value of a variable comes from. Files are judged where they are
// looked for.
func (g *Grant) variable(v *Variable) *Denied {
	switch {
	case g == nil:
		return nil
	case v.Location == nil:
		return g.judge(entVariables, "read the variable "+v.Source, func(p *pattern) bool { return glob(p.text, v.Source) })
	case v.Location.Scheme == "file":
		return nil
	}
	scheme, names, ok := secretNames(v.Location.Text)
	shown, _, _ := strings.Cut(v.Location.Text, "#")
	return g.judge(entSecrets, "read the secrets of "+shown, func(p *pattern) bool {
		return ok && p.scheme == scheme && p.segments.match(names)
	})
}

// File judges a file or a folder. names gives its path from the root of the machine and, when
// that can be said, from the served folders on. It gives the names at the beginning of the path
// that matched which the file cannot leave, or which one of names that was.
//
// With a folder, something of what is in it may be allowed.
func (g *Grant) File(location string, names [][]string, folder bool) (within int, which int, _ *Denied) {
	if g == nil {
		return 0, -1, nil
	}
	within, which = 0, -1
	denied := g.judge(entFiles, "use the file "+location, func(p *pattern) bool {
		for i, n := range names {
			if p.absolute != (i == 0) {
				continue
			}
			if p.segments.match(n) {
				within, which = p.segments.fixed(), i
				return true
			}
			if folder && p.segments.above(n) {
				return true
			}
		}
		return false
	})
	return within, which, denied
}

// host judges where a connection goes. shown is the host as it may be told, empty for one that
// may hold a secret.
func (g *Grant) host(scheme, hostport, shown string) *Denied {
	if g == nil {
		return nil
	}
	if shown == "" {
		shown = "the host that its variables give"
	}
	t, problem := readTarget(scheme, hostport)
	if problem != "" && g.governsHosts() {
		return &Denied{
			Text: fmt.Sprintf("the policy does not let this document call %s: a host that %s cannot be compared with those of the policy", shown, problem),
			Hint: "write the host as a plain name or address", At: diag.Related{Span: g.at, Message: "the policy says which hosts may be called"},
		}
	}
	return g.judge(entHosts, "call "+shown, func(p *pattern) bool { return p.host.match(t) })
}

// endpoint judges a part of a credential that is a URL which capd itself calls.
func (g *Grant) endpoint(name, value string) *Denied {
	if g == nil || name != "tokenEndpoint" && name != "authorizationServerUri" {
		return nil
	}
	return g.url(value, "")
}

// url judges the host of a URL. What is no URL is not called.
func (g *Grant) url(value, shown string) *Denied {
	u, err := url.Parse(strings.TrimSpace(value))
	if g == nil || err != nil || u.Host == "" {
		return nil
	}
	if shown != "" {
		shown = u.Host
	}
	return g.host(strings.ToLower(u.Scheme), u.Host, shown)
}

func (g *Grant) governsHosts() bool {
	return !g.open || slices.ContainsFunc(g.rules, func(r *policyRule) bool { return r.allow[entHosts] != nil || r.deny[entHosts] != nil })
}

// port judges a declared port.
func (g *Grant) port(n int) *Denied {
	return g.judge(entPorts, fmt.Sprintf("listen on port %d", n), func(p *pattern) bool { return p.from <= n && n <= p.to })
}

// adapter judges a kind of adapter.
func (g *Grant) adapter(k Kind) *Denied {
	return g.judge(entAdapters, fmt.Sprintf("have an adapter of type %s", k), func(p *pattern) bool { return p.text == string(k) })
}

// wellKnown reports whether a route below /.well-known is served at its bare path. Nothing is
// unless a rule says so.
func (g *Grant) wellKnown(r *Route) bool {
	if g == nil || len(r.Segments) < 2 {
		return false
	}
	names := make([]string, 0, len(r.Segments))
	for _, s := range r.Segments[1:] {
		literal, ok := s.literal()
		if !ok || literal == "" {
			return false
		}
		names = append(names, literal)
	}
	if isOwnWellKnown(names[0]) {
		return false
	}
	for _, rule := range g.rules {
		if e := rule.allow[entWellKnown]; e != nil && slices.ContainsFunc(e.patterns, func(p pattern) bool { return p.segments.match(names) }) {
			return true
		}
	}
	return false
}

// unguarded judges an adapter that everybody may call.
func (g *Grant) unguarded() *Denied {
	if g == nil {
		return nil
	}
	for _, r := range g.rules {
		if r.require != nil {
			return &Denied{
				Text: "the policy does not let this document serve an adapter without authentication", Hint: "add authentication to the adapter",
				At: diag.Related{Span: *r.require, Message: "required here"},
			}
		}
	}
	return nil
}

// script judges a script of a step.
func (g *Grant) script() *Denied {
	if g == nil {
		return nil
	}
	for _, r := range g.rules {
		if r.scripts != nil {
			return (&Denied{Text: "the policy does not let this document run scripts"}).deniedAt(*r.scripts)
		}
	}
	return nil
}

// Reach narrows which addresses a connection may be made to, whatever name led there. Equal
// values share connections; the zero value narrows nothing.
type Reach struct {
	// Public refuses loopback, private and carrier-grade NAT addresses.
	Public bool
	// nets are ranges that are refused, separated by spaces.
	nets string
}

// RefusedNet is a range of addresses to which no connection is made: at a port, or at any when
// that is 0.
type RefusedNet struct {
	Prefix netip.Prefix
	Port   uint16
}

// Refuses reports whether no connection is made to an address and port.
func (n RefusedNet) Refuses(addr netip.Addr, port uint16) bool {
	return (n.Port == 0 || n.Port == port) && n.Prefix.Contains(addr)
}

// Refused gives the ranges of addresses that are refused.
func (r Reach) Refused() []RefusedNet {
	var out []RefusedNet
	for _, text := range strings.Fields(r.nets) {
		prefix, port, _ := strings.Cut(text, "#")
		n, _ := strconv.ParseUint(port, 10, 16)
		if p, err := netip.ParsePrefix(prefix); err == nil {
			out = append(out, RefusedNet{p, uint16(n)})
		}
	}
	return out
}

func (g *Grant) describeReach() Reach {
	var nets []string
	for _, p := range g.deniedNets {
		nets = append(nets, p.Prefix.String()+"#"+strconv.Itoa(int(p.Port)))
	}
	slices.Sort(nets)
	return Reach{Public: g.private != nil, nets: strings.Join(slices.Compact(nets), " ")}
}

// Reach gives which addresses the document's connections may be made to.
func (g *Grant) Reach() Reach {
	if g == nil {
		return Reach{}
	}
	return g.reach
}

// Permits is the last look before a connection is made for a document: some hosts are known no
// sooner, such as those that the metadata of an issuer name.
func (g *Grant) Permits(b *Base) *Error {
	if g == nil || b.Judged {
		return nil
	}
	if d := g.host(b.Scheme, b.Host, ""); d != nil {
		return Errorf(CodeRefused, "%s: the host may not be called", diag.CodePolicy)
	}
	return nil
}

// Caps gives what the document may use of the process.
func (g *Grant) Caps() Caps {
	if g == nil {
		return Caps{}
	}
	return g.caps
}

// asDenied gives what a policy has to do with an error, nil for nothing.
func asDenied(err error) *Denied {
	d, _ := errors.AsType[*Denied](err)
	return d
}

// Judge says why a unit that was compiled under another policy may not be served any more, nil
// when it may: what its variables, hosts and ports are judged by is looked at each time, and what
// it read is the shell's to judge.
func (g *Grant) Judge(u *Unit) *Denied {
	if g == nil {
		return nil
	}
	if d := g.script(); d != nil && u.scripts {
		return d
	}
	for _, e := range u.Exposures {
		if d := g.adapter(e.Kind); d != nil {
			return d
		}
		if d := g.unguarded(); d != nil && e.Guard == nil && !e.onStdio() {
			return d
		}
	}
	return nil
}

// TagsOf gives the tags by which a policy knows a document.
func TagsOf(doc *spec.Document) []string { return tagsOf(doc.Tags) }

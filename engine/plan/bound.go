package plan

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"capd/engine/diag"
)

// BindOptions is where values come from and how calls are sent.
type BindOptions struct {
	// Look gives the value of a document's variable, or [ErrUnset].
	Look func(doc string, v *Variable) (Secret, error)
	// Upstream answers the requests of every operation.
	Upstream Upstream
	// Placeholders lets an unset variable stand as <NAME> instead of failing the call: for
	// stubs and dry runs.
	Placeholders bool
	// Gate makes what keeps callers out of an exposure that has a lock. Without it nobody
	// comes in there.
	Gate func(Lock) Gate
	// Scripts runs the scripts of steps; nil means in this process.
	Scripts ScriptRunner
	// Edition is another number whenever Look may give another value for a variable without a
	// location; nil: nobody knows.
	Edition func() uint64
	// Last is what was bound before; what comes to the same is shared with it. It may be nil.
	Last *Bound
	// Watch is told of every call; nil: nobody watches.
	Watch Watcher
	// Quotas count what documents use; nil: they may use everything.
	Quotas *Quotas
	// CallTimeout bounds a whole call; 0 means no bound.
	CallTimeout time.Duration
	// MaxUpstreamBody bounds, in bytes after decoding, an answer that must be held in
	// memory; 0 means no bound.
	MaxUpstreamBody int64
}

// Bound is a plan's variables with their values and the way upstream. It is immutable.
type Bound struct {
	plan  *Plan
	opts  BindOptions
	units map[*Unit]*boundUnit
	gates map[*Exposure]Gate

	benches workbenches

	// For the next bind: of which values these are, and the units that are bound anew each time.
	edition  uint64
	restless []*Unit
	// id is what others know this one by, who should not hold it: before is that of the one that came before, and
	// since are the units that have other values than there.
	id, before *byte
	since      []*Unit
}

// boundUnit holds the values of one document, by the indices of its Variables and Bases. It is
// shared from one plan to the next as long as all of them have the same values.
type boundUnit struct {
	sound  bool   // nothing was found wrong with it
	grant  *Grant // nil: it may do everything
	values []boundValue
	bases  []boundBase
	quota  *Quota // nil: it may use everything

	credentials []boundCredential // by credentialPlan.index
}

type boundValue struct {
	value       Secret
	err         *Error
	placeholder bool // it stands for a value that is not set
}

// same reports whether both give calls the same value.
func (v boundValue) same(o boundValue) bool {
	return v.err == nil && o.err == nil && v.placeholder == o.placeholder && v.value.Reveal() == o.value.Reveal()
}

// isSet reports whether the variable really has a value.
func (v *boundValue) isSet() bool { return v.err == nil && !v.placeholder }

type boundBase struct {
	base    *Base
	err     *Error
	secrets []Secret
}

// Bind looks up every variable of the plan. A variable without a value is a warning, and
// an error of the calls that need it. Where Last had the same documents, those of them whose values can only be the same are
// not asked for.
func Bind(p *Plan, o BindOptions) (*Bound, diag.List) {
	last := o.Last
	o.Last = nil // or every plan there was would be held
	b := &Bound{plan: p, opts: o, gates: map[*Exposure]Gate{}, id: new(byte)}
	if o.Edition != nil {
		b.edition = o.Edition()
	}
	work := p.Units
	if b.follows(last) {
		work = b.begin(last)
	} else {
		b.units = make(map[*Unit]*boundUnit, len(p.Units))
	}
	var list diag.List
	var values []boundValue
	for _, u := range work {
		grant, found := p.subjects[u].Grant, len(list)
		values = values[:0]
		for _, v := range u.Variables {
			if err := p.withheld[v]; err != nil {
				values = append(values, boundValue{err: err})
				continue
			}
			values = append(values, o.lookUp(u, v, grant, &list))
		}
		bu := last.unit(u)
		if bu == nil || !bu.sound || bu.grant != grant || !slices.EqualFunc(bu.values, values, boundValue.same) {
			bu = o.bindUnit(u, grant, slices.Clone(values), &list)
			bu.sound = found == len(list)
			b.since = append(b.since, u)
		}
		b.units[u] = bu
		if !bu.sound || u.isRestless() {
			b.restless = append(b.restless, u)
		}
		for _, x := range u.Exposures {
			if x.Guard == nil {
				continue
			}
			if lock := x.Guard.bind(x, bu, p.publicURL(x), &list); o.Gate != nil {
				b.gates[x] = o.Gate(lock)
			}
		}
	}
	o.Quotas.forget(p)
	list.Sort()
	return b, list
}

// isRestless reports whether a document has something that may be another at each bind.
func (u *Unit) isRestless() bool {
	return slices.ContainsFunc(u.Variables, func(v *Variable) bool { return v.Location != nil }) ||
		slices.ContainsFunc(u.Exposures, func(x *Exposure) bool { return x.Guard != nil })
}

// follows reports whether most values are certainly those of last.
func (b *Bound) follows(last *Bound) bool {
	return last != nil && b.opts.Edition != nil && last.edition == b.edition && b.plan.isFree() && last.plan.isFree()
}

// isFree reports whether nothing between documents, and no policy, decides on their values.
func (p *Plan) isFree() bool { return p != nil && len(p.subjects)+len(p.withheld) == 0 }

// begin takes over what last has, and gives the units that are to be bound.
func (b *Bound) begin(last *Bound) []*Unit {
	gone, came := unitsApart(last.plan.Units, b.plan.Units)
	b.units, b.before = last.units, last.id
	if len(gone)+len(came)+len(last.restless) == 0 {
		return nil
	}
	b.units = maps.Clone(last.units)
	for _, u := range gone {
		delete(b.units, u)
	}
	work := slices.DeleteFunc(slices.Clone(last.restless), func(u *Unit) bool { return b.units[u] == nil })
	work = append(work, came...)
	slices.SortFunc(work, unitOrder)
	return work
}

// Since gives the units that have other values than in another one, if that is the one before.
func (b *Bound) Since(o *Bound) (units []*Unit, known bool) {
	if b == nil || o == nil || b.before == nil || b.before != o.id {
		return nil, false
	}
	return b.since, true
}

// bindUnit makes what a document has of the values of its variables.
func (o *BindOptions) bindUnit(u *Unit, grant *Grant, values []boundValue, list *diag.List) *boundUnit {
	bu := &boundUnit{grant: grant, values: values, quota: o.Quotas.of(u, grant.Caps())}
	for _, base := range u.Bases {
		bu.bases = append(bu.bases, base.bind(u, bu, o.Placeholders, list))
	}
	for _, c := range u.credentials {
		bu.credentials = append(bu.credentials, c.bind(u, bu, list))
	}
	return bu
}

// unit gives what a document has; nil when it is not there.
func (b *Bound) unit(u *Unit) *boundUnit {
	if b == nil {
		return nil
	}
	return b.units[u]
}

// Plan gives the plan whose variables are bound; nil for a nil Bound.
func (b *Bound) Plan() *Plan {
	if b == nil {
		return nil
	}
	return b.plan
}

// IsOpen reports whether everybody may come in everywhere.
func (b *Bound) IsOpen() bool { return b == nil || len(b.gates) == 0 }

// Shares reports whether a document has the same values as in another one, where both know that
// without a look at them.
func (b *Bound) Shares(o *Bound, u *Unit) bool {
	if u == nil || b == nil || o == nil {
		return u == nil
	}
	return b.units[u] != nil && b.units[u] == o.units[u]
}

// base gives a bound base, and notes the secrets in it.
func (b *boundUnit) base(of *BaseURI, s *scope) (*Base, *Error) {
	got := &b.bases[of.index]
	for _, v := range got.secrets {
		s.use(v)
	}
	return got.base, got.err
}

// BaseURI is a compiled base URI: literal text and variables. What an operation's own
// parameters fill has been moved to the operation's path.
type BaseURI struct {
	parts []basePart
	span  diag.Span
	index int // in Unit.Bases
}

type basePart struct {
	literal  string
	variable *Variable // nil for literal text
}

func (b *BaseURI) bind(u *Unit, bu *boundUnit, placeholders bool, list *diag.List) boundBase {
	var text strings.Builder
	var out boundBase
	problem, code := "", diag.CodeBaseURINoHost
	for i, p := range b.parts {
		if p.variable == nil {
			text.WriteString(p.literal)
			continue
		}
		v := bu.values[p.variable.index]
		if v.err != nil {
			return boundBase{err: v.err}
		}
		placeholders = placeholders || v.placeholder
		if b.isHostPart(i, text.String()) && strings.ContainsAny(v.value.Reveal(), "/?#@\\") {
			problem = "has a character in its host that no host has"
		}
		if !p.variable.Setting {
			out.secrets = append(out.secrets, v.value)
		}
		text.WriteString(v.value.Reveal())
	}
	if problem == "" {
		out.base, code, problem = parseBase(text.String(), placeholders)
	}
	if problem == "" && bu.grant != nil {
		out.err = b.judge(u, bu, out.base, list)
	}
	if problem != "" {
		if b.hasVariables() { // a literal one was judged while compiling
			list.Add(diag.Diagnostic{
				Code: code, Severity: diag.Warning, Rule: "V3", Span: b.span, Unit: diag.Unit{Doc: u.ID},
				Message: "the base URI with its variables filled in " + problem,
				Hint:    "the variable must hold an http:// or https:// address",
			})
		}
		return boundBase{err: Errorf(CodeNotConfigured, "the base URI with its variables filled in %s", problem)}
	}
	return out
}

// judge holds the host against the policy.
func (b *BaseURI) judge(u *Unit, bu *boundUnit, base *Base, list *diag.List) *Error {
	if strings.Contains(base.Host, "<") { // a value that is not set stands for itself, and nobody is called
		return nil
	}
	shown := base.Host
	for _, p := range b.parts {
		if p.variable != nil && !p.variable.Setting {
			shown = ""
		}
	}
	d := bu.grant.host(base.Scheme, base.Host, shown)
	base.Judged = d == nil
	return d.refuse(u, b.span, list)
}

// refuse reports what the policy does not allow once variables have values, and gives the error
// of the calls that need it; nil for nil.
func (d *Denied) refuse(u *Unit, at diag.Span, list *diag.List) *Error {
	if d == nil {
		return nil
	}
	list.Add(diag.Diagnostic{
		Code: diag.CodePolicy, Severity: diag.Error, Span: at, Unit: diag.Unit{Doc: u.ID},
		Message: d.Text, Hint: d.Hint, Related: []diag.Related{d.At},
	})
	return Errorf(CodeRefused, "%s: the policy does not allow what this call needs", diag.CodePolicy)
}

// isHostPart reports whether part i is a piece of the host, with text of the host before or
// behind it, so that its value must not end the host.
func (b *BaseURI) isHostPart(i int, before string) bool {
	if _, host, ok := strings.Cut(before, "//"); !ok || strings.Contains(host, "/") {
		return false
	} else if host != "" {
		return true
	}
	return i+1 < len(b.parts) && (b.parts[i+1].variable != nil || !strings.HasPrefix(b.parts[i+1].literal, "/"))
}

func (b *BaseURI) hasVariables() bool {
	for _, p := range b.parts {
		if p.variable != nil {
			return true
		}
	}
	return false
}

// parseBase reads a base URI after substitution (contract V3). problem says what is wrong
// without naming a value. Under placeholders a host such as <NAME> is let through.
func parseBase(s string, placeholders bool) (base *Base, code diag.Code, problem string) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, diag.CodeBaseURINoHost, "is empty"
	}
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case strings.HasPrefix(s, "//"):
		scheme, rest = "https", s[2:]
	case !found && strings.HasPrefix(s, "/"):
		return nil, diag.CodeBaseURINoHost, "has no host"
	case !found:
		scheme, rest = "https", s
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return nil, diag.CodeBaseURIScheme, "is not an http or https address"
	}
	if strings.ContainsAny(rest, "?#") {
		return nil, diag.CodeBaseURINoHost, "holds a query or a fragment"
	}
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if strings.Contains(host, "@") {
		return nil, diag.CodeBaseURIUserinfo, "holds a user name or password"
	}
	if placeholders && strings.Contains(host, "<") {
		return &Base{Scheme: scheme, Host: host, Path: escapeLiteral(path)}, "", ""
	}
	u, err := url.Parse(scheme + "://" + host)
	if err != nil || u.Hostname() == "" || u.Host != host || strings.ContainsAny(host, " \\") {
		return nil, diag.CodeBaseURINoHost, "has no usable host"
	}
	return &Base{Scheme: scheme, Host: host, Path: escapeLiteral(path)}, "", ""
}

package plan

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"

	"capd/engine/diag"
)

// What callers of one team's document must show is not given to the calls of another team's
// (docs/decisions/0039): it could be sent anywhere from there.

// ValuePlace is where the value of a variable comes from, as far as two can be the same.
type ValuePlace struct {
	Where string // environment, or an absolute path without links, or the address of a secret
	Key   string // empty: all that is there
}

// claim is one document's use of a variable.
type claim struct {
	unit     *Unit
	variable *Variable
	from     ValuePlace
}

// guarded withholds variables that open the adapter of one team and are used in calls of another.
func (l *linker) guarded(prev *Plan, p *Plan) {
	// Most documents share nothing: only places that open something are looked at.
	if prev != nil && prev.withheld != nil {
		_, still := unitsApart(openingOf(l.gone), prev.opening)
		p.opening = append(still, openingOf(l.came)...)
		slices.SortFunc(p.opening, unitOrder)
	} else {
		p.opening = openingOf(p.Units)
	}
	p.withheld = map[*Variable]*Error{}
	opens := map[string][]claim{}
	for _, u := range p.opening {
		for _, v := range u.Variables {
			if v.shown {
				from := l.origin(v)
				opens[from.Where] = append(opens[from.Where], claim{u, v, from})
			}
		}
	}
	if len(opens) == 0 {
		return
	}
	for _, u := range p.Units {
		for _, v := range u.Variables {
			if !v.leaves() {
				continue
			}
			from := l.origin(v)
			for _, g := range opens[from.Where] {
				if g.unit.Team != u.Team && g.from.meets(from) {
					l.settleClaims(prev, p, g, claim{u, v, from})
				}
			}
		}
	}
}

// openingOf gives those of some units that have a variable which callers must show.
func openingOf(units []*Unit) []*Unit {
	var out []*Unit
	for _, u := range units {
		if slices.ContainsFunc(u.Variables, (*Variable).OpensAdapter) {
			out = append(out, u)
		}
	}
	return out
}

// leaves reports whether the value is sent elsewhere, or given to a caller.
func (v *Variable) leaves() bool { return v.calls || v.sent }

// origin gives where a variable comes from.
func (l *linker) origin(v *Variable) ValuePlace {
	switch {
	case v.Location == nil:
		return ValuePlace{"environment", cmp.Or(v.Source, v.Name)}
	case v.Location.Scheme == "file" && l.options.Origin != nil:
		return l.options.Origin(v)
	case v.Location.Scheme == "file":
		return ValuePlace{v.Location.File.Path, v.Source}
	}
	u, err := url.Parse(v.Location.Text)
	if err != nil {
		return ValuePlace{v.Location.Text, ""}
	}
	// What is behind # may choose a part of the secret, so that the same is found in two ways.
	return ValuePlace{v.Location.Scheme + "://" + path.Join(u.Host, u.Path), ""}
}

// meets reports whether a value may come from both places, whose Where is the same.
func (p ValuePlace) meets(o ValuePlace) bool { return p.Key == o.Key || p.Key == "" || o.Key == "" }

// OpensAdapter reports whether callers must show the value to a guard.
func (v *Variable) OpensAdapter() bool { return v.shown }

// settleClaims withholds a variable from one of two documents. What one team's adapter wants
// to be shown must not leave through another's calls; where the other sent it before anybody
// wanted it to be shown, it is no secret between them any more, and opens nothing.
func (l *linker) settleClaims(prev *Plan, p *Plan, guard, call claim) {
	if l.had(prev, call, (*Variable).leaves) && !l.had(prev, guard, (*Variable).OpensAdapter) {
		l.withhold(p, guard, fmt.Sprintf("variable %s is sent elsewhere by calls of document %s, which was served first, so nobody can call the adapters that want it", guard.variable.Name, call.unit.ID))
		return
	}
	l.withhold(p, call, fmt.Sprintf("variable %s opens an adapter of document %s, which is another team's, so operations that use it fail", call.variable.Name, guard.unit.ID))
}

// had reports whether a document used a value in the same way in the last plan.
func (l *linker) had(prev *Plan, c claim, way func(*Variable) bool) bool {
	u := prev.Unit(c.unit.ID)
	return u != nil && slices.ContainsFunc(u.Variables, func(v *Variable) bool {
		return way(v) && prev.withheld[v] == nil && l.origin(v) == c.from
	})
}

func (l *linker) withhold(p *Plan, c claim, message string) {
	if p.withheld[c.variable] != nil {
		return
	}
	p.withheld[c.variable] = Errorf(CodeRefused, "%s: variable %s opens an adapter of another document", diag.CodeGuardedVariable, c.variable.Name)
	l.list.Add(diag.Diagnostic{
		Code: diag.CodeGuardedVariable, Severity: diag.Error, Span: c.variable.Span, Unit: diag.Unit{Doc: c.unit.ID}, Message: message,
		Hint: "use a variable of its own; who may have both keeps the documents in one folder",
	})
}

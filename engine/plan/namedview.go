package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"capd/engine/diag"
)

// NamedView is a view that the operator chose, served at /mcp/views/<name>. Each selector is
// the ID of a document, "folder/**", "**", "tag:<tag>" or "toolset:<name>".
type NamedView struct {
	Name      string
	Selectors []string
}

const (
	selectTag     = "tag:"
	selectToolset = "toolset:"
	selectAll     = "**"
)

var viewName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ParseNamedView reads "NAME=SELECTOR[,SELECTOR...]". The error says what is wrong with it.
func ParseNamedView(text string) (NamedView, error) {
	name, list, ok := strings.Cut(text, "=")
	v := NamedView{Name: strings.TrimSpace(name)}
	switch {
	case !ok:
		return v, fmt.Errorf("%q is not NAME=SELECTOR[,SELECTOR...], for example support=team-a/**,tag:tickets", text)
	case !viewName.MatchString(v.Name):
		return v, fmt.Errorf("%q is no name of a view: use up to 64 letters, digits, dots, hyphens and underscores", v.Name)
	}
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimSpace(s)
		if err := CheckSelector(s); err != nil {
			return v, fmt.Errorf("view %s: %w", v.Name, err)
		}
		if !slices.Contains(v.Selectors, s) {
			v.Selectors = append(v.Selectors, s)
		}
	}
	return v, nil
}

// CheckSelector says what is wrong with a selector of a [NamedView], or nil.
func CheckSelector(s string) error {
	word, rest, colon := strings.Cut(s, ":")
	near, isNear := diag.Nearest(word, []string{"tag", "toolset"})
	folder := strings.TrimSuffix(s, "/"+selectAll)
	switch {
	case s == "":
		return fmt.Errorf("a selector is empty; write the ID of a document, folder/**, **, tag:TAG or toolset:NAME")
	case s == selectAll:
		return nil
	case colon && word+":" != selectTag && word+":" != selectToolset && isNear:
		return fmt.Errorf("selector %q: did you mean %s:%s?", s, near, rest)
	case (word+":" == selectTag || word+":" == selectToolset) && colon:
		if rest == "" {
			return fmt.Errorf("selector %q has nothing behind the colon", s)
		}
		return nil
	case strings.ContainsAny(folder, "*?["):
		return fmt.Errorf("selector %q: ** stands alone or at the end, as in folder/**; there are no other patterns", s)
	case strings.HasPrefix(folder, "/") || strings.HasSuffix(folder, "/") || strings.HasPrefix(folder, "./") || folder == "":
		return fmt.Errorf("selector %q is no ID: write the path below the served folder without extension, such as team-a/rooms", s)
	}
	return nil
}

// member gives what any of the view's selectors takes of an exposure.
func (v NamedView) member(x *Exposure) Member {
	m := Member{Exposure: x, Alias: x.alias()}
	for _, s := range v.Selectors {
		got := selected(s, x)
		m.Tools = union(m.Tools, got.Tools, x.Tools)
		m.Resources = union(m.Resources, got.Resources, x.Resources)
		m.Prompts = union(m.Prompts, got.Prompts, x.Prompts)
	}
	return m
}

func selected(selector string, x *Exposure) Member {
	if tag, ok := strings.CutPrefix(selector, selectTag); ok {
		return inTag(tag)(x)
	}
	if name, ok := strings.CutPrefix(selector, selectToolset); ok {
		return inToolset(name)(x)
	}
	folder, ok := strings.CutSuffix(selector, "/"+selectAll)
	if selector == selectAll || selector == x.Unit.ID || ok && strings.HasPrefix(x.Unit.ID, folder+"/") {
		return inAll(x)
	}
	return Member{}
}

// union gives the elements of all that are in a or in b.
func union[T comparable](a, b, all []T) []T {
	switch {
	case len(b) == 0 || len(a) == len(all):
		return a
	case len(a) == 0:
		return b
	}
	var out []T
	for _, x := range all {
		if slices.Contains(a, x) || slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// takes reports whether a view has something of an exposure.
func takes(selector string, x *Exposure) bool { return !selected(selector, x).isEmpty() }

// keepViews leaves a listener the named views that have something there, so that asking for
// the others costs nothing.
func (x *Listener) keepViews() {
	if len(x.named) == 0 {
		return
	}
	mains := x.views().mains
	x.named = slices.DeleteFunc(slices.Clone(x.named), func(v NamedView) bool {
		return !slices.ContainsFunc(mains, func(e *Exposure) bool {
			return slices.ContainsFunc(v.Selectors, func(s string) bool { return takes(s, e) })
		})
	})
}

// judgeViews reports what is wrong with the views that the operator asked for.
func (l *linker) judgeViews(p *Plan) {
	for _, x := range p.Listeners {
		if x.Combined && len(x.views().mains) > 1 {
			l.leftOut(x.View(nil))
		}
		for _, v := range x.named {
			l.leftOut(x.View([]string{segmentViews, v.Name}))
		}
	}
	for _, v := range l.options.Views {
		for _, s := range v.Selectors {
			if !slices.ContainsFunc(p.Listeners, func(x *Listener) bool {
				return slices.ContainsFunc(x.views().mains, func(e *Exposure) bool { return takes(s, e) })
			}) {
				l.list.Add(diag.Diagnostic{
					Code: diag.CodeView, Severity: diag.Warning, Rule: "D13", Hint: selectorHint(p, s),
					Message: fmt.Sprintf("%s selects nothing for the view %s", s, v.Name),
				})
			}
		}
	}
}

// leftOut reports what a view cannot have. There may be very many, so that it is one finding.
func (l *linker) leftOut(v *View) {
	if v == nil || len(v.Left) == 0 {
		return
	}
	x := v.Left[0].Exposure
	who := x.Unit.ID
	if n := len(v.Left) - 1; n > 0 {
		who += fmt.Sprintf(" and %d more", n)
	}
	l.note(diag.Info, diag.CodeView, x, x.Span, "a view never mixes ways of authentication: give its members the same one, with the same resource if it is oauth2, or make a view for each",
		"the view %s leaves out %s: %s", v.Path, who, v.Left[0].Why)
}

// selectorHint says what a selector that selects nothing was meant to be.
func selectorHint(p *Plan, selector string) string {
	prefix, name, suffix := "", selector, ""
	var candidates []string
	for _, kind := range []string{selectTag, selectToolset} {
		if rest, ok := strings.CutPrefix(selector, kind); ok {
			prefix, name = kind, rest
		}
	}
	if folder, ok := strings.CutSuffix(selector, "/"+selectAll); ok {
		name, suffix = folder, "/"+selectAll
	}
	for _, x := range p.Listeners {
		known := x.views()
		switch {
		case prefix == selectTag:
			candidates = append(candidates, sortedKeys(known.tags)...)
		case prefix == selectToolset:
			candidates = append(candidates, sortedKeys(known.toolsets)...)
		case suffix != "":
			candidates = append(candidates, known.folders()...)
		default:
			for _, e := range known.mains {
				candidates = append(candidates, e.Unit.ID)
			}
		}
	}
	if near, ok := diag.Nearest(name, candidates); ok {
		return fmt.Sprintf("did you mean %s%s%s?", prefix, near, suffix)
	}
	return "no MCP adapter is selected; 'capd list' shows the documents and their tools"
}

func (m Member) isEmpty() bool { return len(m.Tools)+len(m.Resources)+len(m.Prompts) == 0 }

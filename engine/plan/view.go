package plan

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// View is what an MCP client sees at one address: the tools, resources and prompts of one
// exposure, or of several behind one another (decision D13). It is immutable.
type View struct {
	Kind ViewKind
	// Name tells the views of a kind apart: the ID of a document, a folder, a tag. Empty for
	// everything.
	Name        string
	Description string   // of a toolset; may be empty
	Path        string   // escaped, as a client writes it
	Segments    []string // decoded, without "mcp"
	Members     []Member // by ID of the document
	Left        []Left   // what would belong to it, by ID of the document
}

// ViewKind says how a view was chosen.
type ViewKind string

// The kinds of views.
const (
	ViewDocument ViewKind = "document" // one exposure
	ViewFolder   ViewKind = "folder"   // the documents below a folder
	ViewTag      ViewKind = "tag"      // documents and tools with a tag
	ViewToolset  ViewKind = "toolset"  // tools of toolsets of one name, or of one toolset of a document
	ViewNamed    ViewKind = "named"    // what the operator chose
	ViewAll      ViewKind = "all"      // all documents
)

// Member is what a view has of one exposure.
type Member struct {
	Exposure *Exposure
	// Alias stands before every name of the member; empty in the view of one exposure. It
	// depends on the document alone, so that no file renames the tools of another.
	Alias     string
	Tools     []*Tool
	Resources []*Resource
	Prompts   []*Prompt
}

// Left is an exposure that a view cannot have.
type Left struct {
	Exposure *Exposure
	Why      string // fit for a log
}

// Single gives the view of one exposure by itself, at an address of its own.
func Single(m *Mount) *View {
	return &View{
		Kind: ViewDocument, Name: m.Exposure.Unit.ID, Path: m.Path, Segments: m.Segments,
		Members: []Member{whole(m.Exposure, "")},
	}
}

func whole(x *Exposure, alias string) Member {
	return Member{Exposure: x, Alias: alias, Tools: x.Tools, Resources: x.Resources, Prompts: x.Prompts}
}

// OfOne reports whether the view is of one exposure, whose names stand there as they are.
func (v *View) OfOne() bool { return len(v.Members) == 1 && v.Members[0].Alias == "" }

// Tools counts the tools of the view that are served.
func (v *View) Tools() int {
	n := 0
	for i := range v.Members {
		for _, t := range v.Members[i].Tools {
			if t.Refusal == nil {
				n++
			}
		}
	}
	return n
}

// Equal reports whether both views hold the very same things.
func (v *View) Equal(o *View) bool {
	return v.Path == o.Path && v.Description == o.Description && slices.EqualFunc(v.Members, o.Members, func(a, b Member) bool {
		return a.Exposure == b.Exposure && a.Alias == b.Alias && slices.Equal(a.Tools, b.Tools) &&
			slices.Equal(a.Resources, b.Resources) && slices.Equal(a.Prompts, b.Prompts)
	})
}

// The first segments of views that are no folders, and the one before a document's toolset. A
// document or a folder of that name has its address still: what is declared comes before what
// is derived.
const (
	segmentTags     = "tags"
	segmentToolsets = "toolsets"
	segmentViews    = "views"
)

// selection is a view before its members are known.
type selection struct {
	kind        ViewKind
	name        string
	description string
	of          []*Exposure // by ID of the document
	member      func(*Exposure) Member
}

// View gives the view at an address below /mcp, or nil. It is made when asked for, so that
// views nobody uses cost nothing, and finding that there is none costs little. The addresses
// of exposures are not among them.
func (l *Listener) View(segments []string) *View {
	for _, s := range l.selections(segments) {
		v := &View{Kind: s.kind, Name: s.name, Description: s.description, Segments: segments}
		if v.collect(s.of, s.member); len(v.Members) == 0 {
			continue
		}
		v.Path = "/" + MCP.Prefix()
		for _, s := range segments {
			v.Path += "/" + url.PathEscape(s)
		}
		return v
	}
	return nil
}

// selections gives what an address may stand for, the first one first.
func (l *Listener) selections(segments []string) []selection {
	known := l.views()
	if len(segments) == 0 {
		return []selection{{kind: ViewAll, of: known.mains, member: inAll}}
	}
	var out []selection
	if !slices.ContainsFunc(segments, func(s string) bool { return strings.Contains(s, "/") }) { // one address each
		folder := strings.Join(segments, "/")
		out = append(out, selection{kind: ViewFolder, name: folder, of: known.below(folder), member: inAll})
	}
	n := len(segments)
	name := segments[n-1]
	if n > 2 && segments[n-2] == segmentToolsets {
		if x := known.byAddress[strings.Join(segments[:n-2], "\x00")]; x != nil {
			out = append(out, ofToolset(x, name))
		}
	}
	if n != 2 {
		return out
	}
	switch segments[0] {
	case segmentTags:
		out = append(out, selection{kind: ViewTag, name: name, of: known.tags[name], member: inTag(name)})
	case segmentToolsets:
		out = append(out, selection{kind: ViewToolset, name: name, of: known.toolsets[name], member: inToolset(name)})
	case segmentViews:
		if i := slices.IndexFunc(l.named, func(v NamedView) bool { return v.Name == name }); i >= 0 {
			out = append(out, selection{kind: ViewNamed, name: name, of: known.mains, member: l.named[i].member})
		}
	}
	return out
}

// collect puts what member gives into the view. A view never mixes exposures with different
// authentication: it has those of the way that most of them want, and of ways that are as
// frequent the one that comes first. So one file more changes least.
func (v *View) collect(of []*Exposure, member func(*Exposure) Member) {
	type group struct {
		members []Member
		first   int
	}
	groups := map[any]*group{}
	var all []Member
	for _, x := range of {
		m := member(x)
		if m.isEmpty() {
			continue
		}
		all = append(all, m)
		key := x.Guard.likeness()
		if groups[key] == nil {
			groups[key] = &group{first: len(all)}
		}
		groups[key].members = append(groups[key].members, m)
	}
	var chosen *group
	for _, g := range groups {
		if chosen == nil || cmp.Or(cmp.Compare(len(g.members), len(chosen.members)), cmp.Compare(chosen.first, g.first)) > 0 {
			chosen = g
		}
	}
	if chosen == nil {
		return
	}
	key, taken := chosen.members[0].Exposure.Guard.likeness(), map[string]bool{}
	for _, m := range all {
		switch {
		case m.Exposure.Guard.likeness() != key:
			v.Left = append(v.Left, Left{m.Exposure, "it wants other authentication than most there"})
		case taken[m.Alias]: // hashes that are equal
			v.Left = append(v.Left, Left{m.Exposure, "its names would be those of another document"})
		default:
			taken[m.Alias] = true
			v.Members = append(v.Members, m)
		}
	}
}

func inAll(x *Exposure) Member { return whole(x, x.alias()) }

// inTag takes whole documents that have the tag, and the tools that have it of others.
func inTag(tag string) func(*Exposure) Member {
	return func(x *Exposure) Member {
		if slices.Contains(x.Unit.Tags, tag) {
			return inAll(x)
		}
		m := Member{Exposure: x, Alias: x.alias()}
		for _, t := range x.Tools {
			if slices.Contains(t.Tags, tag) {
				m.Tools = append(m.Tools, t)
			}
		}
		return m
	}
}

func inToolset(name string) func(*Exposure) Member {
	return func(x *Exposure) Member {
		m := Member{Exposure: x, Alias: x.alias()}
		for _, s := range x.Toolsets {
			if s.Name == name {
				m.Tools = s.Tools
			}
		}
		return m
	}
}

// ofToolset is a toolset of one exposure, whose tools need no prefix.
func ofToolset(x *Exposure, name string) selection {
	i := slices.IndexFunc(x.Toolsets, func(s Toolset) bool { return s.Name == name })
	if i < 0 {
		return selection{}
	}
	set := x.Toolsets[i]
	return selection{
		kind: ViewToolset, name: x.Unit.ID + "/" + segmentToolsets + "/" + name, description: set.Description, of: []*Exposure{x},
		member: func(x *Exposure) Member { return Member{Exposure: x, Tools: set.Tools} },
	}
}

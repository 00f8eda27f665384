package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// View is what an MCP client sees at one address: the tools, resources and prompts of one
// exposure, or of several behind one another (decision D13). It is immutable.
type View struct {
	Kind ViewKind
	// Name tells the views of a kind apart: the ID of a document, a folder, a tag. Empty for
	// everything.
	Name     string
	Path     string   // escaped, as a client writes it
	Segments []string // decoded, without "mcp"
	Members  []Member // by ID of the document
}

// ViewKind says how a view was chosen.
type ViewKind string

// The kinds of views.
const (
	ViewDocument ViewKind = "document" // one exposure
	ViewFolder   ViewKind = "folder"   // the documents below a folder
	ViewTag      ViewKind = "tag"      // documents and tools with a tag
	ViewToolset  ViewKind = "toolset"  // tools of toolsets of one name
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

// Equal reports whether both views hold the very same things.
func (v *View) Equal(o *View) bool {
	return v.Path == o.Path && slices.EqualFunc(v.Members, o.Members, func(a, b Member) bool {
		return a.Exposure == b.Exposure && a.Alias == b.Alias && slices.Equal(a.Tools, b.Tools) &&
			slices.Equal(a.Resources, b.Resources) && slices.Equal(a.Prompts, b.Prompts)
	})
}

// The first segments of views that are no folders. A document or a folder of that name has
// its address still: what is declared comes before what is derived.
const (
	segmentTags     = "tags"
	segmentToolsets = "toolsets"
	segmentViews    = "views"
)

// View gives the view of several exposures at an address below /mcp, or nil. It is made when
// asked for, so that views nobody uses cost nothing. The address of a document is not one.
func (l *Listener) View(segments []string) *View {
	v := &View{Segments: segments}
	var member func(*Exposure) Member
	if v.Kind, member = ViewAll, inAll; len(segments) > 0 {
		v.Kind, v.Name = ViewFolder, strings.Join(segments, "/")
		member = inFolder(v.Name)
	}
	if v.collect(l, member); len(v.Members) == 0 && len(segments) >= 2 {
		v.Name = strings.Join(segments[1:], "/")
		switch segments[0] {
		case segmentTags:
			v.Kind, member = ViewTag, inTag(v.Name)
		case segmentToolsets:
			v.Kind, member = ViewToolset, inToolset(v.Name)
		case segmentViews:
			v.Kind, member = ViewNamed, l.inNamed(v.Name)
		}
		v.collect(l, member)
	}
	if len(v.Members) == 0 {
		return nil
	}
	v.Path = "/" + MCP.Prefix()
	for _, s := range segments {
		v.Path += "/" + url.PathEscape(s)
	}
	return v
}

// collect puts what member gives into the view. A view never mixes exposures with different
// authentication: it has those without, or where there are none, those that want the same as
// the first one.
func (v *View) collect(l *Listener, member func(*Exposure) Member) {
	v.Members = nil
	open := slices.ContainsFunc(l.Mounts, func(m *Mount) bool {
		return m.Main && m.Exposure.Kind == MCP && m.Exposure.Guard == nil && !member(m.Exposure).isEmpty()
	})
	var first *Guard
	for _, m := range l.Mounts {
		if !m.Main || m.Exposure.Kind != MCP || open && m.Exposure.Guard != nil {
			continue
		}
		got := member(m.Exposure)
		switch {
		case got.isEmpty():
			continue
		case m.Exposure.Guard == nil:
		case first == nil:
			first = m.Exposure.Guard
		case !first.same(m.Exposure.Guard):
			continue
		}
		v.Members = append(v.Members, got)
	}
}

func (m Member) isEmpty() bool {
	return m.Exposure == nil || len(m.Tools)+len(m.Resources)+len(m.Prompts) == 0
}

func inAll(x *Exposure) Member { return whole(x, x.alias()) }

func inFolder(folder string) func(*Exposure) Member {
	return func(x *Exposure) Member {
		if !strings.HasPrefix(x.Unit.ID, folder+"/") {
			return Member{}
		}
		return inAll(x)
	}
}

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
				m.Tools = append(m.Tools, s.Tools...)
			}
		}
		return m
	}
}

// Toolset is a named choice of an exposure's tools.
type Toolset struct {
	Name        string
	Description string
	Tools       []*Tool
}

// NamedView is a view that the operator chose, served at /mcp/views/<name>. Each selector is
// the ID of a document, "folder/**", "tag:<tag>" or "toolset:<name>".
type NamedView struct {
	Name      string
	Selectors []string
}

// inNamed takes what any of a named view's selectors takes.
func (l *Listener) inNamed(name string) func(*Exposure) Member {
	i := slices.IndexFunc(l.named, func(n NamedView) bool { return n.Name == name })
	if i < 0 {
		return func(*Exposure) Member { return Member{} }
	}
	return func(x *Exposure) Member {
		m := Member{Exposure: x, Alias: x.alias()}
		for _, s := range l.named[i].Selectors {
			got := selected(s, x)
			m.Tools = union(m.Tools, got.Tools, x.Tools)
			m.Resources = union(m.Resources, got.Resources, x.Resources)
			m.Prompts = union(m.Prompts, got.Prompts, x.Prompts)
		}
		return m
	}
}

func selected(selector string, x *Exposure) Member {
	if tag, ok := strings.CutPrefix(selector, "tag:"); ok {
		return inTag(tag)(x)
	}
	if name, ok := strings.CutPrefix(selector, "toolset:"); ok {
		return inToolset(name)(x)
	}
	if folder, ok := strings.CutSuffix(selector, "/**"); ok {
		return inFolder(folder)(x)
	}
	if selector == "**" || selector == x.Unit.ID {
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

var plainAlias = regexp.MustCompile(`^[a-z0-9_]+(-{1,2}[a-z0-9_]+)*$`)

// maxAlias leaves room for names of tools: clients take 64 characters for both.
const maxAlias = 28

// alias is what stands before the names of an exposure in a view of several. Two documents
// never have the same one: where the ID cannot be told from another one's after it was
// written in the letters that clients take, some of its hash is behind it.
func (x *Exposure) alias() string {
	id := x.Unit.ID
	for _, o := range x.Unit.Exposures {
		if o != x && o.Kind == MCP && x.Namespace != "" {
			id += "/" + x.Namespace
			break
		}
	}
	name := strings.ReplaceAll(id, "/", "--")
	if plainAlias.MatchString(name) && !strings.Contains(id, "--") && !strings.Contains(name, "__") && len(name) <= maxAlias {
		return name
	}
	sum := sha256.Sum256([]byte(id))
	name = strings.Trim(notAlias.ReplaceAllString(strings.ToLower(name), "-"), "-_")
	const hashed = 7
	return strings.Trim(name[:min(len(name), maxAlias-hashed)], "-_") + "-" + hex.EncodeToString(sum[:3])
}

var notAlias = regexp.MustCompile(`[^a-z0-9-]+`)

// same reports whether both guards let the same callers in. Only what is written alike and
// reads the same variables counts.
func (g *Guard) same(o *Guard) bool {
	if g == o {
		return true
	}
	if g.Scheme != o.Scheme || g.In != o.In {
		return false
	}
	return g.name.same(&o.name) && g.username.same(&o.username) && g.secret.same(&o.secret)
}

// same reports whether both are the same text, or the same variable of the surroundings.
func (x *expression) same(o *expression) bool {
	a, fixed := x.constant()
	b, alsoFixed := o.constant()
	if fixed || alsoFixed {
		return fixed && alsoFixed && a == b
	}
	if x.kind != exprVariable || o.kind != exprVariable {
		return false
	}
	v, w := x.variable, o.variable
	return v.Source == w.Source && v.Location == nil && w.Location == nil
}

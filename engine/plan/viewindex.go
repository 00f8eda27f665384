package plan

import (
	"slices"
	"sort"
	"strings"
)

// views is what makes the views of a listener quick to find. It is made when it is first
// asked for.
type views struct {
	mains     []*Exposure // of MCP, by ID of the document
	tags      map[string][]*Exposure
	toolsets  map[string][]*Exposure
	byAddress map[string]*Exposure // with toolsets, by the segments of their address
}

func (l *Listener) views() *views {
	l.once.Do(func() {
		v := &views{tags: map[string][]*Exposure{}, toolsets: map[string][]*Exposure{}, byAddress: map[string]*Exposure{}}
		for _, m := range l.Mounts {
			if m.Exposure.Kind == MCP {
				v.add(m)
			}
		}
		slices.SortStableFunc(v.mains, func(a, b *Exposure) int { return strings.Compare(a.Unit.ID, b.Unit.ID) })
		l.known = v
	})
	return l.known
}

func (v *views) add(m *Mount) {
	x := m.Exposure
	if len(x.Toolsets) > 0 {
		if key := strings.Join(m.Segments, "\x00"); v.byAddress[key] == nil {
			v.byAddress[key] = x
		}
	}
	if !m.Main {
		return
	}
	v.mains = append(v.mains, x)
	for tag := range x.Tags() {
		v.tags[tag] = append(v.tags[tag], x)
	}
	for _, s := range x.Toolsets {
		v.toolsets[s.Name] = append(v.toolsets[s.Name], x)
	}
}

// Tags gives the tags of the document and of the exposure's tools, each once.
func (x *Exposure) Tags() map[string]bool {
	out := map[string]bool{}
	for _, tag := range x.Unit.Tags {
		out[tag] = true
	}
	for _, t := range x.Tools {
		for _, tag := range t.Tags {
			out[tag] = true
		}
	}
	return out
}

// below gives the exposures of the documents below a folder.
func (v *views) below(folder string) []*Exposure {
	prefix := folder + "/"
	from := sort.Search(len(v.mains), func(i int) bool { return v.mains[i].Unit.ID >= prefix })
	n := sort.Search(len(v.mains)-from, func(i int) bool { return !strings.HasPrefix(v.mains[from+i].Unit.ID, prefix) })
	return v.mains[from : from+n]
}

// Views gives every view of the listener but those of tags, of which there may be very many:
// all, the named ones, folders, toolsets and the toolsets of documents, each by name.
func (l *Listener) Views() []*View {
	known, own := l.views(), map[string]bool{}
	for _, m := range l.Mounts {
		if m.Exposure.Kind == MCP {
			own[strings.Join(m.Segments, "\x00")] = true
		}
	}
	var out []*View
	add := func(segments ...string) {
		if own[strings.Join(segments, "\x00")] {
			return // a document comes first
		}
		if v := l.View(segments); v != nil {
			out = append(out, v)
		}
	}
	if l.Combined && len(known.mains) > 1 {
		add()
	}
	for _, n := range l.named {
		add(segmentViews, n.Name)
	}
	for _, folder := range known.folders() {
		add(strings.Split(folder, "/")...)
	}
	for _, name := range sortedKeys(known.toolsets) {
		add(segmentToolsets, name)
	}
	for _, key := range sortedKeys(known.byAddress) {
		for _, s := range known.byAddress[key].Toolsets {
			add(append(strings.Split(key, "\x00"), segmentToolsets, s.Name)...)
		}
	}
	return out
}

// folders gives the folders that documents are below, by name.
func (v *views) folders() []string {
	all := map[string]bool{}
	for _, x := range v.mains {
		for at, c := range x.Unit.ID {
			if c == '/' {
				all[x.Unit.ID[:at]] = true
			}
		}
	}
	return sortedKeys(all)
}

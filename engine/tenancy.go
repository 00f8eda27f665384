package engine

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"capd/engine/plan"
)

// team gives who a document belongs to: the folder right below the served one that it is in, or
// the served one itself.
func (s *source) team() string {
	root := ""
	if len(s.roots) > 0 {
		root = s.roots[0]
	}
	if first, _, nested := strings.Cut(s.id, "/"); nested {
		return filepath.Join(root, first)
	}
	return filepath.Clean(root)
}

// home is the folder of a team.
type home struct {
	path   string
	nested bool // below the served folder; else it is that one, and the folders in it are others'
}

func (s *source) home() home { return home{s.team(), strings.Contains(s.id, "/")} }

// holds reports whether a path, without links, is in the team's own folder.
func (h home) holds(real string) bool {
	folder := realPath(h.path)
	return h.nested && isWithin(folder, real) || filepath.Dir(real) == folder
}

// usesBarred reports whether the document has read what it may not use now.
func (f *files) usesBarred() bool {
	for u := range f.asked() {
		at, err := f.find(u.from, u.location)
		if errors.Is(err, plan.ErrBarred) || err == nil && u.what == useRead && at.real != "" && f.barred.isOthers(at.real, f.home) {
			return true
		}
	}
	return false
}

// originOf tells where the value of a variable in a file comes from, links followed. Of a folder
// each file is a value; a file without a known ending may be one as a whole.
func originOf(v *plan.Variable) plan.ValuePlace {
	name, key := v.Location.File.Path, v.Source
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		name, key = filepath.Join(name, key), ""
	} else if !hasKeys(name) {
		key = ""
	}
	return plan.ValuePlace{Where: realPath(name), Key: key}
}

// hasKeys reports whether the name of a file says that a key never gives the whole of it.
func hasKeys(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	switch filepath.Ext(base) {
	case ".yaml", ".yml", ".json", ".env":
		return true
	}
	return strings.HasPrefix(base, ".env.")
}

// realPath gives an absolute path without links, as far as it is there.
func realPath(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// barred are the files that documents may not use although they lie in folders that they may
// use: those of capd itself, and those in which another team keeps what opens its adapters. It
// is safe for concurrent use.
type barred struct {
	own []string // as they were given

	mu     sync.RWMutex
	ours   []string                   // own, absolute, as given and without links
	guards map[string]map[string]bool // teams by the real path of a file

	before map[string]map[string]bool // guards of the last load
	last   []*record                  // of the last load
}

func newBarred(own []string) *barred {
	b := &barred{own: own}
	b.refresh()
	return b
}

// refresh finds capd's own files again: they may have been exchanged.
func (b *barred) refresh() {
	var ours []string
	for _, name := range b.own {
		if abs, err := filepath.Abs(name); err == nil {
			ours = append(ours, abs, realPath(abs))
		}
	}
	slices.Sort(ours)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ours = slices.Compact(ours)
}

// begin is told of the last load before a new one begins; there is none at a start.
func (b *barred) begin(last *recordSet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.last = b.guards, nil
	if last != nil {
		b.last = last.records
	}
}

// isTaken reports whether a document says too late that a file opens its adapter: documents of
// other teams that are served read it already, and it does not lie in the folder of its team.
// Else every team could take from the others what all use.
func (b *barred) isTaken(where string, u *plan.Unit) bool {
	if b.before[where][u.Team] || (home{u.Team, strings.Contains(u.ID, "/")}).holds(where) {
		return false
	}
	return slices.ContainsFunc(b.last, func(r *record) bool {
		return r.served.unit != nil && r.served.unit.Team != u.Team && r.served.files.reads(where)
	})
}

// reads reports whether the document has read a file, or publishes a folder in which it is.
func (f *files) reads(real string) bool {
	for u := range f.asked() {
		if u.what == usePlace {
			continue // of values the plan decides
		}
		at, err := f.find(u.from, u.location)
		if err == nil && at.real != "" && (at.real == real || u.what == useFolder && isWithin(at.real, real)) {
			return true
		}
	}
	return false
}

// guard takes over which files open adapters. It reports whether there are more than before.
func (b *barred) guard(now *recordSet) (more bool) {
	found := map[string]map[string]bool{}
	for _, r := range now.notIsolated() {
		if r.served.unit == nil {
			continue
		}
		for _, where := range opening(r.served.unit) {
			if b.isTaken(where, r.served.unit) {
				continue
			}
			if found[where] == nil {
				found[where] = map[string]bool{}
			}
			found[where][r.served.unit.Team] = true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for where, teams := range found {
		for team := range teams {
			more = more || !b.guards[where][team]
		}
	}
	b.guards = maps.Clone(found)
	return more
}

// opening gives the files, without links, that hold what callers must show to adapters of a
// document: those that its variables come from, and those in which it is written as it is.
func opening(u *plan.Unit) []string {
	var out []string
	for _, v := range u.Variables {
		if v.OpensAdapter() && v.Location != nil && v.Location.Scheme == "file" {
			out = append(out, originOf(v).Where)
		}
	}
	for _, x := range u.Exposures {
		if x.Guard.IsWritten() {
			out = append(out, realPath(x.Guard.Span.File))
		}
	}
	return out
}

// isOwn reports whether a path, without links, is capd's own or below it.
func (b *barred) isOwn(real string) bool {
	if b == nil {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.ContainsFunc(b.ours, func(own string) bool { return isWithin(own, real) })
}

// isOthers reports whether a path, without links, is a file that opens adapters of teams other
// than this one. A file in a team's own folder is its own all the same.
func (b *barred) isOthers(real string, team home) bool {
	if b == nil {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	teams := b.guards[real]
	return len(teams) > 0 && !teams[team.path] && !team.holds(real)
}

// isEmpty reports whether nothing is barred.
func (b *barred) isEmpty() bool {
	if b == nil {
		return true
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.ours) == 0 && len(b.guards) == 0
}

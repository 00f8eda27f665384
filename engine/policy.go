package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// PolicyState is the policy that documents are judged by.
type PolicyState struct {
	// File is where it was read from; empty when there is none.
	File string
	// Hash is the SHA-256 of its bytes in hex.
	Hash string
	// Stale: the file cannot be used as it stands; this is the last good one.
	Stale bool
}

// PolicyError says that there is no policy to begin with.
type PolicyError struct {
	File string
	// Diagnostics say what is wrong with the file.
	Diagnostics diag.List
}

// Error gives every finding.
func (e *PolicyError) Error() string {
	var b strings.Builder
	b.WriteString("the policy file cannot be used")
	for _, d := range e.Diagnostics {
		b.WriteString("\n" + d.String())
	}
	return b.String()
}

// policyFile is the policy of a loader, as it was read last.
type policyFile struct {
	path string
	// now is the last good one; nil before the first and when there is no file.
	now   *plan.Policy
	state PolicyState
	seen  stamp        // the file, just before it was read
	real  string       // of the file, without links
	root  *allowedRoot // that paths are below; nil: the served folders
	wrong diag.List    // with the file as it stands
}

// refresh reads the file. The first time it must be good; afterwards the last good one stays
// until there is a better one.
func (p *policyFile) refresh(limits spec.Limits) error {
	if p.path == "" {
		return nil
	}
	if real, err := filepath.EvalSymlinks(p.path); err == nil {
		if abs, err := filepath.Abs(real); err == nil {
			p.real = abs
		}
	}
	p.seen, _ = stampOf(p.path) // there is none when that fails, which reading says
	text, err := readPolicy(p.path, limits)
	if err != nil && p.now == nil {
		return &PathError{Path: p.path, Err: err}
	}
	if err != nil {
		p.keep(diag.List{{
			Code: diag.CodePolicyFile, Severity: diag.Error, Span: diag.Span{File: p.path},
			Message: "the policy file cannot be read: " + reason(err), Hint: "put it back",
		}})
		return nil
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	if p.now != nil && hash == p.state.Hash {
		p.wrong, p.state.Stale = nil, false
		return nil
	}
	policy, found := plan.ReadPolicy(p.path, text, limits)
	switch {
	case policy != nil:
		p.root = nil
		if root := policy.Root(); root != "" {
			if !filepath.IsAbs(root) {
				root = filepath.Join(filepath.Dir(p.path), root)
			}
			p.root = &allowedRoot{path: root, real: root, own: true}
			if opened := openRoots([]string{root}, true); len(opened) == 1 {
				p.root = &opened[0]
			}
		}
		p.now, p.wrong, p.state = policy, nil, PolicyState{File: p.path, Hash: hash}
	case p.now == nil:
		return &PolicyError{File: p.path, Diagnostics: found}
	default:
		p.keep(found)
	}
	return nil
}

// changedMeanwhile reports whether the file is another one than it was when it was read.
func (p *policyFile) changedMeanwhile() bool {
	if p.path == "" {
		return false
	}
	now, _ := stampOf(p.path)
	return !p.seen.isStill(now)
}

// keep stays with the last good policy, and says so.
func (p *policyFile) keep(found diag.List) {
	for i := range found {
		found[i].Related = append(slices.Clone(found[i].Related), diag.Related{Span: diag.Span{File: p.path}, Message: "the policy of before still holds"})
	}
	p.wrong, p.state.Stale = found, true
}

func readPolicy(path string, limits spec.Limits) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	return readAll(nil, file, info.Size(), limits.Bytes)
}

// grant gives what a document may do now.
func (l *loader) grant(id string, v *version) *plan.Grant {
	return l.policy.now.Grant(l.policy.name(id, v.file), v.tags)
}

// name gives the path by which rules know a document: its ID, or where its file is below the root
// that the policy names. Of what is not below that it is empty.
func (p *policyFile) name(id, file string) string {
	if p.root == nil {
		return id
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return ""
	}
	for _, root := range []string{p.root.path, p.root.real} {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(strings.TrimSuffix(rel, filepath.Ext(rel)))
		}
	}
	return ""
}

// fitsPolicy reports whether a version is what it would be under the policy as it is now.
func (l *loader) fitsPolicy(id string, v *version) bool {
	g := l.grant(id, v)
	if g.Key() != v.grant.Key() {
		return false
	}
	return g.Placed() == v.grant.Placed() || !slices.ContainsFunc(v.problems, func(d diag.Diagnostic) bool { return d.Code == diag.CodePolicy })
}

// mayStay says why a version of a document may not be served any longer, nil when it may. Its
// text is gone, so that it is all or nothing.
func (l *loader) mayStay(id string, v *version) *plan.Denied {
	g := l.grant(id, v)
	if g.Key() == v.grant.Key() {
		return nil
	}
	if d := g.Judge(v.unit); d != nil {
		return d
	}
	return v.files.regrant(g)
}

// withdrawn reports what the policy has taken from a document that was served.
func withdrawn(id, file string, d *plan.Denied) diag.Diagnostic {
	return diag.Diagnostic{
		Code: diag.CodePolicy, Severity: diag.Error, Span: diag.Span{File: file}, Unit: diag.Unit{Doc: id},
		Message: "the last good state of this document is not served any longer: " + d.Text, Hint: d.Hint, Related: []diag.Related{d.At},
	}
}

// withdraws reports whether the policy takes something from what is served now: that must not
// wait for anything.
func (l *loader) withdraws(live *recordSet, found diag.List) bool {
	if live == nil {
		return false
	}
	for _, r := range live.records {
		if !r.isOwner() || r.served.unit == nil || l.grant(r.id, r.served).Key() == r.served.grant.Key() {
			continue
		}
		if slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.Code == diag.CodePolicy && d.Unit.Doc == r.id }) {
			return true
		}
	}
	return false
}

// isPolicy reports whether a file is the policy itself, which is no document's.
func (p *policyFile) isPolicy(real string) bool { return p != nil && p.real != "" && p.real == real }

// withoutPolicy leaves the policy file out of what was found in folders.
func (p *policyFile) withoutPolicy(sources []source) []source {
	if p.path == "" {
		return sources
	}
	policy, err := stampOf(p.path)
	if err != nil {
		return sources
	}
	return slices.DeleteFunc(slices.Clone(sources), func(s source) bool { return !s.named && s.now.isFile(policy) })
}

// names gives the names of an absolute path, first from the root of the machine on, then from
// each folder on that it is in. Names that only the system gives are left out: mounted
// configuration stands behind links such as ..data.
func (f *files) names(path string, real bool) [][]string {
	split := func(p string) []string {
		p = strings.Trim(filepath.ToSlash(p), "/")
		if p == "" || p == "." {
			return nil
		}
		return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return strings.HasPrefix(s, "..") })
	}
	out := [][]string{split(path[len(filepath.VolumeName(path)):])}
	for _, r := range f.own() {
		from := r.path
		if real {
			from = r.real
		}
		if rel, err := filepath.Rel(from, path); err == nil && filepath.IsLocal(rel) {
			out = append(out, split(rel))
		} else {
			out = append(out, []string{".."}) // no pattern has such a name
		}
	}
	return out
}

// own gives the folders that the document was found in.
func (f *files) own() []allowedRoot {
	if f.policy.root != nil {
		return []allowedRoot{*f.policy.root}
	}
	roots := f.roots()
	if i := slices.IndexFunc(roots, func(r allowedRoot) bool { return !r.own }); i >= 0 {
		return roots[:i]
	}
	return roots
}

// judged confines a spot to what the policy allows.
func (f *files) judged(at spot, location string, folder bool) (spot, error) {
	f.mu.Lock()
	g := f.grant
	f.mu.Unlock()
	if f.policy.isPolicy(at.real) {
		return spot{}, outside(location)
	}
	if g == nil {
		return at, nil
	}
	path, real := at.Path, at.real != ""
	if real {
		path = at.real
	}
	names := f.names(path, real)
	within, which, denied := g.File(location, names, folder)
	if denied != nil {
		return spot{}, &fileError{location: location, text: "may not be used: the policy does not allow it to this document", cause: denied}
	}
	if which < 0 || within == 0 {
		return at, nil
	}
	// Links that change between this look and the reading lead no further than the pattern.
	root := filepath.VolumeName(path) + string(filepath.Separator)
	if which > 0 {
		root = f.own()[which-1].real
	}
	confined := filepath.Join(append([]string{root}, names[which][:within]...)...)
	if isWithin(at.Root, confined) && (!real || isWithin(confined, at.real)) {
		at.Root = confined
	}
	return at, nil
}

// regrant judges everything that was asked for by another grant, and takes it over if it allows
// all of that.
func (f *files) regrant(g *plan.Grant) *plan.Denied {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	was := f.grant
	f.grant = g
	f.mu.Unlock()
	for u := range f.asked() {
		var err error
		switch u.what {
		case useRead:
			_, _, err = f.answer(u.from, u.location)
		case usePlace:
			_, _, err = f.place(u.from, u.location)
		case useFolder:
			err = f.opens(u.from, u.location)
		}
		if d, ok := errors.AsType[*plan.Denied](err); ok {
			f.mu.Lock()
			f.grant = was
			f.mu.Unlock()
			return d
		}
	}
	return nil
}

package engine

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"capd/engine/diag"
	"capd/engine/plan"
)

// What is kept of a document across restarts is text: its own, and that of the files it read.
// It is compiled again at a start, under the rules of that day, when the document as it stands
// cannot be served. Values of variables are no part of it: they are read at each bind.

// keepsake is what is to be kept of a version.
type keepsake struct {
	text  []byte
	reads []keptRead
}

// keptRead is a file that a document read. Paths are absolute.
type keptRead struct {
	From     string `json:"from"` // the file that names it
	Location string `json:"location"`
	Text     []byte `json:"text"`
}

// keep remembers the text of a version that can be served, and of what it read.
func (v *version) keep(text string) {
	if v.files == nil || v.files.texts == nil {
		return
	}
	texts := v.files.texts
	v.files.texts = nil
	if v.unit == nil {
		return
	}
	k := &keepsake{text: []byte(text)}
	for u, text := range texts {
		from, err := filepath.Abs(u.from)
		if err != nil {
			return
		}
		k.reads = append(k.reads, keptRead{from, u.location, text})
	}
	slices.SortFunc(k.reads, func(a, b keptRead) int {
		return strings.Compare(a.From+"\x00"+a.Location, b.From+"\x00"+b.Location)
	})
	v.keepsake.Store(k)
}

// sameAs reports whether two versions come of the same texts.
func (v *version) sameAs(o *version) bool {
	return v == o || v.unit == o.unit || v.hash == o.hash && v.files.hash(v.hash) == o.files.hash(o.hash)
}

// keptForms are the kept forms of documents, as records as if they had been served before. Only the first load of an engine
// asks for them, for each once in a pass: later ones know what is served. They are safe for concurrent use.
type keptForms struct {
	mu    sync.Mutex
	asked map[*candidate]*record // nil: nobody asks
}

// begin is told of a pass over the documents before it begins, and whether it is of the first load.
func (k *keptForms) begin(first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = nil
	if first {
		k.asked = make(map[*candidate]*record)
	}
}

// answer gives what was answered before. Nobody asks when it is known that there is nothing.
func (k *keptForms) answer(c *candidate) (r *record, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, known = k.asked[c]
	return r, known || k.asked == nil
}

func (k *keptForms) set(c *candidate, r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[c] = r
}

// keptRecord gives the record of the kept form of a document; nil when there is none, or something was loaded before.
func (l *loader) keptRecord(c *candidate) *record {
	if l.shelf == nil || c == nil || c.stdin {
		return nil
	}
	r, known := l.kept.answer(c)
	if known {
		return r
	}
	if form := l.shelf.read(c.file, c.id); form != nil {
		r = l.keptForm(&source{candidate: c}, form)
	}
	l.kept.set(c, r)
	return r
}

// keptForm compiles a kept form. A form of which nothing can be served any more is none.
func (l *loader) keptForm(src *source, form *form) (r *record) {
	defer func() {
		if p := recover(); p != nil {
			logFault(l.Logger, "compiling the kept form of a document", p, "file", src.file)
			r = nil
		}
	}()
	v := &version{file: src.file, named: src.named, kept: true, hash: hashOf(form.Text), files: l.newFiles(src)}
	v.files.texts, v.files.kept = nil, make(map[use][]byte, len(form.Reads))
	for _, read := range form.Reads {
		v.files.kept[use{useRead, read.From, read.Location}] = read.Text
	}
	l.compile(src, &content{text: string(form.Text), desk: new(desk)}, v)
	if v.unit == nil {
		l.Logger.Warn("the kept form of a document is no help: nothing of it can be served any more", "file", src.file, "problem", firstError(v.problems))
		return nil
	}
	return &record{id: src.id, current: v, served: v, candidate: src.candidate, since: form.since}
}

func firstError(problems diag.List) string {
	for _, d := range problems {
		if d.Severity == diag.Error {
			return string(d.Code)
		}
	}
	return ""
}

// below gives the records of the last load or, when nothing was loaded before, those of the
// kept forms below folders that cannot be looked into.
func (l *loader) below(sources []source, prev *recordSet) []*record {
	if prev != nil {
		return prev.records
	}
	if l.shelf == nil {
		return nil
	}
	var out []*record
	for i := range sources {
		dir := &sources[i]
		if dir.shut == nil {
			continue
		}
		for _, h := range l.shelf.heads(dir.file) {
			rel, err := filepath.Rel(h.folder, h.Path)
			if err != nil || h.ID != path.Join(dir.id, baseRel(rel)) {
				continue
			}
			p := &candidate{id: h.ID, file: filepath.Join(dir.file, rel), roots: dir.roots}
			if r := l.keptRecord(p); r != nil {
				out = append(out, r)
			}
		}
	}
	return out
}

// baseRel gives the ID, below the folder, of a file there.
func baseRel(rel string) string {
	dir, name := path.Split(filepath.ToSlash(rel))
	return path.Join(dir, baseID(name))
}

// valueFiles gives the files that the documents read the values of variables from.
func valueFiles(records []*record) map[string]bool {
	out := make(map[string]bool)
	for _, r := range records {
		if r.served.unit == nil {
			continue
		}
		for _, v := range r.served.unit.Variables {
			if v.Location != nil && v.Location.File.Path != "" {
				out[v.Location.File.Path] = true
				if real, err := filepath.EvalSymlinks(v.Location.File.Path); err == nil {
					out[real] = true
				}
			}
		}
	}
	return out
}

// readsValues reports whether a file that values are read from is a part of what is served of
// the document.
func (r *record) readsValues(path string, values map[string]bool) bool {
	if len(values) == 0 {
		return false
	}
	if r.candidate != nil && r.candidate.link {
		if real, err := filepath.EvalSymlinks(path); err == nil && values[real] {
			return true
		}
	}
	if values[path] {
		return true
	}
	for u := range r.served.files.asked() {
		if u.what != useRead {
			continue
		}
		if at, _ := r.served.files.find(u.from, u.location); values[at.Path] || values[at.real] {
			return true
		}
	}
	return false
}

// isServedAt reports whether a document listens where it should.
func isServedAt(u *plan.Unit, p *plan.Plan, failed map[string]error) bool {
	for addr := range failed {
		for _, x := range exposures(p.Listener(addr)) {
			if x.Unit == u {
				return false
			}
		}
	}
	return true
}

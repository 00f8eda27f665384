package plan

import (
	"io/fs"
	"strings"
	"time"

	"capd/engine/diag"
	"capd/engine/spec"
)

// MinWatch is the shortest time between two looks at a watched resource.
const MinWatch = time.Second

// watchResource compiles how often a resource is looked at while clients want to know of its
// changes. What is said wrong is not done: the resource can be read all the same.
func (c *compiler) watchResource(x *exposed, decl *spec.MCPResource, r *Resource) {
	v := decl.Watch
	if v == nil || r.Refusal != nil {
		return
	}
	note := func(at diag.Span, hint, format string, args ...any) {
		c.note(diag.Warning, x.unit, faultf(diag.CodeNotHonoured, "", at, "watch of resource "+r.Name+" has no effect: "+format, args...).hintf("%s", hint))
	}
	every := v
	if v.Kind == spec.Map {
		every = v.Get("every")
	}
	if every == nil || every.Kind == spec.Null {
		note(v.Span(), "write watch: {every: 30s}", "it does not say how often")
		return
	}
	d, err := time.ParseDuration(strings.TrimSpace(every.AsText().Value))
	switch {
	case err != nil || d <= 0:
		note(every.Span(), "write a number with its unit", "every is %q, expected a time such as 30s or 5m", every.AsText().Value)
	case d < MinWatch:
		note(every.Span(), "write 1s or more", "every is %s, and the least is %s", d, MinWatch)
	case r.Operation != nil && r.Operation.changes():
		note(v.Span(), "watch only what is read", "reading it may change something, so it is not done unasked")
	case r.Operation != nil && r.Operation.Asks():
		note(v.Span(), "leave out ask, confirm and requires, or watch", "there is nobody to ask")
	default:
		r.Every = d
	}
}

// changes reports whether running the operation may change something upstream.
func (op *Operation) changes() bool {
	for _, s := range op.steps {
		if call, ok := s.(*callStep); ok && call.hasEffects() {
			return true
		}
	}
	return false
}

// Stamp tells versions of a file apart without a look inside.
type Stamp struct {
	Size    int64
	Changed time.Time
}

// Stamp gives that of a file, whose path is as [Folder.Files] gives it. ok is false when there
// is no such file.
func (f *Folder) Stamp(name string) (_ Stamp, ok bool) {
	files := f.files
	if name == "" {
		if f.one == nil {
			return Stamp{}, false
		}
		files, name = f.one, f.name
	}
	info, err := fs.Stat(files, name)
	if err != nil || !info.Mode().IsRegular() {
		return Stamp{}, false
	}
	return Stamp{info.Size(), info.ModTime()}, true
}

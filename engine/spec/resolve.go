package spec

import (
	"fmt"
	"path"
	"strings"

	"capd/engine/diag"
)

// Opened is the text of a file that a document imports from.
type Opened struct {
	Name string // as it is shown: the File of every Span in it
	ID   string // the same for every location of one file
	Text []byte
}

// OpenError says why a file cannot be imported from.
type OpenError struct {
	Missing    bool // there is no such file
	Text, Hint string
	Code       diag.Code      // empty: that of files that cannot be read
	Related    []diag.Related // places that say why
}

// Error gives the text.
func (e *OpenError) Error() string { return e.Text }

// Opener gives the file at a location that is written in file from.
type Opener func(from, location string) (Opened, *OpenError)

// Resolve gives the document with the entries that it imports from other files in the place of
// its imports. self is the ID of the document's own file. What is imported keeps its places in
// its own file. Imports that cannot be resolved stay in Document.Imports; the list says why. A
// file that is not there is a warning, since much of a document can be served without. The
// document itself stays as it is.
func (d *Document) Resolve(self string, open Opener) (*Document, diag.List) {
	if len(d.Imports) == 0 {
		return d, nil
	}
	out := *d
	r := &resolver{doc: d, out: &out, self: self, open: open, parts: map[string]*Part{}, files: map[[2]string]openedFile{}, budget: newImportBudget(d.limits)}
	out.Imports = nil
	out.Binds = merge(r, "binds", d.Binds, func(d *Document) []Bind { return d.Binds }, func(b *Bind, t Text) { b.Namespace = t },
		func(b *Bind) (Text, *Value) { return b.Namespace, b.Node })
	out.Consumes = merge(r, "consumes", d.Consumes, func(d *Document) []Consumed { return d.Consumes },
		func(c *Consumed, t Text) { c.Namespace = t }, func(c *Consumed) (Text, *Value) { return c.Namespace, c.Node })
	out.Aggregates = merge(r, "aggregates", d.Aggregates, func(d *Document) []Aggregate { return d.Aggregates },
		func(a *Aggregate, t Text) { a.Origin, a.Namespace = a.Namespace, t }, func(a *Aggregate) (Text, *Value) { return a.Namespace, a.Node })
	out.Exposes = merge(r, "exposes", d.Exposes, func(d *Document) []Exposed { return d.Exposes },
		func(e *Exposed, t Text) { e.Origin, e.Namespace = e.Namespace, t }, func(e *Exposed) (Text, *Value) { return e.Namespace, e.Node })
	for _, part := range out.Parts {
		part.p.found.Sort()
		r.found = append(r.found, part.p.found.Dedupe()...)
	}
	r.found.Sort()
	return &out, r.found
}

// resolver holds what the sections of one document share.
type resolver struct {
	doc, out *Document
	self     string
	open     Opener
	files    map[[2]string]openedFile // by the file that a location is written in, and the location
	parts    map[string]*Part         // by ID
	budget   importBudget
	found    diag.List
	missing  bool // the last file asked for is not there
}

// merge gives the entries of a section with the imported ones in their places. list gives the
// section of a document, rename sets the namespace of an entry, and read gives it with what the
// entry was read from.
func merge[T any](r *resolver, section string, own []T, list func(*Document) []T, rename func(*T, Text), read func(*T) (Text, *Value)) []T {
	name := func(entry *T) Text {
		n, _ := read(entry)
		return n
	}
	var out []T
	taken := 0
	claimed := map[string]diag.Span{} // the namespaces of imports, the file there or not
	names := map[string]diag.Span{}   // those of entries
	for i := len(own) - 1; i >= 0; i-- {
		names[name(&own[i]).Value] = name(&own[i]).Span()
	}
	for i := range r.doc.Imports {
		imp := &r.doc.Imports[i]
		if imp.Section != section && (imp.Section != "" || section != "consumes") {
			continue
		}
		if at := min(imp.before, len(own)); imp.Section != "" && at > taken {
			out = append(out, own[taken:at]...)
			taken = at
		}
		r.missing = false
		if !r.affordsImport(imp) {
			r.out.Imports = append(r.out.Imports, *imp)
			continue
		}
		got, ok := pick(r, imp, section, list, name)
		if n := imp.Namespace; n.Value != "" && (ok || r.missing) {
			if first, taken := claimed[n.Value]; taken && r.missing {
				r.duplicate(imp, section, n, first)
			} else if !taken {
				claimed[n.Value] = n.Span()
			}
		}
		if !ok {
			r.out.Imports = append(r.out.Imports, *imp)
			continue
		}
		for _, entry := range got {
			if _, node := read(&entry); !r.affordsEntry(imp, node) {
				r.out.Imports = append(r.out.Imports, *imp)
				break
			}
			if imp.Wanted.IsSet() && imp.Namespace.Value != name(&entry).Value {
				rename(&entry, imp.Namespace)
			}
			n := name(&entry)
			if first, ok := names[n.Value]; ok && n.Value != "" {
				r.duplicate(imp, section, n, first)
				continue
			}
			names[n.Value] = n.Span()
			out = append(out, entry)
		}
	}
	if taken == 0 && len(out) == 0 {
		return own
	}
	return append(out, own[taken:]...)
}

// pick gives the entries that an import means.
func pick[T any](r *resolver, imp *Import, section string, list func(*Document) []T, name func(*T) Text) ([]T, bool) {
	part, ok := r.part(imp, section)
	if !ok {
		return nil, false
	}
	doc := part.section(section)
	all := list(doc)
	if !imp.Wanted.IsSet() || imp.Section == "" && len(all) == 1 && !imp.Node.Get("import").given() {
		if len(all) == 0 {
			r.nothing(imp, part, section)
		}
		return all, len(all) > 0
	}
	var names []string
	for i := range all {
		if name(&all[i]).Value == imp.Wanted.Value {
			return all[i : i+1 : i+1], true
		}
		names = append(names, name(&all[i]).Value)
	}
	for i := range doc.Imports {
		if chain := &doc.Imports[i]; chain.Namespace.Value == imp.Wanted.Value {
			r.chain(imp, chain)
			return nil, false
		}
	}
	if len(all) == 0 {
		r.nothing(imp, part, section)
		return nil, false
	}
	hint := "it has " + shortList(names)
	if near, ok := diag.Nearest(imp.Wanted.Value, names); ok {
		hint = "did you mean " + near + "?"
	}
	r.refuse(diag.CodeImportUnresolved, imp, imp.Wanted.Span(), hint, part.place(section), "the section is here",
		"%s has no entry of namespace %s in %s", part.File, quote(imp.Wanted.Value), section)
	return nil, false
}

// part gives the file of an import.
func (r *resolver) part(imp *Import, section string) (*Part, bool) {
	keyed := imp.Section != "" && imp.Node.Kind == Map
	switch {
	case imp.Location.Value == "":
		r.refuse(diag.CodeImportForm, imp, imp.Span, "write from: and the path of the file, relative to this one", diag.Span{}, "",
			"the import does not say from which file")
		return nil, false
	case keyed && !imp.Wanted.IsSet():
		r.refuse(diag.CodeImportForm, imp, imp.Span, "write import: and the namespace in that file", diag.Span{}, "",
			"the import does not say what it takes from %s", quote(imp.Location.Value))
		return nil, false
	case path.Clean(strings.TrimPrefix(imp.Location.Value, "file://")) == ".":
		r.refuse(diag.CodeImportForm, imp, imp.Location.Span(), "write the path of another file", diag.Span{}, "",
			"%s names the folder of this document, not a file", quote(imp.Location.Value))
		return nil, false
	}
	opened, err := r.openFile(imp)
	if err != nil {
		r.unopened(imp, err)
		return nil, false
	}
	if !r.affordsText(imp) {
		return nil, false
	}
	if opened.ID == r.self {
		r.refuse(diag.CodeImportChain, imp, imp.Location.Span(), "write the entry itself here", diag.Span{}, "",
			"the document imports from itself")
		return nil, false
	}
	part := r.parts[opened.ID]
	if part == nil {
		part = openPart(opened, r.doc.limits)
		r.parts[opened.ID] = part
		r.out.Parts = append(r.out.Parts, part)
	}
	if !part.holds() {
		why := "the file cannot be read as YAML"
		if part.root != nil {
			why = "the file has neither a capability nor consumes, exposes, aggregates or binds"
		}
		r.refuse(diag.CodeImportUnresolved, imp, imp.Location.Span(), "name a file of sections or a capability", diag.Span{File: part.File}, why,
			"%s is not a file to import from", part.File)
		return nil, false
	}
	return part, true
}

// unopened reports a file that cannot be read.
func (r *resolver) unopened(imp *Import, err *OpenError) {
	d := diag.Diagnostic{
		Code: diag.CodeImportUnreadable, Severity: diag.Error, Span: imp.Location.Span(), Path: imp.Node.Path(),
		Message: "cannot import: " + err.Text, Hint: err.Hint, Related: err.Related,
	}
	if err.Code != "" {
		d.Code = err.Code
	}
	if err.Missing {
		d.Severity, r.missing = diag.Warning, true
	}
	r.found.Add(d)
}

// nothing reports a file without the section.
func (r *resolver) nothing(imp *Import, part *Part, section string) {
	hint := ""
	for i := range part.root.Members {
		if key := part.root.Members[i].Key.Value; listed(sections, key) && hint == "" {
			hint = "it has " + key
		}
	}
	r.refuse(diag.CodeImportUnresolved, imp, imp.Location.Span(), hint, part.place(section), "nothing to import stands here",
		"%s has no entry in %s", part.File, section)
}

// chain refuses an entry that is itself taken from elsewhere.
func (r *resolver) chain(imp, next *Import) {
	message, hint := "an imported entry cannot come from a third file", "import it from "+quote(next.Location.Value)+" itself"
	opened, err := r.open(next.Location.Span().File, next.Location.Value)
	if err == nil && opened.ID == r.self {
		message, hint = "the import leads back to this document", "write the entry itself in one of the two files"
	}
	r.refuse(diag.CodeImportChain, imp, imp.Wanted.Span(), hint, next.Span, "the entry is imported here", "%s", message)
}

func (r *resolver) duplicate(imp *Import, section string, name Text, first diag.Span) {
	at := imp.Span
	if imp.Namespace.IsSet() {
		at = imp.Namespace.Span()
	}
	r.refuse(diag.CodeImportDuplicate, imp, at, "give one of the two another name with as:", first, "the first one",
		"%s has an entry of namespace %s already, so this one is left out", section, quote(name.Value))
}

func (r *resolver) refuse(code diag.Code, imp *Import, at diag.Span, hint string, related diag.Span, note, format string, args ...any) {
	d := diag.Diagnostic{Code: code, Severity: diag.Error, Span: at, Path: imp.Node.Path(), Hint: hint, Message: fmt.Sprintf(format, args...)}
	if note != "" {
		d.Related = []diag.Related{{Span: related, Message: note}}
	}
	r.found.Add(d)
}

// TruncationOf gives where the text of a file was cut off: of the document, or of a file it
// imports from; nil when it is whole.
func (d *Document) TruncationOf(file string) *Truncation {
	if file == d.File {
		return d.Truncation
	}
	if part := d.partOf(file); part != nil {
		return part.Truncation
	}
	return nil
}

func (d *Document) partOf(file string) *Part {
	for _, part := range d.Parts {
		if part.File == file {
			return part
		}
	}
	return nil
}

// BindsOf gives the binds of a file that the document imports from; nil for any other.
func (d *Document) BindsOf(file string) []Bind {
	if part := d.partOf(file); part != nil {
		return part.Binds
	}
	return nil
}

// Own gives the namespace by which expressions of the adapter name its inputs: the one it has
// in the file that it stands in.
func (e *Exposed) Own() string { return own(e.Origin, e.Namespace) }

// Own gives the namespace by which expressions of the flows name their inputs: the one that the
// aggregate has in the file that it stands in.
func (a *Aggregate) Own() string { return own(a.Origin, a.Namespace) }

func own(origin, namespace Text) string {
	if origin.IsSet() {
		return origin.Value
	}
	return namespace.Value
}

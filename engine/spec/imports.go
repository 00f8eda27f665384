package spec

import (
	"capd/engine/diag"
)

// importKeys are the keys by which published documents name another file.
var importKeys = [...]string{"from", "location", "url", "ref", "openapi", "path", "file"}

// The keys of an import. The silent ones belong to dialects.
const (
	importLegal  = "from import as description"
	importSilent = "location url ref openapi path file namespace name type"
)

// Import takes entries of a section from another file.
type Import struct {
	Span      diag.Span
	Node      *Value // what it was read from
	Section   string // consumes, binds, exposes, aggregates or "" when the form does not say
	Location  Text
	Wanted    Text // the namespace in the other file; not given: every entry of the section
	Namespace Text // the name under which the entry is known here
	before    int  // the entry of the section in front of which it stands
}

// imports reads the root keys import and imports, which the language does not define but
// published documents use: file names, or mappings with a file name and a namespace.
func (p *parser) imports(d *Document, part *Value) {
	for _, key := range [...]string{"import", "imports"} {
		v := some(part, key)
		switch {
		case v == nil:
		case v.Kind == List:
			for _, item := range v.Items {
				d.Imports = append(d.Imports, p.importEntry(entry{value: item}, "", 0))
			}
		case v.Kind == Map && p.location(v).node == nil:
			for _, m := range v.Members {
				d.Imports = append(d.Imports, p.importEntry(entry{name: m.Key, value: m.Value}, "", 0))
			}
		default:
			d.Imports = append(d.Imports, p.importEntry(entry{value: v}, "", 0))
		}
	}
}

// isImport reports whether an entry of a section only refers to another file. The keys of
// content are those that an entry with something in it has.
func isImport(v *Value, content ...string) bool {
	for _, key := range content {
		if some(v, key) != nil {
			return false
		}
	}
	for _, key := range [...]string{"import", "from", "location", "ref", "openapi"} {
		if some(v, key) != nil {
			return true
		}
	}
	return false
}

// importEntry reads an import that stands in front of entry before of its section.
func (p *parser) importEntry(e entry, section string, before int) Import {
	v := e.value
	imp := Import{Span: v.Span(), Node: v, Section: section, before: before}
	if v.Kind != Map {
		imp.Location = v.AsText()
		imp.Namespace, imp.Wanted = e.name, e.name
		return imp
	}
	if section != "" {
		p.keys(v, importLegal, importSilent)
	}
	imp.Location = p.location(v)
	imp.Wanted = p.first(v, "import")
	imp.Namespace = p.first(v, "as")
	other := p.first(v, "namespace", "name", "openapi")
	if !other.IsSet() {
		other = e.name
	}
	if !imp.Wanted.IsSet() {
		imp.Wanted = other
	}
	if !imp.Namespace.IsSet() {
		imp.Namespace = other
	}
	if !imp.Namespace.IsSet() {
		imp.Namespace = imp.Wanted
	}
	return imp
}

func (p *parser) location(v *Value) Text {
	for _, key := range importKeys {
		if t := v.Get(key).AsText(); t.IsSet() {
			return t
		}
	}
	return Text{}
}

package spec

// importKeys are the keys by which published documents name another file.
var importKeys = [...]string{"from", "location", "url", "ref", "openapi", "path", "file"}

// imports reads the root keys import and imports, which the language does not define but
// published documents use: file names, or mappings with a file name and a namespace.
func (p *parser) imports(d *Document, part *Value) {
	for _, key := range [...]string{"import", "imports"} {
		v := some(part, key)
		switch {
		case v == nil:
		case v.Kind == List:
			for _, item := range v.Items {
				d.Imports = append(d.Imports, p.importEntry(item, ""))
			}
		case v.Kind == Map && p.location(v).node == nil:
			for _, m := range v.Members {
				imp := p.importEntry(m.Value, "")
				imp.Namespace = m.Key
				d.Imports = append(d.Imports, imp)
			}
		default:
			d.Imports = append(d.Imports, p.importEntry(v, ""))
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

func (p *parser) importEntry(v *Value, section string) Import {
	imp := Import{Span: v.Span(), Node: v, Section: section}
	if v.Kind != Map {
		imp.Location = v.AsText()
		return imp
	}
	imp.Location = p.location(v)
	imp.Namespace = p.first(v, "as", "import", "namespace", "name", "openapi")
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

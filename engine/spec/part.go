package spec

import "capd/engine/diag"

// Part is a file that a document imports from: a file of sections, or another document. It is
// read as leniently as a document, and only as far as it is needed.
type Part struct {
	File       string
	Binds      []Bind      // what variables of imported entries mean where the document has none of that name
	Truncation *Truncation // nil when the text is whole

	id   string
	root *Value // nil when the file cannot be read
	read map[string]*Document
	p    *parser
}

// openPart reads a file as far as its root. What is wrong with it is found in the parser.
func openPart(o Opened, lim Limits) *Part {
	part := &Part{File: o.Name, id: o.ID, read: map[string]*Document{}, p: newParser(new(Memory), o.Name, lim)}
	p := part.p
	if !p.readable(string(o.Text)) {
		return part
	}
	p.cut = findTruncation(p.src)
	node, ok := p.decode()
	if !ok {
		return part
	}
	root := p.grow(node)
	if root == nil || p.fatal {
		return part
	}
	part.root = root
	if root.Kind != Map {
		return part
	}
	if key := versionKey(root); key != nil {
		p.ikanos = key.Key.Value == "ikanos"
	}
	if p.cut != nil {
		p.src.tail = int(lastNode(root).start)
		var d Document
		p.truncation(&d, root)
		part.Truncation = d.Truncation
	}
	if !part.holds() {
		return part
	}
	p.keys(root, rootKeys, rootSilent)
	part.Binds = part.section("binds").Binds
	return part
}

// Tree gives the file as a document that nothing was read of: for its JSON and the places in it.
// It is nil when there is nothing in the file to import.
func (f *Part) Tree() *Document {
	if !f.holds() {
		return nil
	}
	return &Document{File: f.File, tree: f.root}
}

// treeOf gives the tree of a file.
func (d *Document) treeOf(file string) *Value {
	if part := d.partOf(file); part != nil && file != d.File {
		return part.root
	}
	return d.tree
}

// holds reports whether the file has a section at all.
func (f *Part) holds() bool {
	if f.root == nil || f.root.Kind != Map {
		return false
	}
	for i := range f.root.Members {
		if key := f.root.Members[i].Key.Value; listed(sections, key) || key == "capability" {
			return true
		}
	}
	return false
}

// home gives the mapping in which a section stands: the root if it has the section, else the
// capability.
func (f *Part) home(name string) *Value {
	if some(f.root, name) != nil {
		return f.root
	}
	return some(f.root, "capability")
}

// section reads one section of the file.
func (f *Part) section(name string) *Document {
	if d := f.read[name]; d != nil {
		return d
	}
	d := &Document{File: f.File}
	f.read[name] = d
	home := f.home(name)
	if home == nil || home.Kind != Map {
		return d
	}
	switch name {
	case "consumes":
		f.p.consumes(d, home)
	case "exposes":
		f.p.exposes(d, home)
	case "aggregates":
		f.p.aggregates(d, home)
	case "binds":
		f.p.binds(d, home)
	}
	return d
}

// place gives the span of a section's key, or of the file where it has none.
func (f *Part) place(name string) diag.Span {
	if m := f.home(name).member(name); m != nil {
		return m.Key.Span()
	}
	return diag.Span{File: f.File}
}

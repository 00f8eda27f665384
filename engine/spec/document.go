package spec

import (
	"strings"

	"capd/engine/diag"
)

// knownVersions are the versions of the language that were released (language reference 1.4).
const knownVersions = "0.2 0.3 0.4 0.5 1.0.0-alpha1 1.0.0-alpha2 1.0.0-alpha3 1.0.0-alpha4 " +
	"1.0.0-beta1 1.0.0-beta2 1.0.0-beta3 1.0.0-beta4 1.0.0-beta5"

// sections are the parts of a capability that may stand in files of their own.
const sections = "consumes exposes binds aggregates"

// document reads the root of the tree. It is nil when the tree is no capability (L2).
func (p *parser) document(root *Value) *Document {
	key := versionKey(root)
	capability := root.Get("capability")
	if key == nil || capability == nil || capability.Kind != Map {
		p.notACapability(root, key, capability)
		return nil
	}
	p.ikanos = key.Key.Value == "ikanos"
	if p.cut != nil {
		p.src.tail = int(lastNode(root).start)
	}
	p.keys(root, rootKeys, rootSilent)
	p.keys(capability, capabilityKeys, capabilitySilent)
	d := &Document{File: p.src.file, Root: key.Key, Version: key.Value.AsText(), tree: root, limits: p.lim}
	p.version(d.Version)
	p.info(d, root)
	p.truncation(d, root)
	for _, part := range []*Value{root, capability} {
		p.imports(d, part)
		p.binds(d, part)
	}
	p.externalRefs(d, root)
	for _, part := range []*Value{capability, root} {
		p.consumes(d, part)
		p.aggregates(d, part)
	}
	p.exposes(d, capability)
	if m := root.member("exposes"); m != nil {
		p.report(diag.CodeUnknownKey, diag.Info, m.Key.node, "move it into capability", "key \"exposes\" beside capability is ignored")
	}
	return d
}

// versionKey gives the member that says in which language the document is written: one of
// the version keys, with a text or a number such as 0.5.
func versionKey(root *Value) *Member {
	for _, key := range [...]string{"ikanos", "naftiko"} {
		if m := root.member(key); m != nil && isVersion(m.Value) {
			return m
		}
	}
	return nil
}

func isVersion(v *Value) bool { return v.Kind == String || v.Kind == Number }

func (p *parser) notACapability(root *Value, key *Member, capability *Value) {
	names, misspelled, near := rootNames(root)
	if key != nil && capability == nil && near == "" && p.section(root) {
		return
	}
	span := root.Span()
	span.End = diag.Pos{}
	var fixes []diag.Edit
	message, hint := "no 'naftiko: <version>' with a 'capability:' mapping (found "+root.Kind.String()+")", ""
	switch {
	case key != nil && capability != nil:
		span, message = capability.Span(), "capability is "+capability.Kind.String()+", expected a mapping"
	case badVersion(root) != nil:
		v := badVersion(root)
		span, message = v.Span(), v.key+" is "+v.Kind.String()+", expected a version such as 1.0.0-alpha2"
	case root.Kind == Map:
		message = "no 'naftiko: <version>' with a 'capability:' mapping (found root keys " + shortList(names) + ")"
		hint, fixes = near, fixRoot(root)
		if misspelled != nil {
			span = misspelled.Span()
		}
	}
	if p.cut != nil {
		hint = p.cut.fullText()
	}
	p.fatal = true
	p.add(diag.Diagnostic{
		Code: diag.CodeNotACapability, Severity: diag.Error, Span: span, Rule: "L2", Message: message, Hint: hint, Fixes: fixes,
	})
}

// badVersion gives the value of a version key that is none.
func badVersion(root *Value) *Value {
	for _, key := range [...]string{"ikanos", "naftiko"} {
		if v := root.Get(key); v != nil && !isVersion(v) {
			return v
		}
	}
	return nil
}

// section recognises a file of sections for other documents to import.
func (p *parser) section(root *Value) bool {
	for i := range root.Members {
		if k := root.Members[i].Key; listed(sections, k.Value) {
			p.report(diag.CodeSection, diag.Error, k.node, "", "the file holds only %s for other documents, it serves nothing by itself", quote(k.Value))
			p.contents(root)
			p.fatal = true
			return true
		}
	}
	return false
}

// contents reads the sections of a file that other documents import from, for what is wrong with
// them there.
func (p *parser) contents(root *Value) {
	p.ikanos = versionKey(root).Key.Value == "ikanos"
	p.keys(root, rootKeys, rootSilent)
	var d Document
	p.binds(&d, root)
	p.consumes(&d, root)
	p.aggregates(&d, root)
	p.exposes(&d, root)
	nameless := func(v *Value, n Text) {
		if !n.IsSet() {
			p.report(diag.CodeImportForm, diag.Warning, v, "give it a namespace", "the entry has no namespace, so nobody can import it")
		}
	}
	for i := range d.Exposes {
		nameless(d.Exposes[i].Node, d.Exposes[i].Namespace)
	}
	for i := range d.Aggregates {
		nameless(d.Aggregates[i].Node, d.Aggregates[i].Namespace)
	}
	for i := range d.Imports {
		p.add(diag.Diagnostic{
			Code: diag.CodeImportChain, Severity: diag.Error, Span: d.Imports[i].Span, Path: d.Imports[i].Node.Path(),
			Message: "a file that others import from cannot import entries itself",
			Hint:    "write the entry here, or let the others import it from " + quote(d.Imports[i].Location.Value),
		})
	}
}

// rootNames gives the root keys, and if one of them is almost one that is missing, that one
// and a hint.
func rootNames(root *Value) (names []string, misspelled *Value, hint string) {
	for i := range root.Members {
		k := root.Members[i].Key.Value
		names = append(names, k)
		if near, ok := diag.Nearest(k, []string{"naftiko", "ikanos", "capability"}); ok && hint == "" && root.Get(near) == nil {
			hint = "did you mean " + quote(near) + " instead of " + quote(k) + "?"
			misspelled = root.Members[i].Key.node
		}
	}
	return names, misspelled, hint
}

// shortList joins names for a message, the first few of them.
func shortList(names []string) string {
	const most = 12
	for i, n := range names {
		if q := quote(n); len(q) != len(n)+2 {
			names[i] = q
		}
	}
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	return strings.Join(names, ", ")
}

func (p *parser) version(v Text) {
	if !listed(knownVersions, v.Value) {
		p.report(diag.CodeVersion, diag.Warning, v.node, "known versions end with 1.0.0-beta5",
			"version %s of the language is not known, the document is read as the newest one that is", quote(v.Value))
	}
}

func (p *parser) info(d *Document, root *Value) {
	info := some(root, "info")
	if info == nil {
		return
	}
	if info.Kind != Map {
		p.wrongType(info, "info", "a mapping")
		return
	}
	p.nearMisses(info, infoKeys)
	d.Label = p.first(info, "label", "title", "display", "name")
	d.Description = p.text(info, "description")
	d.Revision = p.text(info, "version")
	d.Tags = p.texts(info, "tags")
	d.WebsiteURL, d.Icons = p.text(info, "websiteUrl"), p.icons(info)
}

func (p *parser) truncation(d *Document, root *Value) {
	if p.cut == nil {
		return
	}
	p.last = lastNode(root)
	p.cut.Last = p.last.Span()
	d.Truncation = p.cut
	p.add(diag.Diagnostic{
		Code: diag.CodeTruncated, Severity: diag.Warning, Span: p.cut.Span, Rule: "L3", Hint: p.cut.fullText(),
		Message: "the text was cut off here, what stood behind is missing",
		Related: []diag.Related{{Span: p.cut.Last, Message: "the last value before the cut, which may be incomplete"}},
	})
}

func (p *parser) binds(d *Document, part *Value) {
	for _, e := range p.entries(part, "binds", "bind", diag.Warning) {
		if isImport(e.value, "keys") && firstValue(e.value, "import", "from", "ref") != nil {
			d.Imports = append(d.Imports, p.importEntry(e, "binds", len(d.Binds)))
			continue
		}
		p.keys(e.value, bindKeys, bindSilent)
		b := Bind{
			Span: e.span, Node: e.value,
			Namespace: p.first(e.value, "namespace", "name"), Location: p.text(e.value, "location"),
		}
		if !b.Namespace.IsSet() {
			b.Namespace = e.name
		}
		b.Keys = p.bindKeys(some(e.value, "keys"))
		d.Binds = append(d.Binds, b)
	}
}

// externalRefs reads the form that binds had in version 0.4: values of a file, or of the
// environment at run time.
func (p *parser) externalRefs(d *Document, root *Value) {
	for _, e := range p.entries(root, "externalRefs", "external reference", diag.Warning) {
		p.keys(e.value, externalRefKeys, externalRefSilent)
		b := Bind{Span: e.span, Node: e.value, Namespace: p.text(e.value, "name"), Location: p.first(e.value, "uri", "location")}
		if !b.Namespace.IsSet() {
			b.Namespace = e.name
		}
		if file := p.text(e.value, "resolution").Value == "file"; file && !b.Location.IsSet() {
			p.report(diag.CodeWrongType, diag.Warning, e.value, "write uri: and the path of the file", "the external reference says that its values are in a file, and not in which")
		} else if !file && p.text(e.value, "resolution").Value == "runtime" {
			b.Location = Text{}
		}
		b.Keys = p.bindKeys(some(e.value, "keys"))
		d.Binds = append(d.Binds, b)
	}
}

// bindKeys reads the variables of a bind. A name alone stands for the source of that name.
func (p *parser) bindKeys(keys *Value) []BindKey {
	if keys == nil {
		return nil
	}
	var out []BindKey
	switch keys.Kind {
	case Map:
		for _, m := range keys.Members {
			source := m.Value.AsText()
			if !source.IsSet() {
				if m.Value.given() {
					p.wrongType(m.Value, "the source of "+quote(m.Key.Value), "text")
				}
				source = m.Key
			}
			out = append(out, BindKey{Key: m.Key, Source: source})
		}
	case List:
		for _, item := range keys.Items {
			if name := item.AsText(); name.IsSet() {
				out = append(out, BindKey{Key: name, Source: name})
			} else {
				p.wrongType(item, "a key of binds", "text")
			}
		}
	default:
		p.wrongType(keys, "keys", "a mapping from variables to their sources")
	}
	return out
}

package plan

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// contentDraft compiles the items that a tool or a prompt says. The two differ in what the words
// of their texts mean.
type contentDraft struct {
	c    *compiler
	unit diag.Unit
	code diag.Code
	what string // tool x, prompt x
	out  *Exposure

	// parts compiles the pieces of a text.
	parts func(t spec.Text, tpl expr.Template) ([]expression, *fault)
	// mapping compiles a text that is a path into the answer; nil where there is none.
	mapping func(text string, at diag.Span) (expression, *fault)
	// takes is told that an item is the answer as it came; nil where that cannot be.
	takes func()
	// begin says that what is compiled until the function that it gives is called stands in an
	// item for each element of a list; nil where no item can.
	begin func(each spec.Text) (*expression, func(), *fault)
}

// item compiles one item.
func (d *contentDraft) item(decl *spec.ContentItem) (contentItem, *fault) {
	x := contentItem{annotations: d.c.contentAnnotations(decl.Annotations, d.unit)}
	var f *fault
	if x.kind, f = d.kind(decl); f != nil {
		return x, f
	}
	if decl.Each.IsSet() {
		if d.begin == nil {
			return x, d.faultf(decl.Each.Span(), "each means nothing in %s", d.what)
		}
		each, end, f := d.begin(decl.Each)
		if f != nil {
			return x, f
		}
		defer end()
		x.each = each
	}
	d.noteUnused(decl, x.kind)
	if decl.Resource.IsSet() {
		if f := d.refer(&x, decl); f != nil {
			return x, f
		}
	}
	for _, t := range []struct {
		to   **expression
		text spec.Text
		uri  bool
	}{
		{&x.mimeType, decl.MimeType, false}, {&x.uri, decl.URI, true}, {&x.name, decl.Name, false},
		{&x.title, decl.Title, false}, {&x.description, decl.Description, false}, {&x.size, decl.Size, false},
	} {
		if !t.text.IsSet() {
			continue
		}
		if *t.to, f = d.phrase(t.text, "", t.uri); f != nil {
			return x, f
		}
	}
	if x.kind == ResourceContent || x.kind == LinkContent {
		if x.uri == nil {
			return x, d.faultf(decl.Span, "an item of type %s of %s has no uri", x.kind, d.what).hintf("write uri: and the address of the resource, or resource: and the name of one of this adapter")
		}
		if f := d.judgeURI(decl.URI, x.uri); f != nil {
			return x, f
		}
	}
	if x.kind == LinkContent || decl.Resource.IsSet() {
		return x, nil
	}
	return x, d.fill(&x, decl)
}

func (d *contentDraft) faultf(at diag.Span, format string, args ...any) *fault {
	return faultf(d.code, "", at, format, args...)
}

// kind gives the kind of an item; one that has only a text need not say it.
func (d *contentDraft) kind(decl *spec.ContentItem) (ContentKind, *fault) {
	kinds := []string{string(TextContent), string(ImageContent), string(AudioContent), string(ResourceContent), string(LinkContent)}
	given := strings.ToLower(strings.TrimSpace(decl.Type.Value))
	switch {
	case slices.Contains(kinds, given):
		return ContentKind(given), nil
	case given == "" && (decl.Node == nil || decl.Node.Kind != spec.Map):
		return TextContent, nil
	case given == "" && decl.Text.IsSet() && !decl.URI.IsSet():
		return TextContent, nil
	case given == "":
		return "", d.faultf(decl.Span, "a content item of %s has no type", d.what).hintf("write type: text, image, audio, resource or resource_link")
	}
	f := d.faultf(decl.Type.Span(), "%q is no type of content", decl.Type.Value)
	if near, ok := diag.Nearest(given, kinds); ok {
		return "", f.hintf("did you mean %s?", near)
	}
	return "", f.hintf("expected text, image, audio, resource or resource_link")
}

// noteUnused reports the words of an item that items of its type do not have.
func (d *contentDraft) noteUnused(decl *spec.ContentItem, kind ContentKind) {
	if decl.Node == nil || decl.Node.Kind != spec.Map {
		return
	}
	words := map[ContentKind][]string{
		TextContent:     {"data", "resource", "mimeType", "uri", "name", "title", "description", "size"},
		ImageContent:    {"text", "resource", "uri", "name", "title", "description", "size"},
		AudioContent:    {"text", "resource", "uri", "name", "title", "description", "size"},
		ResourceContent: {"name", "title", "description", "size"},
		LinkContent:     {"text", "data", "location"},
	}[kind]
	for i := range decl.Node.Members {
		m := &decl.Node.Members[i]
		if m.Value.Kind != spec.Null && slices.Contains(words, m.Key.Value) {
			d.c.note(diag.Info, d.unit, faultf(diag.CodeNotHonoured, "", m.Key.Span(), "%s has no effect in an item of type %s", m.Key.Value, kind))
		}
	}
}

// fill compiles what the item holds: one of text, data and location.
func (d *contentDraft) fill(x *contentItem, decl *spec.ContentItem) *fault {
	var given []spec.Text
	candidates := []spec.Text{decl.Text, decl.Data, decl.Location}
	switch x.kind {
	case TextContent:
		candidates = []spec.Text{decl.Text, decl.Location}
	case ImageContent, AudioContent:
		candidates = candidates[1:]
	}
	for _, t := range candidates {
		if t.IsSet() {
			given = append(given, t)
		}
	}
	switch {
	case decl.Node == nil: // a message without content
		empty := literalExpr("")
		x.text = &empty
		return nil
	case len(given) == 0 && x.kind == TextContent:
		return d.faultf(decl.Span, "an item of type text of %s has no text", d.what).hintf("write text: and what it says")
	case len(given) == 0:
		return d.faultf(decl.Span, "an item of type %s of %s holds nothing", x.kind, d.what).hintf("write data: and base64, or location: and a file")
	case len(given) > 1:
		return d.faultf(given[1].Span(), "an item of %s says in two ways what it holds", d.what).hintf("keep one of text, data and location")
	case decl.Location.IsSet():
		return d.file(x, decl.Location)
	case given[0].Value == "$" && d.takes != nil:
		x.whole = true
		if decl.Text.IsSet() {
			empty := literalExpr("")
			x.text = &empty
		}
		d.takes()
		return nil
	case decl.Text.IsSet():
		var f *fault
		x.text, f = d.phrase(decl.Text, decl.MimeType.Value, false)
		return f
	}
	data, f := d.phrase(decl.Data, "", false)
	if f != nil {
		return f
	}
	if data.kind != exprLiteral {
		x.data = data
		return nil
	}
	fixed, media, ok := decodeBase64(textOf(data.literal))
	if !ok {
		return d.faultf(decl.Data.Span(), "the data of an item of %s is not base64", d.what).hintf("encode the bytes, or write location: and the file")
	}
	x.setFixed(fixed, media)
	return nil
}

// setFixed sets data that no call changes. A declared type wins over media.
func (x *contentItem) setFixed(data []byte, media string) {
	x.fixed = append([]byte{}, data...)
	if x.mimeType == nil && media != "" {
		m := literalExpr(media)
		x.mimeType = &m
	}
}

// file reads what an item holds.
func (d *contentDraft) file(x *contentItem, location spec.Text) *fault {
	b, f := d.read(location)
	if f != nil {
		return f
	}
	x.file = path.Base(location.Value)
	if x.kind != TextContent {
		x.setFixed(b, "")
		return nil
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if !utf8.Valid(b) {
		return d.faultf(location.Span(), "the file of an item of %s is not UTF-8 text", d.what)
	}
	text := literalExpr(string(b))
	x.text = &text
	return nil
}

func (d *contentDraft) read(location spec.Text) ([]byte, *fault) {
	at := location.Span()
	if d.c.files == nil {
		return nil, d.faultf(at, "a file of %s is not available: files cannot be read here", d.what)
	}
	b, err := d.c.files.Read(at.File, location.Value)
	if err != nil {
		return nil, d.faultf(at, "a file of %s is not available: %v", d.what, err).hintf("write the path of a file, relative to this one")
	}
	return b, nil
}

// phrase compiles a text. mediaType is that of what the text is, whose values must not be able to
// break it.
func (d *contentDraft) phrase(t spec.Text, mediaType string, uri bool) (*expression, *fault) {
	if d.mapping != nil && isPath(t.Value) {
		x, f := d.mapping(t.Value, t.Span())
		return &x, f
	}
	tpl := expr.ParseTemplate(t.Value)
	parts, f := d.parts(t, tpl)
	if f != nil {
		return nil, f
	}
	x := expression{kind: exprText, parts: parts}
	quoted, isJSON := jsonParts(tpl)
	switch in := dialectOf(mediaType); {
	case len(parts) == 0:
		x = literalExpr("")
	case len(parts) == 1 && parts[0].kind != exprLiteral:
		x = parts[0]
	case !slices.ContainsFunc(parts, func(p expression) bool { return p.kind != exprLiteral }):
		x = mergeLiterals(x)
	case uri:
		x.kind = exprURI
	case in != 0:
		x.kind, x.detail = exprEmbedded, &detail{embedding: &embedding{dialect: in, within: in.contexts(tpl)}}
	case isJSON && isJSONType(mediaType):
		x.kind, x.detail = exprJSON, &detail{embedding: &embedding{quoted: quoted}}
	default:
		x = mergeLiterals(x)
	}
	return &x, nil
}

// isPath reports whether a text is written as a mapping is.
func isPath(text string) bool {
	return text == "$" || strings.HasPrefix(text, "$.") || strings.HasPrefix(text, "$[")
}

func isJSONType(mediaType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	media = strings.TrimSpace(media)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// judgeURI refuses a constant that is no URI: some clients refuse all that comes with it.
func (d *contentDraft) judgeURI(t spec.Text, x *expression) *fault {
	text := ""
	switch {
	case x.kind == exprLiteral:
		text = textOf(x.literal)
	case (x.kind == exprURI || x.kind == exprText) && x.parts[0].kind == exprLiteral:
		text = textOf(x.parts[0].literal) + "x"
	default:
		return nil
	}
	if !uriScheme.MatchString(text) {
		return d.faultf(t.Span(), "the URI %q has no scheme", t.Value).hintf("write for example data://%s", strings.TrimLeft(t.Value, "/"))
	}
	return nil
}

// refer takes over what a resource of the same adapter says of itself.
func (d *contentDraft) refer(x *contentItem, decl *spec.ContentItem) *fault {
	at := decl.Resource.Span()
	if x.kind != ResourceContent && x.kind != LinkContent {
		return nil
	}
	r, f := d.declaredResource(decl.Resource)
	if f != nil {
		return f
	}
	if !uriScheme.MatchString(r.URI.Value) || strings.ContainsAny(r.URI.Value, "{}") {
		return d.faultf(at, "resource %s has no address of its own, so %s cannot refer to it", decl.Resource.Value, d.what).hintf("refer to one whose uri has no {parameter}")
	}
	set := func(to **expression, text string) {
		if v := literalExpr(strings.TrimSpace(text)); text != "" {
			*to = &v
		}
	}
	set(&x.uri, normalURI(r.URI.Value))
	set(&x.mimeType, r.MimeType.Value)
	if x.annotations == nil {
		x.annotations = d.c.contentAnnotations(r.Annotations, d.unit)
	}
	if x.kind == LinkContent {
		set(&x.name, firstOf(r.Operation.Name.Value, r.URI.Value))
		set(&x.title, r.Operation.Label.Value)
		set(&x.description, r.Operation.Description.Value)
		return nil
	}
	switch {
	case r.Text.IsSet():
		text := literalExpr(r.Text.Value)
		if expr.ParseTemplate(r.Text.Value).HasRefs() {
			break
		}
		x.text = &text
		return nil
	case r.Data.IsSet():
		if data, media, ok := decodeBase64(r.Data.Value); ok {
			x.setFixed(data, media)
			return nil
		}
	case r.Location.IsSet():
		b, f := d.read(r.Location)
		if f != nil {
			return f
		}
		x.file = path.Base(r.Location.Value)
		x.setFixed(b, "")
		return nil
	}
	return d.faultf(at, "resource %s is no text, data or file of this document, so %s cannot hold it", decl.Resource.Value, d.what).
		hintf("write type: resource_link, so that clients read it themselves")
}

// declaredResource finds a resource of the adapter by its name or its URI.
func (d *contentDraft) declaredResource(name spec.Text) (*spec.MCPResource, *fault) {
	all := d.c.doc.Exposes[d.out.Index].MCPResources
	names := make([]string, len(all))
	for i := range all {
		r := &all[i]
		if r.Operation.Name.Value == name.Value || r.URI.Value == name.Value {
			return r, nil
		}
		names[i] = r.Operation.Name.Value
	}
	f := d.faultf(name.Span(), "%s refers to the resource %q, which this adapter does not have", d.what, name.Value)
	if near, ok := diag.Nearest(name.Value, names); ok {
		return nil, f.hintf("did you mean %s?", near)
	}
	return nil, f.hintf("write the name of one of its resources")
}

// contentAnnotations reads whom something is for. What is none of it is reported and left out.
func (c *compiler) contentAnnotations(decl *spec.ContentAnnotations, unit diag.Unit) *ContentAnnotations {
	if decl == nil {
		return nil
	}
	bad := func(t spec.Text, what, hint string) {
		c.note(diag.Warning, unit, faultf(diag.CodeWrongType, "", t.Span(), "%q is no %s; it is left out", t.Value, what).hintf("%s", hint))
	}
	a := &ContentAnnotations{}
	for _, t := range decl.Audience {
		role := strings.ToLower(strings.TrimSpace(t.Value))
		if role != "user" && role != "assistant" {
			bad(t, "audience", "expected user or assistant")
		} else if !slices.Contains(a.Audience, role) {
			a.Audience = append(a.Audience, role)
		}
	}
	if t := decl.Priority; t.IsSet() {
		if n, err := strconv.ParseFloat(t.Value, 64); err == nil && n >= 0 && n <= 1 {
			a.Priority = &n
		} else {
			bad(t, "priority", "expected a number from 0, optional, to 1, required")
		}
	}
	if t := decl.LastModified; t.IsSet() {
		if isTime(t.Value) {
			a.LastModified = t.Value
		} else {
			bad(t, "time", "write it as 2025-01-12T15:00:58Z")
		}
	}
	if len(a.Audience) == 0 && a.Priority == nil && a.LastModified == "" {
		return nil
	}
	return a
}

func isTime(text string) bool {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// sizeOf gives a number of bytes.
func sizeOf(v any) (int64, bool) {
	n, ok := convertText(v, "integer").(json.Number)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(shortest(n), 10, 64)
	return max(i, 0), err == nil
}

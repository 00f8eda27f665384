package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// says reports whether the operation is a tool that says what it answers.
func (x *exposed) says() bool { return x.kind == MCP && x.what == "" && x.decl.HasContent }

// readContent compiles what a tool says. It stands behind the steps, and in front of the
// judgement which inputs nothing reads.
func (b *builder) readContent() *fault {
	b.out.isError = b.x.kind == MCP && b.x.decl.IsError == spec.True
	if !b.x.says() {
		return nil
	}
	t := &toolContent{builder: b, contents: &contents{}}
	d := &contentDraft{
		c: b.c, unit: b.x.unit, code: diag.CodeContent, what: b.x.title(), out: b.x.out,
		parts: func(t2 spec.Text, tpl expr.Template) ([]expression, *fault) { return b.templateParts(t2, tpl, t.word) },
	}
	if b.answers || b.steps != nil {
		d.mapping = t.mapping
	}
	if b.answers && b.steps == nil {
		d.takes = func() { t.takes = true }
	}
	d.begin = func(each spec.Text) (*expression, func(), *fault) { return t.begin(d, each) }
	for i := range b.x.decl.Content {
		item, f := d.item(&b.x.decl.Content[i])
		if f != nil {
			return f
		}
		item.expressions(func(x *expression) { b.noteInputs(*x, nil) })
		t.items = append(t.items, item)
	}
	b.out.contents = t.contents
	if !t.reads {
		return nil
	}
	b.call.mapped = true
	var f *fault
	b.heads = append(b.heads, t.heads...)
	b.out.reading, f = b.c.reading(b.op, b.heads, nil)
	return f
}

// toolContent is what a tool says while it is compiled.
type toolContent struct {
	*builder
	*contents
	within bool     // what is compiled stands in an item for each element of a list
	heads  []string // the first members that are read of the answer
}

// mapping compiles a path into the answer: of a call, of the steps, or of the element.
func (t *toolContent) mapping(text string, at diag.Span) (expression, *fault) {
	if t.steps != nil && !t.within {
		return t.stepJSONPath(text, at)
	}
	path, err := expr.ParseJSONPath(text)
	if err != nil {
		return expression{}, faultf(diag.CodeContent, "", at, "%s", err.Error()).hintf("write a path such as $.data.items")
	}
	if t.answers {
		t.sample(path, "")
	}
	if !t.within {
		t.reads = true
		if names := path.Names(); len(names) > 0 {
			t.heads = append(t.heads, names[0])
		}
	}
	return expression{kind: exprAnswer, detail: &detail{path: path}}, nil
}

// word compiles a word of a template: a path, what came of a step, or an input.
func (t *toolContent) word(name string, isInput bool, at diag.Span) (expression, *fault) {
	if isPath(name) && (t.answers || t.steps != nil || t.within) {
		return t.mapping(name, at)
	}
	return t.builder.word(name, isInput, at)
}

// begin compiles the list of which each element gives an item.
func (t *toolContent) begin(d *contentDraft, each spec.Text) (*expression, func(), *fault) {
	x, f := d.phrase(each, "", false)
	if f != nil {
		return nil, nil, f
	}
	if x.kind == exprLiteral || x.kind == exprText {
		return nil, nil, d.faultf(each.Span(), "each of an item of %s is no list", d.what).hintf("write a path such as $.items, or {{input}}")
	}
	end := func() {}
	if x.kind == exprAnswer && t.answers {
		names := x.detail.path.Names()
		if len(names) == 0 || names[len(names)-1] != "" {
			names = append(slices.Clone(names), "")
		}
		end = t.below(names...)
	}
	mapping, takes := d.mapping, d.takes
	t.within, d.mapping, d.takes = true, t.mapping, nil
	return x, func() {
		end()
		t.within, d.mapping, d.takes = false, mapping, takes
	}, nil
}

// plain is an answer that is a text or bytes of the document.
type plain struct {
	text      *expression // nil: data
	data      []byte
	mediaType string
}

func (p *plain) result(s *scope) (*Result, error) {
	res := &Result{Kind: Value, Status: 200, MediaType: p.mediaType, Body: BytesBody(p.data)}
	if p.text != nil {
		res.Body = BytesBody([]byte(textOf(p.text.eval(s))))
	}
	if s.err != nil {
		return nil, s.err
	}
	return res, nil
}

// buildPlain compiles a resource that is a text or data of the document.
func (d *draft) buildPlain(r *spec.MCPResource) *fault {
	b := d.newBuilder(nil, nil)
	media := strings.TrimSpace(r.MimeType.Value)
	if r.Data.IsSet() {
		data, found, ok := decodeBase64(r.Data.Value)
		if !ok {
			return faultf(diag.CodeResource, "M", r.Data.Span(), "the data of resource %s is not base64", r.Operation.Name.Value).
				hintf("encode the bytes, or write location: and the file")
		}
		d.out.plain = &plain{data: data, mediaType: firstOf(firstOf(media, found), "application/octet-stream")}
		return nil
	}
	c := &contentDraft{
		c: d.c, unit: d.x.unit, code: diag.CodeResource, what: d.x.title(), out: d.x.out,
		parts: func(t spec.Text, tpl expr.Template) ([]expression, *fault) { return b.templateParts(t, tpl, b.word) },
	}
	x, f := c.phrase(r.Text, media, false)
	if f != nil {
		return f
	}
	b.noteInputs(*x, nil)
	d.out.plain = &plain{text: x, mediaType: firstOf(media, "text/plain")}
	return nil
}

// size gives the number of bytes, 0 where a call decides it.
func (p *plain) size() int64 {
	switch {
	case p.text == nil:
		return int64(len(p.data))
	case p.text.kind == exprLiteral:
		return int64(len(textOf(p.text.literal)))
	}
	return 0
}

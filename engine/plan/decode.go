package plan

import (
	"bytes"
	"errors"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/format"
	"capd/engine/spec"
)

// reading is how an answer becomes JSON before something looks into it; nil: it is JSON already.
type reading struct {
	decoder *format.Decoder
	// heads are the first members of the paths that read it. Of XML, one may be the root
	// element, which its tree leaves out.
	heads []string
}

// reading compiles how the answers of an operation are read: by paths that begin with heads, and,
// if it is not nil, by an output.
func (c *compiler) reading(op *consumed, heads []string, by *output) (*reading, *fault) {
	d, f := c.judgeFormat(op)
	if d == nil {
		return nil, f
	}
	if by != nil {
		heads = append(heads, by.heads()...)
	}
	return &reading{d, heads}, nil
}

// judgeFormat gives the decoder of an operation's answers, nil for JSON (contract R4).
func (c *compiler) judgeFormat(op *consumed) (*format.Decoder, *fault) {
	raw := op.decl.RawFormat
	f, known := format.Parse(raw.Value)
	switch {
	case !known:
		bad := faultf(diag.CodeFormat, "R4", raw.Span(), "answers in the format %q cannot be mapped", raw.Value)
		if near, ok := diag.Nearest(raw.Value, format.Names()); ok {
			return nil, bad.hintf("did you mean %s?", near)
		}
		return nil, bad.hintf("leave the mapping at $. to hand the answer on as it is")
	case f == format.JSON:
		return nil, nil
	case f == format.Binary:
		return nil, faultf(diag.CodeFormat, "R4", raw.Span(), "a binary answer cannot be mapped").
			hintf("leave the mapping at $. to hand the answer on as it is")
	}
	var options format.Options
	schema := op.decl.OutputSchema
	switch {
	case f.TakesSelector():
		options.Selector = schema.Value
	case f.NeedsSchema():
		var bad *fault
		if options, bad = c.schemaFile(f, schema, op); bad != nil {
			return nil, bad
		}
	}
	d, err := format.New(f, options)
	if err != nil {
		at := schema.Span()
		return nil, faultf(diag.CodeFormat, "R4", placeOr(at, raw.Span()), "outputSchema cannot be used: %v", err)
	}
	return d, nil
}

// schemaFile reads the file that a format needs.
func (c *compiler) schemaFile(f format.Format, schema spec.Text, op *consumed) (format.Options, *fault) {
	if schema.Value == "" {
		return format.Options{}, faultf(diag.CodeFormat, "R4", op.decl.RawFormat.Span(), "answers in the format %s need an outputSchema", f).
			hintf("write outputSchema: and the path of its schema file")
	}
	if c.files == nil {
		return format.Options{}, faultf(diag.CodeFormat, "R4", schema.Span(), "outputSchema cannot be read: this document has no files")
	}
	from := schema.Span().File
	text, err := c.files.Read(from, schema.Value)
	if err != nil {
		return format.Options{}, faultf(diag.CodeFormat, "R4", schema.Span(), "outputSchema cannot be read: %v", err)
	}
	return format.Options{Schema: text, SchemaName: schema.Value, Import: func(name string) ([]byte, error) {
		return c.files.Read(from, name)
	}}, nil
}

// json gives the JSON of an answer, which held counts when it is a text of its own. The error is
// an *[Error].
func (r *reading) json(raw []byte, mediaType string, held *holding) ([]byte, error) {
	text, err := r.text(raw, mediaType, held)
	if err == nil && r == nil && !expr.Valid(text) {
		return nil, notJSON()
	}
	return text, err
}

func notJSON() *Error {
	return Errorf(CodeBadOutput, "the upstream's answer is not valid JSON, so it cannot be mapped")
}

// text is json for who looks himself whether an answer in JSON is valid.
func (r *reading) text(raw []byte, mediaType string, held *holding) ([]byte, error) {
	if r == nil {
		return bytes.TrimPrefix(raw, []byte("\ufeff")), nil
	}
	account := expr.NewAccount(held)
	defer account.Close()
	tree, err := r.decoder.DecodeWithin(raw, mediaType, account.Add)
	if account.Err() != nil {
		return nil, held.unfound("the upstream's answer cannot be mapped", account.Err())
	}
	if err != nil {
		var e *format.Error
		if errors.As(err, &e) && e.Limit {
			return nil, &Error{Code: CodeUpstreamTooLarge, Message: "the upstream's answer cannot be mapped: " + e.Error(), Cause: err}
		}
		if e != nil {
			return nil, &Error{Code: CodeBadOutput, Message: "the upstream's answer cannot be mapped: " + e.Error(), Cause: err}
		}
		return nil, &Error{Code: CodeBadOutput, Message: "the upstream's answer cannot be mapped", Cause: err}
	}
	held.add(len(tree.JSON))
	if r.namesRoot(tree) {
		return tree.WithRoot(), nil
	}
	return tree.JSON, nil
}

// namesRoot reports whether the paths begin with the root element that the tree leaves out.
func (r *reading) namesRoot(tree format.Tree) bool {
	if tree.Root == "" {
		return false
	}
	for _, head := range r.heads {
		if head == tree.Root {
			_, has := expr.Member(tree.JSON, head)
			return !has
		}
	}
	return false
}

// heads gives the first members that the paths of an output read.
func (o *output) heads() []string {
	if o.path != nil && !o.path.IsWhole() {
		if names := o.path.Names(); len(names) > 0 {
			return names[:1]
		}
		return nil
	}
	var out []string
	for _, p := range o.parts() {
		out = append(out, p.heads()...)
	}
	return out
}

package plan

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
)

// ContentKind is a kind of [ContentItem], named as the language names it.
type ContentKind string

// The kinds of content.
const (
	TextContent     ContentKind = "text"
	ImageContent    ContentKind = "image"
	AudioContent    ContentKind = "audio"
	ResourceContent ContentKind = "resource"
	LinkContent     ContentKind = "resource_link"
)

// ContentItem is one item of what a tool answers or a prompt says.
type ContentItem struct {
	Kind ContentKind
	// Text is that of a text or of a resource.
	Text string
	// Data is an image, a sound, or a resource that has no Text; else nil.
	Data []byte
	// File is the name of the file that Data was read from. Data of a resource may be text then.
	File string
	// MimeType is empty where nothing is said of it.
	MimeType string
	// URI of a resource or of a link; Name, Title, Description and Size only of a link.
	URI, Name, Title, Description string
	// Size in bytes; 0 where nothing is said of it.
	Size        int64
	Annotations *ContentAnnotations
}

// ContentAnnotations say whom something is for. Nil, and zero fields, say nothing.
type ContentAnnotations struct {
	Audience     []string // user, assistant
	Priority     *float64 // from 0, optional, to 1, required
	LastModified string   // a time as in RFC 3339, or a day
}

// contents are what a tool answers instead of a body.
type contents struct {
	items []contentItem
	reads bool // an item looks into the answer of the one call
	takes bool // an item is that answer as it came
	keep  bool // the answer is handed on too, to those who want its structure
}

// contentItem is a compiled item. Texts that are not there are nil.
type contentItem struct {
	kind        ContentKind
	each        *expression // the list for each of whose elements there is an item
	text        *expression
	data        *expression // base64
	fixed       []byte      // the data, if no call changes it; not nil then, be it empty
	whole       bool        // text or data is the answer as it came
	file        string
	mimeType    *expression
	uri         *expression
	name        *expression
	title       *expression
	description *expression
	size        *expression
	annotations *ContentAnnotations
}

// texts gives what is evaluated for each element.
func (x *contentItem) texts() []*expression {
	return []*expression{x.text, x.data, x.mimeType, x.uri, x.name, x.title, x.description, x.size}
}

func (x *contentItem) expressions(visit func(*expression)) {
	for _, e := range append(x.texts(), x.each) {
		if e != nil {
			e.walk(visit)
		}
	}
}

func (c *contents) expressions(visit func(*expression)) {
	for i := range c.items {
		c.items[i].expressions(visit)
	}
}

// looks reports whether the answer of the one call is needed to say anything.
func (c *contents) looks() bool { return c.reads || c.takes || c.keep }

// render gives the items. What there is nothing of is left out. The error is an *[Error].
func (c *contents) render(s *scope) ([]ContentItem, error) {
	out := []ContentItem{}
	for i := range c.items {
		var err *Error
		if out, err = c.items[i].say(out, s); err == nil {
			err = s.err
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// say adds the item to out, or one for each element of a list.
func (x *contentItem) say(out []ContentItem, s *scope) ([]ContentItem, *Error) {
	if x.each == nil {
		return x.one(out, s)
	}
	v := x.each.eval(s)
	if isMissing(v) {
		return out, nil
	}
	raw := appendJSON(nil, v)
	before := s.answer
	defer func() { s.answer = before }()
	account := expr.NewAccount(s.held) // which is held until the call ends
	var err *Error
	one := func(e []byte) bool {
		s.answer = e
		if !account.Add(itemSize) {
			err = s.held.unfound("the upstream's answer cannot be mapped", account.Err())
			return false
		}
		out, err = x.one(out, s)
		return err == nil
	}
	if !expr.EachElement(raw, one) {
		one(raw) // a single one is a list of one
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// itemSize is about how many bytes an item takes, beside its texts, until it is sent.
const itemSize = 512

func (x *contentItem) one(out []ContentItem, s *scope) ([]ContentItem, *Error) {
	item := ContentItem{
		Kind: x.kind, File: x.file, MimeType: said(x.mimeType, s), Name: said(x.name, s), Title: said(x.title, s),
		Description: said(x.description, s), Annotations: x.annotations,
	}
	if x.size != nil {
		item.Size, _ = sizeOf(x.size.eval(s))
	}
	if x.kind == ResourceContent || x.kind == LinkContent {
		if item.URI = normalURI(said(x.uri, s)); item.URI == "" || isActive(item.URI) && !x.uri.saysScheme() {
			return out, nil
		}
	}
	there, err := x.fill(&item, s)
	if err != nil || !there {
		return out, err
	}
	return append(out, item), nil
}

// fill sets what the item holds, and reports whether there is anything.
func (x *contentItem) fill(item *ContentItem, s *scope) (bool, *Error) {
	switch {
	case x.kind == LinkContent:
		if item.Name == "" {
			item.Name = item.URI // clients want one
		}
		return true, nil
	case x.fixed != nil:
		item.Data = x.fixed
		return true, nil
	case x.whole:
		return x.fillWhole(item, s)
	case x.text != nil:
		v := x.text.eval(s)
		item.Text = textOf(v)
		return !isMissing(v), nil
	}
	v := x.data.eval(s)
	if isMissing(v) {
		return false, nil
	}
	data, media, ok := decodeBase64(textOf(v))
	switch {
	case !ok && s.placeholders:
		data = []byte(textOf(v)) // nobody has the real one
	case !ok:
		return false, Errorf(CodeBadOutput, "what should be the data of an item of type %s is not base64", x.kind)
	}
	item.Data, item.MimeType = data, firstOf(item.MimeType, media)
	return true, nil
}

// fillWhole sets the answer as it came.
func (x *contentItem) fillWhole(item *ContentItem, s *scope) (bool, *Error) {
	if len(s.body) == 0 {
		return false, nil
	}
	if x.text == nil {
		item.Data, item.MimeType = s.body, firstOf(item.MimeType, s.mediaType)
		return true, nil
	}
	if !utf8.Valid(s.body) {
		return false, Errorf(CodeBadOutput, "the upstream's answer is no text, so it cannot be the text of an item")
	}
	item.Text = string(s.body)
	return true, nil
}

// said gives a text, empty where there is none.
func said(x *expression, s *scope) string {
	if x == nil {
		return ""
	}
	return textOf(x.eval(s))
}

// decodeBase64 reads base64 in either alphabet, with or without padding and line ends, and takes
// a data URI for what it holds.
func decodeBase64(text string) (data []byte, mediaType string, ok bool) {
	if rest, isURI := strings.CutPrefix(text, "data:"); isURI {
		head, body, found := strings.Cut(rest, ",")
		media, coded := strings.CutSuffix(head, ";base64")
		if !found || !coded {
			return nil, "", false
		}
		text, mediaType = body, media
	}
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	coding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		coding = base64.RawURLEncoding
	}
	data, err := coding.DecodeString(text)
	return data, mediaType, err == nil
}

// uriText writes a URI. A value at its beginning is a URI itself; elsewhere it can only be a part
// of one. Without one of its values there is no URI.
func (x *expression) uriText(s *scope) any {
	var b []byte
	for i := range x.parts {
		v := x.parts[i].eval(s)
		switch {
		case isMissing(v) || textOf(v) == "":
			return absent{}
		case x.parts[i].kind == exprLiteral || i == 0:
			b = append(b, textOf(v)...)
		default:
			b = appendURIPart(b, textOf(v))
		}
	}
	return string(b)
}

// saysScheme reports whether the author wrote the scheme of a URI.
func (x *expression) saysScheme() bool {
	return x.kind == exprLiteral || len(x.parts) > 0 && x.parts[0].kind == exprLiteral
}

// isActive reports whether following a URI does something here instead of fetching what is
// elsewhere. Only an author may want that, never who answers or who calls.
func isActive(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	switch strings.ToLower(strings.TrimSpace(scheme)) {
	case "javascript", "vbscript", "data", "file", "blob", "about":
		return true
	}
	return false
}

// appendURIPart escapes whatever could end the part (RFC 3986 section 2.3).
func appendURIPart(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', hex[c>>4], hex[c&15])
	}
	return dst
}

// speak gives the result of a tool that says what it answers.
func (op *Operation) speak(r *run) (*Result, error) {
	res := &Result{Kind: Contents, Status: 200}
	s := r.scope()
	if len(op.steps) > 0 {
		if failed, err := op.hear(r, res, s); failed != nil || err != nil {
			return failed, err
		}
	} else if op.output != nil {
		if err := op.fill(res, nil, s); err != nil {
			return nil, err
		}
	}
	items, err := op.contents.render(s)
	if err != nil {
		return nil, err
	}
	res.Kind, res.Content = Contents, items
	return res, nil
}

// hear reads of the steps' answers what the items need, and gives the result where that is what
// a failed upstream says.
func (op *Operation) hear(r *run, res *Result, s *scope) (failed *Result, err error) {
	if op.waves != nil {
		return nil, op.hearSteps(r, res)
	}
	last := &r.results[0]
	resp := last.response
	res.Status = resp.Status
	if resp.Status < 200 || resp.Status > 299 {
		return op.handedOn(r, last)
	}
	if !op.contents.looks() && op.output == nil {
		return nil, resp.Body.Close()
	}
	if s.body, err = r.held.readAll(resp.Body, r.maxHeld(last)); err != nil {
		return nil, err
	}
	s.mediaType = resp.Get("Content-Type")
	if op.contents.keep && op.output == nil {
		res.Body, res.MediaType = BytesBody(s.body), s.mediaType
	}
	if len(bytes.TrimSpace(s.body)) == 0 || !op.contents.reads && op.output == nil {
		return nil, nil
	}
	if s.answer, err = op.reading.json(s.body, s.mediaType, &r.held); err != nil {
		return nil, err
	}
	if op.output != nil {
		return nil, op.fill(res, s.answer, r.scope())
	}
	return nil, nil
}

// hearSteps gives the value that came of the steps, to those who want its structure.
func (op *Operation) hearSteps(r *run, res *Result) error {
	if op.output == nil && !op.contents.keep {
		if op.last >= 0 {
			r.discard()
		}
		return nil
	}
	made, err := op.made(r)
	if err != nil {
		return err
	}
	limit := r.in.Bound.opts.MaxUpstreamBody
	if op.last >= 0 {
		limit = r.maxHeld(&r.results[op.last])
	}
	body, err := r.held.readAll(made.Body, limit)
	if err != nil {
		return err
	}
	res.Body, res.MediaType, res.Structured = BytesBody(body), made.MediaType, made.Structured
	return nil
}

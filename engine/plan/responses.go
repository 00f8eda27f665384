package plan

import (
	"mime"
	"regexp"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// DeclaredResponse is an answer that a REST operation says it gives. Only the type of a binary
// answer has an effect; all else is documentation.
type DeclaredResponse struct {
	Status      string // such as 200 or 4XX
	Description string
	Content     []DeclaredContent
}

// DeclaredContent is the content of an answer in one media type.
type DeclaredContent struct {
	MediaType string
	Binary    bool
	Schema    []byte // a JSON Schema as it is written; nil when there is none
}

var statusKey = regexp.MustCompile(`^[1-5]([0-9]{2}|[0-9]X|XX)$`)

// readResponses reads responses, or its short form responseBinary.
func (c *compiler) readResponses(x *exposed) ([]DeclaredResponse, *fault) {
	long, short := x.decl.Responses, x.decl.Binary
	if long != nil && long.Kind == spec.Null {
		long = nil
	}
	if short != nil && short.Kind == spec.Null {
		short = nil
	}
	switch {
	case long != nil && short != nil:
		f := faultf(diag.CodeResponses, "", short.Span(), "%s has both responses and responseBinary, which says the same in short", x.title()).
			hintf("keep one of them")
		f.related = []diag.Related{{Span: long.Span(), Message: "responses"}}
		return nil, f
	case short != nil:
		return c.shortResponse(x, short)
	case long != nil:
		return c.longResponses(x, long), nil
	}
	return nil, nil
}

// shortResponse reads responseBinary: one answer of bytes.
func (c *compiler) shortResponse(x *exposed, v *spec.Value) ([]DeclaredResponse, *fault) {
	media := v.Get("mediaType").AsText()
	if v.Kind != spec.Map || media.Value == "" {
		return nil, faultf(diag.CodeResponses, "", v.Span(), "the responseBinary of %s names no media type", x.title()).
			hintf("write responseBinary: {mediaType: image/png}")
	}
	status := v.Get("status").AsText()
	if !status.IsSet() {
		status.Value = "200"
	}
	c.judgeStatus(x, status, v.Span())
	r := DeclaredResponse{Status: status.Value, Description: v.Get("description").AsText().Value}
	if c.judgeMediaType(x, media) {
		r.Content = []DeclaredContent{{MediaType: media.Value, Binary: true}}
	}
	return []DeclaredResponse{r}, nil
}

// longResponses reads responses: answers by status.
func (c *compiler) longResponses(x *exposed, v *spec.Value) []DeclaredResponse {
	if v.Kind != spec.Map {
		c.note(diag.Warning, x.unit, faultf(diag.CodeResponses, "", v.Span(), "the responses of %s are no mapping of statuses", x.title()).
			hintf(`write responses: {"200": {description: …}}`))
		return nil
	}
	var out []DeclaredResponse
	for i := range v.Members {
		m := &v.Members[i]
		c.judgeStatus(x, m.Key, m.Key.Span())
		r := DeclaredResponse{Status: m.Key.Value, Description: m.Value.Get("description").AsText().Value}
		content := m.Value.Get("content")
		if content == nil || content.Kind != spec.Map {
			out = append(out, r)
			continue
		}
		for j := range content.Members {
			of := &content.Members[j]
			if !c.judgeMediaType(x, of.Key) {
				continue
			}
			d := DeclaredContent{MediaType: of.Key.Value}
			if b := of.Value.Get("binary"); b != nil && b.Kind == spec.Bool {
				d.Binary = strings.EqualFold(b.Text, "true")
			}
			if s := of.Value.Get("schema"); s != nil && s.Kind != spec.Null {
				d.Schema = s.JSON()
			}
			r.Content = append(r.Content, d)
		}
		out = append(out, r)
	}
	return out
}

func (c *compiler) judgeStatus(x *exposed, t spec.Text, at diag.Span) {
	if !statusKey.MatchString(t.Value) {
		c.note(diag.Warning, x.unit, faultf(diag.CodeResponses, "", placeOr(t.Span(), at), "%q is no status of an answer", t.Value).
			hintf("write a number such as 200, or a group such as 4XX"))
	}
}

func (c *compiler) judgeMediaType(x *exposed, t spec.Text) bool {
	if isMediaType(t.Value) {
		return true
	}
	c.note(diag.Warning, x.unit, faultf(diag.CodeResponses, "", t.Span(), "%q is no media type, so it has no effect", t.Value).
		hintf("write type/subtype, such as image/png"))
	return false
}

// isMediaType reports whether s is a media type that can stand in a header.
func isMediaType(s string) bool {
	kind, _, err := mime.ParseMediaType(s)
	before, after, ok := strings.Cut(kind, "/")
	return err == nil && ok && isToken(before) && isToken(after) && !strings.ContainsAny(s, "\r\n")
}

// binaryType gives the first media type that a success is declared to be bytes in.
func binaryType(responses []DeclaredResponse) string {
	for _, r := range responses {
		if !strings.HasPrefix(r.Status, "2") {
			continue
		}
		for _, d := range r.Content {
			if d.Binary {
				return d.MediaType
			}
		}
	}
	return ""
}

package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// bodyPart is one compiled part of a multipart body (RFC 7578).
type bodyPart struct {
	name              string
	value             expression
	filename, content *expression // nil: none
	base64            bool        // the value is base64, its bytes are sent
}

// part is one part of a multipart body.
type part struct {
	name, filename, mediaType string
	content                   []byte
}

// multipartParts compiles the list form of a multipart body: name, value, filename and
// contentType of each part.
func (b *builder) multipartParts(list *spec.Value) *fault {
	for _, item := range list.Items {
		name, value := item.Get("name").AsText(), item.Get("value")
		if item.Kind != spec.Map || name.Value == "" || value == nil {
			return faultf(diag.CodeBodyUnsupported, "B6", item.Span(), "a part of the multipart body of %s needs a name and a value", b.op.label()).
				hintf("write data: [{name: file, value: \"{{file}}\", filename: a.txt, contentType: text/plain}]")
		}
		p := bodyPart{name: name.Value, base64: b.isBase64(item, value)}
		var f *fault
		if p.value, f = b.dataValue(value); f != nil {
			return f
		}
		if p.filename, f = b.partText(item.Get("filename")); f != nil {
			return f
		}
		if p.content, f = b.partText(item.Get("contentType")); f != nil {
			return f
		}
		b.call.body.parts = append(b.call.body.parts, p)
	}
	b.why.template("", list)
	return nil
}

func (p *bodyPart) expressions(visit func(*expression)) {
	for _, x := range []*expression{&p.value, p.filename, p.content} {
		if x != nil {
			x.walk(visit)
		}
	}
}

func (b *builder) partText(v *spec.Value) (*expression, *fault) {
	if v == nil || v.Kind == spec.Null {
		return nil, nil
	}
	x, f := b.dataValue(v)
	return &x, f
}

// isBase64 reports whether a value of a body is given as base64: where it stands, or where
// the parameter that it names is declared.
func (b *builder) isBase64(holder, value *spec.Value) bool {
	if strings.EqualFold(holder.Get("contentEncoding").AsText().Value, "base64") {
		return true
	}
	found := false
	for _, name := range b.namesIn(value) {
		for _, s := range b.op.slots {
			if s.name == name && s.decl != nil && strings.EqualFold(s.decl.Node.Get("contentEncoding").AsText().Value, "base64") {
				found = true
			}
		}
	}
	return found
}

// renderParts gives a multipart body and its boundary.
func (p *bodyPlan) renderParts(s *scope) ([]part, *Error) {
	var out []part
	for i := range p.parts {
		from := &p.parts[i]
		v := from.value.eval(s)
		if isMissing(v) {
			continue
		}
		content := []byte(textOf(v))
		if from.base64 {
			var err *Error
			if content, err = fromBase64(from.name, content); err != nil {
				return nil, err
			}
		}
		made := part{name: from.name, content: content}
		if from.filename != nil {
			made.filename = textOf(from.filename.eval(s))
		}
		if from.content != nil {
			made.mediaType = textOf(from.content.eval(s))
		}
		out = append(out, made)
	}
	return out, nil
}

// fromBase64 decodes a value that stands for bytes, with or without padding.
func fromBase64(name string, text []byte) ([]byte, *Error) {
	clean := strings.TrimRight(strings.NewReplacer("\n", "", "\r", "", " ", "").Replace(string(text)), "=")
	clean = strings.NewReplacer("-", "+", "_", "/").Replace(clean)
	b, err := base64.RawStdEncoding.DecodeString(clean)
	if err != nil {
		return nil, Errorf(CodeInvalidInput, "%s must be base64, since it stands for bytes", name)
	}
	return b, nil
}

// partsOf makes parts of the fields of a form.
func partsOf(pairs []Pair) []part {
	out := make([]part, len(pairs))
	for i, p := range pairs {
		out[i] = part{name: p.Name, content: []byte(p.Value)}
	}
	return out
}

// encodeMultipart writes the parts (RFC 7578). The boundary is a digest of the content: the
// same call always sends the same bytes, and no content can hold it.
func encodeMultipart(parts []part) ([]byte, string) {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p.name + "\x00" + p.filename + "\x00"))
		h.Write(append(p.content, 0))
	}
	boundary := "capd-" + hex.EncodeToString(h.Sum(nil)[:20])
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + quoteParam(p.name) + `"`)
		if p.filename != "" {
			b.WriteString(`; filename="` + quoteParam(p.filename) + `"`)
		}
		if media := headerText(p.mediaType); media != "" {
			b.WriteString("\r\nContent-Type: " + media)
		} else if p.filename != "" {
			b.WriteString("\r\nContent-Type: application/octet-stream")
		}
		b.WriteString("\r\n\r\n")
		b.Write(p.content)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.Bytes(), boundary
}

// headerText takes out what could end a header.
func headerText(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, s))
}

// quoteParam writes a field name the way browsers do (WHATWG HTML, multipart/form-data).
func quoteParam(s string) string {
	return strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(s)
}

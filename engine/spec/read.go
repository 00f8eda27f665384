package spec

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"capd/engine/diag"
)

const byteOrderMark = "\ufeff"

// readable checks what must hold before YAML is read at all: size, encoding, characters.
func (p *parser) readable(text string) bool {
	if int64(len(text)) > p.lim.Bytes {
		p.refuse(diag.CodeTooLarge, p.src.whole(), "split the document, or raise the limit",
			"the file has %d bytes, more than the %d allowed", len(text), p.lim.Bytes)
		return false
	}
	if !p.encoded(text) {
		return false
	}
	p.src = newSource(p.src.file, strings.TrimPrefix(text, byteOrderMark))
	if p.src.plain {
		return true
	}
	for i, r := range p.src.text {
		if forbidden(r) {
			p.refuse(diag.CodeYAML, p.src.span(i, i+utf8.RuneLen(r)), "remove it, or write it as an escape in double quotes",
				"character %U is not allowed in YAML", r)
			return false
		}
	}
	return true
}

// forbidden reports whether YAML (1.2 section 5.1) excludes a character from streams.
func forbidden(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85:
		return false
	}
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff
}

func (p *parser) encoded(text string) bool {
	const hint = "save the file as UTF-8"
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(text, mark) {
			p.refuse(diag.CodeEncoding, p.src.whole(), hint, "the file is UTF-16, expected UTF-8")
			return false
		}
	}
	if utf8.ValidString(text) {
		return true
	}
	bad := 0
	for bad < len(text) {
		r, n := utf8.DecodeRuneInString(text[bad:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		bad += n
	}
	good := newSource(p.src.file, strings.TrimPrefix(text[:bad], byteOrderMark))
	at := good.pos(len(good.text))
	p.refuse(diag.CodeEncoding, diag.Span{File: p.src.file, Start: at, End: at}, hint,
		"byte 0x%02X is not UTF-8", text[bad])
	return false
}

// decode reads the first YAML document of the text.
func (p *parser) decode() (*yaml.Node, bool) {
	text := newDrip(p.src.text)
	dec := yaml.NewDecoder(text)
	first, err := next(dec)
	for err == nil && empty(first) {
		first, err = next(dec)
	}
	if errors.Is(err, io.EOF) {
		p.refuse(diag.CodeNotACapability, p.src.whole(), "", "the file is empty, expected a capability")
		return nil, false
	}
	for err == nil {
		var more *yaml.Node
		if more, err = next(dec); err == nil && !empty(more) {
			p.add(diag.Diagnostic{
				Code: diag.CodeMultipleDocuments, Severity: diag.Warning,
				Span:    p.src.span(p.src.offset(more.Line, more.Column), p.src.offset(more.Line, more.Column)),
				Message: "another YAML document begins here, only the first of the file is read",
				Hint:    "put it into a file of its own",
			})
			break
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		p.syntax(err, text)
		return nil, false
	}
	return first.Content[0], true
}

// next reads one YAML document. A panic of the YAML library is an error like others.
func next(dec *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = nil, fmt.Errorf("yaml: the text cannot be read (%v)", r)
		}
	}()
	n = new(yaml.Node)
	if err = dec.Decode(n); err != nil {
		return nil, err
	}
	return n, nil
}

// empty reports whether a YAML document holds nothing.
func empty(n *yaml.Node) bool {
	if len(n.Content) == 0 {
		return true
	}
	c := n.Content[0]
	return c.Kind == yaml.ScalarNode && c.Style == 0 && c.Value == ""
}

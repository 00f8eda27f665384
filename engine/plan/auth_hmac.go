package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// veracodeAlgorithm is the word that its requests begin their Authorization with.
const veracodeAlgorithm = "VERACODE-HMAC-SHA-256"

// hmac reads a signature with a shared key: Veracode's, or one that the document describes.
func (r *credentialReader) hmac() {
	described := slices.ContainsFunc([]string{"header", "headers", "template", "sign", "encoding"}, r.has)
	algorithm := r.text("algorithm")
	if strings.EqualFold(algorithm.Value, veracodeAlgorithm) || algorithm.Value == "" && !described {
		r.veracode(algorithm)
		return
	}
	hash := r.word("algorithm", "sha256", "sha1", "sha512", "hmac-sha256", "hmac-sha1", "hmac-sha512")
	encoding := r.word("encoding", "hex", "base64")
	r.optional("keyId", "apiId", "id")
	r.require("key", "secret", "apiKey")
	r.material()
	c := &hmacText{r: r}
	sign := c.read("sign", r.text("sign"), "{body}", false)
	headers := c.headers()
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		out := &HMAC{Algorithm: strings.TrimPrefix(hash, "hmac-"), KeyID: v["keyId"], Secret: v["key"], Base64: encoding == "base64", Text: sign.fill(v)}
		for _, h := range headers {
			out.Headers = append(out.Headers, HMACHeader{h.name, h.text.fill(v)})
		}
		return out, nil, nil
	}
}

func (r *credentialReader) veracode(algorithm spec.Text) {
	r.require("apiId", "keyId", "id")
	r.require("apiKey", "key", "secret")
	r.material()
	if host := strings.ToLower(r.op.api.BaseURI.Value); !algorithm.IsSet() && !strings.Contains(host, "veracode.") && r.failed == nil && !r.incomplete {
		r.c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeAssumed, "A4", r.text("type").Span(), "authentication of type hmac says no algorithm, so requests of %s are signed as Veracode wants it", r.op.namespace).
			hintf("add algorithm: sha256, and header, or algorithm: %s", veracodeAlgorithm))
	}
	r.plan.build = func(v credentialValues) (Credential, *ClientCertificate, *Error) {
		return &Veracode{ID: v["apiId"], Secret: v["apiKey"]}, nil, nil
	}
}

// hmacText compiles the texts of a described signature.
type hmacText struct{ r *credentialReader }

// hmacPieces is a text with words of the request in it; each piece is a word, or the name of
// a part of the credential.
type hmacPieces []struct{ word, part string }

type hmacHeader struct {
	name string
	text hmacPieces
}

func (p hmacPieces) fill(v credentialValues) []HMACPart {
	out := make([]HMACPart, len(p))
	for i, piece := range p {
		out[i] = HMACPart{Word: piece.word, Text: v[piece.part]}
	}
	return out
}

func (p hmacPieces) says(word string) bool {
	return slices.ContainsFunc(p, func(piece struct{ word, part string }) bool { return piece.word == word })
}

var hmacWord = regexp.MustCompile(`\{([A-Za-z]+)\}`)

// read splits a text at its words. What a variable gives is never looked at for words.
func (h *hmacText) read(name string, t spec.Text, usual string, signature bool) hmacPieces {
	if !t.IsSet() || t.Value == "" {
		t = spec.Text{Value: usual}
	}
	var out hmacPieces
	add := func(x expression) {
		part := fmt.Sprintf("%s %d", name, len(out))
		h.r.plan.parts = append(h.r.plan.parts, credentialPart{name: part, value: x, span: t.Span()})
		out = append(out, struct{ word, part string }{part: part})
	}
	for _, p := range expr.ParseTemplate(t.Value).Parts {
		if p.IsRef() && (p.Ref.Form == expr.Mustache || h.r.c.vars.isReference(p.Ref)) {
			x, f := h.r.reference(p.Ref.Name, t.Sub(p.Ref.Start, p.Ref.End))
			if f != nil {
				h.r.fail(f)
				return out
			}
			add(x)
			continue
		}
		at := 0
		for _, m := range hmacWord.FindAllStringSubmatchIndex(p.Literal, -1) {
			word := p.Literal[m[2]:m[3]]
			if !slices.Contains(HMACWords(), word) || word == "signature" && !signature {
				h.unknown(name, t, word, signature)
				return out
			}
			if m[0] > at {
				add(literalExpr(p.Literal[at:m[0]]))
			}
			out = append(out, struct{ word, part string }{word: word})
			at = m[1]
		}
		if at < len(p.Literal) {
			add(literalExpr(p.Literal[at:]))
		}
	}
	return out
}

func (h *hmacText) unknown(name string, t spec.Text, word string, signature bool) {
	words := HMACWords()
	if !signature {
		words = words[:len(words)-1]
	}
	f := faultf(diag.CodeAuthUnresolved, "A4", t.Span(), "{%s} in %s of authentication of %s means nothing", word, name, h.r.op.namespace)
	if near, ok := diag.Nearest(word, words); ok {
		f.hintf("did you mean {%s}?", near)
	} else {
		f.hintf("expected {%s}", strings.Join(words, "}, {"))
	}
	h.r.give(f)
}

// headers reads header and template, and the mapping headers. One of them must carry the
// signature.
func (h *hmacText) headers() []hmacHeader {
	r := h.r
	var out []hmacHeader
	add := func(name, value spec.Text, usual string) {
		if !isToken(name.Value) {
			r.give(faultf(diag.CodeAuthIncomplete, "A4", name.Span(), "authentication of %s names no valid header", r.op.namespace))
			return
		}
		out = append(out, hmacHeader{name.Value, h.read("header "+name.Value, value, usual, true)})
	}
	if name := r.text("header"); name.Value != "" {
		add(name, r.text("template"), "{signature}")
	}
	if m := r.get("headers"); m != nil {
		for _, member := range m.Members {
			add(member.Key, member.Value.AsText(), "")
		}
	}
	if len(out) == 0 {
		add(spec.Text{Value: "Authorization"}, r.text("template"), "{signature}")
	}
	r.plan.adds = nil
	signed := false
	for _, x := range out {
		r.plan.adds = append(r.plan.adds, x.name)
		signed = signed || x.text.says("signature")
	}
	if !signed && !r.incomplete {
		r.give(faultf(diag.CodeAuthIncomplete, "A4", r.v.Span(), "authentication of %s sends its signature in no header", r.op.namespace).
			hintf("put {signature} into one of headers, or add header: X-Signature"))
	}
	return out
}

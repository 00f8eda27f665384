package plan

import (
	"net/url"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// declaredSlots gives the slots that parameters of the consumed entry, the resource and the
// operation declare; the inner one wins for equal place and name (contract S1 to S4).
func (c *compiler) declaredSlots(op *consumed) []*slot {
	var out []*slot
	at := map[[2]string]int{}
	for _, params := range [][]spec.Parameter{op.api.Parameters, op.resource.Parameters, op.decl.Parameters} {
		for i := range params {
			s := c.declaredSlot(op, &params[i])
			if s == nil {
				continue
			}
			key := [2]string{s.in, s.name}
			if s.in == "header" {
				key[1] = strings.ToLower(s.name)
			}
			if n, ok := at[key]; ok {
				out[n] = s
				continue
			}
			at[key] = len(out)
			out = append(out, s)
		}
	}
	return out
}

// places are where a parameter can go.
var places = []string{"path", "query", "header", "cookie", "body"}

// newSlot gives a slot a place among those of the document.
func (c *compiler) newSlot(s slot) *slot {
	at := &c.drafts.slots.take(1)[0]
	*at = s
	return at
}

// declaredSlot gives the slot of a parameter; nil if it is none.
func (c *compiler) declaredSlot(op *consumed, p *spec.Parameter) *slot {
	if p.Name.Value == "" {
		return nil
	}
	s := slot{
		in: strings.ToLower(p.In.Value), name: p.Name.Value, typ: jsonType(p.Type.Value), description: p.Description.Value,
		required: p.Required == spec.True, stated: p.Required != spec.Unset, own: p.Value, items: p.Items, enum: p.Enum, decl: p,
	}
	switch s.in {
	case "environment":
		return nil // a variable, see variables.init
	case "path":
		s.required = true
	case "query", "header", "cookie", "body":
	default:
		s.in = op.guessPlace(s.name)
		if p.In.Value != "" {
			f := faultf(diag.CodeParameter, "S3", p.In.Span(), "%q is no place for a parameter; %s is sent in the %s", p.In.Value, s.name, s.in)
			if near, ok := diag.Nearest(p.In.Value, places); ok {
				f.hintf("did you mean %s?", near)
			} else {
				f.hintf("expected path, query, header, cookie or body")
			}
			op.warn(f)
		}
	}
	if s.in == "header" {
		switch strings.ToLower(s.name) {
		case "content-type", "accept", "user-agent":
			s.required = false
		case "content-length", "accept-encoding", "host", "connection", "transfer-encoding":
			s.required, s.dropped = false, true
		}
	}
	return c.newSlot(s)
}

// guessPlace is where a parameter goes that does not say so (contract S3).
func (op *consumed) guessPlace(name string) string {
	for _, t := range []spec.Text{op.resource.URI, op.decl.URI} {
		for r := range expr.ParsePath(t.Value).Refs() {
			if r.Name == name {
				return "path"
			}
		}
	}
	if op.sendsBody() {
		return "body"
	}
	return "query"
}

// sendsBody reports whether the method usually carries a body.
func (op *consumed) sendsBody() bool {
	switch strings.ToUpper(op.decl.Method.Value) {
	case "POST", "PUT", "PATCH":
		return true
	}
	return false
}

// jsonType gives the JSON Schema type of a declared type, or empty when it is none.
func jsonType(declared string) string {
	switch t := strings.ToLower(declared); t {
	case "string", "integer", "number", "boolean", "array", "object":
		return t
	case "int", "long":
		return "integer"
	case "float", "double":
		return "number"
	case "bool":
		return "boolean"
	case "list":
		return "array"
	}
	return ""
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

package plan

import "strings"

// listConsumed notes every consumed operation of the document.
func (c *compiler) listConsumed() {
	if !c.explain {
		return
	}
	for _, ns := range c.order {
		for _, op := range ns.ops {
			c.unit.consumed = append(c.unit.consumed, op.describe())
		}
	}
}

func (op *consumed) describe() ConsumedOperation {
	out := ConsumedOperation{
		Name: op.label(), Method: op.method, URL: op.template(), Span: op.decl.Span,
		Auth: op.authentication().Get("type").AsText().Value,
	}
	for _, s := range op.slots {
		if !s.dropped && !s.authFilled {
			out.Parameters = append(out.Parameters, ConsumedParameter{Name: s.name, In: s.in, Type: s.typ, Required: s.required, Span: s.span()})
		}
	}
	if op.fault != nil {
		out.Fault = &Refusal{Code: op.fault.code, Reason: op.fault.message}
	}
	return out
}

// template gives the URL with {input} and {{VARIABLE}}.
func (op *consumed) template() string {
	var base, path strings.Builder
	if op.base != nil {
		for _, p := range op.base.parts {
			if p.variable != nil {
				base.WriteString("{{" + p.variable.Name + "}}")
			} else {
				base.WriteString(p.literal)
			}
		}
	} else {
		base.WriteString(op.api.BaseURI.Value)
	}
	namePieces(&path, op.path)
	out := string(joinedPath([]byte(base.String()+path.String()), base.Len()))
	sep := "?"
	for _, k := range op.constants {
		if k.in == "query" {
			var value strings.Builder
			namePieces(&value, k.value)
			out += sep + k.name + "=" + value.String()
			sep = "&"
		}
	}
	return out
}

func namePieces(b *strings.Builder, pieces []piece) {
	for _, p := range pieces {
		switch {
		case p.slot != nil:
			b.WriteString("{" + p.slot.name + "}")
		case p.value != nil:
			b.WriteString("{{" + p.value.Name + "}}")
		default:
			b.WriteString(p.literal)
		}
	}
}

package spec

import "capd/engine/diag"

// Completion says what a user may choose from while typing a value: what stands in the
// document, or what a call answers.
type Completion struct {
	Span   diag.Span
	Node   *Value // what it was read from: a list, a mapping, or neither
	For    Text   // the variable of a URI; empty for an argument
	Values []Text // of a list
	Call   *Value
	With   *Value
	Path   Text // the key "values": where in the answer they stand
}

const completionKeys = "call with values"

// completion reads what a user may choose from.
func (p *parser) completion(v *Value, of Text) *Completion {
	c := &Completion{Span: v.Span(), Node: v, For: of}
	switch v.Kind {
	case List:
		for _, item := range v.Items {
			if t := item.AsText(); t.Value != "" && item.Kind != Map && item.Kind != List {
				c.Values = append(c.Values, t)
			}
		}
	case Map:
		p.keys(v, completionKeys, "")
		c.Call, c.With, c.Path = some(v, "call"), p.named(some(v, "with")), p.text(v, "values")
	}
	return c
}

// argumentCompletion reads that of an argument of a prompt. Its enum is one, too.
func (p *parser) argumentCompletion(v *Value) *Completion {
	if c := firstValue(v, "complete", "enum"); c != nil {
		return p.completion(c, Text{})
	}
	return nil
}

// completions reads those of the variables of a URI.
func (p *parser) completions(v *Value) []Completion {
	all := some(v, "complete")
	if all == nil {
		return nil
	}
	if all.Kind != Map {
		return []Completion{{Span: all.Span(), Node: all}}
	}
	var out []Completion
	for _, m := range all.Members {
		if m.Value.Kind != Null {
			out = append(out, *p.completion(m.Value, m.Key))
		}
	}
	return out
}

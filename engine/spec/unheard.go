package spec

import "capd/engine/diag"

// Words that engines of the language read and then do nothing with, or that authors know
// from JSON Schema: they say something about a value that does not happen. Words that only
// describe, such as a title or an example, are not among them.
const (
	parameterUnheard = "selector values precision scale contentCompression contentMediaType mapping schema " +
		"style explode nullable additionalProperties"
	outputUnheard = "in selector enum precision scale contentEncoding contentCompression contentMediaType " +
		"additionalProperties nullable"
	stepUnheard           = "inputParameters"
	mcpResourceUnheard    = "hints inputParameters"
	promptArgumentUnheard = "type default"
)

// unheard reports the words of a mapping that are known and have no effect. They are among the silent
// keys of the mapping.
func (p *parser) unheard(v *Value, words string) {
	for i := range v.Members {
		m := &v.Members[i]
		if !listed(words, m.Key.Value) || !m.Value.given() {
			continue
		}
		p.report(diag.CodeNotHonoured, diag.Info, m.Key.node, "", "%s has no effect here", m.Key.Value)
	}
}

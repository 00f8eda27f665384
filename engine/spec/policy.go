package spec

import (
	"slices"

	"capd/engine/diag"
)

// ParsePolicy reads the text of a policy file into a tree in which each value knows where it
// stands. What it means is not its business. It returns nil when the text cannot be read; every
// problem is an error, since what is left out of a policy may be what protects.
func ParsePolicy(file string, text []byte, lim Limits) (*Value, diag.List) {
	p := newParser(new(Memory), file, lim.orDefaults())
	root := p.policy(string(text))
	for i := range p.found {
		p.found[i].Severity = diag.Error
		if p.found[i].Code == diag.CodeNotACapability { // the words for documents
			p.found[i].Code, p.found[i].Rule = diag.CodePolicyFile, ""
			p.found[i].Message, p.found[i].Hint = "the policy file is empty", "write policy: 1, and what documents may do"
		}
	}
	p.found.Sort()
	if slices.ContainsFunc(p.found, func(d diag.Diagnostic) bool { return d.Severity == diag.Error }) {
		return nil, p.found.Dedupe()
	}
	return root, nil
}

// policy gives the root of a text, which must be a mapping.
func (p *parser) policy(text string) *Value {
	if !p.readable(text) {
		return nil
	}
	node, ok := p.decode()
	if !ok {
		return nil
	}
	root := p.grow(node)
	if root != nil && root.Kind != Map {
		p.refuse(diag.CodePolicyFile, root.Span(), "write policy: 1, and what documents may do", "the policy file holds %s, expected a mapping", root.Kind)
	}
	return root
}

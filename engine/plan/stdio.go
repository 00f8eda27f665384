package plan

import (
	"strings"

	"capd/engine/diag"
)

// transportStdio is the word for an MCP exposure that its client starts as a command.
const transportStdio = "stdio"

// onStdio reports whether the author wants the exposure on standard input and output, and at
// no address.
func (x *Exposure) onStdio() bool { return x.Kind == MCP && x.Transport == transportStdio }

// StdioOptions choose what is served on standard input and output.
type StdioOptions struct {
	// Selectors are those of a [NamedView]; none means everything.
	Selectors []string
}

// stdio gives the one view that is served on standard input and output, nil when there is
// nothing to serve. Whoever starts the process has the documents and their secrets, so that
// authentication does not matter there. The view of one exposure needs no prefixes.
func (l *linker) stdio(units []*Unit, o *StdioOptions) *View {
	v := &View{Kind: ViewAll}
	member := inAll
	if len(o.Selectors) > 0 {
		v.Kind, v.Name = ViewNamed, strings.Join(o.Selectors, ",")
		member = NamedView{Selectors: o.Selectors}.member
	}
	for _, u := range units {
		chosen := u.forStdio()
		if len(chosen) == 0 && len(u.Exposures) > 0 {
			l.noStdio(u)
		}
		for _, x := range chosen {
			if m := member(x); !m.isEmpty() {
				v.Members = append(v.Members, m)
			}
		}
	}
	switch len(v.Members) {
	case 0:
		return nil
	case 1:
		v.Kind, v.Name = ViewDocument, v.Members[0].Exposure.Unit.ID
		v.Members[0].Alias = ""
	}
	return v
}

// forStdio gives the exposures of a document that are served on standard input and output:
// those the author wants there, or all of a document that wants none there.
func (u *Unit) forStdio() []*Exposure {
	var all, wanted []*Exposure
	for _, x := range u.Exposures {
		if x.Kind == MCP {
			all = append(all, x)
		}
		if x.onStdio() {
			wanted = append(wanted, x)
		}
	}
	if len(wanted) > 0 {
		return wanted
	}
	return all
}

// noStdio reports a document of which nothing can be served on standard input and output.
func (l *linker) noStdio(u *Unit) {
	x := u.Exposures[0]
	l.list.Add(diag.Diagnostic{
		Code: diag.CodeStdio, Severity: diag.Info, Rule: "D3", Span: x.Span, Unit: diag.Unit{Doc: u.ID},
		Message: "the document has no adapter of type mcp, so nothing of it is served on standard input and output",
		Hint:    "run capd serve FILE; or add an adapter of type mcp",
	})
}

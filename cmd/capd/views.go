package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"capd/engine/diag"
	"capd/engine/plan"
)

// viewFlags say which views of several documents MCP clients find, beside those that follow
// from folders, tags and toolsets.
type viewFlags struct {
	combined bool
	named    namedViews
}

func (v *viewFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&v.combined, "mcp-combined", false, "serve the tools of all specs together at /mcp")
	f.Var(&v.named, "mcp-view", "serve `NAME=SELECTOR,...` at /mcp/views/NAME; a selector is the ID of a spec, FOLDER/**, **, tag:TAG or toolset:NAME; repeatable")
}

func (v *viewFlags) apply(o *plan.LinkOptions) { o.CombinedMCP, o.Views = v.combined, v.named }

func (v *viewFlags) linking() plan.LinkOptions {
	var o plan.LinkOptions
	v.apply(&o)
	return o
}

// namedViews is a flag that takes views, one each time.
type namedViews []plan.NamedView

func (n *namedViews) Type() string { return "view" }

func (n *namedViews) String() string {
	var all []string
	for _, v := range *n {
		all = append(all, v.Name+"="+strings.Join(v.Selectors, ","))
	}
	return strings.Join(all, " ")
}

// Set takes several with semicolons too, for the environment variable that stands for the flag.
func (n *namedViews) Set(text string) error {
	for one := range strings.SplitSeq(text, ";") {
		if err := n.add(one); err != nil {
			return err
		}
	}
	return nil
}

func (n *namedViews) add(text string) error {
	v, err := plan.ParseNamedView(text)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(*n, func(o plan.NamedView) bool { return o.Name == v.Name }) {
		return fmt.Errorf("there are two views of the name %s; give one of them another name, or join their selectors", v.Name)
	}
	*n = append(*n, v)
	return nil
}

// listedView is a view of several MCP adapters, or of a toolset.
type listedView struct {
	Address   string        `json:"address"`
	Kind      plan.ViewKind `json:"kind"`
	Documents []string      `json:"documents"`
	Tools     int           `json:"tools"`
	LeftOut   []string      `json:"leftOut,omitempty"` // documents that want other authentication
}

// listViews gives the views of a plan. Those of tags are not among them: there may be as many
// as tools.
func listViews(p *plan.Plan, s scheme) []listedView {
	var out []listedView
	for _, l := range p.Listeners {
		for _, v := range l.Views() {
			x := listedView{Address: s.of(l.Addr) + v.Path, Kind: v.Kind, Documents: []string{}, Tools: v.Tools()}
			for _, m := range v.Members {
				if id := m.Exposure.Unit.ID; !slices.Contains(x.Documents, id) {
					x.Documents = append(x.Documents, id)
				}
			}
			for _, left := range v.Left {
				x.LeftOut = append(x.LeftOut, left.Exposure.Unit.ID)
			}
			out = append(out, x)
		}
	}
	return out
}

// textViews writes the views as a table.
func textViews(b *strings.Builder, views []listedView) error {
	if len(views) == 0 {
		return nil
	}
	b.WriteString("views\n")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, v := range views {
		has := plural(v.Tools, "tool") + " of " + plural(len(v.Documents), "document")
		if n := len(v.LeftOut); n > 0 {
			has += fmt.Sprintf(", %d left out", n)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", v.Kind, has, diag.Printable(v.Address))
	}
	return w.Flush()
}

// searchAbove is a flag that takes a number of tools, or never. Zero leaves it to the adapter.
type searchAbove int

const (
	wordNever = "never"
	never     = searchAbove(-1)
)

func (s *searchAbove) Type() string { return "number" }

func (s *searchAbove) String() string {
	switch *s {
	case 0:
		return ""
	case never:
		return wordNever
	}
	return strconv.Itoa(int(*s))
}

func (s *searchAbove) Set(text string) error {
	if text == wordNever {
		*s = never
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return errors.New("must be a whole number of at least 1, or never")
	}
	*s = searchAbove(n)
	return nil
}

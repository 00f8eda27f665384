package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// addressFlags say where what is listed would be served.
type addressFlags struct {
	listen           string
	address          string
	allowSpecAddress bool
	tlsCert          string
	views            viewFlags
}

func (a *addressFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&a.listen, "listen", "", "addresses as with everything on `HOST:PORT`")
	flags.StringVar(&a.address, "address", "", "addresses as with this `HOST` for declared ports (default 127.0.0.1)")
	flags.BoolVar(&a.allowSpecAddress, "allow-spec-address", false, "addresses as with those that specs declare")
	flags.StringVar(&a.tlsCert, "tls-cert", "", "addresses as with a certificate in `FILE`, which is not read")
	a.views.register(flags)
}

func (a *addressFlags) link() plan.LinkOptions {
	o := plan.LinkOptions{Listen: a.listen, Address: a.address, AllowSpecAddress: a.allowSpecAddress}
	a.views.apply(&o)
	return o
}

func (a *addressFlags) scheme() scheme { return (&tlsFlags{cert: a.tlsCert}).scheme() }

// listFlags are the settings of list.
type listFlags struct {
	documents documentFlags
	addresses addressFlags
	format    string
	tools     bool
}

func (c *command) listCommand() *cobra.Command {
	f := listFlags{format: formatText}
	cmd := &cobra.Command{
		Use:   "list PATH...",
		Short: "List the routes, tools, resources, prompts and skills of specs",
		Long: `List every route, tool, resource, prompt and skill of the specs in the given files and folders:
where serve would serve it, and what it calls. What is refused is listed with its code; validate says
more.

With --tools only the tools of MCP adapters are listed, with an estimate of what each costs a model
that is shown it, in tokens: its name, its description and the schema of its inputs.`,
		Example: "  capd list capabilities/\n  capd list capabilities/ --format json\n  capd list capabilities/ --tools",
		Args:    pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return c.list(cmd.Context(), paths, &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.documents.registerPolicy(flags)
	f.addresses.register(flags)
	flags.Var(choiceFlag(&f.format, formatText, formatJSON), "format", "output `format`: text or json")
	flags.BoolVar(&f.tools, "tools", false, "list only the tools of MCP adapters, with what each costs a model")
	return cmd
}

func (c *command) list(ctx context.Context, paths []string, f *listFlags) error {
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths: paths, Stdin: c.stdin, AllowPaths: f.documents.allowPaths, Policy: f.documents.policy, Own: ownFiles(&f.documents, nil), Limits: f.documents.limits(), Link: f.addresses.link(),
	})
	if err != nil {
		return failure("%w", err)
	}
	if len(loaded.Docs) == 0 {
		return failure("no .yaml or .yml file found in %s", strings.Join(paths, ", "))
	}
	list := newListing(loaded, f.addresses.scheme())
	if f.tools {
		list.onlyTools()
	}
	if f.format == formatJSON {
		err = writeJSON(c.stdout, list)
	} else {
		err = list.text(c.stdout)
	}
	if err != nil {
		return failure("cannot write the list: %w", err)
	}
	return nil
}

// writeJSON writes a value for programs, and for people who look.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// listing is what list prints.
type listing struct {
	Version   int              `json:"version"` // of this format; fields may be added within one
	Documents []listedDocument `json:"documents"`
	// Views are what MCP clients find below /mcp beside the documents.
	Views []listedView `json:"views,omitempty"`
}

type listedDocument struct {
	ID    string       `json:"id"`
	File  string       `json:"file"`
	Label string       `json:"label,omitempty"`
	State engine.State `json:"state"`
	// Entries are the routes, tools, resources, prompts and skills in the order of the document.
	Entries []listedEntry `json:"entries"`
	// Refused is what else is refused: adapters, duplicates, or the file itself.
	Refused []listedRefusal `json:"refused,omitempty"`
	// Needs are the variables.
	Needs []listedVariable `json:"needs,omitempty"`

	costs bool // the text shows what tools cost
}

// listedVariable is a variable that a document needs. One of the environment has no location.
type listedVariable struct {
	Name     string `json:"name"`
	Location string `json:"location,omitempty"`
	Key      string `json:"key,omitempty"` // its name there
}

func listVariables(u *plan.Unit) []listedVariable {
	var out []listedVariable
	for _, v := range u.Variables {
		l := listedVariable{Name: v.Name}
		if v.Location != nil {
			l.Location, l.Key = v.Location.Text, v.Source
		}
		out = append(out, l)
	}
	return out
}

// String names the variable and where it comes from.
func (v listedVariable) String() string {
	if v.Location == "" {
		return v.Name
	}
	return v.Name + " from " + v.Location
}

type listedEntry struct {
	Kind      plan.Kind      `json:"kind"`
	Type      string         `json:"type,omitempty"` // resource or prompt, of an MCP adapter; empty for a tool
	Namespace string         `json:"namespace,omitempty"`
	Name      string         `json:"name"`
	Method    string         `json:"method,omitempty"`    // of a route
	Path      string         `json:"path,omitempty"`      // of a route, conditions included
	URI       string         `json:"uri,omitempty"`       // of a resource
	Location  string         `json:"location,omitempty"`  // of files, as declared
	Arguments []string       `json:"arguments,omitempty"` // of a prompt
	Addresses []string       `json:"addresses"`           // the main one first; a tool has its server's
	Calls     string         `json:"calls,omitempty"`     // consumed operation
	Tools     []string       `json:"tools,omitempty"`     // of a skill
	Tokens    int            `json:"tokens,omitempty"`    // of a tool that is served: an estimate of what it costs a model
	Refused   *listedRefusal `json:"refused,omitempty"`
}

type listedRefusal struct {
	Code   diag.Code `json:"code"`
	Reason string    `json:"reason"`
	Name   string    `json:"name,omitempty"`
}

func newListing(loaded *engine.Loaded, s scheme) *listing {
	where := newAddressBook(loaded.Plan, s)
	list := &listing{Version: 1, Documents: []listedDocument{}}
	for _, d := range loaded.Docs {
		if d.State == engine.Ignored {
			continue
		}
		doc := listedDocument{ID: d.ID, File: d.File, State: d.State, Entries: []listedEntry{}}
		if d.Unit != nil {
			doc.Label = d.Unit.Label
			doc.Needs = listVariables(d.Unit)
			for _, x := range d.Unit.Exposures {
				doc.Entries = append(doc.Entries, listExposure(x, where)...)
			}
		}
		doc.Refused = otherRefusals(d)
		list.Documents = append(list.Documents, doc)
	}
	list.Views = listViews(loaded.Plan, s)
	return list
}

func listExposure(x *plan.Exposure, where *addressBook) []listedEntry {
	var out []listedEntry
	for _, r := range x.Routes {
		out = append(out, listedEntry{
			Kind: x.Kind, Namespace: x.Namespace, Name: r.Name, Method: r.Method, Path: routeTarget(r),
			Addresses: where.route(x, r), Calls: callName(r.Operation), Refused: listRefusal(r.Refusal),
		})
	}
	tokens := toolTokens(x)
	for _, t := range x.Tools {
		out = append(out, listedEntry{
			Kind: x.Kind, Namespace: x.Namespace, Name: t.Name,
			Addresses: where.exposure(x), Calls: callName(t.Operation), Tokens: tokens[t], Refused: listRefusal(t.Refusal),
		})
	}
	out = append(out, listResources(x, where)...)
	if x.Management != nil {
		out = append(out, listedEntry{Kind: x.Kind, Namespace: x.Namespace, Name: strings.Join(x.Management.Words(), ", "), Addresses: where.exposure(x)})
	}
	for _, s := range x.Skills {
		e := listedEntry{
			Kind: x.Kind, Namespace: x.Namespace, Name: s.Name, Location: s.Location, Addresses: where.exposure(x), Refused: listRefusal(s.Refusal),
		}
		if s.Refusal == nil { // else its name may be none that an address can have
			e.Addresses = where.skill(x, s)
		}
		for _, t := range s.Tools {
			if t.Refusal == nil {
				e.Tools = append(e.Tools, t.Name)
			}
		}
		out = append(out, e)
	}
	return out
}

func listRefusal(r *plan.Refusal) *listedRefusal {
	if r == nil {
		return nil
	}
	return &listedRefusal{Code: r.Code, Reason: r.Reason}
}

// callName names what an operation calls; empty when it calls nothing.
func callName(op *plan.Operation) string {
	if op == nil {
		return ""
	}
	var names []string
	for _, c := range op.Calls() {
		if !slices.Contains(names, c.Name()) {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

// routeTarget is a route's path with its conditions on the query.
func routeTarget(r *plan.Route) string {
	out, sep := r.Path, "?"
	for _, q := range r.Conditions {
		out += sep + q.Name + "=" + q.Value
		sep = "&"
	}
	return out
}

// otherRefusals gives the errors of a document that no route, tool, resource, prompt or skill
// of it carries.
func otherRefusals(d *engine.DocState) []listedRefusal {
	carried := map[string]bool{}
	carry := func(r *plan.Refusal) {
		if r != nil {
			carried[string(r.Code)+r.Reason] = true
		}
	}
	if d.Unit != nil {
		for _, x := range d.Unit.Exposures {
			for _, r := range x.Routes {
				carry(r.Refusal)
			}
			for _, t := range x.Tools {
				carry(t.Refusal)
			}
			for _, r := range x.Resources {
				carry(r.Refusal)
			}
			for _, p := range x.Prompts {
				carry(p.Refusal)
			}
			for _, s := range x.Skills {
				carry(s.Refusal)
			}
		}
	}
	var out []listedRefusal
	for _, p := range d.Diagnostics {
		if p.Severity == diag.Error && !carried[string(p.Code)+p.Message] {
			out = append(out, listedRefusal{Code: p.Code, Reason: p.Message, Name: strings.TrimSpace(p.Unit.Adapter + " " + p.Unit.Name)})
		}
	}
	return out
}

// text writes the list for people: a table for each document.
func (l *listing) text(out io.Writer) error {
	var b strings.Builder
	for i := range l.Documents {
		if i > 0 {
			b.WriteByte('\n')
		}
		if err := l.Documents[i].text(&b); err != nil {
			return err
		}
	}
	if len(l.Views) > 0 {
		b.WriteByte('\n')
	}
	if err := textViews(&b, l.Views); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (d *listedDocument) text(b *strings.Builder) error {
	title := d.ID
	if d.Label != "" {
		title += ": " + d.Label
	}
	fmt.Fprintf(b, "%s (%s)\n", diag.Printable(title), diag.Printable(d.File))
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, e := range d.Entries {
		does := "-> " + e.Calls
		switch {
		case e.Refused != nil:
			does = "refused: " + string(e.Refused.Code)
		case e.Type != "":
			does = e.does()
		case e.Kind == plan.Control:
			does = "its document"
		case e.Kind == plan.Skill && len(e.Tools) == 0:
			does = "no tools"
		case e.Kind == plan.Skill:
			does = "tools " + strings.Join(e.Tools, ", ")
		case e.Calls == "":
			does = "constant"
		}
		cost := ""
		if d.costs {
			cost = e.cost() + "\t"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s%s\n", e.Kind, diag.Printable(e.title()), diag.Printable(does), cost, diag.Printable(shortAddresses(e.Addresses)))
	}
	for _, r := range d.Refused {
		fmt.Fprintf(w, "  refused\t%s\t%s\t%s\n", diag.Printable(r.Name), r.Code, diag.Printable(r.Reason))
	}
	if len(d.Entries)+len(d.Refused) == 0 {
		fmt.Fprintln(w, "  nothing")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if d.costs {
		b.WriteString(d.total())
	}
	if len(d.Needs) == 0 {
		return nil
	}
	needs := make([]string, len(d.Needs))
	for i, v := range d.Needs {
		needs[i] = diag.Printable(v.String())
	}
	b.WriteString("  needs " + strings.Join(needs, ", ") + "\n")
	return nil
}

// shortAddresses gives the main address, and of others at the same host only the path.
func shortAddresses(all []string) string {
	if len(all) == 0 {
		return "no address"
	}
	before, rest, _ := strings.Cut(all[0], "://")
	host, _, _ := strings.Cut(rest, "/")
	out := slices.Clone(all)
	for i := 1; i < len(out); i++ {
		out[i] = strings.TrimPrefix(out[i], before+"://"+host)
	}
	return strings.Join(out, ", ")
}

func (e *listedEntry) title() string {
	if e.Kind == plan.REST {
		return e.Method + " " + e.Path
	}
	if e.Type != "" {
		return e.resourceTitle()
	}
	return e.Name
}

// addressBook knows the URLs of everything in a plan.
type addressBook struct {
	mounts map[*plan.Exposure][]string // the main one first
	bare   map[*plan.Route][]string
	skills map[*plan.SkillEntry][]string // at their bare path
}

func newAddressBook(p *plan.Plan, s scheme) *addressBook {
	a := &addressBook{mounts: map[*plan.Exposure][]string{}, bare: map[*plan.Route][]string{}, skills: map[*plan.SkillEntry][]string{}}
	for _, l := range p.Listeners {
		at := s.of(l.Addr)
		for _, m := range l.Mounts {
			list := a.mounts[m.Exposure]
			if m.Main {
				list = slices.Insert(list, 0, at+m.Path)
			} else {
				list = append(list, at+m.Path)
			}
			a.mounts[m.Exposure] = list
		}
		for _, b := range l.Bare {
			a.bare[b.Route] = append(a.bare[b.Route], at+routeTarget(b.Route))
		}
		for _, b := range l.Skills {
			a.skills[b.Skill] = append(a.skills[b.Skill], at+"/"+plan.Skill.Prefix()+"/"+b.Skill.Name)
		}
		if l.SoleControl != nil {
			x := l.SoleControl.Exposure
			a.mounts[x] = append(a.mounts[x], at)
		}
		if l.SoleMCP != nil {
			x := l.SoleMCP.Exposure
			a.mounts[x] = append(a.mounts[x], at+"/mcp")
		}
	}
	return a
}

func (a *addressBook) exposure(x *plan.Exposure) []string {
	return append([]string{}, a.mounts[x]...)
}

func (a *addressBook) route(x *plan.Exposure, r *plan.Route) []string {
	out := []string{}
	for _, at := range a.mounts[x] {
		out = append(out, at+routeTarget(r))
	}
	return append(out, a.bare[r]...)
}

func (a *addressBook) skill(x *plan.Exposure, s *plan.SkillEntry) []string {
	out := []string{}
	for _, at := range a.mounts[x] {
		out = append(out, at+"/"+s.Name)
	}
	return append(out, a.skills[s]...)
}

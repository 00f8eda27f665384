package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"capd/engine/diag"
	"capd/engine/plan"
)

// page collects text for people. What comes from a document is made printable.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) {
	p.WriteString(diag.Printable(strings.TrimRight(fmt.Sprintf(format, args...), " ")))
	p.WriteByte('\n')
}

// section begins one with a title.
func (p *page) section(title string) {
	p.WriteByte('\n')
	p.line("%s", title)
}

// table writes rows with aligned columns.
func (p *page) table(rows [][]string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = diag.Printable(row[i])
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // a strings.Builder never fails
	}
	_ = w.Flush()
	for line := range strings.Lines(b.String()) {
		p.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// text writes the inspection for people.
func (in *inspection) text(out io.Writer) error {
	p := &page{}
	title := in.ID
	if in.Label != "" {
		title += ": " + in.Label
	}
	p.line("%s (%s, %s)", title, in.File, in.State)
	if in.Description != "" {
		p.line("  %s", in.Description)
	}
	in.textVariables(p)
	in.textConsumed(p)
	for i := range in.Adapters {
		in.Adapters[i].text(p)
	}
	in.textDerived(p)
	textFindings(p, "Warnings and advice", in.Assumed)
	textFindings(p, "Refused", in.Refused)
	_, err := io.WriteString(out, p.String())
	return err
}

func (in *inspection) textVariables(p *page) {
	if len(in.Variables) == 0 {
		return
	}
	p.section("Variables")
	var rows [][]string
	for _, v := range in.Variables {
		set := "not set"
		switch {
		case v.Set:
			set = "set"
		case v.Unread:
			set = "not asked for"
		}
		declared := "not declared, used at " + v.Place
		if v.Declared {
			declared = "declared at " + v.Place
		}
		rows = append(rows, []string{"  " + v.Name, v.Kind, set, declared})
		if v.Location != "" {
			rows = append(rows, []string{"", "", "", "from " + v.Source + " in " + v.Location})
		}
		for _, use := range v.Uses {
			rows = append(rows, []string{"", "", "", "in " + use})
		}
	}
	p.table(rows)
}

func (in *inspection) textConsumed(p *page) {
	if len(in.Consumed) == 0 {
		return
	}
	p.section("Consumed operations")
	for _, op := range in.Consumed {
		p.line("  %s  %s", op.Name, op.Place)
		p.line("    %s %s", op.Method, op.URL)
		if op.Refused != nil {
			p.line("    refused: %s: %s", op.Refused.Code, op.Refused.Reason)
		}
		if op.Auth != "" {
			p.line("    authentication: %s", op.Auth)
		}
		var rows [][]string
		for _, param := range op.Parameters {
			place := param.Place
			if place == "" {
				place = "not declared"
			}
			rows = append(rows, []string{"    " + param.In + " " + param.Name, typeText(param.Type, param.Required), place})
		}
		p.table(rows)
	}
}

func typeText(typ string, required bool) string {
	if typ == "" {
		typ = "any"
	}
	if required {
		typ += ", required"
	}
	return typ
}

func (a *inspectedAdapter) text(p *page) {
	p.section(strings.TrimRight(strings.ToUpper(string(a.Kind))+" "+a.Namespace, " ") + "  " + shortAddresses(a.Addresses))
	if a.Auth != "" {
		p.line("  callers authenticate: %s", a.Auth)
	}
	for i := range a.Operations {
		a.Operations[i].text(p)
	}
}

func (o *inspectedOperation) text(p *page) {
	title := o.title()
	if o.Kind == plan.REST && o.Name != title {
		title += " (" + o.Name + ")"
	}
	switch {
	case o.Refused != nil:
		p.line("  %s  refused: %s  %s", title, o.Refused.Code, o.Place)
		return
	case o.Type != "":
		o.textResource(p)
		return
	case o.Kind == plan.Skill:
		o.textSkill(p)
		return
	case o.Calls == "":
		p.line("  %s  constant  %s", title, o.Place)
	default:
		p.line("  %s -> %s  %s", title, o.Calls, o.Place)
	}
	var rows [][]string
	for _, in := range o.Inputs {
		rows = append(rows, []string{"    " + in.Name, typeText(in.Type, in.Required), strings.Join(in.Places, ", "), "-> " + strings.Join(in.Feeds, ", ")})
	}
	p.table(rows)
	o.textAsks(p)
	if len(o.InputSchema) > 0 {
		p.line("    schema %s", o.InputSchema)
	}
	if o.Tokens > 0 {
		p.line("    costs a model about %s", plural(o.Tokens, "token"))
	}
}

// textSkill writes a skill: its folder, and what its tools stand for.
func (o *inspectedOperation) textSkill(p *page) {
	p.line("  %s  %s", o.Name, o.Place)
	if o.Location != "" {
		p.line("    files in %s", o.Location)
	}
	var rows [][]string
	for _, s := range o.Sources {
		does := "-> " + string(s.Kind) + " " + s.From
		switch {
		case s.Refused != nil:
			does = "refused: " + string(s.Refused.Code)
		case s.Instruction != "":
			does = "instruction " + s.Instruction
		}
		rows = append(rows, []string{"    " + s.Name, does, s.Place})
	}
	p.table(rows)
}

// textDerived lists the inputs that no operation declares.
func (in *inspection) textDerived(p *page) {
	var rows [][]string
	for _, a := range in.Adapters {
		for _, op := range a.Operations {
			for _, i := range op.Inputs {
				if i.Derived != nil {
					rows = append(rows, []string{"  " + op.title() + ": " + i.Name, "[" + i.Derived.Rule + "]", "from " + i.Derived.Place})
				}
			}
		}
	}
	if len(rows) > 0 {
		p.section("Derived inputs")
		p.table(rows)
	}
}

func textFindings(p *page, title string, list []inspectedFinding) {
	if len(list) == 0 {
		return
	}
	p.section(title)
	for _, f := range list {
		text := f.Message
		if f.Hint != "" {
			text += "; " + f.Hint
		}
		rule := ""
		if f.Rule != "" {
			rule = " [" + f.Rule + "]"
		}
		p.line("  %s: %s [%s]%s %s", f.Place, f.Severity, f.Code, rule, text)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"capd/adapters/secrets"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// inspectFlags are the settings of inspect.
type inspectFlags struct {
	documents documentFlags
	variables variableFlags
	addresses addressFlags
	format    string
}

func (c *command) inspectCommand() *cobra.Command {
	f := inspectFlags{format: formatText}
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a spec comes to",
		Long: `Show everything that one spec comes to: its variables, the operations it consumes, its routes,
tools and resources with their inputs and where these go, its prompts, its skills with what their tools
stand for, what capd derived or assumed and from which line, and what is refused. The path - reads standard input.`,
		Example: "  capd inspect capabilities/rooms.yaml\n  capd inspect capabilities/rooms.yaml --format json",
		Args:    fileArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.inspect(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.documents.registerPolicy(flags)
	f.variables.register(flags)
	f.addresses.register(flags)
	flags.Var(choiceFlag(&f.format, formatText, formatJSON), "format", "output `format`: text or json")
	return cmd
}

// fileArgument wants exactly one file.
func fileArgument(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return failure("expected one FILE, got %d; see '%s --help'", len(args), cmd.CommandPath())
	}
	return nil
}

func (c *command) inspect(ctx context.Context, file string, f *inspectFlags) error {
	own := ownFiles(&f.documents, &f.variables)
	env, err := c.sources(&f.variables, secrets.Options{LocalOnly: true, Own: own})
	if err != nil {
		return err
	}
	loaded, doc, err := c.loadOne(ctx, file, engine.LoadOptions{AllowPaths: f.documents.allowPaths, Policy: f.documents.policy, Own: own, Limits: f.documents.limits(), Link: f.addresses.link()})
	if err != nil {
		return err
	}
	in := newInspection(loaded, doc, f.addresses.scheme(), env.Look)
	if f.format == formatJSON {
		err = writeJSON(c.stdout, in)
	} else {
		err = in.text(c.stdout)
	}
	if err != nil {
		return failure("cannot write: %w", err)
	}
	if doc.Unit == nil {
		return findings()
	}
	return nil
}

// loadOne loads one file with everything explained.
func (c *command) loadOne(ctx context.Context, file string, o engine.LoadOptions) (*engine.Loaded, *engine.DocState, error) {
	o.Paths, o.Stdin, o.Explain = []string{file}, c.stdin, true
	loaded, err := engine.Load(ctx, o)
	if err != nil {
		return nil, nil, failure("%w", err)
	}
	if len(loaded.Docs) != 1 {
		return nil, nil, failure("%s has %s; name one of them", file, plural(len(loaded.Docs), "file"))
	}
	return loaded, loaded.Docs[0], nil
}

// inspection is what inspect prints. Places are file:line:column.
type inspection struct {
	Version     int                 `json:"version"` // of this format; fields may be added within one
	ID          string              `json:"id"`
	File        string              `json:"file"`
	Label       string              `json:"label,omitempty"`
	Description string              `json:"description,omitempty"`
	State       engine.State        `json:"state"`
	Variables   []inspectedVariable `json:"variables"`
	Consumed    []inspectedCall     `json:"consumed"`
	Adapters    []inspectedAdapter  `json:"adapters"`
	Assumed     []inspectedFinding  `json:"assumed"` // warnings and advice
	Refused     []inspectedFinding  `json:"refused"` // errors
}

type inspectedVariable struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"` // secret or setting
	Declared  bool     `json:"declared"`
	Namespace string   `json:"namespace,omitempty"` // of the bind
	Key       string   `json:"key,omitempty"`       // the document's own name for it, when another
	Set       bool     `json:"set"`
	Unread    bool     `json:"unread,omitempty"`   // a system that inspect does not ask has the value
	Location  string   `json:"location,omitempty"` // of the value, other than the environment
	Source    string   `json:"source,omitempty"`   // its name there
	Place     string   `json:"place"`
	Uses      []string `json:"uses"`
}

type inspectedCall struct {
	Name       string               `json:"name"`
	Method     string               `json:"method"`
	URL        string               `json:"url"` // with {input} and {{VARIABLE}}
	Auth       string               `json:"auth,omitempty"`
	Parameters []inspectedParameter `json:"parameters"`
	Place      string               `json:"place"`
	Refused    *listedRefusal       `json:"refused,omitempty"`
}

type inspectedParameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Type     string `json:"type,omitempty"`
	Required bool   `json:"required"`
	Place    string `json:"place,omitempty"` // empty for an undeclared placeholder
}

type inspectedAdapter struct {
	Kind       plan.Kind            `json:"kind"`
	Namespace  string               `json:"namespace,omitempty"`
	Auth       string               `json:"auth,omitempty"` // how callers must authenticate
	Addresses  []string             `json:"addresses"`
	Operations []inspectedOperation `json:"operations"`
}

type inspectedOperation struct {
	listedEntry
	Description string           `json:"description,omitempty"`
	Place       string           `json:"place"`
	Inputs      []inspectedInput `json:"inputs"`
	InputSchema json.RawMessage  `json:"inputSchema,omitempty"` // of a tool
	MimeType    string           `json:"mimeType,omitempty"`    // of a resource, as declared
	// Asks are the questions that are answered before it runs.
	Asks []inspectedQuestion `json:"asks,omitempty"`
	// Sources are the tools of a skill.
	Sources []inspectedSource `json:"sources,omitempty"`
}

// inspectedSource is a tool of a skill with what it stands for.
type inspectedSource struct {
	Name        string         `json:"name"`
	Kind        plan.Kind      `json:"kind,omitempty"` // of a derived tool
	From        string         `json:"from,omitempty"` // of a derived tool: namespace.action
	Instruction string         `json:"instruction,omitempty"`
	Place       string         `json:"place"`
	Refused     *listedRefusal `json:"refused,omitempty"`
}

type inspectedInput struct {
	Name     string          `json:"name"`
	Type     string          `json:"type,omitempty"`
	Required bool            `json:"required"`
	Places   []string        `json:"places"` // where it is looked for, in order
	Feeds    []string        `json:"feeds"`  // parts of the upstream request
	Declared string          `json:"declared,omitempty"`
	Derived  *inspectedCause `json:"derived,omitempty"`
}

type inspectedCause struct {
	Rule  string `json:"rule"`
	Place string `json:"place"`
}

type inspectedFinding struct {
	Place    string        `json:"place"`
	Severity diag.Severity `json:"severity"`
	Code     diag.Code     `json:"code"`
	Rule     string        `json:"rule,omitempty"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
}

func newInspection(loaded *engine.Loaded, doc *engine.DocState, s scheme, look lookup) *inspection {
	in := &inspection{
		Version: 1, ID: doc.ID, File: doc.File, State: doc.State,
		Variables: []inspectedVariable{}, Consumed: []inspectedCall{}, Adapters: []inspectedAdapter{},
		Assumed: []inspectedFinding{}, Refused: []inspectedFinding{},
	}
	for _, d := range doc.Diagnostics {
		finding := inspectedFinding{Place: d.Span.String(), Severity: d.Severity, Code: d.Code, Rule: d.Rule, Message: d.Message, Hint: d.Hint}
		if d.Severity == diag.Error {
			in.Refused = append(in.Refused, finding)
		} else {
			in.Assumed = append(in.Assumed, finding)
		}
	}
	u := doc.Unit
	if u == nil {
		return in
	}
	in.Label, in.Description = u.Label, u.Description
	for _, op := range u.Consumed() {
		in.Consumed = append(in.Consumed, inspectCall(&op))
	}
	where := newAddressBook(loaded.Plan, s)
	for _, x := range u.Exposures {
		in.Adapters = append(in.Adapters, inspectExposure(x, where))
	}
	uses := variableUses(u)
	for _, v := range u.Variables {
		in.Variables = append(in.Variables, inspectVariable(u, v, uses[v.Name], look))
	}
	return in
}

func inspectVariable(u *plan.Unit, v *plan.Variable, uses []string, look lookup) inspectedVariable {
	out := inspectedVariable{
		Name: v.Name, Kind: "secret", Declared: v.Declared, Namespace: v.Namespace, Place: v.Span.String(), Uses: append([]string{}, uses...),
	}
	if v.Setting {
		out.Kind = "setting"
	}
	if v.Key != v.Name {
		out.Key = v.Key
	}
	_, err := look(u.ID, v)
	out.Set, out.Unread = err == nil, errors.Is(err, plan.ErrUnread)
	if v.Location != nil {
		out.Location, out.Source, out.Key = v.Location.Text, v.Source, ""
	}
	return out
}

// variableUses gives, by variable, the parts of the calls and the adapters that use it.
func variableUses(u *plan.Unit) map[string][]string {
	out := map[string][]string{}
	for _, x := range u.Exposures {
		if x.Guard == nil {
			continue
		}
		for _, name := range x.Guard.Variables() {
			out[name] = append(out[name], fmt.Sprintf("authentication of callers of %s %s", x.Kind, x.Namespace))
		}
	}
	for _, op := range operationsOf(u) {
		for _, call := range op.Calls() {
			for _, o := range call.Origins() {
				use := plan.PartName{Part: o.Part, Name: o.Name}.String() + " of " + call.Name()
				for _, s := range o.Sources {
					if s.Kind == plan.SourceVariable && !slices.Contains(out[s.Name], use) {
						out[s.Name] = append(out[s.Name], use)
					}
				}
			}
		}
	}
	return out
}

// operationsOf gives the operations of a document that are served.
func operationsOf(u *plan.Unit) []*plan.Operation {
	var out []*plan.Operation
	for _, x := range u.Exposures {
		for _, r := range x.Routes {
			if r.Operation != nil {
				out = append(out, r.Operation)
			}
		}
		for _, t := range x.Tools {
			if t.Operation != nil {
				out = append(out, t.Operation)
			}
		}
		for _, r := range x.Resources {
			if r.Operation != nil {
				out = append(out, r.Operation)
			}
		}
	}
	return out
}

func inspectCall(op *plan.ConsumedOperation) inspectedCall {
	out := inspectedCall{
		Name: op.Name, Method: op.Method, URL: op.URL, Auth: op.Auth, Place: op.Span.String(),
		Parameters: []inspectedParameter{}, Refused: listRefusal(op.Fault),
	}
	for _, p := range op.Parameters {
		out.Parameters = append(out.Parameters, inspectedParameter{Name: p.Name, In: p.In, Type: p.Type, Required: p.Required, Place: p.Span.String()})
	}
	return out
}

func inspectExposure(x *plan.Exposure, where *addressBook) inspectedAdapter {
	out := inspectedAdapter{Kind: x.Kind, Namespace: x.Namespace, Addresses: where.exposure(x), Operations: []inspectedOperation{}}
	if x.Guard != nil {
		out.Auth = string(x.Guard.Scheme)
	}
	entries := listExposure(x, where)
	for i, r := range x.Routes {
		out.Operations = append(out.Operations, inspectedOperation{
			listedEntry: entries[i], Description: r.Description, Place: r.Span.String(), Inputs: inspectInputs(r.Operation),
		})
	}
	for i, t := range x.Tools {
		out.Operations = append(out.Operations, inspectedOperation{
			listedEntry: entries[len(x.Routes)+i], Description: t.Description, Place: t.Span.String(),
			Inputs: inspectInputs(t.Operation), InputSchema: t.InputSchema, Asks: questionsOf(t.Operation),
		})
	}
	out.Operations = append(out.Operations, inspectResources(x, where)...)
	for i, s := range x.Skills {
		out.Operations = append(out.Operations, inspectedOperation{
			listedEntry: entries[len(entries)-len(x.Skills)+i], Description: s.Description, Place: s.Span.String(),
			Inputs: []inspectedInput{}, Sources: inspectSources(s),
		})
	}
	return out
}

func inspectSources(s *plan.SkillEntry) []inspectedSource {
	var out []inspectedSource
	for _, t := range s.Tools {
		source := inspectedSource{Name: t.Name, Instruction: t.Instruction, Place: t.Span.String(), Refused: listRefusal(t.Refusal)}
		if t.Target != nil {
			source.Kind, source.From = t.Target.Exposure.Kind, t.Target.Exposure.Namespace+"."+t.Target.Action
		}
		out = append(out, source)
	}
	return out
}

func inspectInputs(op *plan.Operation) []inspectedInput {
	out := []inspectedInput{}
	for _, in := range op.Inputs() {
		i := inspectedInput{Name: in.Name, Type: in.Type, Required: in.Required, Declared: in.Declared.String(), Places: []string{}, Feeds: []string{}}
		for _, at := range in.Places {
			i.Places = append(i.Places, at.String())
		}
		for _, part := range in.Feeds {
			i.Feeds = append(i.Feeds, part.String())
		}
		if in.Rule != "" {
			i.Derived = &inspectedCause{Rule: in.Rule, Place: in.Span.String()}
		}
		out = append(out, i)
	}
	return out
}

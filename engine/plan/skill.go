package plan

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// SkillEntry is one skill of a skill adapter. Exactly one of Refusal and the rest counts: a
// refused skill is not listed. Empty texts and nil pointers are not declared.
type SkillEntry struct {
	Name          string // one segment of a path, see [IsSkillSegment]
	Description   string
	License       string
	Compatibility string
	Metadata      []Pair // in the order of the document
	AllowedTools  string
	ArgumentHint  string

	UserInvocable          *bool
	DisableModelInvocation *bool

	Tools    []*SkillTool
	Location string // as declared
	// Files is what is at Location, read when a call asks for it; nil when there is no
	// location, or none that the document may use.
	Files   fs.FS
	Refusal *Refusal
	Span    diag.Span
}

// SkillTool is one tool of a skill: exactly one of Target, Instruction and Refusal is set. A
// refused tool is not listed.
type SkillTool struct {
	Name        string
	Description string
	Target      *SkillTarget // of a derived tool
	Instruction string       // path of a file in SkillEntry.Files
	Refusal     *Refusal
	Span        diag.Span
}

// SkillTarget is the operation or tool that a derived tool stands for.
type SkillTarget struct {
	Exposure *Exposure // REST or MCP, of the same document
	Action   string    // name of the route or tool
}

// BareSkill is a skill at /skills/<name>, with the exposure it belongs to.
type BareSkill struct {
	Exposure *Exposure
	Skill    *SkillEntry
}

var skillSegment = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// IsSkillSegment reports whether a decoded segment of a path may name a skill, or a file or
// folder of one.
func IsSkillSegment(s string) bool {
	return skillSegment.MatchString(s) && s != "." && s != ".."
}

// exposeSkills compiles a skill adapter. The other adapters must be compiled already.
func (c *compiler) exposeSkills(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	seen := map[string]*SkillEntry{}
	for i := range e.Skills {
		decl := &e.Skills[i]
		unit.Name = decl.Name.Value
		s := c.skill(decl, out, unit, seen)
		if s == nil {
			continue
		}
		seen[s.Name] = s
		out.Skills = append(out.Skills, s)
	}
}

// skill compiles one skill; nil when it is none, or a second one of its name.
func (c *compiler) skill(decl *spec.Skill, out *Exposure, unit diag.Unit, seen map[string]*SkillEntry) *SkillEntry {
	if !c.isSkill(decl, unit) {
		return nil
	}
	s := &SkillEntry{
		Name: decl.Name.Value, Description: decl.Description.Value, License: decl.License.Value,
		Compatibility: decl.Compatibility.Value, AllowedTools: decl.AllowedTools.Value, ArgumentHint: decl.ArgumentHint.Value,
		UserInvocable: boolOf(decl.UserInvocable), DisableModelInvocation: boolOf(decl.DisableModelInvocation),
		Location: decl.Location.Value, Span: decl.Span,
	}
	for _, m := range decl.Metadata {
		s.Metadata = append(s.Metadata, Pair{m.Key.Value, m.Value.Text})
	}
	title := "skill " + s.Name
	if f := c.judgeSkill(decl, title, seen); f != nil {
		r := c.refuse(unit, decl.Span, title, f)
		if seen[s.Name] != nil {
			return nil
		}
		s.Refusal = r
		return s
	}
	c.skillFiles(decl, s, unit)
	c.skillTools(decl, s, out, unit)
	return s
}

// isSkill reports what stands among skills and is an operation. Nothing can call it there.
func (c *compiler) isSkill(decl *spec.Skill, unit diag.Unit) bool {
	if !decl.Call.IsSet() {
		return true
	}
	what := "the skill is left out: it is written as an operation, and a skill calls nothing"
	if hasSkill(decl) {
		what = "it means nothing in a skill"
	}
	c.note(diag.Warning, unit, faultf(diag.CodeUnsupportedFeature, "L4", decl.Call.Span(), "%s of skill %s: %s", decl.Call.Value, decl.Name.Value, what).
		hintf("write it as a tool of an adapter of type mcp, and in the skill a tool with from"))
	return hasSkill(decl)
}

// hasSkill reports whether a skill has more to it than what makes it an operation.
func hasSkill(decl *spec.Skill) bool {
	return !decl.Call.IsSet() || len(decl.Tools) > 0 || decl.Location.IsSet()
}

func (c *compiler) judgeSkill(decl *spec.Skill, title string, seen map[string]*SkillEntry) *fault {
	name := decl.Name.Value
	if !IsSkillSegment(name) {
		f := faultf(diag.CodeSkillName, "", placeOr(decl.Name.Span(), decl.Span), "%q cannot be the name of a skill", name)
		if name == "" {
			f.message = "the skill has no name"
		}
		return f.hintf("use letters, digits, dots, hyphens and underscores: the name is a part of the address")
	}
	if first := seen[name]; first != nil {
		f := faultf(diag.CodeDuplicateSkill, "", decl.Span, "%s is declared twice in this adapter", title).hintf("give one of them another name")
		f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
		return f
	}
	return nil
}

func boolOf(t spec.Tristate) *bool {
	if t == spec.Unset {
		return nil
	}
	value := t == spec.True
	return &value
}

// skillFiles finds the folder of a skill. A folder that is not there refuses nothing: it may
// come later.
func (c *compiler) skillFiles(decl *spec.Skill, s *SkillEntry, unit diag.Unit) {
	if !decl.Location.IsSet() || c.files == nil {
		return
	}
	at := decl.Location.Span()
	folder, err := c.files.Folder(at.File, decl.Location.Value)
	if err != nil {
		c.note(diag.Warning, unit, faultf(diag.CodeSkillLocation, "", at, "the files of skill %s are not served: %s", s.Name, err).
			hintf("keep them in a folder beside the document and write its relative path, or allow theirs with --allow-path"))
		return
	}
	s.Files = folder
}

func (c *compiler) skillTools(decl *spec.Skill, s *SkillEntry, out *Exposure, unit diag.Unit) {
	seen := map[string]*SkillTool{}
	for i := range decl.Tools {
		d := &decl.Tools[i]
		t := &SkillTool{Name: d.Name.Value, Description: d.Description.Value, Span: d.Span}
		if t.Name == "" {
			t.Name = d.Action.Value
		}
		unit := unit
		unit.Name = s.Name + "/" + t.Name
		title := "tool " + t.Name + " of skill " + s.Name
		if first := seen[t.Name]; first != nil && t.Name != "" {
			f := faultf(diag.CodeDuplicateTool, "", d.Span, "%s is declared twice", title).hintf("give one of them another name")
			f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
			c.refuse(unit, d.Span, title, f)
			continue
		}
		seen[t.Name] = t
		if f := c.skillTool(decl, d, t, out, unit); f != nil {
			t.Refusal = c.refuse(unit, d.Span, title, f)
			t.Target, t.Instruction = nil, ""
		}
		s.Tools = append(s.Tools, t)
	}
}

// skillTool finds what a tool of a skill stands for.
func (c *compiler) skillTool(skill *spec.Skill, d *spec.SkillTool, t *SkillTool, out *Exposure, unit diag.Unit) *fault {
	if f := c.truncated(d.Span, func() string { return "tool " + t.Name }); f != nil {
		return f
	}
	bad := func(at diag.Span, format string, args ...any) *fault {
		return faultf(diag.CodeSkillTool, "", placeOr(at, d.Span), format, args...)
	}
	switch {
	case t.Name == "":
		return bad(d.Span, "the tool has no name").hintf("write name")
	case d.HasFrom && d.Instruction.IsSet():
		return bad(d.Instruction.Span(), "tool %s has both from and instruction", t.Name).hintf("keep one: from names an operation, instruction a file")
	case d.HasFrom:
		return c.derivedTool(d, t, out, unit, bad)
	case d.Instruction.IsSet():
		return instructionTool(skill, d, t, bad)
	}
	return bad(d.Span, "tool %s has neither from nor instruction", t.Name).
		hintf("write from with sourceNamespace and action, or instruction with the path of a file")
}

type badTool = func(at diag.Span, format string, args ...any) *fault

// instructionTool takes the file of an instruction tool, as a path that /contents serves.
func instructionTool(skill *spec.Skill, d *spec.SkillTool, t *SkillTool, bad badTool) *fault {
	if !skill.Location.IsSet() {
		return bad(d.Instruction.Span(), "tool %s has an instruction, and skill %s no location", t.Name, skill.Name.Value).
			hintf("write location: the folder that the file is in")
	}
	file := strings.TrimPrefix(d.Instruction.Value, "./")
	for _, segment := range strings.Split(file, "/") {
		if !IsSkillSegment(segment) || strings.HasPrefix(segment, ".") {
			return bad(d.Instruction.Span(), "instruction %q is no path of a file below the location of the skill", d.Instruction.Value).
				hintf("write a relative path such as guides/orders.md, of letters, digits, dots, hyphens and underscores")
		}
	}
	t.Instruction = path.Clean(file)
	return nil
}

// derivedTool finds the operation or tool of another adapter.
func (c *compiler) derivedTool(d *spec.SkillTool, t *SkillTool, out *Exposure, unit diag.Unit, bad badTool) *fault {
	if !d.Namespace.IsSet() || !d.Action.IsSet() {
		return bad(d.Span, "tool %s does not say where it is from", t.Name).hintf("write from: {sourceNamespace: ..., action: ...}")
	}
	siblings, f := c.siblings(d, bad)
	if f != nil {
		return f
	}
	if len(siblings) == 0 {
		r := &Refusal{Code: diag.CodeSkillTool, Reason: "adapter " + d.Namespace.Value + " is not served"}
		c.refusedSource(d, t, diag.Unit{Adapter: d.Namespace.Value}, r)
		return nil
	}
	found, names := findAction(siblings, d.Action.Value)
	if found == nil {
		namespace := siblings[0].Namespace
		f := bad(d.Action.Span(), "%s has no operation or tool %q", namespace, d.Action.Value)
		if near, ok := diag.Nearest(d.Action.Value, names); ok {
			return f.hintf("did you mean %s?", near)
		}
		if len(names) == 0 {
			return f.hintf("it has none")
		}
		return f.hintf("it has %s", someOf(names))
	}
	if found.refusal != nil {
		c.refusedSource(d, t, diag.Unit{Adapter: adapterName(found.exposure), Name: found.name}, found.refusal)
		return nil
	}
	if t.Description == "" {
		t.Description = found.description
	}
	t.Target = &SkillTarget{Exposure: found.exposure, Action: found.name}
	c.approximateSource(d, t, unit)
	return nil
}

// approximateSource reports that a tool's source is spelled in another way.
func (c *compiler) approximateSource(d *spec.SkillTool, t *SkillTool, unit diag.Unit) {
	namespace, action := t.Target.Exposure.Namespace, t.Target.Action
	for _, name := range []struct {
		written spec.Text
		is      string
	}{{d.Namespace, namespace}, {d.Action, action}} {
		if name.written.Value != name.is {
			c.note(diag.Warning, unit, faultf(diag.CodeApproximateName, "N1", name.written.Span(), "%s is read as %s, since the spelling differs", name.written.Value, name.is).
				hintf("write %s", name.is))
		}
	}
}

// siblings gives the REST and MCP adapters of the document that have the namespace and are
// served.
func (c *compiler) siblings(d *spec.SkillTool, bad badTool) ([]*Exposure, *fault) {
	var names []string
	for i := range c.doc.Exposes {
		if e := &c.doc.Exposes[i]; (e.Type.Value == string(REST) || e.Type.Value == string(MCP)) && e.Namespace.IsSet() {
			names = append(names, e.Namespace.Value)
		}
	}
	i, ok := matchName(d.Namespace.Value, distinct(names))
	if !ok {
		f := bad(d.Namespace.Span(), "no adapter of type rest or mcp has the namespace %q", d.Namespace.Value)
		if near, ok := diag.Nearest(d.Namespace.Value, names); ok {
			return nil, f.hintf("did you mean %s?", near)
		}
		if len(names) == 0 {
			return nil, f.hintf("the document has none")
		}
		return nil, f.hintf("it has %s", someOf(names))
	}
	name := distinct(names)[i]
	var out []*Exposure
	for _, x := range c.unit.Exposures {
		if (x.Kind == REST || x.Kind == MCP) && x.Namespace == name {
			out = append(out, x)
		}
	}
	return out, nil
}

// refusedSource leaves a tool out whose source is. The finding is the source's: the tool is one
// more place of it.
func (c *compiler) refusedSource(d *spec.SkillTool, t *SkillTool, source diag.Unit, why *Refusal) {
	t.Refusal = why
	for i := range c.list {
		of := &c.list[i]
		if of.Severity == diag.Error && of.Unit.Adapter == source.Adapter && of.Unit.Name == source.Name {
			t.Refusal = &Refusal{Code: of.Code, Reason: of.Message}
			c.alsoRefused(i, d.Span, "tool "+t.Name)
			return
		}
	}
}

func distinct(names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// action is a route or a tool, as derived tools see it.
type action struct {
	exposure          *Exposure
	name, description string
	refusal           *Refusal
}

// findAction finds a route or tool by its name (contract N1); names are all there are.
func findAction(among []*Exposure, name string) (found *action, names []string) {
	var all []action
	for _, x := range among {
		for _, r := range x.Routes {
			all = append(all, action{x, r.Name, r.Description, r.Refusal})
		}
		for _, t := range x.Tools {
			all = append(all, action{x, t.Name, t.Description, t.Refusal})
		}
	}
	for _, a := range all {
		names = append(names, a.name)
	}
	if i, ok := matchName(name, names); ok {
		return &all[i], names
	}
	return nil, names
}

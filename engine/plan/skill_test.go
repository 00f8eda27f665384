package plan_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// skillFiles has the folder skills/booking, and may use no other.
type skillFiles struct{ asked []string }

func (f *skillFiles) Folder(from, location string) (fs.FS, error) {
	f.asked = append(f.asked, from+" "+location)
	if strings.HasPrefix(location, "file:///opt/") {
		return nil, errors.New(location + " is outside")
	}
	return fstest.MapFS{"guide.md": {Data: []byte("# Guide\n")}}, nil
}
func (f *skillFiles) Read(string, string) ([]byte, error) { return nil, fs.ErrNotExist }
func (f *skillFiles) Place(string, string) (plan.FilePlace, error) {
	return plan.FilePlace{}, fs.ErrNotExist
}

// withSkills is a document whose REST adapter "web" and MCP adapter "agent" stand before and
// behind the skills, written in flow style.
func withSkills(skills string) string {
	return `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - {type: http, namespace: api, baseUri: https://api.test, resources: [{path: /x, operations: [{name: get, description: Gets}]}]}
  exposes:
  - {type: rest, port: 1, namespace: web, resources: [{path: /rooms, operations: [{name: list-rooms, description: Rooms over HTTP, call: api.get}]}]}
  - {type: skill, port: 2, namespace: help, skills: [` + skills + `]}
  - {type: mcp, port: 3, namespace: agent, tools: [{name: list-rooms, call: api.get}, {name: broken, call: api.nothing}]}
`
}

func compileSkills(t *testing.T, text string, files plan.Files) (*plan.Unit, diag.List) {
	t.Helper()
	doc, list := spec.Parse("test.yaml", []byte(strings.ReplaceAll(text, caret, "")), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	doc.ID = "test"
	unit, more := plan.Compile(doc, files)
	return unit, append(list, more...)
}

func skillsOf(u *plan.Unit) []*plan.SkillEntry {
	i := slices.IndexFunc(u.Exposures, func(x *plan.Exposure) bool { return x.Kind == plan.Skill })
	if i < 0 {
		return nil
	}
	return u.Exposures[i].Skills
}

func TestSkillTools(t *testing.T) {
	t.Parallel()
	files := &skillFiles{}
	unit, list := compileSkills(t, withSkills(`{name: booking, location: skills/booking, metadata: {b: 1, a: x}, user-invocable: false, tools: [
      {name: over-http, from: {sourceNamespace: web, action: list-rooms}},
      {name: over-mcp, description: Rooms, from: {sourceNamespace: agent, action: list-rooms}},
      {name: guide, instruction: ./guides/rooms.md}]}, {name: bare}`), files)
	if len(list) != 1 || list[0].Code != diag.CodeUnresolvedOperation { // of the tool that is broken
		t.Fatal(list)
	}
	skills := skillsOf(unit)
	if len(skills) != 2 || skills[0].Name != "booking" || skills[1].Name != "bare" || skills[1].Files != nil || len(skills[1].Tools) != 0 {
		t.Fatalf("%+v", skills)
	}
	s := skills[0]
	if s.Files == nil || !slices.Equal(files.asked, []string{"test.yaml skills/booking"}) || s.DisableModelInvocation != nil ||
		s.UserInvocable == nil || *s.UserInvocable || !slices.Equal(s.Metadata, []plan.Pair{{Name: "b", Value: "1"}, {Name: "a", Value: "x"}}) {
		t.Errorf("%+v, asked for %q", s, files.asked)
	}
	var got []string
	for _, tool := range s.Tools {
		line := tool.Name + "|" + tool.Description + "|" + tool.Instruction
		if tool.Target != nil {
			line += "|" + string(tool.Target.Exposure.Kind) + " " + tool.Target.Exposure.Namespace + "." + tool.Target.Action
		}
		got = append(got, line)
	}
	want := []string{"over-http|Rooms over HTTP||rest web.list-rooms", "over-mcp|Rooms||mcp agent.list-rooms", "guide||guides/rooms.md"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever is wrong refuses one tool or one skill, at its place, and no other.
func TestSkillFaults(t *testing.T) {
	t.Parallel()
	const from = "from: {sourceNamespace: web, action: list-rooms}"
	for _, c := range []struct {
		skills string // the caret is the place
		sev    diag.Severity
		code   diag.Code
		says   []string
		listed string // skills with their tools
	}{
		{"{name: a, tools: [{name: x, from: {sourceNamespace: ‸agnt, action: list-rooms}}, {name: y, " + from + "}]}", diag.Error, diag.CodeSkillTool, []string{`"agnt"`, "did you mean agent?"}, "a(y)"},
		{"{name: a, tools: [{name: x, from: {sourceNamespace: web, action: ‸list-room}}, {name: y, " + from + "}]}", diag.Error, diag.CodeSkillTool, []string{`"list-room"`, "did you mean list-rooms?"}, "a(y)"},
		{"{name: a, tools: [{name: x, from: {sourceNamespace: ‸help, action: a}}]}", diag.Error, diag.CodeSkillTool, []string{"rest or mcp", `"help"`}, "a()"},
		{"{name: a, tools: [{name: x, from: {sourceNamespace: ‸api, action: get}}]}", diag.Error, diag.CodeSkillTool, []string{"it has web, agent"}, "a()"},
		{"{name: a, tools: [‸{name: x, from: {sourceNamespace: web}}]}", diag.Error, diag.CodeSkillTool, []string{"where it is from"}, "a()"},
		{"{name: a, tools: [‸{name: x}, {name: y, " + from + "}]}", diag.Error, diag.CodeSkillTool, []string{"neither from nor instruction"}, "a(y)"},
		{"{name: a, location: d, tools: [{name: x, " + from + ", instruction: ‸g.md}, {name: y, " + from + "}]}", diag.Error, diag.CodeSkillTool, []string{"both"}, "a(y)"},
		{"{name: a, tools: [{name: x, instruction: ‸g.md}]}", diag.Error, diag.CodeSkillTool, []string{"no location"}, "a()"},
		{"{name: a, location: d, tools: [{name: x, instruction: ‸../g.md}]}", diag.Error, diag.CodeSkillTool, []string{"below the location"}, "a()"},
		{"{name: a, location: d, tools: [{name: x, instruction: ‸/etc/passwd}]}", diag.Error, diag.CodeSkillTool, []string{"below the location"}, "a()"},
		{"{name: a, location: d, tools: [{name: x, instruction: ‸.git/config}]}", diag.Error, diag.CodeSkillTool, []string{"below the location"}, "a()"},
		{`{name: a, location: d, tools: [{name: x, instruction: ‸'a\b.md'}]}`, diag.Error, diag.CodeSkillTool, []string{"below the location"}, "a()"},
		{"{name: a, tools: [{name: x, " + from + "}, ‸{name: x, " + from + "}]}", diag.Error, diag.CodeDuplicateTool, []string{"x of skill a"}, "a(x)"},
		{"{name: a}, ‸{name: a, description: again}, {name: b}", diag.Error, diag.CodeDuplicateSkill, []string{"skill a"}, "a() b()"},
		{"{name: ‸'..'}, {name: b}", diag.Error, diag.CodeSkillName, []string{`".."`}, "b()"},
		{"{name: ‸a/b}, {name: b}", diag.Error, diag.CodeSkillName, []string{`"a/b"`}, "b()"},
		{"‸{description: nameless}, {name: b}", diag.Error, diag.CodeSkillName, []string{"no name"}, "b()"},
		{"{name: a, tools: [{name: x, from: {sourceNamespace: web, action: ‸listRooms}}]}", diag.Warning, diag.CodeApproximateName, []string{"listRooms is read as list-rooms"}, "a(x)"},
		{"{name: a, location: ‸'file:///opt/none', tools: [{name: x, instruction: g.md}]}", diag.Warning, diag.CodeSkillLocation, []string{"is outside", "--allow-path"}, "a(x)"},
		{"{name: a, ‸call: api.get, inputParameters: [{name: q}]}, {name: b}", diag.Warning, diag.CodeUnsupportedFeature, []string{"left out", "adapter of type mcp"}, "b()"},
		{"{name: a, ‸hints: {readOnly: true}, tools: [{name: x, " + from + "}]}", diag.Warning, diag.CodeUnsupportedFeature, []string{"means nothing in a skill"}, "a(x)"},
	} {
		text := strings.Replace(withSkills(c.skills), ", {name: broken, call: api.nothing}", "", 1)
		unit, list := compileSkills(t, text, &skillFiles{})
		d := &document{t: t, unit: unit, list: list}
		d.found(text, c.sev, c.code, c.says...)
		if len(list) != 1 {
			t.Errorf("%s: found %v", c.skills, list)
		}
		if got := listed(unit); got != c.listed {
			t.Errorf("%s: listed %q, want %q", c.skills, got, c.listed)
		}
	}
}

// listed gives the skills and tools that are not refused.
func listed(u *plan.Unit) string {
	var out []string
	for _, s := range skillsOf(u) {
		if s.Refusal != nil {
			continue
		}
		var tools []string
		for _, tool := range s.Tools {
			if tool.Refusal == nil {
				tools = append(tools, tool.Name)
			}
		}
		out = append(out, s.Name+"("+strings.Join(tools, " ")+")")
	}
	return strings.Join(out, " ")
}

// A tool whose source is refused goes with it, without a finding of its own.
func TestSkillOfARefusedTool(t *testing.T) {
	t.Parallel()
	unit, list := compileSkills(t, withSkills("{name: a, tools: [{name: x, from: {sourceNamespace: agent, action: broken}}, {name: y, from: {sourceNamespace: web, action: list-rooms}}]}"), nil)
	if len(list) != 1 || list[0].Code != diag.CodeUnresolvedOperation || !strings.Contains(list[0].Related[len(list[0].Related)-1].Message, "tool x") {
		t.Errorf("%+v", list)
	}
	if got := listed(unit); got != "a(y)" {
		t.Error(got)
	}
	if r := skillsOf(unit)[0].Tools[0].Refusal; r == nil || r.Code != diag.CodeUnresolvedOperation {
		t.Errorf("%+v", r)
	}
}

// Documents with nothing but skills are served; with nothing but operations among skills not.
func TestDocumentsOfSkills(t *testing.T) {
	t.Parallel()
	const head = "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - {type: skill, port: 1, namespace: s, skills: ["
	if d := load(t, head+"{name: a}]}\n"); d.unit == nil || len(d.list) > 0 {
		t.Errorf("%v", d.list)
	}
	if d := load(t, head+"{name: a, call: x.y}]}\n"); d.unit != nil || d.codes() != "error nothing-exposed, warning unsupported-feature" {
		t.Errorf("%v", d.list)
	}
	if d := load(t, head+"{name: a}], tools: [{name: t, call: x.y}]}\n"); d.unit == nil || d.codes() != "warning unsupported-feature" {
		t.Errorf("%v", d.list)
	}
}

func TestSkillAddresses(t *testing.T) {
	t.Parallel()
	const head = "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n"
	one := func(skills string) string {
		return head + "  - {type: skill, port: 1, namespace: s, skills: [" + skills + "]}\n"
	}
	two := head + "  - {type: skill, port: 1, namespace: s, skills: [{name: a}]}\n  - {type: skill, port: 1, namespace: z, skills: [{name: a}, {name: b}]}\n"
	for _, c := range []struct {
		name   string
		docs   map[string]string
		mounts string
		bare   string
		codes  string
	}{
		{"one", map[string]string{"d": one("{name: a}, {name: b}")}, "/skills/d", "a=d b=d", ""},
		{"the name of the document", map[string]string{"a": one("{name: a}")}, "/skills/a", "a=a", ""},
		{"and a skill that is called as a part of it", map[string]string{"a": one("{name: a}, {name: contents}")}, "/skills/a", "contents=a", "shadowed-address"},
		{"the name of another document", map[string]string{"a": one("{name: x}"), "b": one("{name: a}")}, "/skills/a /skills/b", "x=a", "shadowed-address"},
		{"a part of another document", map[string]string{"a/contents": one("{name: x}"), "b": one("{name: a}")}, "/skills/a/contents /skills/b", "x=a/contents", "shadowed-address"},
		{"the beginning of another document", map[string]string{"a/more": one("{name: x}"), "b": one("{name: a}")}, "/skills/a/more /skills/b", "x=a/more a=b", ""},
		{"the same name twice", map[string]string{"x": one("{name: a}"), "y": one("{name: a}, {name: c}")}, "/skills/x /skills/y", "a=x c=y", "route-conflict"},
		{"below a document", map[string]string{"d": one("{name: x}"), "d/x": one("{name: y}")}, "/skills/d /skills/d/x", "x=d y=d/x", "shadowed-address"},
		{"several adapters", map[string]string{"d": two}, "/skills/d /skills/d/s /skills/d/z", "a=d b=d", "route-conflict"},
		{"a refused skill", map[string]string{"d": one("{name: a, description: [x]}, {name: '.'}")}, "/skills/d", "a=d", ""},
	} {
		var units []*plan.Unit
		for id, text := range c.docs {
			doc, _ := spec.Parse(id+".yaml", []byte(text), spec.Limits{})
			doc.ID = id
			unit, _ := plan.Compile(doc, nil)
			units = append(units, unit)
		}
		p, list := plan.Link(nil, units, plan.LinkOptions{})
		l := p.Listener("127.0.0.1:1")
		var mounts, bare, codes []string
		for _, m := range l.Mounts {
			mounts = append(mounts, m.Path)
		}
		for _, b := range l.Skills {
			bare = append(bare, b.Skill.Name+"="+b.Exposure.Unit.ID)
		}
		for _, d := range list {
			codes = append(codes, string(d.Code))
		}
		if got := strings.Join(mounts, " "); got != c.mounts {
			t.Errorf("%s: mounts %s, want %s", c.name, got, c.mounts)
		}
		if got := strings.Join(bare, " "); got != c.bare {
			t.Errorf("%s: bare %s, want %s", c.name, got, c.bare)
		}
		if got := strings.Join(codes, " "); got != c.codes {
			t.Errorf("%s: findings %v, want %s", c.name, list, c.codes)
		}
		if again, _ := plan.Link(p, units, plan.LinkOptions{}); again.Listeners[0] != l {
			t.Errorf("%s: the listener is made anew although nothing changed", c.name)
		}
	}
}

// TestPublishedSkills: no published skill is refused, and no tool of one for a reason of its own.
func TestPublishedSkills(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join(shared, "corpus/specs/*.yaml"))
	if err != nil || len(names) == 0 {
		t.Skip("no published documents beside this checkout")
	}
	adapters, skills, tools := 0, 0, 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, _ := spec.Parse(filepath.Base(name), text, spec.Limits{})
		if doc == nil {
			continue
		}
		unit, list := plan.Compile(doc, &skillFiles{})
		for _, d := range list {
			if d.Severity == diag.Error && strings.Contains(string(d.Code), "skill") {
				t.Errorf("%s", d)
			}
		}
		if unit == nil {
			continue
		}
		for _, x := range unit.Exposures {
			if x.Kind == plan.Skill {
				adapters++
			}
		}
		for _, s := range skillsOf(unit) {
			skills++
			tools += len(s.Tools)
		}
	}
	t.Logf("%d adapters, %d skills, %d tools", adapters, skills, tools)
	if adapters < 100 || skills < adapters || tools < skills {
		t.Errorf("only %d adapters, %d skills, %d tools", adapters, skills, tools)
	}
}

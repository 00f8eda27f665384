package spec

import (
	"strings"

	"capd/engine/diag"
)

// Skill is one skill of a skill adapter.
type Skill struct {
	Span          diag.Span
	Node          *Value // what it was read from
	Name          Text
	Description   Text
	License       Text
	Compatibility Text
	Metadata      []Member // scalars
	AllowedTools  Text     // words; a list reads as its words
	ArgumentHint  Text     // a list reads as it is written
	Location      Text     // folder with the skill's files

	UserInvocable          Tristate
	DisableModelInvocation Tristate

	Tools []SkillTool
	// Call is the first key by which the entry is an operation and no skill, such as call or
	// inputParameters; or not set.
	Call Text
}

// SkillTool is one tool of a skill: an operation of another adapter, or an instruction.
type SkillTool struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	Description Text
	HasFrom     bool
	Namespace   Text // from.sourceNamespace
	Action      Text // from.action
	Instruction Text
}

// skills reads what a skill adapter offers.
func (p *parser) skills(v *Value) []Skill {
	var out []Skill
	for _, e := range p.entries(v, "skills", "skill", diag.Error) {
		out = append(out, p.skill(e))
	}
	return out
}

func (p *parser) skill(e entry) Skill {
	p.keys(e.value, skillKeys, skillSilent)
	s := Skill{
		Span: e.span, Node: e.value, Name: e.name, Description: p.text(e.value, "description"),
		License: p.text(e.value, "license"), Compatibility: p.text(e.value, "compatibility"),
		Metadata:     p.metadata(e.value),
		AllowedTools: p.words(e.value, "allowed-tools"), ArgumentHint: p.written(e.value, "argument-hint"),
		Location:               p.text(e.value, "location"),
		UserInvocable:          p.tristate(e.value, "user-invocable", Unset),
		DisableModelInvocation: p.tristate(e.value, "disable-model-invocation", Unset),
	}
	for _, t := range p.entries(e.value, "tools", "tool", diag.Error) {
		s.Tools = append(s.Tools, p.skillTool(t))
	}
	for _, m := range e.value.Members {
		if m.Value.given() && listed(skillCalls, m.Key.Value) {
			s.Call = m.Key
			break
		}
	}
	return s
}

func (p *parser) skillTool(e entry) SkillTool {
	p.keys(e.value, skillToolKeys, skillToolSilent)
	t := SkillTool{
		Span: e.span, Node: e.value, Name: e.name,
		Description: p.text(e.value, "description"), Instruction: p.text(e.value, "instruction"),
	}
	from := some(e.value, "from")
	if from == nil {
		return t
	}
	t.HasFrom = true
	if from.Kind != Map {
		p.wrongType(from, "from", "a mapping with sourceNamespace and action")
		return t
	}
	p.keys(from, skillSourceKeys, "")
	t.Namespace, t.Action = p.text(from, "sourceNamespace"), p.text(from, "action")
	return t
}

// metadata reads facts that stand as text. What is no scalar is left out.
func (p *parser) metadata(v *Value) []Member {
	facts := some(v, "metadata")
	if facts == nil {
		return nil
	}
	if facts.Kind != Map {
		p.wrongType(facts, "metadata", "a mapping of texts")
		return nil
	}
	var out []Member
	for _, m := range facts.Members {
		switch m.Value.Kind {
		case Null:
		case List, Map:
			p.wrongType(m.Value, quote(m.Key.Value), "text")
		default:
			out = append(out, m)
		}
	}
	return out
}

// words gives a text of words, which may also be a list of them.
func (p *parser) words(v *Value, key string) Text {
	list := v.Get(key)
	if list == nil || list.Kind != List {
		return p.text(v, key)
	}
	return Text{Value: strings.Join(values(p.texts(v, key)), " "), node: list}
}

// written gives a text, and a list as YAML writes it in one line: [room-id] is meant as text
// by those who write it without quotes.
func (p *parser) written(v *Value, key string) Text {
	list := v.Get(key)
	if list == nil || list.Kind != List {
		return p.text(v, key)
	}
	return Text{Value: "[" + strings.Join(values(p.texts(v, key)), ", ") + "]", node: list}
}

func values(list []Text) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.Value
	}
	return out
}

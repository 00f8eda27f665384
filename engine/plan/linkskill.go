package plan

import (
	"slices"

	"capd/engine/diag"
)

// bareSkills puts skills at /skills/<name> too, where their own port has them. Of several
// documents that claim one name, the first ID wins; a document's address stays the document's.
func (l *linker) bareSkills(x *Listener) {
	claimed := map[string]*BareSkill{}
	for _, m := range x.Mounts {
		if m.Exposure.Kind != Skill || !m.Main {
			continue
		}
		for _, s := range m.Exposure.Skills {
			if s.Refusal != nil {
				continue
			}
			if o := l.options.Policy.owner(literalPath(Skill.Prefix(), s.Name)); o != nil && !o.isOf(l.options.Subjects[m.Exposure.Unit]) {
				l.note(diag.Warning, diag.CodeRouteConflict, m.Exposure, s.Span, "", "skill %s belongs to another document, as the policy says; here it is served at %s/%s only", s.Name, m.Path, s.Name)
				l.list[len(l.list)-1].Related = []diag.Related{{Span: o.span, Message: "the policy says whose it is"}}
				continue
			}
			if first := claimed[s.Name]; first != nil {
				l.skillConflict(m, s, first)
				continue
			}
			if o := x.hidesBareSkill(m, s); o != nil {
				l.note(diag.Warning, diag.CodeShadowedAddress, m.Exposure, s.Span, "rename the skill, or one of the documents",
					"/%s/%s is hidden by document %s; the skill is served at %s/%s only", Skill.Prefix(), s.Name, o.Exposure.Unit.ID, m.Path, s.Name)
				continue
			}
			b := &BareSkill{Exposure: m.Exposure, Skill: s}
			claimed[s.Name] = b
			x.Skills = append(x.Skills, b)
		}
	}
}

// literalPath gives a path without placeholders.
func literalPath(names ...string) []Segment {
	out := make([]Segment, len(names))
	for i, name := range names {
		out[i] = Segment{{Literal: name, Param: -1}}
	}
	return out
}

func (l *linker) skillConflict(m *Mount, s *SkillEntry, first *BareSkill) {
	who := "document " + first.Exposure.Unit.ID
	if first.Exposure.Unit == m.Exposure.Unit {
		who = "adapter " + adapterName(first.Exposure)
	}
	l.note(diag.Warning, diag.CodeRouteConflict, m.Exposure, s.Span, "", "skill %s is claimed by %s too; here it is served at %s/%s only", s.Name, who, m.Path, s.Name)
	l.list[len(l.list)-1].Related = []diag.Related{{Span: first.Skill.Span, Message: "served at the bare path"}}
}

// hidesBareSkill gives the address that takes a bare skill's place, or nil. That of the skill's
// own document does not: both are answered there in one.
func (x *Listener) hidesBareSkill(of *Mount, s *SkillEntry) *Mount {
	i := slices.IndexFunc(x.Mounts, func(m *Mount) bool {
		own := m.Exposure == of.Exposure && len(m.Segments) == 1 && !m.Exposure.hasSkill("contents", "download")
		return m.Exposure.Kind == Skill && !own && hidesSkill(m.Segments, s)
	})
	if i < 0 {
		return nil
	}
	return x.Mounts[i]
}

// hasSkill reports whether the exposure lists a skill of one of the names.
func (x *Exposure) hasSkill(names ...string) bool {
	return slices.ContainsFunc(x.Skills, func(s *SkillEntry) bool { return s.Refusal == nil && slices.Contains(names, s.Name) })
}

// hidesSkill reports whether an address, as segments behind the place where a skill is found
// by its name, is one of the skill's.
func hidesSkill(segments []string, s *SkillEntry) bool {
	if len(segments) == 0 || segments[0] != s.Name {
		return false
	}
	return len(segments) == 1 || segments[1] == "contents" || segments[1] == "download" && len(segments) == 2
}

package skill

import (
	"bytes"
	"encoding/json"

	"capd/engine/plan"
)

// catalogue is what one exposure has to say. It is immutable.
type catalogue struct {
	exposure *plan.Exposure
	skills   map[string]*skill
	body     []byte // its listing
}

// skill is one skill with its details.
type skill struct {
	*plan.SkillEntry
	body []byte // its details
	both []byte // its details and the listing of its exposure
}

// listing is the answer that lists skills.
type listing struct {
	Count  int       `json:"count"`
	Skills []summary `json:"skills"`
	// Catalogues are there when an address has skills of several exposures.
	Catalogues []catalogueEntry `json:"catalogues,omitempty"`
}

type summary struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	License     string   `json:"license,omitempty"`
	Tools       []string `json:"tools"`
}

type catalogueEntry struct {
	ID          string `json:"id"`
	Namespace   string `json:"namespace,omitempty"`
	Label       string `json:"label,omitempty"`
	Description string `json:"description,omitempty"`
	URL         string `json:"url"` // path on this origin that the names of its skills continue
	Count       int    `json:"count"`
}

// details is the answer about one skill. What is not declared is not there.
type details struct {
	Name                   string            `json:"name"`
	Description            string            `json:"description,omitempty"`
	License                string            `json:"license,omitempty"`
	Compatibility          string            `json:"compatibility,omitempty"`
	ArgumentHint           string            `json:"argument-hint,omitempty"`
	AllowedTools           string            `json:"allowed-tools,omitempty"`
	UserInvocable          *bool             `json:"user-invocable,omitempty"`
	DisableModelInvocation *bool             `json:"disable-model-invocation,omitempty"`
	Metadata               map[string]string `json:"metadata,omitempty"`
	Tools                  []tool            `json:"tools"`
}

type tool struct {
	Name          string         `json:"name"`
	Description   string         `json:"description,omitempty"`
	Type          string         `json:"type"`
	InvocationRef *invocationRef `json:"invocationRef,omitempty"`
	Instruction   string         `json:"instruction,omitempty"`
}

type invocationRef struct {
	TargetNamespace string `json:"targetNamespace"`
	Action          string `json:"action"`
	Mode            string `json:"mode"`
}

func newCatalogue(x *plan.Exposure) (*catalogue, error) {
	c := &catalogue{exposure: x, skills: map[string]*skill{}}
	list := listing{Skills: []summary{}}
	for _, s := range x.Skills {
		if s.Refusal == nil {
			list.add(s)
		}
	}
	var err error
	if c.body, err = encode(list); err != nil {
		return nil, err
	}
	for _, entry := range x.Skills {
		if entry.Refusal != nil {
			continue
		}
		s := &skill{SkillEntry: entry}
		about := newDetails(entry)
		if s.body, err = encode(about); err != nil {
			return nil, err
		}
		if s.both, err = encode(struct {
			details
			listing
		}{about, list}); err != nil {
			return nil, err
		}
		c.skills[s.Name] = s
	}
	return c, nil
}

func (l *listing) add(s *plan.SkillEntry) {
	l.Count++
	tools := []string{}
	for _, t := range s.Tools {
		if t.Refusal == nil {
			tools = append(tools, t.Name)
		}
	}
	l.Skills = append(l.Skills, summary{s.Name, s.Description, s.License, tools})
}

func newDetails(s *plan.SkillEntry) details {
	d := details{
		Name: s.Name, Description: s.Description, License: s.License, Compatibility: s.Compatibility,
		ArgumentHint: s.ArgumentHint, AllowedTools: s.AllowedTools,
		UserInvocable: s.UserInvocable, DisableModelInvocation: s.DisableModelInvocation, Tools: []tool{},
	}
	for _, m := range s.Metadata {
		if d.Metadata == nil {
			d.Metadata = map[string]string{}
		}
		d.Metadata[m.Name] = m.Value
	}
	for _, t := range s.Tools {
		if t.Refusal == nil {
			d.Tools = append(d.Tools, newTool(t))
		}
	}
	return d
}

func newTool(t *plan.SkillTool) tool {
	out := tool{Name: t.Name, Description: t.Description, Type: "instruction", Instruction: t.Instruction}
	if t.Target != nil {
		out.Type, out.Instruction = "derived", ""
		out.InvocationRef = &invocationRef{t.Target.Exposure.Namespace, t.Target.Action, string(t.Target.Exposure.Kind)}
	}
	return out
}

// newIndex lists the skills of an address, and the exposures when there are several, all but
// hidden ones.
func newIndex(l *plan.Listener, hidden map[*plan.Exposure]bool) ([]byte, error) {
	list := listing{Skills: []summary{}}
	for _, b := range l.Skills {
		if !hidden[b.Exposure] {
			list.add(b.Skill)
		}
	}
	var of []catalogueEntry
	for _, m := range l.Mounts {
		if m.Main && m.Exposure.Kind == plan.Skill && !hidden[m.Exposure] {
			of = append(of, newCatalogueEntry(m))
		}
	}
	if len(of) > 1 {
		list.Catalogues = of
	}
	return encode(list)
}

func newCatalogueEntry(m *plan.Mount) catalogueEntry {
	x := m.Exposure
	e := catalogueEntry{Namespace: x.Namespace, Description: x.Description, URL: m.Path}
	if u := x.Unit; u != nil {
		e.ID, e.Label = u.ID, u.Label
		if e.Description == "" {
			e.Description = u.Description
		}
	}
	for _, s := range x.Skills {
		if s.Refusal == nil {
			e.Count++
		}
	}
	return e
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

package portable

import (
	"slices"
	"strconv"
	"strings"
)

// asRoot makes a shape one that can be the root: an object, whatever it was.
func (s *shape) asRoot() {
	s.typ, s.choices, s.enum, s.items, s.words = typeObject, nil, nil, nil, nil
	for _, name := range s.required {
		if s.field(name) == nil {
			s.fields = append(s.fields, field{name, &shape{}})
		}
	}
}

// flatten makes one object of a choice between objects: every member of any of them, of
// which those are required that all require. What goes together is said in words, because
// clients refuse a choice at the root; a call is checked against the declared schema.
func (s *shape) flatten(root bool) {
	if len(s.choices) > 0 && (root || len(s.fields) > 0) {
		s.absorb()
	}
	if len(s.choices) > 0 && s.typ != "" {
		s.pushType()
	}
	if s.typ != typeObject {
		return
	}
	for _, name := range s.required { // some clients refuse a requirement of what is not there
		if s.field(name) == nil {
			s.fields = append(s.fields, field{name, &shape{}})
		}
	}
}

func (s *shape) absorb() {
	var objects []*shape
	for _, c := range s.choices {
		if len(c.choices) > 0 {
			c.absorb()
		}
		if c.typ == typeObject || c.typ == "" {
			objects = append(objects, c)
		}
	}
	if len(objects) == 0 {
		return
	}
	own := len(s.fields)
	for _, c := range objects {
		s.addFields(c, own)
	}
	all := slices.Clone(objects[0].required)
	for _, c := range objects[1:] {
		all = slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(c.required, name) })
	}
	var either []combination
	said := false
	for _, c := range objects {
		x := c.combination(slices.Concat(s.required, all))
		said = said || len(x.names) > 0 || x.label != ""
		either = append(either, x)
		s.either = append(s.either, c.either...)
	}
	if said && len(either) > 1 {
		s.either = append(s.either, either...)
	}
	for _, name := range all {
		if !slices.Contains(s.required, name) {
			s.required = append(s.required, name)
		}
	}
	s.typ, s.choices = typeObject, nil
}

// addFields adds the members of a choice. The first own members are s's own, which stay.
func (s *shape) addFields(c *shape, own int) {
	for _, f := range c.fields {
		at := slices.IndexFunc(s.fields, func(o field) bool { return o.name == f.name })
		switch {
		case at < 0:
			s.fields = append(s.fields, f)
		case at >= own:
			s.fields[at].shape = unite([]*shape{s.fields[at].shape, f.shape})
		}
	}
}

// combination gives what a choice requires beside what is required anyway.
func (s *shape) combination(anyway []string) combination {
	c := combination{label: truncate(firstOf(s.title, s.description), 100), only: map[string]string{}}
	for _, name := range s.required {
		f := s.field(name)
		fixed := f != nil && len(f.enum) == 1
		if slices.Contains(anyway, name) && !fixed {
			continue
		}
		c.names = append(c.names, name)
		if fixed {
			c.only[name] = string(f.enum[0])
		}
	}
	return c
}

// pushType gives the choices the type that stands beside them: some clients take a choice
// only alone.
func (s *shape) pushType() {
	for i, c := range s.choices {
		if c.typ == "" && len(c.choices) == 0 {
			with := *c
			with.typ = s.typ
			s.choices[i] = &with
		}
	}
	if len(s.fields) == 0 && s.items == nil && len(s.enum) == 0 {
		s.typ = ""
	}
}

// maxEither bounds the text about what goes together.
const maxEither = 2000

// eitherText says what goes together, with names as they are published.
func eitherText(either []combination, published func(string) string) string {
	if len(either) == 0 {
		return ""
	}
	var parts []string
	for i, c := range either {
		var names []string
		for _, name := range c.names {
			text := published(name)
			if only, ok := c.only[name]; ok {
				text += " " + only
			}
			names = append(names, text)
		}
		text := strings.Join(names, " and ")
		switch {
		case text == "" && c.label == "":
			text = "nothing more"
		case text == "":
			text = c.label
		case c.label != "":
			text = c.label + ": " + text
		}
		parts = append(parts, "("+strconv.Itoa(i+1)+") "+strings.TrimRight(text, ". "))
	}
	return truncate("Give one of these: "+strings.Join(parts, "; ")+".", maxEither)
}

package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// finding is one mistake: the value at pointer breaks a keyword of the schema.
type finding struct {
	pointer string // of the value, RFC 6901
	rule    string // of the keyword within the schema, RFC 6901
	keyword string
	kinds   []string // for type: the JSON types allowed
	names   []string // for required: the members that are missing; for additionalProperties: those there may be
	anyName bool     // one of names is enough
	several bool     // for oneOf: more than one form fits
	low     any      // for minimum and maximum: the bounds, nil where there is none
	high    any
}

// findings reduces the tree of errors of the library to one finding for each mistake.
func (v *checker) findings(e *jsonschema.ValidationError, document any) []finding {
	pointer := unescapeLocation(e.InstanceLocation)
	_, rule, _ := strings.Cut(unescapeLocation(e.AbsoluteKeywordLocation), "#")
	_, keyword := cutLast(rule)
	if len(e.Causes) == 0 {
		return []finding{v.leaf(pointer, rule, document)}
	}
	branches := make([][]finding, len(e.Causes))
	for i, cause := range e.Causes {
		branches[i] = v.findings(cause, document)
	}
	if keyword == "anyOf" || keyword == "oneOf" {
		return choose(pointer, rule, branches)
	}
	return slices.Concat(branches...)
}

// leaf reads from the text of the schema what the broken keyword expects.
func (v *checker) leaf(pointer, rule string, document any) finding {
	parent, keyword := cutLast(rule)
	f := finding{pointer: pointer, rule: rule, keyword: keyword}
	expected := lookup(v.text, rule)
	switch keyword {
	case "type":
		f.kinds = texts(expected)
	case "required":
		members, _ := lookup(document, pointer).(map[string]any)
		for _, name := range texts(expected) {
			if _, given := members[name]; !given {
				f.names = append(f.names, name)
			}
		}
	case "oneOf":
		f.several = true // forms of which none fits are causes
	case "minimum", "maximum":
		f.low, f.high = lookup(v.text, parent+"/minimum"), lookup(v.text, parent+"/maximum")
	}
	if name, ok := expected.(string); ok && isDependent(parent) { // /dependentRequired/given/0
		f.keyword, f.names = "required", []string{name}
	}
	return f
}

// strangers puts in the place of each mapping with members that it may not have these members.
func (v *checker) strangers(found []finding, document any) []finding {
	out := make([]finding, 0, len(found))
	for _, f := range found {
		if f.keyword != "additionalProperties" {
			out = append(out, f)
			continue
		}
		parent, _ := cutLast(f.rule)
		known, _ := lookup(v.text, parent+"/properties").(map[string]any)
		members, _ := lookup(document, f.pointer).(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if _, ok := known[name]; !ok {
				out = append(out, finding{
					pointer: f.pointer + "/" + escaped(name), rule: f.rule, keyword: f.keyword, names: slices.Sorted(maps.Keys(known)),
				})
			}
		}
	}
	return out
}

// isDependent reports whether a rule is a list of members that another member wants.
func isDependent(rule string) bool {
	above, _ := cutLast(rule)
	_, keyword := cutLast(above)
	return keyword == "dependentRequired" || keyword == "dependencies"
}

// texts reads a keyword that is a string or a list of strings.
func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// choose says what is wrong with a value that fits none of several forms. The form the
// author meant is the one whose kind and whose "type" member fit; when that does not
// single one out, the value itself is the mistake, and it is reported once.
func choose(pointer, rule string, branches [][]finding) []finding {
	var meant [][]finding
	for _, b := range branches {
		if !slices.ContainsFunc(b, func(f finding) bool { return f.rejectsForm(pointer) }) {
			meant = append(meant, b)
		}
	}
	if len(meant) == 1 {
		return meant[0]
	}
	_, keyword := cutLast(rule)
	whole := finding{pointer: pointer, rule: rule, keyword: keyword}
	all := slices.Concat(branches...)
	switch {
	case every(all, pointer, "type"):
		whole.keyword = "type"
		for _, f := range all {
			whole.kinds = append(whole.kinds, f.kinds...)
		}
	case every(all, pointer, "required"):
		whole.keyword, whole.anyName = "required", true
		for _, f := range all {
			whole.names = append(whole.names, f.names...)
		}
	}
	return []finding{whole}
}

// rejectsForm reports whether the finding shows that the value at pointer was meant in
// another form: it is of another kind, or its "type" member says so.
func (f finding) rejectsForm(pointer string) bool {
	switch f.keyword {
	case "type":
		return f.pointer == pointer
	case "const", "enum":
		return f.pointer == pointer+"/type"
	}
	return false
}

func every(list []finding, pointer, keyword string) bool {
	return !slices.ContainsFunc(list, func(f finding) bool { return f.pointer != pointer || f.keyword != keyword })
}

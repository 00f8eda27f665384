package plan

import (
	"fmt"

	"capd/engine/expr"
)

// output is the compiled shape of an answer (contract R).
type output struct {
	kind    outputKind
	path    *expr.JSONPath // of kinds that read; nil: the value they are given
	literal *expression    // outputConst
	typ     string         // declared type of a scalar or a constant
	names   []string       // outputObject
	parts   []*output      // outputObject: members; outputFirst: candidates
	items   *output        // outputList, outputOne, outputMembers
	max     int            // maxLength of a string, in code points; 0: none
	xml     bool           // outputList: the answer was XML, which has no lists
	omit    bool           // nothing is written where there is no value, instead of null

	whereabouts
}

type outputKind uint8

const (
	outputPath    outputKind = iota + 1 // the value at path
	outputConst                         // a constant
	outputObject                        // an object of parts
	outputList                          // each element through items
	outputFirst                         // the first part that is not null
	outputOne                           // a list of one element that the document holds
	outputMembers                       // each member of an object through items
)

// append writes the value; around is what was found in the text that the output's path begins
// in.
func (o *output) append(r *rendering, around expr.Found) error {
	if o.kind == outputConst {
		o.appendConst(r)
		return nil
	}
	if o.list != nil && r.appendMade(around, o.list) {
		return nil
	}
	value, ok, err := around.Value(o.place)
	switch {
	case err != nil:
		return fmt.Errorf("evaluating a mapping: %w", err)
	case !ok && o.xml:
		return o.appendElements(r, o.listOfXML(nil, false))
	case !ok && o.kind == outputPath && o.omit:
		return nil
	case !ok:
		r.add("null")
		return nil
	}
	switch o.kind {
	case outputObject, outputFirst, outputOne:
		return o.appendParts(r, value, around)
	case outputList:
		return o.appendList(r, value)
	case outputMembers:
		return o.appendMembers(r, value)
	}
	o.appendValue(r, value)
	return nil
}

// appendParts writes what is made of several parts of a value.
func (o *output) appendParts(r *rendering, value []byte, around expr.Found) error {
	if o.kind == outputObject && o.path != nil && !o.path.IsWhole() && expr.Kind(value) == 'n' {
		r.add("null")
		return nil
	}
	if o.inner != nil {
		return r.inside(new(expr.Pass), o.inner, value, o.appendAround)
	}
	return o.appendAround(r, around)
}

// appendAround writes the parts by what was found around them.
func (o *output) appendAround(r *rendering, around expr.Found) error {
	switch o.kind {
	case outputFirst:
		return o.appendFirst(r, around)
	case outputOne:
		r.add("[")
		err := o.items.append(r, around)
		r.add("]")
		return err
	}
	return o.appendObject(r, around)
}

func (o *output) appendObject(r *rendering, around expr.Found) error {
	begin := len(r.text)
	r.add("{")
	for i, p := range o.parts {
		before := len(r.text)
		if before > begin+1 {
			r.add(",")
		}
		r.add(o.quoted[i])
		named := len(r.text)
		if err := p.append(r, around); err != nil {
			return err
		}
		if len(r.text) == named {
			r.text = r.text[:before] // the part has no value and says nothing of it
		}
	}
	if o.omit && len(r.text) == begin+1 {
		r.text = r.text[:begin]
		return nil
	}
	r.add("}")
	return nil
}

func (o *output) appendFirst(r *rendering, around expr.Found) error {
	begin := len(r.text)
	for _, p := range o.parts {
		r.text = r.text[:begin]
		if err := p.append(r, around); err != nil {
			return err
		}
		if string(r.text[begin:]) != "null" {
			return nil
		}
	}
	r.text = append(r.text[:begin], "null"...)
	return nil
}

func (o *output) appendList(r *rendering, value []byte) error {
	elements, ok := expr.Elements(value)
	switch {
	case o.xml:
		elements = o.listOfXML(value, true)
	case !ok:
		r.add("null")
		return nil
	}
	return o.appendElements(r, elements)
}

func (o *output) appendElements(r *rendering, elements [][]byte) error {
	var pass expr.Pass
	r.add("[")
	for i, e := range elements {
		if i > 0 {
			r.add(",")
		}
		if err := r.inside(&pass, o.inner, e, o.items.append); err != nil {
			return err
		}
	}
	r.add("]")
	return nil
}

func (o *output) appendMembers(r *rendering, value []byte) error {
	if expr.Kind(value) != '{' {
		r.add("null")
		return nil
	}
	var pass expr.Pass
	r.add("{")
	for i, f := range objectFields(value) {
		if i > 0 {
			r.add(",")
		}
		r.text = append(appendString(r.text, f.name), ':')
		if err := r.inside(&pass, o.inner, appendJSON(nil, f.value.literal), o.items.append); err != nil {
			return err
		}
	}
	r.add("}")
	return nil
}

func (o *output) appendConst(r *rendering) {
	v := convertText(o.literal.eval(r.scope), o.typ)
	if o.omit && isAbsent(v) {
		return
	}
	begin := len(r.text)
	r.text = appendJSON(r.text, v)
	value := r.text[begin:]
	r.text = r.text[:begin]
	o.appendValue(r, value) // which mostly stands there already
}

// appendValue writes a value as it came, a string no longer than maxLength.
func (o *output) appendValue(r *rendering, value []byte) {
	value = o.typed(value, r.scope)
	if o.max > 0 && len(value) > o.max && expr.Kind(value) == '"' {
		if text, ok := parseValue(value).(string); ok {
			if runes := []rune(text); len(runes) > o.max {
				r.text = appendString(r.text, string(runes[:o.max]))
				return
			}
		}
	}
	r.text = append(r.text, value...)
}

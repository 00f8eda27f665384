package plan

import (
	"fmt"

	"capd/engine/expr"
)

// output is the compiled shape of an answer (contract R).
type output struct {
	kind    outputKind
	typ     valueType      // declared, of a scalar or a constant
	xml     bool           // outputList: the answer was XML, which has no lists
	omit    bool           // nothing is written where there is no value, instead of null
	max     int            // maxLength of a string, in code points; 0: none
	path    *expr.JSONPath // of kinds that read; nil: the value they are given, or, of an outputPath, it is located
	literal *expression    // outputConst
	made    *outputParts   // outputObject, outputFirst
	items   *output        // outputList, outputOne, outputMembers

	whereabouts
}

// outputParts are what an output is made of.
type outputParts struct {
	names  []string  // outputObject; nil once it is located
	quoted []string  // outputObject: its names as they are written, between comma and colon
	list   []*output // outputObject: members; outputFirst: candidates
}

// parts gives what an output is made of.
func (o *output) parts() []*output {
	if o.made == nil {
		return nil
	}
	return o.made.list
}

// addPart adds a member, or, without a name, a candidate.
func (o *output) addPart(name string, part *output) {
	if o.made == nil {
		o.made = &outputParts{}
	}
	if o.made.list = append(o.made.list, part); o.kind == outputObject {
		o.made.names = append(o.made.names, name)
	}
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
func (o *output) append(dst []byte, around expr.Found, r *rendering) ([]byte, error) {
	if o.kind == outputConst {
		return o.appendConst(dst, r.scope), nil
	}
	if o.list != nil {
		if made, ok := r.made(dst, around, o.list); ok {
			return append(dst, made...), nil
		}
	}
	value, ok, err := around.Value(o.place)
	switch {
	case err != nil:
		return nil, fmt.Errorf("evaluating a mapping: %w", err)
	case !ok && o.xml:
		return o.appendElements(dst, nil, false, r)
	case !ok && o.kind == outputPath && o.omit:
		return dst, nil
	case !ok:
		return append(dst, "null"...), nil
	}
	switch o.kind {
	case outputObject, outputFirst, outputOne:
		return o.appendParts(dst, value, around, r)
	case outputList:
		return o.appendList(dst, value, r)
	case outputMembers:
		return o.appendMembers(dst, value, r)
	}
	return o.appendValue(dst, value, r.scope), nil
}

// appendParts writes what is made of several parts of a value.
func (o *output) appendParts(dst, value []byte, around expr.Found, r *rendering) ([]byte, error) {
	if o.kind == outputObject && o.path != nil && !o.path.IsWhole() && expr.Kind(value) == 'n' {
		return append(dst, "null"...), nil
	}
	if o.inner != nil {
		return r.inside(dst, new(expr.Pass), o.inner, value, o.appendAround)
	}
	return o.appendAround(dst, around, r)
}

// appendAround writes the parts by what was found around them.
func (o *output) appendAround(dst []byte, around expr.Found, r *rendering) ([]byte, error) {
	switch o.kind {
	case outputFirst:
		return o.appendFirst(dst, around, r)
	case outputOne:
		dst, err := o.items.append(append(dst, '['), around, r)
		return append(dst, ']'), err
	}
	return o.appendObject(dst, around, r)
}

func (o *output) appendObject(dst []byte, around expr.Found, r *rendering) ([]byte, error) {
	begin := len(dst)
	dst = append(dst, '{')
	for i, p := range o.parts() {
		before := len(dst)
		name := o.made.quoted[i]
		if before == begin+1 {
			name = name[1:]
		}
		dst = append(dst, name...)
		named := len(dst)
		var err error
		if dst, err = p.append(dst, around, r); err != nil {
			return nil, err
		}
		if len(dst) == named {
			dst = dst[:before] // the part has no value and says nothing of it
		}
	}
	if o.omit && len(dst) == begin+1 {
		return dst[:begin], nil
	}
	return append(dst, '}'), nil
}

func (o *output) appendFirst(dst []byte, around expr.Found, r *rendering) ([]byte, error) {
	begin := len(dst)
	for _, p := range o.parts() {
		var err error
		if dst, err = p.append(dst[:begin], around, r); err != nil {
			return nil, err
		}
		if string(dst[begin:]) != "null" {
			return dst, nil
		}
	}
	return append(dst[:begin], "null"...), nil
}

func (o *output) appendList(dst, value []byte, r *rendering) ([]byte, error) {
	if !o.xml && expr.Kind(value) != '[' {
		return append(dst, "null"...), nil
	}
	return o.appendElements(dst, value, true, r)
}

// appendElements writes the list that was found, or what XML has for one.
func (o *output) appendElements(dst, value []byte, found bool, r *rendering) ([]byte, error) {
	var pass expr.Pass
	var err error
	dst = append(dst, '[')
	more := false
	one := func(e []byte) bool {
		if more {
			dst = append(dst, ',')
		}
		more = true
		if dst, err = r.inside(dst, &pass, o.inner, e, o.items.append); err == nil && !r.holds(len(dst)) {
			err = r.account.Err()
		}
		return err == nil
	}
	if o.xml {
		o.eachOfXML(value, found, one)
	} else {
		expr.EachElement(value, one)
	}
	if err != nil {
		return nil, err
	}
	return append(dst, ']'), nil
}

func (o *output) appendMembers(dst, value []byte, r *rendering) ([]byte, error) {
	if expr.Kind(value) != '{' {
		return append(dst, "null"...), nil
	}
	var pass expr.Pass
	account := expr.NewAccount(r.held)
	defer account.Close()
	fields := objectFields(value, &account)
	if account.Err() != nil {
		return nil, account.Err()
	}
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, f.name), ':')
		var err error
		if dst, err = r.inside(dst, &pass, o.inner, appendJSON(nil, f.value.literal), o.items.append); err != nil {
			return nil, err
		}
		if !r.holds(len(dst)) {
			return nil, r.account.Err()
		}
	}
	return append(dst, '}'), nil
}

func (o *output) appendConst(dst []byte, s *scope) []byte {
	v := convertText(o.literal.eval(s), o.typ.String())
	if o.omit && isAbsent(v) {
		return dst
	}
	begin := len(dst)
	dst = appendJSON(dst, v)
	return o.appendValue(dst[:begin], dst[begin:], s) // which mostly stands there already
}

// appendValue writes a value as it came, a string no longer than maxLength.
func (o *output) appendValue(dst, value []byte, s *scope) []byte {
	value = o.typed(value, s)
	if o.max > 0 && len(value) > o.max && expr.Kind(value) == '"' {
		if text, ok := parseValue(value).(string); ok {
			if runes := []rune(text); len(runes) > o.max {
				return appendString(dst, string(runes[:o.max]))
			}
		}
	}
	return append(dst, value...)
}

package plan

import (
	"fmt"

	"capd/engine/expr"
)

// output is the compiled shape of an answer (contract R). It appends the JSON of its value.
type output struct {
	kind    outputKind
	path    *expr.JSONPath // of kinds that read; nil: the value they are given
	literal *expression    // outputConst
	typ     string         // declared type of a scalar or a constant
	names   []string       // outputObject
	parts   []*output      // outputObject: members; outputFirst: candidates
	items   *output        // outputList
	max     int            // maxLength of a string, in code points; 0: none
	xml     bool           // outputList: the answer was XML, which has no lists
	omit    bool           // nothing is written where there is no value, instead of null
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

// render gives the JSON of the mapped value. raw is the JSON of the upstream's answer; nil
// when there is no upstream.
func (o *output) render(raw []byte, s *scope) ([]byte, error) {
	out, err := o.append(nil, raw, s)
	if err != nil {
		return nil, &Error{Code: CodeBadOutput, Message: "the upstream's answer cannot be mapped", Cause: err}
	}
	return out, nil
}

func (o *output) append(dst, raw []byte, s *scope) ([]byte, error) {
	if o.kind == outputConst {
		v := convertText(o.literal.eval(s), o.typ)
		if o.omit && isAbsent(v) {
			return dst, nil
		}
		return o.cut(dst, o.typed(appendJSON(nil, v), s)), nil
	}
	value := raw
	if o.path != nil {
		var ok bool
		var err error
		if value, ok, err = o.path.Find(raw); err != nil {
			return nil, fmt.Errorf("evaluating a mapping: %w", err)
		} else if !ok && o.xml {
			return o.appendElements(dst, o.listOfXML(nil, false), s)
		} else if !ok {
			return append(dst, "null"...), nil
		}
	}
	switch o.kind {
	case outputObject:
		return o.appendObject(dst, value, s)
	case outputList:
		return o.appendList(dst, value, s)
	case outputMembers:
		return o.appendMembers(dst, value, s)
	case outputOne:
		var err error
		if dst, err = o.items.append(append(dst, '['), value, s); err != nil {
			return nil, err
		}
		return append(dst, ']'), nil
	case outputFirst:
		return o.appendFirst(dst, value, s)
	}
	return o.cut(dst, o.typed(value, s)), nil
}

func (o *output) appendObject(dst, value []byte, s *scope) ([]byte, error) {
	if o.path != nil && !o.path.IsWhole() && expr.Kind(value) == 'n' {
		return append(dst, "null"...), nil
	}
	begin := len(dst)
	dst = append(dst, '{')
	for i, p := range o.parts {
		before := len(dst)
		if before > begin+1 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, o.names[i]), ':')
		named := len(dst)
		var err error
		if dst, err = p.append(dst, value, s); err != nil {
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

func (o *output) appendList(dst, value []byte, s *scope) ([]byte, error) {
	elements, ok := expr.Elements(value)
	switch {
	case o.xml:
		elements = o.listOfXML(value, true)
	case !ok:
		return append(dst, "null"...), nil
	}
	return o.appendElements(dst, elements, s)
}

func (o *output) appendElements(dst []byte, elements [][]byte, s *scope) ([]byte, error) {
	dst = append(dst, '[')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = o.items.append(dst, e, s); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (o *output) appendMembers(dst, value []byte, s *scope) ([]byte, error) {
	if expr.Kind(value) != '{' {
		return append(dst, "null"...), nil
	}
	dst = append(dst, '{')
	for i, f := range objectFields(value) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, f.name), ':')
		var err error
		if dst, err = o.items.append(dst, appendJSON(nil, f.value.literal), s); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (o *output) appendFirst(dst, value []byte, s *scope) ([]byte, error) {
	for _, p := range o.parts {
		got, err := p.append(nil, value, s)
		if err != nil {
			return nil, err
		}
		if string(got) != "null" {
			return append(dst, got...), nil
		}
	}
	return append(dst, "null"...), nil
}

// cut applies maxLength to a string and leaves everything else as it came.
func (o *output) cut(dst, value []byte) []byte {
	if o.max > 0 && expr.Kind(value) == '"' {
		if text, ok := parseValue(value).(string); ok {
			if r := []rune(text); len(r) > o.max {
				return appendString(dst, string(r[:o.max]))
			}
		}
	}
	return append(dst, value...)
}

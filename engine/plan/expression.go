package plan

import (
	"bytes"
	"strings"

	"capd/engine/expr"
)

// expression is a compiled value: where it comes from is known, what it is shows at the call.
type expression struct {
	kind     exprKind
	typ      valueType    // exprInput
	index    int32        // exprInput: of Operation.inputs; exprResult: of Operation.steps; exprReply: of asking
	literal  any          // exprLiteral: a value
	variable *Variable    // exprVariable
	parts    []expression // exprText: concatenated; exprList: elements; exprObject: members
	detail   *detail      // nil where there is none
}

// detail is what only some expressions have.
type detail struct {
	said  string         // exprResult, exprReply: how the document says it
	path  *expr.JSONPath // exprResult, exprFind, exprAnswer, exprReply: what is taken of the value
	names []string       // exprObject: of the members
	*embedding
}

// embedding is how values are written into a text of another language.
type embedding struct {
	quoted  []bool   // exprJSON: whether each of parts stands inside a JSON string
	dialect dialect  // exprEmbedded
	within  []within // exprEmbedded: what each of parts stands in
}

type exprKind uint8

const (
	exprLiteral exprKind = iota + 1
	exprInput
	exprVariable
	exprText
	exprList
	exprObject
	exprJSON     // JSON text with values in it, each encoded for where it stands
	exprEmbedded // text of another language with values in it, each written for where it stands

	exprResult // the value at path in what came of a step
	exprFind   // the value at path in the one of parts

	exprAnswer // the value at path in the answer of the one call, or in an element of a list
	exprURI    // a URI of which parts are written as such
	exprFilled // an argument of a prompt, or, without one, literal: what the document says there
	exprReply  // the value at path in the answer to a question
)

// addMember adds a member to an exprObject.
func (x *expression) addMember(name string, value expression) {
	if x.detail == nil {
		x.detail = &detail{}
	}
	x.detail.names, x.parts = append(x.detail.names, name), append(x.parts, value)
}

func literalExpr(v any) expression { return expression{kind: exprLiteral, literal: v} }

// scope is what expressions are evaluated in: one per call.
type scope struct {
	args    []any
	vars    *boundUnit
	results []stepResult
	answer  []byte // JSON: what exprAnswer looks into; nil: nothing
	body    []byte // the answer of the one call as it came
	// mediaType of body.
	mediaType string
	replies   [][]byte // of the operation's questions; nil for one that was not answered
	caller    *Caller
	held      *holding // memory of the call
	benches   *workbenches
	// placeholders: what a step did not give stands as <step.member> (BindOptions.Placeholders).
	placeholders bool
	strict       bool     // mapped values must have their declared types
	misfits      bool     // one had not
	secrets      []Secret // values of variables that were used, to mask them
	err          *Error   // the first reason why the call cannot be made
}

func (s *scope) variable(x *Variable) string {
	v := &s.vars.values[x.index]
	if v.err != nil && s.err == nil {
		s.err = v.err
	}
	s.use(v.value)
	return v.value.Reveal()
}

func (s *scope) use(v Secret) {
	for _, have := range s.secrets {
		if have == v {
			return
		}
	}
	if !v.IsEmpty() {
		s.secrets = append(s.secrets, v)
	}
}

// eval gives the value. In JSON an absent value removes its member or element, and a
// container that becomes empty because of that (contract E4).
func (x *expression) eval(s *scope) any {
	switch x.kind {
	case exprLiteral:
		return x.literal
	case exprInput:
		return convertText(s.args[x.index], x.typ.String())
	case exprVariable:
		return s.variable(x.variable)
	case exprText:
		return x.text(s)
	case exprList:
		return x.list(s)
	case exprObject:
		if x.detail == nil {
			return object(nil, nil, s)
		}
		return object(x.detail.names, x.parts, s)
	case exprJSON:
		return x.jsonText(s)
	case exprEmbedded:
		return x.embedded(s)
	case exprResult:
		return x.fromResult(s)
	case exprAnswer:
		return s.find(s.answer, x.detail.path)
	case exprURI:
		return x.uriText(s)
	case exprFilled:
		if v := s.args[x.index]; !isAbsent(v) {
			return v
		}
		return x.literal
	case exprReply:
		return x.fromReply(s)
	case exprFind:
		v := x.parts[0].eval(s)
		if isAbsent(v) {
			return v
		}
		return s.find(appendJSON(nil, v), x.detail.path)
	}
	return absent{}
}

// list gives the list of the parts that are there. When none of several is, nor is the list.
func (x *expression) list(s *scope) any {
	out := make([]any, 0, len(x.parts))
	for i := range x.parts {
		if v := x.parts[i].eval(s); !isAbsent(v) {
			out = append(out, v)
		}
	}
	if len(out) == 0 && len(x.parts) > 0 {
		return absent{}
	}
	return out
}

// fromResult gives what a path finds in the result of a step, whose secrets are those of the value too.
func (x *expression) fromResult(s *scope) any {
	from := &s.results[x.index]
	for _, v := range from.secrets {
		s.use(v)
	}
	return x.orPlaceholder(s, s.find(from.value, x.detail.path))
}

// fromReply gives what a path finds in an answer to a question that was put to the caller.
func (x *expression) fromReply(s *scope) any {
	if int(x.index) >= len(s.replies) {
		return x.orPlaceholder(s, absent{})
	}
	return x.orPlaceholder(s, s.find(s.replies[x.index], x.detail.path))
}

// orPlaceholder gives a value or, where calls are only shown, a word in the place of one that is not there yet, such as <step.member>.
func (x *expression) orPlaceholder(s *scope, v any) any {
	if isAbsent(v) && s.placeholders {
		return "<" + x.detail.said + ">"
	}
	return v
}

// find gives the value at a path of a JSON text, absent where there is none.
func (s *scope) find(raw []byte, path *expr.JSONPath) any {
	if raw == nil {
		return absent{}
	}
	found, ok := s.findText(raw, path)
	if !ok {
		return absent{}
	}
	return parseValue(found)
}

// findText gives the JSON text at a path of another one.
func (s *scope) findText(raw []byte, path *expr.JSONPath) (found []byte, ok bool) {
	found, ok, err := path.Find(raw, s.held)
	if err != nil && s.err == nil {
		s.err = s.held.unfound("the answer of a step cannot be searched", err)
	}
	return found, ok && err == nil
}

// textOf gives the text form of the value, of a variable without making a value of it.
func (x *expression) textOf(s *scope) string {
	if x.kind == exprVariable {
		return s.variable(x.variable)
	}
	return textOf(x.eval(s))
}

func (x *expression) text(s *scope) string {
	if len(x.parts) == 1 {
		return x.parts[0].textOf(s)
	}
	var room [128]byte
	b := room[:0]
	for i := range x.parts {
		b = append(b, x.parts[i].textOf(s)...)
	}
	return string(b)
}

// joinedText gives the value as the function of that name does.
func (x *expression) joinedText(s *scope) (text string, ok bool) {
	switch x.kind {
	case exprVariable:
		return s.variable(x.variable), true
	case exprText:
		return x.text(s), true
	}
	return joinedText(x.eval(s))
}

// object gives the object of members that have a value, absent if none has.
func object(names []string, values []expression, s *scope) any {
	out := []byte{'{'}
	n := 0
	for i := range values {
		v := values[i].eval(s)
		if isAbsent(v) {
			continue
		}
		if n > 0 {
			out = append(out, ',')
		}
		out = appendString(out, names[i])
		out = append(out, ':')
		out = appendJSON(out, v)
		n++
	}
	if n == 0 && len(values) > 0 {
		return absent{}
	}
	return rawJSON(append(out, '}'))
}

// jsonText encodes each value for its place, so that no value can break the text around it.
// An absent one takes its member or element with it (contract E4).
func (x *expression) jsonText(s *scope) any {
	b := make([]byte, 0, 256)
	gone := false
	for i := range x.parts {
		v := x.parts[i].eval(s)
		switch {
		case x.parts[i].kind == exprLiteral:
			b = append(b, textOf(v)...)
		case x.detail.quoted[i]:
			b = appendEscaped(b, textOf(v))
		case isAbsent(v):
			b = append(b, absentMark...)
			gone = true
		default:
			b = appendJSON(b, v)
		}
	}
	if gone {
		return withoutAbsent(b)
	}
	return parseValue(b)
}

// absentMark stands in a JSON text where an absent value was. A caller who writes the same
// takes out what he put in.
const absentMark = `{"\u0000":"\u0000absent"}`

// withoutAbsent takes marked members and elements out of a JSON text, and containers that
// become empty because of that.
func withoutAbsent(raw []byte) any {
	var names []string
	var parts []expression
	switch {
	case string(raw) == absentMark:
		return absent{}
	case !bytes.Contains(raw, []byte(absentMark)):
		return parseValue(raw)
	case expr.Kind(raw) == '[':
		elements, _ := expr.Elements(raw)
		for _, e := range elements {
			parts = append(parts, literalExpr(withoutAbsent(e)))
		}
		x := expression{kind: exprList, parts: parts}
		return x.eval(&scope{})
	}
	expr.Members(raw, func(name string, value []byte) {
		names = append(names, name)
		parts = append(parts, literalExpr(withoutAbsent(value)))
	})
	return object(names, parts, &scope{})
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// canBeObject reports whether the value can be a JSON object.
func (x *expression) canBeObject() bool {
	switch x.kind {
	case exprText, exprEmbedded, exprList:
		return false
	case exprLiteral:
		raw, ok := x.literal.(rawJSON)
		return ok && raw[0] == '{'
	}
	return true
}

// walk visits the expression and everything inside it.
func (x *expression) walk(visit func(*expression)) {
	visit(x)
	for i := range x.parts {
		x.parts[i].walk(visit)
	}
}

// step gives how the document names the first value of a step that it uses.
func (x *expression) step() (name string, ok bool) {
	if e := x.first(exprResult); e != nil {
		return e.detail.said, true
	}
	return "", false
}

// reply gives how the document names the first answer of the user that it uses.
func (x *expression) reply() (name string, ok bool) {
	if e := x.first(exprReply); e != nil {
		return e.detail.said, true
	}
	return "", false
}

// input gives the index of the first input it uses.
func (x *expression) input() (index int, ok bool) {
	if e := x.first(exprInput); e != nil {
		return int(e.index), true
	}
	return 0, false
}

// first gives the first part of a kind, the expression itself included; nil when there is none.
func (x *expression) first(kind exprKind) *expression {
	if x.kind == kind {
		return x
	}
	for i := range x.parts {
		if e := x.parts[i].first(kind); e != nil {
			return e
		}
	}
	return nil
}

// eachInput visits the indices of the inputs it uses.
func (x *expression) eachInput(visit func(int)) {
	if x.kind == exprInput {
		visit(int(x.index))
	}
	for i := range x.parts {
		x.parts[i].eachInput(visit)
	}
}

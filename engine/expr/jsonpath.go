package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ohler55/ojg/jp"
)

// JSONPath is a compiled mapping: the whole value, a chain of members and indices, or any
// other JSONPath (RFC 9535). A trailing ".length" asks for the number of a list's elements.
type JSONPath struct {
	steps    []step
	many     bool // a step is a wildcard
	length   bool
	full     jp.Expr     // set when steps cannot say it
	compared comparisons // of full
}

type step struct {
	name    string
	index   int
	isIndex bool
	isAll   bool // a wildcard
}

// ParseJSONPath compiles s. "", "$" and "$." mean the whole value. A path that does not
// begin with "$" is read as if "$." stood in front. The error's text says what is wrong
// and, where known, at which byte of s.
func ParseJSONPath(s string) (*JSONPath, error) {
	s = strings.TrimSpace(s)
	rest, ok := strings.CutPrefix(s, "$")
	switch {
	case rest == "" || rest == ".":
		return &JSONPath{}, nil
	case !ok && !strings.HasPrefix(rest, "["):
		rest = "." + s
	}
	p := &JSONPath{}
	if head, found := strings.CutSuffix(rest, ".length"); found {
		p.length, rest = true, head
	} else if head, found := strings.CutSuffix(rest, ".length()"); found {
		p.length, rest = true, head
	}
	if steps, ok := plainSteps(rest); ok {
		p.steps = steps
		p.many = slices.ContainsFunc(steps, func(s step) bool { return s.isAll })
		return p, nil
	}
	x, err := jp.ParseString("$" + rest)
	if err != nil {
		return nil, fmt.Errorf("%q is not a JSONPath: %w", s, err)
	}
	if len(x) == 0 {
		return nil, fmt.Errorf("%q is not a JSONPath", s)
	}
	p.full, p.compared = x, comparisons{}
	if err := p.compared.add(x); err != nil {
		return nil, fmt.Errorf("%q is not a JSONPath: %w", s, err)
	}
	return p, nil
}

// plainSteps reads .name, ['name'], [n], .* and [*].
func plainSteps(s string) ([]step, bool) {
	var room [8]step // most paths are short
	out := room[:0]
	for s != "" {
		switch {
		case strings.HasPrefix(s, ".*"):
			out = append(out, step{isAll: true})
			s = s[2:]
		case strings.HasPrefix(s, "[*]"):
			out = append(out, step{isAll: true})
			s = s[3:]
		case strings.HasPrefix(s, "['") || strings.HasPrefix(s, `["`):
			end := strings.Index(s[2:], s[1:2]+"]")
			if end < 0 || strings.ContainsAny(s[2:2+end], `\'"`) {
				return nil, false
			}
			out = append(out, step{name: s[2 : 2+end]})
			s = s[2+end+2:]
		case s[0] == '[':
			end := strings.IndexByte(s, ']')
			if end < 2 {
				return nil, false
			}
			n, ok := index(s[1:end])
			if !ok {
				return nil, false
			}
			out = append(out, step{index: n, isIndex: true})
			s = s[end+1:]
		case s[0] == '.' && len(s) > 1:
			end := strings.IndexAny(s[1:], ".[")
			if end < 0 {
				end = len(s) - 1
			}
			name := s[1 : 1+end]
			if name == "" || strings.ContainsAny(name, "*?()@$'\"\\ ,:") {
				return nil, false
			}
			out = append(out, step{name: name})
			s = s[1+end:]
		default:
			return nil, false
		}
	}
	return append([]step(nil), out...), true
}

// IsWhole reports whether the path stands for the whole value.
func (p *JSONPath) IsWhole() bool { return len(p.steps) == 0 && p.full == nil && !p.length }

// IsPlain reports whether the path is a chain of members, indices and wildcards.
func (p *JSONPath) IsPlain() bool { return p.full == nil }

// Names gives the members the path goes through, "" for any list element, as far as they
// are known beforehand.
func (p *JSONPath) Names() []string {
	if p.IsWhole() {
		return nil
	}
	return p.AppendNames(make([]string, 0, len(p.steps)+len(p.full)+1))
}

// AppendNames appends what [JSONPath.Names] gives.
func (p *JSONPath) AppendNames(out []string) []string {
	for _, s := range p.steps {
		out = append(out, s.name)
	}
	for _, f := range p.full {
		switch f := f.(type) {
		case jp.Child:
			out = append(out, string(f))
		case jp.Nth, jp.Wildcard, *jp.Filter, jp.Slice:
			out = append(out, "")
		case jp.Root:
		default:
			return out
		}
	}
	if p.length {
		out = append(out, "")
	}
	return out
}

// Find gives the JSON text of the value at the path in raw, which must be valid JSON. ok is
// false when nothing is there; an explicit null is there. A path that can match several
// values gives the list of them. If that takes more memory than raw, room is asked for it first, and
// so it is while a path needs raw to be decoded, for as long as that takes: the error is [ErrNoRoom]
// when there is none, [ErrTree] when raw holds too many values, or [ErrTooMuch] when what is found is
// out of all proportion.
func (p *JSONPath) Find(raw []byte, room Room) (value []byte, ok bool, err error) {
	if p.full != nil {
		value, ok, err = findFull(p.full, p.compared, raw, room)
	} else {
		value, ok = p.findPlain(raw)
	}
	if err != nil || !ok || !p.length {
		return value, ok, err
	}
	return p.size(value)
}

func (p *JSONPath) findPlain(raw []byte) ([]byte, bool) {
	if p.many {
		found := collect(nil, raw, p.steps)
		if found == nil {
			return []byte("[]"), true
		}
		found[0] = '[' // where the first comma stands
		return append(found, ']'), true
	}
	value := raw
	for _, s := range p.steps {
		var ok bool
		if value, ok = s.find(value); !ok {
			return nil, false
		}
	}
	return value, true
}

func (s *step) find(raw []byte) ([]byte, bool) {
	if s.isIndex {
		return Element(raw, s.index)
	}
	return Member(raw, s.name)
}

// collect writes all values that the steps lead to, in the order of raw, each behind a comma.
func collect(dst, raw []byte, steps []step) []byte {
	if len(steps) == 0 {
		return append(append(dst, ','), raw...)
	}
	first, rest := &steps[0], steps[1:]
	if !first.isAll {
		if value, ok := first.find(raw); ok {
			dst = collect(dst, value, rest)
		}
		return dst
	}
	EachElement(raw, func(e []byte) bool {
		dst = collect(dst, e, rest)
		return true
	})
	members(raw, func(_, value []byte) { dst = collect(dst, value, rest) })
	return dst
}

// list writes a JSON list of values.
func list(values [][]byte) []byte {
	size := len("[]")
	for _, v := range values {
		size += len(v) + len(",")
	}
	out := append(make([]byte, 0, size), '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

// size answers ".length": of a list its length, else of an object its member "length".
func (p *JSONPath) size(value []byte) ([]byte, bool, error) {
	if n, ok := count(value); ok {
		return strconv.AppendInt(nil, int64(n), 10), true, nil
	}
	v, ok := Member(value, "length")
	return v, ok, nil
}

// CutAll takes a path apart that has one wildcard and is otherwise a chain of members: the path
// to the list or object, and the one from each of its values.
func (p *JSONPath) CutAll() (list, each *JSONPath, ok bool) {
	if p == nil || p.full != nil || p.length {
		return nil, nil, false
	}
	at := slices.IndexFunc(p.steps, func(s step) bool { return s.isAll })
	if at < 0 || slices.ContainsFunc(p.steps[at+1:], func(s step) bool { return s.isAll }) {
		return nil, nil, false
	}
	return &JSONPath{steps: p.steps[:at]}, &JSONPath{steps: p.steps[at+1:]}, true
}

// CutName takes the first member name off the path, for values that are held under that
// name. ok is false when the path does not begin with a plain name.
func (p *JSONPath) CutName() (name string, rest *JSONPath, ok bool) {
	name, left, ok := p.cutName()
	if !ok {
		return "", nil, false
	}
	return name, &left, true
}

func (p *JSONPath) cutName() (name string, rest JSONPath, ok bool) {
	if len(p.steps) > 0 && !p.steps[0].isIndex && !p.steps[0].isAll {
		cut := JSONPath{steps: p.steps[1:], length: p.length}
		cut.many = slices.ContainsFunc(cut.steps, func(s step) bool { return s.isAll })
		return p.steps[0].name, cut, true
	}
	if len(p.full) < 2 || strings.Contains(p.full[1:].String(), "$") {
		return "", rest, false
	}
	child, ok := p.full[1].(jp.Child)
	if !ok {
		return "", rest, false
	}
	cut := JSONPath{length: p.length, compared: p.compared}
	if len(p.full) > 2 {
		cut.full = append(jp.Expr{jp.Root('$')}, p.full[2:]...)
	}
	return string(child), cut, true
}

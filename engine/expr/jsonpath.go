package expr

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ohler55/ojg"
	"github.com/ohler55/ojg/jp"
	"github.com/ohler55/ojg/oj"
)

// JSONPath is a compiled mapping: the whole value, a chain of members and indices, or any
// other JSONPath (RFC 9535). A trailing ".length" asks for the number of a list's elements.
type JSONPath struct {
	steps  []step
	length bool
	full   jp.Expr // set when steps cannot say it
}

type step struct {
	name    string
	index   int
	isIndex bool
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
	case !ok:
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
		return p, nil
	}
	x, err := jp.ParseString("$" + rest)
	if err != nil {
		return nil, fmt.Errorf("%q is not a JSONPath: %w", s, err)
	}
	if len(x) == 0 {
		return nil, fmt.Errorf("%q is not a JSONPath", s)
	}
	p.full = x
	return p, nil
}

// plainSteps reads .name, ['name'] and [n].
func plainSteps(s string) ([]step, bool) {
	var out []step
	for s != "" {
		switch {
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
	return out, true
}

// IsWhole reports whether the path stands for the whole value.
func (p *JSONPath) IsWhole() bool { return len(p.steps) == 0 && p.full == nil && !p.length }

// Names gives the members the path goes through, "" for any list element, as far as they
// are known beforehand.
func (p *JSONPath) Names() []string {
	var out []string
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
	return out
}

// Find gives the JSON text of the value at the path in raw, which must be valid JSON. ok is
// false when nothing is there; an explicit null is there. A path that can match several
// values gives the list of them.
func (p *JSONPath) Find(raw []byte) (value []byte, ok bool, err error) {
	if p.full != nil {
		value, ok, err = p.findFull(raw)
	} else {
		value, ok = p.findPlain(raw)
	}
	if err != nil || !ok || !p.length {
		return value, ok, err
	}
	return p.size(value)
}

func (p *JSONPath) findPlain(raw []byte) ([]byte, bool) {
	value := raw
	for _, s := range p.steps {
		var ok bool
		if s.isIndex {
			value, ok = Element(value, s.index)
		} else {
			value, ok = Member(value, s.name)
		}
		if !ok {
			return nil, false
		}
	}
	return value, true
}

func (p *JSONPath) findFull(raw []byte) ([]byte, bool, error) {
	tree, err := oj.Parse(raw)
	if err != nil {
		return nil, false, err
	}
	found := p.full.Get(tree)
	if isDefinite(p.full) {
		if len(found) == 0 {
			return nil, false, nil
		}
		return encode(found[0])
	}
	if found == nil {
		found = []any{}
	}
	return encode(found)
}

// size answers ".length": of a list its length, else of an object its member "length".
func (p *JSONPath) size(value []byte) ([]byte, bool, error) {
	if all, ok := Elements(value); ok {
		return fmt.Appendf(nil, "%d", len(all)), true, nil
	}
	v, ok := Member(value, "length")
	return v, ok, nil
}

func isDefinite(x jp.Expr) bool {
	for _, f := range x {
		switch f.(type) {
		case jp.Root, jp.Child, jp.Nth, jp.At:
		default:
			return false
		}
	}
	return true
}

func encode(v any) ([]byte, bool, error) {
	if n, ok := v.(json.Number); ok {
		return []byte(n), true, nil
	}
	b, err := oj.Marshal(v, &ojg.Options{Sort: false, HTMLUnsafe: true})
	return b, err == nil, err
}

package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// stringifier is JSON.stringify with limits: goja's own cannot be stopped.
type stringifier struct {
	guard    *guard
	out      []byte
	limit    int64 // of out, in bytes
	over     Kind  // what a longer one is
	replacer func(goja.FunctionCall) goja.Value
	only     []string // the members that are written, if the replacer is a list
	gap      string
	indent   string
	stack    []*goja.Object
	count    int
	counted  int // bytes of out that the meter knows
}

// stringify is JSON.stringify(value, replacer, space) of a script.
func (g *guard) stringify(call goja.FunctionCall) goja.Value {
	s := &stringifier{guard: g, limit: g.meter.largest(), over: MemoryLimit}
	s.options(call.Argument(1), call.Argument(2))
	holder := g.vm.NewObject()
	if err := holder.Set("", call.Argument(0)); err != nil || !s.value(holder, "", call.Argument(0)) {
		return goja.Undefined()
	}
	return g.vm.ToValue(string(s.out))
}

func (s *stringifier) options(replacer, space goja.Value) {
	if o, ok := replacer.(*goja.Object); ok {
		if f, ok := native(o); ok {
			s.replacer = f
		} else if o.ClassName() == "Array" {
			s.only = []string{}
			for i := range s.guard.extent(o) {
				s.only = append(s.only, o.Get(strconv.FormatInt(i, 10)).String())
			}
		}
	}
	switch {
	case isText(space):
		s.gap = space.String()
	case space != nil && !goja.IsUndefined(space) && !goja.IsNull(space):
		s.gap = strings.Repeat(" ", int(max(0, min(space.ToInteger(), 10))))
	}
	if len(s.gap) > 10 {
		s.gap = strings.ToValidUTF8(s.gap[:10], "")
	}
}

// native gives a function of a script, or of the language, as one that can be called here.
func native(v goja.Value) (func(goja.FunctionCall) goja.Value, bool) {
	f, ok := goja.AssertFunction(v)
	if !ok {
		return nil, false
	}
	return func(call goja.FunctionCall) goja.Value {
		got, err := f(call.This, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return got
	}, true
}

// value writes the member key of holder. It is false for what JSON does not have.
func (s *stringifier) value(holder *goja.Object, key string, v goja.Value) bool {
	s.spend()
	if o, ok := v.(*goja.Object); ok {
		if f, ok := native(o.Get("toJSON")); ok {
			v = f(goja.FunctionCall{This: o, Arguments: []goja.Value{s.guard.vm.ToValue(key)}})
		}
	}
	if s.replacer != nil {
		v = s.replacer(goja.FunctionCall{This: holder, Arguments: []goja.Value{s.guard.vm.ToValue(key), v}})
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return s.primitive(v)
	}
	switch o.ClassName() {
	case "Number":
		return s.primitive(o.ToNumber())
	case "String":
		return s.primitive(s.guard.text(o))
	case "Boolean":
		return s.primitive(s.guard.vm.ToValue(o.Export()))
	}
	if _, ok := goja.AssertFunction(o); ok {
		return false
	}
	s.object(o)
	return true
}

func (s *stringifier) primitive(v goja.Value) bool {
	switch {
	case v == nil || goja.IsUndefined(v):
		return false
	case goja.IsNull(v):
		s.out = append(s.out, "null"...)
		return true
	case isText(v):
		s.out = appendQuoted(s.out, v.String())
		return true
	}
	switch x := v.Export().(type) {
	case bool:
		s.out = strconv.AppendBool(s.out, x)
	case int64:
		s.out = strconv.AppendInt(s.out, x, 10)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			s.out = append(s.out, "null"...)
		} else {
			s.out = append(s.out, v.String()...)
		}
	default:
		return false // a symbol
	}
	return true
}

// object writes an array or any other object.
func (s *stringifier) object(o *goja.Object) {
	vm := s.guard.vm
	if len(s.stack) >= maxDepth {
		panic(vm.NewTypeError("the value is nested too deeply for JSON"))
	}
	for _, outer := range s.stack {
		if outer == o {
			panic(vm.NewTypeError("Converting circular structure to JSON"))
		}
	}
	s.stack = append(s.stack, o)
	outer := s.indent
	s.indent += s.gap
	begin, end := byte('{'), byte('}')
	if o.ClassName() == "Array" {
		begin, end = '[', ']'
	}
	s.out = append(s.out, begin)
	some := false
	if begin == '[' {
		some = s.elements(o)
	} else {
		some = s.members(o)
	}
	s.indent = outer
	if some {
		s.newLine()
	}
	s.out = append(s.out, end)
	s.stack = s.stack[:len(s.stack)-1]
}

func (s *stringifier) elements(o *goja.Object) bool {
	n := o.Get("length").ToInteger()
	for i := range n {
		s.separate(i > 0)
		key := strconv.FormatInt(i, 10)
		if !s.value(o, key, o.Get(key)) {
			s.out = append(s.out, "null"...)
		}
	}
	return n > 0
}

func (s *stringifier) members(o *goja.Object) bool {
	keys := s.only
	if keys == nil {
		keys = o.Keys()
	}
	some := false
	for _, key := range keys {
		before := len(s.out)
		s.separate(some)
		s.out = append(appendQuoted(s.out, key), ':')
		if s.gap != "" {
			s.out = append(s.out, ' ')
		}
		if v := o.Get(key); s.value(o, key, v) {
			some = true
			continue
		}
		s.out = s.out[:before]
		s.counted = min(s.counted, before)
	}
	return some
}

func (s *stringifier) separate(comma bool) {
	if comma {
		s.out = append(s.out, ',')
	}
	s.newLine()
}

func (s *stringifier) newLine() {
	if s.gap != "" {
		s.out = append(append(s.out, '\n'), s.indent...)
	}
}

// spend tells the meter what was written, now and then.
func (s *stringifier) spend() {
	if s.count++; s.count&0x3f != 0 && len(s.out)-s.counted < 1<<16 {
		return
	}
	grown := len(s.out) - s.counted
	s.counted = len(s.out)
	if int64(len(s.out)) > s.limit {
		s.guard.stop(s.guard.meter.fail(s.over, "a text of JSON is longer than %d bytes", s.limit))
	}
	s.guard.check(int64(grown))
}

// appendQuoted adds a string as JSON.stringify writes it.
func appendQuoted(out []byte, text string) []byte {
	out = append(out, '"')
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', byte(c))
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = utf8.AppendRune(out, c)
		}
		i += size
	}
	return append(out, '"')
}

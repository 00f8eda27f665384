package script

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// guard stands between a script and those functions of the language that can take long or
// much at once. They are functions of Go, which no interrupt reaches.
type guard struct {
	vm        *goja.Runtime
	meter     *meter
	describe  func(goja.FunctionCall) goja.Value // Object.getOwnPropertyDescriptor, untouched
	depth     int                                // of calls of join in each other
	undefined goja.Value
}

// elementBytes is what an element of an array takes.
const elementBytes = 16

// maxRegexp is how long one match of a regular expression may take: see [BoundRegexps].
const maxRegexp = time.Second

type function = func(goja.FunctionCall) goja.Value

// stop ends the run. What is thrown can be caught by the script, the interrupt cannot.
func (g *guard) stop(err error) {
	g.vm.Interrupt(err)
	panic(g.vm.NewGoError(err))
}

// check counts n bytes, and ends the run when they are too many or the time is over.
func (g *guard) check(n int64) {
	if err := g.meter.grow(n); err != nil {
		g.stop(err)
	}
	if g.meter.ctx.Err() != nil {
		g.stop(g.meter.ctx.Err())
	}
}

// install puts the guards in place. globals are those of instrumented programs.
func (g *guard) install() error {
	global := g.vm.GlobalObject()
	for name, f := range map[string]function{stepName: g.step, keepName: g.keep, spreadName: g.spread, argumentsName: g.arguments} {
		if err := global.DefineDataProperty(name, g.vm.ToValue(f), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
			return err
		}
	}
	object := global.Get("Object").(*goja.Object)
	g.describe = exported(object, "getOwnPropertyDescriptor")
	for _, name := range strings.Fields("ArrayBuffer SharedArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array " +
		"Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array BigUint64Array BigInt WeakRef FinalizationRegistry") {
		if err := global.Delete(name); err != nil {
			return err
		}
	}
	g.arrays(global.Get("Array").(*goja.Object))
	g.strings(global.Get("String").(*goja.Object))
	g.expressions(global.Get("RegExp").(*goja.Object))
	g.calls(global)
	return nil
}

// exported gives a function of the language as it is.
func exported(o *goja.Object, name string) function {
	v, ok := o.Get(name).(*goja.Object)
	if !ok {
		return nil
	}
	f, _ := v.Export().(function)
	return f
}

// around replaces a function that the language has.
func (g *guard) around(o *goja.Object, name string, with func(call goja.FunctionCall, was function) goja.Value) {
	was := exported(o, name)
	if was == nil {
		return
	}
	g.replace(o, name, func(call goja.FunctionCall) goja.Value { return with(call, was) })
}

func (g *guard) replace(o *goja.Object, name string, f function) {
	// The properties of the language can be replaced: this cannot fail.
	_ = o.DefineDataProperty(name, g.vm.ToValue(f), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

func (g *guard) step(call goja.FunctionCall) goja.Value {
	if err := g.meter.step(); err != nil {
		g.stop(err)
	}
	if n := call.Argument(0).ToInteger(); n > 0 {
		if err := g.meter.grow(n); err != nil {
			g.stop(err)
		}
	}
	return g.undefined
}

// keep counts a value that was just made. What goja already counts with is what a string of
// its length takes.
func (g *guard) keep(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	switch x := v.(type) {
	case goja.String:
		if n := x.Length(); n > 64 {
			g.check(int64(n))
		}
	case *goja.Object:
		if x.ClassName() == "Array" && !g.isProxy(x) {
			if n := x.Get("length").ToInteger(); n > 64 {
				g.check(product(n, elementBytes))
			}
		}
	}
	return v
}

// spread counts a value whose elements are about to be copied.
func (g *guard) spread(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	switch x := v.(type) {
	case goja.String:
		g.check(int64(x.Length()) * elementBytes * 2)
	case *goja.Object:
		if x.ClassName() == "Array" {
			n := g.extent(x)
			if n > maxSpread {
				panic(g.vm.NewTypeError("more than %d elements are spread: use concat", maxSpread))
			}
			g.check(n * elementBytes)
		}
	}
	return v
}

// maxSpread is how many elements may be spread at once: goja's time for it grows with the
// square of their number.
const maxSpread = 500_000

// maxArguments is how many arguments a call may have, as in other engines.
const maxArguments = 100_000

// arguments counts a value whose elements are about to be arguments of a call.
func (g *guard) arguments(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if g.extent(v) > maxArguments {
		panic(g.vm.NewTypeError("a call has more than %d arguments", maxArguments))
	}
	return v
}

// extent gives the length of an array or of what is used as one, and ends the run when it
// is more than an array may have. Its length must not change when it is asked again.
func (g *guard) extent(v goja.Value) int64 {
	switch x := v.(type) {
	case goja.String:
		return int64(x.Length())
	case *goja.Object:
		n := g.length(x)
		if n > g.meter.largest()/elementBytes {
			g.stop(g.meter.fail(MemoryLimit, "an array of the script has more than %d elements", g.meter.largest()/elementBytes))
		}
		return n
	}
	return 0
}

func (g *guard) length(o *goja.Object) int64 {
	if !g.isProxy(o) {
		if o.ClassName() == "Array" {
			return o.Get("length").ToInteger()
		}
		d, ok := g.describe(goja.FunctionCall{This: g.undefined, Arguments: []goja.Value{o, g.vm.ToValue("length")}}).(*goja.Object)
		if !ok && o.Get("length") == nil {
			return 0
		}
		if ok {
			if v := d.Get("value"); v != nil && !isObject(v) {
				return v.ToInteger()
			}
		}
	}
	panic(g.vm.NewTypeError("functions of arrays work on arrays here, not on objects that compute their length"))
}

func isObject(v goja.Value) bool {
	_, is := v.(*goja.Object)
	return is
}

func (g *guard) isProxy(o *goja.Object) bool {
	return o.ExportType() == reflect.TypeFor[goja.Proxy]()
}

// arrays guards the functions of arrays: all of them go through as many elements as the
// array's length says, whether they are there or not.
func (g *guard) arrays(array *goja.Object) {
	proto := array.Get("prototype").(*goja.Object)
	for _, name := range strings.Fields("every filter find findIndex findLast findLastIndex forEach includes indexOf lastIndexOf map " +
		"reduce reduceRight some keys values entries concat copyWithin fill slice splice reverse shift unshift toReversed toSpliced with") {
		g.around(proto, name, func(call goja.FunctionCall, was function) goja.Value {
			n := g.extent(call.This)
			for _, a := range call.Arguments {
				if o, ok := a.(*goja.Object); ok && (o.ClassName() == "Array" || name == "concat" && o.GetSymbol(goja.SymIsConcatSpreadable) != nil) {
					n += g.extent(o)
				}
			}
			g.check(n * elementBytes)
			return was(call)
		})
	}
	for _, name := range []string{"sort", "toSorted"} {
		g.around(proto, name, func(call goja.FunctionCall, was function) goja.Value {
			g.check(g.extent(call.This) * elementBytes)
			if f := call.Argument(0); goja.IsUndefined(f) {
				call.Arguments = []goja.Value{g.vm.ToValue(g.compare)}
			}
			return was(call)
		})
	}
	g.replace(proto, "join", func(call goja.FunctionCall) goja.Value { return g.join(call.This, call.Argument(0)) })
	g.replace(proto, "toLocaleString", func(call goja.FunctionCall) goja.Value { return g.join(call.This, g.undefined) })
	g.replace(proto, "flat", g.flat)
	each := exported(proto, "map")
	g.replace(proto, "flatMap", func(call goja.FunctionCall) goja.Value {
		return g.flat(goja.FunctionCall{This: each(call)})
	})
	g.around(array, "from", func(call goja.FunctionCall, was function) goja.Value {
		if o, ok := call.Argument(0).(*goja.Object); !ok || o.GetSymbol(goja.SymIterator) == nil || o.ClassName() == "Array" {
			g.check(g.extent(call.Argument(0)) * elementBytes)
		}
		return was(call)
	})
}

// compare is how an array is sorted without a function.
func (g *guard) compare(call goja.FunctionCall) goja.Value {
	g.check(0)
	return g.vm.ToValue(strings.Compare(call.Argument(0).String(), call.Argument(1).String()))
}

// join is Array.prototype.join.
func (g *guard) join(this, by goja.Value) goja.Value {
	o := this.ToObject(g.vm)
	n := g.extent(o)
	if g.depth++; g.depth > maxDepth {
		g.depth = 0
		panic(g.vm.NewTypeError("the array is nested too deeply for a text"))
	}
	defer func() { g.depth = max(0, g.depth-1) }()
	separator := g.vm.ToValue(",").(goja.String)
	if by != nil && !goja.IsUndefined(by) {
		separator = g.text(by)
	}
	var b goja.StringBuilder
	total, counted := int64(0), int64(0)
	write := func(s goja.String) {
		total += int64(s.Length())
		if total > g.meter.largest() {
			g.check(total)
		}
		if total-counted > 1<<16 {
			g.check(total - counted)
			counted = total
		}
		b.WriteString(s)
	}
	for i := range n {
		if i&0xff == 0xff {
			g.check(0)
		}
		if i > 0 && separator.Length() > 0 {
			write(separator)
		}
		if v := o.Get(strconv.FormatInt(i, 10)); v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			write(g.text(v))
		}
	}
	g.check(total - counted)
	return b.String()
}

// text gives a value as a string.
func (g *guard) text(v goja.Value) goja.String {
	if s, ok := v.(goja.String); ok {
		return s
	}
	return g.vm.ToValue(v.String()).(goja.String)
}

// flat is Array.prototype.flat.
func (g *guard) flat(call goja.FunctionCall) goja.Value {
	levels := int64(1)
	if v := call.Argument(0); !goja.IsUndefined(v) {
		levels = min(v.ToInteger(), maxDepth)
	}
	var out []any
	var add func(o *goja.Object, levels int64)
	add = func(o *goja.Object, levels int64) {
		n := g.extent(o)
		g.check(n * elementBytes)
		for i := range n {
			v := o.Get(strconv.FormatInt(i, 10))
			if inner, ok := v.(*goja.Object); ok && levels > 0 && inner.ClassName() == "Array" && !g.isProxy(inner) {
				add(inner, levels-1)
			} else if v != nil {
				if out = append(out, v); int64(len(out))*elementBytes > g.meter.largest() {
					g.check(int64(len(out)) * elementBytes)
				}
			}
		}
	}
	add(call.This.ToObject(g.vm), levels)
	return g.vm.NewArray(out...)
}

// strings guards what makes strings longer than their parts.
func (g *guard) strings(str *goja.Object) {
	proto := str.Get("prototype").(*goja.Object)
	g.around(proto, "repeat", func(call goja.FunctionCall, was function) goja.Value {
		call.This = g.subject(call.This)
		n := call.Argument(0).ToInteger()
		if s, ok := call.This.(goja.String); ok {
			g.check(product(int64(s.Length()), n))
		}
		return was(goja.FunctionCall{This: call.This, Arguments: []goja.Value{g.vm.ToValue(n)}})
	})
	for _, name := range []string{"padStart", "padEnd"} {
		g.around(proto, name, func(call goja.FunctionCall, was function) goja.Value {
			n := call.Argument(0).ToInteger()
			g.check(max(n, 0))
			args := append([]goja.Value{g.vm.ToValue(n)}, call.Arguments[min(1, len(call.Arguments)):]...)
			return was(goja.FunctionCall{This: call.This, Arguments: args})
		})
	}
	for _, name := range strings.Fields("concat normalize toUpperCase toLowerCase toLocaleUpperCase toLocaleLowerCase split anchor link " +
		"big blink bold fixed fontcolor fontsize italics small strike sub sup") {
		g.around(proto, name, func(call goja.FunctionCall, was function) goja.Value {
			n := 0
			for _, v := range append([]goja.Value{call.This}, call.Arguments...) {
				if s, ok := v.(goja.String); ok {
					n += s.Length()
				}
			}
			g.check(int64(n) * 4)
			return was(call)
		})
	}
	g.around(str, "raw", func(call goja.FunctionCall, was function) goja.Value {
		if o, ok := call.Argument(0).(*goja.Object); ok {
			g.check(g.extent(o.Get("raw")) * elementBytes)
		}
		return was(call)
	})
	for _, name := range []string{"replace", "replaceAll"} {
		g.around(proto, name, func(call goja.FunctionCall, was function) goja.Value {
			call.This = g.subject(call.This)
			return was(g.replacing(call, call.This, call.Argument(0)))
		})
	}
}

// subject gives a value as the functions of strings see it: what is no text becomes one, but
// for null and undefined, of which they complain.
func (g *guard) subject(v goja.Value) goja.Value {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return v
	}
	return g.text(v)
}

// product is a*b, or the largest number there is.
func product(a, b int64) int64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	if b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

// replacing makes the replacement of a call of replace countable: one that might be put in
// more often than memory allows becomes a function, and a function is counted as it answers.
func (g *guard) replacing(call goja.FunctionCall, this, pattern goja.Value) goja.FunctionCall {
	if o, ok := pattern.(*goja.Object); ok && o.GetSymbol(goja.SymReplace) != nil {
		return call // RegExp.prototype[Symbol.replace] is asked, and guarded itself
	}
	args := append([]goja.Value{}, call.Arguments...)
	for len(args) < 2 {
		args = append(args, g.undefined)
	}
	f, ok := native(args[1])
	if !ok {
		text := g.text(args[1])
		args[1] = text
		subject, each := int64(1), int64(text.Length())
		if s, ok := this.(goja.String); ok {
			subject += int64(s.Length())
		}
		template := strings.Contains(text.String(), "$")
		if !template && product(subject, each) < 1<<20 || template && product(subject, product(subject, each)) < 1<<20 {
			return goja.FunctionCall{This: call.This, Arguments: args}
		}
		f = func(match goja.FunctionCall) goja.Value { return g.expand(text, match.Arguments) }
	}
	total := int64(0) // the pieces are put together at the end only
	args[1] = g.vm.ToValue(func(match goja.FunctionCall) goja.Value {
		text := g.text(f(match))
		if total += int64(text.Length()); total > g.meter.largest() {
			g.check(total)
		}
		g.check(int64(text.Length()))
		return text
	})
	return goja.FunctionCall{This: call.This, Arguments: args}
}

// expand fills in a replacement: match holds what a function would be called with.
func (g *guard) expand(text goja.String, match []goja.Value) goja.Value {
	template := text.String()
	if !strings.Contains(template, "$") {
		return text
	}
	var groups *goja.Object
	if o, ok := match[len(match)-1].(*goja.Object); ok {
		groups, match = o, match[:len(match)-1]
	}
	subject, at := match[len(match)-1].(goja.String), match[len(match)-2].ToInteger()
	match = match[:len(match)-2]
	var b goja.StringBuilder
	write := func(v goja.Value) {
		if v != nil && !goja.IsUndefined(v) {
			s := g.text(v)
			g.check(int64(s.Length()))
			b.WriteString(s)
		}
	}
	for {
		before, after, found := strings.Cut(template, "$")
		b.WriteUTF8String(before)
		if !found {
			return b.String()
		}
		template = g.reference(after, subject, int(at), match, groups, write)
		if template == after {
			b.WriteUTF8String("$")
		}
	}
}

// reference writes what the text behind a dollar refers to, and gives the rest of it.
func (g *guard) reference(text string, subject goja.String, at int, match []goja.Value, groups *goja.Object, write func(goja.Value)) string {
	if text == "" {
		return text
	}
	switch c := text[0]; {
	case c == '$':
		write(g.vm.ToValue("$"))
	case c == '&':
		write(match[0])
	case c == '`':
		write(subject.Substring(0, at))
	case c == '\'':
		write(subject.Substring(min(at+match[0].(goja.String).Length(), subject.Length()), subject.Length()))
	case c == '<' && groups != nil && strings.Contains(text, ">"):
		name, rest, _ := strings.Cut(text[1:], ">")
		write(groups.Get(name))
		return rest
	case c >= '0' && c <= '9':
		if n, err := strconv.Atoi(text[:min(2, len(text))]); err == nil && len(text) > 1 && n > 0 && n < len(match) {
			write(match[n])
			return text[2:]
		}
		n := int(c - '0')
		if n == 0 || n >= len(match) {
			return text
		}
		write(match[n])
	default:
		return text
	}
	return text[1:]
}

// expressions guards regular expressions: those that goja cannot run with Go's own engine
// may try for ever, and one that gave up looks like one that found nothing.
func (g *guard) expressions(regexp *goja.Object) {
	proto := regexp.Get("prototype").(*goja.Object)
	timed := func(call goja.FunctionCall, was function) goja.Value {
		begin := time.Now()
		v := was(call)
		if time.Since(begin) >= maxRegexp {
			g.stop(g.meter.fail(Timeout, "the script took too long in a regular expression"))
		}
		return v
	}
	for _, name := range []string{"exec", "test"} {
		g.around(proto, name, timed)
	}
	for _, symbol := range []*goja.Symbol{goja.SymMatch, goja.SymMatchAll, goja.SymSearch, goja.SymSplit, goja.SymReplace} {
		o, ok := proto.GetSymbol(symbol).(*goja.Object)
		if !ok {
			continue
		}
		was, _ := o.Export().(function)
		if was == nil {
			continue
		}
		_ = proto.DefineDataPropertySymbol(symbol, g.vm.ToValue(func(call goja.FunctionCall) goja.Value {
			if symbol == goja.SymReplace {
				call.Arguments = append([]goja.Value{g.text(call.Argument(0))}, call.Arguments[min(1, len(call.Arguments)):]...)
				call = g.replacing(call, call.Argument(0), nil)
			}
			return timed(call, was)
		}), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
}

// calls guards lists of arguments, the reading and writing of JSON, escapes, and everything
// that makes code of a text.
func (g *guard) calls(global *goja.Object) {
	function := global.Get("Function").(*goja.Object).Get("prototype").(*goja.Object)
	g.around(function, "apply", func(call goja.FunctionCall, was func(goja.FunctionCall) goja.Value) goja.Value {
		g.arguments(goja.FunctionCall{Arguments: []goja.Value{call.Argument(1)}})
		return was(call)
	})
	reflection := global.Get("Reflect").(*goja.Object)
	for name, at := range map[string]int{"apply": 2, "construct": 1} {
		g.around(reflection, name, func(call goja.FunctionCall, was func(goja.FunctionCall) goja.Value) goja.Value {
			g.arguments(goja.FunctionCall{Arguments: []goja.Value{call.Argument(at)}})
			return was(call)
		})
	}
	json := global.Get("JSON").(*goja.Object)
	g.replace(json, "stringify", g.stringify)
	g.around(json, "parse", func(call goja.FunctionCall, was func(goja.FunctionCall) goja.Value) goja.Value {
		text := call.Argument(0).String()
		g.check(int64(len(text)) * 4)
		if nesting(text) > maxDepth {
			panic(g.vm.NewTypeError("the text of JSON is nested too deeply"))
		}
		return was(call)
	})
	for _, name := range strings.Fields("escape unescape encodeURI encodeURIComponent decodeURI decodeURIComponent") {
		g.around(global, name, func(call goja.FunctionCall, was func(goja.FunctionCall) goja.Value) goja.Value {
			if s, ok := call.Argument(0).(goja.String); ok {
				g.check(int64(s.Length()) * 6)
			}
			return was(call)
		})
	}
}

// nesting gives how deep the brackets of a text of JSON are nested.
func nesting(text string) int {
	depth, most, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

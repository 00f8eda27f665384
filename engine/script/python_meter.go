package script

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	starlarkjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Starlark counts its steps, and bounds no values. So the tree of a program is changed
// before it is compiled: operators that can make a value longer become calls of functions
// that count, and so do the methods that can. Their names cannot be written in a script.
const (
	addName       = "(+)"
	multiplyName  = "(*)"
	formatName    = "(%)"
	shiftName     = "(<<)"
	uniteName     = "(|)"
	attributeName = "(.)" // (.)(x, "name") for names of methods that can take much at once
	inPlaceName   = "(+=)"
	targetName    = "(t" // and a number: what an augmented assignment is about
)

// meteredMethod reports whether a method can take much at once.
func meteredMethod(name string) bool {
	switch name {
	case "replace", "join", "format", "extend", "update", "union", "split", "elems", "codepoints", "elem_ords", "codepoint_ords",
		"upper", "lower", "title", "capitalize", "symmetric_difference", "encode", "encode_indent", "indent", "decode":
		return true
	}
	return false
}

// instrumentPython changes the tree so that it is metered.
func instrumentPython(f *syntax.File) {
	i := &pythonInstrumenter{}
	f.Stmts = i.block(f.Stmts)
}

type pythonInstrumenter struct{ targets int }

// block changes a list of statements.
func (i *pythonInstrumenter) block(list []syntax.Stmt) []syntax.Stmt {
	var out []syntax.Stmt
	for _, s := range list {
		i.walk(reflect.ValueOf(s))
		if a, ok := s.(*syntax.AssignStmt); ok && operation(a.Op) != "" {
			out = append(out, i.augmented(a)...)
			continue
		}
		out = append(out, s)
	}
	return out
}

// walk goes through all parts of a value of the tree, innermost first.
func (i *pythonInstrumenter) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			i.walk(v.Elem())
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		i.walk(v.Elem())
		if e, ok := v.Interface().(syntax.Expr); ok && v.CanSet() {
			if wrapped := wrapPython(e); wrapped != nil {
				v.Set(reflect.ValueOf(wrapped))
			}
		}
	case reflect.Slice:
		if list, ok := v.Interface().([]syntax.Stmt); ok {
			if v.CanSet() {
				v.Set(reflect.ValueOf(i.block(list)))
			}
			return
		}
		for n := range v.Len() {
			i.walk(v.Index(n))
		}
	case reflect.Struct:
		for n := range v.NumField() {
			if field := v.Type().Field(n); field.IsExported() && field.Type != reflect.TypeFor[syntax.Position]() {
				i.walk(v.Field(n))
			}
		}
	}
}

// operation gives the name of the function that an operator becomes; empty for those that
// stay.
func operation(t syntax.Token) string {
	switch t {
	case syntax.PLUS:
		return addName
	case syntax.STAR:
		return multiplyName
	case syntax.PERCENT:
		return formatName
	case syntax.LTLT:
		return shiftName
	case syntax.PIPE:
		return uniteName
	case syntax.PLUS_EQ:
		return inPlaceName
	case syntax.STAR_EQ:
		return multiplyName
	case syntax.PERCENT_EQ:
		return formatName
	case syntax.LTLT_EQ:
		return shiftName
	case syntax.PIPE_EQ:
		return uniteName
	}
	return ""
}

func wrapPython(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.BinaryExpr:
		if name := operation(e.Op); name != "" {
			return pythonCall(name, e.OpPos, e.X, e.Y)
		}
	case *syntax.DotExpr:
		if meteredMethod(e.Name.Name) {
			name := &syntax.Literal{Token: syntax.STRING, TokenPos: e.NamePos, Raw: `"` + e.Name.Name + `"`, Value: e.Name.Name}
			return pythonCall(attributeName, e.Dot, e.X, name)
		}
	}
	return nil
}

func pythonCall(name string, at syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: name}, Lparen: at, Args: args, Rparen: at}
}

// augmented gives x op= y as x = op(x, y); the parts of x are evaluated once.
func (i *pythonInstrumenter) augmented(a *syntax.AssignStmt) []syntax.Stmt {
	var out []syntax.Stmt
	once := func(e syntax.Expr) syntax.Expr {
		i.targets++
		name := fmt.Sprintf("%s%d)", targetName, i.targets)
		at := syntax.Start(e)
		out = append(out, &syntax.AssignStmt{OpPos: a.OpPos, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: at, Name: name}, RHS: e})
		return &syntax.Ident{NamePos: at, Name: name}
	}
	lhs := a.LHS
	for {
		paren, ok := lhs.(*syntax.ParenExpr)
		if !ok {
			break
		}
		lhs = paren.X
	}
	var value syntax.Expr
	switch x := lhs.(type) {
	case *syntax.Ident:
		value = &syntax.Ident{NamePos: x.NamePos, Name: x.Name}
	case *syntax.IndexExpr:
		of, at := once(x.X), once(x.Y)
		lhs = &syntax.IndexExpr{X: of, Lbrack: x.Lbrack, Y: at, Rbrack: x.Rbrack}
		value = &syntax.IndexExpr{X: of, Lbrack: x.Lbrack, Y: at, Rbrack: x.Rbrack}
	default:
		return []syntax.Stmt{a} // a member: no value of ours has one that can be set
	}
	return append(out, &syntax.AssignStmt{OpPos: a.OpPos, Op: syntax.EQ, LHS: lhs, RHS: pythonCall(operation(a.Op), a.OpPos, value, a.RHS)})
}

// pythonMeter holds the functions that count.
type pythonMeter struct{ meter *meter }

// names adds the functions that instrumented programs call, and counted forms of those of
// the language.
func (p *pythonMeter) names(to starlark.StringDict) {
	for name, op := range map[string]func(x, y starlark.Value) (starlark.Value, error){
		addName: p.add, multiplyName: p.multiply, formatName: p.format, shiftName: p.shift, uniteName: p.unite, inPlaceName: p.addInPlace,
	} {
		to[name] = starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return op(args[0], args[1])
		})
	}
	to[attributeName] = starlark.NewBuiltin(attributeName, p.attribute)
	for _, name := range strings.Fields("list tuple set dict sorted reversed enumerate zip min max any all bytes len hash") {
		to[name] = p.counted(starlark.Universe[name].(*starlark.Builtin), p.elements)
	}
	for _, name := range []string{"str", "repr", "fail"} {
		to[name] = p.counted(starlark.Universe[name].(*starlark.Builtin), p.text)
	}
	to["getattr"] = starlark.NewBuiltin("getattr", p.getattr)
	to["print"] = starlark.NewBuiltin("print", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return starlark.None, nil
	})
	members := starlark.StringDict{}
	for name, v := range starlarkjson.Module.Members {
		members[name] = p.counted(v.(*starlark.Builtin), p.text)
	}
	to["json"] = &starlarkModule{name: "json", members: members}
}

// counted gives a function that counts its arguments before it does its work.
func (p *pythonMeter) counted(of *starlark.Builtin, count func(starlark.Value) error) *starlark.Builtin {
	return starlark.NewBuiltin(of.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		for _, v := range args {
			if err := count(v); err != nil {
				return nil, err
			}
		}
		for _, pair := range kwargs {
			if err := count(pair[1]); err != nil {
				return nil, err
			}
		}
		return of.CallInternal(thread, args, kwargs)
	})
}

// elements counts what a value takes when its elements are taken over.
func (p *pythonMeter) elements(v starlark.Value) error {
	return p.meter.grow(size(v))
}

// size gives about how many bytes the value itself takes.
func size(v starlark.Value) int64 {
	switch v := v.(type) {
	case starlark.String:
		return int64(len(v))
	case starlark.Bytes:
		return int64(len(v))
	case starlark.Int:
		if _, small := v.Int64(); small {
			return 0
		}
		return int64(v.BigInt().BitLen() / 8)
	case starlark.Sequence:
		return product(int64(v.Len()), elementBytes)
	}
	return 0
}

// text counts what a value takes when it is written as a text: all that it holds, as often
// as it is there.
func (p *pythonMeter) text(v starlark.Value) error {
	left := p.meter.largest()
	if err := p.weigh(v, &left, 0); err != nil {
		return err
	}
	return p.meter.grow(p.meter.largest() - left)
}

func (p *pythonMeter) weigh(v starlark.Value, left *int64, depth int) error {
	if *left -= 8; *left < 0 {
		return p.meter.grow(p.meter.largest() + 1)
	}
	if depth > maxDepth {
		return errors.New("the value is nested too deeply for a text")
	}
	if *left&0xffff < 8 && p.meter.ctx.Err() != nil {
		return p.meter.ctx.Err()
	}
	switch v := v.(type) {
	case starlark.String, starlark.Bytes, starlark.Int:
		*left -= 2 * size(v)
	case *starlark.Dict:
		for _, item := range v.Items() {
			if err := errors.Join(p.weigh(item[0], left, depth+1), p.weigh(item[1], left, depth+1)); err != nil {
				return err
			}
		}
	case starlark.Sequence:
		it := v.Iterate()
		defer it.Done()
		var x starlark.Value
		for it.Next(&x) {
			if err := p.weigh(x, left, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pythonMeter) add(x, y starlark.Value) (starlark.Value, error) {
	if n := size(x) + size(y); n > 0 {
		if err := p.meter.grow(n); err != nil {
			return nil, err
		}
	}
	return starlark.Binary(syntax.PLUS, x, y)
}

// addInPlace is +=, which makes a list longer instead of making a new one.
func (p *pythonMeter) addInPlace(x, y starlark.Value) (starlark.Value, error) {
	list, ok := x.(*starlark.List)
	more, iterable := y.(starlark.Iterable)
	if !ok || !iterable {
		return p.add(x, y)
	}
	return list, p.extend(list, more)
}

func (p *pythonMeter) extend(list *starlark.List, more starlark.Iterable) error {
	if err := p.meter.grow(size(list) + size(more)); err != nil {
		return err
	}
	var all []starlark.Value
	it := more.Iterate()
	var v starlark.Value
	for it.Next(&v) {
		all = append(all, v)
	}
	it.Done() // the list itself may be what is added
	for _, v := range all {
		if err := list.Append(v); err != nil {
			return err
		}
	}
	return nil
}

func (p *pythonMeter) multiply(x, y starlark.Value) (starlark.Value, error) {
	xi, xok := x.(starlark.Int)
	yi, yok := y.(starlark.Int)
	n := int64(0)
	switch {
	case xok && yok:
		if n = size(x) + size(y); n > maxInt {
			return nil, p.meter.fail(MemoryLimit, "a number of the script has more than %d bytes", maxInt)
		}
	case xok:
		n = times(y, xi)
	case yok:
		n = times(x, yi)
	}
	if n > 0 {
		if err := p.meter.grow(n); err != nil {
			return nil, err
		}
	}
	return starlark.Binary(syntax.STAR, x, y)
}

// maxInt bounds whole numbers, in bytes: the time of arithmetic grows faster than they do.
const maxInt = 16 << 10

// times gives what n copies of a value take.
func times(v starlark.Value, n starlark.Int) int64 {
	if n.Sign() <= 0 {
		return 0
	}
	count, small := n.Int64()
	if !small {
		count = 1 << 62
	}
	return product(size(v), count)
}

func (p *pythonMeter) format(x, y starlark.Value) (starlark.Value, error) {
	if _, ok := x.(starlark.String); ok {
		if err := p.text(starlark.Tuple{x, y}); err != nil {
			return nil, err
		}
	}
	return starlark.Binary(syntax.PERCENT, x, y)
}

func (p *pythonMeter) shift(x, y starlark.Value) (starlark.Value, error) {
	if size(x) > maxInt {
		return nil, p.meter.fail(MemoryLimit, "a number of the script has more than %d bytes", maxInt)
	}
	return starlark.Binary(syntax.LTLT, x, y)
}

func (p *pythonMeter) unite(x, y starlark.Value) (starlark.Value, error) {
	if err := p.meter.grow(size(x) + size(y)); err != nil {
		return nil, err
	}
	return starlark.Binary(syntax.PIPE, x, y)
}

func (p *pythonMeter) getattr(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) >= 2 && len(kwargs) == 0 {
		if name, ok := args[1].(starlark.String); ok && meteredMethod(string(name)) {
			v, err := p.attribute(thread, b, args[:2], nil)
			if err != nil && len(args) == 3 {
				return args[2], nil
			}
			return v, err
		}
	}
	return starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
}

// attribute gives a method that counts before it does its work.
func (p *pythonMeter) attribute(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, name := args[0], string(args[1].(starlark.String))
	of, ok := x.(starlark.HasAttrs)
	if !ok {
		return nil, fmt.Errorf("%s has no .%s field or method", x.Type(), name)
	}
	v, err := of.Attr(name)
	if err != nil || v == nil {
		if err == nil {
			err = fmt.Errorf("%s has no .%s field or method", x.Type(), name)
		}
		return nil, err
	}
	method, ok := v.(*starlark.Builtin)
	if !ok || method.Receiver() == nil {
		return v, nil // counts by itself
	}
	if _, ok := x.(*starlark.List); ok && name == "extend" {
		return starlark.NewBuiltin(name, p.listExtend).BindReceiver(x), nil
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := p.method(x, name, args, kwargs); err != nil {
			return nil, err
		}
		return method.CallInternal(thread, args, kwargs)
	}), nil
}

func (p *pythonMeter) listExtend(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var more starlark.Iterable
	if err := starlark.UnpackPositionalArgs("extend", args, kwargs, 1, &more); err != nil {
		return nil, err
	}
	return starlark.None, p.extend(b.Receiver().(*starlark.List), more)
}

// method counts what a call of a method of x may take.
func (p *pythonMeter) method(x starlark.Value, name string, args starlark.Tuple, kwargs []starlark.Tuple) error {
	text, _ := x.(starlark.String)
	switch {
	case name == "replace" && len(args) >= 2:
		was, _ := args[0].(starlark.String)
		by, _ := args[1].(starlark.String)
		return p.meter.grow(product(int64(strings.Count(string(text), string(was))), int64(len(by))) + int64(len(text)))
	case name == "join" && len(args) == 1:
		return p.joined(text, args[0])
	case name == "format":
		all := append(starlark.Tuple{}, args...)
		for _, pair := range kwargs {
			all = append(all, pair[1])
		}
		left := p.meter.largest()
		if err := p.weigh(all, &left, 0); err != nil {
			return err
		}
		return p.meter.grow(product(p.meter.largest()-left, int64(strings.Count(string(text), "{")+1)) + int64(len(text)))
	case text != "":
		return p.meter.grow(product(int64(len(text)), elementBytes))
	}
	for _, v := range args {
		if err := p.meter.grow(size(x) + size(v)); err != nil {
			return err
		}
	}
	return nil
}

func (p *pythonMeter) joined(by starlark.String, v starlark.Value) error {
	all, ok := v.(starlark.Iterable)
	if !ok {
		return nil
	}
	total := int64(0)
	it := all.Iterate()
	defer it.Done()
	for it.Next(&v) {
		if total += size(v) + int64(len(by)); total > p.meter.largest() {
			break
		}
	}
	return p.meter.grow(total)
}

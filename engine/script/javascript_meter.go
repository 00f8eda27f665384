package script

import (
	"reflect"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"
)

// goja counts nothing and bounds nothing, so the tree of a program is changed before it is
// compiled: what can go on for long calls the meter, and so does what can make a value
// longer. The names of the functions that are called cannot be written in a script.
const (
	stepName      = "(step)"      // (step)(n) at the start of each round and each call; n bytes may be taken in it
	keepName      = "(keep)"      // (keep)(v) gives v, whose length is counted
	spreadName    = "(spread)"    // (spread)(v) gives v, which is about to be spread
	argumentsName = "(arguments)" // the same, for the arguments of a call
)

// maxNesting bounds how deep a program is nested, for the sake of those who walk it.
const maxNesting = 1000

// instrument changes the tree so that it is metered. problem says why it cannot be.
func instrument(tree *ast.Program) (problem string, at file.Idx) {
	i := &instrumenter{seen: map[uintptr]bool{}, node: reflect.TypeFor[ast.Node]()}
	i.walk(reflect.ValueOf(tree).Elem())
	return i.problem, i.at
}

type instrumenter struct {
	seen    map[uintptr]bool // declarations stand in the tree twice
	node    reflect.Type
	depth   int
	weight  int64 // bytes that what was walked may take, each time it is run
	problem string
	at      file.Idx
}

func (i *instrumenter) fail(problem string, at file.Idx) {
	if i.problem == "" {
		i.problem, i.at = problem, at
	}
}

// walk goes through all parts of a value of the tree, innermost first.
func (i *instrumenter) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || i.seen[v.Pointer()] || !v.Type().Implements(i.node) && v.Elem().Kind() != reflect.Struct {
			return
		}
		i.seen[v.Pointer()] = true
		i.pointer(v)
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		i.walk(v.Elem())
		if e, ok := v.Interface().(ast.Expression); ok && v.CanSet() {
			if wrapped := wrap(e); wrapped != nil && reflect.TypeOf(wrapped).AssignableTo(v.Type()) {
				v.Set(reflect.ValueOf(wrapped))
			}
		}
	case reflect.Slice:
		for n := range v.Len() {
			i.walk(v.Index(n))
		}
	case reflect.Struct:
		for n := range v.NumField() {
			if v.Type().Field(n).IsExported() {
				i.walk(v.Field(n))
			}
		}
	}
}

// pointer walks a node, and changes it.
func (i *instrumenter) pointer(v reflect.Value) {
	if v.Type() == reflect.TypeFor[*file.File]() {
		return
	}
	if i.depth++; i.depth > maxNesting {
		i.fail("the program is nested too deeply", 0)
	} else {
		i.inside(v)
	}
	i.depth--
}

func (i *instrumenter) inside(v reflect.Value) {
	outer := i.weight
	i.weight = 0
	i.walk(v.Elem())
	inner := i.weight
	switch n := v.Interface().(type) {
	case *ast.WithStatement:
		i.fail("with is not allowed", n.With)
	case *ast.ForStatement:
		n.Body, inner = stepped(n.Body, n.For, inner), 0
	case *ast.ForInStatement:
		n.Body, inner = stepped(n.Body, n.For, inner), 0
	case *ast.ForOfStatement:
		n.Body, inner = stepped(n.Body, n.For, inner), 0
	case *ast.WhileStatement:
		n.Body, inner = stepped(n.Body, n.While, inner), 0
	case *ast.DoWhileStatement:
		n.Body, inner = stepped(n.Body, n.Do, inner), 0
	case *ast.FunctionLiteral:
		enter(n.Body, n.Function, inner)
		inner = functionBytes
	case *ast.ArrowFunctionLiteral:
		switch body := n.Body.(type) {
		case *ast.BlockStatement:
			enter(body, n.Start, inner)
		case *ast.ExpressionBody:
			body.Expression = &ast.SequenceExpression{Sequence: []ast.Expression{call(stepName, n.Start, number(inner, n.Start)), body.Expression}}
		}
		inner = functionBytes
	case *ast.NumberLiteral:
		if !isNumber(n.Value) {
			i.fail("BigInt is not known here: JSON has no such number", n.Idx)
		}
	case *ast.NewExpression:
		spreadArguments(n.ArgumentList)
		inner += objectBytes
	case *ast.ObjectLiteral, *ast.ArrayLiteral, *ast.ClassLiteral, *ast.RegExpLiteral:
		inner += objectBytes
	case *ast.CallExpression:
		spreadArguments(n.ArgumentList)
		inner += memberBytes
	case *ast.PropertyKeyed, *ast.PropertyShort, *ast.AwaitExpression, *ast.YieldExpression:
		inner += memberBytes
	}
	i.weight = outer + inner
}

// About what goja takes for a function, for an object and for a member of one.
const (
	functionBytes = 500
	objectBytes   = 300
	memberBytes   = 64
)

// isNumber is false for a BigInt.
func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, int:
		return true
	}
	return false
}

// wrap gives what stands for an expression whose value may be longer than what it is made
// of; nil for any other.
func wrap(e ast.Expression) ast.Expression {
	switch e := e.(type) {
	case *ast.BinaryExpression:
		if e.Operator == token.PLUS {
			return call(keepName, e.Idx0(), e)
		}
	case *ast.AssignExpression:
		if e.Operator == token.PLUS {
			return call(keepName, e.Idx0(), e)
		}
	case *ast.TemplateLiteral:
		return call(keepName, e.OpenQuote, e)
	case *ast.CallExpression:
		if _, ok := e.Callee.(*ast.SuperExpression); !ok {
			return call(keepName, e.Idx0(), e)
		}
	case *ast.SpreadElement:
		e.Expression = call(spreadName, e.Idx0(), e.Expression)
	}
	return nil
}

// spreadArguments changes how what is spread in a list of arguments is counted.
func spreadArguments(list []ast.Expression) {
	for _, e := range list {
		if s, ok := e.(*ast.SpreadElement); ok {
			s.Expression.(*ast.CallExpression).Callee.(*ast.Identifier).Name = unistring.NewFromString(argumentsName)
		}
	}
}

// stepped puts a step in front of the body of a loop.
func stepped(body ast.Statement, at file.Idx, weight int64) ast.Statement {
	return &ast.BlockStatement{LeftBrace: at, RightBrace: body.Idx1(), List: []ast.Statement{step(at, weight), body}}
}

// enter puts a step in front of the body of a function, behind its directives.
func enter(body *ast.BlockStatement, at file.Idx, weight int64) {
	n := 0
	for n < len(body.List) && isDirective(body.List[n]) {
		n++
	}
	list := append([]ast.Statement{}, body.List[:n]...)
	body.List = append(append(list, step(at, weight)), body.List[n:]...)
}

func isDirective(s ast.Statement) bool {
	e, ok := s.(*ast.ExpressionStatement)
	if !ok {
		return false
	}
	_, ok = e.Expression.(*ast.StringLiteral)
	return ok
}

func step(at file.Idx, weight int64) ast.Statement {
	return &ast.ExpressionStatement{Expression: call(stepName, at, number(weight, at))}
}

func number(n int64, at file.Idx) ast.Expression {
	return &ast.NumberLiteral{Idx: at, Literal: "0", Value: n}
}

// call gives name(argument), a call that stands where the argument stands.
func call(name string, at file.Idx, argument ast.Expression) *ast.CallExpression {
	return &ast.CallExpression{
		Callee:          &ast.Identifier{Name: unistring.NewFromString(name), Idx: at},
		LeftParenthesis: at, RightParenthesis: at, ArgumentList: []ast.Expression{argument},
	}
}

package script

import (
	"bytes"
	"context"
	"errors"
	"math"
	"regexp"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
)

// maxCalls is how deep functions may call each other.
const maxCalls = 2000

// javaScript is the programs of the dependencies, in order, and of the script.
type javaScript struct {
	programs []*goja.Program
	hidden   *goja.Program
}

// hiddenObjects is a program whose value is what a script can reach and no name leads to:
// the objects whose constructor makes code of a text, then what steps through an array.
const hiddenObjects = `[Function.prototype, Object.getPrototypeOf(function* () {}), Object.getPrototypeOf(async function () {}),
  Object.getPrototypeOf([][Symbol.iterator]())]`

func compileJavaScript(sources []Source) (runner, error) {
	js := &javaScript{hidden: goja.MustCompile("capd", hiddenObjects, true)}
	for _, s := range sources {
		if err := readable(s); err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(nil, s.Name, string(s.Text), 0, parser.WithDisableSourceMaps)
		if err != nil {
			return nil, javaScriptSyntax(s, err)
		}
		if problem, at := instrument(tree); problem != "" {
			place := tree.File.Position(int(at) - tree.File.Base())
			return nil, &SyntaxError{Name: s.Name, Line: max(1, place.Line), Column: place.Column, Message: problem}
		}
		p, err := goja.CompileAST(tree, false)
		if err != nil {
			return nil, javaScriptSyntax(s, err)
		}
		js.programs = append(js.programs, p)
	}
	return js, nil
}

var moduleLine = regexp.MustCompile(`(?m)^\s*(import|export)\b`)

// readable refuses what would take the parser, which descends as deep as the text is
// nested, too far.
func readable(s Source) error {
	depth, arrows := 0, 0
	for i, c := range s.Text {
		switch c {
		case ';', ',', '}':
			arrows = 0
		case '>':
			if i > 0 && s.Text[i-1] == '=' {
				arrows++ // one inside the other, as far as is known here
			}
		}
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
		if depth > maxNesting || arrows > maxNesting {
			return &SyntaxError{Name: s.Name, Line: 1 + bytes.Count(s.Text[:i], []byte("\n")), Message: "the program is nested too deeply"}
		}
	}
	return nil
}

func javaScriptSyntax(s Source, err error) error {
	e := javaScriptPlace(s.Name, err)
	if at := moduleLine.FindSubmatchIndex(s.Text); at != nil && e.Line == 1+bytes.Count(s.Text[:at[2]], []byte("\n")) {
		e.Message = "modules are not known; list other files under dependencies"
	}
	return e
}

func javaScriptPlace(name string, err error) *SyntaxError {
	var (
		list     parser.ErrorList
		compiled *goja.CompilerSyntaxError
	)
	switch {
	case errors.As(err, &list) && len(list) > 0:
		return &SyntaxError{Name: name, Line: list[0].Position.Line, Column: list[0].Position.Column, Message: bounded(list[0].Message)}
	case errors.As(err, &compiled):
		at := file.Position{Line: 1}
		if compiled.File != nil {
			at = compiled.File.Position(compiled.Offset)
		}
		return &SyntaxError{Name: name, Line: at.Line, Column: at.Column, Message: bounded(compiled.Message)}
	}
	return &SyntaxError{Name: name, Line: 1, Message: bounded(err.Error())}
}

func (js *javaScript) run(ctx context.Context, input []byte, m *meter) ([]byte, bool, error) {
	vm := goja.New()
	vm.SetMaxCallStackSize(maxCalls)
	vm.SetTimeSource(func() time.Time { panic(vm.NewTypeError("a script has no clock: pass the time in as an input")) })
	vm.SetRandSource(func() float64 { panic(vm.NewTypeError("a script has no random numbers: pass them in as an input")) })
	defer context.AfterFunc(ctx, func() { vm.Interrupt(context.Cause(ctx)) })()
	g := &guard{vm: vm, meter: m, undefined: goja.Undefined()}
	if err := js.prepare(g, input); err != nil {
		return nil, false, javaScriptError(vm, err)
	}
	for _, p := range js.programs {
		if _, err := vm.RunProgram(p); err != nil {
			return nil, false, javaScriptError(vm, err)
		}
	}
	return g.result()
}

// result gives the variable result as JSON.
func (g *guard) result() (text []byte, set bool, err error) {
	s := &stringifier{guard: g, limit: g.meter.limits.Output, over: BadResult}
	ex := g.vm.Try(func() {
		v := g.vm.Get("result")
		if set = v != nil && !goja.IsUndefined(v); !set {
			return
		}
		if f, ok := v.Export().(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = &Error{Kind: BadResult, Message: "result is not a finite number, and JSON has no other"}
		} else if !s.value(g.vm.NewObject(), "", v) {
			err = &Error{Kind: BadResult, Message: "result is a function or a symbol, which JSON does not have"}
		}
	})
	if ex != nil {
		err = badResult(javaScriptError(g.vm, ex))
	}
	return s.out, set && err == nil, err
}

// prepare sets context and a console that says nothing, puts the guards in place and takes
// away what makes code of a text.
func (js *javaScript) prepare(g *guard, input []byte) error {
	vm := g.vm
	parse := exported(vm.Get("JSON").(*goja.Object), "parse")
	if nesting(string(input)) > maxDepth {
		return errDepth
	}
	var value goja.Value
	if ex := vm.Try(func() {
		value = parse(goja.FunctionCall{This: g.undefined, Arguments: []goja.Value{vm.ToValue(string(input))}})
	}); ex != nil {
		return ex
	}
	console := vm.NewObject()
	for _, name := range [...]string{"log", "info", "debug", "warn", "error", "trace"} {
		if err := console.Set(name, func(goja.FunctionCall) goja.Value { return g.undefined }); err != nil {
			return err
		}
	}
	hidden, err := vm.RunProgram(js.hidden)
	if err != nil {
		return err
	}
	noCode := vm.ToValue(func(goja.FunctionCall) goja.Value {
		panic(vm.NewTypeError("a script cannot make code of a text"))
	})
	list := hidden.(*goja.Object)
	if err := noCode.(*goja.Object).DefineDataProperty("prototype", list.Get("0"), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
		return err // f instanceof Function asks for it
	}
	for _, i := range [...]string{"0", "1", "2"} {
		if err := list.Get(i).(*goja.Object).DefineDataProperty("constructor", noCode, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
			return err
		}
	}
	if err := g.install(); err != nil {
		return err
	}
	g.around(list.Get("3").(*goja.Object), "next", func(call goja.FunctionCall, was function) goja.Value {
		g.check(0)
		return was(call)
	})
	return errors.Join(vm.Set("eval", noCode), vm.Set("Function", noCode), vm.Set("console", console), vm.Set("context", value))
}

// badResult marks an error as one of writing the result.
func badResult(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Kind == Exception {
		e.Kind, e.Message = BadResult, "result cannot be written as JSON: "+e.Message
	}
	return err
}

// javaScriptError gives what goja reports in our words.
func javaScriptError(vm *goja.Runtime, err error) error {
	var (
		exception *goja.Exception
		overflow  *goja.StackOverflowError
	)
	switch {
	case errors.As(err, &overflow):
		return placed(&Error{Kind: StepLimit, Message: "functions call each other too deeply"}, overflow.Stack())
	case errors.As(err, &exception):
		return placed(&Error{Kind: Exception, Message: bounded(thrown(vm, exception.Value()))}, exception.Stack())
	}
	return err
}

// thrown gives the text of a thrown value: "TypeError: why" of an error, or what it is.
// Members may be code of the script, which the limits of the run still bound.
func thrown(vm *goja.Runtime, v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	text := o.ClassName()
	_ = vm.Try(func() {
		name, message := o.Get("name"), o.Get("message")
		if isText(name) && name.String() != "" {
			text = name.String()
		}
		if isText(message) && message.String() != "" {
			text += ": " + message.String()
		}
	})
	return text
}

func isText(v goja.Value) bool {
	_, ok := v.(goja.String)
	return ok
}

// placed adds the innermost place that is in a script.
func placed(e *Error, stack []goja.StackFrame) *Error {
	for _, f := range stack {
		if at := f.Position(); at.Line > 0 {
			e.Name, e.Line = f.SrcName(), at.Line
			break
		}
	}
	return e
}

// BoundRegexps makes every regular expression of JavaScript give up after a second. It is a
// setting of the process, to be called once, before the first script is compiled: without
// it, a script that tries for ever in a regular expression is not stopped.
func BoundRegexps() { regexp2.DefaultMatchTimeout = maxRegexp }

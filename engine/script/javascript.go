package script

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
)

// maxCalls is how deep functions may call each other.
const maxCalls = 2000

// javaScript is the programs of the dependencies, in order, and of the script.
type javaScript struct{ programs []*goja.Program }

func compileJavaScript(sources []Source) (runner, error) {
	js := &javaScript{}
	for _, s := range sources {
		tree, err := parser.ParseFile(nil, s.Name, string(s.Text), 0, parser.WithDisableSourceMaps)
		if err != nil {
			return nil, javaScriptSyntax(s.Name, err)
		}
		p, err := goja.CompileAST(tree, false)
		if err != nil {
			return nil, javaScriptSyntax(s.Name, err)
		}
		js.programs = append(js.programs, p)
	}
	return js, nil
}

func javaScriptSyntax(name string, err error) error {
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
	stringify, err := js.prepare(vm, input)
	if err != nil {
		return nil, false, javaScriptError(vm, err)
	}
	for _, p := range js.programs {
		if _, err := vm.RunProgram(p); err != nil {
			return nil, false, javaScriptError(vm, err)
		}
	}
	var result goja.Value
	if ex := vm.Try(func() { result = vm.Get("result") }); ex != nil {
		return nil, false, javaScriptError(vm, ex)
	}
	if result == nil || goja.IsUndefined(result) {
		return nil, false, nil
	}
	if f, ok := result.Export().(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil, false, &Error{Kind: BadResult, Message: "result is not a finite number, and JSON has no other"}
	}
	text, err := stringify(goja.Undefined(), result)
	switch {
	case err != nil:
		return nil, false, badResult(javaScriptError(vm, err))
	case goja.IsUndefined(text):
		return nil, false, &Error{Kind: BadResult, Message: "result is a function or a symbol, which JSON does not have"}
	}
	return []byte(text.String()), true, nil
}

// prepare sets context and a console that says nothing, and gives the JSON.stringify that no script has touched.
func (js *javaScript) prepare(vm *goja.Runtime, input []byte) (goja.Callable, error) {
	json := vm.Get("JSON").ToObject(vm)
	parse, _ := goja.AssertFunction(json.Get("parse"))
	stringify, _ := goja.AssertFunction(json.Get("stringify"))
	value, err := parse(goja.Undefined(), vm.ToValue(string(input)))
	if err != nil {
		return nil, err
	}
	console := vm.NewObject()
	for _, name := range [...]string{"log", "info", "debug", "warn", "error", "trace"} {
		if err := console.Set(name, func(goja.FunctionCall) goja.Value { return goja.Undefined() }); err != nil {
			return nil, err
		}
	}
	return stringify, errors.Join(vm.Set("console", console), vm.Set("context", value))
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

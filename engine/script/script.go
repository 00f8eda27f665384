// Package script runs the small programs of script steps: JavaScript, and the dialect of
// Python that Starlark is. A program is compiled once, when its document is loaded, and run
// many times; each run begins with nothing but the language and the variable context.
//
// There is no file, no network, no clock, no random number and no environment inside: two
// runs with the same context have the same result. How far the limits of a run reach is
// said at [Limits].
package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Language is a language of scripts. The zero Language is none.
type Language uint8

// The languages that a step may name. Groovy is known only to say that it is not run.
const (
	JavaScript Language = iota + 1
	Python
	Groovy
)

// Parse reads the name of a language as authors write it. The second value is false for a
// name that no version of the language knows.
func Parse(name string) (Language, bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "javascript", "js", "ecmascript":
		return JavaScript, true
	case "python", "py", "starlark", "star":
		return Python, true
	case "groovy":
		return Groovy, true
	}
	return 0, false
}

// OfFile gives the language that the ending of a file name says: .js, .mjs, .py, .star or
// .groovy.
func OfFile(name string) (Language, bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return 0, false
	}
	switch strings.ToLower(name[dot+1:]) {
	case "js", "mjs", "cjs":
		return JavaScript, true
	case "py", "star":
		return Python, true
	case "groovy", "gvy":
		return Groovy, true
	}
	return 0, false
}

// Runs reports whether programs of the language can be compiled.
func (l Language) Runs() bool { return l == JavaScript || l == Python }

// String gives the name that is written in a step.
func (l Language) String() string {
	switch l {
	case JavaScript:
		return "javascript"
	case Python:
		return "python"
	case Groovy:
		return "groovy"
	}
	return fmt.Sprintf("language(%d)", uint8(l))
}

// Source is the text of a script. Name is what errors call it: the file's name as the
// document writes it.
type Source struct {
	Name string
	Text []byte
}

// SyntaxError is why a text is no program. Line and Column count from 1; Column 0 is the
// whole line. Message has no place in it and never speaks of other files.
type SyntaxError struct {
	Name         string
	Line, Column int
	Message      string
}

// Error gives "name:line:column: message".
func (e *SyntaxError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Message)
}

// Program is a compiled script with what it depends on. It is immutable; any number of runs
// may go on at a time.
type Program struct {
	language Language
	sources  []Source // dependencies in order, then the script itself
	runner   runner
}

// runner is a program of one language. run gives compact JSON. It stops when ctx is done,
// and then gives any error.
type runner interface {
	run(ctx context.Context, input []byte, m *meter) (result []byte, set bool, err error)
}

// Compile reads a script and what it depends on. The error is a *SyntaxError.
func Compile(lang Language, main Source, dependencies []Source) (*Program, error) {
	p := &Program{language: lang, sources: append(append([]Source(nil), dependencies...), main)}
	var err error
	for _, s := range p.sources {
		if len(s.Text) > maxSource {
			return nil, &SyntaxError{Name: s.Name, Line: 1, Message: fmt.Sprintf("the text is longer than %d bytes", maxSource)}
		}
	}
	switch lang {
	case JavaScript:
		p.runner, err = compileJavaScript(p.sources)
	case Python:
		p.runner, err = compilePython(p.sources)
	default:
		err = &SyntaxError{Name: main.Name, Line: 1, Message: lang.String() + " is not run"}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Language gives the language of the program.
func (p *Program) Language() Language { return p.language }

// Name gives the name of the script itself.
func (p *Program) Name() string { return p.sources[len(p.sources)-1].Name }

// Sources gives what the program was compiled from: dependencies in order, then the script
// itself. The caller must not change it.
func (p *Program) Sources() []Source { return p.sources }

// The defaults of [Limits].
const (
	DefaultTime   = 5 * time.Second
	DefaultSteps  = 10_000_000
	DefaultMemory = 256 << 20
	DefaultOutput = 16 << 20
)

// maxSource bounds the text of a script, in bytes.
const maxSource = 256 << 10

// Limits bound one run. A zero field means its default.
//
// Time and Steps hold for whatever a script writes; what the language itself does in one go
// (sorting, reading JSON, one search of a regular expression) is only stopped between two
// of its pieces of work, or a second later (see [BoundRegexps]). Memory is what a library
// without a count of its own allows: a single text, list or number over half of it is
// refused before it is made where a script can ask for one in one go, and what a script
// makes piece by piece is compared with the growth of the process now and then. A script
// that is written to get around it can take a few times as much, and each call of a function
// takes memory that nobody counts. Where that matters, run scripts in processes of their own
// (package adapters/scripts), which the system bounds.
type Limits struct {
	// Time is how long a run may take.
	Time time.Duration
	// Steps is how much a run may do: rounds of loops and calls of functions.
	Steps uint64
	// Memory is about how many bytes a run may hold.
	Memory int64
	// Output is the longest result, in bytes of JSON.
	Output int64
}

func (l Limits) withDefaults() Limits {
	if l.Time <= 0 {
		l.Time = DefaultTime
	}
	if l.Steps == 0 {
		l.Steps = DefaultSteps
	}
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	if l.Output <= 0 {
		l.Output = DefaultOutput
	}
	return l
}

// Within gives the stricter of two limits, field by field. Zero fields of either bound
// nothing.
func (l Limits) Within(most Limits) Limits {
	return Limits{
		Time:   stricter(l.Time, most.Time),
		Steps:  stricter(l.Steps, most.Steps),
		Memory: stricter(l.Memory, most.Memory),
		Output: stricter(l.Output, most.Output),
	}
}

func stricter[T time.Duration | uint64 | int64](a, b T) T {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// Kind is how a run failed.
type Kind uint8

// The kinds of a failed run.
const (
	// Exception: the script raised it; Message is the author's own text.
	Exception Kind = iota + 1
	// Timeout: the run took longer than Limits.Time.
	Timeout
	// StepLimit: the run did more than Limits.Steps.
	StepLimit
	// MemoryLimit: the run held more than Limits.Memory, or one of its values grew too
	// long.
	MemoryLimit
	// BadResult: the value of result cannot be written as JSON, or is over Limits.Output.
	BadResult
)

// String gives the kind in words.
func (k Kind) String() string {
	switch k {
	case Exception:
		return "exception"
	case Timeout:
		return "timeout"
	case StepLimit:
		return "step limit"
	case MemoryLimit:
		return "memory limit"
	case BadResult:
		return "bad result"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is a failed run. Message is text of the script's author or of the language, bounded
// in length. Name and Line are the place, if it is known.
type Error struct {
	Kind    Kind
	Message string
	Name    string
	Line    int
}

// Error gives "name:line: message".
func (e *Error) Error() string {
	switch {
	case e.Name == "":
		return e.Message
	case e.Line == 0:
		return e.Name + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Message)
}

// maxMessage bounds the message of an exception, in bytes.
const maxMessage = 500

// bounded gives a message in one line of bounded length.
func bounded(message string) string {
	cut := len(message) > maxMessage
	if cut {
		message = message[:maxMessage]
	}
	message = strings.Join(strings.Fields(strings.ToValidUTF8(message, "")), " ")
	if cut {
		message += "…"
	}
	return message
}

// errTimeout is the cause of a context that ended because of Limits.Time.
var errTimeout = errors.New("the script took too long")

// guarded turns a fault of an interpreter into a failed run.
func (p *Program) guarded(ctx context.Context, input []byte, m *meter) (result []byte, set bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, set, err = nil, false, fmt.Errorf("the interpreter failed: %v", r)
		}
	}()
	return p.runner.run(ctx, input, m)
}

// Run evaluates the program with input, a JSON object, as the variable context, and gives
// the variable result as compact JSON; set is false when the script did not assign it. The
// error is an *Error, or that of ctx when ctx ended first.
func (p *Program) Run(ctx context.Context, input []byte, lim Limits) (result []byte, set bool, err error) {
	lim = lim.withDefaults()
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	timed, cancel := context.WithTimeoutCause(ctx, lim.Time, errTimeout)
	defer cancel()
	m := newMeter(timed, lim)
	result, set, err = p.guarded(timed, input, m)
	if failed := m.verdict(p.Name(), err); failed != nil {
		return nil, false, failed
	}
	if int64(len(result)) > lim.Output {
		return nil, false, &Error{Kind: BadResult, Name: p.Name(), Message: fmt.Sprintf("the result is longer than %d bytes of JSON", lim.Output)}
	}
	return result, set, nil
}

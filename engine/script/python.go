package script

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"sort"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// python is a Starlark program: the texts of all sources, one after the other, so that they
// have one global scope.
type python struct {
	program *starlark.Program
	places  places
}

// instructions is how many instructions of Starlark are one step: about what one round of a
// small loop takes.
const instructions = 16

// pythonOptions allow what Python allows and plain Starlark does not.
func pythonOptions() *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}
}

func compilePython(sources []Source) (runner, error) {
	var all bytes.Buffer
	p := &python{}
	for _, s := range sources {
		text, err := parsePython(s)
		if err != nil {
			return nil, err
		}
		p.places.add(s.Name, text)
		all.Write(text)
	}
	options := pythonOptions()
	tree, err := options.Parse("script", all.Bytes(), 0)
	if err != nil {
		return nil, p.places.syntax(err)
	}
	for _, stmt := range tree.Stmts {
		if load, ok := stmt.(*syntax.LoadStmt); ok {
			return nil, p.places.syntax(syntax.Error{Pos: load.Load, Msg: "load is not known here; list other files under dependencies"})
		}
	}
	instrumentPython(tree)
	known := pythonNames(nil)
	if p.program, err = starlark.FileProgram(tree, known.Has); err != nil {
		return nil, p.places.syntax(err)
	}
	return p, nil
}

var importLine = regexp.MustCompile(`^import[ \t]+(json|math)[ \t]*(#.*)?\r?$`)

// parsePython checks a source by itself, so that an open bracket does not reach into the
// next, and gives its text with a line's end. Imports of what is there anyway become empty
// lines.
func parsePython(s Source) ([]byte, error) {
	text := append(bytes.Clone(s.Text), '\n')
	for {
		_, err := pythonOptions().Parse(s.Name, text, 0)
		if err == nil {
			return text, nil
		}
		var at syntax.Error
		if !errors.As(err, &at) {
			return nil, &SyntaxError{Name: s.Name, Line: 1, Message: bounded(err.Error())}
		}
		lines := bytes.SplitAfter(text, []byte("\n"))
		n := int(at.Pos.Line) - 1
		if n < 0 || n >= len(lines) || !importLine.Match(bytes.TrimSuffix(lines[n], []byte("\n"))) {
			return nil, pythonSyntax(s.Name, at.Pos, at.Msg, lines)
		}
		lines[n] = []byte("\n")
		text = bytes.Join(lines, nil)
	}
}

// pythonSyntax says in plain words what Starlark does not know.
func pythonSyntax(name string, at syntax.Position, message string, lines [][]byte) *SyntaxError {
	e := &SyntaxError{Name: name, Line: int(at.Line), Column: int(at.Col), Message: bounded(message)}
	if n := int(at.Line) - 1; n >= 0 && n < len(lines) {
		if what := unknownConstruct(string(lines[n])); what != "" {
			e.Message = what + "; Python scripts are run as Starlark, a part of Python"
		}
	}
	return e
}

var (
	statement = regexp.MustCompile(`^\s*(?:@|(?:async\s+)?([a-z]+)\b)`)
	fString   = regexp.MustCompile(`\b[fF][rR]?["']|\b[rR][fF]["']`)
)

// unknownConstruct names what of Python a line has that Starlark does not; empty when it is
// something else.
func unknownConstruct(line string) string {
	if m := statement.FindStringSubmatch(line); m != nil {
		switch m[1] {
		case "":
			return "decorators are not known"
		case "import", "from":
			return "import is not known; json and math are there without it, other modules are not"
		case "class":
			return "class is not known; use functions and dictionaries"
		case "try", "except", "finally", "raise":
			return m[1] + " is not known; check before, and stop with fail(\"why\")"
		case "with", "yield", "async", "await", "match":
			return m[1] + " is not known"
		case "global", "nonlocal":
			return m[1] + " is not known; a function gives its value with return"
		case "del":
			return "del is not known; use pop(key)"
		case "assert":
			return "assert is not known; use if and fail(\"why\")"
		}
	}
	switch {
	case fString.MatchString(line):
		return "f-strings are not known; write \"{} of {}\".format(a, b)"
	case strings.Contains(line, "**"):
		return "the operator ** is not known; use math.pow(x, y)"
	case strings.Contains(line, ":="):
		return "the operator := is not known"
	}
	return ""
}

// places maps lines of the joined text to lines of the sources.
type places struct {
	names  []string
	starts []int // the line, from 0, at which each source begins
	lines  int
}

func (p *places) add(name string, text []byte) {
	p.names, p.starts = append(p.names, name), append(p.starts, p.lines)
	p.lines += bytes.Count(text, []byte("\n"))
}

func (p *places) of(line int) (string, int) {
	i := sort.Search(len(p.starts), func(i int) bool { return p.starts[i] >= line }) - 1
	if i < 0 {
		return "", 0
	}
	return p.names[i], line - p.starts[i]
}

func (p *places) syntax(err error) error {
	var (
		at   syntax.Error
		list resolve.ErrorList
	)
	switch {
	case errors.As(err, &list) && len(list) > 0:
		at = syntax.Error{Pos: list[0].Pos, Msg: list[0].Msg}
	case !errors.As(err, &at):
		at.Msg = err.Error()
	}
	name, line := p.of(int(at.Pos.Line))
	return &SyntaxError{Name: name, Line: line, Column: int(at.Pos.Col), Message: bounded(at.Msg)}
}

func (p *python) run(ctx context.Context, input []byte, m *meter) ([]byte, bool, error) {
	thread := &starlark.Thread{Name: "script", Print: func(*starlark.Thread, string) {}}
	limit := m.limits.Steps * instructions
	if limit/instructions != m.limits.Steps {
		limit = 0 // no limit that a run could reach
	}
	thread.SetMaxExecutionSteps(limit)
	thread.OnMaxSteps = func(t *starlark.Thread) {
		t.Cancel(m.fail(StepLimit, "the script did more than %d steps", m.limits.Steps).Error())
	}
	defer context.AfterFunc(ctx, func() { thread.Cancel(context.Cause(ctx).Error()) })()

	names := pythonNames(m)
	value, err := decodePython(input)
	if err != nil {
		return nil, false, err
	}
	names["context"] = value
	globals, err := p.program.Init(thread, names)
	if err != nil {
		return nil, false, p.failure(err)
	}
	result, set := globals["result"]
	if !set {
		return nil, false, nil
	}
	text, err := encodePython(ctx, result, m)
	return text, err == nil, err
}

// failure gives what Starlark reports in our words.
func (p *python) failure(err error) error {
	var failed *starlark.EvalError
	if !errors.As(err, &failed) {
		return err
	}
	e := &Error{Kind: Exception, Message: bounded(failed.Msg)}
	for i := range failed.CallStack {
		if at := failed.CallStack.At(i); at.Pos.Filename() == "script" {
			e.Name, e.Line = p.places.of(int(at.Pos.Line))
			break
		}
	}
	return e
}

package plan

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"capd/engine/script"
	"capd/engine/spec"
)

// scriptFiles are files by location.
type scriptFiles map[string]string

func (f scriptFiles) Read(_, location string) ([]byte, error) {
	if text, ok := f[location]; ok {
		return []byte(text), nil
	}
	if strings.HasPrefix(location, "/etc") {
		return nil, ErrOutside
	}
	return nil, fs.ErrNotExist
}
func (f scriptFiles) Folder(string, string) (fs.FS, error)    { return nil, fs.ErrNotExist }
func (f scriptFiles) Place(string, string) (FilePlace, error) { return FilePlace{}, fs.ErrNotExist }

// compileStep compiles one script step below a control adapter.
func compileStep(t *testing.T, step, scripting string) (*script.Program, script.Limits, *fault) {
	t.Helper()
	text := `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - {type: control, port: 9000, management: {health: true` + scripting + `}}
  - type: mcp
    namespace: m
    port: 9001
    tools:
    - name: t
      description: T
      steps:
      - ` + step + "\n"
	doc, list := spec.Parse("test.yaml", []byte(text), spec.Limits{})
	if doc == nil || list.HasErrors() {
		t.Fatal(list)
	}
	files := scriptFiles{
		"a.js":               "var result = twice(21);",
		"lib/twice.js":       "function twice(x) { return x * 2 }",
		"a.py":               "result = 1",
		"bad.py":             "result = 1\nimport os\n",
		"bad.js":             "var result = ;",
		"scripts/a.js":       "var result = 1;",
		"file:///srv/x/a.js": "var result = 2;",
		"plain":              "var result = 3;",
	}
	c := &compiler{doc: doc, files: files}
	return c.compileScript(&doc.Exposes[1].Tools[0].Steps[0])
}

// TestScriptSteps: where a script is found, in which language, with which limits.
func TestScriptSteps(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ step, scripting, want string }{
		"dependencies":   {`{type: script, name: s, file: a.js, dependencies: [lib/twice.js]}`, ``, `42`},
		"by its ending":  {`{type: script, name: s, file: a.py}`, `, scripting: {defaultLanguage: javascript}`, `1`},
		"default":        {`{type: script, name: s, file: plain}`, `, scripting: {defaultLanguage: javascript}`, `3`},
		"own language":   {`{type: script, name: s, file: plain, language: js}`, ``, `3`},
		"folder":         {`{type: script, name: s, file: a.js, location: scripts/}`, ``, `1`},
		"default folder": {`{type: script, name: s, file: a.js}`, `, scripting: {defaultLocation: "file:///srv/x"}`, `2`},
		"own folder":     {`{type: script, name: s, file: a.js, location: scripts}`, `, scripting: {defaultLocation: "file:///srv/x"}`, `1`},

		"switched off":   {`{type: script, name: s, file: a.py}`, `, scripting: {enabled: false}`, `step s is a script, and this document switches scripts off`},
		"no file":        {`{type: script, name: s}`, ``, `step s is a script without a file`},
		"no language":    {`{type: script, name: s, file: plain}`, ``, `step s does not say in which language its script is written`},
		"other language": {`{type: script, name: s, file: a.js, language: ruby}`, ``, `step s does not say in which language its script is written`},
		"groovy":         {`{type: script, name: s, file: enrich.groovy}`, ``, `step s is written in groovy, which capd does not run`},
		"not allowed":    {`{type: script, name: s, file: a.py}`, `, scripting: {allowedLanguages: [javascript]}`, `step s is written in python, which allowedLanguages of the control adapter does not list`},
		"missing":        {`{type: script, name: s, file: no.js}`, ``, `the script no.js does not exist`},
		"up":             {`{type: script, name: s, file: ../a.js}`, ``, `"../a.js" is no name of a script file`},
		"absolute":       {`{type: script, name: s, file: /a.js}`, ``, `"/a.js" is no name of a script file`},
		"up below":       {`{type: script, name: s, file: a.js, dependencies: [lib/../../x.js]}`, ``, `"lib/../../x.js" is no name of a script file`},
		"outside":        {`{type: script, name: s, file: passwd.js, location: /etc}`, ``, `the script cannot be read: outside of the folders that this document may use`},
		"syntax":         {`{type: script, name: s, file: bad.js}`, ``, `the script of step s does not compile: bad.js:1:14: Unexpected token ;`},
		"python import":  {`{type: script, name: s, file: bad.py}`, ``, `the script of step s does not compile: bad.py:2:1: import is not known; json and math are there without it, other modules are not; Python scripts are run as Starlark, a part of Python`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _, f := compileStep(t, x.step, x.scripting)
			got := ""
			if f != nil {
				if got = f.message; !f.span.Start.IsValid() {
					t.Error("it has no place")
				}
			} else if result, _, err := runScript(t.Context(), nil, p, script.Limits{}, []byte("{}")); err != nil {
				t.Fatal(err)
			} else {
				got = string(result)
			}
			if got != x.want {
				t.Errorf("got  %s\nwant %s", got, x.want)
			}
		})
	}
}

// TestScriptLimits: what the control adapter says bounds the runs of the document.
func TestScriptLimits(t *testing.T) {
	t.Parallel()
	_, got, f := compileStep(t, `{type: script, name: s, file: a.py}`, `, scripting: {timeout: 3000, statementLimit: 50000}`)
	if want := (script.Limits{Time: 3 * time.Second, Steps: 50000}); f != nil || got != want {
		t.Errorf("got %+v, want %+v (%v)", got, want, f)
	}
}

// TestScriptFailures: what a caller is told.
func TestScriptFailures(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"throw new Error('no rooms')": `script "a.js" failed: Error: no rooms`,
		"for (;;) {}":                 `script "a.js" took longer than 1ms`,
		"var result = () => 1":        `script "a.js": result is a function or a symbol, which JSON does not have`,
	} {
		p, err := script.Compile(script.JavaScript, script.Source{Name: "a.js", Text: []byte(text)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		lim := script.Limits{}
		if strings.HasPrefix(text, "for") {
			lim.Time = time.Millisecond
		}
		_, _, err = runScript(t.Context(), nil, p, lim, []byte("{}"))
		var failed *Error
		if !errors.As(err, &failed) || failed.Message != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

package script_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/engine/script"
)

// program compiles a text, named main.js or main.py, with dependencies dep1, dep2, ….
func program(t testing.TB, lang script.Language, text string, dependencies ...string) *script.Program {
	t.Helper()
	p, err := compile(lang, text, dependencies...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compile(lang script.Language, text string, dependencies ...string) (*script.Program, error) {
	ending := map[script.Language]string{script.JavaScript: ".js", script.Python: ".py"}[lang]
	var deps []script.Source
	for i, d := range dependencies {
		deps = append(deps, script.Source{Name: "dep" + string(rune('1'+i)) + ending, Text: []byte(d)})
	}
	return script.Compile(lang, script.Source{Name: "main" + ending, Text: []byte(text)}, deps)
}

// run gives the result, "unset", or the error with its kind.
func run(t testing.TB, p *script.Program, input string, lim script.Limits) string {
	t.Helper()
	if input == "" {
		input = "{}"
	}
	result, set, err := p.Run(context.Background(), []byte(input), lim)
	var failed *script.Error
	switch {
	case errors.As(err, &failed):
		return failed.Kind.String() + " " + failed.Error()
	case err != nil:
		return "error " + err.Error()
	case !set:
		return "unset"
	}
	return string(result)
}

// TestScripts runs what script steps are written for, in both languages.
func TestScripts(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		lang         script.Language
		text         string
		dependencies []string
		input, want  string
	}{
		"JavaScript/object":     {script.JavaScript, `var result = {hello: 'world', n: 6 * 7, ok: !0};`, nil, ``, `{"hello":"world","n":42,"ok":true}`},
		"JavaScript/let":        {script.JavaScript, `const result = [1, null, "é"];`, nil, ``, `[1,null,"é"]`},
		"JavaScript/implicit":   {script.JavaScript, `result = context.n + 1`, nil, `{"n": 1.5}`, `2.5`},
		"JavaScript/filter":     {script.JavaScript, `const result = context.people.filter(p => p.active).map(({name}) => name)`, nil, `{"people":[{"name":"a","active":true},{"name":"b"}]}`, `["a"]`},
		"JavaScript/totals":     {script.JavaScript, `let sum = 0; for (const o of context.orders) sum += o.price * o.n; var result = {sum, count: context.orders.length};`, nil, `{"orders":[{"price":10.25,"n":2},{"price":40,"n":1}]}`, `{"sum":60.5,"count":2}`},
		"JavaScript/threshold":  {script.JavaScript, `var least = Number(context.least); var result = context.all.filter(function (v) { return v >= least; });`, nil, `{"all":[1,5,9],"least":"5"}`, `[5,9]`},
		"JavaScript/dependency": {script.JavaScript, `var result = twice(base);`, []string{`var base = 20;`, `function twice(x) { return x * 2 }`}, ``, `40`},
		"JavaScript/unset":      {script.JavaScript, `var other = 1;`, nil, ``, `unset`},
		"JavaScript/undefined":  {script.JavaScript, `var result;`, nil, ``, `unset`},
		"JavaScript/null":       {script.JavaScript, `var result = null;`, nil, ``, `null`},
		"JavaScript/own copy":   {script.JavaScript, `context.a.push(3); var result = context.a;`, nil, `{"a":[1,2]}`, `[1,2,3]`},
		"JavaScript/promise":    {script.JavaScript, `Promise.resolve(4).then(v => { result = v }); var result = 1;`, nil, ``, `4`},
		"JavaScript/async":      {script.JavaScript, `var result; (async () => { result = await 5 })();`, nil, ``, `5`},
		"JavaScript/console":    {script.JavaScript, `console.log('x', 1); console.error(context); result = 1`, nil, ``, `1`},
		"JavaScript/throw":      {script.JavaScript, "\n\nthrow new Error('no rooms in ' + context.city)", nil, `{"city":"Ulm"}`, `exception main.js:3: Error: no rooms in Ulm`},
		"JavaScript/throw text": {script.JavaScript, `throw 'no'`, nil, ``, `exception main.js:1: no`},
		"JavaScript/in dep":     {script.JavaScript, `f()`, []string{"function f() {\n  context.no.x\n}"}, ``, `exception dep1.js:2: TypeError: Cannot read property 'x' of undefined`},
		"JavaScript/date":       {script.JavaScript, `result = new Date('2026-02-03T04:05:06Z').toISOString()`, nil, ``, `"2026-02-03T04:05:06.000Z"`},
		"JavaScript/now":        {script.JavaScript, `result = Date.now()`, nil, ``, `exception main.js:1: TypeError: a script has no clock: pass the time in as an input`},
		"JavaScript/new Date":   {script.JavaScript, `result = new Date().getTime()`, nil, ``, `exception main.js:1: TypeError: a script has no clock: pass the time in as an input`},
		"JavaScript/random":     {script.JavaScript, `result = Math.random()`, nil, ``, `exception main.js:1: TypeError: a script has no random numbers: pass them in as an input`},
		"JavaScript/function":   {script.JavaScript, `result = function () {}`, nil, ``, `bad result main.js: result is a function or a symbol, which JSON does not have`},
		"JavaScript/NaN":        {script.JavaScript, `result = 0 / 0`, nil, ``, `bad result main.js: result is not a finite number, and JSON has no other`},
		"JavaScript/circular":   {script.JavaScript, `var result = {}; result.self = result`, nil, ``, `bad result main.js: result cannot be written as JSON: TypeError: Converting circular structure to JSON`},

		"Python/object":     {script.Python, `result = {"hello": "world", "n": 6 * 7, "ok": True}`, nil, ``, `{"hello":"world","n":42,"ok":true}`},
		"Python/filter":     {script.Python, `result = [p["name"] for p in context["people"] if p.get("active")]`, nil, `{"people":[{"name":"a","active":true},{"name":"b"}]}`, `["a"]`},
		"Python/loop":       {script.Python, "total = 0\nfor o in context[\"orders\"]:\n    total += o[\"price\"] * o[\"n\"]\nresult = {\"sum\": total}", nil, `{"orders":[{"price":10.25,"n":2},{"price":40,"n":1}]}`, `{"sum":60.5}`},
		"Python/threshold":  {script.Python, "least = float(context[\"least\"])\nresult = list(filter(lambda v: v >= least, context[\"all\"]))", nil, `{"all":[1,5,9],"least":"5"}`, `[5,9]`},
		"Python/readings":   {script.Python, "v = [r[\"t\"] for r in context[\"r\"]]\nresult = {\"avg\": sum(v) / len(v), \"min\": min(v), \"max\": max(v), \"count\": len(v)}", nil, `{"r":[{"t":20},{"t":25},{"t":30}]}`, `{"avg":25,"min":20,"max":30,"count":3}`},
		"Python/dependency": {script.Python, "base = base + 1\nresult = twice(base)", []string{`base = 20`, "def twice(x):\n    return x * 2\n"}, ``, `42`},
		"Python/unset":      {script.Python, `other = 1`, nil, ``, `unset`},
		"Python/none":       {script.Python, `result = None`, nil, ``, `null`},
		"Python/while":      {script.Python, "n = 0\nwhile n < 5:\n    n += 1\nresult = n", nil, ``, `5`},
		"Python/recursion":  {script.Python, "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nresult = f(10)", nil, ``, `3628800`},
		"Python/import":     {script.Python, "import json\nimport math  # for sqrt\nresult = json.encode({\"r\": math.sqrt(16)})", nil, ``, `"{\"r\":4.0}"`},
		"Python/types":      {script.Python, `result = [isinstance(1, int), isinstance("a", (int, str)), isinstance([], dict), round(2.675, 2), round(2.5), round(7), abs(-3)]`, nil, ``, `[true,true,false,2.67,2,7,3]`},
		"Python/big":        {script.Python, `result = context["id"]`, nil, `{"id":12345678901234567890}`, `12345678901234567890`},
		"Python/unicode":    {script.Python, `result = "<é " + context["a"] + ">"`, nil, `{"a":"\u00fc"}`, `"<é ü>"`},
		"Python/fail":       {script.Python, "\ndef f():\n    fail(\"no rooms in\", context[\"city\"])\nf()", nil, `{"city":"Ulm"}`, `exception main.py:3: fail: no rooms in Ulm`},
		"Python/in dep":     {script.Python, `f()`, []string{"x = 1\n", "def f():\n    return [][1]"}, ``, `exception dep2.py:2: index 1 out of range: empty list`},
		"Python/missing":    {script.Python, `result = context["no"]`, nil, ``, `exception main.py:1: key "no" not in dict`},
		"Python/function":   {script.Python, `result = len`, nil, ``, `bad result main.py: result cannot be written as JSON: it holds a builtin_function_or_method, which JSON does not have`},
		"Python/inf":        {script.Python, `result = [float("inf")]`, nil, ``, `bad result main.py: result cannot be written as JSON: it holds a number that is not finite, and JSON has no other`},
		"Python/circular":   {script.Python, "result = []\nresult.append(result)", nil, ``, `bad result main.py: result cannot be written as JSON: nested too deeply`},
		"Python/print":      {script.Python, "print(context)\nresult = 1", nil, ``, `1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := program(t, x.lang, x.text, x.dependencies...)
			for range 2 { // the second run finds nothing of the first
				if got := run(t, p, x.input, script.Limits{}); got != x.want {
					t.Errorf("got  %s\nwant %s", got, x.want)
				}
			}
		})
	}
}

// TestSyntaxErrors: at the place, in plain words.
func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	const dialect = "; Python scripts are run as Starlark, a part of Python"
	for text, want := range map[string]string{
		"x = 1\nimport os":                          "main.py:2:1: import is not known; json and math are there without it, other modules are not" + dialect,
		"class A:\n    pass":                        "main.py:1:1: class is not known; use functions and dictionaries" + dialect,
		"x = 1\ntry:\n    x = 2\nexcept:\n    pass": "main.py:2:1: try is not known; check before, and stop with fail(\"why\")" + dialect,
		"with open(1) as f:\n    pass":              "main.py:1:1: with is not known" + dialect,
		"result = f\"{a}\"":                         "main.py:1:16: f-strings are not known; write \"{} of {}\".format(a, b)" + dialect,
		"result = 2 ** 3":                           "main.py:1:14: the operator ** is not known; use math.pow(x, y)" + dialect,
		"result = undefined_name":                   "main.py:1:10: undefined: undefined_name",
		"load('os', 'x')":                           "main.py:1:1: load is not known here; list other files under dependencies",
		"x = (1":                                    "main.py:2:1: got end of file, want ')'",
	} {
		if _, err := compile(script.Python, text); err == nil || err.Error() != want {
			t.Errorf("%q: got  %v\nwant %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"var result = ;":                    "main.js:1:14: Unexpected token ;",
		"\n  with (context) { result = a }": "main.js:2:3: with is not allowed",
		"var a = 1n;":                       "main.js:1:9: BigInt is not known here: JSON has no such number",
		"import x from 'y';":                "main.js:1:1: modules are not known; list other files under dependencies",
		"export const a = 1;":               "main.js:1:1: modules are not known; list other files under dependencies",
	} {
		if _, err := compile(script.JavaScript, text); err == nil || err.Error() != want {
			t.Errorf("%q: got  %v\nwant %s", text, err, want)
		}
	}
	if _, err := compile(script.Python, "result = 1", "x = (", "y = 2"); err == nil || err.Error() != "dep1.py:2:1: got end of file, want primary expression" {
		t.Error(err)
	}
	for _, deep := range []string{strings.Repeat("(", 1e5), strings.Repeat("[", 1e5), strings.Repeat("`${", 1e5), strings.Repeat("!", 1e5) + "1", "x=" + strings.Repeat("{a:", 8e4), "1" + strings.Repeat("+1", 1e5), strings.Repeat("a=>", 8e4) + "1"} {
		if _, err := compile(script.JavaScript, deep); err == nil {
			t.Errorf("%.20s compiled", deep)
		}
		if _, err := compile(script.Python, deep); err == nil && deep[0] != '1' {
			t.Errorf("%.20s compiled", deep)
		}
	}
	if _, err := compile(script.JavaScript, "// "+strings.Repeat("x", 1<<20)); err == nil {
		t.Error("a text of a mebibyte is a script")
	}
}

// TestSandbox: there is nothing to reach.
func TestSandbox(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`result = typeof require + typeof process + typeof setTimeout + typeof fetch + typeof module + typeof Go`: `"undefinedundefinedundefinedundefinedundefinedundefined"`,
		`result = (function () {}).constructor('return 1')()`:                                                     "exception main.js:1: TypeError: a script cannot make code of a text",
		`result = (async () => 1).constructor('return 1')()`:                                                      "exception main.js:1: TypeError: a script cannot make code of a text",
		`result = (function* () {}).constructor('return 1')()`:                                                    "exception main.js:1: TypeError: a script cannot make code of a text",
		`result = new Function('return 1')()`:                                                                     "exception main.js:1: TypeError: Value is not a constructor",
		`result = eval('1')`:                                                                                      "exception main.js:1: TypeError: a script cannot make code of a text",
		`result = (0, eval)('1')`:                                                                                 "exception main.js:1: TypeError: a script cannot make code of a text",
		`result = console.log.constructor('return 1')()`:                                                          "exception main.js:1: TypeError: a script cannot make code of a text",
		`result = Reflect.construct(Object.getPrototypeOf(function () {}).constructor, ['return 1'])()`:           "exception main.js:1: TypeError: Value is not a constructor",
		`result = (() => 1) instanceof Function`:                                                                  "true",
		`result = typeof ArrayBuffer + typeof Uint8Array + typeof BigInt`:                                         `"undefinedundefinedundefined"`,
		`'use strict'; globalThis['(step)'] = () => 1`:                                                            "exception main.js:1: TypeError: Cannot assign to read only property '(step)'",
		`'use strict'; delete globalThis['(step)']`:                                                               "exception main.js:1: TypeError: Cannot delete property '(step)' of [object global]",
	} {
		if got := run(t, program(t, script.JavaScript, text), "", script.Limits{}); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`result = open("/etc/passwd")`: "main.py:1:10: undefined: open",
		`result = __import__("os")`:    "main.py:1:10: undefined: __import__",
		`result = eval("1")`:           "main.py:1:10: undefined: eval",
		`result = time.now()`:          "main.py:1:10: undefined: time",
	} {
		if _, err := compile(script.Python, text); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	if got := run(t, program(t, script.Python, `result = [].__class__`), "", script.Limits{}); !strings.HasPrefix(got, "exception") {
		t.Error(got)
	}
}

// TestRunsAreIsolated: what a run does to the language, the next one does not see, and runs
// at the same time do not see each other.
func TestRunsAreIsolated(t *testing.T) {
	t.Parallel()
	js := program(t, script.JavaScript, `
		var seen = [typeof leaked, [].evil, Object.prototype.evil, context.evil, JSON.evil].filter(v => v !== undefined && v !== 'undefined');
		leaked = context.n; Array.prototype.evil = 1; Object.prototype.evil = 2; JSON.evil = 3;
		Array.prototype.map = () => 'stolen';
		var result = {n: context.n, seen: seen.length};`)
	py := program(t, script.Python, `
context["seen"] = context.get("seen", 0) + 1
cache.append(context["n"])
result = {"n": context["n"], "seen": len(cache) - 1}`, "cache = []")
	var all sync.WaitGroup
	for i := range 20 {
		for _, p := range []*script.Program{js, py} {
			all.Go(func() {
				want := fmt.Sprintf(`{"n":%d,"seen":0}`, i)
				if got := run(t, p, fmt.Sprintf(`{"n":%d}`, i), script.Limits{}); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
	all.Wait()
}

// TestCancelStopsARun: the caller's going away ends a script that goes on for ever.
func TestCancelStopsARun(t *testing.T) {
	t.Parallel()
	for lang, text := range map[script.Language]string{script.JavaScript: `for (;;) {}`, script.Python: "while True:\n    pass"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		p := program(t, lang, text)
		go func() {
			_, _, err := p.Run(ctx, []byte("{}"), script.Limits{Time: time.Hour, Steps: 1 << 60})
			ended <- err
		}()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", lang, err)
		}
	}
}

// TestTheEndOfTime: a script that goes on for ever is told from one whose call has ended.
func TestTheEndOfTime(t *testing.T) {
	t.Parallel()
	for lang, text := range map[script.Language]string{script.JavaScript: `for (;;) {}`, script.Python: "while True:\n    pass"} {
		p := program(t, lang, text)
		if got := run(t, p, "", script.Limits{Time: time.Millisecond, Steps: 1 << 60}); !strings.HasPrefix(got, "timeout") {
			t.Errorf("%s: %s", lang, got)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	input := []byte(`{"people":[{"name":"a","active":true,"n":3},{"name":"b","active":false,"n":4},{"name":"c","active":true,"n":5}]}`)
	for lang, text := range map[script.Language]string{
		script.JavaScript: `let sum = 0; for (const p of context.people) sum += p.n; var result = {sum, names: context.people.filter(p => p.active).map(p => p.name)};`,
		script.Python:     "total = 0\nfor p in context[\"people\"]:\n    total += p[\"n\"]\nresult = {\"sum\": total, \"names\": [p[\"name\"] for p in context[\"people\"] if p[\"active\"]]}",
	} {
		b.Run(lang.String(), func(b *testing.B) {
			p := program(b, lang, text)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.Run(b.Context(), input, script.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"capd/engine/script"
)

// FuzzRun: whatever a text says, compiling and running it ends with a result that is JSON or
// with an error of the script's, under tight limits.
func FuzzRun(f *testing.F) {
	for _, text := range []string{
		`var result = context.a.map(x => x * 2).join('-')`, `result = [...'abc'].reverse().concat([1, [2]].flat())`,
		"let s = ''; for (const [k, v] of Object.entries(context)) s += `${k}=${v};`; var result = s",
		`class A { #x = 1; get x() { return this.#x } static y = 2 } result = new A().x + A.y`,
		`var result = 'a-b'.replace(/(\w)-(?<n>\w)/g, '$<n>-$1$$')`, `try { null.x } catch ({message}) { var result = message }`,
		"result = [x for x in context[\"a\"] if x > 1]", "d = {}\nfor i in range(3):\n    d[str(i)] = i\n    d[str(i)] += 1\nresult = d",
		"result = \"%s {}\".format(1) % \"x\" + \"-\".join([\"a\"] * 2)", "def f(a, *b, c=1, **d):\n    return (a, b, c, d)\nresult = f(1, 2, c=3, e=4)",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	script.BoundRegexps()
	lim := script.Limits{Time: 100 * time.Millisecond, Steps: 2000, Memory: 4 << 20, Output: 64 << 10}
	f.Fuzz(func(t *testing.T, text string, js bool) {
		lang := script.Python
		if js {
			lang = script.JavaScript
		}
		p, err := compile(lang, text)
		if err != nil {
			var syntax *script.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		result, set, err := p.Run(context.Background(), []byte(`{"a":[1,2,3],"b":"x"}`), lim)
		var failed *script.Error
		switch {
		case err != nil && !errors.As(err, &failed):
			t.Fatalf("%T %v", err, err)
		case err == nil && set && !json.Valid(result):
			t.Fatalf("not JSON: %q", result)
		case len(result) > 64<<10:
			t.Fatalf("%d bytes", len(result))
		}
	})
}

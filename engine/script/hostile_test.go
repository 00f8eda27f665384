package script_test

import (
	"strings"
	"testing"
	"time"

	"capd/engine/script"
)

// tight are limits under which every hostile script must end by itself, long before the
// test gives up.
func tight() script.Limits {
	return script.Limits{Time: time.Minute, Steps: 50_000, Memory: 16 << 20, Output: 1 << 20}
}

// TestHostileJavaScript: what never ends, and what takes more and more memory.
func TestHostileJavaScript(t *testing.T) {
	script.BoundRegexps()
	const doubled = `var a = [1]; for (var i = 0; i < 40; i++) a = [a, a]; `
	for text, want := range map[string]string{
		`for (;;) {}`:     "step limit",
		`while (true);`:   "step limit",
		`do {} while (1)`: "step limit",
		`for (;;) try { for (;;) {} } catch (e) {}`:                             "step limit",
		`function f() { f() } f()`:                                              "step limit",
		`function f() { try { f() } catch (e) { f() } } f()`:                    "step limit",
		`function f(n) { return n < 2 ? 1 : f(n - 1) + f(n - 2) } f(80)`:        "step limit",
		`const f = () => Promise.resolve().then(f); f()`:                        "timeout",
		`(async () => { for (;;) await 1 })()`:                                  "step limit",
		`function* g() { for (;;) yield 1 } result = [...g()]`:                  "step limit",
		`[1].map(function f() { return [1].map(f) })`:                           "step limit",
		`var o = {get x() { return this.x }}; o.x`:                              "step limit",
		`var o = {toString() { return '' + this }}; '' + o`:                     "step limit",
		`var o = {toJSON() { return JSON.stringify(this) }}; JSON.stringify(o)`: "step limit",
		`var p = new Proxy({}, {get(t, k, r) { return r[k] }}); p.x`:            "step limit",
		`[3, 1, 2].sort(function f(a, b) { return [3, 1].sort(f) && 1 })`:       "step limit",
		`var result = {get x() { for (;;) {} }}`:                                "step limit",
		`var result = {toJSON() { for (;;) {} }}`:                               "step limit",
		`var result = new Proxy({}, {ownKeys() { for (;;) {} }})`:               "step limit",
		`throw {get message() { for (;;) {} }, name: 'x'}`:                      "step limit",

		`var s = 'x'; for (;;) s += s`:                                                                "memory limit",
		`var s = 'x'; for (;;) s = s + s`:                                                             "memory limit",
		"var s = 'x'; for (;;) s = `${s}${s}`":                                                        "memory limit",
		`var s = 'x'; for (;;) s = s.concat(s)`:                                                       "memory limit",
		`var s = 'x'; for (;;) s = [s, s].join()`:                                                     "memory limit",
		`var s = 'xx'; for (;;) s = s.replace('x', '$&$\'x')`:                                         "memory limit",
		`'x'.repeat(2 ** 30)`:                                                                         "memory limit",
		`'x'.padEnd(2 ** 31)`:                                                                         "memory limit",
		`var s = 'x'.repeat(5e4); s.replace(/x/g, s)`:                                                 "memory limit",
		`var s = 'x'.repeat(5e4); s.replaceAll('x', s)`:                                               "memory limit",
		`var s = 'x'.repeat(5e4); s.replace(/x/g, () => s)`:                                           "memory limit",
		"var s = 'x'.repeat(5e4); s.replace(/x/g, '$`')":                                              "memory limit",
		`var s = 'x'.repeat(5e4); RegExp.prototype[Symbol.replace].call(/x/g, s, s)`:                  "memory limit",
		`var a = []; for (;;) a.push(a)`:                                                              "step limit",
		`var a = [], s = 'x'.repeat(5e4); for (var i = 0; ; i++) a.push(s + i)`:                       "memory limit",
		`var a = [], s = 'é'.repeat(5e4); for (;;) a.push(encodeURIComponent(s))`:                     "memory limit",
		`var a = [], s = 'x'.repeat(5e4); for (;;) a.push(s.split(''))`:                               "memory limit",
		`var a = []; for (;;) a.push({a: {b: {c: {d: {}}}}, b: [[], [], []]})`:                        "memory limit",
		`var a = [1]; for (;;) a = [...a, ...a]`:                                                      "exception",
		`var a = [1]; for (;;) a.push(...a)`:                                                          "exception",
		`var a = [1]; for (;;) a = a.concat(a)`:                                                       "memory limit",
		`new Array(1e9).fill(1)`:                                                                      "memory limit",
		`new Array(4e9).join('x')`:                                                                    "memory limit",
		`Array.from({length: 1e9})`:                                                                   "memory limit",
		`Math.max.apply(null, {length: 1e9})`:                                                         "memory limit",
		`Reflect.apply(Math.max, null, {length: 1e9})`:                                                "memory limit",
		`String.raw({raw: {length: 1e9}})`:                                                            "memory limit",
		`var a = []; a[1e9] = 1; a.sort()`:                                                            "memory limit",
		`var a = []; a.length = 4e9; a.indexOf(1)`:                                                    "memory limit",
		`var a = []; a.length = 4e9; new Set(a)`:                                                      "timeout",
		`var a = []; a.length = 4e9; var [b, ...c] = a`:                                               "timeout",
		`var a = [], k = a.keys(); a.length = 4e9; [...k]`:                                            "timeout",
		`Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)`:                                      "memory limit",
		`Array.prototype.indexOf.call(Object.assign(new Error, {length: 2 ** 53 - 1}), 1)`:            "memory limit",
		`var n = 0; Array.prototype.indexOf.call({get length() { return n++ ? 2 ** 53 - 1 : 1 }}, 1)`: "exception",
		`Array.prototype.indexOf.call(new Proxy([], {get: () => 2 ** 53 - 1}), 1)`:                    "exception",
		doubled + `JSON.stringify(a)`:                                                                 "memory limit",
		doubled + `a.flat(Infinity)`:                                                                  "memory limit",
		doubled + `a.join()`:                                                                          "timeout",
		doubled + `'' + a`:                                                                            "timeout",
		doubled + `var result = a`:                                                                    "bad result",
		`var a = []; for (var i = 0; i < 1e4; i++) a = [a]; '' + a`:                                   "exception",
		`var a = []; for (var i = 0; i < 1e4; i++) a = [a]; var result = a`:                           "bad result",
		`JSON.parse('['.repeat(1e5))`:                                                                 "exception",
		`/^(?=a)(a+)+$/.exec('a'.repeat(60) + 'b')`:                                                   "timeout",
		`try { /^(?=a)(a+)+$/.test('a'.repeat(60) + 'b') } catch (e) {} var result = 1`:               "timeout",
		`var result = 'a'.repeat(60).concat('b').replace(/(?=a)(a+)+$/g, '')`:                         "timeout",
		`var result = 'x'.repeat(2e6)`:                                                                "bad result",
	} {
		t.Run(text, func(t *testing.T) {
			lim := tight()
			if want == "timeout" {
				lim.Time = 200 * time.Millisecond
			}
			got := run(t, program(t, script.JavaScript, text), "", lim)
			if !strings.HasPrefix(got, want) {
				t.Errorf("got %s, want a %s", got, want)
			}
		})
	}
}

// TestHostilePython is the same for Python.
func TestHostilePython(t *testing.T) {
	const doubled = "a = [1]\nfor i in range(40):\n    a = [a, a]\n"
	for text, want := range map[string]string{
		"while True:\n    pass":                                         "step limit",
		"def f():\n    f()\nf()":                                        "exception",
		"for i in range(1 << 60):\n    pass":                            "step limit",
		"s = 'x'\nwhile True:\n    s += s":                              "memory limit",
		"s = 'x'\nwhile True:\n    s = s + s":                           "memory limit",
		"d = {'s': 'x'}\nwhile True:\n    d['s'] += d['s']":             "memory limit",
		"a = [1]\nwhile True:\n    a += a":                              "memory limit",
		"a = [1]\nwhile True:\n    a.extend(a)":                         "memory limit",
		"a = (1,)\nwhile True:\n    a = a + a":                          "memory limit",
		"result = 'x' * 900000000":                                      "memory limit",
		"result = 900000000 * [1]":                                      "memory limit",
		"a = [1]\na *= 900000000":                                       "memory limit",
		"x = 3\nwhile True:\n    x *= x":                                "memory limit",
		"x = 3\nwhile True:\n    x = x * x":                             "memory limit",
		"x = 1\nwhile True:\n    x = x << 500":                          "memory limit",
		"s = 'x' * 100000\ns.replace('x', s)":                           "memory limit",
		"s = 'x' * 1000000\ns.join([s] * 100)":                          "memory limit",
		"s = 'x' * 1000000\n('{0}' * 100).format(s)":                    "memory limit",
		"s = 'x' * 1000000\n('%s' * 100) % ((s,) * 100)":                "memory limit",
		"list(range(1000000000))":                                       "memory limit",
		"sorted(range(1000000000))":                                     "memory limit",
		"tuple(range(1000000000))":                                      "memory limit",
		"set(range(1000000000))":                                        "memory limit",
		"sum(range(1000000000))":                                        "step limit",
		"max(range(1000000000))":                                        "memory limit",
		"any(range(0, -1000000000, -1))":                                "memory limit",
		"a = []\na.extend(range(1000000000))":                           "memory limit",
		"getattr([], 'extend')(range(1000000000))":                      "memory limit",
		"a = [1] + list(map(lambda x: x, range(1000000000)))":           "step limit",
		"d = {}\nfor i in range(100000000):\n    d[i] = [i]":            "step limit",
		"a = []\ns = 'x' * 1000000\nwhile True:\n    a.append(s + 'x')": "memory limit",
		doubled + "str(a)":                                              "memory limit",
		doubled + "repr(a)":                                             "memory limit",
		doubled + "'%s' % [a]":                                          "memory limit",
		doubled + "'{}'.format(a)":                                      "memory limit",
		doubled + "json.encode(a)":                                      "memory limit",
		doubled + "fail(a)":                                             "memory limit",
		doubled + "result = a":                                          "bad result",
		"result = 'x' * 2000000":                                        "bad result",
	} {
		t.Run(text, func(t *testing.T) {
			if got := run(t, program(t, script.Python, text), "", tight()); !strings.HasPrefix(got, want) {
				t.Errorf("got %s, want a %s", got, want)
			}
		})
	}
}

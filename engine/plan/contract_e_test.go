package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
)

// with gives a sample whose two doors call an operation with the one query parameter q, fed by
// the expression.
func with(expression string) sample {
	return sample{
		binds: "KEY: KEY, lower: LOWER",
		ops:   `{name: get, inputParameters: [{name: q, in: query}]}`,
		rest:  `{name: op, call: api.get, with: {q: ` + expression + `}}`,
		tools: `{name: op, call: api.get, with: {q: ` + expression + `}}`,
	}
}

// E1: what a string of with is.
func TestE1(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, expression, input string }{
		{"$this", "$this.api.a", "a"},
		{"rest", "rest.a", "a"},
		{"tools", "tools.a", "a"},
		{"tool", "tool.a", "a"},
		{"input", "input.a", "a"},
		{"inputs", "inputs.a", "a"},
		{"args", "args.a", "a"},
		{"params", "params.a", "a"},
		{"dots belong to the name", "rest.a.b", "a.b"},
		{"dollars belong to the name", "tools.$filter", "$filter"},
		{"brackets belong to the name", `"tools.filter[state]"`, "filter[state]"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			d := with(x.expression).load(t)
			d.quiet()
			d.sends(strings.NewReplacer("[", "%5B", "]", "%5D").Replace(x.input)+"=v+1", "GET https://api.test/x?q=v+1")
			d.calls(`{"`+x.input+`":"v 1"}`, "GET https://api.test/x?q=v+1")
		})
	}
	t.Run("own namespace", func(t *testing.T) {
		t.Parallel()
		s := with("web.a")
		s.tools = strings.Replace(s.tools, "web.a", "agent.a", 1)
		d := s.load(t)
		d.sends("a=v", "GET https://api.test/x?q=v")
		d.calls(`{"a":"v"}`, "GET https://api.test/x?q=v")
	})
	t.Run("another adapter's namespace is text", func(t *testing.T) {
		t.Parallel()
		s := with("agent.a")
		s.tools = strings.Replace(s.tools, "agent.a", "web.a", 1)
		d := s.load(t)
		d.sends("a=v", "GET https://api.test/x?q=agent.a")
		d.calls(`{"a":"v"}`, "GET https://api.test/x?q=web.a")
	})
	t.Run("own namespace with a dot", func(t *testing.T) {
		t.Parallel()
		for _, expression := range []string{"my.web.a", "$this.my.web.a"} {
			text := strings.Replace(with(expression).text(), "namespace: web", "namespace: my.web", 1)
			load(t, text).sends("a=v", "GET https://api.test/x?q=v")
		}
	})
	for _, x := range []struct{ name, expression, want string }{
		{"env", "env.KEY", "val-KEY"},
		{"env, lower case", "env.lower", "val-LOWER"},
		{"a template", `"<{{KEY}}>"`, "%3Cval-KEY%3E"},
		{"a literal", "plain", "plain"},
		{"a word that begins like a prefix", "restful.a", "restful.a"},
		{"a prefix without a name", "rest.", "rest."},
		{"a prefix alone", "tools", "tools"},
		{"a sentence with a prefix inside", "see rest.a", "see+rest.a"},
		{"a name of no bind namespace", "acme.KEY", "acme.KEY"},
		{"a bind key that is not marked", "KEY", "KEY"},
		{"single braces", `"{a}"`, "%7Ba%7D"},
		{"a URL", "https://h.test/env.KEY", "https%3A%2F%2Fh.test%2Fenv.KEY"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			d := with(x.expression).load(t)
			d.quiet()
			d.sends("a=v", "GET https://api.test/x?q="+x.want)
			d.calls(`{"a":"v"}`, "GET https://api.test/x?q="+x.want)
		})
	}
	t.Run("an input before the environment", func(t *testing.T) {
		t.Parallel()
		s := with("env.a")
		s.tools = "-"
		text := strings.Replace(s.text(), "namespace: web", "namespace: env", 1)
		load(t, text).sends("a=v", "GET https://api.test/x?q=v")
	})
}

// E2: what stands inside a template.
func TestE2(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, expression, want string }{
		{"input prefix", `"{{rest.a}}"`, "in"},
		{"input prefix of the other door", `"{{tools.a}}"`, "in"},
		{"$this", `"{{$this.web.a}}"`, "in"},
		{"spaces", `"{{ tools.a }}"`, "in"},
		{"any other word", `"{{a}}"`, "in"},
		{"env", `"{{env.KEY}}"`, "val-KEY"},
		{"bind key in capitals", `"{{KEY}}"`, "val-KEY"},
		{"bind key in lower case", `"{{lower}}"`, "val-LOWER"},
		{"chevrons of env", `"<<env.KEY>>"`, "val-KEY"},
		{"chevrons of anything else are text", `"<<a>> <<KEY>> <<tools.a>>"`, "%3C%3Ca%3E%3E+%3C%3CKEY%3E%3E+%3C%3Ctools.a%3E%3E"},
		{"dollar braces of a key", `"${KEY}"`, "val-KEY"},
		{"dollar braces of env", `"${env.KEY}"`, "val-KEY"},
		{"dollar braces of anything else are text", `"${a} ${tools.a} ${lower}"`, "%24%7Ba%7D+%24%7Btools.a%7D+%24%7Blower%7D"},
		{"triple braces", `"{{{a}}}"`, "%7Bin%7D"},
		{"escaped", `'\{{a}} {{a}}'`, "%7B%7Ba%7D%7D+in"},
		{"not closed", `"{{a"`, "%7B%7Ba"},
		{"empty", `"{{}} {{ }}"`, "%7B%7B%7D%7D+%7B%7B+%7D%7D"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			d := with(x.expression).load(t)
			d.quiet()
			d.sends("a=in", "GET https://api.test/x?q="+x.want)
			d.calls(`{"a":"in"}`, "GET https://api.test/x?q="+x.want)
		})
	}
	t.Run("bind namespace", func(t *testing.T) {
		t.Parallel()
		for _, expression := range []string{`"{{acme-env.KEY}}"`, `"<<acme-env.KEY>>"`, `"${acme-env.KEY}"`, `"{{acme-env.lower}}"`} {
			text := strings.Replace(with(expression).text(), "namespace: env, keys: {KEY: KEY, lower: LOWER}", "namespace: acme-env, keys: {KEY: KEY, lower: KEY}", 1)
			d := load(t, text)
			d.quiet()
			d.sends("", "GET https://api.test/x?q=val-KEY")
		}
	})
	t.Run("an input prefix before a bind namespace", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(with(`"{{input.KEY}}"`).text(), "namespace: env, keys", "namespace: input, keys", 1)
		load(t, text).sends("KEY=in", "GET https://api.test/x?q=in")
		text = strings.Replace(sample{binds: "id: ID", path: "/x/{{input.id}}"}.text(), "namespace: env, keys", "namespace: input, keys", 1)
		load(t, text).sends("id=in", "GET https://api.test/x/in")
	})
	t.Run("in a body", func(t *testing.T) {
		t.Parallel()
		d := sample{
			binds: "KEY: KEY",
			ops:   `{name: get, method: POST, body: {type: json, data: {a: "{{tools.a}}", b: "{{a}}", c: "{{KEY}}", d: "<<env.KEY>>", e: "${a}", f: '\{{a}}', g: "{{rest.a}} {{env.KEY}}"}}}`,
		}.load(t)
		d.quiet()
		want := "POST https://api.test/x\nContent-Type: application/json\n\n" +
			`{"a":"in","b":"in","c":"val-KEY","d":"val-KEY","e":"${a}","f":"{{a}}","g":"in val-KEY"}`
		d.sends("a=in", want)
		d.calls(`{"a":"in"}`, want)
	})
	t.Run("in a parameter's own value", func(t *testing.T) {
		t.Parallel()
		d := sample{
			binds: "KEY: KEY",
			ops:   `{name: get, inputParameters: [{name: X-A, in: header, value: "{{tools.a}}-{{KEY}}"}, {name: b, in: query, value: "{{a}}"}]}`,
		}.load(t)
		d.quiet()
		d.sends("a=in", "GET https://api.test/x?b=in\nX-A: in-val-KEY")
		d.calls(`{"a":"in"}`, "GET https://api.test/x?b=in\nX-A: in-val-KEY")
	})
}

// E3: exactly one template keeps the JSON type of its value, anything else is text.
func TestE3(t *testing.T) {
	t.Parallel()
	d := sample{
		ops: `{name: get, method: POST, body: {type: json, data: {one: "{{tools.v}}", text: "v={{tools.v}}", pair: "{{tools.v}}{{tools.v}}", space: "{{tools.v}} "}}}`,
	}.load(t)
	for _, x := range []struct{ value, one, text string }{
		{`"a b"`, `"a b"`, `a b`},
		{`7`, `7`, `7`},
		{`12345678901234567890`, `12345678901234567890`, `12345678901234567890`},
		{`1.50`, `1.50`, `1.5`},
		{`true`, `true`, `true`},
		{`[1,"x"]`, `[1,"x"]`, `[1,\"x\"]`},
		{`{"b": {"c": null}}`, `{"b":{"c":null}}`, `{\"b\":{\"c\":null}}`},
	} {
		d.calls(`{"v":`+x.value+`}`, "POST https://api.test/x\nContent-Type: application/json\n\n"+
			`{"one":`+x.one+`,"text":"v=`+x.text+`","pair":"`+x.text+x.text+`","space":"`+x.text+` "}`)
	}
	t.Run("with", func(t *testing.T) {
		t.Parallel()
		d := sample{
			ops:   `{name: get, method: POST, inputParameters: [{name: a, in: body}, {name: b, in: body}, {name: c, in: body}]}`,
			tools: `{name: op, call: api.get, with: {a: "{{tools.v}}", b: "{{tools.v}}!", c: [tools.v, {d: "{{tools.v}}"}]}}`, rest: "-",
		}.load(t)
		d.calls(`{"v":[1]}`, "POST https://api.test/x\nContent-Type: application/json\n\n"+`{"a":[1],"b":"[1]!","c":[[1],{"d":[1]}]}`)
	})
	t.Run("a variable is a string", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "N: N", ops: `{name: get, method: POST, body: {type: json, data: {n: "{{N}}", l: 1.50}}}`}.load(t, "N=1")
		d.calls("{}", "POST https://api.test/x\nContent-Type: application/json\n\n"+`{"n":"1","l":1.50}`)
	})
}

// E4: values that are absent or null, and values that look like templates.
func TestE4(t *testing.T) {
	t.Parallel()
	const post = "POST https://api.test/x\nContent-Type: application/json"
	body := sample{
		ops: `{name: get, method: POST, body: {type: json, data: {a: "{{tools.a}}", list: ["{{tools.a}}", "{{tools.b}}"], deep: {in: {a: "{{tools.a}}"}}, text: "x{{tools.a}}y", empty: {}, none: []}}}`,
	}
	for _, x := range []struct{ name, arguments, want string }{
		{"absent", `{}`, `{"text":"xy","empty":{},"none":[]}`},
		{"one of two", `{"b":1}`, `{"list":[1],"text":"xy","empty":{},"none":[]}`},
		{"there", `{"a":0,"b":1}`, `{"a":0,"list":[0,1],"deep":{"in":{"a":0}},"text":"x0y","empty":{},"none":[]}`},
		{"null stays null", `{"a":null}`, `{"a":null,"list":[null],"deep":{"in":{"a":null}},"text":"xy","empty":{},"none":[]}`},
		{"an empty string is a value", `{"a":""}`, `{"a":"","list":[""],"deep":{"in":{"a":""}},"text":"xy","empty":{},"none":[]}`},
		{"an empty list is a value", `{"a":[]}`, `{"a":[],"list":[[]],"deep":{"in":{"a":[]}},"text":"x[]y","empty":{},"none":[]}`},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			body.load(t).calls(x.arguments, post+"\n\n"+x.want)
		})
	}
	t.Run("null in in:body parameters", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, method: PATCH, inputParameters: [{name: a, in: body, required: true}, {name: b, in: body}, {name: c, in: body}]}`}.load(t)
		const want = "PATCH https://api.test/x\nContent-Type: application/json\n\n" + `{"a":null,"b":null}`
		d.calls(`{"a":null,"b":null}`, want)
		if _, err := d.rest("op", nil, "", `{"a":null,"b":null}`); err != nil {
			t.Fatal(err)
		}
		d.wired(want)
	})
	elsewhere := sample{ops: `{name: get, inputParameters: [{name: q, in: query}, {name: l, in: query}, {name: X-A, in: header}, {name: c, in: cookie}]}`}
	for _, x := range []struct{ name, arguments, want string }{
		{"null is absent elsewhere", `{"q":null,"l":null,"X-A":null,"c":null}`, ""},
		{"null in a list is absent elsewhere", `{"l":[1,null,2],"X-A":["a",null,"b"],"c":[null,"d"]}`, "?l=1&l=2\nCookie: c=d\nX-A: a,b"},
		{"nothing but null in a list", `{"l":[null],"X-A":[null],"c":[null]}`, ""},
		{"an empty string is a value elsewhere", `{"q":""}`, "?q="},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			elsewhere.load(t).calls(x.arguments, "GET https://api.test/x"+x.want)
		})
	}
	t.Run("null in a form", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, method: POST, inputParameters: [{name: a, in: body}, {name: b, in: body}, {name: c, in: body}], body: {type: form}}`}.load(t)
		d.calls(`{"a":null,"b":[1,null],"c":"x"}`, "POST https://api.test/x\nContent-Type: application/x-www-form-urlencoded\n\nb=1&c=x")
	})
	t.Run("null in a path", func(t *testing.T) {
		t.Parallel()
		d := sample{path: "/x/{id}"}.load(t)
		_, err := d.tool("op", `{"id":null}`)
		d.fails(err, `"id" is required`)
	})
	t.Run("with", func(t *testing.T) {
		t.Parallel()
		d := sample{
			ops:   `{name: get, method: POST, inputParameters: [{name: a, in: body}, {name: b, in: body}]}`,
			tools: `{name: op, call: api.get, with: {a: {x: tools.x, y: [tools.x]}, b: "{{tools.b}}"}}`, rest: "-",
		}.load(t)
		d.calls(`{"b":1}`, post+"\n\n"+`{"b":1}`)
	})
	t.Run("values are never expanded again", func(t *testing.T) {
		t.Parallel()
		const evil = `{{SECRET}} {{tools.b}} ${SECRET} <<env.SECRET>> {b}`
		d := sample{
			binds: "SECRET: SECRET", path: "/x/{id}",
			ops: `{name: get, method: POST, inputParameters: [{name: q, in: query}, {name: X-A, in: header}], body: {type: json, data: {a: "{{tools.a}}", t: "<{{tools.a}}>", s: "{{SECRET}}"}}}`,
		}.load(t, "SECRET={{tools.a}}")
		d.quiet()
		d.calls(`{"id":"{{b}}","b":"B","q":"${SECRET}","X-A":"<<env.SECRET>>","a":"`+evil+`"}`,
			"POST https://api.test/x/%7B%7Bb%7D%7D?q=%24%7BSECRET%7D\nContent-Type: application/json\nX-A: <<env.SECRET>>\n\n"+
				`{"a":"`+evil+`","t":"<`+evil+`>","s":"{{tools.a}}"}`)
	})
}

// D5: names match exactly, else by letters and digits if that is unique.
func TestD5(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name string
		s    sample
		want string
		code diag.Code
	}{
		{"exposed placeholder and slot", sample{path: "/x/{userId}", route: "/r/{user-id}"}, "/x/7", ""},
		{"with and placeholder", sample{path: "/x/{userId}", route: "/r/{user_id}", rest: `{name: op, call: api.get, with: {userId: rest.UserID}}`}, "/x/7", ""},
		{"with key and slot", sample{path: "/x/{userId}", route: "/r/{id}", rest: `{name: op, call: api.get, with: {user-id: rest.id}}`}, "/x/7", diag.CodeApproximateName},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.s.tools = "-"
			d := x.s.load(t)
			if x.code == "" {
				d.quiet()
			} else {
				d.found(x.s.text(), diag.Warning, x.code, "user-id", "userId")
			}
			if _, err := d.rest("op", []string{"7"}, "", ""); err != nil {
				t.Fatal(err)
			}
			d.wired("GET https://api.test" + x.want)
		})
	}
	t.Run("exact before similar", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/x/{user_id}/{userId}", route: "/r/{userId}/{user_id}", tools: "-"}
		d := s.load(t)
		if _, err := d.rest("op", []string{"1", "2"}, "", ""); err != nil {
			t.Fatal(err, d.list)
		}
		d.wired("GET https://api.test/x/2/1")
	})
	t.Run("not when several are similar", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/x/{userId}", route: "/r/{user-id}/{user_id}", tools: "-"}
		d := s.load(t)
		d.found(s.text(), diag.Error, diag.CodeUnusedPathInput, "user-id")
		_, err := d.rest("op", []string{"1", "2"}, "", "")
		d.fails(err)
	})
}

// D6: a value is encoded for the place where it lands.
func TestD6(t *testing.T) {
	t.Parallel()
	const value = `a/b?c&d="e" <f>\n`
	d := sample{
		path: "/x/{p}.json",
		ops:  `{name: get, method: POST, inputParameters: [{name: q, in: query}, {name: X-H, in: header}], body: {type: json, data: '{"a": "{{tools.v}}", "b": {{tools.v}}, "c": "<{{tools.v}}>"}'}}`,
	}.load(t)
	d.calls(`{"p":"a/b c","q":"a&b=c +","X-H":"a b","v":"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"}`,
		"POST https://api.test/x/a%2Fb%20c.json?q=a%26b%3Dc+%2B\nContent-Type: application/json\nX-H: a b\n\n"+
			`{"a":"a/b?c&d=\"e\" <f>\\n","b":"a/b?c&d=\"e\" <f>\\n","c":"<a/b?c&d=\"e\" <f>\\n>"}`)
	t.Run("xml", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, method: POST, body: {type: xml, data: "<a b='{{tools.v}}'>{{tools.v}}</a>"}}`}.load(t)
		d.calls(`{"v":"<x y='1'>&\""}`, "POST https://api.test/x\nContent-Type: application/xml\n\n"+
			"<a b='&lt;x y=&#39;1&#39;&gt;&amp;&#34;'>&lt;x y=&#39;1&#39;&gt;&amp;&#34;</a>")
	})
	t.Run("form", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, method: POST, body: {type: form, data: {a: "{{tools.v}}"}}}`}.load(t)
		d.calls(`{"v":"a&b=c d"}`, "POST https://api.test/x\nContent-Type: application/x-www-form-urlencoded\n\na=a%26b%3Dc+d")
	})
	t.Run("a header cannot be broken", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, inputParameters: [{name: X-H, in: header}]}`}.load(t)
		_, err := d.tool("op", `{"X-H":"a\r\nHost: evil.test"}`)
		d.fails(err, "X-H", "control characters")
	})
}

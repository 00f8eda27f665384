package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

// asking is a document with one tool, whose lines are given below its name.
func asking(tool string) string {
	return `
ikanos: 1.0.0-beta5
binds: [{namespace: env, keys: {KEY: KEY}}]
capability:
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    resources:
    - path: /rooms/{id}
      operations:
      - {name: get-room, method: GET}
      - {name: delete-room, method: DELETE, inputParameters: {reason: {in: query}, mark: {in: header}}}
      - {name: paint-room, method: PUT, body: {type: json, data: {colour: "{{ask.details.colour}}", id: "{{id}}"}}}
  exposes:
  - type: mcp
    namespace: tools
    port: 1
    tools:
    - name: t
      description: a tool
` + indentLines(6, tool)
}

func indentLines(n int, text string) string {
	lead := strings.Repeat(" ", n)
	return lead + strings.ReplaceAll(strings.Trim(text, "\n"), "\n", "\n"+lead) + "\n"
}

// put calls tool t with answers and gives the result.
func (d *document) put(arguments string, answers *plan.Answers) (*plan.Result, error) {
	d.t.Helper()
	if d.unit == nil {
		d.t.Fatalf("not compiled: %v", d.list)
	}
	x := d.unit.Exposures[len(d.unit.Exposures)-1].Tools[0]
	if x.Operation == nil {
		d.t.Fatalf("refused: %v", d.list)
	}
	args, err := x.Operation.Bind(&plan.Source{Arguments: []byte(arguments)})
	if err != nil {
		return nil, err
	}
	return x.Operation.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound, Answers: answers})
}

// asked gives the questions of a result as name: message lines.
func asked(res *plan.Result) string {
	if res == nil || res.Kind != plan.Asks {
		return "no questions"
	}
	var lines []string
	for _, q := range res.Ask.Questions {
		lines = append(lines, q.Name+": "+strings.ReplaceAll(q.Message, "\n", "|"))
	}
	return strings.Join(lines, "; ")
}

func accepted(value string) plan.Reply {
	return plan.Reply{Action: plan.Accepted, Value: []byte(value), Asked: true}
}

func given(replies ...any) *plan.Answers {
	a := &plan.Answers{Given: map[string]plan.Reply{}, Asked: 1}
	for i := 0; i+1 < len(replies); i += 2 {
		switch v := replies[i+1].(type) {
		case string:
			a.Given[replies[i].(string)] = accepted(v)
		case plan.Action:
			a.Given[replies[i].(string)] = plan.Reply{Action: v, Asked: true}
		}
	}
	return a
}

const confirmed = `
call: rooms.delete-room
inputParameters: {id: {type: string}}
confirm: 'Delete room {{id}}?'
`

// TestAskConfirm: nothing goes upstream before the user said yes, and then exactly once.
func TestAskConfirm(t *testing.T) {
	t.Parallel()
	d := load(t, asking(confirmed))
	res, err := d.put(`{"id":"7"}`, nil)
	if err != nil || asked(res) != "confirm: Delete room 7?" {
		t.Fatalf("asked %q, %v", asked(res), err)
	}
	q := res.Ask.Questions[0]
	if !q.Consent || q.Kind != plan.AskForm || string(q.Schema) != `{"type":"object","properties":{}}` {
		t.Errorf("the question is %+v", q)
	}
	for _, no := range []plan.Action{plan.Declined, plan.Cancelled} {
		_, err := d.put(`{"id":"7"}`, given("confirm", no))
		if e := plan.AsError(err); err == nil || e.Code != plan.CodeDeclined {
			t.Errorf("%s: %v", no, err)
		}
	}
	if _, err := d.put(`{"id":"7"}`, given("confirm", plan.Unable)); plan.AsError(err).Code != plan.CodeCannotAsk {
		t.Errorf("unable: %v", err)
	}
	early := given("confirm", `{}`)
	early.Given["confirm"] = plan.Reply{Action: plan.Accepted, Value: []byte(`{}`)}
	if res, err := d.put(`{"id":"7"}`, early); err != nil || res.Kind != plan.Asks {
		t.Errorf("a yes that nobody asked for: %v", err)
	}
	other := &plan.Answers{Given: map[string]plan.Reply{"confirm": {Kind: plan.AskRoots, Action: plan.Accepted, Value: []byte(`{}`), Asked: true}}, Asked: 1}
	if res, err := d.put(`{"id":"7"}`, other); err != nil || res.Kind != plan.Asks {
		t.Errorf("an answer of another kind: %v", err)
	}
	if _, err := d.put(`{"id":"7"}`, given("another", `{}`)); err != nil || len(d.sent) != 0 {
		t.Errorf("an answer to another question: %v, %d requests", err, len(d.sent))
	}
	if _, err := d.put(`{"id":"7"}`, given("confirm", `{}`)); err != nil || len(d.sent) != 1 {
		t.Errorf("accepted: %v, %d requests", err, len(d.sent))
	}
	if got := d.wire(); got != "DELETE https://rooms.example.com/rooms/7" {
		t.Errorf("sent %s", got)
	}
}

const details = `
ask:
- name: details
  message: 'Which colour for {{id}}?'
  fields:
    colour: {type: string, enum: [red, blue], titles: [Red, Blue], required: true}
    floor: {type: integer, minimum: 1, maximum: 9, default: 2}
`

// TestAskValues: answers land wherever templates do, with their types, encoded for the place.
func TestAskValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, tool, want string }{
		{"a query parameter, a path, by word", `
call: rooms.delete-room
with: {id: '{{ask.details.colour}}', reason: ask.details.floor}
`, "DELETE https://rooms.example.com/rooms/blue?reason=2"},
		{"as a JSONPath", `
call: rooms.delete-room
with: {id: '{{id}}', reason: $.ask.details.colour}
`, "DELETE https://rooms.example.com/rooms/7?reason=blue"},
		{"in a text and in a header", `
call: rooms.delete-room
with: {id: '{{id}}', reason: 'a {{ask.details.colour}} one', mark: '{{ask.details.floor}}'}
`, "DELETE https://rooms.example.com/rooms/7?reason=a+blue+one\nmark: 2"},
		{"in a body", `
call: rooms.paint-room
`, "PUT https://rooms.example.com/rooms/7\nContent-Type: application/json\n\n" + `{"colour":"blue","id":"7"}`},
		{"the whole answer", `
call: rooms.delete-room
with: {id: '{{id}}', reason: '{{ask.details}}'}
`, "DELETE https://rooms.example.com/rooms/7?reason=%7B%22colour%22%3A%22blue%22%2C%22floor%22%3A2%7D"},
		{"in a step", `
steps:
  first: {type: call, call: rooms.get-room, with: {id: '{{id}}'}}
  second: {type: call, call: rooms.delete-room, with: {id: '{{first.id}}', reason: $.ask.details.colour}}
`, "DELETE https://rooms.example.com/rooms/5?reason=blue"},
		{"in the with of steps", `
with: {why: '{{ask.details.colour}}'}
steps:
  only: {type: call, call: rooms.delete-room, with: {id: '{{id}}', reason: '{{why}}'}}
`, "DELETE https://rooms.example.com/rooms/7?reason=blue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, asking(c.tool+strings.Trim(details, "\n")))
			d.answer = func(*plan.Request) (*plan.Response, error) {
				return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(`{"id":5}`))}, nil
			}
			if res, err := d.put(`{"id":"7"}`, nil); err != nil || asked(res) != "details: Which colour for 7?" {
				t.Fatalf("asked %q, %v\n%v", asked(res), err, d.list)
			}
			if _, err := d.put(`{"id":"7"}`, given("details", `{"colour":"blue","other":1}`)); err != nil {
				t.Fatal(err)
			}
			if got := d.wire(); got != c.want {
				t.Errorf("sent\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestAskConstant: a tool without a call can answer with what it was told.
func TestAskConstant(t *testing.T) {
	t.Parallel()
	d := load(t, asking(`
outputParameters: [{name: said, type: string, value: 'Hello, {{ask.who.name}}!'}, {name: folder, type: string, value: '{{ask.where.roots[0].uri}}'}, {name: model, type: string, value: '{{ask.poem.text}} by {{ask.poem.model}}'}]
ask:
- - {name: who, message: 'Who?', fields: {name: {required: true}}}
  - {name: where, roots: true}
  - {name: poem, sample: {prompt: 'A poem for {{x}}', system: Be brief, maxTokens: 50}}
inputParameters: {x: {type: string}}
`))
	res, err := d.put(`{"x":"Ann"}`, nil)
	if err != nil || asked(res) != "who: Who?; where: ; poem: A poem for Ann" {
		t.Fatalf("asked %q, %v; %v", asked(res), err, d.list)
	}
	if q := res.Ask.Questions[2]; q.Kind != plan.AskModel || q.System != "Be brief" || q.MaxTokens != 50 {
		t.Errorf("the question is %+v", q)
	}
	res, err = d.put(`{"x":"Ann"}`, given("who", `{"name":"Eve"}`, "where", `{"roots":[{"uri":"file:///a"}]}`))
	if err != nil || asked(res) != "poem: A poem for Ann" {
		t.Errorf("asked %q, %v", asked(res), err)
	}
	res, err = d.put(`{"x":"Ann"}`, given("who", `{"name":"Eve"}`, "where", `{"roots":[{"uri":"file:///a"}]}`, "poem", `{"text":"Oh","model":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(res.Body.Bytes); got != `{"said":"Hello, Eve!","folder":"file:///a","model":"Oh by m"}` {
		t.Errorf("answered %s", got)
	}
}

// TestAskRounds: a round is asked when the one before is answered, and can use its answers; the
// confirmation comes last.
func TestAskRounds(t *testing.T) {
	t.Parallel()
	d := load(t, asking(`
call: rooms.delete-room
confirm: 'Delete {{id}} because of {{ask.second.why}}?'
ask:
  first: {message: 'Your name?', fields: {name: {required: true}}}
  second: {message: 'Why, {{ask.first.name}}?', fields: {why: {required: true}}}
with: {id: tools.id, reason: '{{ask.second.why}}'}
`))
	var got []string
	answers := given()
	answers.Asked = 0
	for _, step := range [][2]string{{"first", `{"name":"Ann"}`}, {"second", `{"why":"age"}`}, {"confirm", `{}`}} {
		res, err := d.put(`{"id":"7"}`, answers)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, asked(res))
		answers.Given[step[0]] = accepted(step[1])
		answers.Asked++
	}
	want := "first: Your name?|second: Why, Ann?|confirm: Delete 7 because of age?"
	if strings.Join(got, "|") != want {
		t.Errorf("asked %q\nwant  %q", strings.Join(got, "|"), want)
	}
	if _, err := d.put(`{"id":"7"}`, answers); err != nil || len(d.sent) != 1 {
		t.Errorf("%v, %d requests", err, len(d.sent))
	}
}

// TestAskWrongAnswers: an answer that does not fit is asked for again, with the reason, and not
// for ever.
func TestAskWrongAnswers(t *testing.T) {
	t.Parallel()
	d := load(t, asking("call: rooms.delete-room\n"+strings.Trim(details, "\n")))
	for answer, reason := range map[string]string{
		`{}`:                            "colour must be given",
		`{"colour":""}`:                 "colour must be given",
		`{"colour":"green"}`:            "colour must be one of Red, Blue",
		`{"colour":5}`:                  "colour must be of type string",
		`{"colour":"red","floor":"up"}`: "floor must be of type integer",
		`{"colour":"red","floor":10}`:   "floor must keep to maximum 9",
		`{"colour":"red","floor":1.5}`:  "floor must be of type integer",
		`{"colour":"red","floor":[1]}`:  "floor must be of type integer",
		`[]`:                            "the answer does not have the expected form",
		`"red"`:                         "the answer does not have the expected form",
	} {
		res, err := d.put(`{"id":"7"}`, given("details", answer))
		if want := "details: Which colour for 7?||" + reason + "."; err != nil || asked(res) != want {
			t.Errorf("%s: asked %q, %v", answer, asked(res), err)
		}
		last := given("details", answer)
		last.Asked = 4
		if _, err := d.put(`{"id":"7"}`, last); err == nil || plan.AsError(err).Code != plan.CodeInvalidInput || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s, asked often: %v", answer, err)
		}
	}
	for _, right := range []string{`{"colour":"red"}`, `{"colour":"red","floor":null}`, `{"colour":"red","floor":"3"}`, `{"colour":"red","floor":3.0}`} {
		if res, err := d.put(`{"id":"7"}`, given("details", right)); err != nil || res.Kind == plan.Asks {
			t.Errorf("%s: asked %q, %v", right, asked(res), err)
		}
	}
}

// TestAskOptional: without an answer, an optional question leaves its values out.
func TestAskOptional(t *testing.T) {
	t.Parallel()
	d := load(t, asking(`
call: rooms.delete-room
with: {id: tools.id, reason: '{{ask.why.text}}'}
ask: {why: {message: 'Why?', optional: true, fields: {text: {}}}}
`))
	for _, no := range []plan.Action{plan.Declined, plan.Cancelled, plan.Unable} {
		if _, err := d.put(`{"id":"7"}`, given("why", no)); err != nil || d.wire() != "DELETE https://rooms.example.com/rooms/7" {
			t.Errorf("%s: %v, sent %s", no, err, d.wire())
		}
	}
	if res, err := d.put(`{"id":"7"}`, nil); err != nil || asked(res) != "why: Why?" || !res.Ask.Questions[0].Optional {
		t.Errorf("asked %q, %v", asked(res), err)
	}
}

// TestAskMissingInPath: an answer that is not there cannot be part of a path, and one cannot
// break out of a header.
func TestAskMissingInPath(t *testing.T) {
	t.Parallel()
	d := load(t, asking(`
call: rooms.delete-room
with: {id: '{{ask.which.id}}', mark: '{{ask.which.mark}}'}
ask: {which: {message: 'Which?', fields: {id: {}, mark: {}}}}
`))
	for answer, want := range map[string]string{
		`{}`:                            `input "ask.which.id" is required`,
		`{"id":".."}`:                   `input "id" must not be empty, "." or "..", since it is part of a path`,
		`{"id":"7","mark":"a\r\nX: 1"}`: `input "ask.which.mark" must not hold control characters, since it is sent as a header`,
	} {
		if _, err := d.put(`{}`, given("which", answer)); err == nil || err.Error() != want || plan.AsError(err).Code != plan.CodeInvalidInput {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if _, err := d.put(`{}`, given("which", `{"id":"a/b?c"}`)); err != nil || d.wire() != "DELETE https://rooms.example.com/rooms/a%2Fb%3Fc" {
		t.Errorf("%v, sent %s", err, d.wire())
	}
	if len(d.sent) != 1 {
		t.Errorf("%d requests", len(d.sent))
	}
}

// TestAskFields: every kind of field that the protocol knows, as it is published.
func TestAskFields(t *testing.T) {
	t.Parallel()
	d := load(t, asking(`
call: rooms.get-room
ask:
- name: form
  message: Please
  fields:
    plain: {type: string, title: Name, description: Who you are, minLength: 2, maxLength: 9, default: Ann}
    mail: {type: string, format: email}
    code: {display: Code, pattern: '^[A-Z]+$'}
    label: {label: Label, example: x}
    age: {type: integer, minimum: 0, default: 30}
    score: {type: number, default: 95.5}
    sure: {type: boolean, default: true, required: true}
    one: {enum: [a, b], default: a}
    titled: {enum: [a, b], titles: [A, B]}
    legacy: {enum: [a, b], enumNames: [A, B]}
    many: {type: array, enum: [a, b], minItems: 1, maxItems: 2, default: [b]}
    manyTitled: {type: array, items: {enum: [a, b], titles: [A, B]}}
`))
	res, err := d.put(`{"id":"7"}`, nil)
	if err != nil || res.Kind != plan.Asks {
		t.Fatalf("%v; %v", err, d.list)
	}
	want := map[string]string{
		"plain":      `{"type":"string","title":"Name","description":"Who you are","minLength":2,"maxLength":9,"default":"Ann"}`,
		"mail":       `{"type":"string","format":"email"}`,
		"code":       `{"type":"string","title":"Code"}`,
		"label":      `{"type":"string","title":"Label"}`,
		"age":        `{"type":"integer","minimum":0,"default":30}`,
		"score":      `{"type":"number","default":95.5}`,
		"sure":       `{"type":"boolean","default":true}`,
		"one":        `{"type":"string","enum":["a","b"],"default":"a"}`,
		"titled":     `{"type":"string","oneOf":[{"const":"a","title":"A"},{"const":"b","title":"B"}]}`,
		"legacy":     `{"type":"string","enum":["a","b"],"enumNames":["A","B"]}`,
		"many":       `{"type":"array","minItems":1,"maxItems":2,"items":{"type":"string","enum":["a","b"]},"default":["b"]}`,
		"manyTitled": `{"type":"array","items":{"anyOf":[{"const":"a","title":"A"},{"const":"b","title":"B"}]}}`,
	}
	check := func(schema []byte) {
		t.Helper()
		var s struct {
			Properties map[string]json.RawMessage
			Required   []string
		}
		if err := json.Unmarshal(schema, &s); err != nil || fmt.Sprint(s.Required) != "[sure]" {
			t.Fatalf("%v, required %v", err, s.Required)
		}
		for name, w := range want {
			if got := string(s.Properties[name]); got != w {
				t.Errorf("%s is\n%s\nwant\n%s", name, got, w)
			}
		}
	}
	check(res.Ask.Questions[0].Schema)
	want["titled"] = want["legacy"]
	check(res.Ask.Questions[0].OlderSchema)

	for answer, problem := range map[string]string{
		`{"mail":"nobody"}`:        "mail must be a valid email",
		`{"plain":"x"}`:            "Name must keep to minLength 2",
		`{"code":"x"}`:             "Code does not have the expected form",
		`{"many":["a","b","a"]}`:   "many must keep to maxItems 2",
		`{"many":["c"]}`:           "many must be some of a, b",
		`{"many":[]}`:              "many must keep to minItems 1",
		`{"manyTitled":"a"}`:       "manyTitled must be of type array",
		`{"manyTitled":[{}]}`:      "manyTitled must be some of A, B",
		`{"sure":"maybe"}`:         "sure must be of type boolean",
		`{"age":-1}`:               "age must keep to minimum 0",
		`{"score":"a lot"}`:        "score must be of type number",
		`{"legacy":"A"}`:           "legacy must be one of A, B",
		`{"titled":{"const":"a"}}`: "titled must be of type string",
	} {
		if res, err := d.put(`{"id":"7"}`, given("form", answer)); err != nil || asked(res) != "form: Please||"+problem+"." {
			t.Errorf("%s: asked %q, %v", answer, asked(res), err)
		}
	}
	if res, err := d.put(`{"id":"7"}`, given("form", `{"many":["a","b"],"mail":"ann@example.com"}`)); err != nil || res.Kind == plan.Asks {
		t.Errorf("asked %q, %v", asked(res), err)
	}
}

// TestAskURL: values in a URL are escaped, and its host is fixed.
func TestAskURL(t *testing.T) {
	t.Parallel()
	d := load(t, asking(`
call: rooms.get-room
ask: {login: {message: Sign in, url: 'https://login.example.com/at/{{id}}?next={{id}}'}}
`))
	res, err := d.put(`{"id":"a/b&c"}`, nil)
	if err != nil || res.Kind != plan.Asks {
		t.Fatalf("%v; %v", err, d.list)
	}
	if q := res.Ask.Questions[0]; q.Kind != plan.AskURL || !q.Consent || q.URL != "https://login.example.com/at/a%2Fb%26c?next=a%2Fb%26c" {
		t.Errorf("the question is %+v", q)
	}
}

// TestAskFlow: a flow asks for all who run it; a tool's own question of the same name wins; a
// REST operation, which has nobody to ask, is refused, or goes on without what is optional.
func TestAskFlow(t *testing.T) {
	t.Parallel()
	text := func(optional, own string) string {
		return `
ikanos: 1.0.0-beta5
capability:
  consumes:
  - {type: http, namespace: rooms, baseUri: https://rooms.example.com, resources: [{path: '/rooms/{id}', operations: [{name: delete-room, method: DELETE, inputParameters: {why: {in: query}}}]}]}
  aggregates:
  - namespace: shared
    flows:
      remove:
        call: rooms.delete-room
        with: {id: '{{id}}', why: '{{ask.reason.why}}'}
        inputParameters: {id: {type: string}}
        ask: {reason: {message: 'Why {{id}}?', fields: {why: {}}` + optional + `}}
  exposes:
  - {type: rest, namespace: r, port: 1, resources: [{path: '/rooms/{id}', operations: [{name: remove, method: DELETE, ref: shared.remove}]}]}
  - type: mcp
    namespace: m
    port: 2
    tools:
    - {name: t, description: d, ref: shared.remove, with: {id: '{{room}}'}, inputParameters: {room: {type: string}}` + own + `}
`
	}
	d := load(t, text("", ", confirm: 'Remove {{room}}?'"))
	if r := d.route("remove"); r.Refusal == nil || r.Refusal.Code != diag.CodeAsk {
		t.Errorf("the REST operation is not refused: %v", d.list)
	}
	res, err := d.put(`{"room":"7"}`, nil)
	if err != nil || asked(res) != "reason: Why 7?" {
		t.Errorf("asked %q, %v; %v", asked(res), err, d.list)
	}
	if res, err = d.put(`{"room":"7"}`, given("reason", `{"why":"age"}`)); err != nil || asked(res) != "confirm: Remove 7?" {
		t.Errorf("asked %q, %v", asked(res), err)
	}
	if _, err = d.put(`{"room":"7"}`, given("reason", `{"why":"age"}`, "confirm", `{}`)); err != nil || d.wire() != "DELETE https://rooms.example.com/rooms/7?why=age" {
		t.Errorf("%v, sent %s", err, d.wire())
	}
	d = load(t, text(", optional: true", ", ask: {reason: {message: 'Tell me', fields: {why: {}}}}"))
	if _, err := d.rest("remove", []string{"7"}, "", ""); err != nil || d.wire() != "DELETE https://rooms.example.com/rooms/7" {
		t.Errorf("REST without the optional answer: %v, sent %s; %v", err, d.wire(), d.list)
	}
	if res, err = d.put(`{"room":"7"}`, nil); err != nil || asked(res) != "reason: Tell me" {
		t.Errorf("asked %q, %v", asked(res), err)
	}
}

// TestAskPrompt: a prompt asks before it is filled in, and callers cannot fill in the answers.
func TestAskPrompt(t *testing.T) {
	t.Parallel()
	d := load(t, `
ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: mcp
    namespace: m
    port: 1
    prompts:
      p:
        description: d
        arguments: {topic: {required: false}}
        ask: {user_context: {message: 'About {{topic}}?', fields: {context: {required: true}, note: {}}}}
        requires: {clientCapabilities: [sampling]}
        template: [{role: user, content: 'On {{topic}}: {{ask.user_context.context}}{{ask.user_context.note}}'}]
`)
	if d.unit == nil || d.unit.Exposures[0].Prompts[0].Refusal != nil {
		t.Fatalf("%v", d.list)
	}
	p := d.unit.Exposures[0].Prompts[0]
	if len(p.Arguments) != 1 || fmt.Sprint(p.Requires()) != "[sampling]" || p.Questions()[0].Message != "About {topic}?" {
		t.Errorf("arguments %v, requires %v, questions %v", p.Arguments, p.Requires(), p.Questions())
	}
	given1 := map[string]string{"topic": "rooms", "ask.user_context.context": "forged"}
	_, ask, err := p.Ask(given1, nil)
	if err != nil || ask == nil || ask.Questions[0].Message != "About rooms?" {
		t.Fatalf("%v, %v", ask, err)
	}
	filled, ask, err := p.Ask(given1, given("user_context", `{"context":"blue"}`))
	if err != nil || ask != nil {
		t.Fatalf("%v, %v", ask, err)
	}
	messages, err := p.Render(filled)
	if err != nil || messages[0].Text != "On rooms: blue" {
		t.Errorf("%v, %v", messages, err)
	}
	var e *plan.Error
	if _, _, err := p.Ask(nil, given("user_context", plan.Declined)); !errors.As(err, &e) || e.Code != plan.CodeDeclined {
		t.Errorf("declined: %v", err)
	}
}

// TestAskResource: a resource asks as a tool does, with the variables of its URI; files do not.
func TestAskResource(t *testing.T) {
	t.Parallel()
	d := load(t, `
ikanos: 1.0.0-beta5
capability:
  consumes:
  - {type: http, namespace: rooms, baseUri: https://rooms.example.com, resources: [{path: '/rooms/{id}', operations: [{name: get-room, method: GET, inputParameters: {why: {in: query}}}]}]}
  exposes:
  - type: mcp
    namespace: m
    port: 1
    resources:
      room:
        uri: rooms://{id}
        call: rooms.get-room
        with: {why: '{{ask.reason.why}}'}
        confirm: 'Show {{id}}?'
        ask: {reason: {message: 'Why {{id}}?', fields: {why: {}}}}
        requires: {clientCapabilities: elicitation}
      files: {uri: 'files://x', location: ., confirm: true}
`)
	if d.unit == nil {
		t.Fatalf("%v", d.list)
	}
	all := d.unit.Exposures[0].Resources
	if all[1].Refusal == nil || all[1].Refusal.Code != diag.CodeAsk {
		t.Errorf("files are not refused: %+v", all[1].Refusal)
	}
	op := all[0].Operation
	if op == nil || fmt.Sprint(op.Requires()) != "[elicitation]" {
		t.Fatalf("%v", d.list)
	}
	args, err := op.Bind(all[0].Source([]string{"7"}))
	if err != nil {
		t.Fatal(err)
	}
	read := func(a *plan.Answers) string {
		res, err := op.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound, Answers: a})
		if err != nil {
			t.Fatal(err)
		}
		return asked(res)
	}
	if got := read(nil); got != "reason: Why 7?" {
		t.Errorf("asked %s", got)
	}
	if got := read(given("reason", `{"why":"x"}`)); got != "confirm: Show 7?" {
		t.Errorf("asked %s", got)
	}
	if read(given("reason", `{"why":"x"}`, "confirm", `{}`)); d.wire() != "GET https://rooms.example.com/rooms/7?why=x" {
		t.Errorf("sent %s", d.wire())
	}
}

// TestAskRefusals: what cannot be asked as declared refuses the tool, and never calls without.
func TestAskRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, tool, want string }{
		{"a number for a question", "call: rooms.get-room\nconfirm: 5", "confirm of tool t is no question"},
		{"nothing for a question", "call: rooms.get-room\nconfirm:", "confirm of tool t is no question"},
		{"a model asked nothing", "call: rooms.get-room\nask: [{name: a, sample: {}}]", "question a of tool t does not say what it asks"},
		{"an empty question", "call: rooms.get-room\nconfirm: ''", "confirm of tool t is no question"},
		{"a list of texts", "call: rooms.get-room\nask: ['Which?']", "a question of tool t is text, expected a mapping"},
		{"a text", "call: rooms.get-room\nask: Which?", "ask of tool t is no list of questions"},
		{"no name", "call: rooms.get-room\nask: [{message: 'Which?'}]", "a question of tool t has no name"},
		{"a dotted name", "call: rooms.get-room\nask: [{name: a.b, message: 'Which?'}]", `"a.b" is no name of a question`},
		{"twice", "call: rooms.get-room\nask: [{name: a, message: 'Which?'}, {name: a, message: 'Which?'}]", "tool t has two questions called a"},
		{"confirm twice", "call: rooms.get-room\nconfirm: 'Sure?'\nask: [{name: confirm, message: 'Which?'}]", "tool t has a question called confirm beside its confirm"},
		{"no message", "call: rooms.get-room\nask: [{name: a}]", "question a of tool t does not say what it asks"},
		{"two kinds", "call: rooms.get-room\nask: [{name: a, message: b, roots: true, fields: {x: {}}}]", "question a of tool t has fields and roots"},
		{"a variable", "call: rooms.get-room\nconfirm: 'With {{env.KEY}}?'", "the question of tool t uses the variable env.KEY, which a user must not see"},
		{"a dollar variable", "call: rooms.get-room\nconfirm: 'With ${KEY}?'", "the question of tool t uses the variable KEY, which a user must not see"},
		{"a step", "confirm: 'With {{first.id}}?'\nsteps: {first: {type: call, call: rooms.get-room}}", "the question of tool t uses the step first.id, which has not run when it is asked"},
		{"a later answer", "call: rooms.get-room\nask: [{name: a, message: '{{ask.b}}'}, {name: b, message: b}]", "{{ask.b}} is not known yet: the question of tool t can only use answers of earlier rounds"},
		{"an answer of the same round", "call: rooms.get-room\nask: [[{name: a, message: a}, {name: b, message: '{{ask.a}}'}]]", "{{ask.a}} is not known yet: the question of tool t can only use answers of earlier rounds"},
		{"an unknown question", "call: rooms.delete-room\nwith: {reason: '{{ask.detials.x}}'}\nask: [{name: details, message: a, fields: {x: {}}}]", `tool t has no question "detials"`},
		{"an unknown field", "call: rooms.delete-room\nwith: {reason: '{{ask.details.y}}'}\nask: [{name: details, message: a, fields: {x: {}}}]", `the answer of details has no "y"`},
		{"an object", "call: rooms.get-room\nask: [{name: a, message: b, fields: {x: {type: object}}}]", "field x of question a cannot be of type object"},
		{"a free list", "call: rooms.get-room\nask: [{name: a, message: b, fields: {x: {type: array}}}]", "field x of question a is a list of anything"},
		{"a bad format", "call: rooms.get-room\nask: [{name: a, message: b, fields: {x: {format: colour}}}]", "field x of question a cannot have the format colour"},
		{"a bad default", "call: rooms.get-room\nask: [{name: a, message: b, fields: {x: {enum: [a], default: b}}}]", "field x of question a has a default that is no answer: it must be one of a"},
		{"too few titles", "call: rooms.get-room\nask: [{name: a, message: b, fields: {x: {enum: [a, b], titles: [A]}}}]", "field x of question a has not one title for each of its values"},
		{"a chosen host", "call: rooms.get-room\nask: [{name: a, message: b, url: 'https://{{id}}/x'}]", "the host of the URL of question a is not fixed"},
		{"half a host", "call: rooms.get-room\nask: [{name: a, message: b, url: 'https://a.{{id}}'}]", "the host of the URL of question a is not fixed"},
		{"a bad URL", "call: rooms.get-room\nask: [{name: a, message: b, url: 'javascript:alert(1)'}]", "the URL of question a cannot be opened safely"},
		{"a plain URL", "call: rooms.get-room\nask: [{name: a, message: b, url: 'http://example.com/'}]", "the URL of question a cannot be opened safely"},
		{"a user in a URL", "call: rooms.get-room\nask: [{name: a, message: b, url: 'https://a@b.example.com/'}]", "the URL of question a cannot be opened safely"},
		{"no abilities", "call: rooms.get-room\nrequires: sampling", "requires of tool t names no abilities of clients"},
		{"an unknown ability", "call: rooms.get-room\nrequires: {clientCapabilities: [samplin]}", `"samplin" is no ability of clients`},
		{"a step called ask", "confirm: b\nsteps: {ask: {type: call, call: rooms.get-room}}", "tool t has a step called ask, which is the name of the answers to its questions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, asking(c.tool))
			for _, x := range d.list {
				if x.Code == diag.CodeAsk && x.Severity == diag.Error && x.Message == c.want {
					if !x.Span.Start.IsValid() || x.Hint == "" && !strings.Contains(c.want, "default") && !strings.Contains(c.want, "titles") && !strings.Contains(c.want, "title for") {
						t.Errorf("no place or no hint: %+v", x)
					}
					if d.unit != nil && d.unit.Exposures[0].Tools[0].Operation != nil {
						t.Error("the tool is served all the same")
					}
					return
				}
			}
			t.Errorf("want %q, got %v", c.want, d.list)
		})
	}
}

// TestAskMisspelledInput: an input that only a question shows is not said to be what the upstream
// needs, and a name that is meant is offered.
func TestAskMisspelledInput(t *testing.T) {
	t.Parallel()
	d := load(t, asking("call: rooms.get-room\ninputParameters: {room: {type: string}}\nwith: {id: tools.room}\nconfirm: 'Show {{rom}}?'"))
	for _, x := range d.list {
		if x.Message == "tool t does not declare the input rom, which its questions show; it is added" {
			if !strings.Contains(x.Hint, "did you mean {{room}}?") {
				t.Errorf("hint %q", x.Hint)
			}
			return
		}
	}
	t.Errorf("found %v", d.list)
}

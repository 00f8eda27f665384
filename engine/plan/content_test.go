package plan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"capd/engine/diag"
	"capd/engine/plan"
)

// saying is a document whose tools say what they answer.
const saying = `ikanos: 1.0.0-beta5
info: { display: Sayings }
binds:
- { namespace: env, keys: { HOUSE: HOUSE } }
capability:
  consumes:
  - namespace: rooms
    type: http
    baseUri: https://rooms.example.com
    resources:
      rooms:
        path: /rooms/{{id}}
        operations:
          get: { method: GET, inputParameters: { id: { in: path, type: string } } }
          list: { method: GET, path: /all, inputParameters: { id: { in: path, type: string } } }
  exposes:
  - namespace: tools
    type: mcp
    port: 9090
    tools:
%s
`

func sayings(t *testing.T, tools string) *document {
	t.Helper()
	return load(t, fmt.Sprintf(saying, indent(tools)))
}

func indent(text string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

// said calls a tool and gives its items as JSON, one on each line, and its body.
func (d *document) said(tool, arguments string) (items, body string) {
	d.t.Helper()
	for _, x := range d.unit.Exposures[0].Tools {
		if x.Name != tool {
			continue
		}
		if x.Refusal != nil {
			return "refused: " + x.Refusal.Reason, ""
		}
		args, err := x.Operation.Bind(&plan.Source{Arguments: []byte(arguments)})
		if err != nil {
			return "error: " + err.Error(), ""
		}
		res, err := x.Operation.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound})
		if err != nil {
			return "error: " + err.Error(), ""
		}
		if res.Kind != plan.Contents {
			d.t.Errorf("%s gives kind %d", tool, res.Kind)
		}
		var lines []string
		for _, c := range res.Content {
			lines = append(lines, describeItem(c))
		}
		return strings.Join(lines, "\n"), string(res.Body.Bytes)
	}
	d.t.Fatalf("no tool %s: %v", tool, d.list)
	return "", ""
}

func describeItem(c plan.ContentItem) string {
	out := string(c.Kind)
	for _, p := range []struct{ name, value string }{
		{"text", c.Text}, {"data", string(c.Data)}, {"mime", c.MimeType}, {"uri", c.URI}, {"name", c.Name}, {"title", c.Title}, {"file", c.File},
	} {
		if p.value != "" {
			out += fmt.Sprintf(" %s=%q", p.name, p.value)
		}
	}
	if c.Size != 0 {
		out += fmt.Sprintf(" size=%d", c.Size)
	}
	if c.Annotations != nil {
		b, _ := json.Marshal(c.Annotations)
		out += " " + string(b)
	}
	return out
}

func TestContentOfTools(t *testing.T) {
	t.Parallel()
	const answer = `{"name":"Blue","note":null,"link":"https://x.example/a b","bad":"JavaScript:alert(1)","chart":"aGk=","bytes":2,
		"items":[{"id":"a/b","t":"One","n":3},{"id":"","t":"none"},{"t":"lost"},{"id":"c","t":null}]}`
	for _, c := range []struct{ name, tool, args, items, body string }{
		{"a constant", `x: { content: [ "hello", { type: text, text: "you {{name}}" }, { type: image, mimeType: image/png, data: aGk } ] }`, `{"name":"Ann"}`,
			"text text=\"hello\"\ntext text=\"you Ann\"\nimage data=\"hi\" mime=\"image/png\"", ""},
		{"a variable", `x: { content: "at {{HOUSE}}" }`, `{}`, `text text="at val-HOUSE"`, ""},
		{"an answer", `x: { call: rooms.get, content: [ { text: "Room {{$.name}} of {{id}}" }, { text: $.name }, { text: $.note }, { text: $.nothing } ] }`, `{"id":"7"}`,
			"text text=\"Room Blue of 7\"\ntext text=\"Blue\"", ""},
		{"data of an answer", `x: { call: rooms.get, content: [ { type: audio, mimeType: audio/wav, data: $.chart }, { type: image, data: $.nothing } ] }`, `{"id":"7"}`,
			`audio data="hi" mime="audio/wav"`, ""},
		{"no base64", `x: { call: rooms.get, content: [ { type: image, data: $.link } ] }`, `{"id":"7"}`,
			"error: what should be the data of an item of type image is not base64", ""},
		{"links", `x: { call: rooms.get, content: [ { type: resource_link, each: $.items, uri: "rooms://{{$.id}}/x", name: $.t, size: $.n, title: "T {{id}}" } ] }`, `{"id":"7"}`,
			"resource_link uri=\"rooms://a%2Fb/x\" name=\"One\" title=\"T 7\" size=3\nresource_link uri=\"rooms://c/x\" name=\"rooms://c/x\" title=\"T 7\"", ""},
		{"links by a wildcard", `x: { call: rooms.get, content: [ { each: "$.items[*]", text: $.t } ] }`, `{"id":"7"}`,
			"text text=\"One\"\ntext text=\"none\"\ntext text=\"lost\"", ""},
		{"a link that does something", `x: { call: rooms.get, content: [ { type: resource_link, uri: $.bad, name: n }, { type: resource_link, uri: "{{$.bad}}", name: n }, { type: text, text: rest } ] }`, `{"id":"7"}`,
			`text text="rest"`, ""},
		{"a link as it is", `x: { call: rooms.get, content: [ { type: resource_link, uri: $.link, name: n } ] }`, `{"id":"7"}`,
			`resource_link uri="https://x.example/a%20b" name="n"`, ""},
		{"a list of the caller", `x: { content: [ { each: "{{tags}}", text: "tag {{$}}" } ] }`, `{"tags":["a",2]}`, "text text=\"tag a\"\ntext text=\"tag 2\"", ""},
		{"a resource", `x: { call: rooms.get, content: [ { type: resource, uri: "a://{{id}}", mimeType: application/json, text: '{"a":"{{$.name}}","b":{{$.bytes}}}' } ] }`, `{"id":"a\"b"}`,
			`resource text="{\"a\":\"Blue\",\"b\":2}" mime="application/json" uri="a://a%22b"`, ""},
		{"a text that cannot be broken", `x: { content: [ { type: resource, uri: "a://b", mimeType: application/json, text: '{"a":"{{v}}"}' } ] }`, `{"v":"\",\"x\":\""}`,
			`resource text="{\"a\":\"\\\",\\\"x\\\":\\\"\"}" mime="application/json" uri="a://b"`, ""},
		{"steps", `x: { steps: { one: { type: call, call: rooms.get, with: { id: "{{id}}" } } }, content: [ { text: "{{one.name}} {{$.one.bytes}}" }, { text: $.one.name }, { each: $.one.items, text: "{{$.t}} of {{one.name}}" } ] }`, `{"id":"7"}`,
			"text text=\"Blue 2\"\ntext text=\"Blue\"\ntext text=\"One of Blue\"\ntext text=\"none of Blue\"\ntext text=\"lost of Blue\"\ntext text=\" of Blue\"", ""},
		{"and a structure", `x: { call: rooms.get, content: [ "See", $.name ], outputParameters: [ { name: n, type: string, mapping: $.name }, { name: m, type: number, mapping: $.bytes } ] }`, `{"id":"7"}`,
			"text text=\"See\"\ntext text=\"Blue\"", `{"n":"Blue","m":2}`},
		{"steps and a structure", `x: { steps: { one: { type: call, call: rooms.get, with: { id: "{{id}}" } } }, content: [ "See" ], mappings: [ { target: n, value: $.one.name } ], outputParameters: { n: { type: string } } }`, `{"id":"7"}`,
			`text text="See"`, `{"n":"Blue"}`},
		{"the answer as it came", `x: { call: rooms.get, content: [ { text: $ }, { type: image, data: $ } ] }`, `{"id":"7"}`,
			fmt.Sprintf("text text=%q\nimage data=%q mime=\"application/json\"", answer, answer), ""},
		{"annotations", `x: { content: [ { text: a, annotations: { audience: [user, nobody], priority: 0.5, lastModified: 2025-01-12T15:00:58Z } } ] }`, `{}`,
			`text text="a" {"Audience":["user"],"Priority":0.5,"LastModified":"2025-01-12T15:00:58Z"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := sayings(t, c.tool)
			d.answer = func(*plan.Request) (*plan.Response, error) {
				return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(answer))}, nil
			}
			items, body := d.said("x", c.args)
			if items != c.items || body != c.body {
				t.Errorf("items\n%s\nwant\n%s\nbody %s, want %s\n%v", items, c.items, body, c.body, d.list)
			}
		})
	}
}

// contentFiles are the files that sayings refer to.
type contentFiles struct{ plan.Files }

func (contentFiles) Read(_, location string) ([]byte, error) {
	switch location {
	case "notes/a.md":
		return []byte("\ufeffA {{name}}"), nil
	case "dot.png":
		return []byte("\x89PNG\xff"), nil
	}
	return nil, fs.ErrNotExist
}

func (contentFiles) Folder(_, location string) (fs.FS, error) {
	if location == "notes/" {
		return fstest.MapFS{"a.md": {Data: []byte("A note")}}, nil
	}
	return fstest.MapFS{}, nil
}

// TestContentFiles: what an item holds can stand in a file, or be what a resource of the same
// adapter is. Files are read when the document is compiled, and are no templates.
func TestContentFiles(t *testing.T) {
	t.Parallel()
	text := fmt.Sprintf(saying, indent(`
x: { content: [ { type: text, location: notes/a.md }, { type: image, location: dot.png }, { type: resource, uri: "a://b", location: notes/a.md },
   { type: resource, resource: Greeting }, { type: resource, resource: dot }, { type: resource, resource: note }, { type: resource_link, resource: Greeting, title: Other },
   { type: resource_link, resource: live, description: Now } ] }`)) + `    resources:
      Greeting: { display: Hello, description: Words, uri: "hi://there", mimeType: text/plain, text: Good day }
      dot: { description: A dot, uri: "hi://dot", mimeType: image/png, data: aGk= }
      note: { description: A note, uri: "hi://note", location: notes/a.md }
      live: { description: Live, uri: "hi://live", call: rooms.get, with: { id: "1" } }
`
	d := loadWith(t, text, contentFiles{})
	items, _ := d.said("x", `{}`)
	want := strings.Join([]string{
		`text text="A {{name}}" file="a.md"`, `image data="\x89PNG\xff" file="dot.png"`, `resource data="\ufeffA {{name}}" uri="a://b" file="a.md"`,
		`resource text="Good day" mime="text/plain" uri="hi://there"`, `resource data="hi" mime="image/png" uri="hi://dot"`,
		`resource data="\ufeffA {{name}}" uri="hi://note" file="a.md"`, `resource_link mime="text/plain" uri="hi://there" name="Greeting" title="Other"`,
		`resource_link uri="hi://live" name="live"`,
	}, "\n")
	if items != want {
		t.Errorf("items\n%s\nwant\n%s\n%v", items, want, d.list)
	}
}

// TestRefusedContent: what cannot be said refuses the tool, at its place.
func TestRefusedContent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{ type: picture, data: aGk= }`:                           "is no type of content",
		`{ type: imag, data: aGk= }`:                              "did you mean image",
		`{ uri: "a://b" }`:                                        "has no type",
		`{ type: text }`:                                          "has no text",
		`{ type: image }`:                                         "holds nothing",
		`{ type: image, data: "%%%" }`:                            "is not base64",
		`{ type: image, data: aGk=, location: dot.png }`:          "in two ways",
		`{ type: image, location: nowhere.png }`:                  "is not available",
		`{ type: text, location: dot.png }`:                       "is not UTF-8",
		`{ type: resource, text: hi }`:                            "has no uri",
		`{ type: resource_link, uri: nowhere }`:                   "has no scheme",
		`{ type: resource, resource: live }`:                      "is no text, data or file",
		`{ type: resource, resource: Greetings }`:                 "did you mean Greeting",
		`{ type: resource_link, resource: one }`:                  "no address of its own",
		`{ each: some text, text: hi }`:                           "is no list",
		`{ text: "{{OTHER}}" }`:                                   "is not declared",
		`{ text: "{{$.a[}}" }`:                                    "is not a JSONPath",
		`{ type: resource_link, uri: "a://b", data: "aGk=" }`:     "",
		`{ text: hi, annotations: { audience: all, priority: 7 }`: "",
	} {
		open := strings.Count(text, "{") - strings.Count(text, "}")
		text += strings.Repeat("}", max(open, 0))
		d := loadWith(t, fmt.Sprintf(saying, indent("x: { call: rooms.get, content: [ "+text+" ] }\nok: { content: fine }"))+`    resources:
      Greeting: { description: Words, uri: "hi://there", text: Good day }
      live: { description: Live, uri: "hi://live", call: rooms.get, with: { id: "1" } }
      one: { description: One, uri: "hi://one/{id}", call: rooms.get }
`, contentFiles{})
		if items, _ := d.said("ok", `{}`); items != `text text="fine"` {
			t.Errorf("%s: another tool says %s", text, items)
		}
		found := ""
		for _, x := range d.list {
			if x.Severity == diag.Error {
				found += x.Message + " (" + x.Hint + ") "
			}
		}
		if (want == "") != (found == "") || !strings.Contains(found, want) {
			t.Errorf("%s: found %q, want %q", text, found, want)
		}
	}
}

// TestContentIsError: a tool can be a failure that the document describes.
func TestContentIsError(t *testing.T) {
	t.Parallel()
	d := sayings(t, "x: { isError: true, content: Sorry }\ny: { content: Fine }")
	for i, want := range []bool{true, false} {
		op := d.unit.Exposures[0].Tools[i].Operation
		args, err := op.Bind(&plan.Source{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := op.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound})
		if err != nil || res.IsError != want {
			t.Errorf("tool %d: IsError %v, %v", i, res.IsError, err)
		}
	}
}

// TestContentOfFailures: what a failed upstream says is the answer, whatever the tool would say.
func TestContentOfFailures(t *testing.T) {
	t.Parallel()
	d := sayings(t, "x: { call: rooms.get, content: Fine, with: { id: tools.id } }")
	d.answer = func(*plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 404, Body: plan.BytesBody([]byte("no room"))}, nil
	}
	if got, err := d.tool("x", `{"id":"1"}`); got != "404 no room" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestContentInputs: the inputs that texts name are the arguments of the tool.
func TestContentInputs(t *testing.T) {
	t.Parallel()
	d := sayings(t, `
a: { content: "Hello {{name}}" }
b: { inputParameters: { name: { type: string, description: Who, required: true } }, content: "Hello {{name}}" }
c: { inputParameters: { name: { type: string } }, call: rooms.get, with: { id: "1" }, content: "Hello {{name}}" }`)
	for i, want := range []string{
		`{"type":"object","properties":{"name":{}}}`,
		`{"type":"object","properties":{"name":{"type":"string","description":"Who"}},"required":["name"]}`,
		`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`,
	} {
		x := d.unit.Exposures[0].Tools[i]
		if x.Refusal != nil || string(x.InputSchema) != want {
			t.Errorf("tool %s: %s, want %s (%v)", x.Name, x.InputSchema, want, x.Refusal)
		}
	}
}

// TestResourcesOfText: a resource can be a text or bytes of the document. What stands in its URI
// is put into a text so that it cannot break it.
func TestResourcesOfText(t *testing.T) {
	t.Parallel()
	d := load(t, fmt.Sprintf(saying, "      x: { content: hi }")+`    resources:
      plain: { description: Words, uri: "t://plain", text: Good day, annotations: { audience: [user], priority: 1 } }
      one: { description: One, uri: "t://one/{id}", mimeType: application/json, text: '{"id":"{{id}}"}' }
      bytes: { description: Bytes, uri: "t://bytes", mimeType: image/png, data: aGk= }
      lost: { description: Lost, uri: "t://lost/{id}", text: Nothing }
      both: { description: Both, uri: "t://both", text: Nothing, data: aGk= }
`)
	for name, want := range map[string]string{
		"plain": "text/plain 8 Good day", "one": `application/json 0 {"id":"a\"b"}`, "bytes": "image/png 2 hi",
		"lost": "unused-path-input", "both": "resource",
	} {
		r := d.resource(name)
		if r.Refusal != nil {
			if string(r.Refusal.Code) != want {
				t.Errorf("%s is refused: %s", name, r.Refusal.Reason)
			}
			continue
		}
		var values []string
		if len(r.Params) > 0 {
			values = []string{`a"b`}
		}
		args, err := r.Operation.Bind(r.Source(values))
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.Operation.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %d %s", res.MediaType, r.Size(""), res.Body.Bytes); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if a := d.resource("plain").Annotations; a == nil || *a.Priority != 1 || a.Audience[0] != "user" {
		t.Errorf("annotations: %+v", a)
	}
}

// TestContentOfPrompts: a message holds what a tool can say; an item is a message of its own.
func TestContentOfPrompts(t *testing.T) {
	t.Parallel()
	d := loadWith(t, fmt.Sprintf(saying, "      x: { content: hi }")+`    resources:
      Greeting: { description: Words, uri: "hi://there", text: Good day }
    prompts:
      look:
        description: Look
        arguments: { uri: { required: true }, what: { required: false } }
        template:
        - role: user
          content:
          - { type: resource, uri: "{{uri}}", mimeType: application/json, text: '{"see":"{{what}}"}' }
          - { type: image, location: dot.png }
          - "Look at {{what}}"
        - { role: assistant, content: { type: resource, resource: Greeting } }
        - { role: user, content: { type: resource_link, uri: "look://at/{{uri}}", name: it } }
      each: { description: Each, template: [ { role: user, content: { each: "{{a}}", text: b } } ] }
`, contentFiles{})
	for args, want := range map[string]string{
		`{"uri":"a://b c","what":"a \"dot\""}`: `user resource text="{\"see\":\"a \\\"dot\\\"\"}" mime="application/json" uri="a://b%20c"
user image data="\x89PNG\xff" file="dot.png"
user text text="Look at a \"dot\""
assistant resource text="Good day" uri="hi://there"
user resource_link uri="look://at/a%3A%2F%2Fb%20c" name="it"`,
		`{"uri":"a://b"}`: `user resource text="{\"see\":\"{{what}}\"}" mime="application/json" uri="a://b"
user image data="\x89PNG\xff" file="dot.png"
user text text="Look at {{what}}"
assistant resource text="Good day" uri="hi://there"
user resource_link uri="look://at/a%3A%2F%2Fb" name="it"`,
	} {
		given := map[string]string{}
		if err := json.Unmarshal([]byte(args), &given); err != nil {
			t.Fatal(err)
		}
		messages, err := d.prompt("look").Render(given)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, m := range messages {
			lines = append(lines, m.Role+" "+describeItem(m.ContentItem))
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", args, got, want)
		}
	}
	if r := d.prompt("each").Refusal; r == nil || r.Code != diag.CodePrompt {
		t.Errorf("each in a prompt: %v", r)
	}
}

// TestIcons: pictures are published where they can be shown; a bad one is left out with a
// warning, and so is a web site that is none.
func TestIcons(t *testing.T) {
	t.Parallel()
	const good = "{ src: 'https://x.example/a.png', mimeType: image/png, sizes: [48x48, any], theme: dark }"
	text := strings.Replace(fmt.Sprintf(saying, "      x: { content: hi, icons: ["+good+"] }"), "display: Sayings",
		"display: Sayings, websiteUrl: 'https://x.example', icons: ['data:image/png;base64,aGk=']", 1) + `    icons: [` + good + `, { src: 'http://x.example/a.png' }, { src: 'javascript:alert(1)' }, { mimeType: image/png },
      'data:text/html,x', 'data:image/png;base64,%', { src: 'https://x.example', mimeType: text/html }, { src: 'https://x.example', sizes: big }, { src: 'https://x.example', theme: blue }, 'https://a:b@x.example/']
    resources: { r: { description: R, uri: "r://r", text: r, icons: [` + good + `] } }
    prompts: { p: { description: P, template: p, icons: [` + good + `] } }
`
	d := load(t, text)
	want := fmt.Sprint([]plan.Icon{{Src: "https://x.example/a.png", MimeType: "image/png", Sizes: []string{"48x48", "any"}, Theme: "dark"}})
	x := d.unit.Exposures[0]
	for what, icons := range map[string][]plan.Icon{"server": x.Icons, "tool": x.Tools[0].Icons, "resource": x.Resources[0].Icons, "prompt": x.Prompts[0].Icons} {
		if fmt.Sprint(icons) != want {
			t.Errorf("%s: %v", what, icons)
		}
	}
	if fmt.Sprint(d.unit.Icons) != "[{data:image/png;base64,aGk=  [] }]" || d.unit.WebsiteURL != "https://x.example" {
		t.Errorf("of the document: %v %s", d.unit.Icons, d.unit.WebsiteURL)
	}
	if got, want := d.codes(), strings.TrimSuffix(strings.Repeat("warning icon, ", 9), ", "); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	bad := load(t, strings.Replace(fmt.Sprintf(saying, "      x: { content: hi }"), "display: Sayings", "display: Sayings, websiteUrl: nowhere", 1))
	if bad.codes() != "warning wrong-type" || bad.unit.WebsiteURL != "" {
		t.Errorf("a bad web site: %s %q", bad.codes(), bad.unit.WebsiteURL)
	}
}

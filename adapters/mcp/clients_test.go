package mcp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"
	"capd/engine/spec"
)

// published is a tool as a client sees it, with what has rules.
type published struct {
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"inputSchema"`
	OutputSchema json.RawMessage `json:"outputSchema"`
}

// clientRules finds what a client of the field refuses or drops (the tables of names and of
// schemas in the reference, sections 5.2 and 5.3). Each finding names a client.
func clientRules(tools []published) []string {
	var found []string
	folded := map[string]string{}
	for _, t := range tools {
		say := func(client, format string, args ...any) {
			found = append(found, fmt.Sprintf("%s: tool %q: ", client, t.Name)+fmt.Sprintf(format, args...))
		}
		if !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`).MatchString(t.Name) {
			say("Claude, OpenAI", "name")
		}
		if other, ok := folded[strings.ToLower(t.Name)]; ok {
			say("VS Code", "differs from %q in case only", other)
		}
		folded[strings.ToLower(t.Name)] = t.Name
		if strings.TrimSpace(t.Description) == "" {
			say("VS Code", "no description")
		}
		if len(t.InputSchema) > 16384 {
			say("Claude", "input schema of %d bytes", len(t.InputSchema))
		}
		checkRoot(t.InputSchema, say)
		checkInput(t.InputSchema, "", say)
		if t.OutputSchema != nil {
			checkOutput(t.OutputSchema, say)
		}
	}
	return found
}

type complaint func(client, format string, args ...any)

func checkRoot(raw json.RawMessage, say complaint) {
	var root map[string]json.RawMessage
	if json.Unmarshal(raw, &root) != nil {
		say("all", "the input schema is no object: %s", raw)
		return
	}
	if string(root["type"]) != `"object"` {
		say("Claude Code", "the root has type %s", root["type"])
	}
	if root["properties"] == nil {
		say("VS Code", "the root has no properties")
	}
	for _, word := range []string{"oneOf", "anyOf", "allOf", "not", "enum", "const", "if"} {
		if root[word] != nil {
			say("Claude, OpenAI", "%s at the root", word)
		}
	}
}

// checkInput looks at a schema and all below it.
func checkInput(raw json.RawMessage, at string, say complaint) {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil {
		say("Inspector, TypeScript SDK", "%s is no schema of an object: %.40s", at, raw)
		return
	}
	known := strings.Fields("type title description properties required items enum anyOf format pattern minLength maxLength minimum maximum minItems maxItems minProperties maxProperties")
	for word := range o {
		if !slices.Contains(known, word) {
			say("Gemini", "%s has %s", at, word)
		}
	}
	var typ string
	if o["type"] != nil && json.Unmarshal(o["type"], &typ) != nil {
		say("Gemini, Inspector", "%s has types %s", at, o["type"])
	}
	if typ == "array" && o["items"] == nil {
		say("VS Code, Gemini", "%s is a list without items", at)
	}
	if o["enum"] != nil {
		var texts []string
		if json.Unmarshal(o["enum"], &texts) != nil || typ != "string" || len(texts) == 0 {
			say("Gemini", "%s has enum %s of type %q", at, o["enum"], typ)
		}
	}
	if f := string(o["format"]); f != "" && !slices.Contains([]string{`"date-time"`, `"float"`, `"double"`, `"int32"`, `"int64"`}, f) {
		say("Gemini", "%s has format %s", at, f)
	}
	var properties map[string]json.RawMessage
	_ = json.Unmarshal(o["properties"], &properties)
	for name, inner := range properties {
		if !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`).MatchString(name) {
			say("Claude", "%s has the key %q", at, name)
		}
		checkInput(inner, at+"/"+name, say)
	}
	var required []string
	_ = json.Unmarshal(o["required"], &required)
	for _, name := range required {
		if properties[name] == nil {
			say("Gemini", "%s requires %q, which it has not", at, name)
		}
	}
	if o["items"] != nil {
		checkInput(o["items"], at+"/items", say)
	}
	var choices []json.RawMessage
	_ = json.Unmarshal(o["anyOf"], &choices)
	for i, inner := range choices {
		checkInput(inner, fmt.Sprintf("%s/anyOf/%d", at, i), say)
	}
}

// checkOutput: the TypeScript SDK fails the whole list for a root that is no object, and for
// a schema that is a boolean.
func checkOutput(raw json.RawMessage, say complaint) {
	var root struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &root) != nil || root.Type != "object" {
		say("TypeScript SDK", "the output schema's root: %.60s", raw)
	}
	var walk func(raw json.RawMessage)
	walk = func(raw json.RawMessage) {
		var o struct {
			Type       json.RawMessage            `json:"type"`
			Ref        *string                    `json:"$ref"`
			Properties map[string]json.RawMessage `json:"properties"`
			Items      json.RawMessage            `json:"items"`
			AnyOf      []json.RawMessage          `json:"anyOf"`
		}
		if json.Unmarshal(raw, &o) != nil || o.Ref != nil || strings.HasPrefix(string(o.Type), "[") {
			say("Inspector, TypeScript SDK", "in the output schema: %.60s", raw)
			return
		}
		for _, p := range o.Properties {
			walk(p)
		}
		if o.Items != nil {
			walk(o.Items)
		}
		for _, c := range o.AnyOf {
			walk(c)
		}
	}
	walk(raw)
}

// TestClientRulesFindThings: the rules are no rules if nothing breaks them.
func TestClientRulesFindThings(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{
		`{"type":"object"}`, `{"properties":{}}`, `[]`,
		`{"type":"object","properties":{},"anyOf":[{}]}`,
		`{"type":"object","properties":{"a":true}}`,
		`{"type":"object","properties":{"a":{"type":["string","null"]}}}`,
		`{"type":"object","properties":{"a":{"type":"integer","enum":[1]}}}`,
		`{"type":"object","properties":{"a":{"type":"array"}}}`,
		`{"type":"object","properties":{"a":{"type":"object","properties":{"$b":{}}}}}`,
		`{"type":"object","properties":{"a":{"$ref":"#"}}}`,
		`{"type":"object","properties":{"a":{"default":1}}}`,
		`{"type":"object","properties":{"a":{"type":"string","format":"uuid"}}}`,
		`{"type":"object","properties":{},"required":["a"]}`,
		`{"type":"object","properties":{"a":{"description":"` + strings.Repeat("x", 17000) + `"}}}`,
	} {
		if len(clientRules([]published{{Name: "a", Description: "A.", InputSchema: json.RawMessage(schema)}})) == 0 {
			t.Errorf("nothing found in %.100s", schema)
		}
	}
	ok := json.RawMessage(`{"type":"object","properties":{}}`)
	for _, tools := range [][]published{
		{{Name: "a.b", Description: "A.", InputSchema: ok}},
		{{Name: "a", InputSchema: ok}},
		{{Name: "a", Description: "A.", InputSchema: ok}, {Name: "A", Description: "A.", InputSchema: ok}},
		{{Name: "a", Description: "A.", InputSchema: ok, OutputSchema: json.RawMessage(`{"type":"array"}`)}},
		{{Name: "a", Description: "A.", InputSchema: ok, OutputSchema: json.RawMessage(`{"type":"object","properties":{"a":true}}`)}},
	} {
		if len(clientRules(tools)) == 0 {
			t.Errorf("nothing found in %v", tools)
		}
	}
}

// documents gives the documents below folders that compile, by ID.
func documents(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for i, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.y*ml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			id := fmt.Sprintf("d%d-%s", i, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
			doc, _ := spec.Parse(id+".yaml", text, spec.Limits{})
			if doc == nil {
				continue
			}
			doc.ID = id
			if u, _ := plan.Compile(doc, nil); u != nil {
				docs[id] = string(text)
			}
		}
	}
	return docs
}

// TestEveryClientTakesEveryTool publishes every tool of the shipped capabilities, and of the
// published specs where these lie beside the checkout, and finds nothing that a client
// refuses. What a plan says that each costs is near to what is published.
func TestEveryClientTakesEveryTool(t *testing.T) {
	t.Parallel()
	docs := documents(t, "../../capabilities", "../../capabilities/*", "../../../shared/corpus/specs")
	docs["rooms"] = rooms
	h := open(t, docs, mcp.Options{})
	tools, bytes := 0, 0
	for _, m := range h.bound.Plan().Listener(addr).Mounts {
		if m.Exposure.Kind != plan.MCP || !m.Main {
			continue
		}
		list := h.tools(m.Path)
		tools += len(list)
		for _, tool := range list {
			bytes += len(tool.InputSchema)
		}
		for _, problem := range clientRules(list) {
			t.Errorf("%s: %s", m.Path, problem)
		}
	}
	if tools < 5 {
		t.Fatalf("only %d tools were looked at", tools)
	}
	checkTokens(t, h.bound.Plan())
	t.Logf("%d documents, %d tools, %d bytes of input schemas", len(docs), tools, bytes)
}

// tools lists the tools of an endpoint as they come over the wire.
func (h *house) tools(path string) []published {
	h.t.Helper()
	header, body := modern("tools/list", "", "{}")
	delete(header, "Mcp-Name")
	a := h.post(path, header, body)
	var result struct {
		Tools      []published `json:"tools"`
		NextCursor string      `json:"nextCursor"`
	}
	if len(a.messages) != 1 || json.Unmarshal(a.messages[0].Result, &result) != nil || result.NextCursor != "" {
		h.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	return result.Tools
}

// checkTokens: what a plan estimates of a tool is near to what its published form costs.
func checkTokens(t *testing.T, p *plan.Plan) {
	t.Helper()
	declared, published := 0, 0
	for _, u := range p.Units {
		for _, x := range u.Exposures {
			v := &plan.View{Members: []plan.Member{{Exposure: x, Tools: x.Tools}}}
			costs := mcp.Tokens(v)
			for _, tool := range x.Tools {
				switch got, ok := costs[tool]; {
				case ok != (tool.Refusal == nil):
					t.Errorf("%s, %s: it is refused or not, and costs %d", u.ID, tool.Name, got)
				case ok && (got > 2*tool.Tokens() || tool.Tokens() > 2*got):
					t.Errorf("%s, %s: estimated %d, published %d", u.ID, tool.Name, tool.Tokens(), got)
				}
				published += costs[tool]
			}
			declared += v.Tokens()
		}
	}
	if declared == 0 || published < declared*9/10 || published > declared*11/10 {
		t.Errorf("estimated %d, published %d", declared, published)
	}
	t.Logf("estimated %d, published %d", declared, published)
}

// TestPortableOff: what is declared is published byte for byte where the author wants it so.
func TestPortableOff(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(rooms, "      call: api.list\n", "      call: api.list\n      portable: false\n      outputParameters: [{ type: array, mapping: $.a, items: { type: string, mapping: $. } }]\n", 1)
	for text, want := range map[string]string{
		doc:   `{"type":"object","properties":{"$filter":{"type":"string"}}} {"type":["array","null"],"items":{"type":["string","null"]}}`,
		rooms: `{"type":"object","properties":{"filter":{"type":"string"}}} `,
	} {
		h := open(t, map[string]string{"rooms": text}, mcp.Options{})
		list := h.tools("/mcp/rooms")
		if got := string(list[1].InputSchema) + " " + string(list[1].OutputSchema); got != want {
			t.Errorf("published\n%s\nwant\n%s", got, want)
		}
	}
	h := open(t, map[string]string{"rooms": doc}, mcp.Options{})
	h.upstream.answer(200, "application/json", `{"a":["x"]}`)
	s := h.connect("/mcp/rooms", "2026-07-28", nil)
	if got := marshal(t, call(t, s, "list.rooms", map[string]any{"$filter": "x"}).StructuredContent); got != `["x"]` {
		t.Errorf("structured content %s", got)
	}
}

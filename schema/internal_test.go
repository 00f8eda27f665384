package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
)

func plain(pointer string) (diag.Span, string) { return diag.Span{}, pointer }

// The published schema has no alternatives beyond the version key, but the reduction of an
// error tree must hold for whatever is added to it.
func TestAlternatives(t *testing.T) {
	t.Parallel()
	const byType = `{"oneOf": [
		{"type": "object", "properties": {"type": {"const": "a"}, "port": {"type": "integer"}, "name": {"type": "string"}}},
		{"type": "object", "properties": {"type": {"enum": ["b"]}, "size": {"type": "integer"}}}
	]}`
	const byKind = `{"properties": {"list": {"anyOf": [
		{"type": "string"}, {"type": "array", "items": {"type": "integer"}}, {"type": "object", "required": ["x"]}
	]}}}`
	for _, c := range []struct {
		name, schema, doc string
		want              []string
	}{
		{"the type decides", byType, `{"type": "a", "port": "x", "name": 1}`, []string{
			`"/name" is a number; expected a string`, `"/port" is a string; expected an integer`,
		}},
		{"no type fits", byType, `{"type": "c"}`, []string{`the document fits none of the forms it can have`}},
		{"no kind fits", byType, `3`, []string{`the document is a number; expected a mapping`}},
		{"one kind fits", byKind, `{"list": [1, "x"]}`, []string{`"/list/1" is a string; expected an integer`}},
		{"no kind of several fits", byKind, `{"list": true}`, []string{`"/list" is a boolean; expected a string, a list or a mapping`}},
		{"member missing", byKind, `{"list": {}}`, []string{`"/list" has no "x"`}},
		{"too many fit", `{"oneOf": [{"type": "object"}, {"minProperties": 0}]}`, `{}`, []string{`the document fits none of the forms it can have`}},
		{"unknown keyword", `{"properties": {"a": {"maxLength": 2}}}`, `{"a": "hush"}`, []string{`"/a" does not fit the rule "maxLength" of the schema`}},
		{"unknown members", `{"properties": {"a": {"properties": {"size": {}, "port": {}}, "additionalProperties": false}}}`, `{"a": {"prot": 1, "x/y": 2, "size": 3}}`, []string{
			`"/a/prot" is not known here`, `"/a/x~1y" is not known here; expected port or size`,
		}},
		{"one bound", `{"properties": {"a": {"minimum": 1}, "b": {"maximum": 2}}}`, `{"a": 0, "b": 3}`, []string{
			`"/a" is out of range; expected 1 or more`, `"/b" is out of range; expected 2 or less`,
		}},
		{"several missing", `{"required": ["a", "b", "c"]}`, `{"b": 1}`, []string{`the document has no "a" and no "c"`}},
		{"same twice", `{"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "string"}}}]}`, `{"a": []}`, []string{
			`"/a" is a list; expected a string`,
		}},
	} {
		v, err := compile([]byte(c.schema))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		d := json.NewDecoder(strings.NewReader(c.doc))
		d.UseNumber()
		var doc any
		if err := d.Decode(&doc); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, d := range v.explain(doc, plain) {
			got = append(got, d.Message)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestBrokenSchema(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{`, `{"type": 3}`, `{"$ref": "https://elsewhere.example.com/x"}`, `{"items": {"$ref": "#/$defs/x"}}`} {
		if _, err := compile([]byte(text)); err == nil {
			t.Errorf("%s compiles", text)
		}
		if _, err := newOutline([]byte(text)); err == nil {
			t.Errorf("%s has an outline", text)
		}
	}
}

// compact has one of each construct of the schema that screen evaluates: both forms of
// collections, conditions with and without a consequence, ranges, references.
const compact = `
ikanos: 1.0.0-beta5
binds: [{namespace: env, keys: {A: B}}]
capability:
  consumes:
    api:
      authentication: {type: apikey, headers: [{key: k, value: v}]}
      auth: {type: hmac, key: k}
      transport: {http2: false, tls: {serverName: api.example.com}}
      resilience: {retry: {max: 3}, breaker: false, cache: {}}
      resources:
      - path: /x
        operations:
          get: {method: POST, body: {type: multipart, data: [{name: n, value: v}]}, inputParameters: {id: {in: path, required: true}}}
  exposes:
  - type: rest
    port: 8080
    resources: [{path: /x, operations: [{call: api.get, with: {id: 1}}]}]
  - type: mcp
    ttlMs: 5
    tools: {get: {outputParameters: [{type: array, items: {type: object, properties: {a: {mapping: $.a}}}}, {items: {type: {type: string}}}]}}
`

// TestScreenAgrees puts a value of each kind in every place of a document and proves that
// screen accepts exactly what the library accepts.
func TestScreenAgrees(t *testing.T) {
	t.Parallel()
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	exact, err := v.exact()
	if err != nil {
		t.Fatal(err)
	}
	doc, found := spec.Parse("compact.yaml", []byte(compact), spec.Limits{})
	if doc == nil {
		t.Fatal("the document is not read:", found)
	}
	root := doc.JSON()
	if !Fits(v, value{root}) {
		t.Fatal("screen is not sure of a good document")
	}
	tried, refused := 0, 0
	mutate(root, "", func(at string) {
		tried++
		fits := exact.compiled.Validate(root) == nil
		if !fits {
			refused++
		}
		if Fits(v, value{root}) != fits {
			t.Errorf("%s: the library says fits = %t, screen does not", at, fits)
		}
	})
	if tried < 400 || refused < 200 || refused > tried-200 {
		t.Errorf("%d changes were tried, %d of them refused", tried, refused)
	}
}

// value is a JSON value as a tree.
type value struct{ any }

func (v value) JSONType() string {
	switch v.any.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func (v value) Scalar() string { return fmt.Sprint(v.any) }

func (v value) Children() int {
	if list, ok := v.any.([]any); ok {
		return len(list)
	}
	members, _ := v.any.(map[string]any)
	return len(members)
}

func (v value) Child(i int) (string, value) {
	if list, ok := v.any.([]any); ok {
		return "", value{list[i]}
	}
	members, _ := v.any.(map[string]any)
	name := slices.Sorted(maps.Keys(members))[i]
	return name, value{members[name]}
}

// mutate replaces every value below parent by one of each kind in turn, removes every member, adds one,
// and calls check each time.
func mutate(parent any, at string, check func(at string)) {
	others := []any{nil, true, "text", json.Number("7"), json.Number("-70000"), []any{}, []any{"text"}, map[string]any{}, map[string]any{"type": "rest", "port": "x"}}
	try := func(at string, old any, set func(any)) {
		for _, other := range others {
			set(other)
			check(fmt.Sprintf("%s = %v", at, other))
		}
		set(old)
		mutate(old, at, check)
	}
	switch p := parent.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(p)) {
			old := p[name]
			try(at+"/"+name, old, func(value any) { p[name] = value })
			delete(p, name)
			check(at + " without " + name)
			p[name] = old
		}
		p["strange"] = "text"
		check(at + " with another member")
		delete(p, "strange")
	case []any:
		for i, old := range p {
			try(fmt.Sprintf("%s/%d", at, i), old, func(value any) { p[i] = value })
		}
	}
}

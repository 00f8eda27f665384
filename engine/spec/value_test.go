package spec_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"capd/engine/spec"
)

// with parses a document with one tool whose with is as written in flow form.
func with(t *testing.T, written string) *spec.Value {
	t.Helper()
	doc, list := spec.Parse("f.yaml", []byte(`naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: mcp
    tools:
    - {name: t, call: a.b, with: `+written+`}
`), spec.Limits{})
	if doc == nil {
		t.Fatalf("not read: %v", list)
	}
	return doc.Exposes[0].Tools[0].With
}

// Y1: the core schema of YAML 1.2.
func TestScalarKinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		written string
		kind    spec.Kind
		json    string
	}{
		{"true", spec.Bool, "true"}, {"False", spec.Bool, "false"}, {"TRUE", spec.Bool, "true"},
		{"on", spec.String, `"on"`}, {"yes", spec.String, `"yes"`}, {"No", spec.String, `"No"`}, {"y", spec.String, `"y"`},
		{"2015-02-01", spec.String, `"2015-02-01"`}, {"12:30:45", spec.String, `"12:30:45"`},
		{"null", spec.Null, "null"}, {"~", spec.Null, "null"}, {"", spec.Null, "null"},
		{"12", spec.Number, "12"}, {"+12", spec.Number, "12"}, {"-0", spec.Number, "-0"}, {"007", spec.Number, "7"},
		{"1.50", spec.Number, "1.50"}, {"1.", spec.Number, "1"}, {".5", spec.Number, "0.5"}, {"-.5e+3", spec.Number, "-0.5e+3"},
		{"1.e3", spec.Number, "1e3"}, {"12345678901234567890.123456789", spec.Number, "12345678901234567890.123456789"},
		{"0x1F", spec.Number, "31"}, {"0o17", spec.Number, "15"}, {"0xFFFFFFFFFFFFFFFFFF", spec.Number, "4722366482869645213695"},
		{".inf", spec.Number, `".inf"`}, {"-.INF", spec.Number, `"-.INF"`}, {".nan", spec.Number, `".nan"`},
		{"1_000", spec.String, `"1_000"`}, {"0b11", spec.String, `"0b11"`}, {"1e", spec.String, `"1e"`}, {"0x", spec.String, `"0x"`},
		{".", spec.String, `"."`}, {"$.", spec.String, `"$."`}, {"1.2.3", spec.String, `"1.2.3"`},
		{"'12'", spec.String, `"12"`}, {"\"true\"", spec.String, `"true"`}, {"!!str 12", spec.String, `"12"`},
		{"!!int '12'", spec.Number, "12"}, {"!!float 1", spec.Number, "1"}, {"'<a & b>'", spec.String, `"<a & b>"`},
		{"[1, {a: b}]", spec.List, `[1,{"a":"b"}]`}, {"{b: 1, a: ~}", spec.Map, `{"b":1,"a":null}`},
	} {
		t.Run(tt.written, func(t *testing.T) {
			t.Parallel()
			v := with(t, "{x: "+tt.written+"}").Get("x")
			if v.Kind != tt.kind {
				t.Errorf("kind %v, want %v", v.Kind, tt.kind)
			}
			if got := string(v.JSON()); got != tt.json {
				t.Errorf("JSON %s, want %s", got, tt.json)
			}
		})
	}
}

func TestNumbersKeepTheirText(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"+15551234567", "0x1F", "1.50", "007"} {
		if got := with(t, "{x: "+written+"}").Get("x").AsText().Value; got != written {
			t.Errorf("text %q, want %q", got, written)
		}
	}
}

func TestNilValue(t *testing.T) {
	t.Parallel()
	var v *spec.Value
	if v.Get("a") != nil || v.Path() != "" || v.Span().Start.IsValid() || v.AsText().IsSet() || string(v.JSON()) != "null" {
		t.Error("a nil Value is not nothing")
	}
	list := with(t, "{x: [a]}").Get("x")
	if list.Get("a") != nil || list.AsText().IsSet() {
		t.Error("a list has keys or text")
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	v := with(t, `{a: [x, {"b.c d": y}], 日: z}`)
	for _, tt := range []struct {
		value *spec.Value
		want  string
	}{
		{v, "capability.exposes[0].tools[0].with"},
		{v.Get("a").Items[1], "capability.exposes[0].tools[0].with.a[1]"},
		{v.Get("a").Items[1].Get("b.c d"), `capability.exposes[0].tools[0].with.a[1]["b.c d"]`},
		{v.Get("日"), `capability.exposes[0].tools[0].with["日"]`},
	} {
		if got := tt.value.Path(); got != tt.want {
			t.Errorf("path %s, want %s", got, tt.want)
		}
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	t.Parallel()
	v := with(t, `{base: &b {x: 1, y: 2}, other: &o {y: 3, z: 4}, same: *b, all: {<<: [*b, *o], x: 9}, quoted: {"<<": text}}`)
	for key, want := range map[string]string{
		"same": `{"x":1,"y":2}`, "all": `{"x":9,"y":2,"z":4}`, "quoted": `{"<<":"text"}`,
	} {
		if got := string(v.Get(key).JSON()); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	y := v.Get("same").Get("y")
	if got := y.Path(); got != "capability.exposes[0].tools[0].with.same.y" {
		t.Errorf("the path of an aliased value is %s, want its place in the tree", got)
	}
	if y.Span() != v.Get("base").Get("y").Span() {
		t.Error("an aliased value does not stand where its anchor does")
	}
	if got := v.Get("all").Get("z").Path(); got != "capability.exposes[0].tools[0].with.all.z" {
		t.Errorf("the path of a merged value is %s", got)
	}
}

func TestBooleanKeys(t *testing.T) { // Y2
	t.Parallel()
	doc, list := spec.Parse("f.yaml", []byte(`naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: a
    baseUri: https://a.example
    resources:
    - path: /x
      operations:
      - name: b
        body: {type: json, data: {nested: [{false: '{{tools.off}}'}], true: literal}}
  exposes:
  - type: mcp
    tools:
    - name: t
      call: a.b
      with: {true: tools.on, false: rest.nothing, "yes": tools.yes}
`), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	got := string(doc.Exposes[0].Tools[0].With.JSON()) + string(doc.Consumes[0].Resources[0].Operations[0].Body.Get("data").JSON())
	want := `{"on":"tools.on","false":"rest.nothing","yes":"tools.yes"}{"nested":[{"off":"{{tools.off}}"}],"true":"literal"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(list) != 2 || list[0].Rule != "Y2" || len(list[0].Fixes) != 1 {
		t.Errorf("want a warning with a fix for each renamed key, got %v", list)
	}
}

func TestDocumentJSONAndLocate(t *testing.T) {
	t.Parallel()
	doc, list := spec.Parse("f.yaml", []byte(`naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: mcp
    port: 0x10
    a/b~c: [1.10, true, ~, text]
`), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	want := map[string]any{
		"naftiko": "1.0.0-alpha2",
		"capability": map[string]any{"exposes": []any{map[string]any{
			"type": "mcp", "port": json.Number("16"),
			"a/b~c": []any{json.Number("1.10"), true, nil, "text"},
		}}},
	}
	if got := doc.JSON(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, tt := range []struct{ pointer, place, path string }{
		{"", "f.yaml:1:1", ""},
		{"/capability/exposes/0/port", "f.yaml:5:11", "capability.exposes[0].port"},
		{"/capability/exposes/0/a~1b~0c/3", "f.yaml:6:28", `capability.exposes[0]["a/b~c"][3]`},
		{"/capability/exposes/0/missing", "f.yaml:4:5", "capability.exposes[0]"},
		{"/capability/exposes/7", "f.yaml:4:3", "capability.exposes"},
		{"/capability/exposes/x/y", "f.yaml:4:3", "capability.exposes"},
	} {
		span, path := doc.Locate(tt.pointer)
		if span.String() != tt.place || path != tt.path {
			t.Errorf("Locate(%q) = %v, %s, want %s, %s", tt.pointer, span, path, tt.place, tt.path)
		}
	}
}

package portable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

func TestPortableSchema(t *testing.T) {
	t.Parallel()
	in := func(p string) string { return `{"type":"object","properties":{"p":` + p + `}}` }
	tests := map[string]struct{ schema, want string }{
		"nothing to do": {
			`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["z"]}`,
			`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["z"]}`,
		},
		"keys clients refuse": {
			`{"type":"object","properties":{"$filter":{"type":"string"},"filter[stop]":{"type":"number","minimum":1.50},"ok":{}},"required":["ok","$filter"],"x":1}`,
			`{"type":"object","properties":{"filter":{"type":"string"},"filter_stop":{"type":"number","minimum":1.50},"ok":{}},"required":["ok","filter"]}`,
		},
		"an alias hides nothing": {`{"properties":{"$top":{},"top":{},"€":{},"x":{"properties":{"input":{}}}}}`,
			`{"type":"object","properties":{"top_2":{},"top":{},"input_2":{},"x":{"type":"object","properties":{"input":{}}}}}`},
		"nested keys":      {in(`{"type":"array","items":{"type":"object","properties":{"a.b":{}},"required":["a.b"]}}`), in(`{"type":"array","items":{"type":"object","properties":{"a_b":{}},"required":["a_b"]}}`)},
		"no properties":    {`{"type":"object"}`, AnyObject},
		"no schema at all": {``, AnyObject},
		"a list":           {`{"type":"array","items":{}}`, AnyObject},
		"not an object":    {`[1]`, AnyObject},
		"cut off":          {`{"type":"object"`, AnyObject},
		"a key twice":      {`{"properties":{"a":{"type":"string"},"a":{"type":"number"}}}`, `{"type":"object","properties":{"a":{"type":"number"}}}`},
		"what Gemini refuses": {
			`{"$schema":"x","type":"object","additionalProperties":false,"properties":{"p":{"type":"string","default":"x","format":"uuid","examples":["a"]}}}`,
			in(`{"type":"string","description":"Default: \"x\". Example: \"a\". Format: uuid."}`),
		},
		"booleans":          {in(`true`), in(`{}`)},
		"never":             {`{"properties":{"p":false,"q":{"type":"string"}}}`, `{"type":"object","properties":{"q":{"type":"string"}}}`},
		"null":              {in(`{"type":["string","null"],"description":"A text","maxLength":3}`), in(`{"anyOf":[{"type":"string","description":"A text","maxLength":3},{"type":"null"}]}`)},
		"nullable":          {in(`{"type":"integer","nullable":true}`), in(`{"anyOf":[{"type":"integer"},{"type":"null"}]}`)},
		"types":             {in(`{"type":["string","integer","number"],"minimum":1,"minLength":2,"description":"d"}`), in(`{"description":"d","anyOf":[{"type":"string","minLength":2},{"type":"number","minimum":1}]}`)},
		"numbers to choose": {in(`{"type":"integer","enum":[1,2,12345678901234567890]}`), in(`{"type":"integer","description":"One of: 1, 2, 12345678901234567890."}`)},
		"texts to choose":   {in(`{"enum":["a","b","a"]}`), in(`{"type":"string","enum":["a","b"]}`)},
		"texts or null":     {in(`{"enum":["a",null]}`), in(`{"anyOf":[{"type":"string","enum":["a"]},{"type":"null"}]}`)},
		"numbers as texts":  {in(`{"type":"string","enum":[1,"2"]}`), in(`{"type":"string","enum":["1","2"]}`)},
		"a constant":        {in(`{"const":"a"}`), in(`{"type":"string","enum":["a"]}`)},
		"true":              {in(`{"const":true}`), in(`{"type":"boolean","description":"Always true."}`)},
		"limits":            {in(`{"type":"integer","exclusiveMinimum":0,"maximum":1e999,"multipleOf":5,"minLength":3}`), in(`{"type":"integer","description":"A multiple of 5.","minimum":1}`)},
		"a reference": {
			`{"type":"object","properties":{"p":{"$ref":"#/$defs/a~1b","description":"Here"}},"$defs":{"a/b":{"type":"string","description":"There","maxLength":9}}}`,
			in(`{"type":"string","description":"Here","maxLength":9}`),
		},
		"an anchor":        {`{"properties":{"p":{"$ref":"#x"}},"$defs":{"y":{"$anchor":"x","type":"string"}}}`, in(`{"type":"string"}`)},
		"a reference away": {in(`{"$ref":"https://example.com/x","description":"d"}`), in(`{"description":"d"}`)},
		"recursion": {
			`{"$ref":"#/$defs/f","$defs":{"f":{"type":"object","properties":{"and":{"type":"array","items":{"$ref":"#/$defs/f"}},"$n":{"type":"number"}}}}}`,
			`{"type":"object","properties":{"and":{"type":"array","items":{"type":"object","description":"The same schema as the enclosing one, again."}},"n":{"type":"number"}}}`,
		},
		"itself": {`{"$ref":"#"}`, AnyObject},
		"all of": {
			`{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"integer"}}}]}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]}`,
		},
		"either": {
			`{"type":"object","properties":{"$id":{"type":"string"},"name":{"type":"string"}},"oneOf":[{"required":["$id"]},{"required":["name"]}]}`,
			`{"type":"object","description":"Give one of these: (1) id; (2) name.","properties":{"id":{"type":"string"},"name":{"type":"string"}}}`,
		},
		"kinds": {
			`{"oneOf":[{"properties":{"k":{"const":"f"},"path":{"type":"string"},"n":{}},"required":["k","n","path"]},{"properties":{"k":{"const":"u"},"url":{"type":"string"},"n":{}},"required":["k","n","url"]}]}`,
			`{"type":"object","description":"Give one of these: (1) k \"f\" and path; (2) k \"u\" and url.","properties":{"k":{"type":"string","enum":["f","u"]},"path":{"type":"string"},"n":{},"url":{"type":"string"}},"required":["k","n"]}`,
		},
		"one of, below":            {in(`{"oneOf":[{"type":"string"},{"type":"object","properties":{"a":{}}}]}`), in(`{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{}}}]}`)},
		"a condition":              {in(`{"type":"string","not":{"const":""}}`), in(`{"type":"string","description":"Also, as JSON Schema: {\"not\":{\"const\":\"\"}}"}`)},
		"any keys":                 {in(`{"type":"object","additionalProperties":{"type":"string"}}`), in(`{"type":"object","description":"Any keys; each value is of type string."}`)},
		"more keys":                {in(`{"type":"object","properties":{"a":{}},"additionalProperties":{"type":"array","items":{"type":"string"}}}`), in(`{"type":"object","description":"Further keys are allowed; each value fits the JSON Schema {\"type\":\"array\",\"items\":{\"type\":\"string\"}}","properties":{"a":{}}}`)},
		"a tuple":                  {in(`{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}]}`), in(`{"type":"array","description":"The elements have a fixed order.","items":{"anyOf":[{"type":"string"},{"type":"number"}]}}`)},
		"a bare list":              {in(`{"type":"array"}`), in(`{"type":"array","items":{}}`)},
		"html":                     {in(`{"type":"string","description":"<a> & b"}`), in(`{"type":"string","description":"<a> & b"}`)},
		"a requirement of nothing": {`{"type":"object","properties":{},"required":["a"]}`, `{"type":"object","properties":{"a":{}},"required":["a"]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := Input([]byte(tt.schema))
			if string(got) != tt.want {
				t.Errorf("schema %s\nwant   %s", got, tt.want)
			}
		})
	}
}

func TestArgumentsUnderDeclaredNames(t *testing.T) {
	t.Parallel()
	const (
		plain  = `{"type":"object","properties":{"a":{}}}`
		filter = `{"type":"object","properties":{"$filter":{"type":"string"},"n":{"type":"integer"},"free":{"type":"object"}}}`
		deep   = `{"$ref":"#/$defs/f","$defs":{"f":{"type":"object","properties":{"$and":{"type":"array","items":{"$ref":"#/$defs/f"}},"a.b":{"oneOf":[{"type":"string"},{"type":"object","properties":{"c d":{}}}]}},"additionalProperties":{"type":"object","properties":{"x.y":{}}}}}}`
	)
	tests := map[string]struct{ schema, raw, want string }{
		"absent":               {plain, ``, ``},
		"null":                 {plain, ` null `, ``},
		"no aliases":           {plain, `{"a": 1.50}`, `{"a": 1.50}`},
		"an alias":             {filter, `{"filter":"x","n":12345678901234567890}`, `{"$filter":"x","n":12345678901234567890}`},
		"the exact name":       {filter, `{"$filter":"x"}`, `{"$filter":"x"}`},
		"both: the exact wins": {filter, `{"$filter":"x","filter":"y"}`, `{"$filter":"x","filter":"y"}`},
		"keys of the caller":   {filter, `{"free":{"filter":1}}`, `{"free":{"filter":1}}`},
		"below":                {deep, `{"and":[{"and":[{"a_b":{"c_d":1e2}}]},{"a_b":"x"}]}`, `{"$and":[{"$and":[{"a.b":{"c d":1e2}}]},{"a.b":"x"}]}`},
		"of any key":           {deep, `{"any":{"x_y":[],"c_d":1}}`, `{"any":{"x.y":[],"c_d":1}}`},
		"of another kind":      {deep, `{"and":"x","a_b":[1]}`, `{"$and":"x","a.b":[1]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, a := Input([]byte(tt.schema))
			got, err := a.Arguments(json.RawMessage(tt.raw))
			if err != nil || string(got) != tt.want {
				t.Errorf("arguments(%s) = %s, %v; want %s", tt.raw, got, err, tt.want)
			}
		})
	}
	_, a := Input([]byte(filter))
	for _, raw := range []string{`[]`, `"x"`, `12`} {
		_, err := a.Arguments(json.RawMessage(raw))
		if !errors.Is(err, ErrNoObject) {
			t.Errorf("Arguments(%s): %v, want %v", raw, err, ErrNoObject)
		}
	}
}

// TestLargeSchemas: what is too large loses its texts first, those that are deepest before
// others, then what is deep, and names last.
func TestLargeSchemas(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	many := func(n int, schema string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"property%04d":%s`, i, schema)
		}
		return b.String()[1:]
	}
	object := func(properties string) string { return `{"type":"object","properties":{` + properties + `}}` }
	for name, tt := range map[string]struct {
		schema    string
		has, lost []string
	}{
		"texts below": {
			object(`"a":{"type":"string","description":"kept"},"b":` + object(many(80, `{"type":"string","description":"`+long+`"}`))),
			[]string{"kept", "property0079"}, []string{"xxx"},
		},
		"what is deep": {
			object(`"a":{"type":"string"},"b":` + object(`"c":`+object(many(800, `{"type":"string"}`)))),
			[]string{`"a"`, `"b"`, `"c":{"type":"object"}`}, []string{"property"},
		},
		"names": {
			`{"type":"object","properties":{` + many(1500, `{"type":"string"}`) + `,"last":{"type":"string"}},"required":["last"]}`,
			[]string{`"last"`, "property0000", "further inputs are not listed"}, []string{"property1499"},
		},
		"references that multiply": {
			`{"properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":` + object(many(30, `{"$ref":"#/$defs/b"}`)) + `,"b":` + object(many(30, `{"$ref":"#/$defs/c"}`)) + `,"c":` + object(many(30, `{"$ref":"#/$defs/d"}`)) + `,"d":{"type":"string"}}}`,
			[]string{`"a"`}, []string{"$ref"},
		},
		"depth": {strings.Repeat(`{"properties":{"a":`, 500) + `{}` + strings.Repeat(`}}`, 500), []string{`"a"`, notShown}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := Input([]byte(tt.schema))
			checkPortable(t, got)
			for _, s := range tt.has {
				if !bytes.Contains(got, []byte(s)) {
					t.Errorf("%q is missing in %.300s", s, got)
				}
			}
			for _, s := range tt.lost {
				if bytes.Contains(got, []byte(s)) {
					t.Errorf("%q is still in %.300s", s, got)
				}
			}
		})
	}
}

// checkPortable fails unless a schema is one that every client takes.
func checkPortable(t *testing.T, schema []byte) {
	t.Helper()
	if len(schema) > maxSchema {
		t.Fatalf("%d bytes", len(schema))
	}
	var root map[string]json.RawMessage
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatalf("%v: %.300s", err, schema)
	}
	if string(root["type"]) != `"object"` || root["properties"] == nil {
		t.Fatalf("the root is %.300s", schema)
	}
	for _, word := range []string{"anyOf", "oneOf", "allOf", "enum", "not", "$defs", "$schema"} {
		if root[word] != nil {
			t.Fatalf("the root has %s: %.300s", word, schema)
		}
	}
	compiles(t, schema)
}

func compiles(t *testing.T, schema []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	if err := c.AddResource("schema.json", bytes.NewReader(schema)); err != nil {
		t.Fatalf("%v: %.300s", err, schema)
	}
	if _, err := c.Compile("schema.json"); err != nil {
		t.Fatalf("%#v: %.1000s", err, schema)
	}
}

// FuzzPortable: whatever is declared, what is published is a schema by the rules, the same
// each time, and published once more it stays as it is.
func FuzzPortable(f *testing.F) {
	for _, seed := range []string{
		`{"type":"object","properties":{"$a":{"x":[1,{}]}},"required":["$a"]}`,
		`{"properties":{"":1,"":2,"a":{"type":["string","null"],"enum":["a",null,1e999]}}}`,
		`{"$ref":"#/$defs/f","$defs":{"f":{"properties":{"f":{"$ref":"#/$defs/f"},"g":{"$ref":"#"}},"anyOf":[{"$ref":"#/$defs/f"},{"required":["x"]}]}}}`,
		`{"allOf":[{"oneOf":[{"type":"object","properties":{"a":{"const":1}}},{"$ref":"#/allOf/0"}]},{"not":{}}],"if":{},"then":false}`,
		`{"properties":{"a":{"type":"array","prefixItems":[{"type":"integer","exclusiveMinimum":3},false],"items":{"pattern":"("}}}}`,
	} {
		f.Add([]byte(seed), []byte(`{"a":{"f":[1.50]},"f":{"f":{}}}`))
	}
	f.Fuzz(func(t *testing.T, schema, args []byte) {
		got, names := Input(schema)
		checkPortable(t, got)
		if again, _ := Input(schema); !bytes.Equal(got, again) {
			t.Fatalf("not the same twice: %s, %s", got, again)
		}
		if again, _ := Input(got); !bytes.Equal(got, again) {
			t.Fatalf("published again %s\nis %s", got, again)
		}
		if back, err := names.Arguments(args); json.Valid(args) && err == nil && len(back) > 0 && !json.Valid(back) {
			t.Fatalf("arguments(%s) = %s", args, back)
		}
		for name, alias := range names.published {
			if !propertyName.MatchString(alias) || propertyName.MatchString(name) {
				t.Fatalf("%q is published as %q", name, alias)
			}
		}
		if out, nothing, ok := Output(schema); ok {
			compiles(t, out)
			if !json.Valid(nothing) {
				t.Fatalf("nothing is %s", nothing)
			}
		}
	})
}

package schema_test

import (
	"strings"
	"testing"

	"capd/schema"
)

// TestCompile: a value that does not fit is told by its place and by what it must be.
func TestCompile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ schema, value, place, rule string }{
		{`{"type":"object"}`, `{}`, "", ""},
		{`true`, `{}`, "", ""},
		{`false`, `{}`, "", "is not allowed"},
		{`{"type":"object"}`, `[]`, "", "must be of type object"},
		{`{"type":["string","null"]}`, `1`, "", "must be of type string or null"},
		{`{"required":["a","b"]}`, `{"a":1}`, "", `must have "b"`},
		{`{"properties":{"a":{"items":{"properties":{"x y":{"type":"string"}}}}}}`, `{"a":[{},{"x y":1}]}`, "a[1].x y", "must be of type string"},
		{`{"properties":{"a":{"enum":["x",1]}}}`, `{"a":"secret"}`, "a", `must be one of ["x",1]`},
		{`{"properties":{"a":{"const":"x"}}}`, `{"a":"secret"}`, "a", `does not keep to const "x"`},
		{`{"properties":{"a":{"minimum":3}}}`, `{"a":2}`, "a", "does not keep to minimum 3"},
		{`{"properties":{"a":{"maxLength":3}}}`, `{"a":"secret"}`, "a", "does not keep to maxLength 3"},
		{`{"properties":{"b":{},"a":{}},"additionalProperties":false}`, `{"secret":2}`, "", `must have no members but "a" and "b"`},
		{`{"additionalProperties":false}`, `{"secret":2}`, "", "must have no other members"},
		{`{"anyOf":[{"minimum":1},{"minLength":9}]}`, `0`, "", ""},
		{`{"anyOf":[{"type":"string","minLength":9},{"type":"string","pattern":"^x"}]}`, `"a"`, "", "fits none of the forms that it can have"},
		{`{"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, "", `must have "a" or "b"`},
		{`{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1,"b":1}`, "", "fits more than one of the forms of which it can have one"},
		{`{"dependentRequired":{"a":["b","c"]}}`, `{"a":1,"b":1}`, "", `must have "c"`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"]}}`, `{"a":1}`, "", `must have "b"`},
		{`{"not":{"type":"null"}}`, `null`, "", "must not have the form that is excluded"},
		{`{"if":{"properties":{"k":{"const":"p"}},"required":["k"]},"then":{"required":["phone"]},"else":{"required":["mail"]}}`, `{"k":"p"}`, "", `must have "phone"`},
		{`{"$defs":{"a":{"$anchor":"x","type":"integer"}},"properties":{"n":{"$ref":"#x"},"m":{"$ref":"#/$defs/a"}}}`, `{"m":1.5}`, "m", "must be of type integer"},
		{`{"properties":{"a":{"$ref":"#"}},"type":"object"}`, `{"a":{"a":{"a":7}}}`, "a.a.a", "must be of type object"},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/a"}}}`, `{"a":1}`, "a", "must be of type string"},
		{`{"pattern":"(?=a)"}`, `"b"`, "", ""},
		{`{"patternProperties":{"(?=a)":false,"^b":false}}`, `{"a":1}`, "", ""},
		{`{"format":"email"}`, `"nobody"`, "", ""},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","format":"email"}`, `"nobody"`, "", ""},
		{`{"properties":{"format":{"type":"string"}},"const":{"format":"x","pattern":"("}}`, `{"format":"x","pattern":"("}`, "", ""},
		{`{"x-other":1,"type":"string"}`, `"a"`, "", ""},
		{`{"maximum":10}`, `1e999999999`, "", ""},
		{`{"type":"string"}`, `{`, "", "must be JSON"},
		{`{"type":"string"}`, `"a" 1`, "", "must be JSON"},
		{`{"properties":{"":{"type":"string"}}}`, `{"":1}`, "", "must be of type string"},
	} {
		check, err := schema.Compile([]byte(tt.schema))
		if err != nil {
			t.Errorf("%s: %v", tt.schema, err)
			continue
		}
		place, rule := check([]byte(tt.value))
		if place != tt.place || rule != tt.rule {
			t.Errorf("%s, %s: %q %q, want %q %q", tt.schema, tt.value, place, rule, tt.place, tt.rule)
		}
		if strings.Contains(place+rule, "secret") {
			t.Errorf("%s: the value is repeated: %s", tt.schema, rule)
		}
	}
}

// TestCompileRefuses: what is no schema is told so that its author can mend it, and nothing is
// fetched.
func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:                                   "no JSON",
		`[]`:                                  "no JSON Schema",
		`{"type":"strin"}`:                    "/type",
		`{"type":"object","properties":7}`:    "/properties",
		`{"$ref":"https://x.example/a.json"}`: `"https://x.example/a.json", which is not part of it`,
		`{"$ref":"file:///etc/passwd"}`:       "not part of it",
		`{"$ref":"#/$defs/a"}`:                "no JSON Schema",
		`{"$schema":"https://x.example/d"}`:   "not part of it",
		strings.Repeat(`{"not":`, 200) + "{}" + strings.Repeat("}", 200): "deeper than 100",
	} {
		if _, err := schema.Compile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "capd.dev") {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"$ref":"#"}}}`), []byte(`{"a":{"a":1}}`))
	f.Add([]byte(`{"anyOf":[{"pattern":"("},{"multipleOf":1e400}]}`), []byte(`[1e400,"\u0000"]`))
	f.Fuzz(func(t *testing.T, text, value []byte) {
		if check, err := schema.Compile(text); err == nil {
			place, rule := check(value)
			if rule == "" && place != "" {
				t.Errorf("a place %q without a rule", place)
			}
		}
	})
}

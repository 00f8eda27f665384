package mcp

import (
	"encoding/json"
	"errors"
	"testing"

	"capd/engine/plan"
)

func TestPortableSchema(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		schema, want string
		aliases      aliases
	}{
		"nothing to do": {
			schema: `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["z"]}`,
			want:   `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["z"]}`,
		},
		"keys clients refuse": {
			schema:  `{"type":"object","properties":{"$filter":{"type":"string"},"filter[stop]":{"const":1e400},"ok":{}},"required":["ok","$filter"],"x":1}`,
			want:    `{"type":"object","properties":{"filter":{"type":"string"},"filter_stop":{"const":1e400},"ok":{}},"required":["ok","filter"],"x":1}`,
			aliases: aliases{"filter": "$filter", "filter_stop": "filter[stop]"},
		},
		"an alias does not hide a property": {
			schema:  `{"type":"object","properties":{"$top":{},"top":{},"€":{}}}`,
			want:    `{"type":"object","properties":{"top_2":{},"top":{},"input":{}}}`,
			aliases: aliases{"top_2": "$top", "input": "€"},
		},
		"no schema at all": {schema: ``, want: anyObject},
		"not an object":    {schema: `[1]`, want: anyObject},
		"cut off":          {schema: `{"type":"object"`, want: anyObject},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, a := portable([]byte(tt.schema))
			if string(got) != tt.want {
				t.Errorf("schema %s\nwant   %s", got, tt.want)
			}
			if len(a) != len(tt.aliases) {
				t.Errorf("aliases %v, want %v", a, tt.aliases)
			}
			for k, v := range tt.aliases {
				if a[k] != v {
					t.Errorf("alias %q is %q, want %q", k, a[k], v)
				}
			}
		})
	}
}

func TestArgumentsUnderDeclaredNames(t *testing.T) {
	t.Parallel()
	a := aliases{"filter": "$filter"}
	tests := map[string]struct {
		aliases   aliases
		raw, want string
	}{
		"absent":               {nil, ``, ``},
		"null":                 {nil, ` null `, ``},
		"no aliases":           {nil, `{"a": 1.50}`, `{"a": 1.50}`},
		"an alias":             {a, `{"filter":"x","n":12345678901234567890}`, `{"$filter":"x","n":12345678901234567890}`},
		"the exact name":       {a, `{"$filter":"x"}`, `{"$filter":"x"}`},
		"both: the exact wins": {a, `{"$filter":"x","filter":"y"}`, `{"$filter":"x","filter":"y"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.aliases.arguments(json.RawMessage(tt.raw))
			if err != nil || string(got) != tt.want {
				t.Errorf("arguments(%s) = %s, %v; want %s", tt.raw, got, err, tt.want)
			}
		})
	}
	for _, raw := range []string{`[]`, `"x"`, `12`} {
		_, err := a.arguments(json.RawMessage(raw))
		var e *plan.Error
		if !errors.As(err, &e) || e.Code != plan.CodeInvalidInput {
			t.Errorf("arguments(%s): %v, want an invalid input", raw, err)
		}
	}
}

func FuzzPortableSchema(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"$a":{"x":[1,{}]}},"required":["$a"]}`))
	f.Add([]byte(`{"properties":{"":1,"":2}}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		got, byAlias := portable(schema)
		if json.Valid(schema) && !json.Valid(got) {
			t.Fatalf("portable(%s) is not JSON: %s", schema, got)
		}
		for alias := range byAlias {
			if !propertyName.MatchString(alias) {
				t.Fatalf("alias %q is no name clients take", alias)
			}
		}
	})
}

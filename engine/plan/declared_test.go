package plan_test

import (
	"strings"
	"testing"
)

const declared = `ikanos: 1.0.0-beta5
capability:
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    resources:
      rooms:
        path: /rooms
        operations:
          list:
            method: GET
            inputParameters:
              region: { in: environment }
              floor: { in: query }
              name: { in: query }
              site: { in: query, value: 'r-{{region}}' }
              limit: { in: query, type: integer, default: 20, minimum: 1 }
              tag: { in: query }
          add: { method: POST, body: { type: json, data: { user: '{{user}}', floor: '{{floor}}' } } }
  exposes:
  - type: rest
    namespace: rooms-api
    port: 9090
    resources:
      rooms:
        path: /rooms
        operations:
          list:
            method: GET
            call: rooms.list
            inputParameters:
              floor: { in: query, type: integer, description: Floor, default: 2, minimum: 0, maximum: 9 }
              name: { in: cookie, type: string, description: Name, pattern: '^[a-z]+$', minLength: 2, maxLength: 4 }
              tag: { in: query, type: array, description: Tags, minItems: 1, maxItems: 2, enum: [] }
          add:
            method: POST
            call: rooms.add
            inputParameters:
              user: { in: body, type: integer, description: User, value: '$.who.ids[1]' }
              floor: { in: body, type: integer, description: Floor, value: 7 }
  - type: mcp
    namespace: rooms-mcp
    port: 9091
    tools:
      list:
        description: List
        call: rooms.list
        inputParameters:
          floor: { type: integer, description: Floor, default: 2, minimum: 0, enum: [2, 3] }
          name: { type: string, description: Name, required: false, pattern: '^[a-z]+$', format: word }
          tag: { type: array, required: false, description: Tags, items: { type: object, properties: { a: { type: string } } } }
`

// TestDeclaredInputs: what a declaration says of an input's value holds for callers.
func TestDeclaredInputs(t *testing.T) {
	t.Parallel()
	const sent, refused = true, false
	tests := []struct {
		name, route, query, cookie, body string
		sent                             bool
		want                             string // the target and body sent, or part of the error
	}{
		{"defaults", "list", "", "", "", sent, "/rooms?floor=2&site=r-val-region&limit=20"},
		{"a cookie", "list", "floor=3&limit=5", "other=1; name=ann", "", sent, "/rooms?floor=3&name=ann&site=r-val-region&limit=5"},
		{"a name elsewhere", "list", "name=ann", "", "", sent, "/rooms?floor=2&site=r-val-region&limit=20"},
		{"under the minimum", "list", "floor=-1", "", "", refused, `input "floor" is out of the limits that the operation declares for it: minimum 0`},
		{"over the maximum", "list", "floor=9.5", "", "", refused, "maximum 9"},
		{"a huge exponent", "list", "floor=1e99999999", "", "", sent, "/rooms?floor=1e99999999&site=r-val-region&limit=20"},
		{"a limit of the upstream's is not checked here", "list", "limit=0", "", "", sent, "/rooms?floor=2&site=r-val-region&limit=0"},
		{"the pattern", "list", "", "name=Ann", "", refused, `input "name" does not have the form`},
		{"too long", "list", "", "name=annie", "", refused, "maxLength 4"},
		{"too short", "list", "", "name=a", "", refused, "minLength 2"},
		{"two tags", "list", "tag=a&tag=b", "", "", sent, "/rooms?floor=2&site=r-val-region&limit=20&tag=a&tag=b"},
		{"three tags", "list", "tag=a&tag=b&tag=c", "", "", refused, "maxItems 2"},
		{"a path in the body", "add", "", "", `{"who":{"ids":[1,2]},"user":9,"floor":3}`, sent, `/rooms {"user":2,"floor":7}`},
		{"nothing at the path", "add", "", "", `{"user":9}`, sent, `/rooms {"floor":7}`},
		{"no JSON to look into", "add", "", "", `{"who"`, refused, `the request body is not JSON, but input "user" is read from it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, declared)
			if got := d.codes(); got != "" {
				t.Fatalf("%s: %v", got, d.list)
			}
			header := []string{"X-Nothing: 1"}
			if tt.cookie != "" {
				header = append(header, "Cookie: "+tt.cookie)
			}
			_, err := d.rest(tt.route, nil, tt.query, tt.body, header...)
			if !tt.sent {
				if err == nil || !strings.Contains(err.Error(), tt.want) || len(d.sent) > 0 {
					t.Errorf("gives %v and sends %d requests, want %q", err, len(d.sent), tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := d.sent[0].Target
			if d.body != "" {
				got += " " + d.body
			}
			if got != tt.want {
				t.Errorf("sent %s, want %s", got, tt.want)
			}
		})
	}
}

// TestDeclaredInputsOfTools: a tool's schema says what its inputs keep to, and calls do.
func TestDeclaredInputsOfTools(t *testing.T) {
	t.Parallel()
	d := load(t, declared)
	const want = `{"type":"object","properties":{` +
		`"floor":{"type":"integer","description":"Floor","enum":[2,3],"default":2,"minimum":0},` +
		`"name":{"type":"string","description":"Name","pattern":"^[a-z]+$","format":"word"},` +
		`"tag":{"type":"array","description":"Tags","items":{"type":"object","properties":{"a":{"type":"string"}}}}}}`
	for _, e := range d.unit.Exposures {
		for _, x := range e.Tools {
			if got := string(x.InputSchema); got != want {
				t.Errorf("the schema is %s", got)
			}
		}
	}
	if _, err := d.tool("list", `{"floor":4}`); err == nil || !strings.Contains(err.Error(), "must be one of the values") {
		t.Errorf("a value beside the enum gives %v", err)
	}
	if _, err := d.tool("list", `{"name":"ann","tag":[{"a":"x"}]}`); err != nil {
		t.Error(err)
	}
}

// TestUncheckedInputs: what of a declaration cannot be checked is said.
func TestUncheckedInputs(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		`pattern: '^(?=a)'`:                 "warning not-honoured",
		`maxLength: many`:                   "warning wrong-type",
		`pattern: '^[a-z]+$', in: attic`:    "warning parameter",
		`pattern: '^[a-z]+$', value: '$[?'`: "warning output",
	} {
		text := strings.Replace(declared, "{ in: cookie, type: string, description: Name, pattern: '^[a-z]+$', minLength: 2, maxLength: 4 }", "{ type: string, description: Name, "+change+" }", 1)
		if got := load(t, text).codes(); got != want {
			t.Errorf("%s: %s", change, got)
		}
	}
}

// TestFixedAndUnheardOfEnvironment: a parameter in the environment is a variable, and only
// that.
func TestFixedAndUnheardOfEnvironment(t *testing.T) {
	t.Parallel()
	d := load(t, strings.Replace(declared, "region: { in: environment }", "region: { in: environment, value: x }", 1))
	if got := d.codes(); got != "info not-honoured" {
		t.Errorf("%s: %v", got, d.list)
	}
	d = load(t, declared, "region=-")
	if _, err := d.rest("list", nil, "", ""); err == nil || !strings.Contains(err.Error(), "region") {
		t.Errorf("without the variable: %v", err)
	}
}

// TestCredentialIsTheNameOfAVariable: a credential that is a variable's name without braces
// is sent as it is, and reported.
func TestCredentialIsTheNameOfAVariable(t *testing.T) {
	t.Parallel()
	text := strings.Replace(declared, "    resources:\n      rooms:\n        path: /rooms\n        operations:\n          list:\n            method: GET\n            inputParameters:\n              region",
		"    authentication: { type: bearer, token: ROOMS_TOKEN }\n    resources:\n      rooms:\n        path: /rooms\n        operations:\n          list:\n            method: GET\n            inputParameters:\n              region", 1)
	text = strings.Replace(text, "capability:", "binds: [{ namespace: env, keys: { ROOMS_TOKEN: ROOMS_TOKEN } }]\ncapability:", 1)
	d := load(t, text)
	if got := d.codes(); got != "warning auth-literal" || !strings.Contains(d.list[0].Hint, "{{ROOMS_TOKEN}}") {
		t.Errorf("%s: %v", got, d.list)
	}
	if _, err := d.rest("list", nil, "", ""); err != nil || !strings.Contains(d.wire(), "Authorization: Bearer ROOMS_TOKEN") {
		t.Errorf("%v: %s", err, d.wire())
	}
}

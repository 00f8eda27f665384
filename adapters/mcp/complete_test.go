package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// travel has values to choose from, of all kinds.
const travel = `naftiko: 1.0.0-alpha2
info: { label: Travel }
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
    - path: /cities
      operations:
      - { name: search, method: GET, inputParameters: [{ name: q, in: query }, { name: country, in: query }] }
      - { name: all, method: GET }
    - path: /cities/{country}/{city}
      operations:
      - { name: city, method: GET, inputParameters: [{ name: country, in: path, required: true }, { name: city, in: path, required: true }] }
  exposes:
  - type: mcp
    namespace: travel-mcp
    port: 9090
    tools:
    - { name: all, description: All cities, call: api.all }
    prompts:
    - name: plan.trip
      arguments:
      - { name: country, complete: [Germany, Ghana, France, gabon, Germany] }
      - { name: season, enum: [summer, winter] }
      - { name: city, complete: { call: api.search, with: { q: '{{value}}', country: '{{country}}' }, values: '$.items[*].name' } }
      - { name: any, complete: { call: api.all } }
      - { name: free }
      template: [{ role: user, content: 'A trip to {{city}} in {{country}}, {{season}} {{any}} {{free}}' }]
    resources:
    - name: city
      uri: 'city://{country}/{city}'
      call: api.city
      with: { country: '{country}', city: '{city}' }
      complete:
        country: [Germany, Ghana]
        city: { call: api.search, with: { q: '{{value}}', country: '{{country}}' }, values: '$.items[*].name' }
`

// TestCompletion: prompts and templates complete in both eras, alone and in a view of several.
func TestCompletion(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"t/travel": travel, "t/rooms": rooms}, mcp.Options{})
	var calls atomic.Int64
	var asked atomic.Value
	h.upstream.set(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		calls.Add(1)
		asked.Store(r.URL())
		if !strings.Contains(r.URL(), "?") {
			return response(200, "application/json", `["Rome", "Riga", 7, null, {"a": 1}, "Oslo"]`), nil
		}
		return response(200, "application/json", `{"items": [{"name": "Berlin"}, {"name": "Bonn"}, {"name": "Hamburg"}]}`), nil
	})
	prompt := func(name string) *sdk.CompleteReference {
		return &sdk.CompleteReference{Type: "ref/prompt", Name: name}
	}
	template := func(uri string) *sdk.CompleteReference { return &sdk.CompleteReference{Type: "ref/resource", URI: uri} }
	for _, path := range []string{"/mcp/t/travel", "/mcp/t"} {
		name, scheme := "plan.trip", ""
		if path == "/mcp/t" {
			name, scheme = "t--travel__plan.trip", "t--travel+"
		}
		uri := scheme + "city://{country}/{city}"
		for _, era := range []string{newest, older} {
			s := h.connect(path, era, nil)
			if s.InitializeResult().Capabilities.Completions == nil {
				t.Errorf("%s %s: completions are not offered", path, era)
			}
			for _, tt := range []struct {
				ref             *sdk.CompleteReference
				argument, typed string
				others          map[string]string
				want            string
				calls           int64
				asked           string
			}{
				{prompt(name), "country", "", nil, "Germany Ghana France gabon", 0, ""},
				{prompt(name), "country", "g", nil, "Germany Ghana gabon", 0, ""},
				{prompt(name), "country", "GH", nil, "Ghana", 0, ""},
				{prompt(name), "country", "x", nil, "", 0, ""},
				{prompt(name), "season", "w", nil, "winter", 0, ""},
				{prompt(name), "free", "w", nil, "", 0, ""},
				{prompt(name), "city", "b o", map[string]string{"country": "DE", "other": "x"}, "Berlin Bonn Hamburg", 1, "https://api.example.test/cities?q=b+o&country=DE"},
				{prompt(name), "any", "r", nil, "Rome Riga", 1, "https://api.example.test/cities"},
				{prompt(name), "any", "", nil, "Rome Riga 7 Oslo", 1, "https://api.example.test/cities"},
				{template(uri), "country", "gh", nil, "Ghana", 0, ""},
				{template(uri), "city", "b", map[string]string{"country": "DE"}, "Berlin Bonn Hamburg", 1, "https://api.example.test/cities?q=b&country=DE"},
			} {
				before := calls.Load()
				p := &sdk.CompleteParams{Ref: tt.ref, Argument: sdk.CompleteParamsArgument{Name: tt.argument, Value: tt.typed}}
				if tt.others != nil {
					p.Context = &sdk.CompleteContext{Arguments: tt.others}
				}
				res, err := s.Complete(context.Background(), p)
				if err != nil {
					t.Errorf("%s %s %s %q: %v", path, era, tt.argument, tt.typed, err)
					continue
				}
				got := res.Completion
				if strings.Join(got.Values, " ") != tt.want || got.Values == nil || got.HasMore || got.Total != len(got.Values) || calls.Load()-before != tt.calls {
					t.Errorf("%s %s %s %q: %+v with %d calls, want %s", path, era, tt.argument, tt.typed, got, calls.Load()-before, tt.want)
				}
				if tt.asked != "" && asked.Load() != tt.asked {
					t.Errorf("%s: sent %s, want %s", tt.argument, asked.Load(), tt.asked)
				}
			}
			for _, bad := range []*sdk.CompleteParams{
				{Ref: prompt("nobody"), Argument: sdk.CompleteParamsArgument{Name: "country"}},
				{Ref: prompt(name), Argument: sdk.CompleteParamsArgument{Name: "nothing"}},
				{Ref: template("city://{nowhere}"), Argument: sdk.CompleteParamsArgument{Name: "city"}},
				{Ref: template(uri), Argument: sdk.CompleteParamsArgument{Name: "nothing"}},
			} {
				_, err := s.Complete(context.Background(), bad)
				if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e.Code != jsonrpc.CodeInvalidParams {
					t.Errorf("%s %+v: %v", era, bad, err)
				}
			}
		}
	}
}

// TestCompletionLimits: a hundred values are given, with the number of all; a failure upstream
// is an error, and what is no list is, too.
func TestCompletionLimits(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"travel": travel}, mcp.Options{})
	var all []string
	for i := range 250 {
		all = append(all, fmt.Sprintf("city %d", i))
	}
	many, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, era := range []string{newest, older} {
		s := h.connect("/mcp/travel", era, nil)
		ask := func() (*sdk.CompleteResult, error) {
			return s.Complete(context.Background(), &sdk.CompleteParams{
				Ref: &sdk.CompleteReference{Type: "ref/prompt", Name: "plan.trip"}, Argument: sdk.CompleteParamsArgument{Name: "any", Value: "C"},
			})
		}
		h.upstream.answer(200, "application/json", string(many))
		res, err := ask()
		if err != nil || !slices.Equal(res.Completion.Values, all[:100]) || res.Completion.Total != 250 || !res.Completion.HasMore {
			t.Errorf("%s: %+v %v", era, res, err)
		}
		for _, bad := range []struct {
			status int
			body   string
		}{{500, "broken"}, {200, `{"a": 1}`}, {200, `no JSON`}, {404, `[]`}} {
			h.upstream.answer(bad.status, "application/json", bad.body)
			if res, err := ask(); err == nil {
				t.Errorf("%s: %d %s gives %+v", era, bad.status, bad.body, res.Completion)
			}
		}
	}
}

// TestCompletionNotOffered: what has nothing to choose from offers no completions.
func TestCompletionNotOffered(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	for _, era := range []string{newest, older} {
		s := h.connect("/mcp/rooms", era, nil)
		if s.InitializeResult().Capabilities.Completions != nil {
			t.Errorf("%s: completions are offered", era)
		}
		_, err := s.Complete(context.Background(), &sdk.CompleteParams{
			Ref: &sdk.CompleteReference{Type: "ref/prompt", Name: "x"}, Argument: sdk.CompleteParamsArgument{Name: "x"},
		})
		if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e.Code != jsonrpc.CodeMethodNotFound {
			t.Errorf("%s: %v", era, err)
		}
	}
}

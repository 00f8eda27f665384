package mcp_test

//lint:file-ignore SA1019 clients of the older protocol have what 2026-07-28 deprecates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// asking is a document whose tools, prompts and resources ask first.
const asking = `
ikanos: 1.0.0-beta5
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
      room:
        path: /rooms/{id}
        operations:
          get: {method: GET, inputParameters: {why: {in: query}}}
          delete: {method: DELETE, inputParameters: {why: {in: query}}}
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
      delete:
        description: Delete a room.
        call: api.delete
        inputParameters: {id: {type: string}, note: {type: string, required: false}}
        with: {id: tools.id, why: '{{tools.note}}'}
        confirm: 'Delete room {{id}}?'
      colour:
        description: Two rounds and a confirmation.
        call: api.get
        with: {id: '{{ask.details.colour}}', why: '{{ask.reason.why}}'}
        ask:
        - {name: details, message: 'Which colour?', fields: {colour: {enum: [red, blue], titles: [Red, Blue], required: true}}}
        - {name: reason, message: 'Why {{ask.details.colour}}?', fields: {why: {required: true, pattern: '^[a-z]+$'}}}
        confirm: 'Get {{ask.details.colour}}?'
      all:
        description: Everything at once.
        outputParameters: [{name: said, type: string, value: '{{ask.who.name}} {{ask.poem.text}} {{ask.where.roots[0].uri}}'}]
        ask:
        - - {name: who, message: 'Who?', optional: true, fields: {name: {}}}
          - {name: poem, optional: true, sample: {prompt: A line, maxTokens: 5}}
          - {name: where, optional: true, roots: true}
      visit:
        description: Opens a URL.
        call: api.get
        with: {id: visit}
        ask: {login: {message: Sign in, url: 'https://login.example.test/'}}
      perhaps:
        description: Goes on without its two yeses.
        call: api.get
        with: {id: perhaps}
        ask:
        - {name: sure, message: 'Sure?', optional: true}
        - {name: login, message: Sign in, url: 'https://login.example.test/', optional: true}
      needs:
        description: Needs a model.
        call: api.get
        with: {id: needs}
        requires: {clientCapabilities: [sampling]}
      model:
        description: Asks a model.
        call: api.get
        with: {id: model, why: '{{ask.poem.text}}'}
        ask: {poem: {sample: A line}}
    resources:
      room: {uri: 'rooms://{id}', description: A room, call: api.get, confirm: 'Show {{id}}?'}
    prompts:
      greet:
        description: Greet
        ask: {who: {message: 'Who?', fields: {name: {required: true}}}}
        template: [{role: user, content: 'Greet {{ask.who.name}}.'}]
`

// counted serves asking, and gives the requests that reach the upstream.
func counted(t *testing.T, o mcp.Options) (*house, func() []string) {
	t.Helper()
	h := open(t, map[string]string{"ask": asking}, o)
	var mu sync.Mutex
	var sent []string
	h.upstream.set(func(ctx context.Context, r *plan.Request) (*plan.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.Method+" "+r.Target)
		return response(200, "text/plain", "done "+r.Target), nil
	})
	return h, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return sent
	}
}

// person answers what a client is asked.
type person struct {
	mu     sync.Mutex
	asked  []string
	elicit func(*sdk.ElicitParams) (*sdk.ElicitResult, error)
}

func (p *person) options(more ...func(*sdk.ClientOptions)) *sdk.ClientOptions {
	o := &sdk.ClientOptions{
		Capabilities: &sdk.ClientCapabilities{},
		ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.asked = append(p.asked, r.Params.Message)
			return p.elicit(r.Params)
		},
	}
	for _, m := range more {
		m(o)
	}
	return o
}

func (p *person) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.asked, "|")
}

func says(content map[string]any) func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
	return func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "accept", Content: content}, nil
	}
}

func does(action string) func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
	return func(*sdk.ElicitParams) (*sdk.ElicitResult, error) { return &sdk.ElicitResult{Action: action}, nil }
}

// askingEras are the versions whose clients can be asked.
var askingEras = []string{"2025-06-18", "2025-11-25", "2026-07-28"}

// TestAskConfirmation: in both askingEras a yes makes the one call, and anything else none.
func TestAskConfirmation(t *testing.T) {
	t.Parallel()
	for _, era := range askingEras {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h, sent := counted(t, mcp.Options{})
			for _, no := range []string{"decline", "cancel"} {
				p := &person{elicit: does(no)}
				res := call(t, h.connect("/mcp/ask", era, p.options()), "delete", map[string]any{"id": "7"})
				if !res.IsError || !strings.HasPrefix(text(t, res), "The user said no. Do not call this tool again") || res.Meta["capd/code"] != "declined" {
					t.Errorf("%s: %s", no, text(t, res))
				}
				if p.heard() != "Delete room 7?" || len(sent()) != 0 {
					t.Errorf("%s: asked %q, sent %v", no, p.heard(), sent())
				}
			}
			p := &person{elicit: does("accept")}
			res := call(t, h.connect("/mcp/ask", era, p.options()), "delete", map[string]any{"id": "7", "note": "x"})
			if res.IsError || text(t, res) != "done /rooms/7?why=x" {
				t.Errorf("answered %s", text(t, res))
			}
			if got := sent(); len(got) != 1 || got[0] != "DELETE /rooms/7?why=x" {
				t.Errorf("sent %v", got)
			}
		})
	}
}

// TestAskInRounds: rounds are asked one behind the other, with the answers of those before, a
// wrong answer again, and the upstream is called once.
func TestAskInRounds(t *testing.T) {
	t.Parallel()
	for _, era := range askingEras {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h, sent := counted(t, mcp.Options{})
			titles := "oneOf"
			if era < "2025-11-25" {
				titles = "enumNames"
			}
			wrong := true
			p := &person{elicit: func(q *sdk.ElicitParams) (*sdk.ElicitResult, error) {
				schema, err := json.Marshal(q.RequestedSchema)
				switch {
				case err != nil:
					return nil, err
				case strings.HasPrefix(q.Message, "Which colour?"):
					if !strings.Contains(string(schema), titles) {
						t.Errorf("the schema is %s", schema)
					}
					return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"colour": "blue", "more": 1}}, nil
				case strings.HasPrefix(q.Message, "Why") && wrong: // by a rule that no client knows
					wrong = false
					return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"why": "NO"}}, nil
				case strings.HasPrefix(q.Message, "Why"):
					return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"why": "so"}}, nil
				}
				return &sdk.ElicitResult{Action: "accept"}, nil
			}}
			res := call(t, h.connect("/mcp/ask", era, p.options()), "colour", nil)
			if res.IsError || text(t, res) != "done /rooms/blue?why=so" || len(sent()) != 1 {
				t.Errorf("answered %s, sent %v", text(t, res), sent())
			}
			heard := strings.Split(p.heard(), "|")
			if len(heard) != 4 || heard[0] != "Which colour?" || heard[1] != "Why blue?" || heard[2] != "Why blue?\n\nwhy does not have the expected form." || heard[3] != "Get blue?" {
				t.Errorf("asked %q", heard)
			}
		})
	}
}

// TestAskNotForEver: a client that always answers wrongly gets an error.
func TestAskNotForEver(t *testing.T) {
	t.Parallel()
	for _, era := range askingEras {
		h, sent := counted(t, mcp.Options{})
		p := &person{elicit: says(map[string]any{"colour": "red", "why": "NO"})}
		s := h.connect("/mcp/ask", era, p.options())
		res, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "colour"})
		if err != nil {
			t.Fatalf("%s: %v", era, err)
		}
		if !res.IsError || res.Meta["capd/code"] != "invalid-input" || len(sent()) != 0 {
			t.Errorf("%s: %s, sent %v", era, text(t, res), sent())
		}
		if n := len(strings.Split(p.heard(), "|")); n != 6 {
			t.Errorf("%s: asked %d times", era, n)
		}
	}
}

// TestAskEverything: elicitation, sampling and roots of one round, in both askingEras; what a client
// does not declare is not asked.
func TestAskEverything(t *testing.T) {
	t.Parallel()
	sampling := func(o *sdk.ClientOptions) {
		o.CreateMessageHandler = func(_ context.Context, r *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error) {
			if r.Params.MaxTokens != 5 && r.Params.MaxTokens != 1000 {
				return nil, fmt.Errorf("maxTokens %d", r.Params.MaxTokens)
			}
			return &sdk.CreateMessageResult{Role: "assistant", Model: "m", Content: &sdk.TextContent{Text: "a rose"}}, nil
		}
	}
	for _, era := range askingEras {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h, sent := counted(t, mcp.Options{})
			p := &person{elicit: says(map[string]any{"name": "Ann"})}
			roots := func(o *sdk.ClientOptions) { o.Capabilities.RootsV2 = &sdk.RootCapabilities{} }
			c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, p.options(sampling, roots))
			c.AddRoots(&sdk.Root{URI: "file:///a", Name: "a"})
			s, err := c.Connect(context.Background(), &sdk.StreamableClientTransport{Endpoint: h.URL + "/mcp/ask", MaxRetries: -1}, &sdk.ClientSessionOptions{ProtocolVersion: era})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			if got := text(t, call(t, s, "all", nil)); got != `{"said":"Ann a rose file:///a"}` {
				t.Errorf("answered %s", got)
			}
			if got := text(t, call(t, s, "needs", nil)); got != "done /rooms/needs" {
				t.Errorf("answered %s", got)
			}
			if got := text(t, call(t, s, "model", nil)); got != "done /rooms/model?why=a+rose" {
				t.Errorf("answered %s", got)
			}

			only := h.connect("/mcp/ask", era, (&person{elicit: says(map[string]any{"name": "Ann"})}).options())
			if got := text(t, call(t, only, "all", nil)); got != `{"said":"Ann  "}` {
				t.Errorf("without sampling and roots: %s", got)
			}
			bare := h.connect("/mcp/ask", era, &sdk.ClientOptions{Capabilities: &sdk.ClientCapabilities{}})
			if got := text(t, call(t, bare, "all", nil)); got != `{"said":"  "}` {
				t.Errorf("without anything: %s", got)
			}
			before := len(sent())
			for tool, what := range map[string]string{"delete": "elicitation", "needs": "sampling", "model": "sampling", "visit": "elicitation"} {
				res, err := bare.CallTool(context.Background(), &sdk.CallToolParams{Name: tool, Arguments: map[string]any{"id": "7"}})
				if era < "2026-07-28" {
					if err != nil || !res.IsError || res.Meta["capd/code"] != "cannot-ask" || !strings.Contains(text(t, res), what) {
						t.Errorf("%s: %v, %v", tool, res, err)
					}
					continue
				}
				var wire *jsonrpc.Error
				if !errors.As(err, &wire) || wire.Code != sdk.CodeMissingRequiredClientCapabilities || !strings.Contains(string(wire.Data), `"requiredCapabilities":{"`+what+`":`) {
					t.Errorf("%s: %v", tool, err)
				}
			}
			if len(sent()) != before {
				t.Errorf("sent %v", sent()[before:])
			}
		})
	}
}

// TestAskURLMode: a URL is asked of clients that declare it, and only since 2025-11-25.
func TestAskURLMode(t *testing.T) {
	t.Parallel()
	for _, era := range askingEras {
		h, sent := counted(t, mcp.Options{})
		var got sdk.ElicitParams
		p := &person{elicit: func(q *sdk.ElicitParams) (*sdk.ElicitResult, error) {
			got = *q
			return &sdk.ElicitResult{Action: "accept"}, nil
		}}
		s := h.connect("/mcp/ask", era, p.options(func(o *sdk.ClientOptions) {
			o.Capabilities.Elicitation = &sdk.ElicitationCapabilities{Form: &sdk.FormElicitationCapabilities{}, URL: &sdk.URLElicitationCapabilities{}}
		}))
		res, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "visit"})
		if era < "2025-11-25" {
			if err != nil || !res.IsError || len(sent()) != 0 {
				t.Errorf("%s: %v, %v", era, res, err)
			}
			continue
		}
		if err != nil || res.IsError || len(sent()) != 1 || got.Mode != "url" || got.URL != "https://login.example.test/" || got.ElicitationID == "" {
			t.Errorf("%s: %v, %v; asked %+v", era, res, err, got)
		}
	}
}

// TestAskPromptsAndResources: these ask as tools do.
func TestAskPromptsAndResources(t *testing.T) {
	t.Parallel()
	for _, era := range askingEras {
		h, sent := counted(t, mcp.Options{})
		s := h.connect("/mcp/ask", era, (&person{elicit: says(map[string]any{"name": "Ann"})}).options())
		got, err := s.GetPrompt(context.Background(), &sdk.GetPromptParams{Name: "greet"})
		if err != nil || got.Messages[0].Content.(*sdk.TextContent).Text != "Greet Ann." {
			t.Errorf("%s: %v, %v", era, got, err)
		}
		read, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: "rooms://7"})
		if err != nil || read.Contents[0].Text != "done /rooms/7" || len(sent()) != 1 {
			t.Errorf("%s: %v, %v", era, read, err)
		}
		no := h.connect("/mcp/ask", era, (&person{elicit: does("decline")}).options())
		if _, err := no.GetPrompt(context.Background(), &sdk.GetPromptParams{Name: "greet"}); err == nil || !strings.Contains(err.Error(), "The user said no") {
			t.Errorf("%s: %v", era, err)
		}
		if _, err := no.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: "rooms://7"}); err == nil || len(sent()) != 1 {
			t.Errorf("%s: %v, sent %v", era, err, sent())
		}
	}
}

// round posts one call of 2026-07-28 as a client writes it.
func (h *house) round(tool, args, caps, more string, header ...string) answer {
	h.t.Helper()
	head, _ := modern("tools/call", tool, "{}")
	for i := 0; i+1 < len(header); i += 2 {
		head[header[i]] = header[i+1]
	}
	return h.post("/mcp/ask", head, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`","arguments":`+args+more+`,
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":`+caps+`}}}`)
}

// required reads a result that asks.
func required(t *testing.T, a answer) (requests map[string]json.RawMessage, state string) {
	t.Helper()
	if len(a.messages) == 0 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var res struct {
		ResultType    string
		InputRequests map[string]json.RawMessage
		RequestState  string
	}
	if err := json.Unmarshal(a.messages[len(a.messages)-1].Result, &res); err != nil || res.ResultType != "input_required" || res.RequestState == "" {
		t.Fatalf("%v: %s", err, a.body)
	}
	return res.InputRequests, res.RequestState
}

func with(state, responses string) string {
	return `,"inputResponses":` + responses + `,"requestState":` + string(quotedJSON(state))
}

func quotedJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

const elicits = `{"elicitation":{}}`

// TestAskOnTheWire: the exchange of 2026-07-28, and every state that is not the right one.
func TestAskOnTheWire(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	var mu sync.Mutex
	h, sent := counted(t, mcp.Options{StateKey: []byte("shared"), Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	requests, state := required(t, h.round("delete", `{"id":"7","note":"a"}`, elicits, ""))
	if got := string(requests["confirm"]); got != `{"method":"elicitation/create","params":{"mode":"form","message":"Delete room 7?","requestedSchema":{"type":"object","properties":{}}}}` {
		t.Errorf("asked %s", got)
	}
	yes := `{"confirm":{"action":"accept"},"other":{"action":"accept"}}`

	// A yes without a state, to nothing that was asked.
	if again, _ := required(t, h.round("delete", `{"id":"7","note":"a"}`, elicits, `,"inputResponses":`+yes)); again["confirm"] == nil {
		t.Error("a yes without a state counts")
	}
	// A state without an answer asks again.
	if again, _ := required(t, h.round("delete", `{"id":"7","note":"a"}`, elicits, with(state, `{}`))); again["confirm"] == nil {
		t.Error("no answer counts")
	}
	for name, a := range map[string]answer{
		"tampered":          h.round("delete", `{"id":"7","note":"a"}`, elicits, with(state+"-TAMPERED", yes)),
		"nonsense":          h.round("delete", `{"id":"7","note":"a"}`, elicits, with("x", yes)),
		"other arguments":   h.round("delete", `{"id":"8","note":"a"}`, elicits, with(state, yes)),
		"another tool":      h.round("colour", `{"id":"7","note":"a"}`, elicits, with(state, yes)),
		"another principal": h.round("delete", `{"id":"7","note":"a"}`, elicits, with(state, yes), "Authorization", "Bearer x"),
	} {
		if a.status != http.StatusBadRequest || len(a.messages) != 1 || a.messages[0].Error == nil || a.messages[0].Error.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if len(sent()) != 0 {
		t.Fatalf("sent %v", sent())
	}
	// The same arguments in another order are the same call.
	a := h.round("delete", `{"note":"a", "id":"7"}`, elicits, with(state, yes))
	if a.status != 200 || !strings.Contains(a.body, `done /rooms/7?why=a`) || len(sent()) != 1 {
		t.Errorf("%d %s, sent %v", a.status, a.body, sent())
	}
	// A replica with the same key goes on; one with another key does not.
	twin, sentByTwin := counted(t, mcp.Options{StateKey: []byte("shared"), Now: func() time.Time { return now }})
	if a := twin.round("delete", `{"id":"7","note":"a"}`, elicits, with(state, yes)); a.status != 200 || len(sentByTwin()) != 1 {
		t.Errorf("the replica: %d %s", a.status, a.body)
	}
	stranger, _ := counted(t, mcp.Options{Now: func() time.Time { return now }})
	if a := stranger.round("delete", `{"id":"7","note":"a"}`, elicits, with(state, yes)); a.status != http.StatusBadRequest {
		t.Errorf("the stranger: %d %s", a.status, a.body)
	}
	mu.Lock()
	now = now.Add(10 * time.Minute)
	mu.Unlock()
	if a := h.round("delete", `{"id":"7","note":"a"}`, elicits, with(state, yes)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "expired") {
		t.Errorf("expired: %d %s", a.status, a.body)
	}
}

// TestAskAnswersOnTheWire: answers of wrong kinds, of questions that are not open, and of too
// great a size.
func TestAskAnswersOnTheWire(t *testing.T) {
	t.Parallel()
	h, sent := counted(t, mcp.Options{})
	_, state := required(t, h.round("delete", `{"id":"7"}`, elicits, ""))
	for _, responses := range []string{`{"confirm":{"roots":[]}}`, `{"confirm":{"role":"assistant","model":"m","content":{"type":"text","text":"yes"}}}`, `{"confirm":{"action":"perhaps"}}`} {
		if again, _ := required(t, h.round("delete", `{"id":"7"}`, elicits, with(state, responses))); again["confirm"] == nil {
			t.Errorf("%s counts", responses)
		}
	}
	for _, responses := range []string{`{"confirm":12345}`, `{"confirm":{}}`, `[]`} {
		if a := h.round("delete", `{"id":"7"}`, elicits, with(state, responses)); a.messages[0].Error == nil {
			t.Errorf("%s: %s", responses, a.body)
		}
	}
	// Values count without a state; what is asked in a later round does not count before.
	requests, state := required(t, h.round("colour", `{}`, elicits, `,"inputResponses":{"details":{"action":"accept","content":{"colour":"red"}}}`))
	if requests["reason"] == nil || requests["details"] != nil {
		t.Errorf("asked %v", requests)
	}
	requests, state = required(t, h.round("colour", `{}`, elicits, with(state, `{"reason":{"action":"accept","content":{"why":"x"}},"confirm":{"action":"accept"},"details":{"action":"accept","content":{"colour":"blue"}}}`)))
	if !strings.Contains(string(requests["confirm"]), "Get red?") {
		t.Errorf("asked %s", requests["confirm"])
	}
	big := `{"reason":{"action":"accept","content":{"why":"` + strings.Repeat("x", 65<<10) + `"}}}`
	_, first := required(t, h.round("colour", `{}`, elicits, `,"inputResponses":{"details":{"action":"accept","content":{"colour":"red"}}}`))
	if a := h.round("colour", `{}`, elicits, with(first, big)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "limit") {
		t.Errorf("%d %.200s", a.status, a.body)
	}
	if len(sent()) != 0 {
		t.Errorf("sent %v", sent())
	}
	if a := h.round("colour", `{}`, elicits, with(state, `{"confirm":{"action":"accept"}}`)); !strings.Contains(a.body, "done /rooms/red?why=x") || len(sent()) != 1 {
		t.Errorf("%s, sent %v", a.body, sent())
	}
}

// TestAskConsentOfALaterRound: a yes that comes before its question does not wait in the state
// until the question's round.
func TestAskConsentOfALaterRound(t *testing.T) {
	t.Parallel()
	h, sent := counted(t, mcp.Options{})
	yes, details, reason := `"confirm":{"action":"accept"}`, `"details":{"action":"accept","content":{"colour":"red"}}`, `"reason":{"action":"accept","content":{"why":"x"}}`
	_, state := required(t, h.round("colour", `{}`, elicits, `,"inputResponses":{`+yes+`,`+reason+`}`))
	requests, state := required(t, h.round("colour", `{}`, elicits, with(state, `{`+details+`,`+yes+`}`)))
	if !strings.Contains(string(requests["confirm"]), "Get red?") || len(sent()) != 0 {
		t.Fatalf("asked %v, sent %v", requests, sent())
	}
	if a := h.round("colour", `{}`, elicits, with(state, `{`+yes+`}`)); !strings.Contains(a.body, "done /rooms/red?why=x") || len(sent()) != 1 {
		t.Errorf("%s, sent %v", a.body, sent())
	}
}

// TestAskConsentOfBefore: a yes to what a tool asked before a reload is none to what it asks since.
func TestAskConsentOfBefore(t *testing.T) {
	t.Parallel()
	const spec = `
ikanos: 1.0.0-beta5
capability:
  exposes:
  - {type: mcp, namespace: m, port: 9090, tools: {t: {description: d, confirm: 'Look?', outputParameters: [{name: r, type: string, value: done}]}}}
`
	serve := func(spec string) *house {
		return open(t, map[string]string{"ask": spec}, mcp.Options{StateKey: []byte("shared"), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	}
	h := serve(spec)
	_, state := required(t, h.round("t", `{}`, elicits, ""))
	yes := with(state, `{"confirm":{"action":"accept"}}`)
	if a := h.round("t", `{}`, elicits, yes); !strings.Contains(a.body, "done") {
		t.Errorf("%s", a.body)
	}
	if a := serve(strings.Replace(spec, "Look?", "Destroy?", 1)).round("t", `{}`, elicits, yes); a.status != http.StatusBadRequest {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestAskOptionalConsent: a client that cannot ask for an optional yes goes on without it, in
// both eras.
func TestAskOptionalConsent(t *testing.T) {
	t.Parallel()
	for _, era := range askingEras {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h, sent := counted(t, mcp.Options{})
			c := h.connect("/mcp/ask", era, &sdk.ClientOptions{Capabilities: &sdk.ClientCapabilities{}})
			if got := text(t, call(t, c, "perhaps", nil)); got != "done /rooms/perhaps" || len(sent()) != 1 {
				t.Errorf("%s, sent %v", got, sent())
			}
		})
	}
}

// TestAskCapabilityOnTheWire: -32021 with what is missing, and only what is declared is asked.
func TestAskCapabilityOnTheWire(t *testing.T) {
	t.Parallel()
	h, _ := counted(t, mcp.Options{})
	for _, c := range []struct{ tool, caps, want string }{
		{"needs", `{}`, `{"requiredCapabilities":{"sampling":{}}}`},
		{"delete", `{}`, `{"requiredCapabilities":{"elicitation":{}}}`},
		{"delete", `{"elicitation":{"url":{}}}`, `{"requiredCapabilities":{"elicitation":{}}}`},
		{"visit", `{"elicitation":{}}`, `{"requiredCapabilities":{"elicitation":{"url":{}}}}`},
	} {
		a := h.round(c.tool, `{"id":"7"}`, c.caps, "")
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, `"code":-32021`) || !strings.Contains(a.body, c.want) {
			t.Errorf("%s with %s: %d %s", c.tool, c.caps, a.status, a.body)
		}
	}
	requests, _ := required(t, h.round("all", `{}`, `{"sampling":{}}`, ""))
	if len(requests) != 1 || requests["poem"] == nil {
		t.Errorf("asked %v", requests)
	}
	requests, _ = required(t, h.round("all", `{}`, `{"sampling":{},"elicitation":{},"roots":{}}`, ""))
	if len(requests) != 3 || string(requests["where"]) != `{"method":"roots/list","params":{}}` {
		t.Errorf("asked %v", requests)
	}
}

// TestAskedSchemasAreValid: what is published of a form is what the SDK's validator takes.
func TestAskedSchemasAreValid(t *testing.T) {
	t.Parallel()
	h, _ := counted(t, mcp.Options{})
	requests, _ := required(t, h.round("colour", `{}`, elicits, ""))
	var q struct {
		Params struct{ RequestedSchema *jsonschema.Schema }
	}
	if err := json.Unmarshal(requests["details"], &q); err != nil {
		t.Fatal(err)
	}
	s, err := q.Params.RequestedSchema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Validate(map[string]any{"colour": "red"}) != nil || s.Validate(map[string]any{"colour": "green"}) == nil {
		t.Error("the schema does not say what is allowed")
	}
}

// TestAskCancelled: a client that goes away while its user is asked ends the call without one
// upstream.
func TestAskCancelled(t *testing.T) {
	t.Parallel()
	h, sent := counted(t, mcp.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	p := &person{elicit: func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		cancel()
		return nil, io.EOF
	}}
	s := h.connect("/mcp/ask", "2025-11-25", p.options())
	if res, err := s.CallTool(ctx, &sdk.CallToolParams{Name: "delete", Arguments: map[string]any{"id": "7"}}); err == nil && !res.IsError {
		t.Errorf("answered %v", res)
	}
	if len(sent()) != 0 {
		t.Errorf("sent %v", sent())
	}
}

// TestAskWithoutSessions: the older protocol without sessions has no way to ask, and says so.
func TestAskWithoutSessions(t *testing.T) {
	t.Parallel()
	h, sent := counted(t, mcp.Options{WithoutSessions: true})
	for _, era := range askingEras {
		p := &person{elicit: does("accept")}
		before := len(sent())
		res := call(t, h.connect("/mcp/ask", era, p.options()), "delete", map[string]any{"id": "7"})
		switch {
		case era < "2026-07-28" && (!res.IsError || res.Meta["capd/code"] != "cannot-ask" || len(sent()) != before):
			t.Errorf("%s: %s, sent %v", era, text(t, res), sent())
		case era >= "2026-07-28" && (res.IsError || len(sent()) != before+1):
			t.Errorf("%s: %s, sent %v", era, text(t, res), sent())
		}
	}
}

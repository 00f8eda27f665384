package mcp

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// callers are who makes the HTTP requests under way at an endpoint. What a session of the older
// protocol does runs under the context of the session, so that the caller cannot travel in a
// context: the ID of the request travels in a header, and finds the caller here.
type callers struct {
	mu   sync.Mutex
	byID map[string]*visit
}

// visit is an HTTP request under way.
type visit struct {
	who           *plan.Caller
	authorization string   // what it says itself, where no gate has taken it off
	ends          []func() // called when it is over
}

// enter notes who makes a request, until leave is called.
func (c *callers) enter(r *http.Request) (leave func()) {
	who := plan.CallerOf(r.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[string]*visit{}
	}
	v := &visit{who: who, authorization: r.Header.Get("Authorization")}
	c.byID[who.RequestID] = v
	return func() {
		c.mu.Lock()
		delete(c.byID, who.RequestID)
		c.mu.Unlock()
		for _, end := range v.ends { // nobody finds it any more
			end()
		}
	}
}

// find gives who makes the request of that ID, and what it says itself of that. who is nil when it
// is over.
func (c *callers) find(id string) (who *plan.Caller, authorization string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.byID[id]; v != nil {
		return v.who, v.authorization
	}
	return nil, ""
}

// until calls end when the HTTP request of that ID is over and its answer written, which is now
// when there is none any more.
func (c *callers) until(id string, end func()) {
	c.mu.Lock()
	v := c.byID[id]
	if v != nil {
		v.ends = append(v.ends, end)
	}
	c.mu.Unlock()
	if v == nil {
		end()
	}
}

// identify gives ctx with who makes a request, for [plan.CallerOf]. A request that came over
// no HTTP is of whoever started capd. A request whose HTTP request has ended is nobody's any
// more: where a gate wanted to know who it is, it is not served.
func (e *endpoint) identify(ctx context.Context, method string, req sdk.Request) (context.Context, error) {
	id := requestID(req)
	if x := req.GetExtra(); e.local || x == nil || x.Header == nil {
		return plan.WithCaller(ctx, &plan.Caller{Local: true, RequestID: id}), nil
	}
	who, _ := e.callers.find(id)
	if who == nil {
		who = &plan.Caller{RequestID: id}
	}
	if who.Scheme == "" && e.now().isGuarded() && !strings.HasPrefix(method, "notifications/") {
		return nil, &jsonrpc.Error{Code: codeUnauthorized, Message: "this request has no caller any more"}
	}
	if plan.RequestID(ctx) != id { // the context of a session knows nothing of the request
		ctx = plan.WithArrival(ctx, id, who.Address)
	}
	return plan.WithCaller(ctx, who), nil
}

// codeUnauthorized is the error of a request that nobody vouches for. It lies outside of what
// JSON-RPC and MCP keep for themselves.
const codeUnauthorized = 401

// isGuarded reports whether a gate stands before the view: all members have the same one.
func (s state) isGuarded() bool { return s.view.Members[0].Exposure.Guard != nil }

// isScoped reports whether something in the view needs scopes of its own.
func isScoped(v *plan.View) bool {
	return slices.ContainsFunc(v.Members, func(m plan.Member) bool { return m.Exposure.HasScopes() })
}

// permitted says whether a caller may use what needs those scopes of its own; nil: everything.
type permitted func(own []string) bool

func (p permitted) has(own []string) bool { return p == nil || len(own) == 0 || p(own) }

// permitted says what the caller of a request may see and use.
func (s state) permitted(ctx context.Context) permitted {
	if !s.scoped {
		return nil
	}
	who := plan.CallerOf(ctx)
	return func(own []string) bool { return !who.Lacks(own) }
}

// visible says which tools the caller of a request may see and call.
func (s state) visible(ctx context.Context) visible {
	p := s.permitted(ctx)
	if p == nil {
		return nil
	}
	return func(e *entry) bool { return e.tool == nil || p.has(e.tool.Scopes) }
}

// filtered gives the elements of all that the caller may see.
func filtered[T any](all []T, seen permitted, scopes func(T) []string) []T {
	if seen == nil {
		return all
	}
	var out []T
	for _, x := range all {
		if seen.has(scopes(x)) {
			out = append(out, x)
		}
	}
	return out
}

// permit gives the error of a call whose caller lacks one of the scopes that it needs. An HTTP
// request is refused before, as [guarded.lacking] does: this holds for every other way to it.
func permit(ctx context.Context, x *plan.Exposure, own []string) error {
	if !plan.CallerOf(ctx).Lacks(own) {
		return nil
	}
	return plan.Errorf(plan.CodeForbidden, "it needs the scopes %s", strings.Join(x.NeededScopes(own), " "))
}

// rpc is what a request of MCP says of what it is for.
type rpc struct {
	Method string `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		URI       string          `json:"uri"`
		Arguments json.RawMessage `json:"arguments"`

		Ref struct { // of a completion
			Type string `json:"type"`
			Name string `json:"name"`
			URI  string `json:"uri"`
		} `json:"ref"`
		Argument struct {
			Name string `json:"name"`
		} `json:"argument"`
	} `json:"params"`
}

// lacking gives all the scopes that a request needs when its caller lacks one of them, else
// none. A modern request says in its header what it is for, and the SDK compares that with the
// body; of an older one the body is read, and put back.
func (e *endpoint) lacking(r *http.Request) []string {
	st := e.now()
	if !st.scoped || r.Method != http.MethodPost {
		return nil
	}
	who := plan.CallerOf(r.Context())
	var need []string
	for _, m := range e.messages(r) {
		if x, own := st.catalogue().scopes(&m); who.Lacks(own) {
			for _, s := range x.NeededScopes(own) {
				if !slices.Contains(need, s) {
					need = append(need, s)
				}
			}
		}
	}
	return need
}

// messages gives what a request is for.
func (e *endpoint) messages(r *http.Request) []rpc {
	var one rpc
	if r.Header.Get(headerVersion) >= firstModern {
		name := nameOf(r.Header)
		f := e.now().catalogue().finder
		if f != nil && name == f.call || r.Header.Get(headerMethod) == methodComplete { // the body says for what
			_ = json.Unmarshal(peek(r, e.opts.MaxBody), &one)
		}
		one.Method, one.Params.Name, one.Params.URI = r.Header.Get(headerMethod), name, name
		return []rpc{one}
	}
	raw := peek(r, e.opts.MaxBody)
	if json.Unmarshal(raw, &one) == nil {
		return []rpc{one}
	}
	var batch []rpc // revision 2025-03-26 has batches
	_ = json.Unmarshal(raw, &batch)
	return batch
}

// scopes gives the scopes that a request needs of its own, and the exposure it is for.
func (c *catalogue) scopes(m *rpc) (*plan.Exposure, []string) {
	switch m.Method {
	case methodCallTool:
		e := c.tools[m.Params.Name]
		if f := c.finder; f != nil && e != nil && e.name == f.call {
			e, _, _ = f.target(m.Params.Arguments, nil)
		}
		if e != nil && e.tool != nil {
			return e.exposure, e.tool.Scopes
		}
	case "resources/read", "resources/subscribe":
		if v, _ := c.library.find(m.Params.URI); v != nil {
			return v.exposure, v.Scopes
		}
	case "prompts/get":
		if p := c.prompts.byName[m.Params.Name]; p != nil {
			return p.exposure, p.prompt.Scopes
		}
	case methodComplete:
		ref := &sdk.CompleteReference{Type: m.Params.Ref.Type, Name: m.Params.Ref.Name, URI: m.Params.Ref.URI}
		if what, err := c.completed(ref, m.Params.Argument.Name); err == nil {
			return what.exposure, what.scopes
		}
	}
	return nil, nil
}

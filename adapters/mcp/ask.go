package mcp

//lint:file-ignore SA1019 clients of the older protocol have what 2026-07-28 deprecates

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Revisions of the protocol that changed what can be asked.
const (
	firstTitles = "2025-11-25" // titles of values as oneOf; URLs
)

// asker asks the client of one request what an operation wants to know first: with the answer
// to the request, which the client then sends again, or in the older protocol with requests of
// the server's own.
type asker struct {
	endpoint  *endpoint
	modern    bool
	version   string
	can       *sdk.ClientCapabilities
	session   *sdk.ServerSession
	call      []byte // digest of what is called, with what, and by whom
	responses sdk.InputResponseMap
	state     string // as the client sent it

	answers plan.Answers
	id      []byte    // of the call, and of all its states
	begun   time.Time // when the first of them was made

	// What the request is answered with, when questions are open.
	requests sdk.InputRequestMap
	next     string // the next state
}

// askerOf makes the asker of a request. what names what is called, and with what.
func askerOf[P sdk.Params](e *endpoint, req *sdk.ServerRequest[P], modern bool, responses sdk.InputResponseMap, state string, what ...string) *asker {
	c, who := e.callers.find(requestID(req))
	if c != nil {
		who += fmt.Sprintf(" %x", c.ID())
	}
	can := req.ClientCapabilities()
	if !modern && e.opts.WithoutSessions {
		can = nil // there is nothing to ask over
	}
	return &asker{
		endpoint: e, modern: modern, version: req.ProtocolVersion(), can: can, session: req.Session,
		call: digest(append([]string{who}, what...)...), responses: responses, state: state,
	}
}

// subject says what an answer is given to: what is called, of which adapter, with what, and what
// is asked then. A yes to one question is none to another, which a reload can put in its place.
func subject(kind string, x *plan.Exposure, questions []plan.Question, what ...string) []string {
	out := []string{kind, x.Unit.ID, x.Namespace, strconv.Itoa(x.Index), strconv.Itoa(len(questions))}
	for i := range questions {
		q := &questions[i]
		out = append(out, q.Name, q.Message, q.URL, q.System, string(q.Schema))
	}
	return append(out, what...)
}

// until tries until nothing is left to be asked, or until the request has to be answered with
// questions: then requests is set. The error is an *[plan.Error] or one of the protocol.
func (a *asker) until(ctx context.Context, requires []plan.Capability, try func(*plan.Answers) (*plan.Ask, error)) error {
	if missing := a.missing(requires); missing != nil {
		return a.lacks(missing)
	}
	a.answers = plan.Answers{Given: map[string]plan.Reply{}}
	if a.modern {
		if err := a.resume(); err != nil {
			return err
		}
	}
	for {
		ask, err := try(&a.answers)
		if err != nil || ask == nil {
			return err
		}
		open, err := a.askable(ask)
		switch {
		case err != nil:
			return err
		case len(open) == 0: // all that is left is optional, and this client cannot ask it
		case a.modern:
			return a.suspend(open)
		default:
			if err := a.askNow(ctx, open); err != nil {
				return err
			}
		}
	}
}

// open reports whether the request is to be answered with questions.
func (a *asker) open() bool { return a != nil && a.requests != nil }

// askable leaves out the questions that the client cannot ask. One that must be asked is an
// error then.
func (a *asker) askable(ask *plan.Ask) ([]plan.Question, error) {
	var open []plan.Question
	var missing []plan.Capability
	for _, q := range ask.Questions {
		needs := a.missing([]plan.Capability{needsOf(q.Kind)})
		switch {
		case needs == nil:
			open = append(open, q)
		case q.Optional:
			a.answers.Given[q.Name] = plan.Reply{Kind: q.Kind, Action: plan.Unable}
		default:
			missing = append(missing, needs...)
		}
	}
	if missing != nil {
		return nil, a.lacks(missing)
	}
	return open, nil
}

// needsOf gives the ability that a client needs for a question.
func needsOf(k plan.QuestionKind) plan.Capability {
	switch k {
	case plan.AskURL:
		return "elicitation.url"
	case plan.AskModel:
		return "sampling"
	case plan.AskRoots:
		return "roots"
	}
	return "elicitation.form"
}

// missing gives those of the abilities that the client did not declare; nil for none.
func (a *asker) missing(of []plan.Capability) (out []plan.Capability) {
	for _, c := range of {
		if !a.declares(c) && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

func (a *asker) declares(c plan.Capability) bool {
	if a.can == nil {
		return false
	}
	form := a.can.Elicitation
	switch c {
	case "elicitation":
		return form != nil
	case "elicitation.form": // that alone is what an empty declaration means
		return form != nil && (form.Form != nil || form.URL == nil)
	case "elicitation.url":
		return form != nil && form.URL != nil && a.version >= firstTitles
	case "sampling":
		return a.can.Sampling != nil
	case "roots":
		return a.can.RootsV2 != nil
	}
	return false
}

// lacks is the error of a client that does not have what it needs (specification 2026-07-28,
// basic: -32021).
func (a *asker) lacks(missing []plan.Capability) error {
	names := make([]string, len(missing))
	required := map[string]map[string]struct{}{}
	for i, c := range missing {
		names[i] = string(c)
		whole, part, _ := strings.Cut(string(c), ".")
		if required[whole] == nil {
			required[whole] = map[string]struct{}{}
		}
		if part != "" && part != "form" { // a form needs no more than the whole
			required[whole][part] = struct{}{}
		}
	}
	text := "this needs a client that declares the capability " + strings.Join(names, ", ")
	if !a.modern {
		return plan.Errorf(plan.CodeCannotAsk, "%s", text)
	}
	data, err := json.Marshal(requiredData(required))
	if err != nil {
		return internalError()
	}
	return &jsonrpc.Error{Code: sdk.CodeMissingRequiredClientCapabilities, Message: text, Data: data}
}

// requiredData is the data of such an error: {"requiredCapabilities":{"elicitation":{"url":{}}}}.
func requiredData(of map[string]map[string]struct{}) any {
	type object = map[string]struct{}
	return struct {
		Required map[string]object `json:"requiredCapabilities"`
	}{of}
}

// resume takes up what was answered before, and the answers that came with the request. A
// state that is not one of ours for this call ends it.
func (a *asker) resume() error {
	var open []string
	if a.state != "" {
		s, err := openState(a.endpoint.opts.StateKey, a.state, a.call, a.endpoint.opts.Now())
		if err != nil {
			return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "requestState is not valid: " + err.Error()}
		}
		a.answers.Asked, open = s.Asked, s.Names
		a.id, a.begun, a.answers.Use = s.ID, time.Unix(s.Begun, 0), a.use
		for name, r := range s.Given {
			a.answers.Given[name] = plan.Reply{Kind: r.Kind, Action: r.Action, Value: r.Value, Asked: r.Asked}
		}
	}
	for name, response := range a.responses {
		if a.state != "" && !slices.Contains(open, name) {
			continue // nobody asked
		}
		if reply, ok := replyOf(response); ok {
			reply.Asked = a.state != ""
			a.answers.Given[name] = reply
		}
	}
	return a.bounded()
}

// use takes the answers for the one call that they were given for. A state can be sent again, to
// another replica too, and a yes is a yes to one call.
func (a *asker) use(ctx context.Context) error {
	once := a.endpoint.opts.Once
	if once == nil {
		return nil
	}
	left := a.begun.Add(askingLife + clockSkew).Sub(a.endpoint.opts.Now())
	first, err := once.Claim(ctx, "mcp state "+base64.RawURLEncoding.EncodeToString(a.id), left)
	switch {
	case err != nil:
		return &plan.Error{Code: plan.CodeOverloaded, Message: "it cannot be told now whether the answers were used already; try again", Cause: err}
	case !first:
		used := &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "requestState is not valid: the call was made with it already; to make it once more, call again without it"}
		return &plan.Error{Code: plan.CodeInvalidInput, Message: used.Message, Cause: used}
	}
	return nil
}

// bounded refuses more than is kept of the answers to one call.
func (a *asker) bounded() error {
	size := 0
	for name, r := range a.answers.Given {
		size += len(name) + len(r.Value)
	}
	if size <= maxReplies {
		return nil
	}
	if a.modern {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("the answers are over the limit of %d bytes", maxReplies)}
	}
	return plan.Errorf(plan.CodeBodyTooLarge, "the answers are over the limit of %d bytes", maxReplies)
}

// suspend answers the request with questions.
func (a *asker) suspend(open []plan.Question) error {
	now := a.endpoint.opts.Now()
	if a.id == nil {
		a.id, a.begun = make([]byte, 16), now
		_, _ = rand.Read(a.id) // it never fails
	}
	until := now.Add(stateLife)
	if last := a.begun.Add(askingLife); until.After(last) {
		until = last
	}
	s := askState{
		ID: a.id, Begun: a.begun.Unix(), Until: until.Unix(), Call: a.call, Asked: a.answers.Asked + 1, Given: map[string]stateReply{},
	}
	a.requests = sdk.InputRequestMap{}
	for _, q := range open {
		s.Names = append(s.Names, q.Name)
		a.requests[q.Name] = a.request(&q)
	}
	for name, r := range a.answers.Given {
		if _, again := a.requests[name]; !again {
			s.Given[name] = stateReply{r.Kind, r.Action, r.Value, r.Asked}
		}
	}
	var err error
	if a.next, err = s.seal(a.endpoint.opts.StateKey); err != nil {
		return internalError()
	}
	return nil
}

// request gives a question as the protocol asks it.
func (a *asker) request(q *plan.Question) sdk.InputRequest {
	switch q.Kind {
	case plan.AskURL:
		return &sdk.ElicitParams{Mode: "url", Message: q.Message, URL: q.URL, ElicitationID: rand.Text()}
	case plan.AskModel:
		return &sdk.CreateMessageParams{
			Messages:  []*sdk.SamplingMessage{{Role: "user", Content: &sdk.TextContent{Text: q.Message}}},
			MaxTokens: int64(q.MaxTokens), SystemPrompt: q.System,
		}
	case plan.AskRoots:
		return &sdk.ListRootsParams{}
	}
	schema := q.Schema
	if a.version < firstTitles {
		schema = q.OlderSchema
	}
	return &sdk.ElicitParams{Mode: "form", Message: q.Message, RequestedSchema: json.RawMessage(schema)}
}

// askNow asks the client of a session and waits for the answers.
func (a *asker) askNow(ctx context.Context, open []plan.Question) error {
	ctx, cancel := context.WithTimeout(ctx, stateLife)
	defer cancel()
	for i := range open {
		q := &open[i]
		reply, err := a.askOne(ctx, q)
		if err != nil {
			return err
		}
		reply.Asked = true
		a.answers.Given[q.Name] = reply
	}
	a.answers.Asked++
	return a.bounded()
}

func (a *asker) askOne(ctx context.Context, q *plan.Question) (plan.Reply, error) {
	var response sdk.InputResponse
	var err error
	switch r := a.request(q).(type) {
	case *sdk.ElicitParams:
		response, err = a.session.Elicit(ctx, r)
	case *sdk.CreateMessageParams:
		response, err = a.session.CreateMessage(ctx, r)
	case *sdk.ListRootsParams:
		response, err = a.session.ListRoots(ctx, r)
	}
	if err == nil {
		if reply, ok := replyOf(response); ok {
			return reply, nil
		}
		return plan.Reply{Kind: q.Kind, Action: plan.Cancelled}, nil
	}
	var refused *jsonrpc.Error
	switch {
	case ctx.Err() != nil:
		return plan.Reply{}, plan.AsError(ctx.Err())
	case errors.As(err, &refused): // the client did not ask
		return plan.Reply{Kind: q.Kind, Action: plan.Unable}, nil
	}
	// The SDK found that the answer does not fit the form.
	return plan.Reply{Kind: q.Kind, Action: plan.Accepted, Value: []byte("null")}, nil
}

// replyOf gives what a client sent back as the plan knows it; not ok when it says nothing.
func replyOf(r sdk.InputResponse) (plan.Reply, bool) {
	switch r := r.(type) {
	case *sdk.ElicitResult:
		return replyWith(plan.AskForm, plan.Action(r.Action), r.Content)
	case *sdk.CreateMessageResult:
		return modelReply([]sdk.Content{r.Content}, r.Model, string(r.Role), r.StopReason)
	case *sdk.CreateMessageWithToolsResult:
		return modelReply(r.Content, r.Model, string(r.Role), r.StopReason)
	case *sdk.ListRootsResult:
		type root struct {
			URI  string `json:"uri"`
			Name string `json:"name,omitempty"`
		}
		roots := make([]root, 0, len(r.Roots))
		for _, x := range r.Roots {
			if x != nil {
				roots = append(roots, root{x.URI, x.Name})
			}
		}
		return replyWith(plan.AskRoots, plan.Accepted, map[string][]root{"roots": roots})
	}
	return plan.Reply{}, false
}

// modelReply is what a client's model said: the texts of it.
func modelReply(content []sdk.Content, model, role, stop string) (plan.Reply, bool) {
	var said strings.Builder
	for _, c := range content {
		if t, ok := c.(*sdk.TextContent); ok {
			said.WriteString(t.Text)
		}
	}
	out := map[string]string{"text": said.String(), "model": model, "role": role, "stopReason": stop}
	maps.DeleteFunc(out, func(name, value string) bool { return value == "" && name != "text" })
	return replyWith(plan.AskModel, plan.Accepted, out)
}

func replyWith(kind plan.QuestionKind, action plan.Action, value any) (plan.Reply, bool) {
	switch action {
	case plan.Accepted:
	case plan.Declined, plan.Cancelled:
		return plan.Reply{Kind: kind, Action: action}, true
	default:
		return plan.Reply{}, false
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return plan.Reply{}, false
	}
	if string(raw) == "null" {
		raw = []byte("{}")
	}
	return plan.Reply{Kind: kind, Action: action, Value: raw}, true
}

// wireError gives an error that is one of the protocol already.
func wireError(err error) (*jsonrpc.Error, bool) {
	var e *jsonrpc.Error
	ok := errors.As(err, &e)
	return e, ok
}

package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"capd/engine/expr"
)

// QuestionKind is what a question asks for.
type QuestionKind uint8

// The kinds of question.
const (
	// AskForm: values of the user, by a flat JSON Schema; without fields, just a yes.
	AskForm QuestionKind = iota + 1
	// AskURL: that the user opens a URL.
	AskURL
	// AskModel: a text of the client's language model.
	AskModel
	// AskRoots: the folders that the client works in.
	AskRoots
)

// Ask is what must be answered before an operation runs. Its questions are asked together.
type Ask struct{ Questions []Question }

// Question is one question as this call asks it.
type Question struct {
	Name    string
	Kind    QuestionKind
	Message string // of AskModel: the prompt
	// Schema is of AskForm: a JSON Schema of an object with primitive members. OlderSchema is the same
	// for clients of before 2025-11-25, which know titles of values in one way only.
	Schema, OlderSchema []byte
	URL                 string // of AskURL
	System              string // of AskModel
	MaxTokens           int    // of AskModel
	// Optional: the operation runs without an answer too.
	Optional bool
	// Consent: the answer is the user's consent to this very call, and so says nothing about
	// another one.
	Consent bool
}

// Action is what became of a question.
type Action string

// The actions, named as the protocol of elicitation names the first three.
const (
	Accepted  Action = "accept"
	Declined  Action = "decline"
	Cancelled Action = "cancel"
	// Unable: the client cannot ask such a thing.
	Unable Action = "unable"
)

// Reply is what came of one question. Value is a JSON object: of a form its members, of
// AskModel {"text", "model", "role", "stopReason"}, of AskRoots {"roots": […]}.
type Reply struct {
	// Kind is what the answer answers; 0 for what was asked. [AskForm] and [AskURL] have one kind
	// of answer.
	Kind   QuestionKind
	Action Action
	Value  []byte
	// Asked: the question was put for this very call. Otherwise the answer is a value like an
	// argument, and no consent: nobody can have been shown what it is given to.
	Asked bool
}

// Answers are what came of the questions of a call so far, by their names.
type Answers struct {
	Given map[string]Reply
	// Asked counts how often the questions of the call were asked.
	Asked int
	// Use is called once, when nothing is left to be asked and right before the first step. Its
	// error ends the call: answers may be good for one only. Nil: they are good for any number.
	Use func(context.Context) error
}

// Capability is an ability of a client, named as the protocol names it. A dot stands before a
// part of one: elicitation.url.
type Capability string

// asking is what an operation asks before it runs. It is immutable.
type asking struct {
	rounds   [][]*question
	count    int // of questions
	requires []Capability
}

// question is one compiled question.
type question struct {
	index    int // in scope.replies
	name     string
	kind     QuestionKind
	message  expression
	fields   []askField
	schema   []byte
	older    []byte
	url      []expression // literal text, and values that are escaped
	system   *expression
	tokens   int
	optional bool
	consent  bool
}

// moreTries is how often a call may ask beyond its rounds, since answers were wrong or missing.
const moreTries = 3

// ask looks through the rounds for what is not answered yet, and fills the answers into s. It
// is nil when all that is needed is there.
func (a *asking) ask(s *scope, answers *Answers) (*Ask, error) {
	if answers == nil {
		answers = &Answers{}
	}
	s.replies = make([][]byte, a.count)
	for _, round := range a.rounds {
		open := &Ask{}
		for _, q := range round {
			problem, err := q.settle(s, answers)
			switch {
			case err != nil:
				return nil, err
			case problem == "":
				continue
			case answers.Asked >= len(a.rounds)+moreTries:
				return nil, Errorf(CodeInvalidInput, "question %q was asked several times: %s", q.name, problem)
			}
			open.Questions = append(open.Questions, q.render(s, answers, problem))
		}
		if len(open.Questions) > 0 {
			return open, s.failure()
		}
	}
	return nil, s.failure()
}

// settle takes the answer to a question. problem says why the question must be asked, again or
// at all.
func (q *question) settle(s *scope, answers *Answers) (problem string, err error) {
	got, ok := answers.Given[q.name]
	if !ok || !q.takes(got.Kind) || q.consent && !got.Asked && got.Action != Unable {
		return "it has no answer", nil
	}
	switch {
	case got.Action == Accepted:
		s.replies[q.index], problem = q.check(got.Value)
		return problem, nil
	case q.optional:
		return "", nil
	case got.Action == Unable:
		return "", Errorf(CodeCannotAsk, "question %q has to be answered first, and this client cannot ask it", q.name)
	}
	return "", Errorf(CodeDeclined, "question %q was not answered with yes, so nothing was done", q.name)
}

// takes reports whether an answer of that kind can be one to the question.
func (q *question) takes(k QuestionKind) bool {
	return k == 0 || k == q.kind || k == AskForm && q.kind == AskURL
}

// check gives the answer as expressions see it.
func (q *question) check(raw []byte) (value []byte, problem string) {
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	if expr.Kind(raw) != '{' {
		return nil, "the answer does not have the expected form"
	}
	if q.kind != AskForm {
		return raw, ""
	}
	var names []string
	var values []expression
	for i := range q.fields {
		f := &q.fields[i]
		v, problem := f.take(raw)
		if problem != "" {
			return nil, f.shown() + " " + problem
		}
		if !isMissing(v) {
			names, values = append(names, f.name), append(values, literalExpr(v))
		}
	}
	return appendJSON(nil, object(names, values, &scope{})), ""
}

// render gives the question for one call. One that is asked again says why.
func (q *question) render(s *scope, answers *Answers, problem string) Question {
	out := Question{
		Name: q.name, Kind: q.kind, Message: textOf(q.message.eval(s)), Schema: q.schema, OlderSchema: q.older,
		MaxTokens: q.tokens, Optional: q.optional, Consent: q.consent,
	}
	if _, again := answers.Given[q.name]; again && q.kind == AskForm {
		out.Message = strings.TrimSpace(out.Message + "\n\n" + problem + ".")
	}
	if q.system != nil {
		out.System = textOf(q.system.eval(s))
	}
	for i := range q.url {
		part := textOf(q.url[i].eval(s))
		if q.url[i].kind != exprLiteral {
			part = string(appendPercent(nil, part, "%20"))
		}
		out.URL += part
	}
	return out
}

// failure gives the reason why the call cannot be made, as an error that may be nil.
func (s *scope) failure() error {
	if s.err != nil {
		return s.err
	}
	return nil
}

// Asks reports whether the operation asks something before it runs, or wants something of
// clients.
func (op *Operation) Asks() bool { return op.asking != nil }

// Requires gives the abilities that a client must have for the operation, whatever it asks.
func (op *Operation) Requires() []Capability { return op.asking.Requires() }

// Requires is [Operation.Requires] for what may be nil.
func (a *asking) Requires() []Capability {
	if a == nil {
		return nil
	}
	return a.requires
}

// Questions gives the questions of an operation, for those who describe it: their messages have
// the names of inputs instead of values.
func (op *Operation) Questions() []Question { return op.asking.describe(op.inputs) }

func (a *asking) describe(inputs []input) []Question {
	if a == nil {
		return nil
	}
	s := &scope{args: make([]any, len(inputs)), replies: make([][]byte, a.count), placeholders: true}
	for i := range inputs {
		s.args[i] = fmt.Sprintf("{%s}", inputs[i].name)
	}
	var out []Question
	for _, q := range slices.Concat(a.rounds...) {
		out = append(out, q.render(s, &Answers{}, ""))
	}
	return out
}

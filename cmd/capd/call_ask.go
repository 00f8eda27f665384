package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/plan"
)

// readAnswers reads what --answer says to the questions of an operation.
func readAnswers(op *plan.Operation, given []string) (*plan.Answers, error) {
	out := &plan.Answers{Given: map[string]plan.Reply{}, Asked: 1}
	var names []string
	for _, q := range op.Questions() {
		names = append(names, q.Name)
	}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, failure("--answer wants NAME=JSON, NAME=yes or NAME=no")
		}
		if !slices.Contains(names, name) {
			return nil, noQuestion(name, names)
		}
		reply := plan.Reply{Action: plan.Accepted, Value: []byte("{}"), Asked: true}
		var members map[string]json.RawMessage
		switch {
		case value == "yes":
		case value == "no":
			reply.Action = plan.Declined
		case json.Unmarshal([]byte(value), &members) != nil || members == nil:
			return nil, failure("--answer %s is no JSON object, and neither yes nor no", name)
		default:
			reply.Value = []byte(value)
		}
		out.Given[name] = reply
	}
	return out, nil
}

func noQuestion(name string, names []string) error {
	switch near, ok := diag.Nearest(name, names); {
	case len(names) == 0:
		return failure("--answer %s: the operation asks nothing", name)
	case ok:
		return failure("--answer %s: there is no such question; did you mean %s?", name, near)
	}
	return failure("--answer %s: there is no such question; there are %s", name, strings.Join(names, ", "))
}

// unanswered says what is asked before the call can be made, and how to answer.
func unanswered(ask *plan.Ask) error {
	var text strings.Builder
	text.WriteString("the operation asks first")
	for i := range ask.Questions {
		q := &ask.Questions[i]
		fmt.Fprintf(&text, "\n  %s\n    answer with --answer %s", questionText(q), exampleAnswer(q))
	}
	return &exitError{code: exitFindings, err: fmt.Errorf("%s", text.String())}
}

// questionText gives a question in one line.
func questionText(q *plan.Question) string {
	message := strings.Join(strings.Fields(q.Message), " ")
	switch q.Kind {
	case plan.AskURL:
		message += " (the user opens " + q.URL + ")"
	case plan.AskModel:
		message = "the client's model is asked: " + message
	case plan.AskRoots:
		message = "the client is asked for its folders"
	}
	if q.Optional {
		message += " (optional)"
	}
	return q.Name + ": " + message
}

// exampleAnswer gives what an answer looks like on a command line.
func exampleAnswer(q *plan.Question) string {
	switch q.Kind {
	case plan.AskModel:
		return q.Name + `='{"text":"..."}'`
	case plan.AskRoots:
		return q.Name + `='{"roots":[{"uri":"file:///..."}]}'`
	}
	if q.Consent {
		return q.Name + "=yes"
	}
	var schema struct{ Properties map[string]json.RawMessage }
	if json.Unmarshal(q.Schema, &schema) != nil { // of the plan's own making
		return q.Name + "='{...}'"
	}
	var members []string
	for name := range schema.Properties {
		members = append(members, `"`+name+`":...`)
	}
	slices.Sort(members)
	return q.Name + "='{" + strings.Join(members, ",") + "}'"
}

// inspectedQuestion is something that is asked before a call.
type inspectedQuestion struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"` // form, url, sample or roots
	Message  string          `json:"message,omitempty"`
	Optional bool            `json:"optional"`
	Schema   json.RawMessage `json:"schema,omitempty"`
	text     string
}

func inspectQuestions(list []plan.Question) []inspectedQuestion {
	var out []inspectedQuestion
	for i := range list {
		q := &list[i]
		x := inspectedQuestion{Name: q.Name, Message: q.Message, Optional: q.Optional, text: questionText(q)}
		switch q.Kind {
		case plan.AskURL:
			x.Kind = "url"
		case plan.AskModel:
			x.Kind = "sample"
		case plan.AskRoots:
			x.Kind = "roots"
		default:
			x.Kind, x.Schema = "form", q.Schema
		}
		out = append(out, x)
	}
	return out
}

// questionsOf gives the questions of an operation, which may be nil.
func questionsOf(op *plan.Operation) []inspectedQuestion {
	if op == nil {
		return nil
	}
	return inspectQuestions(op.Questions())
}

// textAsks writes what is asked before a call.
func (o *inspectedOperation) textAsks(p *page) {
	for _, q := range o.Asks {
		p.line("    asks %s", q.text)
	}
}

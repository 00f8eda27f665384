package plan

import (
	"regexp"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// answersName is the word by which a document refers to the answers of its questions.
const answersName = "ask"

// confirmName is the name of the question that the key confirm asks.
const confirmName = "confirm"

// defaultTokens bounds what a client's model is asked to write where the document does not.
const defaultTokens = 1000

// askDraft is what is known of an operation's questions while it is compiled. Their names are
// known before anything else of it is compiled, since everything may use the answers; their
// texts are compiled last, so that an input that a text shows is not taken for one that is used.
type askDraft struct {
	drafts []questionDraft
	rounds int
	shown  map[string]bool // inputs that texts name
	before int             // while texts are compiled: answers of rounds before this one are known; else -1
	unsaid bool            // nobody is asked: the answers are never there
}

type questionDraft struct {
	decl  *spec.Question
	own   string // namespace by which its texts name inputs
	round int
	q     *question
}

// kindOf gives what the question asks for.
func kindOf(decl *spec.Question) QuestionKind {
	switch {
	case decl.URL.IsSet():
		return AskURL
	case decl.Sample != nil:
		return AskModel
	case decl.Roots == spec.True:
		return AskRoots
	}
	return AskForm
}

// declareAsks takes note of the questions of an operation, or of the flow that it runs: what
// the operation asks itself comes first, and replaces what the flow asks under the same name.
func (d *draft) declareAsks(decl *spec.Asking) *fault {
	if decl.Ask != nil {
		return faultf(diag.CodeAsk, "", decl.Ask.Span(), "ask of %s is no list of questions", d.x.title()).
			hintf("write ask: [{name: details, message: a question, fields: {colour: {type: string}}}]")
	}
	before := d.asks
	for i := range decl.Rounds {
		for j := range decl.Rounds[i] {
			if f := d.declareAsk(&decl.Rounds[i][j], before); f != nil {
				return f
			}
		}
		if d.asks != nil {
			d.asks.rounds++
		}
	}
	return d.declareConfirm(decl.Confirm)
}

var questionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

func (d *draft) declareAsk(decl *spec.Question, before *askDraft) *fault {
	switch {
	case decl.Node.Kind != spec.Map:
		return faultf(diag.CodeAsk, "", decl.Span, "a question of %s is %s, expected a mapping", d.x.title(), decl.Node.Kind).hintf("write {name: details, message: a question}")
	case !decl.Name.IsSet():
		return faultf(diag.CodeAsk, "", decl.Span, "a question of %s has no name", d.x.title()).hintf("give it one: its answer is {{ask.name.field}}")
	case !questionName.MatchString(decl.Name.Value):
		return faultf(diag.CodeAsk, "", decl.Name.Span(), "%q is no name of a question", decl.Name.Value).hintf("use letters, digits, _ and -, beginning with a letter")
	}
	if q := d.questionOf(decl.Name.Value); q != nil {
		if before != nil && d.x.flow != nil {
			return nil // the operation asks that itself
		}
		return faultf(diag.CodeAsk, "", decl.Name.Span(), "%s has two questions called %s", d.x.title(), decl.Name.Value).hintf("give one of them another name")
	}
	kind := kindOf(decl)
	q := &question{name: decl.Name.Value, kind: kind, optional: decl.Optional == spec.True}
	q.consent = kind == AskURL || kind == AskForm && len(decl.Fields) == 0
	for i := range decl.Fields {
		f, fault := d.askField(&decl.Fields[i], decl)
		if fault != nil {
			return fault
		}
		q.fields = append(q.fields, f)
	}
	return d.addAsk(decl, q)
}

// declareConfirm adds the question that confirm asks, behind all others.
func (d *draft) declareConfirm(v *spec.Value) *fault {
	if v == nil || v.Kind == spec.Bool && v.Text == "false" || d.questionOf(confirmName) != nil && d.x.flow != nil && d.x.decl.Asking.Confirm != v {
		return nil
	}
	decl := &spec.Question{Span: v.Span(), Node: v, Message: v.AsText()}
	switch {
	case v.Kind == spec.Bool:
		decl.Message = spec.Text{}
	case v.Kind != spec.String || strings.TrimSpace(v.Text) == "":
		return faultf(diag.CodeAsk, "", v.Span(), "confirm of %s is no question", d.x.title()).hintf("write confirm: \"Do it?\"")
	}
	if d.questionOf(confirmName) != nil {
		return faultf(diag.CodeAsk, "", v.Span(), "%s has a question called confirm beside its confirm", d.x.title()).hintf("give the question another name")
	}
	f := d.addAsk(decl, &question{name: confirmName, kind: AskForm, consent: true})
	if d.asks != nil {
		d.asks.rounds++
	}
	return f
}

// addAsk adds a question to the present round. REST has nobody to ask: what must be asked there
// is refused.
func (d *draft) addAsk(decl *spec.Question, q *question) *fault {
	if d.x.kind == REST && !q.optional {
		f := faultf(diag.CodeAsk, "", decl.Span, "%s cannot ask %s: a REST caller has nobody to ask", d.x.title(), q.name)
		if decl.Node.Kind != spec.Map { // confirm has no other words
			return f.hintf("write the question at the MCP tool instead")
		}
		return f.hintf("write the question at the MCP tool instead, or let the call go on without: optional: true")
	}
	if d.asks == nil {
		d.asks = &askDraft{before: -1, shown: map[string]bool{}, unsaid: d.x.kind == REST}
	}
	if d.x.kind == REST {
		d.c.note(diag.Info, d.x.unit, faultf(diag.CodeNotHonoured, "", decl.Span, "%s is not asked by %s, since a REST caller has nobody to ask", q.name, d.x.title()))
	}
	q.index = len(d.asks.drafts)
	d.asks.drafts = append(d.asks.drafts, questionDraft{decl, d.own, d.asks.rounds, q})
	for _, t := range []spec.Text{decl.Message, decl.URL, decl.Prompt, decl.System} {
		for r := range expr.ParseTemplate(t.Value).Refs() {
			name := r.Name
			if _, rest, ok := cutInputPrefix(name, d.own); ok {
				name = rest
			}
			d.asks.shown[name] = true
		}
	}
	return nil
}

func (d *draft) questionOf(name string) *questionDraft {
	if d.asks == nil {
		return nil
	}
	for i := range d.asks.drafts {
		if d.asks.drafts[i].q.name == name {
			return &d.asks.drafts[i]
		}
	}
	return nil
}

// isShown reports whether the text of a question shows an input.
func (d *draft) isShown(name string) bool {
	if d.asks == nil {
		return false
	}
	_, ok := matchName(name, sortedKeys(d.asks.shown))
	return ok
}

// isAnswer reports whether a word of a template is an answer. It is in operations that ask.
func (d *draft) isAnswer(name string) bool {
	rest, ok := strings.CutPrefix(name, answersName)
	return ok && d.asks != nil && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// answer compiles a reference such as ask.details.colour.
func (d *draft) answer(name string, at diag.Span) (expression, *fault) {
	rest := strings.TrimPrefix(strings.TrimPrefix(name, answersName), ".")
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	found := d.questionOf(rest[:end])
	if found == nil {
		return expression{}, d.unknownQuestion(rest[:end], at)
	}
	if before := d.asks.before; before >= 0 && found.round >= before {
		return expression{}, faultf(diag.CodeAsk, "", at, "{{%s}} is not known yet: the question of %s can only use answers of earlier rounds", name, d.x.title()).
			hintf("move the question %s into a round in front", found.q.name)
	}
	path, err := expr.ParseJSONPath("$" + rest[end:])
	if err != nil {
		return expression{}, faultf(diag.CodeAsk, "", at, "%q is no path into the answer of %s", rest[end:], found.q.name).hintf("write ask.%s.field", found.q.name)
	}
	if f := found.judgePath(path.Names(), at); f != nil {
		return expression{}, f
	}
	return expression{kind: exprReply, index: int32(found.q.index), detail: &detail{said: name, path: path}}, nil
}

func (d *draft) unknownQuestion(name string, at diag.Span) *fault {
	names := make([]string, len(d.asks.drafts))
	for i := range d.asks.drafts {
		names[i] = d.asks.drafts[i].q.name
	}
	f := faultf(diag.CodeAsk, "", at, "%s has no question %q", d.x.title(), name)
	if near, ok := diag.Nearest(name, names); ok {
		return f.hintf("did you mean ask.%s?", near)
	}
	return f.hintf("it asks %s", someOf(names))
}

// members gives the names that an answer has.
func (q *questionDraft) members() []string {
	switch q.q.kind {
	case AskModel:
		return []string{"text", "model", "role", "stopReason"}
	case AskRoots:
		return []string{"roots"}
	}
	names := make([]string, len(q.q.fields))
	for i := range q.q.fields {
		names[i] = q.q.fields[i].name
	}
	return names
}

// judgePath refuses a reference to something that no answer has.
func (q *questionDraft) judgePath(names []string, at diag.Span) *fault {
	members := q.members()
	if len(names) == 0 || slices.Contains(members, names[0]) {
		return nil
	}
	f := faultf(diag.CodeAsk, "", at, "the answer of %s has no %q", q.q.name, names[0])
	if near, ok := diag.Nearest(names[0], members); ok {
		return f.hintf("did you mean ask.%s.%s?", q.q.name, near)
	}
	if len(members) == 0 {
		return f.hintf("it is only a yes: what is not accepted is not called")
	}
	return f.hintf("it has %s", someOf(members))
}

// buildAsks compiles the questions, when everything else of the operation is compiled.
func (d *draft) buildAsks(decl *spec.Asking) *fault {
	requires, f := d.requires(decl.Requires)
	if f != nil {
		return f
	}
	if d.asks == nil || d.asks.unsaid {
		if requires != nil {
			d.out.asking = &asking{requires: requires}
		}
		return nil
	}
	if d.steps != nil && slices.Contains(d.steps.names, answersName) {
		return faultf(diag.CodeAsk, "", d.x.decl.Span, "%s has a step called ask, which is the name of the answers to its questions", d.x.title()).hintf("give the step another name")
	}
	out := &asking{rounds: make([][]*question, d.asks.rounds), count: len(d.asks.drafts), requires: requires}
	own := d.own
	defer func() { d.own, d.asks.before = own, -1 }()
	for i := range d.asks.drafts {
		q := &d.asks.drafts[i]
		if q.q.name == confirmName && q.decl.Node.Kind != spec.Map {
			q.round = d.asks.rounds // behind what the flow asks too
			out.rounds = append(out.rounds, nil)
		}
		d.own, d.asks.before = q.own, q.round
		if f := d.buildAsk(q); f != nil {
			return f
		}
		out.rounds[q.round] = append(out.rounds[q.round], q.q)
	}
	out.rounds = slices.DeleteFunc(out.rounds, func(r []*question) bool { return len(r) == 0 })
	d.out.asking = out
	return nil
}

func (d *draft) buildAsk(x *questionDraft) *fault {
	decl, q := x.decl, x.q
	if f := d.judgeKind(decl, q); f != nil {
		return f
	}
	text := decl.Message
	if q.kind == AskModel {
		text = decl.Prompt
	}
	var f *fault
	if q.message, f = d.askText(text); f != nil {
		return f
	}
	switch {
	case q.name == confirmName && decl.Node.Kind == spec.Bool:
		q.message = literalExpr("Go on with " + firstOf(d.x.decl.Label.Value, d.x.unit.Name) + "?")
	case text.Value == "" && q.kind == AskModel:
		return faultf(diag.CodeAsk, "", decl.Span, "question %s of %s does not say what it asks", q.name, d.x.title()).hintf("write sample: and what the model is asked")
	case text.Value == "" && q.kind != AskRoots:
		return faultf(diag.CodeAsk, "", decl.Span, "question %s of %s does not say what it asks", q.name, d.x.title()).hintf("write message: and the question")
	}
	q.schema, q.older = formSchema(q.fields, false), formSchema(q.fields, true)
	if q.tokens = decl.Tokens; q.tokens == 0 {
		q.tokens = defaultTokens
	}
	if decl.System.IsSet() {
		system, f := d.askText(decl.System)
		if f != nil {
			return f
		}
		q.system = &system
	}
	if q.kind == AskURL {
		return d.askURL(decl, q)
	}
	return nil
}

// judgeKind refuses a question that asks for two things.
func (d *draft) judgeKind(decl *spec.Question, q *question) *fault {
	var kinds []string
	for word, has := range map[string]bool{"fields": len(decl.Fields) > 0, "url": decl.URL.IsSet(), "sample": decl.Sample != nil, "roots": decl.Roots == spec.True} {
		if has {
			kinds = append(kinds, word)
		}
	}
	slices.Sort(kinds)
	if len(kinds) > 1 {
		return faultf(diag.CodeAsk, "", decl.Span, "question %s of %s has %s", q.name, d.x.title(), strings.Join(kinds, " and ")).hintf("make a question of each; a list of questions is asked together")
	}
	if decl.Message.IsSet() && (q.kind == AskModel || q.kind == AskRoots) {
		d.c.note(diag.Info, d.x.unit, faultf(diag.CodeNotHonoured, "", decl.Message.Span(), "message has no effect here: %s asks the client and not the user", q.name))
	}
	return nil
}

// askText compiles a text that the user, or a model, reads: inputs and answers may stand in it,
// and nothing else, since nothing has been called yet and variables can be secrets.
func (d *draft) askText(t spec.Text) (expression, *fault) {
	x := expression{kind: exprText}
	for _, p := range expr.ParseTemplate(t.Value).Parts {
		if !p.IsRef() || p.Ref.Form != expr.Mustache && !d.c.vars.isReference(p.Ref) {
			x.parts = append(x.parts, literalExpr(p.Literal))
			continue
		}
		v, f := d.askWord(p.Ref, t.Sub(p.Ref.Start, p.Ref.End))
		if f != nil {
			return x, f
		}
		x.parts = append(x.parts, v)
	}
	if len(x.parts) == 0 {
		return literalExpr(""), nil
	}
	return mergeLiterals(x), nil
}

func (d *draft) askWord(r expr.Ref, at diag.Span) (expression, *fault) {
	name, isInput := r.Name, false
	if d.isAnswer(name) {
		return d.answer(name, at)
	}
	if _, rest, ok := cutInputPrefix(name, d.own); ok {
		name, isInput = rest, true
	}
	switch {
	case !isInput && d.isStepName(name):
		return expression{}, faultf(diag.CodeAsk, "", at, "the question of %s uses the step %s, which has not run when it is asked", d.x.title(), name).
			hintf("use inputs and earlier answers only: questions come before everything else")
	case !isInput && d.c.vars.isVariable(name):
		return expression{}, faultf(diag.CodeAsk, "", at, "the question of %s uses the variable %s, which a user must not see", d.x.title(), name).
			hintf("write its value, or an input")
	}
	x := d.reference(name, false)
	d.noteInputs(x, nil)
	return x, nil
}

var (
	safeURL   = regexp.MustCompile(`^(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]+)?([/?#].*)?$`)
	fixedHost = regexp.MustCompile(`^(https?://[^/?#{]+)[/?#]`)
)

// askURL compiles the URL that the user is to open. No caller chooses its host.
func (d *draft) askURL(decl *spec.Question, q *question) *fault {
	at := decl.URL.Span()
	x, f := d.askText(decl.URL)
	if f != nil {
		return f
	}
	q.url = []expression{x}
	literal := textOf(x.literal)
	if x.kind == exprText {
		q.url = x.parts
		literal = textOf(x.parts[0].literal)
		if x.parts[0].kind != exprLiteral || !fixedHost.MatchString(literal) {
			return faultf(diag.CodeAsk, "", at, "the host of the URL of question %s is not fixed", q.name).hintf("write https://host/ and put values behind it")
		}
	}
	if !safeURL.MatchString(literal) {
		return faultf(diag.CodeAsk, "", at, "the URL of question %s cannot be opened safely", q.name).hintf("write an https URL without user name; http only for localhost")
	}
	return nil
}

// capabilities are the abilities of clients that a document can ask for.
var capabilities = []string{"elicitation", "elicitation.form", "elicitation.url", "sampling", "roots"}

// requires reads what clients must be able to do.
func (d *draft) requires(v *spec.Value) ([]Capability, *fault) {
	if v == nil {
		return nil, nil
	}
	list := v.Get("clientCapabilities")
	names := []*spec.Value{list}
	switch {
	case list == nil || list.Kind == spec.Null || list.Kind == spec.Map:
		return nil, faultf(diag.CodeAsk, "", v.Span(), "requires of %s names no abilities of clients", d.x.title()).hintf("write requires: {clientCapabilities: [elicitation]}")
	case list.Kind == spec.List:
		names = list.Items
	}
	var out []Capability
	for _, n := range names {
		if !slices.Contains(capabilities, n.AsText().Value) {
			f := faultf(diag.CodeAsk, "", n.Span(), "%q is no ability of clients", n.Text)
			if near, ok := diag.Nearest(n.Text, capabilities); ok {
				return nil, f.hintf("did you mean %s?", near)
			}
			return nil, f.hintf("expected %s", strings.Join(capabilities, ", "))
		}
		out = append(out, Capability(n.Text))
	}
	return out, nil
}

// allAnswers gives an object of all answers, by the names of the questions.
func (d *draft) allAnswers() expression {
	all := expression{kind: exprObject}
	for i := range d.asks.drafts {
		q := d.asks.drafts[i].q
		all.addMember(q.name, expression{kind: exprReply, index: int32(q.index), detail: &detail{said: answersName + "." + q.name, path: &expr.JSONPath{}}})
	}
	return all
}

package spec

import "capd/engine/diag"

// Asking is what is asked before something is called, and what clients must be able to do.
// Nothing malformed is left out of it: what a user was to be asked must not become a call
// without a question.
type Asking struct {
	Confirm  *Value       // a text, or true for a general question; null is not taken for nothing here
	Ask      *Value       // the key as written, when it is no list and no mapping
	Rounds   [][]Question // one behind the other; those of a round are asked together
	Requires *Value       // the mapping as written
}

// IsSet reports whether anything is asked, or wanted of clients.
func (a *Asking) IsSet() bool {
	return a.Confirm != nil || a.Ask != nil || a.Requires != nil || len(a.Rounds) > 0
}

// Question is one question of a round. Node is no mapping when that was expected.
type Question struct {
	Span     diag.Span
	Node     *Value // what it was read from
	Name     Text
	Message  Text
	Fields   []AskField
	URL      Text
	Sample   *Value // sampling: a text, or a mapping
	Prompt   Text   // of Sample
	System   Text   // of Sample
	Tokens   int    // maxTokens of Sample; 0 when not given
	Roots    Tristate
	Optional Tristate
}

// AskField is one field of a form. Node is no mapping when that was expected.
type AskField struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	Type        Text
	Label       Text
	Description Text
	Required    bool
	Default     *Value
	Pattern     Text
	Format      Text
	Enum        *Value // a list as written; of items too
	Titles      *Value
	EnumNames   *Value
}

const (
	askKeys    = "name message fields url sample roots optional"
	askSilent  = "description"
	sampleKeys = "prompt system maxTokens"

	askFieldKeys = "name type title description required default enum titles enumNames items format pattern " +
		"minimum maximum minLength maxLength minItems maxItems"
	askFieldSilent = "label display examples example"
	askItemsKeys   = "type enum titles"

	requiresKeys = "clientCapabilities"
)

// maxSampleTokens bounds what a model is asked to write.
const maxSampleTokens = 1 << 20

// asking reads confirm, ask and requires.
func (p *parser) asking(v *Value) Asking {
	a := Asking{Confirm: v.Get("confirm"), Requires: some(v, "requires")}
	if a.Requires != nil && a.Requires.Kind == Map {
		p.keys(a.Requires, requiresKeys, "")
	}
	ask := some(v, "ask")
	switch {
	case ask == nil:
	case ask.Kind == List:
		for _, item := range ask.Items {
			if item.Kind != List {
				a.Rounds = append(a.Rounds, []Question{p.question(item, p.text(item, "name"))})
				continue
			}
			var round []Question
			for _, q := range item.Items {
				round = append(round, p.question(q, p.text(q, "name")))
			}
			a.Rounds = append(a.Rounds, round)
		}
	case ask.Kind == Map && isQuestion(ask):
		a.Rounds = append(a.Rounds, []Question{p.question(ask, p.text(ask, "name"))})
	case ask.Kind == Map:
		for _, m := range ask.Members {
			a.Rounds = append(a.Rounds, []Question{p.question(m.Value, m.Key)})
		}
	default:
		a.Ask = ask
	}
	return a
}

// isQuestion reports whether a mapping is a question where a collection of them should be.
func isQuestion(v *Value) bool {
	for _, m := range v.Members {
		if k := m.Value.Kind; listed("name message url roots", m.Key.Value) && k != Map && k != List {
			return true
		}
	}
	return false
}

func (p *parser) question(v *Value, name Text) Question {
	q := Question{Span: v.Span(), Node: v, Name: name}
	if v.Kind != Map {
		return q
	}
	p.keys(v, askKeys, askSilent)
	q.Message, q.URL = p.text(v, "message"), p.text(v, "url")
	q.Roots, q.Optional = p.tristate(v, "roots", Unset), p.tristate(v, "optional", False)
	q.Fields = p.askFields(some(v, "fields"))
	if q.Sample = some(v, "sample"); q.Sample == nil {
		return q
	}
	if q.Sample.Kind != Map {
		q.Prompt = p.text(v, "sample")
		return q
	}
	p.keys(q.Sample, sampleKeys, "")
	q.Prompt, q.System = p.text(q.Sample, "prompt"), p.text(q.Sample, "system")
	q.Tokens = p.integer(q.Sample, "maxTokens", 1, maxSampleTokens)
	return q
}

// askFields reads the fields of a form, in either form of a named collection.
func (p *parser) askFields(v *Value) []AskField {
	var out []AskField
	switch {
	case v == nil:
	case v.Kind == List:
		for _, item := range v.Items {
			out = append(out, p.askField(item, p.text(item, "name"), item.Span()))
		}
	case v.Kind == Map:
		for _, m := range v.Members {
			span := m.Key.Span()
			span.End = m.Value.Span().End
			out = append(out, p.askField(m.Value, m.Key, span))
		}
	default:
		out = append(out, AskField{Span: v.Span(), Node: v})
	}
	return out
}

func (p *parser) askField(v *Value, name Text, span diag.Span) AskField {
	f := AskField{Span: span, Node: v, Name: name}
	if v.Kind == Null { // a field about which nothing is said
		hollow := *v
		hollow.Kind = Map
		f.Node = &hollow
	}
	if v.Kind != Map {
		return f
	}
	p.keys(v, askFieldKeys, askFieldSilent)
	f.Type, f.Label, f.Description = p.typeName(v), p.first(v, "title", "label", "display"), p.text(v, "description")
	f.Required, f.Default = p.tristate(v, "required", False) == True, some(v, "default")
	f.Pattern, f.Format = p.text(v, "pattern"), p.text(v, "format")
	f.Enum, f.Titles, f.EnumNames = some(v, "enum"), some(v, "titles"), some(v, "enumNames")
	if items := some(v, "items"); items != nil && items.Kind == Map {
		p.keys(items, askItemsKeys, "")
		if f.Enum == nil {
			f.Enum, f.Titles = some(items, "enum"), some(items, "titles")
		}
	}
	return f
}

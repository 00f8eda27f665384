package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// rawSchema is a JSON Schema that the author of a tool wrote.
type rawSchema struct {
	text  []byte // compact JSON, as written otherwise
	check func(value []byte) (place, rule string)
}

// readSchemas reads the JSON Schemas that a tool holds, and makes inputs of the members of its
// arguments.
func (c *compiler) readSchemas(x *exposed) *fault {
	var f *fault
	if v := x.decl.InputSchema; v != nil {
		if x.rawInput, f = c.rawSchema(v, "inputSchema", x); f != nil {
			return f
		}
		if f := x.declareMembers(v); f != nil {
			return f
		}
	}
	if v := x.decl.OutputSchema; v != nil {
		if x.rawOutput, f = c.rawSchema(v, "outputSchema", x); f != nil {
			return f
		}
	}
	return nil
}

// rawSchema reads a JSON Schema: a mapping, JSON in a text, or a file of JSON.
func (c *compiler) rawSchema(v *spec.Value, key string, x *exposed) (*rawSchema, *fault) {
	at := v.Span()
	var text []byte
	switch {
	case v.Kind == spec.Map || v.Kind == spec.Bool:
		text = v.JSON()
	case v.Kind == spec.String && strings.HasPrefix(strings.TrimSpace(v.Text), "{"):
		text = []byte(v.Text)
	case v.Kind == spec.String && c.files == nil:
		return nil, faultf(diag.CodeToolSchema, "", at, "the %s of %s is not available: files cannot be read here", key, x.title())
	case v.Kind == spec.String:
		var err error
		if text, err = c.files.Read(at.File, v.Text); err != nil {
			return nil, faultf(diag.CodeToolSchema, "", at, "the %s of %s is not available: %v", key, x.title(), err).
				hintf("write a mapping, or the path of a file of JSON, relative to this one")
		}
	default:
		return nil, faultf(diag.CodeToolSchema, "", at, "%s of %s is %s, expected a JSON Schema", key, x.title(), v.Kind).hintf("write a mapping")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, bytes.TrimPrefix(text, []byte("\ufeff"))); err != nil {
		return nil, faultf(diag.CodeToolSchema, "", at, "the %s of %s is no JSON", key, x.title())
	}
	raw := &rawSchema{text: compact.Bytes()}
	if c.schemas == nil {
		return nil, faultf(diag.CodeToolSchema, "", at, "the %s of %s cannot be checked here", key, x.title())
	}
	var err error
	if raw.check, err = c.schemas(raw.text); err != nil {
		return nil, faultf(diag.CodeToolSchema, "", at, "the %s of %s cannot be used: %s", key, x.title(), err.Error())
	}
	return raw, nil
}

// declareMembers makes inputs of the members that the schema of the arguments names.
func (x *exposed) declareMembers(v *spec.Value) *fault {
	root := x.rawInput.text
	if typ, ok := expr.Member(root, "type"); !ok || string(typ) != `"object"` {
		return faultf(diag.CodeToolSchema, "", v.Span(), "the inputSchema of %s does not say type: object", x.title()).
			hintf("write type: object, since arguments are members of an object")
	}
	required := requiredArguments(root)
	properties, _ := expr.Member(root, "properties")
	expr.Members(properties, func(name string, schema []byte) {
		d := declaredInput{name: name, required: spec.False, param: &spec.Parameter{Span: placeOr(v.Get("properties").Get(name).Span(), v.Span())}}
		if typ, ok := expr.Member(schema, "type"); ok {
			d.typ, _ = parseValue(typ).(string)
		}
		for _, r := range required {
			if r == name {
				d.required = spec.True
			}
		}
		if fallback, ok := expr.Member(schema, "default"); ok && string(fallback) != "null" {
			d.fallback = parseValue(fallback)
		}
		x.declared = append(x.declared, d)
	})
	return nil
}

// judgeArguments wants arguments that fit the schema that the document holds.
func (op *Operation) judgeArguments(src *Source) *Error {
	if op.rawInput == nil {
		return nil
	}
	raw := bytes.TrimSpace(src.Arguments)
	if len(raw) == 0 || string(raw) == "null" {
		raw = []byte("{}")
	}
	held := holding{}
	if src.Bound != nil {
		held.quota, held.tree = src.Bound.Quota(op.Unit()), src.Bound.mostTree()
	}
	account := expr.NewAccount(&held)
	defer account.Close()
	if !account.Add(expr.Decoded(raw)) {
		return held.unread("the arguments cannot be checked", account.Err())
	}
	place, rule := op.rawInput.check(raw)
	switch {
	case rule == "":
		return nil
	case place == "":
		return Errorf(CodeInvalidInput, "the object of arguments %s", rule)
	}
	return Errorf(CodeInvalidInput, "input %q %s", place, rule)
}

// validation says what happens to an answer that does not fit its published schema.
type validation uint8

const (
	validationWarn validation = iota
	validationOff
	validationEnforce
)

// readValidation reads outputValidation, of which the tool's wins over the adapter's.
func (c *compiler) readValidation(e *spec.Exposed, x *exposed) validation {
	for _, t := range []spec.Text{x.decl.OutputValidation, e.OutputValidation} {
		switch strings.ToLower(strings.TrimSpace(t.Value)) {
		case "":
			continue
		case "off", "false":
			return validationOff
		case "warn":
			return validationWarn
		case "enforce":
			return validationEnforce
		}
		f := faultf(diag.CodeWrongType, "M", t.Span(), "outputValidation is %q, expected off, warn or enforce", t.Value)
		if near, ok := diag.Nearest(t.Value, []string{"off", "warn", "enforce"}); ok {
			f.hintf("did you mean %s?", near)
		}
		c.note(diag.Warning, x.unit, f)
	}
	return validationWarn
}

// JudgeAnswer looks whether an answer that succeeded fits the published schema; body is the whole
// of it. Of one that does not, misfit says where and why, without a value, for the log; err is an
// *[Error] instead where the document wants the call to fail.
func (op *Operation) JudgeAnswer(res *Result, body []byte) (misfit string, err error) {
	if op.validation == validationOff || op.judge == nil || op.rawOutput == nil && res.Structured == nil {
		return "", nil
	}
	place, rule := "", "must be there"
	if len(bytes.TrimSpace(body)) > 0 {
		account := expr.NewAccount(res.held)
		defer account.Close()
		if !account.Add(expr.Decoded(body)) {
			return op.unjudged(res.held, account.Err())
		}
		place, rule = op.judge()(body)
	}
	switch {
	case rule == "":
		return "", nil
	case place == "":
		misfit = "it " + rule
	default:
		misfit = "its member \"" + place + "\" " + rule
	}
	if op.validation == validationEnforce {
		return "", Errorf(CodeBadOutput, "%s", misfit)
	}
	return misfit, nil
}

// unjudged says what becomes of an answer that is too much to be looked at.
func (op *Operation) unjudged(held *holding, why error) (misfit string, err error) {
	if op.validation == validationEnforce {
		return "", held.unfound("the answer cannot be checked", why)
	}
	if errors.Is(why, expr.ErrNoRoom) {
		return "there is no room to check its values", nil
	}
	return "it holds too many values to be checked", nil
}

// finishSchemas puts the schemas that the document holds in the place of those that are derived.
func (d *draft) finishSchemas() {
	op := d.out
	op.rawInput, op.rawOutput = d.x.rawInput, d.x.rawOutput
	if op.rawInput != nil {
		op.intake = op.rawInput.text
	}
	if raw := op.rawOutput; raw != nil {
		op.schema, op.structured = raw.text, false
		op.judge = func() func([]byte) (string, string) { return raw.check }
		if op.contents != nil {
			op.contents.keep = true
		}
		return
	}
	if schemas, derived := d.c.schemas, op.schema; op.structured && schemas != nil {
		// It is asked for only when an answer does not fit, which most never do.
		op.judge = sync.OnceValue(func() func([]byte) (string, string) {
			check, err := schemas(derived)
			if err != nil { // a schema of our own making is one
				return func([]byte) (string, string) { return "", "must fit its schema" }
			}
			return check
		})
	}
}

// noteUnnamed reports inputs that are needed and that the schema of the arguments does not name:
// no client knows of them.
func (b *draft) noteUnnamed() {
	for i := range b.inputs {
		p := b.said(i)
		if p == nil || !p.required && !b.fed.has(p.name) {
			continue
		}
		head, _, _ := strings.Cut(p.name, ".")
		if _, named := matchName(p.name, b.declaredNames()); named || slices.Contains(b.declaredNames(), head) {
			continue
		}
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "M1", b.x.decl.InputSchema.Span(), "the inputSchema of %s does not name the input %s, which it uses", b.x.title(), p.name).
			hintf("add it to properties"))
	}
}

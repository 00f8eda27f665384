package repair

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// Version is the version of the language that [Migrate] writes.
const Version = "1.0.0-beta5"

// maxPasses bounds how often repairs and migration take turns: what is written in another
// way can let a problem show that could not be seen before.
const maxPasses = 10

// Migrate repairs a text and rewrites it in the form of [Version]. Result.Unmigrated says
// what could not be rewritten; a text that cannot be migrated at all is only repaired.
func Migrate(file string, text []byte, o Options) (*Result, error) {
	m := &migration{file: file, options: o, result: Result{Text: text}}
	for range maxPasses {
		before := m.result.Text
		if err := m.pass(); err != nil {
			return nil, err
		}
		if bytes.Equal(m.result.Text, before) {
			return &m.result, nil
		}
	}
	return nil, fmt.Errorf("%w (%d passes)", ErrUnsettled, maxPasses)
}

// pass repairs and migrates once.
func (m *migration) pass() error {
	repaired, err := Fix(m.file, m.result.Text, m.options)
	if err != nil {
		return err
	}
	now := read(m.file, repaired.Text, &m.options)
	m.result.Fixed, m.result.Unmigrated = append(m.result.Fixed, repaired.Fixed...), nil
	if why := now.unfit(); why != "" {
		m.leave(diag.Span{File: m.file}, why)
		m.result.Text, m.result.Left = now.text, now.problems
		return nil
	}
	for _, step := range []func(*state) spec.Migration{
		func(s *state) spec.Migration { return s.doc.ToVersion(Version, s.optional) },
		func(s *state) spec.Migration { return spellings(s.doc) },
		func(s *state) spec.Migration { return s.doc.ToMaps() },
	} {
		if now, err = m.step(now, step(now)); err != nil {
			return err
		}
		if now.doc.Root.Value != "ikanos" {
			break // what follows is the form of that root key
		}
	}
	m.judge(now.doc)
	m.result.Text, m.result.Left = now.text, now.problems
	return nil
}

// unfit says why a text cannot be migrated.
func (s *state) unfit() string {
	switch {
	case s.doc == nil:
		return "the file is not migrated, since it cannot be read"
	case s.doc.Truncation != nil:
		return "the file is not migrated, since its text was cut off"
	case slices.ContainsFunc(s.problems, func(d diag.Diagnostic) bool { return d.Code == diag.CodeVersion }):
		return fmt.Sprintf("the file is not migrated, since its version %q is not known", s.doc.Version.Value)
	}
	return ""
}

// migration is one text on its way.
type migration struct {
	file    string
	options Options
	result  Result
	written bool
}

func (m *migration) leave(at diag.Span, message string) {
	m.result.Unmigrated.Add(diag.Diagnostic{Code: diag.CodeVersion, Severity: diag.Warning, Span: at, Message: message})
}

// step makes the edits of a step, unless less would be served after them.
func (m *migration) step(s *state, todo spec.Migration) (*state, error) {
	m.result.Unmigrated = append(m.result.Unmigrated, todo.Left...)
	if len(todo.Edits) == 0 {
		return s, nil
	}
	text, err := diag.Apply(s.text, todo.Edits)
	if err != nil {
		return nil, fmt.Errorf("cannot migrate %s: %w", m.file, err)
	}
	next := read(m.file, text, &m.options)
	if next.isWorse(s) {
		m.leave(diag.Span{File: m.file}, "a part of the migration is left out, since less would be served after it")
		return s, nil
	}
	if !m.written {
		m.written = true
		m.result.Fixed.Add(diag.Diagnostic{
			Code: diag.CodeVersion, Severity: diag.Info, Span: diag.Span{File: m.file}, Message: "written as version " + Version,
		})
	}
	return next, nil
}

// spellings writes the words of the document's version.
func spellings(doc *spec.Document) spec.Migration {
	var m spec.Migration
	for _, d := range doc.Spellings() {
		m.Edits = append(m.Edits, d.Fixes...)
	}
	return m
}

// optional reports whether a tool that is served takes an input without needing it.
func (s *state) optional(adapter int, tool, input string) bool {
	if s.unit == nil {
		return false
	}
	for _, e := range s.unit.Exposures {
		for _, t := range e.Tools {
			if e.Index == adapter && t.Name == tool && t.Operation != nil {
				return !slices.Contains(requiredInputs(t), input)
			}
		}
	}
	return false
}

func requiredInputs(t *plan.Tool) []string {
	var schema struct{ Required []string }
	if err := json.Unmarshal(t.InputSchema, &schema); err != nil {
		return nil // a schema of our own making is JSON
	}
	return schema.Required
}

// judge reports what the version has no words for.
func (m *migration) judge(doc *spec.Document) {
	for i := range doc.Consumes {
		c := &doc.Consumes[i]
		if t := c.Auth.Get("type").AsText(); t.IsSet() && !slices.Contains([]string{"basic", "apikey", "bearer", "digest", "oauth2"}, t.Value) {
			m.leave(t.Span(), fmt.Sprintf("authentication type %q has no form in version %s", t.Value, Version))
		}
	}
}

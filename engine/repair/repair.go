// Package repair writes into the text of a document what its diagnostics propose. It changes
// a text only by the edits of diagnostics, so that comments, order and layout stay, and never
// for the worse: a repair after which less would be served is left out.
package repair

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// Options say what is repaired.
type Options struct {
	// Only, if not empty, are the codes of the problems to repair.
	Only []diag.Code
	// Limits bound the document; zero fields mean those of [spec.DefaultLimits].
	Limits spec.Limits
	// Files gives what the document refers to. Nothing of it is ever changed.
	Files plan.Files
	// Compiler compiles the document, with what it is lent.
	Compiler plan.Compiler
}

// Result is what became of a text.
type Result struct {
	Text []byte
	// Fixed are the problems that are repaired, in the order of the repairs. Their places are
	// those of the text as it was when they were found.
	Fixed diag.List
	// Left are the problems of the new text.
	Left diag.List
	// Unmigrated are the places of the new text that [Migrate] could not rewrite.
	Unmigrated diag.List
}

// Changed reports whether the text differs from the one that was given.
func (r *Result) Changed() bool { return len(r.Fixed) > 0 }

// maxRounds bounds how often a text is read again. Each round makes all repairs that do not
// stand in each other's way, and a repair can bring a problem to light that another one hid.
const maxRounds = 100

// ErrUnsettled says that repairs bring each other about without end.
var ErrUnsettled = errors.New("the repairs do not come to an end")

// Fix repairs a text. The error is [ErrUnsettled] or an edit that does not fit the text, both
// faults of capd.
func Fix(file string, text []byte, o Options) (*Result, error) {
	f := &fixer{file: file, options: o, hopeless: map[string]bool{}}
	now := f.read(text)
	for range maxRounds {
		group := f.choose(now)
		if len(group) == 0 {
			return &Result{Text: now.text, Fixed: f.fixed, Left: now.problems}, nil
		}
		next, err := f.round(now, group)
		if err != nil {
			return nil, err
		}
		now = next
	}
	return nil, fmt.Errorf("%w (%d rounds)", ErrUnsettled, maxRounds)
}

// fixer repairs one text.
type fixer struct {
	file     string
	options  Options
	fixed    diag.List
	hopeless map[string]bool // repairs that made things worse
}

// state is a text and what is known of it.
type state struct {
	text     []byte
	doc      *spec.Document // nil when the file is refused
	unit     *plan.Unit     // nil when nothing of it is served
	problems diag.List
	advice   diag.List // spellings, which are no problems
}

func (f *fixer) read(text []byte) *state { return read(f.file, text, &f.options) }

func read(file string, text []byte, o *Options) *state {
	s := &state{text: text}
	s.doc, s.problems = spec.Parse(file, text, o.Limits)
	if s.doc != nil {
		whole, imported := plan.Resolve(s.doc, o.Files)
		unit, found := o.Compiler.Compile(whole, o.Files)
		s.unit = unit
		s.problems = slices.Concat(s.problems, imported, found)
		s.advice = s.doc.Spellings()
	}
	s.problems.Sort()
	s.problems = s.problems.Ignoring(ignores(file, text, s.doc))
	return s
}

// ignores gives the comments by which an author keeps what a problem is about.
func ignores(file string, text []byte, doc *spec.Document) []diag.Ignore {
	var out []diag.Ignore
	for _, c := range spec.Comments(file, string(text), doc, diag.IgnoreMark) {
		codes, reason := diag.ParseIgnore(c.Text)
		out = append(out, diag.Ignore{Span: c.Span, Line: c.Line, First: c.First, Codes: codes, Reason: reason})
	}
	return out
}

// choose gives the problems to repair in this round: those whose edits do not stand in the
// way of an earlier one's.
func (f *fixer) choose(s *state) diag.List {
	var out diag.List
	var taken []diag.Edit
	for _, d := range slices.Concat(s.problems, s.advice) {
		if len(d.Fixes) == 0 || f.hopeless[fingerprint(&d)] || len(f.options.Only) > 0 && !slices.Contains(f.options.Only, d.Code) {
			continue
		}
		fresh := slices.DeleteFunc(slices.Clone(d.Fixes), func(e diag.Edit) bool { return slices.Contains(taken, e) })
		if slices.ContainsFunc(fresh, func(e diag.Edit) bool {
			return slices.ContainsFunc(taken, func(t diag.Edit) bool { return e.Overlaps(&t) })
		}) {
			continue
		}
		taken = append(taken, fresh...)
		out = append(out, d)
	}
	return out
}

// fingerprint tells one repair from another.
func fingerprint(d *diag.Diagnostic) string {
	return fmt.Sprintf("%s %v %s %v", d.Code, d.Unit, d.Message, d.Fixes)
}

// round makes repairs. When they do harm together it finds those that do, by halves, and
// makes the others.
func (f *fixer) round(s *state, group diag.List) (*state, error) {
	now := s
	var made diag.List
	var try func(more diag.List) error
	try = func(more diag.List) error {
		next, err := f.apply(s, slices.Concat(made, more))
		switch {
		case err != nil:
			return err
		case next != nil:
			now, made = next, append(made, more...)
			return nil
		case len(more) == 1:
			f.hopeless[fingerprint(&more[0])] = true
			return nil
		}
		half := len(more) / 2
		return errors.Join(try(more[:half]), try(more[half:]))
	}
	err := try(group)
	made.Sort()
	f.fixed = append(f.fixed, made...)
	return now, err
}

// apply gives what becomes of the text, or nil when that would be worse than it is.
func (f *fixer) apply(s *state, group diag.List) (*state, error) {
	var edits []diag.Edit
	for i := range group {
		for _, e := range group[i].Fixes {
			if !slices.Contains(edits, e) {
				edits = append(edits, e)
			}
		}
	}
	slices.SortStableFunc(edits, func(a, b diag.Edit) int {
		return cmp.Or(a.Span.Start.Compare(b.Span.Start), a.Span.End.Compare(b.Span.End))
	})
	text, err := diag.Apply(s.text, edits)
	if err != nil {
		return nil, fmt.Errorf("cannot repair %s: %w", f.file, err)
	}
	next := f.read(text)
	if bytes.Equal(text, s.text) || next.isWorse(s) {
		return nil, nil
	}
	return next, nil
}

// isWorse reports whether something is served of the old text that is not of the new one.
func (s *state) isWorse(old *state) bool {
	if s.doc == nil && old.doc != nil {
		return true
	}
	served := s.served()
	for key := range old.served() {
		if !served[key] {
			return true
		}
	}
	return false
}

// served gives what a caller of the document can reach.
func (s *state) served() map[string]bool {
	out := map[string]bool{}
	if s.unit == nil {
		return out
	}
	for _, e := range s.unit.Exposures {
		for _, r := range e.Routes {
			if r.Operation != nil {
				out[fmt.Sprintf("%s %d %s %s %v", e.Kind, e.Index, r.Method, r.Path, r.Conditions)] = true
			}
		}
		for _, r := range e.Resources {
			if r.Refusal == nil {
				out[fmt.Sprintf("%s %d resource %s", e.Kind, e.Index, r.URI)] = true
			}
		}
		for _, p := range e.Prompts {
			if p.Refusal == nil {
				out[fmt.Sprintf("%s %d prompt %s", e.Kind, e.Index, p.Name)] = true
			}
		}
		for _, t := range e.Tools {
			if t.Operation != nil {
				out[fmt.Sprintf("%s %d %s", e.Kind, e.Index, t.Name)] = true
			}
		}
	}
	return out
}

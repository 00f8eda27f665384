package engine

import (
	"slices"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// This file is what is said of documents: which findings count, where they are, and which hide others.

// locate gives the problems that have a place the path of the value there.
func locate(doc *spec.Document, problems diag.List) {
	for i := range problems {
		if problems[i].Path == "" {
			problems[i].Path = doc.PathAt(problems[i].Span)
		}
	}
}

// ignores gives the comments that hide findings of a text.
func ignores(src *source, text string, doc *spec.Document) []diag.Ignore {
	var out []diag.Ignore
	for _, c := range spec.Comments(src.file, text, doc, diag.IgnoreMark) {
		codes, reason := diag.ParseIgnore(c.Text)
		out = append(out, diag.Ignore{Span: c.Span, Doc: src.id, Line: c.Line, First: c.First, Codes: codes, Reason: reason})
	}
	return out
}

// once drops the remark that a text was cut off where that is why the file is refused.
func once(problems diag.List) diag.List {
	if !slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.Code == diag.CodeTruncatedBeforeExposes }) {
		return problems
	}
	return slices.DeleteFunc(problems, func(d diag.Diagnostic) bool { return d.Code == diag.CodeTruncated })
}

// finish names the document in its problems and makes sure that a file without a unit says
// why.
func (l *loader) finish(src *source, unit *plan.Unit, problems diag.List) diag.List {
	if unit == nil && !problems.HasErrors() {
		problems.Add(internal(src))
	}
	for i := range problems {
		if problems[i].Unit.Doc == "" {
			problems[i].Unit.Doc = src.id
		}
	}
	problems.Sort()
	return problems
}

// onceEach leaves out what several documents find in a file that they all import from.
func onceEach(list diag.List, now *recordSet) diag.List {
	type finding struct {
		span    diag.Span
		code    diag.Code
		message string
	}
	seen := map[finding]bool{}
	own := func(d *diag.Diagnostic) bool {
		file := ""
		if from, to := now.rangeOf(d.Unit.Doc); from < to {
			file = now.records[to-1].current.file
		}
		return d.Span.File == file
	}
	for i := range list {
		if own(&list[i]) {
			seen[finding{list[i].Span, list[i].Code, list[i].Message}] = true
		}
	}
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool {
		f := finding{d.Span, d.Code, d.Message}
		if own(&d) || d.Unit.Doc == "" {
			return false
		}
		known := seen[f]
		seen[f] = true
		return known
	})
}

// unseen gives the findings of the schema at places where nothing better was reported.
func unseen(shape, problems diag.List) diag.List {
	if len(shape) == 0 {
		return nil
	}
	// An empty path is the whole document: it says nothing about a place.
	type place struct{ file, path string }
	seen, at := make(map[place]bool, len(problems)), make(map[diag.Span]bool, len(problems))
	for _, d := range problems {
		seen[place{d.Span.File, d.Path}] = true
		at[d.Span] = d.Span.Start.IsValid()
	}
	return slices.DeleteFunc(shape, func(d diag.Diagnostic) bool { return d.Path != "" && (seen[place{d.Span.File, d.Path}] || at[d.Span]) })
}

// onlyIgnorable reports whether all that is wrong with a file is that it is no capability. The
// content of a file of sections is the business of those who import it.
func onlyIgnorable(problems diag.List) bool {
	if isSection(problems) {
		return true
	}
	for _, d := range problems {
		if d.Severity == diag.Error && d.Code != diag.CodeNotACapability {
			return false
		}
	}
	return true
}

func isSection(problems diag.List) bool {
	return slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.Code == diag.CodeSection })
}

// diagnostics gives the problems of the file. What makes a file of a folder no capability is
// no error there: nobody said it was one.
func (r *record) diagnostics() diag.List {
	out := slices.Concat(r.current.problems, r.extra)
	if !r.isIgnored() {
		return out
	}
	if isSection(out) {
		out = slices.DeleteFunc(out, func(d diag.Diagnostic) bool { return d.Code != diag.CodeSection })
	}
	for i := range out {
		switch {
		case out[i].Severity != diag.Error:
		case out[i].Code == diag.CodeSection:
			out[i].Severity = diag.Info
		default:
			out[i].Severity = diag.Warning
		}
	}
	return out
}

func stale(id, file string) diag.Diagnostic {
	return diag.Diagnostic{
		Code: diag.CodeStale, Severity: diag.Warning,
		Span: diag.Span{File: file}, Unit: diag.Unit{Doc: id},
		Message: "the last good state of this document is still served",
		Hint:    "mend its errors and reload",
	}
}

func internal(src *source) diag.Diagnostic {
	return diag.Diagnostic{
		Code: diag.CodeInternal, Severity: diag.Error,
		Span: diag.Span{File: src.file}, Unit: diag.Unit{Doc: src.id},
		Message: "capd failed while compiling this document; this is a fault of capd, not of the document",
		Hint:    "please report it, with the document if it may be shown",
	}
}

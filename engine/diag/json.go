package diag

import (
	"encoding/json"
	"io"
)

// jsonVersion is the version of what WriteJSON writes. Fields may be added within one.
const jsonVersion = 1

type jsonReport struct {
	Version  int           `json:"version"`
	Summary  jsonSummary   `json:"summary"`
	Findings []jsonFinding `json:"findings"`
}

// jsonSummary counts findings, and files that have any.
type jsonSummary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Infos    int `json:"infos"`
	Files    int `json:"files"`
}

type jsonFinding struct {
	Code     Code          `json:"code"`
	Severity Severity      `json:"severity"`
	Span     jsonSpan      `json:"span"`
	Path     string        `json:"path,omitempty"`
	Unit     Unit          `json:"unit,omitzero"`
	Rule     string        `json:"rule,omitempty"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	Related  []jsonRelated `json:"related,omitempty"`
	Fixes    []jsonEdit    `json:"fixes,omitempty"`
}

type jsonSpan struct {
	File  string   `json:"file,omitempty"`
	Start *jsonPos `json:"start,omitempty"`
	End   *jsonPos `json:"end,omitempty"`
}

type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

type jsonRelated struct {
	Span    jsonSpan `json:"span"`
	Message string   `json:"message"`
}

type jsonEdit struct {
	Span jsonSpan `json:"span"`
	New  string   `json:"new"`
}

// WriteJSON writes one object: a version, a summary and every field of every finding. Lines
// and columns count from 1, columns in code points. The error is the writer's.
func WriteJSON(w io.Writer, l List) error {
	r := jsonReport{Version: jsonVersion, Findings: make([]jsonFinding, 0, len(l))}
	files := make(map[string]bool)
	for i := range l {
		r.Findings = append(r.Findings, toJSON(&l[i]))
		if f := l[i].Span.File; f != "" {
			files[f] = true
		}
	}
	r.Summary = jsonSummary{Errors: l.Count(Error), Warnings: l.Count(Warning), Infos: l.Count(Info), Files: len(files)}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func toJSON(d *Diagnostic) jsonFinding {
	f := jsonFinding{
		Code: d.Code, Severity: d.Severity, Span: spanJSON(d.Span), Path: d.Path, Unit: d.Unit, Rule: d.Rule,
		Message: d.Message, Hint: d.Hint,
	}
	for _, r := range d.Related {
		f.Related = append(f.Related, jsonRelated{spanJSON(r.Span), r.Message})
	}
	for _, e := range d.Fixes {
		f.Fixes = append(f.Fixes, jsonEdit{spanJSON(e.Span), e.New})
	}
	return f
}

func spanJSON(s Span) jsonSpan { return jsonSpan{s.File, posJSON(s.Start), posJSON(s.End)} }

func posJSON(p Pos) *jsonPos {
	if !p.IsValid() {
		return nil
	}
	return &jsonPos{p.Line, p.Col}
}

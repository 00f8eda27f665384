package diag

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
)

// SARIFOptions say how [WriteSARIF] writes.
type SARIFOptions struct {
	// Version is capd's own, for people.
	Version string
}

// WriteSARIF writes a SARIF log (OASIS SARIF 2.1.0). Columns count code points, and the log
// says so. Names of files are relative to the root of the sources unless they are absolute.
// A file that could not be read at all stands among the tool's notifications too. The error
// is the writer's.
func WriteSARIF(w io.Writer, l List, o SARIFOptions) error {
	s := sarifRun{rules: make(map[Code]int), seen: make(map[string]int)}
	run := sarifLogRun{
		Tool:       sarifTool{Driver: sarifDriver{Name: "capd", Version: o.Version}},
		ColumnKind: "unicodeCodePoints",
		Results:    make([]sarifResult, 0, len(l)),
	}
	notifications := []sarifNotification{}
	for i := range l {
		run.Results = append(run.Results, s.result(&l[i]))
		if l[i].Code.unreadable() {
			notifications = append(notifications, s.notification(&l[i]))
		}
	}
	run.Tool.Driver.Rules = s.described()
	run.Invocations = []sarifInvocation{{ExecutionSuccessful: true, Notifications: notifications}}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifLogRun{run}})
}

// unreadable reports whether a finding means that the file could not be looked into.
func (c Code) unreadable() bool {
	switch c {
	case CodeYAML, CodeTruncatedYAML, CodeEncoding, CodeTooLarge, CodeUnreadable, CodeInternal:
		return true
	}
	return false
}

// sarifRun holds what the results of one run share.
type sarifRun struct {
	rules map[Code]int // index of codes
	codes []Code
	seen  map[string]int // how often a fingerprint was there
}

func (s *sarifRun) rule(c Code) int {
	i, ok := s.rules[c]
	if !ok {
		i = len(s.codes)
		s.rules[c] = i
		s.codes = append(s.codes, c)
	}
	return i
}

func (s *sarifRun) result(d *Diagnostic) sarifResult {
	fingerprint := d.Fingerprint()
	s.seen[fingerprint]++
	r := sarifResult{
		RuleID: d.Code, RuleIndex: s.rule(d.Code), Level: sarifLevel(d.Severity),
		Message:      sarifText{d.Text()},
		Locations:    sarifLocations(d),
		Fingerprints: map[string]string{"capdFinding/v1": fingerprint + ":" + strconv.Itoa(s.seen[fingerprint])},
		Fixes:        sarifFixes(d),
	}
	known := make(map[Related]bool, len(d.Related))
	for _, x := range d.Related {
		if known[x] || x.Span.File == "" {
			continue
		}
		known[x] = true
		r.Related = append(r.Related, sarifLocation{
			ID: len(r.Related) + 1, Message: &sarifText{x.Message}, Physical: sarifPhysicalOf(x.Span),
		})
	}
	return r
}

func (s *sarifRun) notification(d *Diagnostic) sarifNotification {
	return sarifNotification{
		Level: sarifLevel(d.Severity), Message: sarifText{d.Text()}, Locations: sarifLocations(d),
		Rule: sarifRuleReference{ID: d.Code, Index: s.rule(d.Code)},
	}
}

// described gives the rules that results name, in the order of their indices.
func (s *sarifRun) described() []sarifRule {
	rules := make([]sarifRule, 0, len(s.codes))
	for _, c := range s.codes {
		r := sarifRule{ID: c}
		if p, ok := PageOf(c); ok {
			r.Short = &sarifText{p.Summary}
			r.Help = &sarifMarkdown{Text: p.Body, Markdown: p.Body}
			if p.Body == "" {
				r.Help = &sarifMarkdown{Text: p.Summary, Markdown: p.Summary}
			}
		}
		rules = append(rules, r)
	}
	return rules
}

func sarifLevel(s Severity) string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}

func sarifLocations(d *Diagnostic) []sarifLocation {
	if d.Span.File == "" {
		return nil
	}
	l := sarifLocation{Physical: sarifPhysicalOf(d.Span)}
	if d.Path != "" {
		l.Logical = []sarifLogical{{FullyQualifiedName: d.Path, Kind: "member"}}
	}
	return []sarifLocation{l}
}

// sarifPhysicalOf gives a place. What speaks of a whole file stands at its first line, since
// code scanning shows nothing without a line.
func sarifPhysicalOf(s Span) *sarifPhysical {
	return &sarifPhysical{Artifact: sarifArtifactOf(s.File), Region: sarifRegionOf(s)}
}

func sarifRegionOf(s Span) sarifRegion {
	if !s.Start.IsValid() {
		return sarifRegion{StartLine: 1}
	}
	return sarifRegion{StartLine: s.Start.Line, StartColumn: s.Start.Col, EndLine: s.End.Line, EndColumn: s.End.Col}
}

// sarifArtifactOf gives a file as a URI (RFC 3986).
func sarifArtifactOf(file string) sarifArtifact {
	name := filepath.ToSlash(file)
	if !filepath.IsAbs(file) {
		return sarifArtifact{URI: (&url.URL{Path: name}).String(), Base: "%SRCROOT%"}
	}
	if name[0] != '/' { // a volume such as C:
		name = "/" + name
	}
	return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: name}).String()}
}

// sarifFixes gives the edits of a finding, which belong together, as one fix.
func sarifFixes(d *Diagnostic) []sarifFix {
	if len(d.Fixes) == 0 {
		return nil
	}
	var f sarifFix
	if d.Hint != "" {
		f.Description = &sarifText{d.Hint}
	}
	index := make(map[string]int)
	for _, e := range d.Fixes {
		i, ok := index[e.Span.File]
		if !ok {
			i = len(f.Changes)
			index[e.Span.File] = i
			f.Changes = append(f.Changes, sarifChange{Artifact: sarifArtifactOf(e.Span.File)})
		}
		r := sarifReplacement{Deleted: sarifRegionOf(e.Span)}
		if e.New != "" {
			r.Inserted = &sarifText{e.New}
		}
		f.Changes[i].Replacements = append(f.Changes[i].Replacements, r)
	}
	return []sarifFix{f}
}

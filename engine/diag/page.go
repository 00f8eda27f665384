package diag

import (
	"embed"
	"slices"
	"strings"
)

// pages holds one page for each code, named after it.
//
//go:embed pages/*.md
var pages embed.FS

// Page explains a code: what it means, why capd says it, and how to do without. Example
// documents of several files stand in one text, each file under a line "-- name --".
type Page struct {
	Code     Code
	Severity Severity // the worst that the code comes with
	Refuses  string   // what is not served because of it; "nothing" for advice
	Summary  string   // one line, lower case, without a full stop
	// Situation says what must be the case beside the text of a document; empty when the
	// text alone decides.
	Situation string
	Body      string // reasons, in Markdown
	// Bad is a document with the problem, Says what capd reports of it, and Good is the
	// document mended. Bad and Good are empty where no document shows the problem.
	Bad, Says, Good string
}

// Codes gives every code that has a page, sorted. Every code has one.
func Codes() []Code {
	entries, err := pages.ReadDir("pages")
	if err != nil {
		return nil // the folder is part of the program
	}
	codes := make([]Code, 0, len(entries))
	for _, e := range entries {
		codes = append(codes, Code(strings.TrimSuffix(e.Name(), ".md")))
	}
	slices.Sort(codes) // "truncated.md" stands behind "truncated-yaml.md"
	return codes
}

// Summary gives what the code means in one line, or "" for an unknown one.
func (c Code) Summary() string {
	p, _ := PageOf(c)
	return p.Summary
}

// PageOf gives the page of a code. It reports false for a code without one.
func PageOf(c Code) (Page, bool) {
	text, err := pages.ReadFile("pages/" + string(c) + ".md")
	if err != nil {
		return Page{}, false
	}
	head, body, ok := strings.Cut(strings.TrimPrefix(string(text), "---\n"), "\n---\n")
	if !ok {
		return Page{}, false
	}
	p := Page{Code: c}
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		p.set(key, value)
	}
	p.Body, _, _ = strings.Cut(body, "\n## ")
	p.Body = strings.TrimSpace(p.Body)
	p.Bad, p.Says, p.Good = section(body, "Wrong"), section(body, "What capd says"), section(body, "Right")
	return p, p.Severity != 0 && p.Summary != ""
}

// set reads one line of the page's head.
func (p *Page) set(key, value string) {
	switch key {
	case "summary":
		p.Summary = value
	case "refuses":
		p.Refuses = value
	case "situation":
		p.Situation = value
	case "severity":
		for s := Error; s <= Info; s++ {
			if s.String() == value {
				p.Severity = s
			}
		}
	}
}

// section gives the code block below a heading, or "".
func section(body, heading string) string {
	_, rest, ok := strings.Cut(body, "\n## "+heading+"\n")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	_, rest, ok = strings.Cut(rest, "```")
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, "\n") // the name of the language
	block, _, ok := strings.Cut(rest, "\n```")
	if !ok {
		return ""
	}
	return block + "\n"
}

package diag

import (
	"fmt"
	"slices"
	"strings"
)

// IgnoreMark begins a comment that hides a finding: "# capd:ignore CODE reason".
const IgnoreMark = "capd:ignore"

// Ignore is a comment of a document that hides findings of the line it stands on, or of the
// next one when it stands alone.
type Ignore struct {
	Span   Span // of the comment
	Doc    string
	Line   int  // the line whose findings are hidden
	First  bool // Line is the first of the file: findings about the whole file are hidden too
	Codes  []Code
	Reason string
}

// ParseIgnore reads what stands behind [IgnoreMark]: codes separated by commas, and a reason.
func ParseIgnore(text string) (codes []Code, reason string) {
	words := strings.TrimSpace(text)
	list, reason, _ := strings.Cut(words, " ")
	for word := range strings.SplitSeq(strings.TrimRight(list, ":,"), ",") {
		if word != "" {
			codes = append(codes, Code(word))
		}
	}
	return codes, strings.TrimLeft(reason, " \t-–—:")
}

// Ignoring gives l without the findings that comments hide, and with what is wrong with the
// comments themselves: one that has no reason or an unknown code hides nothing, and one that
// found nothing to hide is advice to remove it. The result is sorted.
func (l List) Ignoring(comments []Ignore) List {
	if len(comments) == 0 {
		return l
	}
	g := ignorer{at: make(map[ignorePlace][]int)}
	for i := range comments {
		g.add(&comments[i])
	}
	out := make(List, 0, len(l))
	for i := range l {
		if !g.hides(&l[i]) {
			out.Add(l[i])
		}
	}
	for i := range g.ignores {
		if x := &g.ignores[i]; !x.used && !dependsOnSurroundings(x.code) {
			out.Add(x.comment.finding(CodeUnusedIgnore, Info,
				fmt.Sprintf("this comment hides nothing: the line has no finding %s", x.code), "remove the comment"))
		}
	}
	out = append(out, g.faults...)
	out.Sort()
	return out
}

// ignorePlace is a line of a file; line 0 is the whole file.
type ignorePlace struct {
	file string
	line int
}

// ignore is one code of a comment.
type ignore struct {
	comment *Ignore
	code    Code
	used    bool
}

type ignorer struct {
	ignores []ignore
	at      map[ignorePlace][]int // index of ignores
	faults  List
}

func (g *ignorer) add(c *Ignore) {
	if message, hint := c.fault(); message != "" {
		g.faults.Add(c.finding(CodeIgnoreComment, Warning, message, hint))
		return
	}
	places := []ignorePlace{{c.Span.File, c.Line}}
	if c.First {
		places = append(places, ignorePlace{c.Span.File, 0})
	}
	for _, code := range c.Codes {
		for _, p := range places {
			g.at[p] = append(g.at[p], len(g.ignores))
		}
		g.ignores = append(g.ignores, ignore{comment: c, code: code})
	}
}

func (g *ignorer) hides(d *Diagnostic) bool {
	hidden := false
	for _, i := range g.at[ignorePlace{d.Span.File, d.Span.Start.Line}] {
		if g.ignores[i].code == d.Code {
			g.ignores[i].used, hidden = true, true
		}
	}
	return hidden
}

// fault says why a comment hides nothing, or "".
func (c *Ignore) fault() (message, hint string) {
	const form = "write # " + IgnoreMark + " CODE reason"
	if len(c.Codes) == 0 {
		return "an ignore comment without a code", form
	}
	known := Codes()
	for _, code := range c.Codes {
		if !slices.Contains(known, code) {
			return fmt.Sprintf("%q is no code of a finding", string(code)), suggest(code, known)
		}
	}
	if c.Reason == "" {
		return "an ignore comment without a reason hides nothing", form
	}
	return "", ""
}

// suggest says which code was probably meant.
func suggest(code Code, known []Code) string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	if near, ok := Nearest(string(code), names); ok {
		return "did you mean " + near + "?"
	}
	return "'capd explain' lists all codes"
}

func (c *Ignore) finding(code Code, s Severity, message, hint string) Diagnostic {
	return Diagnostic{Code: code, Severity: s, Span: c.Span, Unit: Unit{Doc: c.Doc}, Message: message, Hint: hint}
}

// dependsOnSurroundings reports whether a finding comes and goes with the environment or with
// the files beside, so that an ignore of it may be right although it hides nothing now.
func dependsOnSurroundings(c Code) bool {
	switch c {
	case CodeMissingVariable, CodeDuplicateID, CodeShadowedAddress, CodeRouteConflict, CodeListen, CodeStale, CodeSpecAddress, CodeView:
		return true
	}
	return false
}

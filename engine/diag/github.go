package diag

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// maxNotes is how many related places stand below a problem where people read.
const maxNotes = 6

// WriteGitHub writes one workflow command of GitHub Actions for each finding, which shows it
// at its line. Every command has a file and a line: one about a whole file stands at line 1.
// The error is the writer's.
func WriteGitHub(w io.Writer, l List) error {
	b := bufio.NewWriter(w)
	for i := range l {
		d := &l[i]
		fmt.Fprintf(b, "::%s %stitle=%s::%s\n", githubCommand(d.Severity), githubPlace(d.Span), githubProperty(string(d.Code)), githubData(githubText(d)))
	}
	return b.Flush()
}

func githubCommand(s Severity) string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "notice"
}

// githubPlace gives the properties that place a finding. Columns may only be given for a span
// within one line.
func githubPlace(s Span) string {
	if s.File == "" {
		return ""
	}
	place := "file=" + githubProperty(filepath.ToSlash(s.File)) + ","
	switch {
	case !s.Start.IsValid():
		return place + "line=1,"
	case s.End.Line > s.Start.Line:
		return place + fmt.Sprintf("line=%d,endLine=%d,", s.Start.Line, s.End.Line)
	case s.End.Line == s.Start.Line:
		return place + fmt.Sprintf("line=%d,col=%d,endColumn=%d,", s.Start.Line, s.Start.Col, s.End.Col)
	}
	return place + fmt.Sprintf("line=%d,col=%d,", s.Start.Line, s.Start.Col)
}

// githubText is the message with related places below.
func githubText(d *Diagnostic) string {
	lines := []string{Printable(d.Text())}
	for _, r := range notes(d.Related) {
		lines = append(lines, Printable(r.String()))
	}
	return strings.Join(lines, "\n")
}

// githubData escapes the text of a command.
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// githubProperty escapes a property of a command.
func githubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

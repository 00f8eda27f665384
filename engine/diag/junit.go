package diag

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"
)

// JUnitOptions say how [WriteJUnit] writes.
type JUnitOptions struct {
	// Files are all files that were looked at; those without a finding pass.
	Files []string
	// FailOn is the least severity that fails a case. The zero Severity fails none.
	FailOn Severity
}

type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitFailure `xml:"failure"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes a JUnit report: a suite for each file, in it a case for each code that
// was found, or one case that passes. A case whose findings are all below FailOn passes and
// has them as its output. The error is the writer's.
func WriteJUnit(w io.Writer, l List, o JUnitOptions) error {
	files, byFile := filesOf(l, o.Files)
	r := junitReport{Name: "capd"}
	for _, f := range files {
		s := o.suite(f, byFile[f])
		r.Tests += s.Tests
		r.Failures += s.Failures
		r.Suites = append(r.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// filesOf gives the files in the order given, those that only findings name behind them.
func filesOf(l List, files []string) ([]string, map[string]List) {
	order := make([]string, 0, len(files))
	byFile := make(map[string]List, len(files))
	add := func(f string) {
		if _, ok := byFile[f]; !ok {
			byFile[f] = nil
			order = append(order, f)
		}
	}
	for _, f := range files {
		add(f)
	}
	for i := range l {
		f := l[i].Span.File
		add(f)
		byFile[f] = append(byFile[f], l[i])
	}
	return order, byFile
}

func (o *JUnitOptions) suite(file string, l List) junitSuite {
	s := junitSuite{Name: file}
	byCode := make(map[Code]List)
	var codes []Code
	for i := range l {
		c := l[i].Code
		if byCode[c] == nil {
			codes = append(codes, c)
		}
		byCode[c] = append(byCode[c], l[i])
	}
	for _, c := range codes {
		s.add(o.testcase(file, string(c), byCode[c]))
	}
	if len(codes) == 0 {
		s.add(junitCase{Name: "valid", Class: file, File: file})
	}
	return s
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
}

func (o *JUnitOptions) testcase(file, code string, l List) junitCase {
	c := junitCase{Name: code, Class: file, File: file, Line: l[0].Span.Start.Line}
	var text strings.Builder
	// A strings.Builder never fails.
	_ = WriteText(&text, l, TextOptions{})
	if l.AtLeast(o.FailOn) == 0 {
		c.Output = text.String()
		return c
	}
	worst := l[0]
	for _, d := range l {
		if d.Severity < worst.Severity {
			worst = d
		}
	}
	c.Failure = &junitFailure{Message: Printable(worst.Text()), Type: worst.Severity.String(), Text: text.String()}
	if n := len(l); n > 1 {
		c.Failure.Message += " (and " + strconv.Itoa(n-1) + " more)"
	}
	return c
}

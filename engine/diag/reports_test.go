package diag_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"capd/engine/diag"
)

// reported are problems with everything the machine formats must carry.
func reported() diag.List {
	list, _ := samples()
	in := func(file string, d diag.Diagnostic) diag.Diagnostic {
		d.Span.File = file
		return d
	}
	fixed := diag.Diagnostic{
		Code: diag.CodePathParamWithoutSlot, Severity: diag.Error, Span: at(3, 2, 8), Path: "capability.consumes[0].resources[0]",
		Unit: diag.Unit{Doc: "f", Adapter: "rooms", Name: "get-room"}, Rule: "C6b",
		Message: "100% wrong, see a:b", Hint: "write path: /rooms/{id}",
		Fixes: []diag.Edit{{Span: at(3, 8, 8), New: "/{id}"}, {Span: at(4, 1, 5)}},
	}
	for i := range 9 {
		fixed.Related = append(fixed.Related, diag.Related{Span: at(10+i, 1, 2), Message: "tool is not served"})
	}
	fixed.Related = append(fixed.Related, fixed.Related[0])
	list = append(list,
		fixed,
		in("a b/ü,:%\r\n.yaml", diag.Diagnostic{Code: diag.CodeAssumed, Severity: diag.Info, Span: at(1, 1, 2), Message: "a name that is hard to write: \x00\uffff"}),
		in("/srv/specs/c.yaml", diag.Diagnostic{Code: diag.CodeYAML, Severity: diag.Error, Span: at(2, 1, 0), Message: "elsewhere"}),
		in("x:y.yaml", diag.Diagnostic{Code: diag.CodeAssumed, Severity: diag.Warning, Span: at(2, 1, 0), Message: "no scheme"}),
	)
	return list
}

func TestWriteGitHub(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := diag.WriteGitHub(&b, reported()); err != nil {
		t.Fatal(err)
	}
	golden(t, "github.txt", b.Bytes())
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != len(reported()) {
		t.Errorf("%d lines for %d findings", len(lines), len(reported()))
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\x00") {
			t.Errorf("a control character is left: %q", line)
		}
		if strings.Contains(line, "file=") && !strings.Contains(line, ",line=") {
			t.Errorf("no line: %q", line)
		}
	}
}

func TestWriteSARIF(t *testing.T) {
	t.Parallel()
	raw, err := os.Open("testdata/sarif-2.1.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:sarif", raw); err != nil {
		t.Fatal(err)
	}
	c.AssertFormat = true
	schema, err := c.Compile("mem:sarif")
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string]diag.List{"sarif.json": reported(), "sarif-none.json": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := diag.WriteSARIF(&b, list, diag.SARIFOptions{Version: "1.2.3"}); err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(b.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("%#v", err)
			}
			golden(t, name, withoutHelp(t, b.Bytes()))
		})
	}
}

// withoutHelp takes the text of pages out, which change by themselves.
func withoutHelp(t *testing.T, log []byte) []byte {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(log, &v); err != nil {
		t.Fatal(err)
	}
	driver := v["runs"].([]any)[0].(map[string]any)["tool"].(map[string]any)["driver"].(map[string]any)
	for _, r := range driver["rules"].([]any) {
		rule := r.(map[string]any)
		short := rule["shortDescription"].(map[string]any)["text"]
		help := rule["help"].(map[string]any)
		if short == "" || help["text"] == "" || help["markdown"] == "" {
			t.Errorf("rule %v has no help", rule["id"])
		}
		delete(rule, "help")
		delete(rule, "shortDescription")
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// junitFile is what a reader of JUnit reports looks at.
type junitFile struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Type string `xml:"type,attr"`
				Text string `xml:",chardata"`
			} `xml:"failure"`
			Output string `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestWriteJUnit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		failOn   diag.Severity
		failures int
	}{{diag.Error, 6}, {diag.Warning, 9}, {diag.Info, 11}, {0, 0}} {
		var b bytes.Buffer
		o := diag.JUnitOptions{Files: []string{"clean.yaml", "f.yaml"}, FailOn: tt.failOn}
		if err := diag.WriteJUnit(&b, reported(), o); err != nil {
			t.Fatal(err)
		}
		var got junitFile
		if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var files []string
		tests, failures := 0, 0
		for _, s := range got.Suites {
			files = append(files, s.Name)
			failed := 0
			for _, c := range s.Cases {
				if c.Failure != nil {
					failed++
				} else if c.Name != "valid" && !strings.Contains(c.Output, "["+c.Name+"]") {
					t.Errorf("%s does not say what was found: %q", c.Name, c.Output)
				}
			}
			if s.Tests != len(s.Cases) || s.Failures != failed {
				t.Errorf("suite %s counts %d tests and %d failures, has %d and %d", s.Name, s.Tests, s.Failures, len(s.Cases), failed)
			}
			tests, failures = tests+len(s.Cases), failures+failed
		}
		if got.Tests != tests || got.Failures != failures || failures != tt.failures {
			t.Errorf("fail on %d: counts %d tests and %d failures, has %d and %d, want %d", tt.failOn, got.Tests, got.Failures, tests, failures, tt.failures)
		}
		if want := []string{"clean.yaml", "f.yaml", "g.yaml"}; !slices.Equal(files[:3], want) {
			t.Errorf("suites %q, want %q first", files, want)
		}
		if c := got.Suites[0].Cases; len(c) != 1 || c[0].Name != "valid" || c[0].Failure != nil {
			t.Errorf("the clean file is no passing case: %+v", c)
		}
		if tt.failOn == diag.Error {
			golden(t, "junit.xml", b.Bytes())
		}
	}
}

// TestReportsAreStable: equal lists give equal bytes.
func TestReportsAreStable(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"sarif":  func(b *bytes.Buffer) error { return diag.WriteSARIF(b, reported(), diag.SARIFOptions{}) },
		"junit":  func(b *bytes.Buffer) error { return diag.WriteJUnit(b, reported(), diag.JUnitOptions{}) },
		"github": func(b *bytes.Buffer) error { return diag.WriteGitHub(b, reported()) },
		"base":   func(b *bytes.Buffer) error { return diag.NewBaseline(reported()).Write(b) },
	} {
		var first, second bytes.Buffer
		if err := write(&first); err != nil {
			t.Fatal(err)
		}
		if err := write(&second); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s differs between two runs", name)
		}
	}
}

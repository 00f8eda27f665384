package spec_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
)

// TestY1: scalars are read by the YAML 1.2 core schema, and keep their text.
func TestY1(t *testing.T) {
	t.Parallel()
	doc, list := spec.Parse("a.yaml", []byte(`naftiko: 1.0.0-alpha2
info: {label: on}
capability:
  exposes:
  - type: mcp
    namespace: no
    port: 9090
    tools:
    - name: 2015-02-01
      call: yes
      with: {a: true, b: yes, c: 1.10, d: 2015-02-01, e: off, f: 12345678901234567890, g: ~}
`), spec.Limits{})
	if doc == nil || len(list) > 0 {
		t.Fatal(list)
	}
	tool := &doc.Exposes[0].Tools[0]
	if got := doc.Label.Value + " " + doc.Exposes[0].Namespace.Value + " " + tool.Name.Value + " " + tool.Call.Text; got != "on no 2015-02-01 yes" {
		t.Errorf("texts are read as %s", got)
	}
	if got, want := string(tool.With.JSON()), `{"a":true,"b":"yes","c":1.10,"d":"2015-02-01","e":"off","f":12345678901234567890,"g":null}`; got != want {
		t.Errorf("with is %s, want %s", got, want)
	}
}

// TestL1: a text that does not parse is refused; when its publisher cut it off, the finding
// says so and names the full text.
func TestL1(t *testing.T) {
	t.Parallel()
	const broken = "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: re\n    na"
	const mark = "\n# --- truncated at 32 KB (46 KB total) ---\n# Full source: https://example.test/full.yaml\n"
	for text, want := range map[string]struct {
		code diag.Code
		hint string
	}{
		broken:        {diag.CodeYAML, ""},
		broken + mark: {diag.CodeTruncatedYAML, "https://example.test/full.yaml"},
	} {
		doc, list := spec.Parse("a.yaml", []byte(text), spec.Limits{})
		if doc != nil || len(list) != 1 || list[0].Code != want.code || list[0].Severity != diag.Error || !strings.Contains(list[0].Message+list[0].Hint, want.hint) {
			t.Errorf("got %v, want %s naming %q", list, want.code, want.hint)
		}
	}
}

// TestL2: a capability document is a mapping with a version and a mapping capability; other
// versions than known ones warn.
func TestL2(t *testing.T) {
	t.Parallel()
	const rest = "\ncapability: {exposes: []}\n"
	for text, want := range map[string]string{
		"naftiko: 1.0.0-alpha2" + rest:             "",
		"ikanos: 1.0.0-beta5" + rest:               "",
		"naftiko: 1.0.0-alpha1" + rest:             "",
		"naftiko: 9.9" + rest:                      "warning version",
		"naftiko: {version: 1.0.0-alpha1}" + rest:  "error not-a-capability",
		"apiVersion: v1\nkind: Thing\n":            "error not-a-capability",
		"- a\n- b\n":                               "error not-a-capability",
		"just text\n":                              "error not-a-capability",
		"naftiko: 1.0.0-alpha2\n":                  "error not-a-capability",
		"naftiko: 1.0.0-alpha2\ncapability: [a]\n": "error not-a-capability",
		"naftiko: 1.0.0-alpha2\nconsumes: [{type: http, namespace: x, baseUri: https://x.test, resources: []}]\n": "error standalone-section",
	} {
		doc, list := spec.Parse("a.yaml", []byte(text), spec.Limits{})
		var got []string
		for _, d := range list {
			got = append(got, d.Severity.String()+" "+string(d.Code))
		}
		if strings.Join(got, ", ") != want || (doc == nil) != strings.HasPrefix(want, "error") {
			t.Errorf("%q gives %v, want %q", text, list, want)
		}
	}
}

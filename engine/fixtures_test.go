package engine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"capd/engine/diag"
)

// fixtures is where example documents of the language may lie beside a checkout.
const fixtures = "../../shared/fixtures"

// fixture gives the path of a fixture, and skips the test without one.
func fixture(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(fixtures, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skip("the fixtures are not beside the checkout")
	}
	return path
}

// TestImportFixtures: the documents about imports are refused for what they are about.
func TestImportFixtures(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]diag.Code{
		"import-missing-fields.yaml":        {diag.CodeImportForm, diag.CodeImportForm},
		"import-from-self.yaml":             {diag.CodeImportForm},
		"import-duplicate-alias.yaml":       {diag.CodeImportUnreadable, diag.CodeImportUnreadable, diag.CodeImportDuplicate},
		"standalone-with-imports.yaml":      {diag.CodeSection, diag.CodeImportChain},
		"exposes-namespace-missing.yaml":    {diag.CodeSection, diag.CodeImportForm},
		"aggregates-namespace-missing.yaml": {diag.CodeSection, diag.CodeImportForm},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			got := loaded(t, fixtures, LoadOptions{Paths: []string{fixture(t, "ikanos/spec/imports/"+file)}}, true)
			var codes []diag.Code
			for _, d := range got {
				if slices.Contains(want, d.Code) {
					codes = append(codes, d.Code)
				}
			}
			if !slices.Equal(codes, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestImportSourcesOfFixtures: every section of the source files can be imported, under its own
// name and under another.
func TestImportSourcesOfFixtures(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs(fixture(t, "ikanos/engine/imports"))
	if err != nil {
		t.Fatal(err)
	}
	doc := filepath.Join(t.TempDir(), "doc.yaml")
	place(t, doc, `ikanos: "1.0.0-beta5"
binds:
- { from: `+dir+`/binds/shared.binds.yml, import: weather-secrets }
- { from: `+dir+`/binds/shared.binds.yml, import: geo-secrets, as: secrets }
capability:
  consumes:
  - { from: `+dir+`/consumes/shared.consumes.yml, import: weather-api }
  - { from: `+dir+`/consumes/shared-clients.yml, import: geo-http, as: geo-api }
  aggregates:
  - { from: `+dir+`/aggregates/shared.aggregates.yml, import: forecast }
  - { from: `+dir+`/aggregates/shared.aggregates.yml, import: geo, as: places }
  exposes:
  - { from: `+dir+`/exposes/shared-servers.yml, import: weather-rest }
  - { from: `+dir+`/exposes/shared-servers.yml, import: weather-mcp, as: mcp }
`)
	got, err := Load(t.Context(), LoadOptions{Paths: []string{doc}, AllowPaths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Diagnostics.HasErrors() {
		t.Fatal(got.Diagnostics)
	}
	x := got.Docs[0].Unit.Exposures
	if len(x) != 2 || x[0].Namespace != "weather-rest" || x[1].Namespace != "mcp" || len(x[0].Routes) != 1 || len(x[1].Tools) != 1 ||
		x[0].Routes[0].Operation == nil || x[1].Tools[0].Operation == nil {
		t.Errorf("got %+v", x)
	}
	for name, code := range map[string]diag.Code{"empty-section.consumes.yml": diag.CodeImportUnresolved, "malformed.yml": diag.CodeImportUnresolved} {
		place(t, doc, "ikanos: 1.0.0-beta5\ncapability:\n  consumes: [{ from: "+dir+"/invalid/"+name+", import: a }]\n  exposes: [{ type: mcp, namespace: m, port: 1, tools: { t: { call: a.b } } }]\n")
		list := loaded(t, filepath.Dir(doc), LoadOptions{Paths: []string{doc}, AllowPaths: []string{dir}}, true)
		if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Code == code && d.Severity == diag.Error && len(d.Related) == 1 }) {
			t.Errorf("%s: %v", name, list)
		}
	}
}

package main

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// skillFixture is the published example of a skill adapter, where it lies beside a checkout.
const skillFixture = "../../../shared/fixtures/ikanos/engine/skill-capability.yaml"

// TestSkillFixture: the published example, its folder being below the document's as far as
// the document may look.
func TestSkillFixture(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(skillFixture)
	if err != nil {
		t.Skip("no fixtures beside this checkout")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"skills/order-guide.md": "# Orders\n", "skills/data/orders.json": "{}", "secret.txt": "secret",
		"orders.yaml": strings.ReplaceAll(string(text), "file:///tmp/ikanos-test-skills/order-management", "file://"+dir+"/skills"),
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.txt", filepath.Join(dir, "skills", "link.txt")); err != nil {
		t.Fatal(err)
	}
	i := start(t, nil, filepath.Join(dir, "orders.yaml"))
	if len(i.report.Diagnostics) > 0 {
		t.Errorf("%+v", i.report.Diagnostics)
	}
	const details = `{"name":"order-management","description":"Tools for managing orders","argument-hint":"Use for order operations","allowed-tools":"list-orders","tools":[` +
		`{"name":"list-orders","description":"List all orders in the system","type":"derived","invocationRef":{"targetNamespace":"orders-rest","action":"list-orders","mode":"rest"}},` +
		`{"name":"order-guide","description":"Guide for working with orders","type":"instruction","instruction":"order-guide.md"}]}`
	const catalogue = `{"count":2,"skills":[{"name":"order-management","description":"Tools for managing orders","tools":["list-orders","order-guide"]},` +
		`{"name":"onboarding-guide","description":"A purely descriptive skill with no tools","tools":[]}]}`
	for path, want := range map[string]string{
		"/skills":                                          catalogue,
		"/skills/orders":                                   catalogue,
		"/skills/order-management":                         details,
		"/skills/orders/order-management":                  details,
		"/skills/onboarding-guide":                         `{"name":"onboarding-guide","description":"A purely descriptive skill with no tools","tools":[]}`,
		"/skills/order-management/contents/order-guide.md": "# Orders",
		"/skills/order-management/contents": `{"name":"order-management","files":[{"path":"data/orders.json","size":2,"type":"application/json"},` +
			`{"path":"order-guide.md","size":9,"type":"text/markdown"}]}`,
	} {
		got := knock(t, "GET", i.url+path)
		if got.Status != 200 || strings.TrimSpace(got.Body) != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", path, got.Status, got.Body, want)
		}
	}
	for path, want := range map[string]int{
		"/skills/none": 404, "/skills/onboarding-guide/contents": 404, "/skills/onboarding-guide/download": 404,
		"/skills/order-management/contents/none.md": 404, "/skills/order-management/contents/data": 404,
		"/skills/order-management/contents/link.txt": 400, "/skills/order-management/contents/%2e%2e/secret.txt": 400,
		"/skills/order-management/contents/..%2fsecret.txt": 400,
	} {
		if got := knock(t, "GET", i.url+path); got.Status != want || strings.Contains(got.Body, dir) {
			t.Errorf("%s: %d %s, want %d", path, got.Status, got.Body, want)
		}
	}
	got := knock(t, "GET", i.url+"/skills/order-management/download")
	z, err := zip.NewReader(strings.NewReader(got.Body), int64(len(got.Body)))
	if err != nil {
		t.Fatalf("%d %v: %v", got.Status, got.Header, err)
	}
	var names []string
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name+"="+strings.TrimSpace(string(content)))
	}
	if want := []string{"data/orders.json={}", "order-guide.md=# Orders"}; !slices.Equal(names, want) {
		t.Errorf("the archive has %q, want %q", names, want)
	}
}

// TestTutorialSkills: the skill groups of the tutorial, in both forms of the language. Its
// secrets are left in the environment, and unset: the catalogue calls nobody.
func TestTutorialSkills(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"ikanos/docs-tutorial", "naftiko-alpha2/main-tutorial"} {
		for _, step := range []string{"step-8-shipyard-skill-groups", "step-10-shipyard-rest-adapter", "step-11-shipyard-fleet-manifest"} {
			from := filepath.Join("../../../shared/fixtures", folder)
			text, err := os.ReadFile(filepath.Join(from, step+".yml"))
			if err != nil {
				t.Skip("no fixtures beside this checkout")
			}
			t.Run(folder+"/"+step, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, step+".yml")
				text := strings.ReplaceAll(string(text), `location: "file:///./shared/secrets.yaml"`, "")
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				i := start(t, nil, "--stub", file)
				voyages := `"create-voyage"`
				if step == "step-11-shipyard-fleet-manifest" {
					voyages += `,"get-voyage-manifest"`
				}
				got := knock(t, "GET", i.url+"/skills").Body
				for _, want := range []string{`{"count":2,"skills":[{"name":"fleet-ops",`, `"tools":["list-ships","get-ship","list-legacy-vessels","get-ship-with-crew"]`, `"name":"voyage-ops"`, `"tools":[` + voyages + `]`} {
					if !strings.Contains(got, want) {
						t.Errorf("the catalogue does not have %s: %s", want, got)
					}
				}
				got = knock(t, "GET", i.url+"/skills/fleet-ops").Body
				if n := strings.Count(got, `"invocationRef":{"targetNamespace":"shipyard-tools",`); n != 4 || strings.Count(got, `"mode":"mcp"`) != 4 {
					t.Errorf("not all four tools are of shipyard-tools: %s", got)
				}
			})
		}
	}
}

// TestReloadOfSkills: a skill that is new is there after the reload, and a broken document
// keeps what it had.
func TestReloadOfSkills(t *testing.T) {
	t.Parallel()
	const head = "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: skill\n    namespace: s\n    port: 1\n    skills:\n"
	file := specFile(t, "desk.yaml", head+"    - name: one\n")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := spawn(t, nil, file)
	status := func(name string, want int) {
		t.Helper()
		if got := knock(t, "GET", p.url+"/skills/desk/"+name); got.Status != want {
			t.Errorf("%s: %d, want %d", name, got.Status, want)
		}
	}
	status("one", 200)
	status("two", 404)
	for _, text := range []string{head + "    - name: two\n", "naftiko: [\n"} {
		write(text)
		p.signal(t, syscall.SIGHUP)
		p.await(t, "reloaded")
		status("one", 404)
		status("two", 200)
	}
}

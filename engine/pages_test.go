package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

var update = flag.Bool("update", false, "rewrite what the pages of codes quote")

// TestEveryCodeHasAPage: no constant is forgotten, and no page is left over.
func TestEveryCodeHasAPage(t *testing.T) {
	t.Parallel()
	tree, err := parser.ParseFile(token.NewFileSet(), "diag/code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []diag.Code
	ast.Inspect(tree, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Code") {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, diag.Code(text))
		}
		return true
	})
	slices.Sort(declared)
	if got := diag.Codes(); !slices.Equal(got, declared) || len(got) < 60 {
		t.Errorf("pages: %v\ncodes: %v", got, declared)
	}
	for _, code := range diag.Codes() {
		p, ok := diag.PageOf(code)
		switch {
		case !ok:
			t.Errorf("the page of %s cannot be read", code)
		case p.Refuses == "" || p.Body == "" || p.Says == "" || code.Summary() != p.Summary:
			t.Errorf("the page of %s lacks a part: %+v", code, p)
		case strings.HasSuffix(p.Summary, ".") || strings.HasSuffix(p.Situation, "."):
			t.Errorf("the lines in the head of the page of %s end with a full stop", code)
		case (p.Bad == "") != (p.Good == "") || p.Bad == "" && p.Situation == "":
			t.Errorf("the page of %s has neither examples nor a situation", code)
		case p.Bad != "" && situations()[code] != nil:
			t.Errorf("the page of %s is tested twice", code)
		}
	}
	if _, ok := diag.PageOf("no/such"); ok {
		t.Error("an unknown code has a page")
	}
}

// TestPages runs the examples of every page: the wrong one is reported as quoted, the right
// one is not.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, code := range diag.Codes() {
		p, _ := diag.PageOf(code)
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			if p.Bad == "" {
				occurs := situations()[code]
				if occurs == nil {
					t.Fatal("its situation is not tested")
				}
				quotes(t, p, occurs(t))
				return
			}
			quotes(t, p, example(t, p.Bad, code != diag.CodeMissingVariable))
			for _, d := range example(t, p.Good, true) {
				if d.Code == code || d.Severity == diag.Error {
					t.Errorf("the right example is reported too: %s", d)
				}
			}
		})
	}
}

// quotes compares what is reported with what the page says, and with its severity.
func quotes(t *testing.T, p diag.Page, list diag.List) {
	t.Helper()
	worst := diag.Severity(0)
	for _, d := range list {
		if d.Code == p.Code && (worst == 0 || d.Severity < worst) {
			worst = d.Severity
		}
		wording(t, d)
	}
	if worst != p.Severity {
		t.Errorf("it is reported as %s, the page says %s: %v", worst, p.Severity, list)
	}
	var b strings.Builder
	if err := diag.WriteText(&b, list, diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != p.Says {
		if !*update {
			t.Errorf("got\n%s\nthe page quotes\n%s", got, p.Says)
			return
		}
		file := filepath.Join("diag", "pages", string(p.Code)+".md")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.Replace(string(text), "```text\n"+p.Says+"```", "```text\n"+got+"```", 1))
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// wording holds what every message keeps to.
func wording(t *testing.T, d diag.Diagnostic) {
	t.Helper()
	for _, text := range []string{d.Message, d.Hint} {
		if strings.HasSuffix(text, ".") || strings.Contains(text, "\n") || text != strings.TrimSpace(text) {
			t.Errorf("%q: no full stop, no line break, no blanks around it", text)
		}
	}
	if d.Message == "" || len(d.Related) > 7 {
		t.Errorf("%+v: a message, and no more than a handful of lines", d)
	}
}

// example loads a document, or a folder of them. Variables have values if set.
func example(t *testing.T, text string, set bool) diag.List {
	t.Helper()
	dir := t.TempDir()
	paths := []string{dir}
	archive := txtar.Parse([]byte(text))
	if len(archive.Files) == 0 { // a document by itself, named as on a command line
		archive.Files = []txtar.File{{Name: "rooms.yaml", Data: []byte(text)}}
		paths[0] = filepath.Join(dir, "rooms.yaml")
	}
	for _, f := range archive.Files {
		place(t, filepath.Join(dir, filepath.FromSlash(f.Name)), string(f.Data))
	}
	return loaded(t, dir, LoadOptions{Paths: paths, HideIgnored: true}, set)
}

func place(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// loaded loads with the real phases and gives what is reported, files named from dir on.
func loaded(t *testing.T, dir string, o LoadOptions, set bool) diag.List {
	t.Helper()
	o.Bind = &plan.BindOptions{
		Look: func(string, *plan.Variable) (plan.Secret, error) {
			if !set {
				return plan.Secret{}, plan.ErrUnset
			}
			return plan.NewSecret("value"), nil
		},
		Upstream: plan.UpstreamFunc(nobody),
	}
	got, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return below(dir, got.Diagnostics)
}

func nobody(context.Context, *plan.Request) (*plan.Response, error) { return nil, nil }

// below gives the findings with files named from dir on.
func below(dir string, list diag.List) diag.List {
	name := func(s *diag.Span, message *string) {
		s.File = strings.TrimPrefix(s.File, dir+"/")
		*message = strings.ReplaceAll(*message, dir+"/", "")
	}
	out := slices.Clone(list)
	for i := range out {
		name(&out[i].Span, &out[i].Message)
		out[i].Related = slices.Clone(out[i].Related)
		for j := range out[i].Related {
			r := &out[i].Related[j]
			name(&r.Span, &r.Message)
		}
	}
	return out
}

// plainDocument is a document without any finding, served at an address.
func plainDocument(host, port string) string {
	return fmt.Sprintf(`naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    resources:
    - path: /rooms
      operations:
      - { name: list-rooms, method: GET }
  exposes:
  - { type: mcp, namespace: rooms-mcp, address: %s, port: %s, tools: [{ name: list-rooms, call: rooms.list-rooms }] }
`, host, port)
}

// situations gives what is reported where no document by itself shows a code.
func situations() map[diag.Code]func(*testing.T) diag.List {
	return map[diag.Code]func(*testing.T) diag.List{
		diag.CodeEncoding:   latin1,
		diag.CodeUnreadable: danglingLink,
		diag.CodeTooMany:    hundredsOfFindings,
		diag.CodeInternal:   fault,
		diag.CodeListen:     portInUse,
		diag.CodeStale:      brokenAfterwards,
		diag.CodeSpelling:   otherWords,
		diag.CodeView:       viewsOfOthers,

		diag.CodePolicy:     beyondThePolicy,
		diag.CodePolicyFile: misspeltPolicy,

		diag.CodeNoCertificates: plainHTTP,

		diag.CodeBindProvider: unknownProvider,
		diag.CodeTokenCost:    manyTools,
		diag.CodeSchemaSize:   longInput,
	}
}

// viewsOfOthers asks for a view of a folder that is spelled differently, and for one of everything
// where one document wants a token.
func viewsOfOthers(t *testing.T) diag.List {
	dir := t.TempDir()
	place(t, filepath.Join(dir, "east", "halls.yaml"), plainDocument("127.0.0.1", "9091"))
	place(t, filepath.Join(dir, "east", "rooms.yaml"), plainDocument("127.0.0.1", "9091"))
	place(t, filepath.Join(dir, "vault.yaml"), strings.Replace(plainDocument("127.0.0.1", "9091"),
		"namespace: rooms-mcp,", "namespace: rooms-mcp, authentication: { type: bearer, token: '{{VAULT_TOKEN}}' },", 1))
	got, err := Load(t.Context(), LoadOptions{Paths: []string{dir}, Link: plan.LinkOptions{
		CombinedMCP: true, Views: []plan.NamedView{{Name: "houses", Selectors: []string{"eats/**"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return below(dir, got.Diagnostics)
}

// beyondThePolicy calls a host that the policy does not allow.
func beyondThePolicy(t *testing.T) diag.List {
	dir := t.TempDir()
	place(t, filepath.Join(dir, "rooms.yaml"), plainDocument("127.0.0.1", "9091"))
	place(t, filepath.Join(dir, "policy.yaml"), "policy: 1\nrules:\n- match: { path: rooms }\n  allow: { hosts: [halls.example.com], ports: [9091] }\n")
	got, err := Load(t.Context(), LoadOptions{Paths: []string{filepath.Join(dir, "rooms.yaml")}, Policy: filepath.Join(dir, "policy.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	return below(dir, got.Diagnostics)
}

// plainHTTP serves a document that wants certificates where nobody is asked for one.
func plainHTTP(t *testing.T) diag.List {
	dir := t.TempDir()
	place(t, filepath.Join(dir, "rooms.yaml"), strings.Replace(plainDocument("127.0.0.1", "9091"),
		"namespace: rooms-mcp,", "namespace: rooms-mcp, authentication: { type: certificate, dnsNames: [billing.example.com] },", 1))
	got, err := Load(t.Context(), LoadOptions{Paths: []string{dir}, Link: plan.LinkOptions{WithoutCertificates: true}})
	if err != nil {
		t.Fatal(err)
	}
	return below(dir, got.Diagnostics)
}

// misspeltPolicy is a policy with a key that there is not.
func misspeltPolicy(t *testing.T) diag.List {
	dir := t.TempDir()
	place(t, filepath.Join(dir, "policy.yaml"), "policy: 1\nrules:\n- match: { paths: team-a/** }\n  allow: { hosts: [api.example.com] }\n")
	_, err := Load(t.Context(), LoadOptions{Paths: []string{dir}, Policy: filepath.Join(dir, "policy.yaml")})
	bad, ok := errors.AsType[*PolicyError](err)
	if !ok {
		t.Fatal(err)
	}
	return below(dir, bad.Diagnostics)
}

// otherWords is what fix asks a document for; no check reports it.
func otherWords(t *testing.T) diag.List {
	doc, list := spec.Parse("rooms.yaml", []byte("naftiko: 1.0.0-alpha2\ncapability:\n  consumes:\n"+
		"  - namespace: rooms\n    baseUri: https://rooms.example.com\n    auth: {type: bearer, token: '{{TOKEN}}'}\n"), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	return doc.Spellings()
}

// unknownProvider answers as the sources of secrets do for a system that is not built in.
func unknownProvider(t *testing.T) diag.List {
	dir := t.TempDir()
	file := filepath.Join(dir, "rooms.yaml")
	place(t, file, strings.Replace(strings.Replace(plainDocument("127.0.0.1", "9091"), "capability:",
		"binds:\n- { namespace: keys, location: 'k8s-secret://default/rooms', keys: { ROOMS_TOKEN: token, ROOMS_URL: url } }\ncapability:", 1),
		"https://rooms.example.com", "'{{ROOMS_URL}}/{{ROOMS_TOKEN}}'", 1))
	got, err := Load(t.Context(), LoadOptions{Paths: []string{file}, Bind: &plan.BindOptions{
		Upstream: plan.UpstreamFunc(nobody),
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) {
			return plan.Secret{}, &plan.LookError{Unset: true, Provider: "capd has no provider for " + v.Location.Scheme + " locations",
				Hint: "built in are the environment (no location), file:// and vault://"}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return below(dir, got.Diagnostics)
}

// manyTools has more tools than a model can choose among.
func manyTools(t *testing.T) diag.List {
	var tools strings.Builder
	for i := range 300 {
		fmt.Fprintf(&tools, "    - { name: list-rooms-%d, description: %s, call: rooms.list-rooms }\n", i, strings.Repeat("A room of the building ", 20))
	}
	return toolsOf(t, tools.String())
}

func longInput(t *testing.T) diag.List {
	return toolsOf(t, "    - name: list-rooms\n      description: List the rooms\n      call: rooms.list-rooms\n      inputParameters:\n"+
		"      - { name: floor, type: string, description: "+strings.Repeat("x", 17000)+" }\n")
}

// toolsOf loads a document with these tools, and keeps what is said of their cost.
func toolsOf(t *testing.T, tools string) diag.List {
	dir := t.TempDir()
	file := filepath.Join(dir, "rooms.yaml")
	place(t, file, "naftiko: 1.0.0-alpha2\ncapability:\n  consumes:\n  - type: http\n    namespace: rooms\n    baseUri: https://rooms.example.com\n"+
		"    resources:\n    - path: /rooms\n      operations:\n      - { name: list-rooms, method: GET, inputParameters: [{ name: floor, in: query }] }\n"+
		"  exposes:\n  - type: mcp\n    namespace: rooms-mcp\n    port: 9091\n    tools:\n"+tools)
	list := loaded(t, dir, LoadOptions{Paths: []string{file}}, true)
	worst := slices.MinFunc(list, func(a, b diag.Diagnostic) int { return int(a.Severity) - int(b.Severity) })
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool { return d.Code != worst.Code })
}

func latin1(t *testing.T) diag.List {
	dir := t.TempDir()
	file := filepath.Join(dir, "rooms.yaml")
	place(t, file, "naftiko: 1.0.0-alpha2\ninfo:\n  description: Caf\xe9\n")
	return loaded(t, dir, LoadOptions{Paths: []string{file}}, true)
}

func danglingLink(t *testing.T) diag.List {
	dir := t.TempDir()
	if err := os.Symlink("nowhere.yaml", filepath.Join(dir, "rooms.yaml")); err != nil {
		t.Skipf("no links here: %v", err)
	}
	return loaded(t, dir, LoadOptions{Paths: []string{dir}}, true)
}

// hundredsOfFindings keeps only what the code says: the page quotes no hundreds of lines.
func hundredsOfFindings(t *testing.T) diag.List {
	dir := t.TempDir()
	file := filepath.Join(dir, "rooms.yaml")
	var keys strings.Builder
	for i := range 510 {
		fmt.Fprintf(&keys, "unheard-of-%d: 1\n", i)
	}
	place(t, file, plainDocument("127.0.0.1", "9091")+keys.String())
	list := loaded(t, dir, LoadOptions{Paths: []string{file}}, true)
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool { return d.Code == diag.CodeUnknownKey })
}

func fault(t *testing.T) diag.List {
	dir := t.TempDir()
	place(t, filepath.Join(dir, "rooms.yaml"), plainDocument("127.0.0.1", "9091"))
	l, err := newLoader(LoadOptions{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	l.phases.compile = func(*spec.Document, plan.Files, *plan.Grant, *plan.Room) (*plan.Unit, diag.List) { panic("a fault") }
	got, err := l.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return below(dir, got.Diagnostics)
}

// serving gives an engine with the real phases over a folder.
func serving(t *testing.T, dir string, o Options) *Engine {
	t.Helper()
	o.Paths = []string{dir}
	o.Upstream = plan.UpstreamFunc(nobody)
	o.Adapters = map[plan.Kind]Adapter{plan.MCP: handlerAdapter{http.NotFoundHandler()}}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Stop(context.Background()) })
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

func portInUse(t *testing.T) diag.List {
	dir := t.TempDir()
	_, busy, err := net.SplitHostPort(occupied(t))
	if err != nil {
		t.Fatal(err)
	}
	host, free, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	place(t, filepath.Join(dir, "rooms.yaml"), plainDocument("127.0.0.1", busy))
	place(t, filepath.Join(dir, "halls.yaml"), plainDocument(host, free))
	list := below(dir, serving(t, dir, Options{AllowSpecAddress: true}).Current().Diagnostics)
	for i := range list {
		list[i].Message = strings.ReplaceAll(list[i].Message, busy, "9091")
	}
	return list
}

// brokenAfterwards keeps only what the code says: the page is not about what is broken.
func brokenAfterwards(t *testing.T) diag.List {
	dir := t.TempDir()
	file := filepath.Join(dir, "rooms.yaml")
	place(t, file, plainDocument("127.0.0.1", "9091"))
	e := serving(t, dir, Options{Listen: loopback})
	place(t, file, "naftiko: [\n")
	if err := e.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := below(dir, e.Current().Diagnostics)
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool { return d.Code == diag.CodeYAML })
}

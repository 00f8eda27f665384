package engine

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rules of the house (doc.go): who may import whom, where libraries live, and that
// packages have no state.

const module = "capd"

// mayImport gives what each package may import of this module, tests aside. A package that
// matches no entry may not exist; the first match counts. "*" is one path element.
var mayImport = []struct {
	pkg     string
	imports []string
}{
	{"cmd/*", []string{"engine", "engine/*", "schema", "adapters/*", "capabilities"}},
	{"engine", []string{"engine/diag", "engine/spec", "engine/plan", "schema"}},
	{"engine/diag", nil},
	{"engine/spec", []string{"engine/diag"}},
	{"engine/expr", []string{"engine/diag"}},
	{"engine/format", []string{"engine/diag"}},
	{"engine/script", []string{"engine/diag"}},
	{"engine/portable", nil},
	{"engine/plan", []string{"engine/diag", "engine/spec", "engine/expr", "engine/format", "engine/script"}},
	{"engine/repair", []string{"engine/diag", "engine/spec", "engine/plan"}},
	{"schema", []string{"engine/diag"}},
	{"adapters/redistest", []string{"adapters/porttest"}},
	{"adapters/*", []string{"engine/plan", "engine/diag", "engine/expr", "engine/format", "engine/portable", "engine/script"}},
	{"capabilities", nil},
}

// homes gives the packages in which a library may be used, tests included. A library without
// an entry may not be used.
var homes = []struct {
	library  string
	packages []string
}{
	{"gopkg.in/yaml.v3", []string{"engine/spec", "engine/format"}},
	{"github.com/santhosh-tekuri/jsonschema/v5", []string{"schema"}},
	{"github.com/ohler55/ojg", []string{"engine/expr", "engine/format"}},
	{"github.com/labstack/echo/v4", []string{"adapters/rest"}},
	{"github.com/modelcontextprotocol/go-sdk", []string{"adapters/mcp"}},
	{"github.com/spf13/cobra", []string{"cmd/*"}},
	{"github.com/spf13/pflag", []string{"cmd/*"}},
	{"golang.org/x/sync", []string{"engine"}},
	{"github.com/failsafe-go/failsafe-go", []string{"adapters/resilience"}},
	{"github.com/fsnotify/fsnotify", []string{"engine"}},
	{"golang.org/x/net", []string{"adapters/httpclient", "engine/format"}},
	{"golang.org/x/text", []string{"engine/format"}},
	{"github.com/andybalholm/cascadia", []string{"engine/format"}},
	{"github.com/yuin/goldmark", []string{"engine/format"}},
	{"github.com/hamba/avro/v2", []string{"engine/format"}},
	{"github.com/bufbuild/protocompile", []string{"engine/format"}},
	{"google.golang.org/protobuf", []string{"engine/format"}},
	{"github.com/dop251/goja", []string{"engine/script"}},
	{"github.com/dlclark/regexp2/v2", []string{"engine/script"}},
	{"go.starlark.net", []string{"engine/script"}},
	{"github.com/icholy/digest", []string{"adapters/credential", "adapters/auth", "cmd/*"}},
	{"github.com/aws/aws-sdk-go-v2", []string{"adapters/credential"}},
	{"github.com/golang-jwt/jwt/v5", []string{"adapters/auth"}},
	{"github.com/MicahParks/keyfunc/v3", []string{"adapters/auth"}},
	{"github.com/MicahParks/jwkset", []string{"adapters/auth"}},
	{"go.opentelemetry.io/otel", []string{"adapters/telemetry"}},
	{"github.com/prometheus/client_golang", []string{"adapters/telemetry"}},
	{"github.com/hashicorp/golang-lru/v2", []string{"adapters/memory"}},
	{"github.com/redis/go-redis/v9", []string{"adapters/redis"}},
	{"software.sslmate.com/src/go-pkcs12", []string{"adapters/httpclient", "adapters/credential"}},
}

// testLibraries may be used by tests everywhere: the MCP client is how a tool is called, a
// schema and a reader of OpenAPI say whether what others read is well-formed.
var testLibraries = []string{
	"github.com/getkin/kin-openapi",
	"github.com/google/jsonschema-go",
	"github.com/go-jose/go-jose/v4",
	"github.com/golang-jwt/jwt/v5",
	"github.com/modelcontextprotocol/go-sdk",
	"github.com/rogpeppe/go-internal",
	"github.com/santhosh-tekuri/jsonschema/v5",
	"github.com/zitadel/oidc/v3",
	"golang.org/x/tools/txtar",
}

// forbiddenNames say nothing about what is in a package.
var forbiddenNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "lib", "tools"}

// constantVars are package variables that nobody changes, which the language cannot say.
var constantVars = map[string]bool{
	"engine/spec.DefaultLimits": true, // a struct; Limits fields are defaulted from it
}

// goFile is one parsed file of this module.
type goFile struct {
	name, pkg string // slash-separated, below the module
	test      bool
	set       *token.FileSet
	tree      *ast.File
}

func (f *goFile) at(pos token.Pos) string {
	p := f.set.Position(pos)
	return fmt.Sprintf("%s:%d", f.name, p.Line)
}

func moduleFiles(t *testing.T) []*goFile {
	t.Helper()
	var files []*goFile
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if name != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata") {
				return fs.SkipDir
			}
			if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil && name != "." {
				return fs.SkipDir // a module of its own
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, filepath.Join("..", filepath.FromSlash(name)), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, &goFile{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), set, tree})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d Go files found", len(files))
	}
	return files
}

// within reports whether pkg matches one of the patterns.
func within(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, pkg)
		return err == nil && ok
	})
}

func TestImportsOfTheModule(t *testing.T) {
	t.Parallel()
	for _, f := range moduleFiles(t) {
		i := 0
		for i < len(mayImport) && !within(f.pkg, []string{mayImport[i].pkg}) {
			i++
		}
		if i == len(mayImport) {
			if !f.test { // tests of the whole may stand anywhere
				t.Errorf("%s: package %s has no place in the house", f.name, f.pkg)
			}
			continue
		}
		if f.test {
			continue
		}
		for _, spec := range f.tree.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if below, ok := strings.CutPrefix(name, module+"/"); ok && !within(below, mayImport[i].imports) {
				t.Errorf("%s: %s may not import %s", f.at(spec.Pos()), f.pkg, name)
			}
		}
	}
}

func TestHomesOfLibraries(t *testing.T) {
	t.Parallel()
	for _, f := range moduleFiles(t) {
		for _, spec := range f.tree.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			first, _, _ := strings.Cut(name, "/")
			if first == module || !strings.Contains(first, ".") {
				continue
			}
			of := func(library string) bool { return name == library || strings.HasPrefix(name, library+"/") }
			if f.test && slices.ContainsFunc(testLibraries, of) {
				continue
			}
			i := 0
			for i < len(homes) && !of(homes[i].library) {
				i++
			}
			if i == len(homes) || !within(f.pkg, homes[i].packages) {
				t.Errorf("%s: %s is not at home in %s", f.at(spec.Pos()), name, f.pkg)
			}
		}
	}
}

func TestPackagesHaveNoState(t *testing.T) {
	t.Parallel()
	files := moduleFiles(t)
	written := make(map[string]bool) // package.name of what is assigned to
	for _, f := range files {
		f.collectWritten(written)
	}
	for _, f := range files {
		if slices.Contains(forbiddenNames, strings.TrimSuffix(f.tree.Name.Name, "_test")) {
			t.Errorf("%s: the package name %s says nothing", f.name, f.tree.Name.Name)
		}
		for _, decl := range f.tree.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s: init runs behind everybody's back", f.at(d.Pos()))
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR && !f.test {
					f.checkVars(t, d, written)
				}
			}
		}
	}
}

// checkVars complains of package variables that could change: all but errors, compiled
// regular expressions and replacers, embedded files, assertions about types, and tables that
// only their package sees and nobody writes to.
func (f *goFile) checkVars(t *testing.T, d *ast.GenDecl, written map[string]bool) {
	for _, s := range d.Specs {
		v, ok := s.(*ast.ValueSpec)
		if !ok || embedded(d.Doc) || embedded(v.Doc) {
			continue
		}
		for i, name := range v.Names {
			full := f.pkg + "." + name.Name
			if name.Name == "_" || constantVars[full] && !written[full] {
				continue
			}
			if i < len(v.Values) && !written[full] && fixed(v.Values[i], name.IsExported()) {
				continue
			}
			t.Errorf("%s: package variable %s is state", f.at(name.Pos()), name.Name)
		}
	}
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// fixed reports whether a variable's value is one that stays as it is when nobody in the
// package assigns to it.
func fixed(value ast.Expr, exported bool) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		return !exported
	case *ast.CallExpr:
		sel, ok := v.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := sel.X.(*ast.Ident)
		makers := []string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer"}
		return ok && slices.Contains(makers, pkg.Name+"."+sel.Sel.Name)
	}
	return false
}

// collectWritten adds the names that the file assigns to, counts up or takes the address of,
// themselves or a part of them. Local variables of the same name count too: names are cheap.
func (f *goFile) collectWritten(written map[string]bool) {
	if f.test {
		return
	}
	add := func(e ast.Expr) {
		if name := root(e); name != "" {
			written[f.pkg+"."+name] = true
		}
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.AssignStmt:
			for _, e := range s.Lhs {
				add(e)
			}
		case *ast.IncDecStmt:
			add(s.X)
		case *ast.UnaryExpr:
			if s.Op == token.AND {
				add(s.X)
			}
		}
		return true
	})
}

// root gives the variable that an expression is a part of.
func root(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

package secrets_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/adapters/secrets"
	"capd/engine/plan"
)

func sources(t testing.TB, o secrets.Options, environ ...string) *secrets.Sources {
	t.Helper()
	s, err := secrets.New(environ, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put writes files below a folder; a value "-> x" makes a link to x.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(file)
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// at is a file below a folder, as a bind of n keys names it.
func at(t testing.TB, dir, name string, n int) *plan.Location {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Location{
		Text: "file:///./" + name, Scheme: "file", Keys: n,
		File: plan.FilePlace{Name: name, Path: filepath.Join(real, filepath.FromSlash(name)), Root: real},
	}
}

// found gives a value with "=" before it, or what is wrong.
func found(s *secrets.Sources, l *plan.Location, source string) string {
	v, err := s.Look("team/doc", &plan.Variable{Name: "X", Source: source, Location: l})
	more, _ := errors.AsType[*plan.LookError](err)
	switch {
	case err == nil:
		return "=" + v.Reveal()
	case more == nil:
		return err.Error()
	case more.Provider != "":
		return fmt.Sprintf("provider: %s; %s", more.Provider, more.Hint)
	case errors.Is(err, plan.ErrUnset):
		return "unset: " + more.Hint
	}
	return "error: " + more.Hint
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"s.yaml":           "token: abc\nport: 0042\nratio: 1.10\nbig: 12345678901234567890\non: true\nnothing: null\nempty: ''\ndb:\n  user: joe\n  pass.word: deep\nthe.dotted: flat\nlist: [a]\nmulti: |\n  a\n  b\n",
		"s.yml":            "token: yml\n",
		"s.json":           "\ufeff{\"token\": \"j\\u00e9\", \"n\": 1e2, \"a\": {\"b\": {\"c\": \"walked\"}}}",
		"broken.json":      `{"token": "canary`,
		"broken.yaml":      "token: [canary",
		"list.yaml":        "- canary\n",
		".env":             "A=1\nexport B='two'\n",
		"local.env":        "A=local\n",
		".env.local":       "A=dot\n",
		"broken.env":       "A=1\ncanary\n",
		"token":            "plain value\n",
		"crlf.txt":         "plain value\r\n",
		"two.txt":          "two\n\n",
		"credentials":      "A=1\nB=2\n",
		"asjson":           ` {"A": "in json"}`,
		"mount/..1/user":   "joe\n",
		"mount/..1/pass":   "p w\r\n",
		"mount/..data":     "-> ..1",
		"mount/user":       "-> ..data/user",
		"mount/pass":       "-> ..data/pass",
		"mount/out":        "-> ../s.yaml",
		"mount/sub/x":      "x",
		"huge":             strings.Repeat("x", 1<<20+1),
		"../outside.txt":   "canary",
		"escape.txt":       "-> ../outside.txt",
		"absolute.txt":     "-> /etc/hostname",
		"loop":             "-> loop",
		"linked.yaml":      "-> s.yaml",
		"notes.properties": "canary stands here\n",
	})
	s := sources(t, secrets.Options{}, "TOKEN=of the environment")
	for _, tt := range []struct {
		file   string
		keys   int
		source string
		want   string
	}{
		{"s.yaml", 2, "token", "=abc"},
		{"s.yaml", 2, "port", "=0042"},
		{"s.yaml", 2, "ratio", "=1.10"},
		{"s.yaml", 2, "big", "=12345678901234567890"},
		{"s.yaml", 2, "on", "=true"},
		{"s.yaml", 2, "empty", "="},
		{"s.yaml", 2, "multi", "=a\nb\n"},
		{"s.yaml", 2, "db.user", "=joe"},
		{"s.yaml", 2, "db.pass.word", "=deep"},
		{"s.yaml", 2, "the.dotted", "=flat"},
		{"s.yaml", 2, "nothing", "unset: add the key nothing to file:///./s.yaml"},
		{"s.yaml", 2, "tokne", "unset: add the key tokne to file:///./s.yaml, or take token, which it has"},
		{"s.yaml", 2, "db", "error: db in file:///./s.yaml is no single value"},
		{"s.yaml", 2, "list", "error: list in file:///./s.yaml is no single value"},
		{"s.yaml", 1, "token", "=abc"},
		{"linked.yaml", 1, "token", "=abc"},
		{"s.yml", 1, "token", "=yml"},
		{"s.json", 1, "token", "=jé"},
		{"s.json", 1, "n", "=1e2"},
		{"s.json", 1, "a.b.c", "=walked"},
		{"s.json", 1, "a.b.x", "unset: add the key a.b.x to file:///./s.json"},
		{"broken.json", 1, "token", "error: file:///./broken.json cannot be read as JSON"},
		{"broken.yaml", 1, "token", "error: file:///./broken.yaml cannot be read as YAML"},
		{"list.yaml", 1, "token", "error: file:///./list.yaml holds no keys: expected a mapping"},
		{".env", 2, "A", "=1"},
		{".env", 2, "B", "=two"},
		{".env", 2, "C", "unset: add C=... to file:///./.env"},
		{"local.env", 1, "A", "=local"},
		{".env.local", 1, "A", "=dot"},
		{"broken.env", 1, "A", "error: file:///./broken.env cannot be read as lines KEY=VALUE: line 2: expected KEY=VALUE"},
		{"token", 1, "anything", "=plain value"},
		{"crlf.txt", 1, "anything", "=plain value"},
		{"two.txt", 1, "anything", "=two\n"},
		{"credentials", 2, "B", "=2"},
		{"asjson", 2, "A", "=in json"},
		{"asjson", 1, "A", "=in json"},
		{"asjson", 1, "B", `= {"A": "in json"}`},
		{"notes.properties", 2, "A", "error: file:///./notes.properties cannot be read as lines KEY=VALUE: line 1: expected KEY=VALUE"},
		{"mount", 2, "user", "=joe"},
		{"mount", 2, "pass", "=p w"},
		{"mount", 2, "none", "unset: put the file none into the folder file:///./mount"},
		{"mount", 2, "out", "error: the file out in file:///./mount cannot be used: path escapes from parent"},
		{"mount", 2, "sub", "error: the file sub in file:///./mount cannot be used: it is not a regular file"},
		{"mount", 2, "../s.yaml", `error: "../s.yaml" is no name of a file in file:///./mount`},
		{"mount", 2, "..", `error: ".." is no name of a file in file:///./mount`},
		{"huge", 1, "x", "error: file:///./huge cannot be read: it is larger than 1 MiB"},
		{"escape.txt", 1, "x", "error: file:///./escape.txt leads out of the folders that this document may use; allow its folder with --allow-path"},
		{"absolute.txt", 1, "x", "error: file:///./absolute.txt leads out of the folders that this document may use; allow its folder with --allow-path"},
		{"none.yaml", 1, "x", "unset: put x into file:///./none.yaml, which does not exist"},
	} {
		got := found(s, at(t, dir, tt.file, tt.keys), tt.source)
		if got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.source, tt.file, got, tt.want)
		}
		if !strings.HasPrefix(got, "=") && strings.Contains(got, "canary") {
			t.Errorf("%s of %s: the error quotes the file: %s", tt.source, tt.file, got)
		}
	}
	if got := found(s, at(t, dir, "loop", 1), "x"); !strings.HasPrefix(got, "error: file:///./loop cannot be read") || strings.Contains(got, dir) {
		t.Errorf("a loop of links: %s", got)
	}
	if got := found(s, &plan.Location{Text: "./x", Scheme: "file"}, "x"); got != "error: no file is at hand for ./x" {
		t.Errorf("without files: %s", got)
	}
	if got := found(s, nil, "TOKEN"); got != "=of the environment" {
		t.Errorf("the environment: %s", got)
	}
}

func TestUnknownProvider(t *testing.T) {
	t.Parallel()
	s := sources(t, secrets.Options{})
	for _, scheme := range []string{"k8s-secret", "aws-ssm", "github-secrets"} {
		_, err := s.Look("", &plan.Variable{Source: "x", Location: &plan.Location{Text: scheme + "://a/b", Scheme: scheme}})
		e, ok := errors.AsType[*plan.LookError](err)
		if !ok || !errors.Is(err, plan.ErrUnset) || e.Provider != "capd has no provider for "+scheme+" locations" ||
			e.Hint != "built in are the environment (no location), file:// and vault://" {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// TestReloadOfFiles: what was read stays until a reload, and what is broken then keeps its last
// good values; what is gone is gone.
func TestReloadOfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"s.yaml": "token: old\nother: x\n", "m/k": "old\n"})
	s := sources(t, secrets.Options{})
	file, mount := at(t, dir, "s.yaml", 2), at(t, dir, "m", 2)
	wants := func(when, token, mounted string) {
		t.Helper()
		if got := found(s, file, "token"); got != token {
			t.Errorf("%s: %s, want %s", when, got, token)
		}
		if got := found(s, mount, "k"); got != mounted {
			t.Errorf("%s: mounted %s, want %s", when, got, mounted)
		}
	}
	reload := func() {
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	wants("at first", "=old", "=old")
	put(t, dir, map[string]string{"s.yaml": "token: new\n", "m/k": "new"})
	wants("before a reload", "=old", "=old")
	reload()
	wants("after a reload", "=new", "=new")
	put(t, dir, map[string]string{"s.yaml": "token: [half"})
	reload()
	wants("broken", "=new", "=new")
	put(t, dir, map[string]string{"s.yaml": "other: x\n"})
	reload()
	wants("without the key", "unset: add the key token to file:///./s.yaml", "=new")
	if err := os.Remove(filepath.Join(dir, "s.yaml")); err != nil {
		t.Fatal(err)
	}
	reload()
	wants("gone", "unset: put token into file:///./s.yaml, which does not exist", "=new")
}

func TestSourcesPrintNothing(t *testing.T) {
	t.Parallel()
	vault, err := secrets.NewVault(secrets.VaultOptions{Address: "https://vault.example.com", Token: plan.NewSecret("canary-token")})
	if err != nil {
		t.Fatal(err)
	}
	s := sources(t, secrets.Options{Vault: vault}, "A=canary")
	if got := fmt.Sprintf("%v %+v %#v %s %v %#v", s, s, s, s, vault, vault); strings.Contains(got, "canary") {
		t.Error(got)
	}
}

package secrets_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"capd/adapters/secrets"
	"capd/engine/plan"
)

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environment(t testing.TB, environ []string, files ...string) *secrets.Environment {
	t.Helper()
	e, err := secrets.NewEnvironment(environ, files...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// look gives the value, or "unset".
func look(t testing.TB, e *secrets.Environment, name string) string {
	t.Helper()
	s, err := e.Look("team/doc", &plan.Variable{Name: name})
	if errors.Is(err, plan.ErrUnset) && s.IsEmpty() {
		return "unset"
	}
	if err != nil {
		t.Fatal(err)
	}
	return "=" + s.Reveal()
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	e := environment(t, []string{"A=process", "EMPTY=", "EQ=a=b", "broken"},
		file(t, "A=one\nB=one\nC=one\nEMPTY=one\nNOTHING=\n"), file(t, "C=two\n"))
	for name, want := range map[string]string{
		"A": "=process", "B": "=one", "C": "=two", "EMPTY": "=", "NOTHING": "=", "EQ": "=a=b", "NONE": "unset", "broken": "unset",
	} {
		if got := look(t, e, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// Contract V2b.
func TestReservedNamesAreUnset(t *testing.T) {
	t.Parallel()
	e := environment(t, []string{"PATH=x", "https_proxy=x", "CAPD_TOKEN=x", "API_PATH=x"}, file(t, "HOME=x\nLD_PRELOAD=x\n"))
	for _, name := range []string{"PATH", "https_proxy", "CAPD_TOKEN", "HOME", "LD_PRELOAD"} {
		if got := look(t, e, name); got != "unset" {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := look(t, e, "API_PATH"); got != "=x" {
		t.Errorf("API_PATH is %q", got)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	path := file(t, "A=old\nGONE=x\n")
	e := environment(t, nil, path)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("A=new\n")
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	if a, gone := look(t, e, "A"), look(t, e, "GONE"); a != "=new" || gone != "unset" {
		t.Errorf("after a reload A is %q and GONE %q", a, gone)
	}
	write("A=newer\nbroken")
	if err := e.Reload(); err == nil || err.Error() != path+":2: expected KEY=VALUE" {
		t.Errorf("error %v", err)
	}
	if a := look(t, e, "A"); a != "=new" {
		t.Errorf("a failed reload changed A to %q", a)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := e.Reload(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if a := look(t, e, "A"); a != "=new" {
		t.Errorf("a failed reload changed A to %q", a)
	}
}

func TestReloadWhileLooking(t *testing.T) {
	t.Parallel()
	e := environment(t, nil, file(t, "A=x\n"))
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			if err := e.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		if a := look(t, e, "A"); a != "=x" {
			t.Fatalf("A is %q", a)
		}
	}
	wg.Wait()
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	if _, err := secrets.NewEnvironment(nil, filepath.Join(t.TempDir(), "none.env")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := secrets.NewEnvironment(nil, t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	big := file(t, strings.Repeat("# comment\n", 200_000))
	if _, err := secrets.NewEnvironment(nil, big); err == nil || !strings.HasSuffix(err.Error(), "larger than 1 MiB") {
		t.Errorf("large: %v", err)
	}
}

func TestPrintingShowsNoValue(t *testing.T) {
	t.Parallel()
	e := environment(t, []string{"A=s3cret"}, file(t, "B=s3cret\n"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, e); strings.Contains(got, "s3cret") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

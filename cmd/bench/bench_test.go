package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the tests start the processes that are measured: they are this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "serve-") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun: the command of the README measures everything, here in turns that are too short to mean
// anything.
func TestRun(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil || !strings.Contains(string(readme), "\ngo run -C cmd/bench .\n") {
		t.Errorf("the README does not name the command: %v", err)
	}
	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "out.md")
	err = run(t.Context(), []string{"-rounds", "1", "-turn", "20ms", "-conns", "2", "-growth", "1,3", "-specs", "testdata/none", "-only", "1k,steps,tools,hand,alone,growth", "-o", file}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, row := range []string{
		"upstream alone", "proxy 1k", "pass-through 1k", "forward 1k", "object 1k", "array 1k", "two dependent steps", "two independent steps",
		"handler by hand", "tools/call 2026-07-28", "tools/call 2025-11-25 in a session", "tools/call 2025-11-25 without", "1 generated", "3 generated",
	} {
		if !strings.Contains(out.String(), "\n| "+row+" |") {
			t.Errorf("no row of %s:\n%s", row, &out)
		}
	}
	if kept, err := os.ReadFile(file); err != nil || !bytes.Equal(kept, out.Bytes()) {
		t.Errorf("-o kept something else: %v", err)
	}
}

// TestProfile: profiles of what is measured are kept.
func TestProfile(t *testing.T) {
	dir := t.TempDir()
	if err := run(t.Context(), []string{"-rounds", "1", "-turn", "20ms", "-conns", "2", "-growth", "", "-only", "forward", "-profile", dir}, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "forward-1k.2.profile")); err != nil || !bytes.HasPrefix(got, []byte("\x1f\x8b")) {
		t.Errorf("there is no CPU profile: %v", err)
	}
}

// TestRunFails: what cannot be measured is said.
func TestRunFails(t *testing.T) {
	for _, args := range [][]string{{"-conns", "none"}, {"-growth", "0"}, {"-capd", filepath.Join(t.TempDir(), "missing")}} {
		if err := run(t.Context(), args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

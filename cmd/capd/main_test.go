package main

import (
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain makes the test binary capd itself when a script runs "capd".
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"capd": main})
}

// TestScript runs the command as a user does. See testdata/script.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"fill":   fill,
			"occupy": occupy,
			"record": record,
		},
	})
}

// exits runs a program and wants an exact exit code: exits 2 capd serve.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("%q is no exit code", args[0])
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// fill writes a file of a given shape that is too large to stand in a script:
// fill FILE PREFIX UNIT COUNT SUFFIX.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: fill FILE PREFIX UNIT COUNT SUFFIX")
	}
	n, err := strconv.Atoi(args[3])
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	for i, text := range append([]string{args[1]}, args[2], args[4]) {
		repeat := 1
		if i == 1 {
			repeat = n
		}
		text, err := strconv.Unquote(`"` + text + `"`)
		ts.Check(err)
		for range repeat {
			_, err := f.WriteString(text)
			ts.Check(err)
		}
	}
	ts.Check(f.Close())
}

// occupy takes a free port for the rest of the script and names it in a variable.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"capd/engine"
)

// The exit codes, the same for every command.
const (
	exitOK       = 0 // nothing at or above the failing severity; a clean stop
	exitFindings = 1 // the specs have errors, or a call did not succeed
	exitFailed   = 2 // the job could not be done: bad flag, missing file, port in use
	exitSignal   = 128
)

// exitError ends the command with a code. An error without text was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failure says that the job could not be done.
func failure(format string, args ...any) error {
	e := &exitError{code: exitFailed, err: fmt.Errorf(format, args...)}
	if _, ok := errors.AsType[*engine.PolicyError](e.err); ok {
		e.code = exitFindings // the file is there, and has errors
	}
	return e
}

// findings says that the specs have findings, all of them printed already.
func findings() error { return &exitError{code: exitFindings} }

// interrupted is what a second signal gives: 130 for an interrupt, 143 for a termination.
func interrupted(sig os.Signal) error {
	code := exitSignal
	if n, ok := sig.(syscall.Signal); ok {
		code += int(n)
	}
	return &exitError{code: code, err: fmt.Errorf("stopped by a second signal (%v) with calls still running", sig)}
}

// exitCode prints what err has to say and gives the process's exit code.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) {
		// Everything that is no exitError comes from the command line's parser.
		e = &exitError{code: exitFailed, err: fmt.Errorf("%w; see 'capd --help'", err)}
	}
	if text := e.Error(); text != "" {
		_, _ = fmt.Fprintln(stderr, "capd: "+text)
	}
	return e.code
}

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// environment is the process environment, each entry NAME=VALUE as the system gives it.
type environment []string

// lookup gives the value of a variable. The last entry of a name counts, as in a shell.
func (e environment) lookup(name string) (string, bool) {
	for i := len(e) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(e[i], name+"="); ok {
			return v, true
		}
	}
	return "", false
}

// twin is the environment variable that stands for a flag.
func twin(flag string) string {
	return "CAPD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyEnvironment sets every flag that the command line leaves alone from its twin.
func applyEnvironment(flags *pflag.FlagSet, env environment) error {
	var bad error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		v, ok := env.lookup(twin(f.Name))
		if !ok || v == "" {
			return
		}
		if err := flags.Set(f.Name, v); err != nil {
			bad = errors.Join(bad, fmt.Errorf("%s: %w", twin(f.Name), unwrapFlag(err)))
		}
	})
	if bad != nil {
		return failure("%w", bad)
	}
	return nil
}

// unwrapFlag leaves out what pflag says about a flag that nobody wrote.
func unwrapFlag(err error) error {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("invalid value %q: %w", e.GetValue(), flagCause(e))
	}
	return err
}

// flagError says what is wrong with a flag of the command line.
func flagError(err error) error {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok && flagCause(e) != e.Unwrap() {
		return fmt.Errorf("invalid argument %q for %q flag: %w", e.GetValue(), "--"+e.GetFlag().Name, flagCause(e))
	}
	return err
}

// flagCause is why a value does not suit a flag. The flags of this command say so themselves,
// pflag's own switch leaves it to the standard library, whose words are for programmers.
func flagCause(e *pflag.InvalidValueError) error {
	if e.GetFlag().Value.Type() == "bool" {
		return errNoBool
	}
	return e.Unwrap()
}

var errNoBool = errors.New("expected true or false")

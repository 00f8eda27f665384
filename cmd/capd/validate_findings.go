package main

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/spf13/pflag"

	"capd/engine/diag"
)

// findingFlags say which findings are shown and which fail.
type findingFlags struct {
	failOn        string
	strict        bool
	requireEnv    bool
	ignore        []string
	ignorePath    []string
	baseline      string
	writeBaseline string
}

// failOnNone is the word of --fail-on with which no finding fails.
const failOnNone = "none"

func (f *findingFlags) register(flags *pflag.FlagSet) {
	f.failOn = diag.Error.String()
	flags.Var(choiceFlag(&f.failOn, diag.Error.String(), diag.Warning.String(), diag.Info.String(), failOnNone),
		"fail-on", "least `severity` that fails: error, warning, info or none")
	flags.BoolVar(&f.strict, "strict", false, "fail on warnings too")
	flags.BoolVar(&f.requireEnv, "require-env", false, "make variables without a value errors, and ask a Vault for those that come from one")
	flags.StringSliceVar(&f.ignore, "ignore", nil, "leave out findings with `CODE`; repeatable")
	flags.StringArrayVar(&f.ignorePath, "ignore-path", nil, "leave out findings in files whose path matches `REGEX`; repeatable")
	flags.StringVar(&f.baseline, "baseline", "", "leave out the findings that `FILE` knows")
	flags.StringVar(&f.writeBaseline, "write-baseline", "", "write what is found to `FILE`, for --baseline, and show nothing of it")
}

// threshold gives the least severity that fails; zero when none does.
func (f *findingFlags) threshold() diag.Severity {
	least := diag.Severity(0)
	for s := diag.Error; s <= diag.Info; s++ {
		if f.failOn == s.String() {
			least = s
		}
	}
	if f.strict {
		least = max(least, diag.Warning)
	}
	return least
}

// sieve decides which findings are shown.
type sieve struct {
	flags    *findingFlags
	filter   diag.Filter
	baseline *diag.Baseline // nil without one
	known    int            // findings that a baseline hid
}

// sieve reads what the flags name.
func (f *findingFlags) sieve() (*sieve, error) {
	s := &sieve{flags: f}
	for _, name := range f.ignore {
		if !slices.Contains(codeNames(), name) {
			return nil, unknownCode(name)
		}
		s.filter.Codes = append(s.filter.Codes, diag.Code(name))
	}
	for _, text := range f.ignorePath {
		r, err := regexp.Compile(text)
		if err != nil {
			return nil, failure("--ignore-path: %q is not a regular expression: %w", text, expressionFault(err))
		}
		s.filter.Files = append(s.filter.Files, r)
	}
	if f.baseline == "" {
		return s, nil
	}
	text, err := os.ReadFile(f.baseline)
	if err != nil {
		return nil, failure("--baseline: %w", err)
	}
	if s.baseline, err = diag.ReadBaseline(bytes.NewReader(text)); err != nil {
		return nil, failure("--baseline: %s: %w", f.baseline, err)
	}
	return s, nil
}

// expressionFault leaves out what the standard library says before the fault itself.
func expressionFault(err error) error {
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return errors.New(e.Code.String())
	}
	return err
}

// sift gives the findings that are shown, and writes a baseline if one is wanted.
func (s *sieve) sift(l diag.List) (diag.List, error) {
	if s.flags.requireEnv {
		l = requireVariables(l)
	}
	l = s.filter.Apply(l)
	if s.flags.writeBaseline != "" {
		s.baseline = diag.NewBaseline(l)
		var text bytes.Buffer
		if err := s.baseline.Write(&text); err != nil {
			return nil, failure("cannot write the baseline: %w", err)
		}
		if err := os.WriteFile(s.flags.writeBaseline, text.Bytes(), 0o644); err != nil {
			return nil, failure("cannot write the baseline: %w", err)
		}
	}
	if s.baseline == nil {
		return l, nil
	}
	shown := s.baseline.New(l)
	s.known = len(l) - len(shown)
	return shown, nil
}

// requireVariables gives the list with variables that have no value as errors.
func requireVariables(l diag.List) diag.List {
	out := slices.Clone(l)
	for i := range out {
		if out[i].Code == diag.CodeMissingVariable || out[i].Code == diag.CodeBindProvider {
			out[i].Severity = diag.Error
		}
	}
	out.Sort()
	return out
}

// Package secrets finds the values of documents' variables.
package secrets

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync/atomic"

	"capd/engine/plan"
)

// maxFile bounds an env file, so that a wrong path cannot fill the memory.
const maxFile = 1 << 20

// Environment gives the values of the process environment and, below it, of env files. A
// later file wins over an earlier one. It is safe for concurrent use.
type Environment struct {
	process map[string]string
	paths   []string
	files   atomic.Pointer[map[string]string]
	edition atomic.Uint64 // of the files
}

// NewEnvironment takes the process environment as [os.Environ] gives it and reads the env
// files. An error names file and line, never a value.
func NewEnvironment(environ []string, files ...string) (*Environment, error) {
	e := &Environment{process: make(map[string]string, len(environ)), paths: files}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			e.process[name] = value
		}
	}
	if err := e.Reload(); err != nil {
		return nil, err
	}
	return e, nil
}

// Reload reads the env files again, so that a secret can be changed while capd runs. When
// one of them cannot be read or parsed, the values of all stay as they were.
func (e *Environment) Reload() error {
	values := map[string]string{}
	for _, path := range e.paths {
		text, err := readFile(path)
		if err != nil {
			return err
		}
		parsed, err := parse(text)
		if err != nil {
			return fmt.Errorf("%s:%w", path, err)
		}
		maps.Copy(values, parsed)
	}
	if was := e.files.Swap(&values); was == nil || !maps.Equal(*was, values) {
		e.edition.Add(1)
	}
	return nil
}

// Look gives the value of a variable, or [plan.ErrUnset]. A variable that is set to nothing
// (KEY=) has a value, the empty one: only the author of the environment can know that it is
// meant, for instance as the empty password of basic authentication. Names reserved by
// contract V2b are unset for every document.
func (e *Environment) Look(_ string, v *plan.Variable) (plan.Secret, error) {
	name := cmp.Or(v.Source, v.Name)
	if plan.ReservedVariable(name) {
		return plan.Secret{}, plan.ErrUnset
	}
	if value, ok := e.process[name]; ok {
		return plan.NewSecret(value), nil
	}
	if value, ok := (*e.files.Load())[name]; ok {
		return plan.NewSecret(value), nil
	}
	return plan.Secret{}, plan.ErrUnset
}

// String says how much there is, and no value.
func (e *Environment) String() string {
	return fmt.Sprintf("environment of %d variables and %d files", len(e.process), len(e.paths))
}

// GoString hides the values from %#v.
func (e *Environment) GoString() string { return e.String() }

func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("env file: %w", err)
	}
	if info.Size() > maxFile {
		return "", fmt.Errorf("env file %s: larger than 1 MiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("env file: %w", err)
	}
	return string(b), nil
}

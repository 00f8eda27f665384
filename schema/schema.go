// Package schema holds the published JSON Schema of capability documents and checks
// documents against it.
//
// The schema says which kind of value each key takes, for editors to complete and to
// flag. It is deliberately wide: whatever capd serves passes, in every version and dialect
// of the language, and keys it does not name are allowed. Whether a document means
// something is for the compiler to say, so a finding of this package never refuses
// anything.
package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"capd/engine/diag"
)

//go:embed capability.schema.json
var source []byte

// id is the identifier ($id) of the schema; nothing is ever fetched from it.
const id = "https://capd.dev/schema/capability.json"

// Source gives the schema (JSON Schema 2020-12) as it is published.
func Source() []byte { return bytes.Clone(source) }

// Validator checks documents against the schema. It is safe for concurrent use.
type Validator struct {
	outline *outline
	// exact gives the whole schema, which takes longer to compile than many documents. Hardly one needs it.
	exact func() (*checker, error)
}

// New reads the schema. The error is a fault of the schema itself, never of a document.
func New() (*Validator, error) {
	o, err := newOutline(source)
	if err != nil {
		return nil, err
	}
	return &Validator{o, sync.OnceValues(func() (*checker, error) { return compile(source) })}, nil
}

// checker checks JSON values against a schema, and says what is wrong.
type checker struct {
	compiled *jsonschema.Schema
	text     any // the schema as JSON values, to look up what a keyword expects
}

func compile(text []byte) (*checker, error) {
	v := &checker{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v.text); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("%s is not part of the schema", url)
	}
	if err := c.AddResource(id, bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	var err error
	if v.compiled, err = c.Compile(id); err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return v, nil
}

// Validate checks a document given as JSON values (map[string]any, []any, string, bool,
// [json.Number], nil). Locate gives the place and the YAML path of the value that a JSON
// pointer (RFC 6901) names; the path of the whole document is empty. Every finding is a
// warning with [diag.CodeSchema]. They stand in the order of the document, one for each
// mistake. [Fits] says first, and for much less, whether there can be any.
func (v *Validator) Validate(document any, locate func(pointer string) (diag.Span, string)) diag.List {
	c, err := v.exact()
	if err != nil {
		return unchecked(locate)
	}
	return c.explain(tame(document), locate)
}

// explain lets the library look at a document and says what it found.
func (v *checker) explain(document any, locate func(pointer string) (diag.Span, string)) diag.List {
	err := v.compiled.Validate(document)
	if err == nil {
		return nil
	}
	var tree *jsonschema.ValidationError
	if !errors.As(err, &tree) {
		return unchecked(locate)
	}
	return report(v.strangers(v.findings(tree, document), document), document, locate)
}

func unchecked(locate func(pointer string) (diag.Span, string)) diag.List {
	span, path := locate("")
	return diag.List{{
		Code: diag.CodeInternal, Severity: diag.Warning, Span: span, Path: path,
		Message: "the document could not be checked against the schema",
	}}
}

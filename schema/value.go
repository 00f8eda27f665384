package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

const (
	// valueID is the identifier of a schema that has none.
	valueID = "https://capd.dev/schema/of-a-document.json"
	// maxSchemaDepth bounds how deep a schema is nested.
	maxSchemaDepth = 100
	// maxQuoted bounds what a message repeats of a schema, in bytes.
	maxQuoted = 200
)

// Compile compiles a JSON Schema that a document holds, a JSON text, of the draft that its $schema
// names, else 2020-12. It refers to nothing outside of itself. The text of the error is fit for
// its author.
//
// check says what is wrong with a value, a JSON text: place is the member, such as a.b[0], or
// empty for the value itself, and rule what it must be, empty when it fits. Neither repeats
// anything of the value but names of members. It is safe for concurrent use.
func Compile(text []byte) (check func(value []byte) (place, rule string), err error) {
	defer func() {
		if r := recover(); r != nil {
			check, err = nil, errors.New("it cannot be read as a JSON Schema")
		}
	}()
	tree, err := decodeJSON(text)
	if err != nil {
		return nil, errors.New("it is no JSON")
	}
	if depth(tree) > maxSchemaDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxSchemaDepth)
	}
	tree = checkable(tame(tree))
	compiled, err := compileTree(tree)
	if err != nil {
		return nil, err
	}
	v := &checker{compiled: compiled, text: tree}
	return v.checkValue, nil
}

func decodeJSON(text []byte) (tree any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return tree, nil
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			deepest = max(deepest, depth(item))
		}
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depth(member))
		}
	default:
		return 0
	}
	return deepest + 1
}

// checkable leaves out what is published and not checked: formats, which only describe (2020-12,
// Validation section 7), and patterns that the regular expressions of Go cannot say.
func checkable(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = checkable(v[i])
		}
	case map[string]any:
		if p, ok := v["pattern"].(string); ok && !isRegexp(p) {
			delete(v, "pattern")
		}
		if _, ok := v["format"].(string); ok {
			delete(v, "format")
		}
		if all, ok := v["patternProperties"].(map[string]any); ok {
			for p := range all {
				if !isRegexp(p) {
					delete(all, p)
				}
			}
		}
		for k := range v {
			switch k {
			case "const", "enum", "default", "examples": // values, not schemas
			default:
				v[k] = checkable(v[k])
			}
		}
	}
	return v
}

func isRegexp(s string) bool {
	_, err := regexp.Compile(s)
	return err == nil
}

func compileTree(tree any) (*jsonschema.Schema, error) {
	text, err := json.Marshal(tree)
	if err != nil { // JSON values always marshal
		return nil, errors.New("it is no JSON")
	}
	c := jsonschema.NewCompiler()
	outside := ""
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		outside = url
		return nil, errors.New("not part of the schema")
	}
	if err := c.AddResource(valueID, bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("it is no JSON Schema: %s", shortened(reason(err)))
	}
	compiled, err := c.Compile(valueID)
	switch {
	case err == nil:
		return compiled, nil
	case outside != "":
		return nil, fmt.Errorf("it refers to %s, which is not part of it", shortened(strconv.Quote(outside)))
	}
	return nil, fmt.Errorf("it is no JSON Schema: %s", shortened(reason(err)))
}

// reason gives what the library says of a schema, without the identifier that we gave it.
func reason(err error) string {
	var tree *jsonschema.ValidationError
	if errors.As(err, &tree) {
		for len(tree.Causes) > 0 {
			tree = tree.Causes[0]
		}
		at := unescapeLocation(tree.InstanceLocation)
		if at == "" {
			return tree.Message
		}
		return at + ": " + tree.Message
	}
	text := strings.ReplaceAll(err.Error(), valueID, "")
	return strings.TrimSpace(text[strings.LastIndex(text, "jsonschema:")+1:])
}

func shortened(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
}

// checkValue says what is wrong with a value. Of several mistakes it tells the first by place.
func (v *checker) checkValue(raw []byte) (place, rule string) {
	defer func() {
		if r := recover(); r != nil {
			place, rule = "", "must be simpler: it could not be checked"
		}
	}()
	value, err := decodeJSON(raw)
	if err != nil {
		return "", "must be JSON"
	}
	value = tame(value)
	err = v.compiled.Validate(value)
	if err == nil {
		return "", ""
	}
	var tree *jsonschema.ValidationError
	if !errors.As(err, &tree) {
		return "", "must be simpler: it could not be checked"
	}
	found := v.findings(tree, value)
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.pointer, b.pointer), cmp.Compare(a.rule, b.rule))
	})
	if len(found) == 0 {
		return "", "must fit its schema"
	}
	return dotted(value, restore(found[0].pointer)), v.demand(&found[0])
}

// dotted gives a JSON pointer as people write a path: a.b[0].
func dotted(value any, pointer string) string {
	var b strings.Builder
	for pointer != "" {
		var token string
		token, pointer = cutToken(pointer)
		if list, ok := value.([]any); ok {
			b.WriteString("[" + token + "]")
			value = lookup(list, "/"+token)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
		value = lookup(value, "/"+escaped(token))
	}
	return shortened(b.String())
}

// demand says what a rule of the schema wants.
func (v *checker) demand(f *finding) string {
	want := lookup(v.text, f.rule)
	switch f.keyword {
	case "type":
		return "must be of type " + join(f.kinds, "or")
	case "required":
		switch {
		case len(f.names) == 0:
			return "lacks members that it must have"
		case f.anyName:
			return "must have " + quotedNames(f.names, "or")
		}
		return "must have " + quotedNames(f.names, "and")
	case "enum":
		if list, ok := want.([]any); ok {
			return "must be one of " + inline(list)
		}
	case "additionalProperties", "unevaluatedProperties":
		parent, _ := cutLast(f.rule)
		if known, ok := lookup(v.text, parent+"/properties").(map[string]any); ok && len(known) > 0 {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			return "must have no members but " + shortened(quotedNames(names, "and"))
		}
		return "must have no other members"
	case "anyOf", "oneOf":
		if f.several {
			return "fits more than one of the forms of which it can have one"
		}
		return "fits none of the forms that it can have"
	case "not":
		return "must not have the form that is excluded"
	}
	if f.keyword == "" || want == nil {
		return "is not allowed"
	}
	switch want.(type) {
	case map[string]any, []any:
		return "does not keep to " + f.keyword
	}
	return "does not keep to " + f.keyword + " " + inline(want)
}

func quotedNames(names []string, last string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(restore("/" + name)[1:])
	}
	return join(quoted, last)
}

func inline(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // JSON values always marshal
		return ""
	}
	return shortened(string(b))
}

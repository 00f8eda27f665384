package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
)

// describe says what is wrong with the value at a path, and where it can be told, how to
// mend it. It never quotes the value: it may be a secret.
func (f finding) describe(path string, value any) (message, hint string) {
	subject := "the document"
	if path != "" {
		subject = strconv.Quote(path)
	}
	switch f.keyword {
	case "type":
		return subject + " is " + kindOf(value) + "; expected " + expected(f.kinds), f.kindHint(value)
	case "required":
		return subject + missing(f.names, f.anyName), ""
	case "minimum", "maximum":
		return subject + " is out of range; expected " + span(f.low, f.high), ""
	case "additionalProperties":
		_, token := cutLast(f.pointer)
		name, _ := cutToken(token)
		if near, ok := diag.Nearest(name, f.names); ok {
			return subject + " is not known here", "did you mean " + near + "?"
		}
		return subject + " is not known here; expected " + join(f.names, "or"), ""
	case "anyOf", "oneOf":
		return subject + " fits none of the forms it can have", ""
	}
	return fmt.Sprintf("%s does not fit the rule %q of the schema", subject, f.keyword), ""
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "empty"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return "a number"
}

// expected puts the allowed JSON types into words. Null is left out: it is the same as
// nothing given, and nobody is asked to write it.
func expected(kinds []string) string {
	has := func(kind string) bool { return slices.Contains(kinds, kind) }
	var words []string
	add := func(present bool, word string) {
		if present {
			words = append(words, word)
		}
	}
	text := has("string") && has("number")
	add(text, "text")
	add(has("string") && !text, "a string")
	add(has("integer"), "an integer")
	add(has("number") && !text, "a number")
	add(has("boolean") && !text, "a boolean")
	add(has("array"), "a list")
	add(has("object"), "a mapping")
	if len(words) == 1 && words[0] == "a boolean" {
		return "true or false"
	}
	return join(words, "or")
}

// kindHint knows the usual ways in which YAML turns what was meant into another kind.
func (f finding) kindHint(value any) string {
	has := func(kind string) bool { return slices.Contains(f.kinds, kind) }
	switch v := value.(type) {
	case string:
		_, notNumber := strconv.ParseInt(v, 10, 64)
		if (has("integer") && notNumber == nil) || (has("boolean") && (v == "true" || v == "false")) {
			return "remove the quotes"
		}
		if has("boolean") && slices.Contains([]string{"yes", "no", "on", "off"}, v) {
			return "write true or false"
		}
	case json.Number, bool:
		if has("string") {
			return "put quotes around it"
		}
	case map[string]any:
		if has("string") && isBraced(v) {
			return "put quotes around a value that begins with a brace"
		}
		if has("array") {
			return `begin each entry with "- "`
		}
	}
	return ""
}

// isBraced reports whether a mapping looks like an unquoted template: {X} is a mapping
// with one key and nothing in it.
func isBraced(m map[string]any) bool {
	for _, value := range m {
		return len(m) == 1 && value == nil
	}
	return false
}

func missing(names []string, anyName bool) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	if anyName && len(names) > 1 {
		return " has neither " + join(quoted, "nor") + "; expected one of them"
	}
	return " has no " + join(quoted, "and no")
}

func span(low, high any) string {
	switch {
	case high == nil:
		return fmt.Sprintf("%v or more", low)
	case low == nil:
		return fmt.Sprintf("%v or less", high)
	}
	return fmt.Sprintf("%v to %v", low, high)
}

func join(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

package schema

import (
	"slices"
	"strconv"
	"strings"
)

// Tree is a value as the reader of a document keeps it.
type Tree[T any] interface {
	// JSONType gives null, boolean, number, string, array or object.
	JSONType() string
	// Scalar gives a string, or a number as JSON writes it.
	Scalar() string
	// Children counts the members of an object or the items of an array. Child gives one of them;
	// an item has no name.
	Children() int
	Child(i int) (name string, value T)
}

// Fits reports whether a document certainly fits the schema. When it says false, [Validator.Validate]
// decides, and says what is wrong. It exists because nearly every document fits, and to make JSON
// values of one and have the library visit them takes about as long as parsing the YAML, while this
// walk takes a small part of that.
func Fits[T Tree[T]](v *Validator, document T) bool { return screen(v.outline, document) }

// screen reports whether a value certainly fits. It says false whenever it is not sure.
func screen[T Tree[T]](s *outline, value T) bool {
	kind := value.JSONType()
	if !hasKind(s.Type, kind, value) || len(s.Enum) > 0 && (kind != "string" || !slices.Contains(s.Enum, value.Scalar())) {
		return false
	}
	switch kind {
	case "object":
		if !screenMembers(s, value) {
			return false
		}
	case "array":
		if s.Items != nil && !screenItems(s.Items, value) {
			return false
		}
	case "number":
		if !inRange(s, value) {
			return false
		}
	}
	return screenInPlace(s, value)
}

func screenMembers[T Tree[T]](s *outline, object T) bool {
	for _, name := range s.Required {
		if !hasMember(object, name) {
			return false
		}
	}
	others := &s.AdditionalProperties
	if len(s.Properties) == 0 && others.like == nil && !others.none {
		return true
	}
	for i := range object.Children() {
		name, member := object.Child(i)
		of, named := s.Properties[name]
		if !named {
			if of = others.like; others.none {
				return false
			}
		}
		if of != nil && !screen(of, member) {
			return false
		}
	}
	return true
}

func hasMember[T Tree[T]](object T, name string) bool {
	for i := range object.Children() {
		if given, _ := object.Child(i); given == name {
			return true
		}
	}
	return false
}

func screenItems[T Tree[T]](s *outline, array T) bool {
	for i := range array.Children() {
		if _, item := array.Child(i); !screen(s, item) {
			return false
		}
	}
	return true
}

// screenInPlace looks at the schemas that speak of the same value.
func screenInPlace[T Tree[T]](s *outline, value T) bool {
	if s.Ref.to != nil && !screen(s.Ref.to, value) {
		return false
	}
	for _, of := range s.AllOf {
		if !screen(of, value) {
			return false
		}
	}
	if len(s.AnyOf) > 0 && !screenAny(s.AnyOf, value) {
		return false
	}
	// A condition of which screen is not sure would count as unmet, and let the value past
	// its consequence. Conditions therefore use nothing about which it can be unsure: enum,
	// required, properties, and types other than integer.
	if s.If == nil {
		return true
	}
	consequence := s.Else
	if screen(s.If, value) {
		consequence = s.Then
	}
	return consequence == nil || screen(consequence, value)
}

func screenAny[T Tree[T]](list []*outline, value T) bool {
	for _, of := range list {
		if screen(of, value) {
			return true
		}
	}
	return false
}

func hasKind[T Tree[T]](kinds []string, given string, value T) bool {
	if len(kinds) == 0 {
		return true
	}
	for _, kind := range kinds {
		// 8.0 and 8e1 are integers as well; the library says so when it comes to that.
		if kind == given || kind == "integer" && given == "number" && strings.Trim(value.Scalar(), "-0123456789") == "" {
			return true
		}
	}
	return false
}

func inRange[T Tree[T]](s *outline, number T) bool {
	if s.Minimum == nil && s.Maximum == nil {
		return true
	}
	n, err := strconv.ParseInt(number.Scalar(), 10, 64)
	return err == nil && (s.Minimum == nil || n >= *s.Minimum) && (s.Maximum == nil || n <= *s.Maximum)
}

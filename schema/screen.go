package schema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// screen reports whether a value certainly fits a schema. It exists because nearly every
// document does: the library builds bookkeeping for each mapping it visits and takes about
// as long as parsing the YAML, while this walk takes a small part of that. It knows only
// the keywords the published schema uses (a test holds that), and says false whenever it
// is not sure; then the library decides, and says what is wrong.
func screen(s *jsonschema.Schema, value any) bool {
	if !hasKind(s.Types, value) || !inEnum(s.Enum, value) {
		return false
	}
	switch v := value.(type) {
	case map[string]any:
		if !screenMembers(s, v) {
			return false
		}
	case []any:
		if s.Items2020 != nil {
			for _, item := range v {
				if !screen(s.Items2020, item) {
					return false
				}
			}
		}
	case json.Number:
		if !inRange(s, string(v)) {
			return false
		}
	}
	return screenInPlace(s, value)
}

func screenMembers(s *jsonschema.Schema, members map[string]any) bool {
	for _, name := range s.Required {
		if _, given := members[name]; !given {
			return false
		}
	}
	if len(s.Properties) == 0 && s.AdditionalProperties == nil {
		return true
	}
	others, _ := s.AdditionalProperties.(*jsonschema.Schema)
	for name, member := range members {
		of, named := s.Properties[name]
		if !named {
			of = others
		}
		if of != nil && !screen(of, member) {
			return false
		}
	}
	return true
}

// screenInPlace looks at the schemas that speak of the same value.
func screenInPlace(s *jsonschema.Schema, value any) bool {
	if s.Ref != nil && !screen(s.Ref, value) {
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

func screenAny(list []*jsonschema.Schema, value any) bool {
	for _, of := range list {
		if screen(of, value) {
			return true
		}
	}
	return false
}

func hasKind(kinds []string, value any) bool {
	if len(kinds) == 0 {
		return true
	}
	for _, kind := range kinds {
		if isKind(kind, value) {
			return true
		}
	}
	return false
}

func isKind(kind string, value any) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	case json.Number:
		// 8.0 and 8e1 are integers as well; the library says so when it comes to that.
		return kind == "number" || kind == "integer" && strings.Trim(string(v), "-0123456789") == ""
	}
	return false
}

func inEnum(list []any, value any) bool {
	if len(list) == 0 {
		return true
	}
	given, isText := value.(string)
	for _, allowed := range list {
		if text, ok := allowed.(string); ok && isText && text == given {
			return true
		}
	}
	return false
}

func inRange(s *jsonschema.Schema, number string) bool {
	if s.Minimum == nil && s.Maximum == nil {
		return true
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return false
	}
	exact := new(big.Rat).SetInt64(n)
	return (s.Minimum == nil || exact.Cmp(s.Minimum) >= 0) && (s.Maximum == nil || exact.Cmp(s.Maximum) <= 0)
}

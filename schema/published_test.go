package schema_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"capd/schema"
)

func published(t *testing.T) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(schema.Source(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// walk calls visit for each schema within s with its pointer, except those within "if",
// which are conditions and not seen by readers.
func walk(s any, at string, visit func(at string, s map[string]any)) {
	m, ok := s.(map[string]any)
	if !ok {
		return
	}
	visit(at, m)
	for _, keyword := range []string{"items", "additionalProperties", "then", "else"} {
		walk(m[keyword], at+"/"+keyword, visit)
	}
	for _, keyword := range []string{"properties", "$defs"} {
		members, _ := m[keyword].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			walk(members[name], at+"/"+keyword+"/"+name, visit)
		}
	}
	for _, keyword := range []string{"allOf", "anyOf"} {
		list, _ := m[keyword].([]any)
		for _, item := range list {
			walk(item, at+"/"+keyword, visit)
		}
	}
}

func TestSchemaIsValid2020_12(t *testing.T) {
	t.Parallel()
	s := published(t)
	if s["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %v", s["$schema"])
	}
	meta, err := jsonschema.Compile("https://json-schema.org/draft/2020-12/schema")
	if err != nil {
		t.Fatal(err)
	}
	if err := meta.Validate(any(s)); err != nil {
		t.Errorf("%#v", err)
	}
}

// Editors show the description of a property on hover, and titles in lists.
func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	s := published(t)
	count := 0
	sentence := func(at string, s map[string]any) {
		count++
		text, _ := s["description"].(string)
		first := []rune(text + " ")[0]
		if len(text) < 10 || !unicode.IsUpper(first) && !strings.HasPrefix(text, "api ") ||
			!strings.HasSuffix(text, ".") || strings.Contains(text, "  ") {
			t.Errorf("%s: description %q is no sentence", at, text)
		}
	}
	walk(s, "#", func(at string, s map[string]any) {
		if strings.Count(at, "/$defs/") == 1 && strings.Count(at, "/") == 2 || at == "#" {
			sentence(at, s)
			if title, _ := s["title"].(string); title == "" {
				t.Errorf("%s has no title", at)
			}
		}
		members, _ := s["properties"].(map[string]any)
		for name, member := range members {
			sentence(at+"/properties/"+name, member.(map[string]any))
		}
	})
	if count < 300 {
		t.Errorf("only %d descriptions were looked at", count)
	}
}

func TestEveryDefinitionIsUsed(t *testing.T) {
	t.Parallel()
	s := published(t)
	used := map[string]bool{}
	walk(s, "#", func(at string, s map[string]any) {
		if ref, ok := s["$ref"].(string); ok {
			used[ref] = true
		}
	})
	for name := range s["$defs"].(map[string]any) {
		if ref := "#/$defs/" + name; !used[ref] {
			t.Errorf("%s is not used", ref)
		}
		delete(used, "#/$defs/"+name)
	}
	for ref := range used {
		t.Errorf("%s does not exist", ref)
	}
}

// The schema may use only keywords that screen evaluates and that have a message of their
// own. A new keyword here means new code there.
func TestKeywordsAreKnown(t *testing.T) {
	t.Parallel()
	known := strings.Fields("$schema $id $defs title description default examples $ref " +
		"type properties additionalProperties items required anyOf allOf if then else minimum maximum")
	walk(published(t), "#", func(at string, s map[string]any) {
		for keyword := range s {
			if !slices.Contains(known, keyword) {
				t.Errorf("%s uses %q", at, keyword)
			}
		}
		if condition, ok := s["if"].(map[string]any); ok {
			checkCondition(t, at+"/if", condition)
		}
	})
}

func checkCondition(t *testing.T, at string, s map[string]any) {
	t.Helper()
	for keyword := range s {
		if !slices.Contains([]string{"required", "properties", "enum", "type"}, keyword) {
			t.Errorf("%s uses %q, which screen may not decide", at, keyword)
		}
	}
	kind, given := s["type"]
	if name, ok := kind.(string); given && (!ok || name == "integer") {
		t.Errorf("%s has type %v, which screen may not decide", at, kind)
	}
	list, _ := s["enum"].([]any)
	for _, value := range list {
		if _, ok := value.(string); !ok {
			t.Errorf("%s has a value that is no string in its enum, which screen does not know", at)
		}
	}
	members, _ := s["properties"].(map[string]any)
	for name, member := range members {
		checkCondition(t, at+"/properties/"+name, member.(map[string]any))
	}
}

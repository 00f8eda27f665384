package portable

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// wordType gives the type that a limit belongs to; empty for a word that is no limit.
func wordType(word string) string {
	switch word {
	case "minLength", "maxLength", "pattern", "format":
		return typeString
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return typeNumber
	case "minItems", "maxItems", "uniqueItems":
		return typeArray
	case "minProperties", "maxProperties":
		return typeObject
	}
	return ""
}

// typesOf gives the types that a schema names. "nullable" is OpenAPI's word for null.
func typesOf(o Object) []string {
	var out []string
	add := func(t string) {
		switch t {
		case typeObject, typeArray, typeString, typeNumber, typeInteger, typeBoolean, typeNull:
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	if t, ok := o.text("type"); ok {
		add(t)
	}
	for _, raw := range o.list("type") {
		var t string
		if json.Unmarshal(raw, &t) == nil {
			add(t)
		}
	}
	if at := o.Find("nullable"); at >= 0 && string(o[at].Value) == "true" && len(out) > 0 {
		add(typeNull)
	}
	return out
}

// inferTypes gives the type that a schema without one is about.
func inferTypes(s *shape, o Object, types []string) []string {
	if len(types) > 0 || o.Find("$ref") >= 0 || len(o.list("anyOf"))+len(o.list("oneOf"))+len(o.list("allOf")) > 0 {
		return types
	}
	for _, v := range s.enum {
		if t := kindOf(v); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if len(types) > 0 {
		return types
	}
	for _, m := range o {
		switch m.Name {
		case "properties", "required", "additionalProperties", "patternProperties":
			return []string{typeObject}
		case "items", "prefixItems":
			return []string{typeArray}
		}
		if t := wordType(m.Name); t != "" && m.Name != "format" {
			return []string{t}
		}
	}
	return nil
}

// kindOf gives the type of a JSON value.
func kindOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return typeNull
	}
	switch raw[0] {
	case '{':
		return typeObject
	case '[':
		return typeArray
	case '"':
		return typeString
	case 't', 'f':
		return typeBoolean
	case 'n':
		return typeNull
	}
	if bytes.ContainsAny(raw, ".eE") {
		return typeNumber
	}
	return typeInteger
}

func hasType(raw json.RawMessage, typ string) bool {
	k := kindOf(raw)
	return k == typ || k == typeInteger && typ == typeNumber || k == typeNumber && typ == typeInteger
}

// readValues reads the limits and the values that are allowed.
func (r *reader) readValues(s *shape, o Object) {
	for _, m := range o {
		if wordType(m.Name) == "" {
			continue
		}
		if raw := compact(m.Value); isLimit(m.Name, raw) {
			s.words = append(s.words, Member{m.Name, raw})
		}
	}
	values := o.list("enum")
	if at := o.Find("const"); at >= 0 {
		values = []json.RawMessage{o[at].Value}
	}
	seen := map[string]bool{}
	for _, v := range values {
		if v = compact(v); hasPlainNumbers(v) && !seen[string(v)] {
			seen[string(v)] = true
			s.enum = append(s.enum, v)
		}
	}
	if !r.input {
		return
	}
	if at := o.Find("default"); at >= 0 && kindOf(o[at].Value) != typeNull {
		s.noteValue("Default", o[at].Value)
	}
	for _, word := range []string{"example", "examples"} {
		if at := o.Find(word); at >= 0 {
			if list := o.list(word); len(list) > 0 {
				s.noteValue("Example", list[0])
			} else if kindOf(o[at].Value) != typeObject {
				s.noteValue("Example", o[at].Value)
			}
			break
		}
	}
}

// maxNote bounds a value or a condition that is told in words.
const maxNote = 300

func (s *shape) noteValue(what string, raw json.RawMessage) {
	if text := string(compact(raw)); len(text) <= maxNote && text != `""` {
		s.note(what + ": " + text + ".")
	}
}

// isLimit reports whether a limit can be published: clients refuse the whole list for one
// that is not what the word wants.
func isLimit(word string, raw json.RawMessage) bool {
	switch word {
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		_, err := strconv.ParseUint(string(raw), 10, 53)
		return err == nil
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return isPlainNumber(raw)
	case "multipleOf":
		f, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && f > 0 && isPlainNumber(raw)
	case "uniqueItems":
		return string(raw) == "true"
	case "pattern", "format":
		return len(raw) > 2 && raw[0] == '"'
	}
	return false
}

// isPlainNumber reports whether a JSON text is a number that every reader can hold.
func isPlainNumber(raw json.RawMessage) bool {
	k := kindOf(raw)
	if k != typeNumber && k != typeInteger {
		return false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && (f != 0 || !bytes.ContainsAny(raw, "eE"))
}

// hasPlainNumbers reports whether all numbers in a JSON value are plain.
func hasPlainNumbers(raw json.RawMessage) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for {
		t, err := dec.Token()
		if err != nil {
			return true
		}
		if n, ok := t.(json.Number); ok && !isPlainNumber(json.RawMessage(n)) {
			return false
		}
	}
}

// tell says in words what some clients refuse to be told in JSON Schema.
func (s *shape) tell() {
	if s.told {
		return
	}
	s.told = true
	for _, c := range s.choices {
		c.tell()
	}
	s.tellValues()
	var kept Object
	for _, w := range s.words {
		if text, keep := s.tellWord(w); keep != nil {
			kept = append(kept, *keep)
		} else if text != "" {
			s.note(text)
		}
	}
	s.words = kept
	if s.typ == typeArray && s.items == nil {
		s.items = &shape{} // some clients refuse a list that says nothing of its elements
	}
}

// tellValues leaves lists of texts, which all clients take, and tells other values.
func (s *shape) tellValues() {
	switch s.typ {
	case "":
	case typeNull:
		s.enum = nil // there is one only
	case typeString:
		var texts []json.RawMessage
		for _, v := range s.enum {
			if k := kindOf(v); k == typeObject || k == typeArray || k == typeNull {
				continue
			} else if k != typeString {
				v = quoted(string(v))
			}
			if !containsRaw(texts, v) {
				texts = append(texts, v)
			}
		}
		s.enum = texts
	default:
		if len(s.enum) == 0 {
			return
		}
		texts := make([]string, len(s.enum))
		for i, v := range s.enum {
			texts[i] = strings.Trim(string(v), `"`)
		}
		lead := "One of: "
		if len(texts) == 1 {
			lead = "Always "
		}
		s.note(truncate(lead+strings.Join(texts, ", "), maxNote) + ".")
		s.enum = nil
	}
}

// tellWord gives a limit as it is published, or the text that takes its place.
func (s *shape) tellWord(w Member) (text string, keep *Member) {
	if of := wordType(w.Name); s.typ != "" && of != s.typ && (of != typeNumber || s.typ != typeInteger) && w.Name != "format" {
		return "", nil // it says nothing of this type
	}
	value := string(w.Value)
	switch w.Name {
	case "format":
		var format string
		if json.Unmarshal(w.Value, &format) != nil || len(format) > 100 {
			return "", nil
		}
		if slices.Contains(formatsOf(s.typ), format) {
			return "", &w
		}
		return "Format: " + format + ".", nil
	case "pattern":
		var pattern string
		if json.Unmarshal(w.Value, &pattern) != nil {
			return "", nil
		}
		if _, err := regexp.Compile(pattern); err == nil {
			return "", &w
		}
		return truncate("Pattern: "+pattern, maxNote), nil
	case "exclusiveMinimum", "exclusiveMaximum":
		word, step, lead := "minimum", int64(1), "Greater than "
		if w.Name == "exclusiveMaximum" {
			word, step, lead = "maximum", -1, "Less than "
		}
		if n, ok := new(big.Int).SetString(value, 10); ok && s.typ == typeInteger && s.words.Find(word) < 0 {
			return "", &Member{word, json.RawMessage(n.Add(n, big.NewInt(step)).String())}
		}
		return lead + value + ".", nil
	case "multipleOf":
		return "A multiple of " + value + ".", nil
	case "uniqueItems":
		return "No element twice.", nil
	}
	return "", &w
}

// formatsOf gives the formats that Gemini takes; it refuses all others.
func formatsOf(typ string) []string {
	switch typ {
	case typeString:
		return []string{"date-time"}
	case typeNumber:
		return []string{"float", "double"}
	case typeInteger:
		return []string{"int32", "int64"}
	}
	return nil
}

// furtherConditions stands for what would be too long to say.
const furtherConditions = "Further conditions hold."

// sayConditions tells the conditions between members in words. A call is checked against
// them whatever is said.
func (r *reader) sayConditions(s *shape, o Object) {
	var conditions Object
	for _, m := range o {
		switch m.Name {
		case "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties", "propertyNames", "contains", "minContains", "maxContains":
			conditions = append(conditions, Member{m.Name, compact(m.Value)})
		}
	}
	if len(conditions) == 0 {
		return
	}
	if text := conditions.JSON(); len(text) <= maxNote {
		s.note("Also, as JSON Schema: " + string(text))
		return
	}
	s.note(furtherConditions)
}

// compact gives JSON without white space.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

func unescapeFragment(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

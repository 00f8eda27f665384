package spec

import (
	"strings"

	"capd/engine/diag"
)

// authentication proposes the keys and types of the language for those of dialects
// (contract A3, A4, A6).
func (s *speller) authentication(v *Value) {
	s.rename(v, "authentication", "auth")
	a := firstValue(v, "authentication", "auth")
	if a == nil || a.Kind != Map {
		return
	}
	switch t := a.Get("type").AsText(); strings.ToLower(t.Value) {
	case "bearer":
		s.rename(a, "token", "value")
	case "apikey", "api-key", "api_key":
		s.apiKey(a, t)
	case "header":
		s.headerAuth(a, t)
	case "query":
		s.queryAuth(a, t)
	}
}

// set reports whether a key has a value that is not empty.
func set(v *Value, key string) bool { return v.Get(key).AsText().Value != "" }

// apiKey proposes key, value and placement for what says the same. The edits of one entry
// belong together: token alone renamed would change what key means.
func (s *speller) apiKey(a *Value, t Text) {
	if a.Get("headers") != nil {
		return
	}
	var edits []diag.Edit
	name := ""
	switch {
	case set(a, "value") || set(a, "token"):
		if !set(a, "value") {
			edits = append(edits, a.RenameKey("token", "value")...)
			if len(edits) == 0 {
				return
			}
		}
		name = firstSet(a, "key", "name", "header")
	default:
		// key is the value, and the name stands elsewhere.
		name = firstSet(a, "header", "name")
		if name == "" || a.Get("value") != nil || a.Get("key").isShared() || a.Get(name).isShared() {
			return
		}
		edits = append(edits, a.RenameKey("key", "value")...)
		edits = append(edits, a.member(name).Key.Rewrite("key")...)
		if len(edits) != 2 {
			return
		}
		name = "key"
	}
	if name != "" && name != "key" {
		renamed := a.RenameKey(name, "key")
		if renamed == nil {
			return
		}
		edits = append(edits, renamed...)
	}
	if !set(a, "placement") && set(a, "in") {
		edits = append(edits, a.RenameKey("in", "placement")...)
	}
	if t.Value != "apikey" {
		edits = append(edits, t.Rewrite("apikey")...)
	}
	s.add(a, edits, "an apikey is written with the words key, value and placement")
}

func firstSet(v *Value, keys ...string) string {
	for _, key := range keys {
		if set(v, key) {
			return key
		}
	}
	return ""
}

// headerAuth writes type header as the API key it is.
func (s *speller) headerAuth(a *Value, t Text) {
	if !set(a, "header") || a.Get("key") != nil || a.Get("name") != nil || a.Get("placement") != nil || a.Get("in") != nil || a.Get("headers") != nil {
		return
	}
	edits := a.RenameKey("header", "key")
	switch {
	case set(a, "value"):
	case set(a, "token") && a.Get("value") == nil:
		renamed := a.RenameKey("token", "value")
		if renamed == nil {
			return
		}
		edits = append(edits, renamed...)
	default:
		return
	}
	kind := t.Rewrite("apikey")
	if len(edits) == 0 || kind == nil {
		return
	}
	s.add(a, append(edits, kind...), "type header is an apikey that is sent in a header")
}

// queryAuth writes type query with one parameter as the API key it is.
func (s *speller) queryAuth(a *Value, t Text) {
	m := a.member("parameters")
	if m == nil || a.Get("key") != nil || a.Get("value") != nil || a.Get("token") != nil || a.Get("placement") != nil || a.Get("in") != nil ||
		a.Get("headers") != nil || a.Get("name") != nil || a.Get("header") != nil {
		return
	}
	var name, value Text
	switch p := m.Value; {
	case p.Kind == List && len(p.Items) == 1:
		name, value = p.Items[0].Get("name").AsText(), p.Items[0].Get("value").AsText()
	case p.Kind == Map && len(p.Members) == 1:
		name, value = p.Members[0].Key, p.Members[0].Value.AsText()
	}
	end, ok := m.extent()
	if name.Value == "" || value.Value == "" || !ok || !a.isEditable(end) {
		return
	}
	fresh := NewMap(FreshMember{"key", NewText(name.Value)}, FreshMember{"value", NewText(value.Value)}, FreshMember{"placement", NewText("query")})
	start, text := int(m.Key.node.start), ""
	if a.isFlow() || a.inFlow() {
		text = strings.TrimSuffix(strings.TrimPrefix(fresh.inline(), "{"), "}")
	} else {
		indent, ok := a.src.indentAt(start)
		if !ok {
			return
		}
		text = fresh.lines(indent, a.layout())
	}
	kind := t.Rewrite("apikey")
	if kind == nil {
		return
	}
	s.add(a, append(kind, a.src.edit(start, end, text)), "type query is an apikey that is sent in the query")
}

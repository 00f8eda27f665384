package rest

import (
	"encoding/json"
	"slices"
	"strings"

	"capd/engine/plan"
)

// media is a form of a body, with the schemas it has in the variants.
type media struct {
	name    string
	schemas []string // different ones
	free    bool     // one of them allows anything
}

type medias []*media

func (m *medias) add(name string, schema []byte) {
	i := slices.IndexFunc(*m, func(x *media) bool { return x.name == name })
	if i < 0 {
		*m = append(*m, &media{name: name})
		i = len(*m) - 1
	}
	to := (*m)[i]
	switch text := string(schema); {
	case text == "" || text == "{}" || text == "null":
		to.free = true
	case !slices.Contains(to.schemas, text):
		to.schemas = append(to.schemas, text)
	}
}

func (m medias) content() object {
	var out object
	for _, x := range m {
		var value object
		switch {
		case x.free || len(x.schemas) == 0:
			value = object{}
		case len(x.schemas) == 1:
			value = object{{"schema", json.RawMessage(x.schemas[0])}}
		default:
			value = object{{"schema", json.RawMessage(`{"anyOf":[` + strings.Join(x.schemas, ",") + `]}`)}}
		}
		out.set(x.name, value)
	}
	return out
}

func requestBody(variants []*variant, method string) any {
	var all medias
	required, description := true, ""
	for _, v := range variants {
		b := v.signature.Body
		if b == nil {
			required = false
			continue
		}
		required = required && b.Required
		description = firstText(description, b.Description)
		for _, name := range b.MediaTypes {
			all.add(name, bodySchema(b, name))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return object{{"description", description}, {"content", all.content()}, {"required", required}}
}

// bodySchema gives the schema of a body written as a media type; empty: anything.
func bodySchema(b *plan.RequestBody, mediaType string) []byte {
	switch {
	case mediaType == "application/json" || len(b.Members) > 0 && !strings.HasPrefix(mediaType, "application/x-www-form") && mediaType != "*/*":
		return newBodyTree(b, false).schema()
	case strings.HasPrefix(mediaType, "application/x-www-form"):
		return newBodyTree(b, true).schema()
	case mediaType == "multipart/form-data" && len(b.Schema) == 0:
		return []byte(`{"type":"object"}`)
	case mediaType == "multipart/form-data":
		return b.Schema
	case strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "xml") || strings.HasSuffix(mediaType, "yaml"):
		return []byte(`{"type":"string"}`)
	}
	return nil
}

// bodyTree is a body, or a member of one, with the members that are known.
type bodyTree struct {
	own         []byte
	description string
	required    bool
	names       []string
	members     []*bodyTree
}

// newBodyTree lays out the known members. The fields of a form hold no others.
func newBodyTree(b *plan.RequestBody, flat bool) *bodyTree {
	t := &bodyTree{own: b.Schema}
	if flat && len(t.own) == 0 {
		t.own = []byte(`{"type":"object"}`)
	}
	for _, m := range b.Members {
		path := m.Path
		if len(path) == 0 || flat {
			path = []string{m.Name}
		}
		at := t
		for _, name := range path {
			at = at.member(name)
			at.required = at.required || m.Required
		}
		at.own, at.description = m.Schema, m.Description
	}
	return t
}

func (t *bodyTree) member(name string) *bodyTree {
	if i := slices.Index(t.names, name); i >= 0 {
		return t.members[i]
	}
	t.names = append(t.names, name)
	t.members = append(t.members, &bodyTree{})
	return t.members[len(t.members)-1]
}

func (t *bodyTree) schema() []byte {
	out := t.own
	if len(t.members) > 0 {
		var properties object
		var required []string
		for i, name := range t.names {
			properties.set(name, json.RawMessage(t.members[i].schema()))
			if t.members[i].required {
				required = append(required, name)
			}
		}
		// An object of objects and JSON always encodes.
		out, _ = object{{"type", "object"}, {"properties", properties}, {"required", required}}.MarshalJSON()
		if len(t.own) > 0 && string(t.own) != `{"type":"object"}` {
			out = []byte(`{"allOf":[` + string(t.own) + `,` + string(out) + `]}`)
		}
	}
	if len(out) == 0 {
		out = []byte("{}")
	}
	if t.description != "" {
		text, _ := json.Marshal(t.description) // a string always encodes
		head := `{"description":` + string(text)
		if string(out) != "{}" {
			head += ","
		}
		out = append([]byte(head), out[1:]...)
	}
	return out
}

package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// outline is a schema with the keywords that the published one uses, and no others: what [Fits] needs.
type outline struct {
	Type                 kinds               `json:"type"`
	Enum                 []string            `json:"enum"`
	Minimum              *int64              `json:"minimum"`
	Maximum              *int64              `json:"maximum"`
	Required             []string            `json:"required"`
	Properties           map[string]*outline `json:"properties"`
	AdditionalProperties others              `json:"additionalProperties"`
	Items                *outline            `json:"items"`
	AllOf                []*outline          `json:"allOf"`
	AnyOf                []*outline          `json:"anyOf"`
	If                   *outline            `json:"if"`
	Then                 *outline            `json:"then"`
	Else                 *outline            `json:"else"`
	Ref                  reference           `json:"$ref"`

	// What only editors and the whole schema read.
	Schema      json.RawMessage     `json:"$schema"`
	ID          json.RawMessage     `json:"$id"`
	Defs        map[string]*outline `json:"$defs"`
	Title       json.RawMessage     `json:"title"`
	Description json.RawMessage     `json:"description"`
	Default     json.RawMessage     `json:"default"`
	Examples    json.RawMessage     `json:"examples"`
}

// kinds are the JSON types that a value may have, of which a schema names one or several.
type kinds []string

// UnmarshalJSON reads a name or a list of names.
func (k *kinds) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte{'['}) {
		return json.Unmarshal(text, (*[]string)(k))
	}
	*k = make(kinds, 1)
	return json.Unmarshal(text, &(*k)[0])
}

// reference is the place of another schema in the same text, and that schema.
type reference struct {
	to *outline // nil: there is none
	at string
}

// UnmarshalJSON reads the place.
func (r *reference) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &r.at) }

// others is what members may be that have no schema of their own.
type others struct {
	like *outline // nil: each will do
	none bool     // there may be none
}

// UnmarshalJSON reads true, false or a schema.
func (o *others) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true":
		return nil
	case "false":
		o.none = true
		return nil
	}
	return strictly(text, &o.like)
}

// strictly reads a value of which every member is known.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// newOutline reads a schema. The error names a keyword that outline does not have, or a reference to nothing.
func newOutline(text []byte) (*outline, error) {
	o := &outline{}
	if err := strictly(text, o); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	if err := o.link(o.Defs); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return o, nil
}

// link finds what the references of a schema and of those in it refer to.
func (o *outline) link(defs map[string]*outline) error {
	if o == nil {
		return nil
	}
	if o.Ref.at != "" {
		name, ok := strings.CutPrefix(o.Ref.at, "#/$defs/")
		if o.Ref.to = defs[name]; !ok || o.Ref.to == nil {
			return fmt.Errorf("%s refers to nothing", o.Ref.at)
		}
	}
	for _, of := range []map[string]*outline{o.Defs, o.Properties} {
		for _, one := range of {
			if err := one.link(defs); err != nil {
				return err
			}
		}
	}
	for _, of := range [][]*outline{o.AllOf, o.AnyOf, {o.AdditionalProperties.like, o.Items, o.If, o.Then, o.Else}} {
		for _, one := range of {
			if err := one.link(defs); err != nil {
				return err
			}
		}
	}
	return nil
}

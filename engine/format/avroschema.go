package format

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hamba/avro/v2"
)

// avroType is a compiled type.
type avroType struct {
	kind    avro.Type
	names   []string    // quoted: of a record's fields, an enum's symbols
	types   []*avroType // of a record's fields, a union's branches, the items of an array or map
	size    int         // of fixed
	decimal bool
	scale   int
}

// compileAvro reads a schema. file is for messages.
func compileAvro(file string, text []byte) (*avroType, error) {
	fail := func(message string) error {
		return &SchemaError{File: file, Message: message}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, fail("the Avro schema is empty")
	}
	plain, err := withoutDefaults(text)
	if err != nil {
		e := &SchemaError{File: file, Message: "the Avro schema is not valid JSON"}
		e.Line, e.Column = jsonErrorPlace(text)
		return nil, e
	}
	schema, err := avro.ParseBytesWithCache(plain, "", &avro.SchemaCache{})
	if err != nil {
		return nil, fail("it is not an Avro schema: " + strings.TrimPrefix(err.Error(), "avro: "))
	}
	c := &avroCompiler{known: make(map[string]*avroType)}
	t := c.compile(schema)
	if c.wrong != "" {
		return nil, fail(c.wrong)
	}
	return t, nil
}

// withoutDefaults drops the defaults of fields, which reading does not need. The library panics on
// some that refer to their own record.
func withoutDefaults(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if !json.Valid(text) || d.Decode(&v) != nil {
		return nil, invalid("not JSON")
	}
	dropDefaults(v)
	return json.Marshal(v)
}

func dropDefaults(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "default")
		for _, c := range v {
			dropDefaults(c)
		}
	case []any:
		for _, c := range v {
			dropDefaults(c)
		}
	}
}

// avroCompiler compiles the types of one schema. Named types refer to each other.
type avroCompiler struct {
	known map[string]*avroType
	wrong string
}

func (c *avroCompiler) compile(s avro.Schema) *avroType {
	if ref, ok := s.(*avro.RefSchema); ok {
		s = ref.Schema()
	}
	if named, ok := s.(avro.NamedSchema); ok {
		if t := c.known[named.FullName()]; t != nil {
			return t
		}
	}
	t := &avroType{kind: s.Type()}
	if named, ok := s.(avro.NamedSchema); ok {
		c.known[named.FullName()] = t
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		t.kind = avro.Record // an error is one too
		for _, f := range s.Fields() {
			t.names = append(t.names, string(appendString(nil, f.Name())))
			t.types = append(t.types, c.compile(f.Type()))
		}
	case *avro.EnumSchema:
		for _, symbol := range s.Symbols() {
			t.names = append(t.names, string(appendString(nil, symbol)))
		}
	case *avro.ArraySchema:
		t.types = []*avroType{c.compile(s.Items())}
	case *avro.MapSchema:
		t.types = []*avroType{c.compile(s.Values())}
	case *avro.UnionSchema:
		for _, branch := range s.Types() {
			t.types = append(t.types, c.compile(branch))
		}
	case *avro.FixedSchema:
		t.size = s.Size()
		c.logical(t, s.Logical())
	case *avro.PrimitiveSchema:
		c.logical(t, s.Logical())
	}
	return t
}

func (c *avroCompiler) logical(t *avroType, l avro.LogicalSchema) {
	d, ok := l.(*avro.DecimalLogicalSchema)
	if !ok || t.kind != avro.Bytes && t.kind != avro.Fixed {
		return
	}
	t.decimal, t.scale = true, d.Scale()
	if t.scale < 0 || t.scale > 8*maxDecimal {
		c.wrong = "a decimal has a scale that is not accepted"
	}
}

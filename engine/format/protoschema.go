package format

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// maxImports is how many files a .proto may import, directly or not.
const maxImports = 200

// protoMessage is a compiled message type.
type protoMessage struct {
	fields   []*protoField // in the order of the file
	byNumber map[protowire.Number]int32
	always   []int32 // fields that are written even when absent
	oneofs   int
	special  protoSpecial
}

// protoSpecial is how a well-known type is written.
type protoSpecial uint8

const (
	protoPlain    protoSpecial = iota
	protoTime                  // Timestamp
	protoDuration              // Duration
	protoInner                 // its only field: wrappers, Struct, ListValue
	protoValue                 // Value
)

// protoField is a compiled field.
type protoField struct {
	label      string // the quoted name and a colon
	kind       protoreflect.Kind
	wire       protowire.Type // of one value
	isList     bool
	oneof      int // index, or -1
	message    *protoMessage
	symbols    map[int32]string // quoted, of an enum
	key, value *protoField      // of a map
}

// compileProto compiles the file in o and gives its first message type.
func compileProto(o Options) (*protoMessage, error) {
	name := o.SchemaName
	if name == "" {
		name = "schema.proto"
	}
	if len(bytes.TrimSpace(o.Schema)) == 0 {
		return nil, &SchemaError{File: o.SchemaName, Message: "the file is empty"}
	}
	files := &protoFiles{name: name, text: o.Schema, read: o.Import}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(files), MaxParallelism: 1}
	linked, err := c.Compile(context.Background(), name)
	if err != nil {
		return nil, explainProto(name, err)
	}
	types := linked[0].Messages()
	if types.Len() == 0 {
		return nil, &SchemaError{File: name, Message: "the file declares no message"}
	}
	return (&protoCompiler{known: make(map[protoreflect.FullName]*protoMessage)}).message(types.Get(0)), nil
}

// explainProto gives the place that the compiler names.
func explainProto(name string, err error) error {
	e := &SchemaError{File: name, Message: err.Error()}
	var placed reporter.ErrorWithPos
	if errors.As(err, &placed) {
		pos := placed.GetPosition()
		e.File, e.Line, e.Column, e.Message = pos.Filename, pos.Line, pos.Col, strings.ReplaceAll(placed.Unwrap().Error(), "$end", "end of file")
	}
	return e
}

// protoFiles gives the compiler its files.
type protoFiles struct {
	name string
	text []byte
	read func(name string) ([]byte, error)

	mu    sync.Mutex
	count int
}

// FindFileByPath gives the text of a file. Those of google/protobuf are built into the compiler,
// which looks for them when it does not find them here.
func (f *protoFiles) FindFileByPath(name string) (protocompile.SearchResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	switch {
	case name == f.name:
		return protocompile.SearchResult{Source: bytes.NewReader(f.text)}, nil
	case strings.HasPrefix(name, "google/protobuf/") || f.read == nil:
		return protocompile.SearchResult{}, protoregistry.NotFound
	case f.count > maxImports:
		return protocompile.SearchResult{}, errors.New("too many files are imported")
	}
	text, err := f.read(name)
	if err != nil {
		return protocompile.SearchResult{}, err
	}
	return protocompile.SearchResult{Source: bytes.NewReader(text)}, nil
}

// protoCompiler compiles the message types that a type refers to.
type protoCompiler struct {
	known map[protoreflect.FullName]*protoMessage
}

func (c *protoCompiler) message(d protoreflect.MessageDescriptor) *protoMessage {
	if m := c.known[d.FullName()]; m != nil {
		return m
	}
	m := &protoMessage{byNumber: make(map[protowire.Number]int32), oneofs: d.Oneofs().Len(), special: special(d)}
	c.known[d.FullName()] = m
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f := c.field(fd)
		m.byNumber[fd.Number()] = int32(i)
		if fd.IsList() || fd.IsMap() || !fd.HasPresence() {
			m.always = append(m.always, int32(i))
		}
		m.fields = append(m.fields, f)
	}
	return m
}

func (c *protoCompiler) field(d protoreflect.FieldDescriptor) *protoField {
	f := &protoField{label: string(append(appendString(nil, string(d.Name())), ':')), kind: d.Kind(), wire: wireType(d.Kind()), isList: d.IsList(), oneof: -1}
	if o := d.ContainingOneof(); o != nil {
		f.oneof = o.Index()
	}
	switch {
	case d.IsMap():
		f.key, f.value = c.field(d.MapKey()), c.field(d.MapValue())
	case d.Message() != nil:
		f.message = c.message(d.Message())
	case d.Enum() != nil:
		f.symbols = symbols(d.Enum())
	}
	return f
}

func symbols(d protoreflect.EnumDescriptor) map[int32]string {
	out := make(map[int32]string)
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		if _, taken := out[int32(v.Number())]; !taken {
			out[int32(v.Number())] = string(appendString(nil, string(v.Name())))
		}
	}
	if d.FullName() == "google.protobuf.NullValue" {
		out[0] = "null"
	}
	return out
}

// special finds the well-known types. Others may have their names, but not their fields.
func special(d protoreflect.MessageDescriptor) protoSpecial {
	fields := d.Fields()
	switch d.FullName() {
	case "google.protobuf.Timestamp":
		if areTimeFields(fields) {
			return protoTime
		}
	case "google.protobuf.Duration":
		if areTimeFields(fields) {
			return protoDuration
		}
	case "google.protobuf.Struct", "google.protobuf.ListValue",
		"google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value", "google.protobuf.UInt64Value",
		"google.protobuf.Int32Value", "google.protobuf.UInt32Value", "google.protobuf.BoolValue", "google.protobuf.StringValue",
		"google.protobuf.BytesValue":
		if fields.Len() == 1 {
			return protoInner
		}
	case "google.protobuf.Value":
		return protoValue
	}
	return protoPlain
}

func areTimeFields(f protoreflect.FieldDescriptors) bool {
	return f.Len() == 2 && f.Get(0).Kind() == protoreflect.Int64Kind && f.Get(1).Kind() == protoreflect.Int32Kind &&
		!f.Get(0).IsList() && !f.Get(1).IsList()
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

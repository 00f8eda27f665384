package format_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"capd/engine/format"
)

const allProto = `syntax = "proto3";
package example;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
import "more/other.proto";

message All {
  int32 last_one = 30;
  int64 big = 1;
  uint64 bigger = 2;
  sint32 signed = 3;
  fixed64 fixed = 4;
  sfixed32 sfixed = 5;
  float f = 6;
  double d = 7;
  bool ok = 8;
  string text = 9;
  bytes raw = 10;
  enum Suit { HEARTS = 0; SPADES = 1; }
  Suit suit = 11;
  repeated int32 list = 12;
  repeated All children = 13;
  map<string, int64> counts = 14;
  map<int32, All> by_id = 15;
  oneof choice { string a = 16; int32 b = 17; }
  optional int32 maybe = 18;
  All child = 19;
  google.protobuf.Timestamp at = 20;
  google.protobuf.Duration took = 21;
  google.protobuf.Int64Value wrapped = 22;
  google.protobuf.Struct free = 23;
  google.protobuf.Any any = 24;
  other.Other other = 25;
}
`

// zeros is what is there though it is absent.
const (
	zerosBefore = `"last_one":0,"big":0,"bigger":0,"signed":0,"fixed":0,"sfixed":0,"f":0,"d":0,"ok":false,"text":"","raw":"","suit":"HEARTS","list":[],"children":[],`
	zeros       = zerosBefore + `"counts":{},"by_id":{}`
)

func protoOptions() format.Options {
	return format.Options{Schema: []byte(allProto), SchemaName: "schemas/all.proto", Import: func(name string) ([]byte, error) {
		if name == "more/other.proto" {
			return []byte("syntax = \"proto2\"; package other; message Other { required string id = 1; optional int32 n = 2 [default = 7]; repeated group Item = 3 { optional int32 x = 1; } }"), nil
		}
		return nil, fmt.Errorf("there is no file %s", name)
	}}
}

// field writes a field: ints are varints, strings and messages have their length.
func field(number int, value any) string {
	n := protowire.Number(number)
	switch v := value.(type) {
	case int:
		return string(protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), uint64(v)))
	case uint32:
		return string(protowire.AppendFixed32(protowire.AppendTag(nil, n, protowire.Fixed32Type), v))
	case uint64:
		return string(protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), v))
	case string:
		return string(protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), v))
	}
	return ""
}

func TestProtobuf(t *testing.T) {
	t.Parallel()
	with := func(members string) string { return "{" + zeros + members + "}" }
	value := func(number int, v any) string { return field(number, v) }
	check(t, format.Protobuf, protoOptions(), []rule{
		{name: "empty", answer: "", gives: with("")},
		{name: "numbers", answer: field(1, math.MinInt64) + field(2, -1) + field(3, 5) + field(4, uint64(math.MaxUint64)) + field(5, uint32(math.MaxUint32)) + field(6, math.Float32bits(0.1)) + field(7, math.Float64bits(math.NaN())) + field(8, 1) + field(30, -1),
			gives: `{"last_one":-1,"big":-9223372036854775808,"bigger":18446744073709551615,"signed":-3,"fixed":18446744073709551615,"sfixed":-1,"f":0.1,"d":"NaN","ok":true,"text":"","raw":"","suit":"HEARTS","list":[],"children":[],"counts":{},"by_id":{}}`},
		{name: "text, bytes, enums", answer: field(9, "é\xff") + field(10, "\x00\xff") + field(11, 1), gives: strings.NewReplacer(`"text":""`, `"text":"é`+"\uFFFD"+`"`, `"raw":""`, `"raw":"AP8="`, "HEARTS", "SPADES").Replace(with(""))},
		{name: "an enum without a name", answer: field(11, 9), gives: strings.Replace(with(""), `"HEARTS"`, "9", 1)},
		{name: "lists", answer: field(12, 1) + field(9, "") + field(12, "\x02\x03") + field(12, 4), gives: strings.Replace(with(""), `"list":[]`, `"list":[1,2,3,4]`, 1)},
		{name: "messages", answer: field(13, field(9, "x")) + field(13, ""), gives: strings.Replace(with(""), `"children":[]`, `"children":[`+strings.Replace(with(""), `"text":""`, `"text":"x"`, 1)+","+with("")+`]`, 1)},
		{name: "maps", answer: field(14, field(1, "k")+field(2, 7)) + field(14, field(2, 8)) + field(14, field(1, "k")+field(2, 9)) + field(15, field(1, -2)), gives: strings.NewReplacer(`"counts":{}`, `"counts":{"":8,"k":9}`, `"by_id":{}`, `"by_id":{"-2":`+with("")+`}`).Replace(with(""))},
		{name: "oneof", answer: field(16, "x") + field(17, 5), gives: with(`,"b":5`)},
		{name: "oneof the other way", answer: field(17, 5) + field(16, ""), gives: with(`,"a":""`)},
		{name: "presence", answer: field(18, 0), gives: with(`,"maybe":0`)},
		{name: "a message in pieces", answer: field(19, field(9, "x")+field(1, 1)) + field(30, 0) + field(19, field(1, 2)), gives: with(`,"child":` + strings.NewReplacer(`"text":""`, `"text":"x"`, `"big":0`, `"big":2`).Replace(with("")))},
		{name: "times", answer: field(20, field(1, 1769853600)+field(2, 500_000_000)) + field(21, field(1, -1)+field(2, -500_000_000)), gives: with(`,"at":"2026-01-31T10:00:00.5Z","took":"-1.5s"`)},
		{name: "times out of range", answer: field(20, field(1, math.MaxInt64)) + field(21, field(1, 1)+field(2, -1)), gives: with(`,"at":{"seconds":9223372036854775807,"nanos":0},"took":{"seconds":1,"nanos":-1}`)},
		{name: "wrappers", answer: field(22, ""), gives: with(`,"wrapped":0`)},
		{name: "free values", answer: field(23, field(1, field(1, "a")+field(2, field(2, math.Float64bits(1.5))))+field(1, field(1, "b")+field(2, field(6, field(1, field(3, "s"))+field(1, field(4, 1))+field(1, field(1, 0))+field(1, field(5, ""))+field(1, ""))))),
			gives: with(`,"free":{"a":1.5,"b":["s",true,null,{},null]}`)},
		{name: "any", answer: field(24, field(1, "t")+field(2, "\x01")), gives: with(`,"any":{"type_url":"t","value":"AQ=="}`)},
		{name: "another file", answer: field(25, ""), gives: with(`,"other":{"item":[]}`)},
		{name: "groups", answer: field(25, value(2, 1)+"\x1b"+field(1, 5)+"\x1c"), gives: with(`,"other":{"n":1,"item":[{"x":5}]}`)},
		{name: "unknown fields and wrong types", answer: field(99, 1) + field(98, "x") + field(9, 5) + "\xa3\x06\xa4\x06", gives: with("")},
		{name: "cut off", answer: field(9, "secret")[:5], says: "the answer is not valid Protobuf: a field is broken or cut off"},
		{name: "a huge length", answer: "\x4a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", says: "the answer is not valid Protobuf: a field is broken or cut off"},
		{name: "no message", answer: "<html>", says: "the answer is not valid Protobuf: a field is broken or cut off"},
		{name: "a broken list", answer: field(12, "\xff"), says: "the answer is not valid Protobuf: a list of numbers is broken or cut off"},
		{name: "a broken map", answer: field(14, "\xff"), says: "the answer is not valid Protobuf: an entry of a map is broken or cut off"},
	})
}

func TestHostileProtobuf(t *testing.T) {
	t.Parallel()
	deep, pieces := "", ""
	for range 2000 {
		deep = field(19, deep)
	}
	for range 60 {
		pieces = field(19, pieces) + field(19, strings.Repeat(field(1, 1), 1000))
	}
	few := protoOptions()
	few.Limits.Nodes = 10
	check(t, format.Protobuf, few, []rule{
		{name: "many fields", answer: strings.Repeat("\x6a\x00", 41), says: "the answer is too much to be read as Protobuf: a message has more than 40 fields"},
	})
	check(t, format.Protobuf, protoOptions(), []rule{
		{name: "deep", answer: deep, says: "the answer is too much to be read as Protobuf: it nests deeper than 500 levels"},
		{name: "deep groups", answer: strings.Repeat("\x1b", 100_000), says: "the answer is not valid Protobuf: a field is broken or cut off"},
		{name: "pieces", answer: pieces, says: "the answer is too much to be read as Protobuf: it has too many messages in pieces"},
		{name: "many empty messages", answer: strings.Repeat("\x6a\x00", 50_000), says: "the answer is too much to be read as Protobuf: its JSON would have more than 4248576 bytes"},
	})
}

func TestProtobufSchemas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schema, says string }{
		{"", "a.proto: the file is empty"},
		{"syntax = \"proto3\";\nmessage A {\n  strin x = 1;\n}", "a.proto:3:3: field A.x: unknown type strin"},
		{"syntax = \"proto3\";\nmessage A {", "a.proto:2:12: syntax error: unexpected end of file"},
		{"syntax = \"proto3\";\nenum E { X = 0; }", "a.proto: the file declares no message"},
		{"syntax = \"proto3\";\nimport \"b.proto\";\nmessage A {}", "a.proto:2:8: there is no file b.proto"},
		{"syntax = \"proto3\";\nimport \"a.proto\";\nmessage A {}", "a.proto:2:8: cycle found in imports: \"a.proto\" -> \"a.proto\""},
		{"syntax = \"proto3\"; package google.protobuf; message StringValue {} message Timestamp { Timestamp seconds = 1; }", ""},
	} {
		o := protoOptions()
		o.Schema, o.SchemaName = []byte(c.schema), "a.proto"
		d, err := format.New(format.Protobuf, o)
		if text(err) != c.says {
			t.Errorf("%s\nsays %q, want %q", c.schema, text(err), c.says)
		}
		var e *format.SchemaError
		if err != nil && !errors.As(err, &e) {
			t.Errorf("the error is a %T", err)
		}
		if err == nil {
			if tree, err := d.Decode(nil, ""); err != nil || string(tree.JSON) != "{}" {
				t.Errorf("%s, %v", tree.JSON, err)
			}
		}
	}
}

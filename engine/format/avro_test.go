package format_test

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"capd/engine/format"
)

// everything is a schema that has each type.
const everything = `{"type": "record", "name": "All", "namespace": "example", "fields": [
	{"name": "z", "type": "int"}, {"name": "long", "type": "long"}, {"name": "float", "type": "float"}, {"name": "double", "type": "double"},
	{"name": "ok", "type": "boolean", "default": false}, {"name": "none", "type": "null"}, {"name": "text", "type": "string"}, {"name": "bytes", "type": "bytes"},
	{"name": "fixed", "type": {"type": "fixed", "name": "Two", "size": 2}},
	{"name": "enum", "type": {"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]}},
	{"name": "list", "type": {"type": "array", "items": "long"}},
	{"name": "map", "type": {"type": "map", "values": "Two"}},
	{"name": "union", "type": ["null", "string", {"type": "record", "name": "Sub", "fields": [{"name": "a", "type": ["null", "All"]}]}]},
	{"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}},
	{"name": "day", "type": {"type": "int", "logicalType": "date"}},
	{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
	{"name": "id", "type": {"type": "string", "logicalType": "uuid"}}]}`

// bin writes Avro by hand: ints are longs, strings have their length, bytes are as they are.
func bin(parts ...any) string {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.AppendVarint(b, int64(p))
		case string:
			b = append(binary.AppendVarint(b, int64(len(p))), p...)
		case []byte:
			b = append(b, p...)
		case float32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(p))
		case float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p))
		}
	}
	return string(b)
}

func TestAvro(t *testing.T) {
	t.Parallel()
	all := func(price []byte, union ...any) string {
		return bin(append(append([]any{-42, math.MaxInt64, float32(0.1), math.Inf(1), []byte{1}, "é\"", "\x00\xff", []byte("ab"), 1, 2, 7, 8, -1, 1, 9, 0, 1, "k", []byte("cd"), 0},
			union...), string(price), 20000, 1767225600000, "c0ffee00-0000-0000-0000-000000000000")...)
	}
	gives := func(price, union string) string {
		return `{"z":-42,"long":9223372036854775807,"float":0.1,"double":"Infinity","ok":true,"none":null,"text":"é\"","bytes":"AP8=","fixed":"YWI=",` +
			`"enum":"SPADES","list":[7,8,9],"map":{"k":"Y2Q="},"union":` + union + `,"price":` + price + `,"day":20000,"at":1767225600000,"id":"c0ffee00-0000-0000-0000-000000000000"}`
	}
	check(t, format.Avro, format.Options{Schema: []byte(everything)}, []rule{
		{name: "every type", answer: all([]byte{0x30, 0x39}, 1, "u"), gives: gives("123.45", `"u"`)},
		{name: "a negative decimal", answer: all([]byte{0xff}, 0), gives: gives("-0.01", `null`)},
		{name: "a large decimal", answer: all([]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 2, 0), gives: gives("6044629098073145873530.87", `{"a":null}`)},
		{name: "no digits", answer: all(nil, 0), gives: gives("0.00", `null`)},
		{name: "a huge decimal", answer: all(make([]byte, 600), 0), says: "the answer is too much to be read as Avro: a decimal has more than 512 bytes"},
		{name: "framing of a registry", answer: "\x00\x00\x00\x00\x07" + all([]byte{1}, 0), gives: gives("0.01", `null`)},
		{name: "framing of a single object", answer: "\xc3\x0112345678" + all([]byte{1}, 0), gives: gives("0.01", `null`)},
		{name: "cut off", answer: all(nil, 0)[:30], says: "the answer is not valid Avro: it ends too early"},
		{name: "something left over", answer: all(nil, 0) + "x", says: "the answer is not valid Avro: 1 bytes are left over; the schema may be another one"},
		{name: "no such branch", answer: all(nil, 3), says: "the answer is not valid Avro: byte 48: there is no such branch or symbol; the schema may be another one"},
		{name: "empty", answer: "", says: "the answer is not valid Avro: it ends too early"},
		{name: "a number without an end", answer: strings.Repeat("\xff", 20), says: "the answer is not valid Avro: byte 0: a number has more than 64 bits"},
	})
}

func TestHostileAvro(t *testing.T) {
	t.Parallel()
	field := func(typ string) format.Options {
		return format.Options{Schema: []byte(`{"type": "record", "name": "R", "fields": [{"name": "f", "type": ` + typ + `}]}`)}
	}
	huge := math.MaxInt64 / 4
	check(t, format.Avro, field(`"string"`), []rule{
		{name: "a huge string", answer: bin(huge, []byte("x")), says: "the answer is not valid Avro: it ends too early"},
		{name: "a negative string", answer: bin(-5), says: "the answer is not valid Avro: byte 1: a length is negative"},
	})
	check(t, format.Avro, field(`{"type": "array", "items": "null"}`), []rule{
		{name: "a huge list of nothing", answer: bin(huge), says: "the answer is too much to be read as Avro: its JSON would have more than 1048864 bytes"},
		{name: "a list without a length", answer: bin(math.MinInt64), says: "the answer is not valid Avro: byte 10: a list has no length"},
	})
	check(t, format.Avro, field(`{"type": "array", "items": {"type": "record", "name": "E", "fields": []}}`), []rule{
		{name: "a huge list of empty records", answer: bin(-huge, 1), says: "the answer is too much to be read as Avro: its JSON would have more than 1048896 bytes"},
	})
	check(t, format.Avro, field(`["null", "R"]`), []rule{
		{name: "a list of records", answer: bin(1, 1, 0), gives: `{"f":{"f":{"f":null}}}`},
		{name: "records without an end", answer: strings.Repeat("\x02", 100_000), says: "the answer is too much to be read as Avro: it nests deeper than 500 levels"},
	})
	check(t, format.Avro, field(`"R"`), []rule{
		{name: "a record inside itself", answer: "", says: "the answer is too much to be read as Avro: it nests deeper than 500 levels"},
	})
}

func TestAvroContainer(t *testing.T) {
	t.Parallel()
	const own = `{"type": "record", "name": "Own", "fields": [{"name": "a", "type": "int"}]}`
	file := func(codec, schema string, blocks ...any) string {
		return bin(append([]any{[]byte("Obj\x01"), 2, "avro.schema", schema, "avro.codec", codec, 0, []byte("0123456789abcdef")}, blocks...)...)
	}
	sync := []byte("0123456789abcdef")
	check(t, format.Avro, format.Options{Schema: []byte(everything)}, []rule{
		{name: "records", answer: file("null", own, 2, bin(1, 2), sync, 1, bin(3), sync), gives: `[{"a":1},{"a":2},{"a":3}]`},
		{name: "no records", answer: file("", own), gives: `[]`},
		{name: "compressed", answer: file("deflate", own), says: "the answer is not valid Avro: the container file is compressed, which is not accepted"},
		{name: "a broken schema", answer: file("null", `{"secret"`), says: "the answer is not valid Avro: the schema in the container file cannot be used"},
		{name: "a huge schema", answer: file("null", strings.Repeat(" ", 300_000)), says: "the answer is too much to be read as Avro: its schema has more than 262144 bytes"},
		{name: "a deep schema", answer: file("null", strings.Repeat("[", 100_000)), says: "the answer is not valid Avro: the schema in the container file cannot be used"},
		{name: "another mark", answer: file("null", own, 1, bin(1), []byte("0123456789abcdeX")), says: "the answer is not valid Avro: a block of the container file is broken"},
		{name: "a block too long", answer: file("null", own, 1, bin(1, 2), sync), says: "the answer is not valid Avro: a block of the container file is broken"},
	})
}

// TestAvroOfLibrary reads what the library writes.
func TestAvroOfLibrary(t *testing.T) {
	t.Parallel()
	schema, err := avro.ParseWithCache(everything, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	sub := map[string]any{"z": 1, "long": int64(2), "float": float32(3), "double": 4.5, "ok": true, "none": nil, "text": "x", "bytes": []byte("y"),
		"fixed": [2]byte{1, 2}, "enum": "HEARTS", "list": []int64{1, 2, 3}, "map": map[string][2]byte{}, "union": nil, "price": []byte{1}, "day": 1, "at": int64(2), "id": "i"}
	body, err := avro.Marshal(schema, sub)
	if err != nil {
		t.Skipf("the library does not write it: %v", err)
	}
	check(t, format.Avro, format.Options{Schema: []byte(everything)}, []rule{{name: "a record", answer: string(body),
		gives: `{"z":1,"long":2,"float":3,"double":4.5,"ok":true,"none":null,"text":"x","bytes":"eQ==","fixed":"AQI=","enum":"HEARTS","list":[1,2,3],"map":{},"union":null,"price":0.01,"day":1,"at":2,"id":"i"}`}})
}

func TestAvroSchemas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schema, says string }{
		{"", "a.avsc: the Avro schema is empty"},
		{"{\n  \"type\": x}", "a.avsc:2:11: the Avro schema is not valid JSON"},
		{`{"type": "record", "name": "R", "fields": [{"name": "f", "type": "Other"}]}`, "a.avsc: it is not an Avro schema: unknown type: Other"},
		{`{"type": "record", "name": "R", "fields": [{"name": "f", "type": "R", "default": {}}]}`, ""},
		{`{"type": "bytes", "logicalType": "decimal", "precision": 2000000000, "scale": 1000000000}`, "a.avsc: a decimal has a scale that is not accepted"},
	} {
		_, err := format.New(format.Avro, format.Options{Schema: []byte(c.schema), SchemaName: "a.avsc"})
		if text(err) != c.says {
			t.Errorf("%s\nsays %q, want %q", c.schema, text(err), c.says)
		}
		var e *format.SchemaError
		if err != nil && !errors.As(err, &e) {
			t.Errorf("the error is a %T", err)
		}
	}
}

package format

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// newProtobuf reads the first message type of the file in o.
func newProtobuf(o Options) (reading, error) {
	root, err := compileProto(o)
	if err != nil {
		return nil, err
	}
	return func(in *answer, w *writer) (string, error) {
		p := &protoReader{w: w, spare: 4 * len(in.body), maxKeys: in.limits.Nodes, maxEntries: 4 * in.limits.Nodes}
		w.expect(len(in.body))
		if err := p.message(root, in.body); err != nil {
			return "", err
		}
		return "", w.room(0)
	}, nil
}

// protoReader writes messages as they are read. dynamicpb is not used for it: it takes a hundred
// times the memory of small values, and protojson writes 64-bit numbers as strings.
type protoReader struct {
	w       *writer
	entries []protoEntry // of the messages that are being written, from the outermost
	spare   int          // bytes that may still be copied to merge messages
	maxKeys int          // of a map
	// maxEntries is how many fields may wait to be written; repeated ones count each time.
	maxEntries int
	depth      int // of messages; those without brackets count too
}

// entrySize is how many bytes a protoEntry takes.
const entrySize = 16

// protoEntry is a field as it stands in a message.
type protoEntry struct {
	field    int32 // index in protoMessage.fields
	from, to int32 // bytes of the value, without its length
	packed   bool
}

// message writes a message, or what stands for it.
func (p *protoReader) message(m *protoMessage, data []byte) error {
	if p.depth++; p.depth > p.w.maxDepth {
		return tooMuch("it nests deeper than %d levels", p.w.maxDepth)
	}
	start := len(p.entries)
	defer func() {
		p.depth--
		p.entries = p.entries[:start]
	}()
	if err := p.scan(m, data); err != nil {
		return err
	}
	entries := p.entries[start:]
	switch m.special {
	case protoTime, protoDuration:
		return p.time(m, data, entries)
	case protoInner:
		return p.field(m.fields[0], data, entries)
	case protoValue:
		if len(entries) == 0 {
			p.w.raw("null")
			return nil
		}
		return p.field(m.fields[entries[0].field], data, entries)
	}
	return p.object(m, data, start)
}

// scan appends the known fields of a message, in the order of their declaration.
func (p *protoReader) scan(m *protoMessage, data []byte) error {
	if len(data) > math.MaxInt32 {
		return tooMuch("it has more than %d bytes", math.MaxInt32)
	}
	start, sorted := len(p.entries), true
	var chosen []int32 // by oneof: the field that was set last
	if m.oneofs > 0 {
		chosen = make([]int32, m.oneofs)
	}
	for at := 0; at < len(data); {
		number, wire, n := protowire.ConsumeTag(data[at:])
		if n < 0 {
			return invalid("a field is broken or cut off")
		}
		at += n
		size := protowire.ConsumeFieldValue(number, wire, data[at:])
		if size < 0 {
			return invalid("a field is broken or cut off")
		}
		if i, ok := m.byNumber[number]; ok {
			if e, ok := m.fields[i].entry(number, wire, data, at, at+size); ok {
				e.field = i
				sorted = sorted && (len(p.entries) == start || p.entries[len(p.entries)-1].field <= i)
				if len(p.entries) >= p.maxEntries {
					return tooMuch("a message has more than %d fields", p.maxEntries)
				}
				if len(p.entries) == cap(p.entries) {
					if err := p.w.hold(max(1, len(p.entries)), entrySize); err != nil {
						return err
					}
				}
				p.entries = append(p.entries, e)
				if o := m.fields[i].oneof; o >= 0 {
					chosen[o] = i
				}
			}
		}
		at += size
	}
	if !sorted {
		slices.SortStableFunc(p.entries[start:], func(a, b protoEntry) int { return cmp.Compare(a.field, b.field) })
	}
	if m.oneofs > 0 {
		kept := p.entries[:start]
		for _, e := range p.entries[start:] {
			if o := m.fields[e.field].oneof; o < 0 || chosen[o] == e.field {
				kept = append(kept, e)
			}
		}
		p.entries = kept
	}
	return nil
}

// entry gives where the value of a field stands. It is not ok when the wire has another type than
// the field.
func (f *protoField) entry(number protowire.Number, wire protowire.Type, data []byte, from, to int) (protoEntry, bool) {
	packed := false
	switch {
	case wire == protowire.StartGroupType && f.kind == protoreflect.GroupKind:
		to -= protowire.SizeTag(number)
	case wire == protowire.BytesType && f.wire == protowire.BytesType:
		_, n := protowire.ConsumeVarint(data[from:to])
		from += n
	case wire == protowire.BytesType && f.isList && f.kind != protoreflect.GroupKind:
		_, n := protowire.ConsumeVarint(data[from:to])
		from += n
		packed = true
	case wire != f.wire || f.kind == protoreflect.GroupKind:
		return protoEntry{}, false
	}
	return protoEntry{from: int32(from), to: int32(to), packed: packed}, true
}

// object writes a message as an object: the fields that are there, and those that always are.
func (p *protoReader) object(m *protoMessage, data []byte, start int) error {
	if err := p.w.open('{'); err != nil {
		return err
	}
	always := m.always
	end := len(p.entries)
	for i := start; i < end || len(always) > 0; {
		entries := p.entries[i:i]
		var index int32
		if i < end && (len(always) == 0 || p.entries[i].field <= always[0]) {
			index = p.entries[i].field
			j := i + 1
			for j < end && p.entries[j].field == index {
				j++
			}
			entries, i = p.entries[i:j], j
		} else {
			index = always[0]
		}
		if len(always) > 0 && always[0] == index {
			always = always[1:]
		}
		if err := p.w.next(); err != nil {
			return err
		}
		f := m.fields[index]
		p.w.raw(f.label)
		if err := p.field(f, data, entries); err != nil {
			return err
		}
	}
	p.w.close('}')
	return nil
}

// field writes the value of a field from all of its entries; from none, its default.
func (p *protoReader) field(f *protoField, data []byte, entries []protoEntry) error {
	switch {
	case f.key != nil:
		return p.mapping(f, data, entries)
	case f.isList:
		return p.list(f, data, entries)
	case f.message != nil:
		merged, err := p.merge(data, entries)
		if err != nil {
			return err
		}
		return p.message(f.message, merged)
	case len(entries) == 0:
		return p.scalar(f, nil)
	}
	last := entries[len(entries)-1]
	return p.scalar(f, data[last.from:last.to])
}

// merge gives the bytes of a message. What stands there several times is one message: the
// concatenation, as the encoding has it.
func (p *protoReader) merge(data []byte, entries []protoEntry) ([]byte, error) {
	switch len(entries) {
	case 0:
		return nil, nil
	case 1:
		return data[entries[0].from:entries[0].to], nil
	}
	var out []byte
	for _, e := range entries {
		if p.spare -= int(e.to - e.from); p.spare < 0 {
			return nil, tooMuch("it has too many messages in pieces")
		}
		out = append(out, data[e.from:e.to]...)
	}
	return out, nil
}

func (p *protoReader) list(f *protoField, data []byte, entries []protoEntry) error {
	if err := p.w.open('['); err != nil {
		return err
	}
	for _, e := range entries {
		value := data[e.from:e.to]
		for first := true; first || len(value) > 0; first = false {
			if e.packed && len(value) == 0 {
				break
			}
			one := value
			if e.packed {
				n := protowire.ConsumeFieldValue(1, f.wire, value)
				if n < 0 {
					return invalid("a list of numbers is broken or cut off")
				}
				one = value[:n]
			}
			value = value[len(one):]
			if err := p.w.next(); err != nil {
				return err
			}
			if err := p.one(f, one); err != nil {
				return err
			}
		}
	}
	p.w.close(']')
	return nil
}

// one writes a single value of a field.
func (p *protoReader) one(f *protoField, value []byte) error {
	if f.message != nil {
		return p.message(f.message, value)
	}
	return p.scalar(f, value)
}

// mapping writes a map. Of a key that comes twice, the last counts.
func (p *protoReader) mapping(f *protoField, data []byte, entries []protoEntry) error {
	if err := p.w.open('{'); err != nil {
		return err
	}
	last := make(map[string]int, min(len(entries), 16))
	for i, e := range entries {
		key, _, err := f.pair(data[e.from:e.to])
		if err != nil {
			return err
		}
		if last[key] = i; len(last) > p.maxKeys {
			return tooMuch("a map has more than %d keys", p.maxKeys)
		}
	}
	for i, e := range entries {
		key, value, err := f.pair(data[e.from:e.to])
		if err != nil || last[key] != i {
			continue
		}
		if err := p.w.member(key); err != nil {
			return err
		}
		if err := p.one(f.value, value); err != nil {
			return err
		}
	}
	p.w.close('}')
	return nil
}

// pair gives the key of a map's entry as text, and the bytes of its value.
func (f *protoField) pair(data []byte) (key string, value []byte, err error) {
	var name []byte
	for at := 0; at < len(data); {
		number, wire, n := protowire.ConsumeTag(data[at:])
		if n < 0 {
			return "", nil, invalid("an entry of a map is broken or cut off")
		}
		at += n
		size := protowire.ConsumeFieldValue(number, wire, data[at:])
		if size < 0 {
			return "", nil, invalid("an entry of a map is broken or cut off")
		}
		for i, part := range []*protoField{f.key, f.value} {
			if int(number) != i+1 {
				continue
			}
			if e, ok := part.entry(number, wire, data, at, at+size); ok && i == 0 {
				name = data[e.from:e.to]
			} else if ok {
				value = data[e.from:e.to]
			}
		}
		at += size
	}
	if f.key.kind == protoreflect.StringKind {
		return string(name), value, nil
	}
	w := &writer{max: 64}
	p := &protoReader{w: w}
	if err := p.scalar(f.key, name); err != nil {
		return "", nil, err
	}
	return string(w.buf), value, nil
}

// scalar writes a value that is no message; the default for no bytes.
func (p *protoReader) scalar(f *protoField, value []byte) error {
	switch f.kind {
	case protoreflect.StringKind:
		p.w.buf = appendString(p.w.buf, value)
		return nil
	case protoreflect.BytesKind:
		p.w.base64(value)
		return nil
	}
	var n uint64
	size := 0
	switch {
	case len(value) == 0:
	case f.wire == protowire.VarintType:
		n, size = protowire.ConsumeVarint(value)
	case f.wire == protowire.Fixed32Type:
		var short uint32
		short, size = protowire.ConsumeFixed32(value)
		n = uint64(short)
	default:
		n, size = protowire.ConsumeFixed64(value)
	}
	if size < 0 {
		return invalid("a number is broken or cut off")
	}
	p.number(f, n)
	return nil
}

func (p *protoReader) number(f *protoField, n uint64) {
	switch f.kind {
	case protoreflect.BoolKind:
		p.w.bool(protowire.DecodeBool(n))
	case protoreflect.EnumKind:
		if name, ok := f.symbols[int32(n)]; ok {
			p.w.raw(name)
		} else {
			p.w.int(int64(int32(n)))
		}
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		p.w.int(int64(int32(n)))
	case protoreflect.Sint32Kind:
		p.w.int(int64(int32(protowire.DecodeZigZag(n & math.MaxUint32))))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		p.w.uint(n & math.MaxUint32)
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		p.w.int(int64(n))
	case protoreflect.Sint64Kind:
		p.w.int(protowire.DecodeZigZag(n))
	case protoreflect.FloatKind:
		p.w.float(float64(math.Float32frombits(uint32(n))), 32)
	case protoreflect.DoubleKind:
		p.w.float(math.Float64frombits(n), 64)
	default:
		p.w.uint(n)
	}
}

// time writes a Timestamp or a Duration. One that has no text stays an object.
func (p *protoReader) time(m *protoMessage, data []byte, entries []protoEntry) error {
	var parts [2]int64 // seconds, nanos
	for _, e := range entries {
		n, size := protowire.ConsumeVarint(data[e.from:e.to])
		if size < 0 || int(e.field) >= len(parts) {
			return invalid("a number is broken or cut off")
		}
		parts[e.field] = int64(n)
	}
	seconds, nanos := parts[0], int64(int32(parts[1]))
	text := ""
	if m.special == protoTime {
		text = timestamp(seconds, nanos)
	} else {
		text = duration(seconds, nanos)
	}
	if text == "" {
		text = fmt.Sprintf(`{"seconds":%d,"nanos":%d}`, seconds, nanos)
	}
	p.w.raw(text)
	return nil
}

// timestamp gives the quoted RFC 3339 text of the years 1 to 9999; "" for others.
func timestamp(seconds, nanos int64) string {
	if seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999_999_999 {
		return ""
	}
	return time.Unix(seconds, nanos).UTC().Format(`"` + time.RFC3339Nano + `"`)
}

// duration gives a quoted text such as "1.5s"; "" when both parts have different signs.
func duration(seconds, nanos int64) string {
	if seconds < 0 && nanos > 0 || seconds > 0 && nanos < 0 || nanos < -999_999_999 || nanos > 999_999_999 || seconds == math.MinInt64 {
		return ""
	}
	sign := ""
	if seconds < 0 || nanos < 0 {
		sign, seconds, nanos = "-", -seconds, -nanos
	}
	text := strconv.FormatInt(seconds, 10)
	if nanos > 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", nanos), "0")
	}
	return `"` + sign + text + `s"`
}

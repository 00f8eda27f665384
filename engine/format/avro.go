package format

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strings"

	"github.com/hamba/avro/v2"
)

const (
	maxDecimal   = 512     // bytes of a decimal
	maxOwnSchema = 1 << 18 // bytes of the schema in a container file
)

// newAvro reads data of the schema in o.
func newAvro(o Options) (reading, error) {
	declared, err := compileAvro(o.SchemaName, o.Schema)
	if err != nil {
		return nil, err
	}
	return func(in *answer, w *writer) (string, error) {
		if bytes.HasPrefix(in.body, []byte("Obj\x01")) && isContainer(in.body) {
			return "", writeContainer(in.body, w)
		}
		err := writeDatum(declared, in.body, w)
		for _, frame := range avroFrames(in.body) {
			if err == nil {
				break
			}
			if writeDatum(declared, in.body[frame:], w) == nil {
				err = nil
			}
		}
		return "", err
	}, nil
}

// avroFrames gives how many bytes before a datum may be a registry's framing: a zero and the
// number of a schema, or the mark and fingerprint of a single object.
func avroFrames(body []byte) []int {
	switch {
	case len(body) >= 5 && body[0] == 0:
		return []int{5}
	case len(body) >= 10 && body[0] == 0xc3 && body[1] == 1:
		return []int{10}
	}
	return nil
}

// writeDatum writes one datum, which must be all there is.
func writeDatum(t *avroType, body []byte, w *writer) error {
	w.buf, w.depth = w.buf[:0], 0
	w.expect(len(body))
	r := &avroReader{body: body, w: w}
	if err := r.value(t); err != nil {
		return err
	}
	if r.at < len(body) {
		return invalid("%d bytes are left over; the schema may be another one", len(body)-r.at)
	}
	return w.room(0)
}

// avroReader reads values from a body and writes them. The library's own reader of generic data is
// not used: it loses the order of fields and trusts the lengths that it reads.
type avroReader struct {
	body []byte
	at   int
	w    *writer
}

func (r *avroReader) value(t *avroType) error {
	switch t.kind {
	case avro.Null:
		r.w.raw("null")
		return nil
	case avro.Record:
		return r.record(t)
	case avro.Array:
		return r.array(t)
	case avro.Map:
		return r.mapping(t)
	case avro.Union:
		n, err := r.index(len(t.types))
		if err != nil {
			return err
		}
		return r.value(t.types[n])
	case avro.Enum:
		n, err := r.index(len(t.names))
		if err == nil {
			r.w.raw(t.names[n])
		}
		return err
	case avro.Bytes, avro.String:
		n, err := r.long()
		if err != nil {
			return err
		}
		return r.bytes(t, n)
	case avro.Fixed:
		return r.bytes(t, int64(t.size))
	}
	return r.number(t.kind)
}

func (r *avroReader) number(kind avro.Type) error {
	switch kind {
	case avro.Int, avro.Long:
		n, err := r.long()
		if err != nil {
			return err
		}
		if kind == avro.Int && n != int64(int32(n)) {
			return invalid("byte %d: an int has more than 32 bits", r.at)
		}
		r.w.int(n)
		return nil
	case avro.Boolean:
		b, err := r.take(1)
		if err != nil {
			return err
		}
		if b[0] > 1 {
			return invalid("byte %d: a boolean is neither 0 nor 1", r.at)
		}
		r.w.bool(b[0] == 1)
		return nil
	case avro.Float:
		b, err := r.take(4)
		if err == nil {
			r.w.float(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
		}
		return err
	}
	b, err := r.take(8)
	if err == nil {
		r.w.float(math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	}
	return err
}

func (r *avroReader) record(t *avroType) error {
	if err := r.w.open('{'); err != nil {
		return err
	}
	for i, field := range t.types {
		if err := r.w.next(); err != nil {
			return err
		}
		r.w.raw(t.names[i])
		r.w.raw(":")
		if err := r.value(field); err != nil {
			return err
		}
	}
	r.w.close('}')
	return nil
}

func (r *avroReader) array(t *avroType) error {
	if err := r.w.open('['); err != nil {
		return err
	}
	err := r.blocks(func() error { return r.value(t.types[0]) })
	r.w.close(']')
	return err
}

func (r *avroReader) mapping(t *avroType) error {
	if err := r.w.open('{'); err != nil {
		return err
	}
	err := r.blocks(func() error {
		n, err := r.long()
		if err != nil {
			return err
		}
		key, err := r.take(n)
		if err != nil {
			return err
		}
		r.w.buf = append(appendString(r.w.buf, key), ':')
		return r.value(t.types[0])
	})
	r.w.close('}')
	return err
}

// blocks reads the blocks of an array or a map. Items may have no bytes at all: the size of the
// result is what bounds their number.
func (r *avroReader) blocks(item func() error) error {
	for {
		n, err := r.long()
		if err != nil || n == 0 {
			return err
		}
		if n < 0 {
			if n = -n; n < 0 {
				return invalid("byte %d: a list has no length", r.at)
			}
			if _, err := r.long(); err != nil { // how many bytes the block has
				return err
			}
		}
		for ; n > 0; n-- {
			if err := r.w.next(); err != nil {
				return err
			}
			if err := item(); err != nil {
				return err
			}
		}
	}
}

func (r *avroReader) bytes(t *avroType, n int64) error {
	b, err := r.take(n)
	switch {
	case err != nil:
		return err
	case t.decimal && n > maxDecimal:
		return tooMuch("a decimal has more than %d bytes", maxDecimal)
	case t.decimal:
		r.w.raw(decimal(b, t.scale))
	case t.kind == avro.String:
		r.w.buf = appendString(r.w.buf, b)
	default:
		r.w.base64(b)
	}
	return nil
}

// decimal gives the number that a two's complement and a scale stand for.
func decimal(b []byte, scale int) string {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	digits, sign := n.String(), ""
	if n.Sign() < 0 {
		digits, sign = digits[1:], "-"
	}
	if scale == 0 {
		return sign + digits
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - scale
	return sign + digits[:point] + "." + digits[point:]
}

// long reads a number of variable length.
func (r *avroReader) long() (int64, error) {
	n, size := binary.Varint(r.body[r.at:])
	switch {
	case size == 0:
		return 0, invalid("it ends too early")
	case size < 0:
		return 0, invalid("byte %d: a number has more than 64 bits", r.at)
	}
	r.at += size
	return n, nil
}

// index reads which of several it is.
func (r *avroReader) index(of int) (int, error) {
	n, err := r.long()
	if err != nil {
		return 0, err
	}
	if n < 0 || n >= int64(of) {
		return 0, invalid("byte %d: there is no such branch or symbol; the schema may be another one", r.at)
	}
	return int(n), nil
}

func (r *avroReader) take(n int64) ([]byte, error) {
	switch {
	case n < 0:
		return nil, invalid("byte %d: a length is negative", r.at)
	case n > int64(len(r.body)-r.at):
		return nil, invalid("it ends too early")
	}
	b := r.body[r.at : r.at+int(n)]
	r.at += int(n)
	return b, nil
}

// container is an object container file after its header.
type container struct {
	schema []byte
	codec  string
	sync   []byte
	data   []byte
}

// readContainer reads the header of a container file: the mark, a map of bytes, a mark of its own.
func readContainer(body []byte) (*container, error) {
	r := &avroReader{body: body, at: 4, w: &writer{max: len(body)}}
	c := &container{}
	err := r.blocks(func() error {
		var pair [2][]byte
		for i := range pair {
			n, err := r.long()
			if err != nil {
				return err
			}
			if pair[i], err = r.take(n); err != nil {
				return err
			}
		}
		switch string(pair[0]) {
		case "avro.schema":
			c.schema = pair[1]
		case "avro.codec":
			c.codec = string(pair[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.sync, err = r.take(16)
	c.data = r.body[r.at:]
	return c, err
}

func isContainer(body []byte) bool {
	c, err := readContainer(body)
	return err == nil && c.schema != nil
}

// writeContainer writes the list of what a container file holds.
func writeContainer(body []byte, w *writer) error {
	c, err := readContainer(body)
	if err != nil {
		return err
	}
	switch {
	case c.codec != "" && c.codec != "null":
		return invalid("the container file is compressed, which is not accepted")
	case len(c.schema) > maxOwnSchema:
		return tooMuch("its schema has more than %d bytes", maxOwnSchema)
	}
	t, err := compileAvro("", c.schema)
	if err != nil {
		return invalid("the schema in the container file cannot be used")
	}
	if err := w.open('['); err != nil {
		return err
	}
	for r := (&avroReader{body: c.data, w: w}); r.at < len(r.body); {
		if err := r.containerBlock(t, c.sync); err != nil {
			return err
		}
	}
	w.close(']')
	return w.room(0)
}

func (r *avroReader) containerBlock(t *avroType, sync []byte) error {
	count, err := r.long()
	if err != nil {
		return err
	}
	size, err := r.long()
	if err != nil {
		return err
	}
	data, err := r.take(size)
	if err != nil {
		return err
	}
	block := &avroReader{body: data, w: r.w}
	for ; count > 0; count-- {
		if err := r.w.next(); err != nil {
			return err
		}
		if err := block.value(t); err != nil {
			return err
		}
	}
	if mark, err := r.take(int64(len(sync))); err != nil || !bytes.Equal(mark, sync) || block.at < len(data) {
		return invalid("a block of the container file is broken")
	}
	return nil
}

package cache

import (
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"capd/engine/plan"
)

// entry is an answer as it is kept.
type entry struct {
	epoch               epoch // in which it was asked for
	requested, received time.Time
	status              int
	header              []plan.Field
	body                []byte
}

// get gives the first value of a header.
func (e *entry) get(name string) string { return valueOf(e.header, name) }

// directives gives what the answer says of its use.
func (e *entry) directives() directives { return parseDirectives(valuesOf(e.header, "Cache-Control")) }

// validators gives the headers that ask whether the answer is still the current one; none if
// nobody can tell.
func (e *entry) validators() []plan.Field {
	var out []plan.Field
	if tag := e.get("ETag"); tag != "" {
		out = append(out, plan.Field{Name: "If-None-Match", Value: tag})
	}
	if at := e.get("Last-Modified"); at != "" {
		out = append(out, plan.Field{Name: "If-Modified-Since", Value: at})
	}
	return out
}

// refresh gives the entry after an upstream said that it is still the current one (RFC 9111
// section 3.2). ok is false when it speaks of another.
func (e *entry) refresh(by *entry) (_ *entry, ok bool) {
	if have, got := e.get("ETag"), by.get("ETag"); got != "" && strings.TrimPrefix(have, "W/") != strings.TrimPrefix(got, "W/") {
		return nil, false
	}
	out := &entry{requested: by.requested, received: by.received, status: e.status, body: e.body}
	out.header = make([]plan.Field, 0, len(e.header)+len(by.header))
	for _, f := range e.header {
		// Age is of one answer alone.
		if !strings.EqualFold(f.Name, "Age") && (ofContent(f.Name) || valueOf(by.header, f.Name) == "") {
			out.header = append(out.header, f)
		}
	}
	for _, f := range by.header {
		if !ofContent(f.Name) {
			out.header = append(out.header, f)
		}
	}
	return out, true
}

// ofContent reports whether a header describes the bytes of a body, which an answer without
// them says nothing of.
func ofContent(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Content-Length", "Content-Encoding", "Content-Type", "Content-Range":
		return true
	}
	return false
}

// keptHeader gives the headers of an answer that are kept. Cookies are for the one who made the
// request, which is capd, and nobody is given them.
func keptHeader(header []plan.Field) []plan.Field {
	out := make([]plan.Field, 0, len(header))
	for _, f := range header {
		switch http.CanonicalHeaderKey(f.Name) {
		case "Set-Cookie", "Set-Cookie2":
		default:
			out = append(out, f)
		}
	}
	return out
}

// format is the first byte of an entry in a store, so that a later capd can tell its own.
const format = 1

var errFormat = errors.New("cache: the store gave what is no kept answer")

// encode gives the entry as it stands in a store.
func (e *entry) encode() []byte {
	head := 0
	for _, f := range e.header {
		head += sizeOf(f.Name) + sizeOf(f.Value)
	}
	b := make([]byte, 0, 64+head+len(e.body))
	b = append(append(b, format), e.epoch[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.requested.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(e.received.UnixNano()))
	b = binary.AppendUvarint(b, uint64(e.status))
	b = binary.AppendUvarint(b, uint64(len(e.header)))
	b = binary.AppendUvarint(b, uint64(head))
	for _, f := range e.header {
		b = appendText(appendText(b, f.Name), f.Value)
	}
	return append(b, e.body...)
}

func sizeOf(s string) int { return len(binary.AppendUvarint(nil, uint64(len(s)))) + len(s) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads what encode wrote. The body is a part of b.
func decode(b []byte) (*entry, error) {
	const times = 1 + len(epoch{})
	if len(b) < times+16 || b[0] != format {
		return nil, errFormat
	}
	e := &entry{
		epoch:     epoch(b[1:times]),
		requested: time.Unix(0, int64(binary.BigEndian.Uint64(b[times:]))),
		received:  time.Unix(0, int64(binary.BigEndian.Uint64(b[times+8:]))),
	}
	r := reader[[]byte]{rest: b[times+16:]}
	e.status = int(r.number(999))
	number, head := r.number(uint64(len(b))), r.number(uint64(len(b)))
	if r.failed || e.status < 200 || head > uint64(len(r.rest)) || number > head/2 {
		return nil, errFormat
	}
	e.body = r.rest[head:]
	fields := reader[string]{rest: string(r.rest[:head])} // once, of which all are parts
	e.header = make([]plan.Field, number)
	for i := range e.header {
		e.header[i] = plan.Field{Name: fields.text(), Value: fields.text()}
	}
	if fields.failed || len(fields.rest) > 0 {
		return nil, errFormat
	}
	return e, nil
}

// reader reads what a store gave, which may be anything.
type reader[T string | []byte] struct {
	rest   T
	failed bool
}

func (r *reader[T]) number(most uint64) uint64 {
	n, size := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 || n > most {
		r.failed, r.rest = true, r.rest[:0]
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader[T]) text() T {
	n := r.number(uint64(len(r.rest)))
	if n > uint64(len(r.rest)) { // what its length takes is gone
		r.failed, n = true, 0
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func valueOf(header []plan.Field, name string) string {
	for _, f := range header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func valuesOf(header []plan.Field, name string) []string {
	var out []string
	for _, f := range header {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

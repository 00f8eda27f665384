package plan

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
)

// A masker hides the secrets of one request in what is shown of it and of its answer, however
// they are spelled there.
type masker struct {
	values  []string // the longest first, so that a secret inside another one does not break that one up
	longest int      // how many bytes one of them can take
}

// leastSecret is how long a secret must be to be looked for: to replace shorter ones would
// tear the text apart and hide nothing.
const leastSecret = 4

func newMasker(secrets ...[]Secret) masker {
	var m masker
	for _, some := range secrets {
		for _, v := range some {
			if len(v.value) >= leastSecret {
				m.values = append(m.values, v.value)
				m.longest = max(m.longest, len(v.value)*longestSpelling)
			}
		}
	}
	slices.SortFunc(m.values, func(a, b string) int { return len(b) - len(a) })
	return m
}

func (m masker) text(s string) string { return m.replace(s, Masked) }

// replace puts another text in the place of every secret.
func (m masker) replace(s, by string) string {
	if !m.finds(s) {
		return s
	}
	raw, out := []byte(s), []byte(nil)
	for {
		start, length := m.next(raw)
		if start < 0 {
			return string(append(out, raw...))
		}
		out = append(append(out, raw[:start]...), by...)
		raw = raw[start+length:]
	}
}

func (m masker) finds(s string) bool {
	if len(m.values) == 0 {
		return false
	}
	if !strings.ContainsAny(s, escapes) {
		return slices.ContainsFunc(m.values, func(v string) bool { return strings.Contains(s, v) })
	}
	start, _ := m.next([]byte(s))
	return start >= 0
}

// header gives the fields with every secret in a value hidden. The slice it was given stays
// as it is.
func (m masker) header(fields []Field) []Field {
	for i, f := range fields {
		if !m.finds(f.Value) {
			continue
		}
		out := slices.Clone(fields)
		for j := i; j < len(out); j++ {
			out[j].Value = m.text(out[j].Value)
		}
		return out
	}
	return fields
}

// maskReader hides secrets in a stream, also where they cross the pieces it comes in.
type maskReader struct {
	masker masker
	from   io.Reader
	raw    []byte // read, not yet searched to the end
	ready  []byte // searched, not yet handed on
	piece  []byte
	err    error
}

func (m masker) reader(from io.Reader) io.Reader {
	return &maskReader{masker: m, from: from, piece: make([]byte, 16<<10)}
}

func (r *maskReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		var n int
		n, r.err = r.from.Read(r.piece)
		r.raw = append(r.raw, r.piece[:n]...)
		r.search(r.err != nil)
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// search moves to ready all that no secret can reach into any more.
func (r *maskReader) search(last bool) {
	safe := len(r.raw) - r.masker.longest + 1
	if last {
		safe = len(r.raw)
	}
	var out []byte
	at := 0
	for at < safe {
		start, length := r.masker.next(r.raw[at:])
		if start < 0 || at+start >= safe {
			break
		}
		out = append(append(out, r.raw[at:at+start]...), Masked...)
		at += start + length
	}
	if at < safe {
		out = append(out, r.raw[at:safe]...)
		at = safe
	}
	r.raw = append(r.raw[:0], r.raw[at:]...)
	r.ready = out
}

// next gives the first secret in b: the longest of those that begin first.
func (m masker) next(b []byte) (start, length int) {
	for i, c := range b {
		escape := strings.IndexByte(escapes, c) >= 0
		for _, v := range m.values {
			if c != v[0] && !escape {
				continue
			}
			if n := spelledAt(b[i:], v); n > 0 {
				return i, n
			}
		}
	}
	return -1, 0
}

// errorScan is how much of a masked body is held, so that small ones keep a known length.
const errorScan = 64 << 10

// maskBody hides this call's own secrets in an answer that is no success: upstreams like to
// repeat the credential they did not accept, or the URL they redirect from. A gzip body is
// unpacked for it; what is packed otherwise cannot be searched, so it is not shown.
func maskBody(res *Result, resp *Response, m masker) error {
	if len(m.values) == 0 || res.Body.IsEmpty() {
		return nil
	}
	stream := res.Body.Reader()
	plain, ok := unpack(resp.Get("Content-Encoding"), stream)
	if !ok {
		_ = stream.Close()
		res.Header, res.Body, res.MediaType = dropEntityHeaders(res.Header), Body{}, ""
		return nil
	}
	res.Header = dropHeader(dropHeader(res.Header, "Content-Encoding"), "Content-Length")
	masked := m.reader(plain)
	head, err := io.ReadAll(io.LimitReader(masked, errorScan+1))
	if err != nil {
		_ = stream.Close()
		return asUpstreamError(err)
	}
	if len(head) <= errorScan {
		_ = stream.Close()
		res.Body = BytesBody(head)
		return nil
	}
	res.Body = Body{Stream: &rejoined{io.MultiReader(bytes.NewReader(head), masked), stream}, Len: -1}
	return nil
}

// unpack gives the plain bytes of a body; ok is false when it is packed in a way that capd
// does not know. What is only called gzip is read as it is.
func unpack(encoding string, r io.Reader) (_ io.Reader, ok bool) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return r, true
	case "gzip", "x-gzip":
		buffered := bufio.NewReader(r)
		if magic, _ := buffered.Peek(2); string(magic) != "\x1f\x8b" {
			return buffered, true
		}
		zr, err := gzip.NewReader(buffered)
		return zr, err == nil
	}
	return nil, false
}

func dropHeader(header []Field, name string) []Field {
	out := make([]Field, 0, len(header))
	for _, f := range header {
		if !strings.EqualFold(f.Name, name) {
			out = append(out, f)
		}
	}
	return out
}

// rejoined is a stream whose beginning was read already.
type rejoined struct {
	io.Reader
	io.Closer
}

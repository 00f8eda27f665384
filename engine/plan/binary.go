package plan

import (
	"io"
	"math"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// DefaultMaxBinary bounds content that is not text, in bytes, where nothing else is declared.
const DefaultMaxBinary = 10 << 20

// Binary is what is declared of an operation's answer that is not text.
type Binary struct {
	// Declared: the answer is bytes, whatever its type says.
	Declared bool
	// MediaType, if set, wins over what the upstream says of a declared binary answer.
	MediaType string
	// Max bounds an answer that is not text, in bytes.
	Max int64
	// applied: results of the operation have type and limit already. An adapter that looks at
	// the bytes itself, to tell what they are, applies both there.
	applied bool
}

// Binary gives what is declared of an answer that is not text.
func (op *Operation) Binary() Binary {
	b := op.binary
	if b.Max == 0 {
		b.Max = DefaultMaxBinary
	}
	return b
}

// setBinary notes what the consumed operation, the flow, the REST operation and the adapter
// declare of binary answers: the inner declaration wins.
func (c *compiler) setBinary(op *Operation, x *exposed, responses []DeclaredResponse) {
	if op == nil {
		return
	}
	declares := Binary{Max: x.out.MaxBinary}
	defer func() { c.kept.declares(op, declares) }()
	declared := binaryType(responses)
	var called *consumed
	if last := op.lastCall(); last != nil && op.output == nil { // what capd makes itself is text
		called = c.consumedOf(last)
	}
	if called == nil {
		if declared != "" {
			c.uselessType(x, "the answer of "+x.title()+" is made here, and is JSON")
		}
		return
	}
	if n, ok := c.size(called.decl.MaxBinary, x.unit); ok {
		declares.Max = n
	}
	types := []spec.Text{called.decl.MediaType}
	if x.flow != nil {
		types = append(types, x.flow.flow.MediaType)
	}
	if !strings.EqualFold(called.decl.RawFormat.Value, "binary") {
		for _, t := range types {
			if t.IsSet() {
				c.note(diag.Info, x.unit, faultf(diag.CodeNotHonoured, "", t.Span(), "outputMediaType has no effect, since %s does not say outputRawFormat: binary", called.label()))
			}
		}
		if declared != "" {
			c.uselessType(x, called.label()+" does not say outputRawFormat: binary")
		}
		return
	}
	declares.Declared, declares.applied = true, x.kind == REST
	for _, t := range types {
		if t.Value != "" && declares.MediaType == "" && c.judgeMediaType(x, t) {
			declares.MediaType = strings.TrimSpace(t.Value)
		}
	}
	if declares.MediaType == "" {
		declares.MediaType = declared
	}
}

// uselessType says why a declared type of bytes has no effect.
func (c *compiler) uselessType(x *exposed, why string) {
	at := x.decl.Binary
	if at == nil || at.Kind == spec.Null {
		at = x.decl.Responses
	}
	c.note(diag.Warning, x.unit, faultf(diag.CodeResponses, "", at.Span(), "a binary answer is declared, but %s; the type stays as it is", why).
		hintf("write outputRawFormat: binary into the consumed operation if its answers are bytes"))
}

// asBytes gives the answer of a REST operation that is declared binary its type and its limit.
// Its parts, its length and its encoding stay as they came.
func (op *Operation) asBytes(res *Result) error {
	if !op.binary.applied || res.Status == 204 || res.Status == 205 {
		return nil
	}
	b := op.Binary()
	kind, _, _ := strings.Cut(res.MediaType, ";")
	switch {
	case strings.EqualFold(strings.TrimSpace(kind), "multipart/byteranges"):
		// It is the type of several ranges, each of which has its own.
	case b.MediaType != "":
		res.MediaType = b.MediaType
	case res.MediaType == "":
		res.MediaType = "application/octet-stream"
	}
	if res.Body.Stream == nil && int64(len(res.Body.Bytes)) > b.Max || res.Body.Len > b.Max {
		return tooLarge(b.Max)
	}
	if res.Body.Stream != nil && res.Body.Len < 0 {
		res.Body.Stream = &capped{ReadCloser: res.Body.Stream, left: b.Max, limit: b.Max}
	}
	return nil
}

func tooLarge(limit int64) *Error {
	return Errorf(CodeUpstreamTooLarge, "the upstream's answer is larger than the limit of %d bytes", limit)
}

// capped is a stream that breaks off beyond a limit.
type capped struct {
	io.ReadCloser
	left, limit int64
	over        bool
}

// Read reads up to the limit. Beyond it, it fails with an *[Error].
func (c *capped) Read(p []byte) (int, error) {
	if c.over {
		return 0, tooLarge(c.limit)
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1] // the byte more tells a body that ends at the limit from a longer one
	}
	n, err := c.ReadCloser.Read(p)
	if int64(n) > c.left {
		c.over = true
		n, err = int(c.left), tooLarge(c.limit)
	}
	c.left -= int64(n)
	return n, err
}

// consumedOf gives the consumed operation that a call was made of.
func (c *compiler) consumedOf(call *Call) *consumed {
	for _, ns := range c.order {
		for _, op := range ns.ops {
			if op.called == call.callTarget {
				return op
			}
		}
	}
	return nil
}

// size reads a size such as 10MiB. What is none is reported, and does not hold.
func (c *compiler) size(t spec.Text, unit diag.Unit) (int64, bool) {
	if !t.IsSet() {
		return 0, false
	}
	n, ok := parseSize(t.Value)
	if !ok {
		c.note(diag.Warning, unit, faultf(diag.CodeWrongType, "M", t.Span(), "%q is no size, so it sets no limit", t.Value).
			hintf("write a number with a unit, such as 10MiB"))
	}
	return n, ok
}

// parseSize reads a number of bytes with an optional unit. A part of a byte does not count.
func parseSize(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	digits := strings.TrimRight(s, "BKMGibkmg ")
	unit := map[string]float64{
		"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9,
	}[strings.ToLower(strings.TrimSpace(s[len(digits):]))]
	if unit == 0 || strings.ContainsAny(digits, "eExX+-_") {
		return 0, false
	}
	n, err := strconv.ParseFloat(digits, 64)
	if n *= unit; err != nil || !(n >= 1) || n >= math.MaxInt64 {
		return 0, false
	}
	return int64(n), true
}

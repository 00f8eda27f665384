package plan

import (
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
}

// Binary gives what is declared of an answer that is not text.
func (op *Operation) Binary() Binary {
	b := op.binary
	if b.Max == 0 {
		b.Max = DefaultMaxBinary
	}
	return b
}

// setBinary notes what the consumed operation and the adapter declare of binary answers:
// the inner declaration of the size wins.
func (c *compiler) setBinary(op *Operation, x *exposed) {
	if op == nil {
		return
	}
	op.binary.Max = x.out.MaxBinary
	calls := op.Calls()
	if len(calls) == 0 || op.output != nil {
		return // what capd makes itself is text
	}
	called := c.consumedOf(calls[len(calls)-1])
	if called == nil {
		return
	}
	if n, ok := c.size(called.decl.MaxBinary, x.unit); ok {
		op.binary.Max = n
	}
	if strings.EqualFold(called.decl.RawFormat.Value, "binary") {
		op.binary.Declared, op.binary.MediaType = true, strings.TrimSpace(called.decl.MediaType.Value)
	}
}

// consumedOf gives the consumed operation that a call was made of.
func (c *compiler) consumedOf(call *Call) *consumed {
	for _, ns := range c.order {
		for _, op := range ns.ops {
			if op.label() == call.name {
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
		c.note(diag.Warning, unit, faultf(diag.CodeWrongType, "M", t.Span(), "%q is no size; the limit of %d MiB applies", t.Value, DefaultMaxBinary>>20).
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

package plan

import (
	"encoding/json"
	"reflect"
)

// kept is what the plan of one document holds once: values that are equal and never change are the
// same value, wherever the document needs them. None of them is a part of it: it goes with the compiler.
type kept struct {
	expressions map[simple]*expression
	// What is empty, for all that have nothing else.
	body      *bodyPlan
	call      *rareCall
	operation *rareOperation
}

func newKept() kept {
	return kept{expressions: map[simple]*expression{}, body: &bodyPlan{}, call: &rareCall{}, operation: &rareOperation{}}
}

// simple is an expression without parts.
type simple struct {
	kind     exprKind
	index    int32
	variable *Variable
	literal  any // of a type that can be compared
}

// expression gives an expression its place in memory.
func (k *kept) expression(x expression) *expression {
	if !x.isSimple() {
		return copyOf(&x)
	}
	key := simple{x.kind, x.index, x.variable, x.literal}
	known := k.expressions[key]
	if known == nil {
		known = copyOf(&x)
		k.expressions[key] = known
	}
	return known
}

func (x *expression) isSimple() bool {
	switch x.literal.(type) {
	case nil, string, bool, json.Number, absent:
		return x.parts == nil && x.detail == nil
	}
	return false
}

func copyOf[T any](v *T) *T {
	out := *v
	return &out
}

// settle gives an operation that is compiled memory of its own for what it uses, and lets it share
// what it does not use.
func (k *kept) settle(op *Operation) {
	op.rareOperation = settled(op.rareOperation, k.operation)
}

// settleCall is settle for a call.
func (k *kept) settleCall(c *Call) {
	c.body, c.rareCall = settled(c.body, k.body), settled(c.rareCall, k.call)
}

func settled[T any](v, empty *T) *T {
	if reflect.ValueOf(v).Elem().IsZero() {
		return empty
	}
	return copyOf(v)
}

// declares notes what is declared of the binary answers of an operation that is settled.
func (k *kept) declares(op *Operation, b Binary) {
	if b == (Binary{}) {
		return
	}
	rare := *op.rareOperation
	rare.binary = b
	op.rareOperation = &rare
}

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
	if x.parts != nil || x.detail != nil {
		return &x
	}
	switch x.literal.(type) {
	case nil, string, bool, json.Number, absent:
	default:
		return &x
	}
	key := simple{x.kind, x.index, x.variable, x.literal}
	if known := k.expressions[key]; known != nil {
		return known
	}
	k.expressions[key] = &x
	return &x
}

// settle lets an operation that is compiled share what it does not use.
func (k *kept) settle(op *Operation) {
	for _, c := range op.calls {
		if isZero(c.body) {
			c.body = k.body
		}
		if isZero(c.rareCall) {
			c.rareCall = k.call
		}
	}
	if isZero(op.rareOperation) {
		op.rareOperation = k.operation
	}
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

func isZero[T any](v *T) bool { return reflect.ValueOf(v).Elem().IsZero() }

package plan

import (
	"encoding/json"
	"reflect"
	"slices"
)

// kept is what the plan of one document holds once: values that are equal and never change are the
// same value, wherever the document needs them. None of them is a part of it: it goes with the compiler.
type kept struct {
	expressions map[simple]*expression
	inputs      map[string][][]input  // by the name of the first
	lookups     map[string][][]lookup // by the name of the input
	texts       [][]byte
	// Of all documents: lists of conditional headers, of which there are few, and what is empty, for
	// all that have nothing else.
	headers   [][]string
	call      *rareCall
	operation *rareOperation
}

// begin forgets what is of one document.
func (k *kept) begin() {
	if k.expressions == nil {
		k.expressions, k.inputs, k.lookups = map[simple]*expression{}, map[string][][]input{}, map[string][][]lookup{}
		k.call, k.operation = &rareCall{}, &rareOperation{}
	}
	clear(k.expressions)
	clear(k.inputs)
	clear(k.lookups)
	clear(k.texts)
	k.texts = k.texts[:0]
}

// maxRecent is how many values are looked through for one that is equal. A document can have thousands
// that are all different.
const maxRecent = 64

// recent gives the values that were made last.
func recent[T any](made []T) []T { return made[max(0, len(made)-maxRecent):] }

// simple is an expression without parts.
type simple struct {
	kind     exprKind
	typ      valueType
	index    int32
	variable *Variable
	literal  any // of a type that can be compared
}

// expression gives an expression its place in memory.
func (k *kept) expression(x expression) *expression {
	if !x.isSimple() {
		return copyOf(&x)
	}
	key := simple{x.kind, x.typ, x.index, x.variable, x.literal}
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
// what others have too, or what it does not use.
func (k *kept) settle(op *Operation) {
	for i := range op.inputs {
		op.inputs[i].lookups = k.lookupsOf(&op.inputs[i])
	}
	op.inputs = k.inputsOf(op.inputs)
	op.intake, op.schema = once(&k.texts, op.intake), once(&k.texts, op.schema)
	op.conditional = once(&k.headers, op.conditional)
	op.rareOperation = settled(op.rareOperation, k.operation)
}

// settleCall is settle for a call.
func (k *kept) settleCall(c *Call) {
	c.body, c.rareCall = settled(c.body, nil), settled(c.rareCall, k.call)
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

// lookupsOf gives the lookups of an input, of those that are there twice the first.
func (k *kept) lookupsOf(in *input) []lookup {
	var room [maxPlaces]lookup
	list := room[:0]
	for _, l := range in.lookups {
		if !slices.ContainsFunc(list, l.equals) {
			list = append(list, l)
		}
	}
	for _, known := range recent(k.lookups[in.name]) {
		if slices.EqualFunc(known, list, lookup.equals) {
			return known
		}
	}
	own := exactly(list)
	k.lookups[in.name] = append(k.lookups[in.name], own)
	return own
}

// inputsOf gives the inputs of an operation. Their lookups have been settled.
func (k *kept) inputsOf(list []input) []input {
	if len(list) == 0 {
		return nil
	}
	same := func(a, b input) bool {
		return a.name == b.name && a.rule == b.rule && a.typ == b.typ && a.needed == b.needed && slices.Equal(a.lookups, b.lookups)
	}
	first := list[0].name
	for _, known := range recent(k.inputs[first]) {
		if slices.EqualFunc(known, list, same) {
			return known
		}
	}
	own := exactly(list)
	k.inputs[first] = append(k.inputs[first], own)
	return own
}

package script

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	starlarkmath "go.starlark.net/lib/math"
	"go.starlark.net/starlark"
)

// pythonNames gives what a script finds beside the names of Starlark: what Python has and
// Starlark lacks, as far as it means the same there.
func pythonNames(m *meter) starlark.StringDict {
	names := starlark.StringDict{"context": starlark.None, "math": starlarkmath.Module}
	counting := &pythonMeter{meter: m}
	counting.names(names)
	names["sum"] = starlark.NewBuiltin("sum", counting.sum)
	for name, f := range map[string]func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
		"round": pythonRound, "isinstance": pythonIsinstance, "map": pythonMap, "filter": pythonFilter,
	} {
		names[name] = starlark.NewBuiltin(name, f)
	}
	return names
}

// sum is sum(iterable, start=0).
func (p *pythonMeter) sum(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var all starlark.Iterable
	var total starlark.Value = starlark.MakeInt(0)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "iterable", &all, "start?", &total); err != nil {
		return nil, err
	}
	it := all.Iterate()
	defer it.Done()
	var v starlark.Value
	for it.Next(&v) {
		if err := p.meter.step(); err != nil {
			return nil, err
		}
		next, err := p.add(total, v)
		if err != nil {
			return nil, err
		}
		total = next
	}
	return total, nil
}

// pythonRound is round(number, ndigits=None): to the even one when two are equally near.
func pythonRound(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, digits starlark.Value = nil, starlark.None
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "number", &x, "ndigits?", &digits); err != nil {
		return nil, err
	}
	n, whole := 0, digits == starlark.None
	if !whole {
		var err error
		if n, err = starlark.AsInt32(digits); err != nil {
			return nil, fmt.Errorf("round: ndigits is %s, want int", digits.Type())
		}
	}
	switch x := x.(type) {
	case starlark.Int:
		if n >= 0 {
			return x, nil
		}
		return nil, errors.New("round: an int is rounded to whole numbers only")
	case starlark.Float:
		f := float64(x)
		if whole {
			return starlark.NumberToInt(starlark.Float(math.RoundToEven(f)))
		}
		return starlark.Float(roundTo(f, n)), nil
	}
	return nil, fmt.Errorf("round: got %s, want a number", x.Type())
}

// roundTo rounds the exact value of f to n digits behind the point, as Python does.
func roundTo(f float64, n int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) || n > 308 {
		return f
	}
	if n < 0 {
		scale := math.Pow10(-n)
		return math.RoundToEven(f/scale) * scale
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
	if err != nil {
		return f
	}
	return rounded
}

// pythonIsinstance is isinstance(value, type or tuple of types) for the types that Starlark
// has.
func pythonIsinstance(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v, types starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &v, &types); err != nil {
		return nil, err
	}
	all, ok := types.(starlark.Tuple)
	if !ok {
		all = starlark.Tuple{types}
	}
	for _, t := range all {
		f, ok := t.(*starlark.Builtin)
		if !ok {
			return nil, fmt.Errorf("isinstance: got %s, want a type such as str or int", t.Type())
		}
		if is, err := isOfType(v, f.Name()); is || err != nil {
			return starlark.Bool(is), err
		}
	}
	return starlark.False, nil
}

func isOfType(v starlark.Value, name string) (bool, error) {
	switch name {
	case "str":
		return v.Type() == "string", nil
	case "int":
		return v.Type() == "int" || v.Type() == "bool", nil
	case "float", "bool", "list", "dict", "tuple", "set", "bytes", "range":
		return v.Type() == name, nil
	}
	return false, fmt.Errorf("isinstance: %s is no type", name)
}

// pythonMap is map(function, iterable), as a list.
func pythonMap(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return eachOf(thread, b, args, kwargs, func(_, got starlark.Value) starlark.Value { return got })
}

// pythonFilter is filter(function, iterable), as a list.
func pythonFilter(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return eachOf(thread, b, args, kwargs, func(v, got starlark.Value) starlark.Value {
		if got.Truth() {
			return v
		}
		return nil
	})
}

// eachOf calls a function for every element and keeps what keep gives.
func eachOf(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple, keep func(v, got starlark.Value) starlark.Value) (starlark.Value, error) {
	var f starlark.Value
	var all starlark.Iterable
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &f, &all); err != nil {
		return nil, err
	}
	it := all.Iterate()
	defer it.Done()
	var out []starlark.Value
	var v starlark.Value
	for it.Next(&v) {
		got := v
		if f != starlark.None {
			var err error
			if got, err = starlark.Call(thread, f, starlark.Tuple{v}, nil); err != nil {
				return nil, err
			}
		}
		if kept := keep(v, got); kept != nil {
			out = append(out, kept)
		}
	}
	return starlark.NewList(out), nil
}

package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// maxDepth is how deep a context and a result may be nested.
const maxDepth = 1000

var errDepth = errors.New("nested too deeply")

// decodePython gives a JSON text as values of the script's own.
func decodePython(input []byte) (starlark.Value, error) {
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("text after the JSON value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (starlark.Value, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			return decodeList(d, depth)
		}
		return decodeDict(d, depth)
	case json.Number:
		return decodeNumber(v.String())
	case string:
		return starlark.String(v), nil
	case bool:
		return starlark.Bool(v), nil
	}
	return starlark.None, nil
}

func decodeList(d *json.Decoder, depth int) (starlark.Value, error) {
	var all []starlark.Value
	for d.More() {
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	_, err := d.Token()
	return starlark.NewList(all), err
}

func decodeDict(d *json.Decoder, depth int) (starlark.Value, error) {
	all := new(starlark.Dict)
	for d.More() {
		key, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		if err := all.SetKey(key, v); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return all, err
}

// decodeNumber keeps whole numbers exact, as json.loads of Python does.
func decodeNumber(text string) (starlark.Value, error) {
	if !strings.ContainsAny(text, ".eE") && len(text) <= maxDepth {
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return starlark.MakeBigInt(i), nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, err
	}
	return starlark.Float(f), nil
}

// encoder writes a value as compact JSON.
type encoder struct {
	bytes.Buffer
	ctx   context.Context
	limit int64
	count int
}

// encodePython writes the result, the way json.dumps of Python does.
func encodePython(ctx context.Context, v starlark.Value, m *meter) ([]byte, error) {
	e := &encoder{ctx: ctx, limit: m.limits.Output}
	if err := e.value(v, 0); err != nil {
		var own *Error
		if errors.As(err, &own) {
			return nil, err
		}
		return nil, &Error{Kind: BadResult, Message: "result cannot be written as JSON: " + err.Error()}
	}
	return e.Bytes(), nil
}

func (e *encoder) value(v starlark.Value, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	if int64(e.Len()) > e.limit {
		return &Error{Kind: BadResult, Message: fmt.Sprintf("the result is longer than %d bytes of JSON", e.limit)}
	}
	if e.count++; e.count&0xfff == 0 && e.ctx.Err() != nil {
		return context.Cause(e.ctx)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		e.WriteString("null")
	case starlark.Bool:
		e.WriteString(strconv.FormatBool(bool(v)))
	case starlark.Int:
		e.WriteString(v.String())
	case starlark.Float:
		return e.float(float64(v))
	case starlark.String:
		return e.text(string(v))
	case *starlark.Dict:
		return e.dict(v, depth)
	case starlark.Indexable: // list, tuple, range; strings were before
		return e.list(v, depth)
	default:
		return fmt.Errorf("it holds a %s, which JSON does not have", v.Type())
	}
	return nil
}

func (e *encoder) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("it holds a number that is not finite, and JSON has no other")
	}
	b, err := json.Marshal(f)
	e.Write(b)
	return err
}

func (e *encoder) text(s string) error {
	if int64(e.Len()+len(s)) > e.limit {
		return &Error{Kind: BadResult, Message: fmt.Sprintf("the result is longer than %d bytes of JSON", e.limit)}
	}
	enc := json.NewEncoder(&e.Buffer)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return err
	}
	e.Truncate(e.Len() - 1) // the line's end
	return nil
}

func (e *encoder) list(v starlark.Indexable, depth int) error {
	if _, ok := v.(starlark.Sequence); !ok {
		return fmt.Errorf("it holds a %s, which JSON does not have", v.Type())
	}
	e.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			e.WriteByte(',')
		}
		if err := e.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	e.WriteByte(']')
	return nil
}

func (e *encoder) dict(v *starlark.Dict, depth int) error {
	e.WriteByte('{')
	for i, item := range v.Items() {
		if i > 0 {
			e.WriteByte(',')
		}
		key, err := keyText(item[0])
		if err != nil {
			return err
		}
		if err := e.text(key); err != nil {
			return err
		}
		e.WriteByte(':')
		if err := e.value(item[1], depth+1); err != nil {
			return err
		}
	}
	e.WriteByte('}')
	return nil
}

// keyText gives a key as json.dumps of Python writes it.
func keyText(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Int:
		return v.String(), nil
	case starlark.Float:
		return v.String(), nil
	case starlark.Bool:
		return strconv.FormatBool(bool(v)), nil
	case starlark.NoneType:
		return "null", nil
	}
	return "", fmt.Errorf("it has a key of type %s, which JSON does not have", v.Type())
}

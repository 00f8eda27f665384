package expr_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"capd/engine/expr"
)

// decoded finds what a chain of names and indices leads to, by decoding level after level.
func decoded(raw []byte, chain string) (value []byte, ok bool) {
	raw = bytes.TrimSpace(raw)
	for _, step := range strings.Split(chain, ".")[1:] {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		n, err := strconv.Atoi(step)
		switch {
		case err == nil && json.Unmarshal(raw, &list) == nil && n < len(list):
			raw = list[n]
		case err != nil && json.Unmarshal(raw, &object) == nil && object[step] != nil:
			raw = object[step]
		default:
			return nil, false
		}
	}
	return raw, true
}

// chains are paths, as decoded has them.
var chains = []string{"", ".a", ".b", ".a.b", ".a.b.c", ".c", ".c.0", ".c.1.a", ".é", ".items", ".items.0", ".items.1.id", ".items.2.n", ".map.m.price", ".map", ".big", ".n1", ".n2", ".n3", ".n4", ".n5"}

// checkFinder looks for all chains at once, and at the elements of a list.
func checkFinder(t *testing.T, raw []byte) {
	t.Helper()
	f := expr.NewFinder()
	var paths []*expr.JSONPath
	var places []expr.Place
	for _, chain := range chains {
		text := "$"
		for _, step := range strings.Split(chain, ".")[1:] {
			if _, err := strconv.Atoi(step); err == nil {
				text += "[" + step + "]"
			} else {
				text += "." + step
			}
		}
		path, err := expr.ParseJSONPath(text)
		if err != nil {
			t.Fatal(err)
		}
		paths, places = append(paths, path), append(places, f.Root().Add(path))
	}
	items := f.Root().Below(paths[2])
	seen := &elements{list: items.List()}
	seen.place = seen.list.Each.Root().Add(paths[1])
	if items.List() != nil {
		t.Fatal("two lists at one place")
	}
	found, ok := new(expr.Pass).Run(f, raw, seen)
	if ok != json.Valid(raw) {
		t.Fatalf("%q: valid is %v", raw, ok)
	}
	if !ok {
		return
	}
	for i, chain := range chains {
		want, there := decoded(raw, chain)
		got, ok, err := found.Value(places[i])
		if err != nil || ok != there || string(got) != string(want) {
			t.Fatalf("%q: at %s is %q, %v, %v, want %q", raw, chain, got, ok, err, want)
		}
		alone, ok, err := paths[i].Find(raw, nil)
		if err != nil || ok != there || string(bytes.TrimSpace(alone)) != string(want) {
			t.Fatalf("%q: alone at %s is %q, %v, %v, want %q", raw, chain, alone, ok, err, want)
		}
	}
	var want []string
	list, _ := decoded(raw, ".b")
	var all []json.RawMessage
	isList := len(list) > 0 && list[0] == '[' && json.Unmarshal(list, &all) == nil
	for _, e := range all {
		value, _ := decoded(e, ".a")
		want = append(want, string(value))
	}
	from, to, made := found.Made(seen.list)
	if made != isList || made && (from != 1 || to != 2 || strings.Join(seen.values, "|") != strings.Join(want, "|")) {
		t.Fatalf("%q: elements %q, %v, want %q", raw, seen.values, made, want)
	}
}

// elements keeps what is found in those of the last list.
type elements struct {
	list   *expr.List
	place  expr.Place
	values []string
}

func (e *elements) BeginList(*expr.List) { e.values = nil }

func (e *elements) Element(_ *expr.List, f expr.Found) {
	value, _, _ := f.Value(e.place)
	e.values = append(e.values, string(value))
}

func (e *elements) EndList(*expr.List) (from, to int) { return 1, 2 }

var objects = []string{
	store, `{"a":{"b":{"c":1}},"a":{"b":2}}`, `{"b":[{"a":1},{"a":{"a":2}},3,{"\u0061":4},[]],"c":[1,{"a":null}]}`, `{"b":[1,2],"b":[{"a":3}]}`, `{"b":[1,2],"b":{}}`,
	`{"\u00e9":1,"é":2}`, "{\"a\xff\":1,\"a\":{\"\xff\":1}}", ` { "a" : { "b" : [ ] } , "c" : [ "x" , { "a" : "y" } ] } `, `{"n1":1,"n5":{"n1":2}}`, `{"b":[]}`, `{"b":[1,]}`, `{"a":1,}`, `{"a":{"b":}}`, `{"c":[1 2]}`,
}

func TestFinder(t *testing.T) {
	t.Parallel()
	for _, text := range append(append(objects, documents...), notJSON...) {
		checkFinder(t, []byte(text))
	}
	for depth := 9997; depth <= 10001; depth++ {
		checkFinder(t, []byte(`{"a":{"b":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+"}}"))
		checkFinder(t, []byte(`{"b":[`+strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)+"]}"))
	}
}

func FuzzFinder(f *testing.F) {
	for _, text := range append(append(objects, documents...), notJSON...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkFinder(t, raw) })
}

// BenchmarkFind looks for three values: each by itself in a text that is known to be JSON, and
// all in the one pass that finds out.
func BenchmarkFind(b *testing.B) {
	var paths []*expr.JSONPath
	for _, text := range []string{"$.id", "$.name", "$.owner.email"} {
		path, err := expr.ParseJSONPath(text)
		if err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	finder := expr.NewFinder()
	for _, path := range paths {
		finder.Root().Add(path)
	}
	for _, size := range benchSizes {
		raw := things(size.bytes)
		b.Run("each/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				for _, path := range paths {
					if _, ok, _ := path.Find(raw, nil); !ok {
						b.Fatal("nothing is found")
					}
				}
			}
		})
		b.Run("pass/"+size.name, func(b *testing.B) {
			var pass expr.Pass
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, ok := pass.Run(finder, raw, nil); !ok {
					b.Fatal("not valid")
				}
			}
		})
		b.Run("copy/"+size.name, func(b *testing.B) { // what a proxy does with the bytes, once
			to := make([]byte, len(raw))
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				copy(to, raw)
			}
		})
	}
}

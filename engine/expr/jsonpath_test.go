package expr_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"capd/engine/expr"
)

const store = `{ "wanted": 2, "big": 12345678901234567890, "null": null, "a b": {"c'd": 1}, "length": 9,
 "items": [ {"id": 1, "price": 1.10, "tag": "x", "n": [1,2,3]},
            {"z": true, "id": 2, "price": 2e2, "tag": "y", "n": []},
            {"id": 3, "big": 12345678901234567890, "n": null} ],
 "map": {"z": 1.50, "a": 2, "m": {"id": 4, "price": 0.10}} }`

func TestFind(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ path, want string }{
		// The whole value, and chains of names and indices.
		{"", store}, {"$", store}, {"$.", store}, {" $ ", store},
		{"$.wanted", "2"}, {"wanted", "2"}, {"$['wanted']", "2"}, {`$["wanted"]`, "2"}, {"['wanted']", "2"},
		{"$.big", "12345678901234567890"}, {"$.null", "null"}, {"$['a b']", `{"c'd": 1}`}, {`$['a b']["c'd"]`, "1"},
		{"$.items[0].price", "1.10"}, {"items[1].price", "2e2"}, {"$.items[-1].id", "3"}, {"$.map.m", `{"id": 4, "price": 0.10}`},
		{"$.items[0].n[2]", "3"}, {"$.items[9]", ""}, {"$.items[-4]", ""}, {"$.nothing", ""}, {"$.wanted.nothing", ""}, {"$.items.id", ""}, {"$.map[0]", ""},
		// Lengths.
		{"$.items.length", "3"}, {"$.items.length()", "3"}, {"$.items[1].n.length", "0"}, {"$.length", "9"}, {"$.map.length", ""}, {"$.items[2].n.length", ""},
		{"$.nothing.length", ""}, {"$.items[*].length", "3"}, {"$.items[?(@.id > 1)].length", "2"},
		// Wildcards keep order and digits.
		{"$.items[*].id", "[1,2,3]"}, {"$.items[*].price", "[1.10,2e2]"}, {"$.items.*.tag", `["x","y"]`}, {"$.map.*", `[1.50,2,{"id": 4, "price": 0.10}]`},
		{"$.map[*]", `[1.50,2,{"id": 4, "price": 0.10}]`}, {"$.items[*].n[*]", "[1,2,3]"}, {"$.nothing[*]", "[]"}, {"$.wanted[*]", "[]"}, {"$['items'][*]['id']", "[1,2,3]"},
		// Slices and unions.
		{"$.items[0:2].id", "[1,2]"}, {"$.items[1:].id", "[2,3]"}, {"$.items[:1].price", "[1.10]"}, {"$.items[-1:]", `[{"id": 3, "big": 12345678901234567890, "n": null}]`},
		{"$.items[::2].id", "[1,3]"}, {"$.items[::-1].id", "[3,2,1]"}, {"$.items[2,0].id", "[3,1]"}, {"$['wanted','big']", "[2,12345678901234567890]"},
		// Filters.
		{"$.items[?(@.id > 1)].id", "[2,3]"}, {"$.items[?@.id > 1].id", "[2,3]"}, {"$.items[?(@.tag == 'y')].price", "[2e2]"},
		{"$.items[?(@.price == 1.1)].tag", `["x"]`}, {"$.items[?(@.big > 1)].big", "[12345678901234567890]"}, {"$.items[?(@.tag)].id", "[1,2]"},
		{"$.items[?(@.z == true)]", `[{"z": true, "id": 2, "price": 2e2, "tag": "y", "n": []}]`}, {"$.items[?(@.id > 9)]", "[]"}, {"$.map[?(@ > 1.2)]", "[1.50,2]"},
		{"$.items[?(@.id == $.wanted)].tag", `["y"]`}, {"$.items[?(@.tag == 'x' || @.id == 3)].id", "[1,3]"},
		// Descents.
		{"$..price", "[1.10,2e2,0.10]"}, {"$..id", "[1,2,3,4]"}, {"$.items..n[0]", "[1]"},
	} {
		p, err := expr.ParseJSONPath(x.path)
		if err != nil {
			t.Errorf("%s: %v", x.path, err)
			continue
		}
		got, ok, err := p.Find([]byte(store), nil)
		if err != nil || ok != (x.want != "") || string(got) != x.want {
			t.Errorf("%s: got %s, %v, %v, want %s", x.path, got, ok, err, x.want)
		}
	}
}

// TestFindDeep: what nests as deep as JSON may is read once, not once for each level, which would
// take minutes for all of these.
func TestFindDeep(t *testing.T) {
	t.Parallel()
	const depth = 9999
	objects := []byte(strings.Repeat(`{"a" : `, depth) + "1" + strings.Repeat("}", depth))
	lists := []byte(strings.Repeat("[ ", depth) + `"\u00e9"` + strings.Repeat("]", depth))
	for _, x := range []struct {
		path string
		raw  []byte
		want string
	}{
		{"$..b", objects, "[]"}, {"$[?(@.b)]", objects, "[]"}, {"$.a[0:2]", objects, "[]"}, {"$['a','b'].b", objects, "[]"},
		{"$..b", lists, "[]"}, {"$[?(@ > 1)]", lists, "[]"}, {"$[0:2].a", lists, "[]"}, {"$[?(@.a)]", []byte(`[{"a":1},` + string(lists) + "]"), `[{"a":1}]`},
	} {
		p, err := expr.ParseJSONPath(x.path)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			got, ok, err := p.Find(x.raw, nil)
			if err != nil || !ok || string(got) != x.want {
				t.Fatalf("%s: got %.100s, %v, %v, want %s", x.path, got, ok, err, x.want)
			}
		}
	}
}

// room is memory of so many bytes.
type room int64

func (r *room) Take(n int64) bool {
	*r -= room(n)
	return *r >= 0
}

func (r *room) Give(n int64) { *r += room(n) }
func (r *room) Tree() int64  { return 0 }

// TestFindMuch: what is found again and again is refused when it is out of proportion, or when
// there is no room for it.
func TestFindMuch(t *testing.T) {
	t.Parallel()
	nested := func(depth int, inner string) string {
		return strings.Repeat(`{"a":`, depth) + inner + strings.Repeat("}", depth)
	}
	lists := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	wide := "[" + strings.Repeat("1,", 20_000) + "1]"
	long := `"` + strings.Repeat("x", 1000) + `"`
	for _, x := range []struct {
		path, raw string
		room      int64
		want      error
	}{
		// Texts within texts.
		{"$..a", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		{"$..*", lists, 1 << 40, expr.ErrTooMuch},
		{"$..[0]", lists, 1 << 40, expr.ErrTooMuch},
		{"$..[?(@.a)]", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		{"$..[?(@.a == $.b)]", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		// Little is found, or nothing, in steps without number.
		{"$..a..a..a..b", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		{"$..*..*..*..b", lists, 1 << 40, expr.ErrTooMuch},
		{"$..[?(@..b)]", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		{"$..[?(@[?(@..b)])]", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		{"$..[?(@.a == $..b)]", nested(9000, "1"), 1 << 40, expr.ErrTooMuch},
		{"$[?(@.x[*] == @.y[*])]", `[{"x":` + wide + `,"y":` + strings.ReplaceAll(wide, "1", "2") + `}]`, 1 << 40, expr.ErrTooMuch},
		{"$..a[?(@ > 1)]", nested(500, wide), 1 << 40, nil}, // one list of many
		// In proportion.
		{"$..a", nested(60, long), 1 << 20, nil},
		{"$..a", nested(60, long), 1 << 10, expr.ErrNoRoom},
		{"$..b", nested(9000, "1"), 1 << 24, nil},
		{"$..b", nested(9000, "1"), 1 << 20, expr.ErrNoRoom},
		{"$[*].id", "[" + strings.Repeat(`{"id":1},`, 999) + `{"id":1}]`, 0, nil},
		{"$..id", "[" + strings.Repeat(`{"id":1},`, 999) + `{"id":1}]`, 1 << 20, nil},
		{"$..[?(@..id == 1)]", "[" + strings.Repeat(`{"x":{"id":1}},`, 9999) + `{"id":1}]`, 1 << 25, nil},
	} {
		p, err := expr.ParseJSONPath(x.path)
		if err != nil {
			t.Fatal(err)
		}
		left := room(x.room)
		got, ok, err := p.Find([]byte(x.raw), &left)
		if !errors.Is(err, x.want) || ok != (err == nil) || ok && !json.Valid(got) {
			t.Errorf("%s in %.40s: %v, %v, want %v", x.path, x.raw, ok, err, x.want)
		}
	}
}

// TestFindInNull: the library cannot look into a null with a filter in a filter, which is an error.
func TestFindInNull(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"$[?(@[?(@.x)])]", "$[?(@[?(@.x == $.y)])]", "$..[?(@[?(@.x)])].x"} {
		p, err := expr.ParseJSONPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok, err := p.Find([]byte(`[null, {"a": {"x": 1}}]`), nil); err == nil || ok {
			t.Errorf("%s: got %s", path, got)
		}
		if got, ok, err := p.Find([]byte(`[{"a": {"x": 1}}]`), nil); err != nil || !ok {
			t.Errorf("%s: got %s, %v", path, got, err)
		}
	}
}

// TestFindIsStable: what a path gives does not depend on the order of a Go map.
func TestFindIsStable(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"$..*", "$.map..*", "$.items[?(@.id)]", "$.items[?(@.id >= $.wanted)]", "$.map[?(@)]"} {
		p, err := expr.ParseJSONPath(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := p.Find([]byte(store), nil)
		for range 20 {
			if got, _, _ := p.Find([]byte(store), nil); !bytes.Equal(got, first) {
				t.Fatalf("%s: got %s, then %s", path, first, got)
			}
		}
	}
}

func TestParseJSONPathErrors(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"$.", "$"} {
		if p, err := expr.ParseJSONPath(path); err != nil || !p.IsWhole() {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"$.items[", "$.items[?(", "$.items[(@.length-1)]", "$.a b c[", "$.items[?(@.id >", "$['a", "$.*]", "$.a.*b["} {
		if _, err := expr.ParseJSONPath(path); err == nil || !strings.Contains(err.Error(), "is not a JSONPath") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"$": nil, "$.a.b": {"a", "b"}, "$.a[0].b": {"a", "", "b"}, "$.a[*].b": {"a", "", "b"}, "$.a[?(@.x)].b": {"a", "", "b"}, "$.a[1:2].b": {"a", "", "b"}, "$.a..b": {"a"},
	} {
		p, err := expr.ParseJSONPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Names(); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// FuzzJSONPath: nothing panics, and what is found in JSON is JSON.
func FuzzJSONPath(f *testing.F) {
	for _, path := range []string{"$", "$.items[*].id", "$..price", "$.items[?(@.id > 1)]", "$.items[::-1]", "$['a b']", "$.items.length", "items[0]", "[?(@.x == $.y)]", "$[0,1]", "$.*.*", "$..*..a", "$..['a','b']", "$[?(@..a == @.b[*])]", "$..[?(@[?(@.x)])]", "$..[?(@[?(@.x == $.y)])]"} {
		f.Add(path, []byte(store))
		f.Add(path, []byte(`[1,[2],{"x":null}]`))
	}
	f.Fuzz(func(t *testing.T, path string, raw []byte) {
		p, err := expr.ParseJSONPath(path)
		if err != nil {
			return
		}
		p.Names()
		if !json.Valid(raw) {
			return
		}
		got, ok, err := p.Find(raw, nil)
		if limit := 64*len(raw) + 1<<20; len(got) > limit {
			t.Fatalf("%q in %d bytes: found %d", path, len(raw), len(got))
		}
		switch {
		case err != nil && ok:
			t.Fatalf("%q in %q: found %q and %v", path, raw, got, err)
		case ok && !json.Valid(got):
			t.Fatalf("%q in %q: %q is no JSON", path, raw, got)
		case p.IsWhole() && (!ok || !bytes.Equal(got, raw)):
			t.Fatalf("%q in %q: the whole value is %q", path, raw, got)
		}
	})
}

func BenchmarkFindAll(b *testing.B) {
	raw := []byte("[" + strings.Repeat(`{"id":1,"name":"x"},`, 999) + `{"id":1}]`)
	for _, path := range []string{"$[*].id", "$[?(@.id == 1)].id"} {
		b.Run(path, func(b *testing.B) {
			p, err := expr.ParseJSONPath(path)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, _, err := p.Find(raw, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

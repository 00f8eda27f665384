package plan

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"weak"

	"golang.org/x/tools/txtar"

	"capd/engine/spec"
	"capd/schema"
)

// documents are those of the test data.
func documents(t *testing.T) []*spec.Document {
	t.Helper()
	var docs []*spec.Document
	parse := func(file string, text []byte) {
		if doc, _ := spec.Parse(file, text, spec.Limits{}); doc != nil {
			doc.ID = "test"
			docs = append(docs, doc)
		}
	}
	for _, pattern := range []string{"testdata/spec/ok/*.yaml", "testdata/call/*.yaml", "testdata/mcp/*.yaml", "testdata/serve/*.txtar", "capabilities/*.yaml"} {
		files, err := filepath.Glob("../../" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Ext(file) == ".yaml" {
				parse(file, text)
				continue
			}
			for _, f := range txtar.Parse(text).Files {
				if filepath.Ext(f.Name) == ".yaml" {
					parse(file, f.Data)
				}
			}
		}
	}
	return docs
}

// TestRoomIsNotKept: no unit holds a part of the memory in which it was compiled. The next document
// would change it.
func TestRoomIsNotKept(t *testing.T) {
	t.Parallel()
	with, c := Compiler{Schemas: schema.Compile}, new(compiler)
	room, seed := weak.Make(c), maphash.MakeSeed()
	type compiled struct {
		file string
		unit *Unit
		sum  uint64
	}
	var all []compiled
	operations := 0
	for _, doc := range documents(t) {
		c.begin(with, doc, nil)
		if unit, _ := c.compile(); unit != nil {
			all = append(all, compiled{doc.File, unit, sumOf(seed, unit)})
			operations += len(unit.operations())
		}
	}
	if operations < 50 {
		t.Errorf("%d operations", operations)
	}
	for _, x := range all {
		if sumOf(seed, x.unit) != x.sum {
			t.Errorf("%s: what was compiled behind it has changed the unit", x.file)
		}
	}
	c = nil
	runtime.GC()
	if room.Value() != nil {
		t.Error("a unit holds its compiler")
	}
	runtime.KeepAlive(all)
}

// TestRoomIsEmpty: a document comes to the same in memory that others were compiled in as in its own.
func TestRoomIsEmpty(t *testing.T) {
	t.Parallel()
	own := Compiler{Schemas: schema.Compile}
	lent, seed := own, maphash.MakeSeed()
	lent.Room = new(Room)
	compiled := 0
	for _, doc := range documents(t) {
		want, wanted := own.Compile(doc, nil)
		got, found := lent.Compile(doc, nil)
		if !reflect.DeepEqual(found, wanted) {
			t.Errorf("%s: got %v, want %v", doc.File, found, wanted)
		}
		if (got == nil) != (want == nil) || got != nil && sumOf(seed, got) != sumOf(seed, want) {
			t.Errorf("%s: what was compiled before has changed the unit", doc.File)
		}
		if got != nil {
			compiled++
		}
	}
	if compiled < 20 {
		t.Errorf("%d documents", compiled)
	}
}

// sumOf gives a hash of all that a unit holds.
func sumOf(seed maphash.Seed, unit *Unit) uint64 {
	s := sum{seen: map[place]bool{}}
	s.h.SetSeed(seed)
	s.add(reflect.ValueOf(unit))
	return s.h.Sum64()
}

type sum struct {
	h    maphash.Hash
	seen map[place]bool
}

// place is where a value is. What begins with another stands at the same place as that.
type place struct {
	at  uintptr
	typ reflect.Type
}

// add adds a value and all that it leads to, maps and functions aside.
func (s *sum) add(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if at := (place{v.Pointer(), v.Type()}); !v.IsNil() && !s.seen[at] {
			s.seen[at] = true
			s.add(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			s.add(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.add(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		maphash.WriteComparable(&s.h, v.Len())
		for i := range v.Len() {
			s.add(v.Index(i))
		}
	case reflect.String:
		maphash.WriteComparable(&s.h, v.String())
	case reflect.Bool:
		maphash.WriteComparable(&s.h, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		maphash.WriteComparable(&s.h, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		maphash.WriteComparable(&s.h, v.Uint())
	}
}

package engine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"golang.org/x/tools/txtar"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// TestNobodyKeepsATree: once documents are loaded, nothing holds any part of what was parsed, whatever
// was found in them. The memory of their trees can therefore be used again (see [desk]).
func TestNobodyKeepsATree(t *testing.T) {
	t.Parallel()
	for _, explain := range []bool{false, true} {
		t.Run(fmt.Sprintf("explain=%v", explain), func(t *testing.T) {
			t.Parallel()
			l, err := newLoader(LoadOptions{
				Paths: []string{everyDocument(t)}, HideIgnored: true, Jobs: 1, Explain: explain,
				Bind: &plan.BindOptions{
					Look:     func(string, *plan.Variable) (plan.Secret, error) { return plan.NewSecret("value"), nil },
					Upstream: plan.UpstreamFunc(nobody),
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			var all, last parts
			var held *spec.Document
			resolve := l.phases.resolve
			l.phases.resolve = func(doc *spec.Document, files plan.Files) (*spec.Document, diag.List) {
				whole, found := resolve(doc, files)
				last, held = partsOf(doc, whole), doc
				all = append(all, last...)
				return whole, found
			}
			records, _, err := l.documents(t.Context(), nil, false)
			if err != nil {
				t.Fatal(err)
			}
			together, err := l.together(&Snapshot{}, records)
			if err != nil {
				t.Fatal(err)
			}
			docs := together.docs()
			if len(docs) < 200 || len(all) < 20_000 {
				t.Fatalf("%d parts of %d documents are few", len(all), len(docs))
			}
			runtime.GC()
			if len(last.held()) == 0 {
				t.Error("a document that is held does not show")
			}
			runtime.KeepAlive(held)
			held = nil
			runtime.GC()
			if kept := all.held(); len(kept) > 0 {
				t.Errorf("held are %v", kept)
			}
			runtime.KeepAlive(docs)
			runtime.KeepAlive(together)
		})
	}
}

// everyDocument gives a folder with the documents of the tests and of the pages.
func everyDocument(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	archive := func(name string, text []byte) {
		a := txtar.Parse(text)
		if len(a.Files) == 0 {
			a.Files = []txtar.File{{Name: "document.yaml", Data: text}}
		}
		for _, f := range a.Files {
			place(t, filepath.Join(dir, name, f.Name), string(f.Data))
		}
	}
	for _, root := range []string{"../testdata", "../capabilities"} {
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			archive(strings.TrimPrefix(file, "../"), text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, code := range diag.Codes() {
		page, _ := diag.PageOf(code)
		archive(string(code)+"/bad", []byte(page.Bad))
		archive(string(code)+"/good", []byte(page.Good))
	}
	return dir
}

// parts are where the parts of documents lie, and what they are. They hold none.
type parts []part

type part struct {
	at   weak.Pointer[byte]
	what string
}

// partsOf finds everything that can be reached from documents.
func partsOf(docs ...*spec.Document) parts {
	type visit struct {
		at uintptr
		of reflect.Type
	}
	var out parts
	seen := make(map[visit]bool)
	var visitAll func(v reflect.Value, what string)
	visitAll = func(v reflect.Value, what string) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			at := visit{v.Pointer(), v.Type()}
			if v.IsNil() || v.Kind() != reflect.Slice && seen[at] {
				return
			}
			seen[at] = true
			out = append(out, part{weak.Make((*byte)(v.UnsafePointer())), what})
		}
		switch v.Kind() {
		case reflect.Pointer:
			visitAll(v.Elem(), v.Type().Elem().Name())
		case reflect.Slice:
			for i := range v.Len() {
				visitAll(v.Index(i), what)
			}
		case reflect.Map:
			for i := v.MapRange(); i.Next(); {
				visitAll(i.Value(), what)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				visitAll(v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name)
			}
		}
	}
	for _, doc := range docs {
		visitAll(reflect.ValueOf(doc), "Document")
	}
	return out
}

// held says what something holds still.
func (p parts) held() []string {
	var out []string
	for _, part := range p {
		if part.at.Value() != nil && !slices.Contains(out, part.what) {
			out = append(out, part.what)
		}
	}
	return out
}

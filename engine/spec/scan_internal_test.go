package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scalars visits every scalar of a tree, keys included.
func (v *Value) scalars(visit func(*Value)) {
	if v.isScalar() {
		visit(v)
	}
	for _, item := range v.Items {
		item.scalars(visit)
	}
	for _, m := range v.Members {
		visit(m.Key.node)
		m.Value.scalars(visit)
	}
}

// TestEvident: where it is evident where a scalar and its characters stand, the scan of the scalar
// finds them there too.
func TestEvident(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/spec/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	texts := []string{strings.Join([]string{
		"a: 'it''s'", `b: "q\"\\\u0041"`, `c: ""`, `d: ''`, "e:", "f: ~", "g: one\n  two", "h: \"one\n  two\"", "i: 'x'  # y", "j: é ü", "k: \"a\u0085b\"", "l: |\n  x\n  y", "m: >-\n  x",
		"n: [a, 'b', \"c\"]", `o: {"p": q, r: 's', t: a'b"c\d}`, "u: &v !!str 'w'", "x: *v", "y: \"a\tb\"", `z: "\t"`,
	}, "\n")}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	evident, scanned := 0, 0
	for _, text := range texts {
		p := newParser(new(Memory), "f.yaml", DefaultLimits)
		if !p.readable(text) {
			continue
		}
		node, ok := p.decode()
		if !ok {
			continue
		}
		root := p.grow(node)
		if root == nil {
			continue // too large
		}
		root.scalars(func(v *Value) {
			scanned++
			end, ok := evidentEnd(v)
			if !ok {
				return
			}
			evident++
			s, ok := scanScalar(v, true)
			if !ok || s.end != end {
				t.Errorf("%q ends at %d, the scan says %d, %t", v.Text, end, s.end, ok)
				return
			}
			begin, _ := evidentBegin(v)
			for i := range v.Text {
				if start, end := s.place(i, len(v.Text)); start != begin+i || end != begin+len(v.Text) {
					t.Errorf("%q from %d on stands at %d to %d, the scan says %d to %d", v.Text, i, begin+i, begin+len(v.Text), start, end)
				}
			}
		})
	}
	if evident < 400 || scanned == evident {
		t.Errorf("%d of %d scalars end where it is evident", evident, scanned)
	}
}

package expr_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"capd/engine/expr"
)

// things is a document of about size bytes, as the benchmarks of all layers have it.
func things(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"42","name":"A thing","owner":{"id":7,"email":"owner@example.com"},"items":[`)
	for n := 0; b.Len() < size-60; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"Item number %d","done":%t,"price":%d.25}`, n, n, n%2 == 0, n)
	}
	return append(b.Bytes(), "]}"...)
}

// notJSON are texts of which each is nearly JSON.
var notJSON = []string{
	"", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{a:1}`, `{"a" 1}`, `{1:1}`, `{"a":1]`, `[1}`,
	"tru", "truE", "nul", "falsee", "trueness", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "1.e1", "0x1", "1 2", "NaN", `"`, `"a`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "\"12345678\x1f\"", "\"\x00\"",
	"\ufeff{}", "{}\x00", "\v1", "\u00a01",
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, text := range append(documents, notJSON...) {
		checkValid(t, []byte(text))
	}
	for _, text := range []string{string(things(1 << 12)), `"` + strings.Repeat("a", 7) + `\u00e9\n\/` + strings.Repeat("é", 9) + "\xff\xfe" + `"`, "-0", "0.10", "1E-7", "[-0e0]"} {
		checkValid(t, []byte(text))
		for i := range text {
			checkValid(t, []byte(text[:i]))
		}
	}
	for depth := 9999; depth <= 10001; depth++ {
		checkValid(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		checkValid(t, []byte(strings.Repeat(`{"":`, depth)+"1"+strings.Repeat("}", depth)))
	}
}

func checkValid(t *testing.T, raw []byte) {
	t.Helper()
	want := json.Valid(raw)
	if got := expr.Valid(raw); got != want {
		t.Fatalf("%.100q: valid is %v, json.Valid says %v", raw, got, want)
	}
	compact := expr.AppendCompact([]byte("before "), raw) // of what is no JSON it must only do no harm
	var b bytes.Buffer
	if want && (json.Compact(&b, raw) != nil || string(compact) != "before "+b.String()) {
		t.Fatalf("%.100q: compact is %.100q, json.Compact says %.100q", raw, compact, b.Bytes())
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range append(documents, notJSON...) {
		f.Add([]byte(text))
	}
	f.Add(things(1 << 10))
	f.Fuzz(func(t *testing.T, raw []byte) { checkValid(t, raw) })
}

var benchSizes = []struct {
	name  string
	bytes int
}{{"1K", 1 << 10}, {"16K", 16 << 10}, {"1M", 1 << 20}}

func BenchmarkValid(b *testing.B) {
	for _, size := range benchSizes {
		raw := things(size.bytes)
		for _, by := range []struct {
			name  string
			valid func([]byte) bool
		}{{"expr", expr.Valid}, {"encoding", json.Valid}} {
			b.Run(by.name+"/"+size.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					if !by.valid(raw) {
						b.Fatal("not valid")
					}
				}
			})
		}
	}
}

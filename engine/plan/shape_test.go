package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"capd/engine/expr"
)

// slowly is what a shape gives, made the simple way: each path is looked for by itself, in a
// text that is known to be JSON.
func slowly(o *output, raw []byte, s *scope) ([]byte, error) {
	if o.kind == outputConst {
		v := convertText(o.literal.eval(s), o.typ.String())
		if o.omit && isAbsent(v) {
			return nil, nil
		}
		return slowlyCut(o, o.typed(appendJSON(nil, v), s)), nil
	}
	value := raw
	if o.path != nil {
		var ok bool
		var err error
		if value, ok, err = o.path.Find(raw, nil); err != nil {
			return nil, err
		} else if !ok && o.xml {
			return slowlyEach(o, listOfXML(o, nil, false), s)
		} else if !ok {
			return []byte("null"), nil
		}
	}
	switch o.kind {
	case outputObject:
		return slowlyObject(o, value, s)
	case outputList:
		elements, ok := expr.Elements(value)
		if o.xml {
			elements = listOfXML(o, value, true)
		} else if !ok {
			return []byte("null"), nil
		}
		return slowlyEach(o, elements, s)
	case outputOne:
		return slowlyEach(o, [][]byte{value}, s)
	case outputMembers:
		return slowlyMembers(o, value, s)
	case outputFirst:
		for _, p := range o.parts() {
			if got, err := slowly(p, value, s); err != nil || string(got) != "null" {
				return got, err
			}
		}
		return []byte("null"), nil
	}
	return slowlyCut(o, o.typed(value, s)), nil
}

// listOfXML gives the elements of a list of an XML answer.
func listOfXML(o *output, value []byte, found bool) (all [][]byte) {
	o.eachOfXML(value, found, func(e []byte) bool {
		all = append(all, e)
		return true
	})
	return all
}

func slowlyObject(o *output, value []byte, s *scope) ([]byte, error) {
	if o.path != nil && !o.path.IsWhole() && expr.Kind(value) == 'n' {
		return []byte("null"), nil
	}
	var members [][]byte
	for i, p := range o.parts() {
		got, err := slowly(p, value, s)
		if err != nil {
			return nil, err
		}
		if len(got) > 0 {
			members = append(members, append(append(appendString(nil, o.made.names[i]), ':'), got...))
		}
	}
	if o.omit && len(members) == 0 {
		return nil, nil
	}
	return fmt.Appendf(nil, "{%s}", bytes.Join(members, []byte(","))), nil
}

func slowlyEach(o *output, elements [][]byte, s *scope) ([]byte, error) {
	out := make([][]byte, len(elements))
	for i, e := range elements {
		var err error
		if out[i], err = slowly(o.items, e, s); err != nil {
			return nil, err
		}
	}
	return fmt.Appendf(nil, "[%s]", bytes.Join(out, []byte(","))), nil
}

func slowlyMembers(o *output, value []byte, s *scope) ([]byte, error) {
	if expr.Kind(value) != '{' {
		return []byte("null"), nil
	}
	var members [][]byte
	for _, f := range objectFields(value, nil) {
		got, err := slowly(o.items, appendJSON(nil, f.value.literal), s)
		if err != nil {
			return nil, err
		}
		members = append(members, append(append(appendString(nil, f.name), ':'), got...))
	}
	return fmt.Appendf(nil, "{%s}", bytes.Join(members, []byte(","))), nil
}

func slowlyCut(o *output, value []byte) []byte {
	if text, ok := parseValue(value).(string); ok && o.max > 0 {
		if r := []rune(text); len(r) > o.max {
			return appendString(nil, string(r[:o.max]))
		}
	}
	return value
}

// chance makes outputs and documents that have something to do with each other.
type chance struct{ *rand.Rand }

func (c chance) one(of ...string) string { return of[c.IntN(len(of))] }

func (c chance) path() *expr.JSONPath {
	text := "$"
	for range c.IntN(3) {
		text += c.one(".a", ".b", ".c", "['a']", ".é", "[0]", "[-1]", "[*]", ".*", ".a", ".b")
	}
	text += c.one("", "", "", "", "", "", ".length", "[?(@.a)]", "..b", "[0:2]")
	path, err := expr.ParseJSONPath(text)
	if err != nil {
		panic(err)
	}
	return path
}

func (c chance) output(depth int) *output {
	o := &output{kind: outputKind(1 + c.IntN(7)), typ: valueTypeOf(c.one("", "", "string", "number", "integer", "boolean", "array", "object"))}
	if depth == 0 {
		o.kind = outputKind(1 + c.IntN(2))
	}
	if c.IntN(6) > 0 {
		o.path = c.path()
	}
	if c.IntN(4) == 0 {
		o.max = 1 + c.IntN(3)
	}
	switch o.kind {
	case outputConst:
		o.path = nil
		o.literal = &expression{kind: exprLiteral, literal: parseValue([]byte(c.one(`"x"`, `"12"`, "1", "null", `{"a": [1]}`)))}
		if o.omit = c.IntN(3) == 0; o.omit {
			o.literal = &expression{kind: exprReply, detail: &detail{path: c.path()}} // there is none
		}
	case outputObject, outputFirst:
		for i := range c.IntN(4) {
			o.addPart(fmt.Sprint("n", i), c.output(depth-1))
		}
		o.omit = o.kind == outputObject && c.IntN(5) == 0
	case outputList, outputOne, outputMembers:
		if o.items = c.output(depth - 1); o.kind == outputOne {
			o.path = nil
		}
		noOmission(o.items)
		o.xml = o.kind == outputList && c.IntN(4) == 0
	}
	return o
}

// noOmission: what stands in a list is never left out.
func noOmission(o *output) {
	if o.omit = false; o.kind == outputConst && o.literal.kind == exprReply {
		o.literal.kind = exprLiteral
	}
	for _, p := range o.parts() {
		if o.kind == outputFirst {
			noOmission(p)
		}
	}
}

func (c chance) document(depth int) string {
	space := c.one("", "", "", " ", "\n\t")
	var parts []string
	kind := c.IntN(3)
	if depth == 0 {
		kind = 2
	}
	switch kind {
	case 0:
		for range c.IntN(5) {
			name := c.one("a", "b", "c", "a", "b", "c", `\u0061`, "é", "\\u00e9", "long name of a member", "length", "\xff")
			parts = append(parts, space+`"`+name+`"`+space+":"+space+c.document(depth-1)+space)
		}
		return "{" + strings.Join(parts, ",") + space + "}"
	case 1:
		for range c.IntN(4) {
			parts = append(parts, space+c.document(depth-1)+space)
		}
		return "[" + strings.Join(parts, ",") + space + "]"
	}
	return c.one("1", "1.0", "-2.50e3", "12345678901234567890", "true", "false", "null", `""`, `"x"`, `"12"`, `"\u00e9\ud83d\ude00\n"`, `"a somewhat longer text"`, `"é\"\\"`, "\"\xff\xfe\"")
}

// FuzzShape: what is found in one pass is what each path finds alone.
func FuzzShape(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, -1, byte(0))
	}
	f.Add(uint64(1), 3, byte('"'))
	f.Fuzz(func(t *testing.T, seed uint64, broken int, by byte) { checkShape(t, seed, broken, by) })
}

func TestShapeInOnePass(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20_000) {
		broken := -1
		if seed%5 == 0 {
			broken = int(seed / 5)
		}
		checkShape(t, seed, broken, "{}[],:\"\\ 1x\x00"[seed%12])
	}
}

// outputOf makes an output by chance, of one seed always the same.
func outputOf(seed uint64) (chance, *output) {
	c := chance{rand.New(rand.NewPCG(seed, 1))}
	o := c.output(3)
	if o.omit {
		noOmission(o)
	}
	return c, o
}

// checkShape makes an output and a document by chance, of which one byte may be broken.
func checkShape(t *testing.T, seed uint64, broken int, by byte) {
	t.Helper()
	c, o := outputOf(seed)
	raw := []byte(c.one("", " ") + c.document(4) + c.one("", "\n"))
	if broken >= 0 {
		raw[broken%len(raw)] = by
	}
	for _, strict := range []bool{false, true} {
		fast, slow := &scope{strict: strict}, &scope{strict: strict}
		_, again := outputOf(seed) // a shape forgets what it does not need
		got, err := newShape(again).render(raw, fast, new(rendering))
		if !json.Valid(raw) {
			if err == nil || !strings.Contains(err.Error(), "not valid JSON") {
				t.Fatalf("seed %d: %q is no JSON: got %s, %v", seed, raw, got, err)
			}
			continue
		}
		want, wantErr := slowly(o, bytes.TrimSpace(raw), slow)
		if string(got) != string(want) || (err == nil) != (wantErr == nil) || fast.misfits != slow.misfits {
			t.Fatalf("seed %d: of %q\ngot  %q, %v, misfits %v\nwant %q, %v, misfits %v", seed, raw, got, err, fast.misfits, want, wantErr, slow.misfits)
		}
	}
}

// TestLentMemory: answers that are made at the same time in memory that goes from one to the
// next keep to themselves.
func TestLentMemory(t *testing.T) {
	t.Parallel()
	path := func(text string) *expr.JSONPath {
		p, err := expr.ParseJSONPath(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	op := &Operation{output: &output{kind: outputObject, made: &outputParts{names: []string{"id", "all"}, list: []*output{
		{kind: outputPath, path: path("$.id")},
		{kind: outputList, path: path("$.items"), items: &output{kind: outputPath, path: path("$.of")}},
	}}}}
	op.shape = newShape(op.output)
	var benches workbenches
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for i := range 200 {
				id := fmt.Sprintf("%d-%d", n, i)
				items := strings.Repeat(`,{"of":"`+id+`"}`, i%50+1)[1:]
				body := fmt.Sprintf(`{"id":"%s","items":[%s]}`, id, items)
				if i%10 == 9 {
					body = body[:len(body)-1] // broken off
				}
				length := int64(len(body))
				if i%3 == 0 {
					length = -1
				}
				res := &Result{Body: Body{Stream: nopStream{strings.NewReader(body)}, Len: length}}
				got, err := op.shaped(res, &scope{benches: &benches}, 0)
				if i%10 == 9 {
					if err == nil {
						t.Errorf("%s: got %s", body, got.Body.Bytes)
					}
					continue
				}
				// Looked at after others had the memory.
				again, _ := op.shaped(&Result{Body: BytesBody([]byte(`{"id":"another","items":[{"of":1}]}`))}, &scope{benches: &benches}, 0)
				want := `{"id":"` + id + `","all":[` + strings.ReplaceAll(strings.ReplaceAll(items, `{"of":`, ""), "}", "") + "]}"
				if err != nil || string(got.Body.Bytes) != want || string(again.Body.Bytes) != `{"id":"another","all":[1]}` {
					t.Errorf("got %s, %v, want %s", got.Body.Bytes, err, want)
				}
			}
		})
	}
	group.Wait()
}

type nopStream struct{ *strings.Reader }

func (nopStream) Close() error { return nil }

// FuzzString: what is written as a JSON string is read as what it was, each byte that is no
// UTF-8 as U+FFFD.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é\u2028\U0001f600", "a\xffb\xed\xa0\x80", "\ufffd", "\xef\xbf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := appendString([]byte("x"), s)[1:]
		var back string
		if err := json.Unmarshal(raw, &back); err != nil || back != string([]rune(s)) {
			t.Fatalf("%q is written as %q: %v", s, raw, err)
		}
		if got := parseValue(raw); got != back {
			t.Fatalf("%q is read as %q", raw, got)
		}
	})
}

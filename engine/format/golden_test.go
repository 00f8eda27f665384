package format_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/engine/format"
)

// update writes the results of the samples anew.
var update = flag.Bool("update", false, "write testdata/samples/*.json anew")

// byExtension finds the format of a sample and what it needs.
func byExtension(t *testing.T, file string) (format.Format, format.Options) {
	t.Helper()
	o := format.Options{}
	name := strings.TrimPrefix(filepath.Ext(file), ".")
	for short, long := range map[string]string{"md": "markdown", "txt": "text", "pb": "protobuf"} {
		if name == short {
			name = long
		}
	}
	f, ok := format.Parse(name)
	if !ok {
		t.Fatalf("%s has no format", file)
	}
	if f.NeedsSchema() {
		o.SchemaName = strings.TrimSuffix(file, filepath.Ext(file)) + map[format.Format]string{format.Avro: ".avsc", format.Protobuf: ".proto"}[f]
		var err error
		if o.Schema, err = os.ReadFile(o.SchemaName); err != nil {
			t.Fatal(err)
		}
	}
	return f, o
}

// samples gives the files of testdata/samples that are answers.
func samples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/samples/*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		switch filepath.Ext(file) {
		case ".golden", ".avsc", ".proto":
		default:
			out = append(out, file)
		}
	}
	if len(out) < 11 {
		t.Fatalf("only %d samples", len(out))
	}
	return out
}

func TestSamples(t *testing.T) {
	t.Parallel()
	for _, file := range samples(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			f, o := byExtension(t, file)
			tree := decodeFile(t, f, o, file)
			var got bytes.Buffer
			if err := json.Indent(&got, bytes.TrimSpace(tree.JSON), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("gives\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

func decodeFile(t *testing.T, f format.Format, o format.Options, file string) format.Tree {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := format.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := d.Decode(body, "")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// fixtures is where the reference implementation's samples may lie beside a checkout.
const fixtures = "../../../shared/fixtures/ikanos/engine/schemas"

// TestFixtures reads the samples of the reference implementation.
func TestFixtures(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(fixtures); err != nil {
		t.Skipf("the fixtures are not there: %v", err)
	}
	const users = `[{"id":"1","name":"Alice Smith","email":"alice@example.com"},{"id":"2","name":"Bob Johnson","email":"bob@example.com"},{"id":"3","name":"Carol White","email":"carol@example.com"}]`
	const records = `{"records":[{"id":"1","title":"One","description":"first"},{"id":"2","title":"Two","description":"second"}]}`
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(fixtures, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, c := range []struct {
		format   format.Format
		file     string // an answer, or
		answer   string
		schema   string
		selector string
		gives    string
	}{
		{format: format.CSV, file: "sample-users.csv", gives: users},
		{format: format.TSV, file: "sample-users.tsv", gives: users},
		{format: format.PSV, file: "sample-users.psv", gives: users},
		{format: format.XML, file: "sample-users.xml", gives: `{"user":` + users + `}`},
		{format: format.YAML, file: "sample-users.yaml", gives: `{"users":` + users + `}`},
		{format: format.HTML, file: "sample-products.html", selector: "table.products", gives: `{"tables":[[{"Name":"Widget","Price":"$42","Stock":"150"},{"Name":"Gadget","Price":"$99","Stock":"30"}]]}`},
		{format: format.HTML, file: "sample-products.html", selector: "section.inventory", gives: `{"tables":[[{"Name":"Widget","Price":"$42","Stock":"150"},{"Name":"Gadget","Price":"$99","Stock":"30"}]]}`},
		{format: format.HTML, file: "sample-products.html", selector: "table.other", gives: `{"tables":[]}`},
		{format: format.Markdown, file: "sample-readme.md", gives: `{"frontMatter":{"title":"Product Release Notes","version":"2.1.0"},` +
			`"tables":[[{"Feature":"HTML support","Status":"GA"},{"Feature":"Markdown support","Status":"Beta"}]],` +
			`"sections":[{"heading":"Overview","level":2,"content":"This release introduces table extraction for markdown."}]}`},
		{format: format.Avro, schema: "test-records.avsc", answer: bin(2, "1", "One", 1, "first", "2", "Two", 1, "second", 0), gives: records},
		{format: format.Avro, schema: "test-records.avsc", answer: bin(1, "1", "One", 0, 0), gives: `{"records":[{"id":"1","title":"One","description":null}]}`},
		{format: format.Protobuf, schema: "test-records.proto", answer: field(1, field(1, "1")+field(2, "One")+field(3, "first")) + field(1, field(1, "2")+field(2, "Two")+field(3, "second")), gives: records},
	} {
		o := format.Options{Selector: c.selector, SchemaName: c.schema}
		if c.schema != "" {
			o.Schema = read(c.schema)
		}
		body := []byte(c.answer)
		if c.file != "" {
			body = read(c.file)
		}
		d, err := format.New(c.format, o)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := d.Decode(body, "")
		if err != nil || string(tree.JSON) != c.gives {
			t.Errorf("%s %s%s: %v\ngives %s\nwant  %s", c.format, c.file, c.schema, err, tree.JSON, c.gives)
		}
	}
}

// TestTablesAreTheSame compares the table of a page with the same table in markdown.
func TestTablesAreTheSame(t *testing.T) {
	t.Parallel()
	var values []string
	for _, file := range []string{"testdata/samples/orders.html", "testdata/samples/orders.md"} {
		f, o := byExtension(t, file)
		var v struct{ Tables json.RawMessage }
		if err := json.Unmarshal(decodeFile(t, f, o, file).JSON, &v); err != nil {
			t.Fatal(err)
		}
		values = append(values, string(v.Tables))
	}
	if values[0] != values[1] || !strings.Contains(values[0], "1002") {
		t.Errorf("the page gives %s\nmarkdown gives %s", values[0], values[1])
	}
}

// fuzz decodes what it is given. Whatever that is, the result is JSON of limited size or an error
// that is fit for a caller.
func fuzz(f *testing.F, of format.Format, o format.Options, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s), "")
	}
	f.Add([]byte("\xff\xfea\x00"), "text/plain; charset=shift_jis")
	o.Limits = format.Limits{Bytes: 1 << 16, Result: 1 << 20, Depth: 60, Columns: 100, Nodes: 5000}
	d, err := format.New(of, o)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		tree, err := d.Decode(body, contentType)
		var e *format.Error
		switch {
		case err == nil && !json.Valid(tree.JSON):
			t.Errorf("no JSON: %.200q", tree.JSON)
		case len(tree.JSON) > 1<<20 && of != format.JSON:
			t.Errorf("%d bytes", len(tree.JSON))
		case err != nil && (!errors.As(err, &e) || e.Reason == "" || e.Reason == "its parser failed" || e.Format != of):
			t.Errorf("error %#v", err)
		}
	})
}

func FuzzJSON(f *testing.F) { fuzz(f, format.JSON, format.Options{}, `{"a": [1, "x"]}`, `[`) }

func FuzzCSV(f *testing.F) {
	fuzz(f, format.CSV, format.Options{}, "a,b\n1,\"2\"\"\n\"\n", "a,a\r\n1")
}

func FuzzXML(f *testing.F) {
	fuzz(f, format.XML, format.Options{}, `<r a="1">x<b/>y<b>z</b></r>`, "<?xml version='1.0' encoding='latin1'?><!DOCTYPE r [<!ELEMENT r ANY>]><r><![CDATA[x]]>&lt;</r>")
}

func FuzzYAML(f *testing.F) {
	fuzz(f, format.YAML, format.Options{}, "a: &x [1, 0x1F, .5, ~]\nb: *x\n<<: {c: |\n  d\n}\n", "? [a]\n: !!int '1'\n", "a: &a {<<: *a}\n")
}

func FuzzHTML(f *testing.F) {
	fuzz(f, format.HTML, format.Options{Selector: "table, div"}, "<div><table><thead><tr><th>A<tbody><tr><td>1<table><tr><th>B", "<b><p></b><select><table><svg><td>")
}

func FuzzMarkdown(f *testing.F) {
	fuzz(f, format.Markdown, format.Options{}, "---\na: b\n---\n# h\n- *x* `y`\n\n|a|b|\n|-|-|\n|1|\n", "> - 1. [a]: b 'c'\n[a](<d> \"e\") &amp; \\* <!-- -->\n===\n")
}

func FuzzAvro(f *testing.F) {
	fuzz(f, format.Avro, format.Options{Schema: []byte(everything)}, "\x00\x00\x00\x00\x01\x02", "Obj\x01\x02\x16avro.schema\x0a\"int\"\x000123456789abcdef\x02\x02\x040123456789abcdef")
}

func FuzzProtobuf(f *testing.F) {
	fuzz(f, format.Protobuf, protoOptions(), field(13, field(12, "\x01\x02"))+field(14, field(1, "k"))+field(20, field(1, 5))+field(16, "x"), field(23, field(1, field(2, field(6, "")))))
}

// BenchmarkDecode reads a megabyte or so of each format.
func BenchmarkDecode(b *testing.B) {
	repeat := func(head, row, tail string) []byte { return []byte(head + strings.Repeat(row, 1<<20/len(row)) + tail) }
	for _, c := range []struct {
		format format.Format
		o      format.Options
		body   []byte
	}{
		{format: format.JSON, body: repeat("[0", `,{"id":1001,"name":"Ann Lee","total":12.5}`, "]")},
		{format: format.XML, body: repeat("<r>", "<user id=\"1001\"><name>Ann Lee</name><total>12.5</total></user>\n", "</r>")},
		{format: format.YAML, body: repeat("", "- id: 1001\n  name: Ann Lee the first of her name\n  total: 12.5\n", "")[:600_000]},
		{format: format.CSV, body: repeat("id,name,total\n", "1001,Ann Lee,12.5\n", "")},
		{format: format.HTML, body: repeat("<table><tr><th>id<th>name<th>total</tr>", "<tr><td>1001</td><td>Ann Lee</td><td>12.5</td></tr>\n", "</table>")},
		{format: format.Markdown, body: repeat("# a\n", "## Orders\nAll *orders* of [January](https://example.com)\n\n- one\n- two\n\n", "")[:700_000]},
		{format: format.Avro, o: format.Options{Schema: []byte(`{"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}, {"name": "total", "type": "double"}]}}`)},
			body: append(repeat(bin(1<<20/len(bin(1001, "Ann Lee", 12.5))), bin(1001, "Ann Lee", 12.5), ""), 0)},
		{format: format.Protobuf, o: protoOptions(), body: repeat("", field(13, field(1, 1001)+field(9, "Ann Lee")), "")[:len(field(13, field(1, 1001)+field(9, "Ann Lee")))*10_000]},
		{format: format.Text, body: repeat("", "Ann Lee\n", "")},
	} {
		b.Run(c.format.String(), func(b *testing.B) {
			d, err := format.New(c.format, c.o)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(c.body, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

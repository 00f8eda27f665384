package format_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/format"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range format.Names() {
		f, ok := format.Parse(strings.ToUpper(name))
		if !ok || f.String() != name {
			t.Errorf("%s is found as %s, %v", name, f, ok)
		}
	}
	if f, ok := format.Parse(""); f != format.JSON || !ok {
		t.Errorf("without a name: %s, %v", f, ok)
	}
	if f, ok := format.Parse("INI"); ok {
		t.Errorf("INI is found as %s", f)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	check(t, format.JSON, format.Options{}, []rule{
		{name: "stays as it is", answer: " {\"a\" : 1.50, \"a\":12345678901234567890}\n", gives: " {\"a\" : 1.50, \"a\":12345678901234567890}\n"},
		{name: "a byte order mark", answer: "\ufeff[]", gives: "[]"},
		{name: "UTF-16", answer: "\xfe\xff\x00\"\x00\xe9\x00\"", gives: `"é"`},
		{name: "a charset", answer: "\"\xe9\"", kind: "application/json; charset=latin1", gives: `"é"`},
		{name: "no UTF-8 though it says so", answer: "\"\xe9\"", kind: "application/json; charset=utf-8", gives: `"` + "\uFFFD" + `"`},
		{name: "empty", answer: " \n", says: "the answer is not valid JSON: it is empty"},
		{name: "cut off", answer: `{"a": [1,`, says: "the answer is not valid JSON: it ends too early"},
		{name: "wrong", answer: "{\n \"ä\": secret}", says: "the answer is not valid JSON: line 2, column 7: an error of syntax"},
		{name: "wrong at the end", answer: `{"a": 1}}`, says: "the answer is not valid JSON: line 1, column 9: an error of syntax"},
		{name: "too deep", answer: strings.Repeat("[", 20_000), says: "the answer is not valid JSON: line 1, column 10001: an error of syntax"},
	})
}

func TestText(t *testing.T) {
	t.Parallel()
	check(t, format.Text, format.Options{}, []rule{
		{name: "a string", answer: "a \"b\"\\\r\n\t\x01é\u2028", gives: `"a \"b\"\\\r\n\t\u0001é` + "\u2028" + `"`},
		{name: "empty", answer: "", gives: `""`},
		{name: "a charset", answer: "\x82\xa0", kind: "text/plain; charset=Shift_JIS", gives: `"あ"`},
	})
}

func TestBinary(t *testing.T) {
	t.Parallel()
	check(t, format.Binary, format.Options{}, []rule{
		{name: "no tree", answer: "\x00", says: "the answer is binary: it can be handed on, but not be mapped"},
	})
}

func TestXML(t *testing.T) {
	t.Parallel()
	check(t, format.XML, format.Options{Limits: format.Limits{Depth: 10}}, []rule{
		{name: "the root is stripped", answer: "<root><name>Alice</name></root>", gives: `{"name":"Alice"}`},
		{name: "siblings of one name are a list", answer: "<r><u>1</u><n/><u>2</u><u><v>3</v></u></r>", gives: `{"u":["1","2",{"v":"3"}],"n":""}`},
		{name: "lists in lists", answer: "<r><u><u>1</u><u>2</u></u><u><u>3</u></u></r>", gives: `{"u":[{"u":["1","2"]},{"u":"3"}]}`},
		{name: "attributes", answer: `<r a="1"><u b='2' a="3">x</u><v c="4"/></r>`, gives: `{"a":"1","u":{"b":"2","a":"3","":"x"},"v":{"c":"4"}}`},
		{name: "an attribute and an element of one name", answer: `<r id="1"><id>2</id></r>`, gives: `{"id":["1","2"]}`},
		{name: "text stays as it is", answer: "<r><a> x\n</a><b>  </b></r>", gives: `{"a":" x\n","b":"  "}`},
		{name: "mixed content", answer: "<r>\n one <b>two</b> three\n</r>", gives: `{"":["\n one "," three\n"],"b":"two"}`},
		{name: "white space between elements", answer: "<r>\n <b>two</b>\n <c/>\n</r>", gives: `{"b":"two","c":""}`},
		{name: "CDATA and comments", answer: "<r><a>x<!-- no -->y<![CDATA[<&>]]>z</a><?pi?></r>", gives: `{"a":"xy<&>z"}`},
		{name: "prefixes", answer: `<s:r xmlns:s="urn:s" xmlns="urn:d"><s:a s:b="1">x</s:a></s:r>`, gives: `{"a":{"b":"1","":"x"}}`},
		{name: "nil", answer: `<r xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><a i:nil="true"/><b i:nil="false">x</b></r>`, gives: `{"a":null,"b":"x"}`},
		{name: "a root of text", answer: "<r>x</r>", gives: `"x"`},
		{name: "an empty root", answer: "<r/>", gives: `""`},
		{name: "references", answer: "<r>&lt;&amp;&#233;&#x41;</r>", gives: `"<&éA"`},
		{name: "a charset in the declaration", answer: "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><r>\xe9</r>", gives: `"é"`},
		{name: "the header counts more", answer: "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><r>é</r>", kind: "application/xml; charset=utf-8", gives: `"é"`},
		{name: "UTF-16", answer: "\xff\xfe<\x00r\x00/\x00>\x00", gives: `""`},
		{name: "UTF-16 without a mark", answer: "\x00<\x00?\x00x\x00m\x00l\x00 \x00v\x00e\x00r\x00s\x00i\x00o\x00n\x00=\x00'\x001\x00.\x000\x00'\x00?\x00>\x00<\x00r\x00/\x00>", gives: `""`},
		{name: "a document type", answer: `<!DOCTYPE r SYSTEM "http://x.example/r.dtd"><r/>`, gives: `""`},
		{name: "entities", answer: "\n<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&x;</r>", says: "the answer is not valid XML: line 2: its document type declares something, which is not accepted"},
		{name: "a deep document type", answer: "<!DOCTYPE r " + strings.Repeat("<", 1_000_000), says: "the answer is not valid XML: line 1: its document type declares something, which is not accepted"},
		{name: "a document type with quotes", answer: "<!DOCTYPE r PUBLIC '[<>' \"'>\"><!-- <!DOCTYPE [ --><r><![CDATA[<!DOCTYPE [ ]]></r>", gives: `"<!DOCTYPE [ "`},
		{name: "an unknown entity", answer: "<r>\n&secret;</r>", says: "the answer is not valid XML: line 2: an entity is not known"},
		{name: "cut off", answer: "<r>\n<a>", says: "the answer is not valid XML: line 2: it ends too early"},
		{name: "wrongly closed", answer: "<secret></r>", says: "the answer is not valid XML: line 1: the end of an element stands where another one is open"},
		{name: "two roots", answer: "<a/>\n<b/>", says: "the answer is not valid XML: line 2: there is a second root element"},
		{name: "text behind the root", answer: "<a/>\nb", says: "the answer is not valid XML: line 2: there is text outside of the root element"},
		{name: "empty", answer: "", says: "the answer is not valid XML: it has no element"},
		{name: "too deep", answer: strings.Repeat("<a>", 11), says: "the answer is too much to be read as XML: it nests deeper than 10 levels"},
		{name: "very deep", answer: strings.Repeat("<a>", 100_000), says: "the answer is too much to be read as XML: it nests deeper than 10 levels"},
		{name: "too many names", answer: manyNames(100_001), says: "the answer is too much to be read as XML: its elements have more than 100000 different names"},
		{name: "too many attributes", answer: "<r " + strings.Repeat("a='' ", 10_001) + "/>", says: "the answer is too much to be read as XML: an element has more than 10000 attributes"},
	})
	check(t, format.XML, format.Options{Limits: format.Limits{Nodes: 10}}, []rule{
		{name: "too many elements", answer: "<r>" + strings.Repeat("<a/>", 50) + "</r>", says: "the answer is too much to be read as XML: it has more than 40 elements and attributes"},
	})
}

func manyNames(n int) string {
	var b strings.Builder
	b.WriteString("<r>")
	for i := range n {
		fmt.Fprintf(&b, "<a%d/>", i)
	}
	return b.String() + "</r>"
}

func TestRootOfXML(t *testing.T) {
	t.Parallel()
	d, err := format.New(format.XML, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := d.Decode([]byte("<n:root xmlns:n='urn:n'><user>1</user></n:root>"), "")
	if err != nil {
		t.Fatal(err)
	}
	if tree.Root != "root" || string(tree.WithRoot()) != `{"root":{"user":"1"}}` {
		t.Errorf("root %q, %s", tree.Root, tree.WithRoot())
	}
	if got := (format.Tree{JSON: []byte("1")}).WithRoot(); got != nil {
		t.Errorf("without a root element: %s", got)
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	merges := "a: &a {x: 1}\n"
	for c := 'b'; c < 'k'; c++ {
		merges += string(c) + ": &" + string(c) + " {<<: [" + strings.Repeat("*"+string(c-1)+",", 9) + "]}\n"
	}
	check(t, format.YAML, format.Options{Limits: format.Limits{Depth: 50}}, []rule{
		{name: "quoted ids stay strings", answer: "users:\n- id: \"1\"\n  n: 2\n", gives: `{"users":[{"id":"1","n":2}]}`},
		{name: "the first document", answer: "a\n---\nb\n", gives: `"a"`},
		{name: "null", answer: "[~, null, Null, NULL, ]\n", gives: `[null,null,null,null]`},
		{name: "no value", answer: "a:\nb: ''\n", gives: `{"a":null,"b":""}`},
		{name: "booleans", answer: "[true, False, TRUE, yes, No, on, off, y]", gives: `[true,false,true,"yes","No","on","off","y"]`},
		{name: "digits stay", answer: "[42, -0, 1.50, 12345678901234567890123, 1e3, 1.5E-7, 0]", gives: `[42,-0,1.50,12345678901234567890123,1e3,1.5E-7,0]`},
		{name: "other numbers", answer: "[+1, .5, 5., -.5e1, 1_000, 0x1F, 0o17, 0b11, -0x10]", gives: `[1,0.5,5.0,-0.5e1,1000,31,15,3,-16]`},
		{name: "no numbers", answer: "[007, 01.5, 1:30, ., +, -, .inf, .nan, 1__0, 0x, 1.2.3, 12a, 0xFFFFFFFFFFFFFFFFF]", gives: `["007","01.5","1:30",".","+","-",".inf",".nan","1__0","0x","1.2.3","12a","0xFFFFFFFFFFFFFFFFF"]`},
		{name: "dates are strings", answer: "[2026-01-31, 2026-01-31T10:00:00Z]", gives: `["2026-01-31","2026-01-31T10:00:00Z"]`},
		{name: "block scalars", answer: "a: |\n  1\nb: >-\n  x\n  y\n", gives: `{"a":"1\n","b":"x y"}`},
		{name: "tags", answer: "[!!str 1, !!int '1', !!float \"1.5\", !!bool 'true', !!binary 'YQ ==', !mine 1]", gives: `["1",1,1.5,true,"YQ==","1"]`},
		{name: "keys", answer: "1: a\ntrue: b\n~: c\n? [x, 1]\n: d\n? {k: v}\n: e\n", gives: `{"1":"a","true":"b","~":"c","[\"x\",1]":"d","{\"k\":\"v\"}":"e"}`},
		{name: "the last of two keys", answer: "a: 1\nb: 2\na: 3\n", gives: `{"a":3,"b":2}`},
		{name: "aliases", answer: "a: &x {k: 1}\nb: *x\nc: [*x]\n*x : d\n", gives: `{"a":{"k":1},"b":{"k":1},"c":[{"k":1}],"{\"k\":1}":"d"}`},
		{name: "merge", answer: "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na:\n  <<: *b\n  y: 5\nc:\n  <<: [*b, *m]\nd: {\"<<\": 1}\n", gives: `{"base":{"x":1,"y":2},"more":{"y":3,"z":4},"a":{"y":5,"x":1},"c":{"x":1,"y":2,"z":4},"d":{"<<":1}}`},
		{name: "merging what is none", answer: "a:\n  <<: 1\n", says: "the answer is not valid YAML: line 2: << needs a mapping"},
		{name: "what contains itself", answer: "a: &a [1, *a]\n", says: "the answer is not valid YAML: line 1: a value contains itself"},
		{name: "what merges itself", answer: "a: &a\n  <<: *a\n", says: "the answer is not valid YAML: line 1: a value contains itself"},
		{name: "a billion laughs", answer: laughs, says: "the answer is too much to be read as YAML: its JSON would have more than 1059776 bytes"},
		{name: "a billion merges", answer: merges, says: "the answer is too much to be read as YAML: it merges more than 1000000 members"},
		{name: "an error of syntax", answer: "a: 1\nb: 'secret\n", says: "the answer is not valid YAML: line 2: an error of syntax"},
		{name: "an unknown alias", answer: "a: *secret", says: "the answer is not valid YAML: an error of syntax"},
		{name: "empty", answer: "# nothing\n", says: "the answer is not valid YAML: it is empty"},
		{name: "too deep", answer: strings.Repeat("[", 51) + strings.Repeat("]", 51), says: "the answer is too much to be read as YAML: it nests deeper than 50 levels"},
		{name: "very deep", answer: strings.Repeat("[", 100_000), says: "the answer is too much to be read as YAML: it nests too deep"},
		{name: "very deep in blocks", answer: strings.Repeat("- ", 100_000), says: "the answer is too much to be read as YAML: it nests too deep"},
		{name: "too many values", answer: "[" + strings.Repeat("a,", 600_000) + "]", says: "the answer is too much to be read as YAML: it has more than about 500000 values"},
	})
}

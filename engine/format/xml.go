package format

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
)

const (
	maxAttributes = 10_000  // of one element
	maxNames      = 100_000 // different ones
	elementSize   = 32      // bytes of one
	schemaSpace   = "http://www.w3.org/2001/XMLSchema-instance"
)

// element is an element, an attribute or, with the empty name, text beside others. Elements lie
// in one slice and refer to each other by index, so that millions of them cost little; 0 is
// the root and as a reference means none.
type element struct {
	name        int32 // index in xmlTree.names
	child, last int32 // first and last child
	next        int32 // sibling
	same        int32 // next sibling of the same name
	from, to    int32 // text, in xmlTree.text
	again       bool  // an earlier sibling has the same name
	null        bool  // xsi:nil
}

// xmlTree is a document while it is read.
type xmlTree struct {
	elements []element
	text     []byte
	names    []string
	index    map[string]int32
	open     []int32 // elements that are not closed, from the root
	limits   Limits
}

func readXML(in *answer, w *writer) (string, error) {
	text, err := in.utf8Text(xmlCharset(in.body))
	if err != nil {
		return "", err
	}
	if len(text) > math.MaxInt32 {
		return "", tooMuch("it has more than %d bytes", math.MaxInt32)
	}
	if err := judgeTags(text); err != nil {
		return "", err
	}
	// Each element, attribute and text has one of these, or a part of one.
	most := min(bytes.Count(text, []byte("<"))+bytes.Count(text, []byte("=")), 4*in.limits.Nodes)
	if err := w.hold(most, elementSize); err != nil {
		return "", err
	}
	t := &xmlTree{index: make(map[string]int32), limits: in.limits, elements: make([]element, 0, most)}
	w.expect(len(text))
	if err := t.parse(text); err != nil {
		return "", err
	}
	return t.names[t.elements[0].name], t.writeAll(w)
}

// judgeTags refuses what encoding/xml takes much memory or time for: an element with very many
// attributes, and a document type that declares something.
func judgeTags(text []byte) error {
	for rest := text; ; {
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			return nil
		}
		rest = rest[i:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			rest = behind(rest[4:], "-->")
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			rest = behind(rest, "]]>")
		case bytes.HasPrefix(rest, []byte("<?")):
			rest = behind(rest, "?>")
		case bytes.HasPrefix(rest, []byte("<!")):
			if declares(rest[2:]) {
				line, _ := place(text, len(text)-len(rest))
				return invalid("line %d: its document type declares something, which is not accepted", line)
			}
			rest = rest[2:]
		default:
			end := bytes.IndexByte(rest, '>')
			if end < 0 {
				end = len(rest)
			}
			if bytes.Count(rest[:end], []byte("=")) > maxAttributes {
				return tooMuch("an element has more than %d attributes", maxAttributes)
			}
			rest = rest[1:]
		}
	}
}

// behind gives what follows the first mark; nothing when there is none.
func behind(text []byte, mark string) []byte {
	_, rest, _ := bytes.Cut(text, []byte(mark))
	return rest
}

// declares reports whether there is more than names and quoted texts before the end of a document
// type.
func declares(text []byte) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '>':
			return false
		case '[', '<':
			return true
		case '"', '\'':
			n := bytes.IndexByte(text[i+1:], c)
			if n < 0 {
				return false // it ends too early
			}
			i += n + 1
		}
	}
	return false
}

// parse reads the document. encoding/xml knows no entities but the five of XML itself, reads no
// document type and opens nothing.
func (t *xmlTree) parse(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 already
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && len(t.elements) == 0:
			return invalid("it has no element")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return explainXML(err, d)
		}
		line, _ := d.InputPos()
		if err := t.take(token, line); err != nil {
			return err
		}
	}
}

func (t *xmlTree) take(token xml.Token, line int) error {
	switch token := token.(type) {
	case xml.StartElement:
		if len(t.open) == 0 && len(t.elements) > 0 {
			return invalid("line %d: there is a second root element", line)
		}
		return t.start(token)
	case xml.EndElement:
		t.end()
	case xml.CharData:
		if len(t.open) > 0 {
			return t.addText(token)
		}
		if len(bytes.TrimSpace(token)) > 0 {
			return invalid("line %d: there is text outside of the root element", line)
		}
	}
	return nil
}

// start opens an element.
func (t *xmlTree) start(token xml.StartElement) error {
	if len(t.open) >= t.limits.Depth {
		return tooMuch("it nests deeper than %d levels", t.limits.Depth)
	}
	me, err := t.add(token.Name.Local)
	if err != nil {
		return err
	}
	t.open = append(t.open, me)
	for _, a := range token.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns":
			continue
		case a.Name.Space == schemaSpace && a.Name.Local == "nil":
			value := strings.TrimSpace(a.Value)
			t.elements[me].null = value == "true" || value == "1"
			continue
		}
		i, err := t.add(a.Name.Local)
		if err != nil {
			return err
		}
		t.elements[i].from = int32(len(t.text))
		t.text = append(t.text, a.Value...)
		t.elements[i].to = int32(len(t.text))
	}
	return nil
}

// addText adds text to the innermost element: a part of its own, until end knows better.
// Comments and CDATA cut a text in pieces, which are one.
func (t *xmlTree) addText(text []byte) error {
	parent := t.open[len(t.open)-1]
	from := int32(len(t.text))
	t.text = append(t.text, text...)
	if last := t.elements[parent].last; last != 0 && t.elements[last].name == 0 && t.elements[last].to == from {
		t.elements[last].to = int32(len(t.text))
		return nil
	}
	i, err := t.add("")
	if err == nil {
		t.elements[i].from, t.elements[i].to = from, int32(len(t.text))
	}
	return err
}

// end closes the innermost element. One that has text alone is its text; of others, text of
// white space alone is dropped.
func (t *xmlTree) end() {
	me := t.open[len(t.open)-1]
	t.open = t.open[:len(t.open)-1]
	e := &t.elements[me]
	if e.child != 0 && t.elements[e.child].name == 0 && t.elements[e.child].next == 0 {
		text := t.elements[e.child]
		e.from, e.to, e.child, e.last = text.from, text.to, 0, 0
		return
	}
	var before int32
	for i := e.child; i != 0; i = t.elements[i].next {
		c := &t.elements[i]
		if c.name != 0 || len(bytes.TrimSpace(t.text[c.from:c.to])) > 0 {
			before = i
			continue
		}
		if before == 0 {
			e.child = c.next
		} else {
			t.elements[before].next = c.next
		}
	}
	e.last = before
}

// add appends an element below the innermost open one.
func (t *xmlTree) add(name string) (int32, error) {
	if len(t.elements) == 0 {
		t.names, t.index[""] = append(t.names, ""), 0
	}
	if len(t.elements) >= 4*t.limits.Nodes {
		return 0, tooMuch("it has more than %d elements and attributes", 4*t.limits.Nodes)
	}
	id, ok := t.index[name]
	if !ok {
		if len(t.names) > maxNames {
			return 0, tooMuch("its elements have more than %d different names", maxNames)
		}
		id = int32(len(t.names))
		t.names = append(t.names, name)
		t.index[name] = id
	}
	me := int32(len(t.elements))
	t.elements = append(t.elements, element{name: id})
	if len(t.open) > 0 {
		parent := &t.elements[t.open[len(t.open)-1]]
		if parent.last == 0 {
			parent.child = me
		} else {
			t.elements[parent.last].next = me
		}
		parent.last = me
	}
	return me, nil
}

func (t *xmlTree) writeAll(w *writer) error {
	x := &xmlWriter{xmlTree: t, w: w, seen: make([]int32, len(t.names))}
	return x.value(0)
}

// xmlWriter writes a tree that is read.
type xmlWriter struct {
	*xmlTree
	w    *writer
	seen []int32 // by name: the last child of that name, while siblings are linked
}

// value writes what an element is.
func (x *xmlWriter) value(me int32) error {
	e := &x.elements[me]
	switch {
	case e.null:
		x.w.raw("null")
		return nil
	case e.child == 0:
		x.w.buf = appendString(x.w.buf, x.text[e.from:e.to])
		return nil
	}
	x.linkSame(e.child)
	if err := x.w.open('{'); err != nil {
		return err
	}
	for i := e.child; i != 0; i = x.elements[i].next {
		if x.elements[i].again {
			continue
		}
		if err := x.w.member(x.names[x.elements[i].name]); err != nil {
			return err
		}
		if err := x.sameNamed(i); err != nil {
			return err
		}
	}
	x.w.close('}')
	return nil
}

// sameNamed writes an element, or the list of those with its name.
func (x *xmlWriter) sameNamed(first int32) error {
	if x.elements[first].same == 0 {
		return x.value(first)
	}
	if err := x.w.open('['); err != nil {
		return err
	}
	for i := first; i != 0; i = x.elements[i].same {
		if err := x.w.next(); err != nil {
			return err
		}
		if err := x.value(i); err != nil {
			return err
		}
	}
	x.w.close(']')
	return nil
}

// linkSame makes chains of the siblings with one name.
func (x *xmlWriter) linkSame(first int32) {
	for i := first; i != 0; i = x.elements[i].next {
		name := x.elements[i].name
		if before := x.seen[name]; before != 0 {
			x.elements[before].same, x.elements[i].again = i, true
		}
		x.seen[name] = i
	}
	for i := first; i != 0; i = x.elements[i].next {
		x.seen[x.elements[i].name] = 0
	}
}

// explainXML words an error of encoding/xml, whose own text may quote the document.
func explainXML(err error, d *xml.Decoder) error {
	line, _ := d.InputPos()
	what := "an error of syntax"
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		line = syntax.Line
		for _, k := range []struct{ start, says string }{
			{"unexpected EOF", "it ends too early"},
			{"element <", "the end of an element stands where another one is open"},
			{"unexpected end element", "the end of an element stands where none is open"},
			{"invalid character entity", "an entity is not known"},
			{"invalid UTF-8", "a character is not UTF-8"},
			{"illegal character code", "a character is not allowed"},
			{"unquoted or missing attribute value", "the value of an attribute is not quoted"},
			{"attribute name without =", "an attribute has no value"},
		} {
			if strings.HasPrefix(syntax.Msg, k.start) {
				what = k.says
			}
		}
	}
	return invalid("line %d: %s", line, what)
}

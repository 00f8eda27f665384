package expr_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"capd/engine/expr"
)

var documents = []string{
	`{}`, `[]`, `null`, `0`, `""`, ` { "a" : 1 , "b":[ 2 , {"c":null}] } `, `[1,"a,]}",[],{},-1.5e+10,true,false,null]`,
	`{"a":1,"a":2}`, `{"é":"\u00e9\"\\","\u0061":1}`, "\n[\t1\r\n,\n2 ]\n", `{"":{"":[""]}}`, `[[[[1]]],{"a":{"b":{}}}]`, `{"a\"b":"]}"}`,
}

// checkScan compares the scanner with encoding/json.
func checkScan(t *testing.T, raw []byte) {
	t.Helper()
	if !json.Valid(raw) {
		return
	}
	var object map[string]json.RawMessage
	isObject := expr.Kind(raw) == '{'
	if isObject && json.Unmarshal(raw, &object) != nil {
		return
	}
	var names []string
	last := map[string][]byte{}
	expr.Members(raw, func(name string, value []byte) {
		if !json.Valid(value) || len(bytes.TrimSpace(value)) != len(value) {
			t.Fatalf("%q: member %q is %q", raw, name, value)
		}
		names = append(names, name)
		last[name] = value
	})
	if len(last) != len(object) {
		t.Fatalf("%q: members %q", raw, names)
	}
	for name, want := range object {
		got, ok := expr.Member(raw, name)
		if !ok || string(got) != string(want) || string(last[name]) != string(want) {
			t.Fatalf("%q: member %q is %q, want %q", raw, name, got, want)
		}
	}
	var list []json.RawMessage
	isList := expr.Kind(raw) == '['
	if isList && json.Unmarshal(raw, &list) != nil {
		return
	}
	elements, ok := expr.Elements(raw)
	if ok != isList || len(elements) != len(list) {
		t.Fatalf("%q: %d elements %v", raw, len(elements), ok)
	}
	for i, want := range list {
		if string(elements[i]) != string(want) {
			t.Fatalf("%q: element %d is %q, want %q", raw, i, elements[i], want)
		}
		if back, ok := expr.Element(raw, i-len(list)); !ok || string(back) != string(want) {
			t.Fatalf("%q: element %d from the end is %q", raw, i-len(list), back)
		}
	}
	if _, ok := expr.Element(raw, len(list)); ok {
		t.Fatalf("%q: an element behind the last", raw)
	}
	if _, ok := expr.Element(raw, -len(list)-1); ok {
		t.Fatalf("%q: an element before the first", raw)
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		checkScan(t, []byte(d))
	}
	for _, d := range []string{`[1]`, `1`, `"a"`, `null`} {
		if _, ok := expr.Member([]byte(d), "a"); ok {
			t.Errorf("%s has a member", d)
		}
	}
	if _, ok := expr.Member([]byte(`{"a":1}`), "b"); ok {
		t.Error("a member that is not there")
	}
	if got, ok := expr.Member([]byte(`{"a":1,"\u0061":2}`), "a"); !ok || string(got) != "2" {
		t.Errorf("of several members the last: got %s", got)
	}
	for d, want := range map[string]byte{" {}": '{', "[": '[', "\n-1": '-', "": 0, "  ": 0, "true": 't'} {
		if got := expr.Kind([]byte(d)); got != want {
			t.Errorf("%q: kind %q", d, got)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkScan(t, raw)
		if !json.Valid(raw) { // what is no JSON must only do no harm
			expr.Members(raw, func(string, []byte) {})
			expr.Member(raw, "a")
			expr.Elements(raw)
			expr.Element(raw, -1)
		}
	})
}

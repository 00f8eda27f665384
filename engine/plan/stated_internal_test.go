package plan

import (
	"encoding/json"
	"testing"
)

// TestStated: what is kept of a route's document is what encoding/json makes of it.
func TestStated(t *testing.T) {
	t.Parallel()
	for _, s := range []stated{
		{},
		{Label: "a <b> \u2028 \x01", Tags: []string{"x", `"y"`}},
		{Takes: []Parameter{{In: "path", Name: "id", Required: true, Schema: json.RawMessage(`{"type":"string"}`)}}, Media: "text/csv"},
		{Takes: []Parameter{{In: "body"}, {In: "body", Name: "a.b", Path: []string{"a", "b"}, Description: "é"}}, Answer: json.RawMessage("{\"pattern\":\"<&>\u2029\"}")},
	} {
		want, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		var a, b stated
		if err := json.Unmarshal(want, &a); err != nil {
			t.Fatal(err)
		}
		got := s.appendTo(nil)
		if err := json.Unmarshal(got, &b); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		again, err := json.Marshal(&a)
		if err != nil {
			t.Fatal(err)
		}
		read, err := json.Marshal(&b)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(read) || string(a.Answer) != string(b.Answer) {
			t.Errorf("%s is read as %s, want %s", got, read, again)
		}
	}
}

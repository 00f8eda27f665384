package mcp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

func sampleState() *askState {
	return &askState{
		ID: []byte("id"), Begun: 999_000, Until: 1_000_000, Call: digest("tool", "t"), Asked: 2, Names: []string{"confirm"},
		Given: map[string]stateReply{"details": {plan.AskForm, plan.Accepted, json.RawMessage(`{"colour":"red"}`), true}},
	}
}

// TestState: a state comes back as it was, and no other text is taken for one.
func TestState(t *testing.T) {
	t.Parallel()
	key, call, now := []byte("key"), digest("tool", "t"), time.Unix(999_999, 0)
	want := sampleState()
	text, err := want.seal(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := openState(key, text, call, now)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	payload, sig, _ := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), "red", "tea", 1)))
	for name, bad := range map[string]string{
		"nothing": "", "no signature": payload, "an empty signature": payload + ".", "another payload": forged + "." + sig,
		"something behind": text + "-TAMPERED", "padding": text + "=", "a bit more": text + "A", "no payload": "." + sig, "long": strings.Repeat("A", maxState) + "." + sig,
	} {
		if s, err := openState(key, bad, call, now); err == nil {
			t.Errorf("%s is taken for %+v", name, s)
		}
	}
	if _, err := openState([]byte("other"), text, call, now); err == nil {
		t.Error("a state of another key is taken")
	}
	if _, err := openState(key, text, digest("tool", "u"), now); err == nil || !strings.Contains(err.Error(), "another call") {
		t.Errorf("a state of another call: %v", err)
	}
	if _, err := openState(key, text, call, time.Unix(1_000_000, 0)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an old state: %v", err)
	}
}

// TestDigest: moving a letter from one part to the next makes another digest; the order of
// members in JSON does not.
func TestDigest(t *testing.T) {
	t.Parallel()
	if string(digest("ab", "c")) == string(digest("a", "bc")) || string(digest("a", "")) == string(digest("a")) {
		t.Error("different lists have one digest")
	}
	if a, b := sortedJSON([]byte(`{"b":1.50,"a":[{"d":1,"c":2}]}`)), sortedJSON([]byte(` {"a":[{"c":2,"d":1}],"b":1.50}`)); a != b {
		t.Errorf("%s and %s differ", a, b)
	}
	if sortedJSON([]byte(`{"a":12345678901234567890}`)) == sortedJSON([]byte(`{"a":12345678901234567891}`)) {
		t.Error("large numbers are taken for one")
	}
}

// FuzzState: no text makes opening a state panic, and only one with a right signature opens.
func FuzzState(f *testing.F) {
	key, call := []byte("key"), digest("tool", "t")
	text, err := sampleState().seal(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)-1])
	f.Add(".")
	f.Add("e30.e30")
	f.Fuzz(func(t *testing.T, in string) {
		if s, err := openState(key, in, call, time.Unix(0, 0)); (err == nil) != (in == text) {
			t.Errorf("%q gives %+v, %v", in, s, err)
		}
	})
}

// TestSubject: two adapters of one namespace are told apart, and so are two questions.
func TestSubject(t *testing.T) {
	t.Parallel()
	x, twin := &plan.Exposure{Unit: &plan.Unit{ID: "d"}, Namespace: "m"}, &plan.Exposure{Unit: &plan.Unit{ID: "d"}, Namespace: "m", Index: 1}
	asks := []plan.Question{{Name: "confirm", Message: "Look?"}}
	one := digest(subject("tool", x, asks, "t")...)
	if !bytes.Equal(one, digest(subject("tool", x, asks, "t")...)) {
		t.Error("a call is not itself")
	}
	for name, other := range map[string][]string{
		"another kind":     subject("prompt", x, asks, "t"),
		"another adapter":  subject("tool", twin, asks, "t"),
		"another question": subject("tool", x, []plan.Question{{Name: "confirm", Message: "Destroy?"}}, "t"),
		"no question":      subject("tool", x, nil, "t"),
	} {
		if bytes.Equal(one, digest(other...)) {
			t.Errorf("%s is the same call", name)
		}
	}
}

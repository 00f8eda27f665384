package plan

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"testing"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]url.Values{
		"":                 {},
		"a=1&a=2&b=":       {"a": {"1", "2"}, "b": {""}},
		"flag&&x=a%26b+c":  {"flag": {""}, "x": {"a&b c"}},
		"q=a;b&r=%3B":      {"q": {"a;b"}, "r": {";"}},
		"%C3%A9=%E6%97%A5": {"é": {"日"}},
	} {
		if got, err := ParseQuery(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %v, %v; want %v", raw, got, err, want)
		}
	}
	for _, raw := range []string{"q=50%", "q=%zz", "%=1"} {
		var e *Error
		if _, err := ParseQuery(raw); !errors.As(err, &e) || e.Code != CodeInvalidInput {
			t.Errorf("%q gives %v", raw, err)
		}
	}
}

// FuzzQuery: a query that is read for one name only gives what parsing all of it gives.
func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&a=2&b=", "flag&&x=a%26b+c", "%61=1&a=2&=3", "q=50%", "q=%4&=1", "%", "%a", "a%zz", "a=1=2&a"} {
		f.Add(raw, "a")
		f.Add(raw, "")
	}
	f.Fuzz(func(t *testing.T, raw, name string) {
		all, err := ParseQuery(raw)
		if wrong := CheckQuery(raw); (wrong == nil) != (err == nil) {
			t.Fatalf("%q: checked %v, parsed %v", raw, wrong, err)
		}
		if err != nil {
			return
		}
		for name := range all {
			if got := appendQueryValues(nil, raw, name); !slices.Equal(got, all[name]) {
				t.Errorf("%q has of %q the values %q, want %q", raw, name, got, all[name])
			}
		}
		if got := appendQueryValues(nil, raw, name); !slices.Equal(got, all[name]) {
			t.Errorf("%q has of %q the values %q, want %q", raw, name, got, all[name])
		}
	})
}

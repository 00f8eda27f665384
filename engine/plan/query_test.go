package plan_test

import (
	"errors"
	"net/url"
	"reflect"
	"testing"

	"capd/engine/plan"
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
		if got, err := plan.ParseQuery(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %v, %v; want %v", raw, got, err, want)
		}
	}
	for _, raw := range []string{"q=50%", "q=%zz", "%=1"} {
		var e *plan.Error
		if _, err := plan.ParseQuery(raw); !errors.As(err, &e) || e.Code != plan.CodeInvalidInput {
			t.Errorf("%q gives %v", raw, err)
		}
	}
}

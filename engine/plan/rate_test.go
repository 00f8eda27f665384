package plan_test

import (
	"testing"
	"time"

	"capd/engine/plan"
)

// TestParseRate reads rates, and what is written of them again.
func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		rate  plan.Rate
		shown string
	}{
		"100/1m":  {plan.Rate{Count: 100, Period: time.Minute, Burst: 100}, "100/1m"},
		" 5 / s ": {plan.Rate{Count: 5, Period: time.Second, Burst: 5}, "5/1s"},
		"1/h":     {plan.Rate{Count: 1, Period: time.Hour, Burst: 1}, "1/1h"},
		"2/90s":   {plan.Rate{Count: 2, Period: 90 * time.Second, Burst: 2}, "2/1m30s"},
		"9/20m":   {plan.Rate{Count: 9, Period: 20 * time.Minute, Burst: 9}, "9/20m"},
		"7/10h5m": {plan.Rate{Count: 7, Period: 10*time.Hour + 5*time.Minute, Burst: 7}, "7/10h5m"},
	} {
		got, ok := plan.ParseRate(text)
		if !ok || got != want.rate || got.String() != want.shown {
			t.Errorf("%q: %+v, %s, %v", text, got, got, ok)
		}
		if again, ok := plan.ParseRate(got.String()); !ok || again != got {
			t.Errorf("%q is read as %+v", got, again)
		}
	}
	for _, text := range []string{"", "/", "5", "5/", "/1m", "0/1m", "-1/1m", "1.5/1m", "5/1", "5/0s", "5/-1s", "5/1us", "99999999999/1s", "5/1m/2", "5/9999999h"} {
		if got, ok := plan.ParseRate(text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

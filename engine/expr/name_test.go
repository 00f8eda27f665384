package expr_test

import (
	"testing"

	"capd/engine/expr"
)

func TestIsScreaming(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"A", "API_TOKEN", "A1", "X_", "OAUTH2__KEY"} {
		if !expr.IsScreaming(s) {
			t.Errorf("%q is", s)
		}
	}
	for _, s := range []string{"", "a", "Api_Token", "_A", "1A", "A-B", "A B", "A.B", "Ä"} {
		if expr.IsScreaming(s) {
			t.Errorf("%q is not", s)
		}
	}
}

func TestUpperSnake(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "region": "REGION", "yourAccountName": "YOUR_ACCOUNT_NAME", "x-y": "X_Y", "a.b c": "A_B_C", "API_KEY": "API_KEY",
		"apiV2Key": "API_V2_KEY", "--a--": "A", "HTTPServer": "HTTPSERVER", "a1B": "A1_B", "é": "",
	} {
		if got := expr.UpperSnake(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "userId": "userid", "user-id": "userid", "USER_ID": "userid", "$filter[a.b]": "filterab", "--": "", "Ünder": "ünder", "id2": "id2",
	} {
		if got := expr.Fold(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

package diag_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
)

func TestBaseline(t *testing.T) {
	t.Parallel()
	known := diag.Diagnostic{
		Code: diag.CodeAssumed, Severity: diag.Warning, Span: at(3, 5, 9), Path: "capability.exposes[0]",
		Unit: diag.Unit{Doc: "f", Adapter: "rooms"}, Message: "one thing",
	}
	placeless := diag.Diagnostic{Code: diag.CodeUnreadable, Severity: diag.Error, Span: diag.Span{File: "f.yaml"}, Message: "has 17 bytes"}
	var b bytes.Buffer
	if err := diag.NewBaseline(diag.List{known, known, placeless}).Write(&b); err != nil {
		t.Fatal(err)
	}
	base, err := diag.ReadBaseline(&b)
	if err != nil {
		t.Fatal(err)
	}
	with := func(d diag.Diagnostic, change func(*diag.Diagnostic)) diag.Diagnostic {
		change(&d)
		return d
	}
	tests := []struct {
		name string
		list diag.List
		left int
	}{
		{"the same", diag.List{known, known, placeless}, 0},
		{"one more of a kind", diag.List{known, known, known}, 1},
		{"moved", diag.List{with(known, func(d *diag.Diagnostic) { d.Span = at(90, 1, 2) })}, 0},
		{"reworded", diag.List{with(known, func(d *diag.Diagnostic) { d.Message = "another word" })}, 0},
		{"another number", diag.List{with(placeless, func(d *diag.Diagnostic) { d.Message = "has 18 bytes" })}, 0},
		{"another code", diag.List{with(known, func(d *diag.Diagnostic) { d.Code = diag.CodeMethod })}, 1},
		{"another file", diag.List{with(known, func(d *diag.Diagnostic) { d.Span.File = "g.yaml" })}, 1},
		{"another path", diag.List{with(known, func(d *diag.Diagnostic) { d.Path += ".port" })}, 1},
		{"another unit", diag.List{with(known, func(d *diag.Diagnostic) { d.Unit.Name = "get" })}, 1},
		{"without a path, another thing", diag.List{with(placeless, func(d *diag.Diagnostic) { d.Message = "is a folder" })}, 1},
	}
	for _, tt := range tests {
		if got := base.New(tt.list); len(got) != tt.left {
			t.Errorf("%s: %d new findings, want %d: %v", tt.name, len(got), tt.left, got)
		}
		same := tt.list[0].Fingerprint() == known.Fingerprint() || tt.list[0].Fingerprint() == placeless.Fingerprint()
		if want := tt.left == 0 || len(tt.list) > 1; same != want {
			t.Errorf("%s: equal fingerprint %v, want %v", tt.name, same, want)
		}
	}
}

func TestReadBaselineRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"version": 1, "findings": [`:   "unexpected EOF",
		`[]`:                             "not a baseline",
		`{"version": 2, "findings": []}`: "baseline of version 2, expected 1",
		`{"findings": []}`:               "baseline of version 0, expected 1",
		`{"version": 1, "findings": [{"file": "a.yaml"}]}`:               "without a code",
		`{"version": 1, "summary": {}, "findings": []}`:                  "summary",
		`{"version": 1, "findings": [{"code": "assumed", "count": -1}]}`: "negative count",
	} {
		if _, err := diag.ReadBaseline(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestIgnoring(t *testing.T) {
	t.Parallel()
	finding := func(code diag.Code, line int) diag.Diagnostic {
		return diag.Diagnostic{Code: code, Severity: diag.Warning, Span: at(line, 3, 5), Message: "found"}
	}
	whole := diag.Diagnostic{Code: diag.CodeNothingExposed, Severity: diag.Error, Span: diag.Span{File: "f.yaml"}, Message: "nothing"}
	comment := func(line, about int, text string) diag.Ignore {
		codes, reason := diag.ParseIgnore(text)
		return diag.Ignore{Span: at(line, 1, 20), Doc: "f", Line: about, Codes: codes, Reason: reason}
	}
	first := comment(1, 2, "nothing-exposed a list of consumed APIs")
	first.First = true
	elsewhere := comment(5, 5, "assumed as agreed")
	elsewhere.Span.File = "g.yaml"
	list := diag.List{finding(diag.CodeAssumed, 5), finding(diag.CodeMethod, 5), whole}
	tests := []struct {
		name     string
		comments []diag.Ignore
		want     []string
	}{
		{"none", nil, []string{"5 assumed", "5 method", "0 nothing-exposed"}},
		{"one code", []diag.Ignore{comment(4, 5, "assumed as agreed")}, []string{"0 nothing-exposed", "5 method"}},
		{"two codes", []diag.Ignore{comment(5, 5, "assumed,method: -- as agreed")}, []string{"0 nothing-exposed"}},
		{"the whole file", []diag.Ignore{first}, []string{"5 assumed", "5 method"}},
		{"another file", []diag.Ignore{elsewhere}, []string{"0 nothing-exposed", "5 assumed", "5 method", "5 unused-ignore"}},
		{"half used", []diag.Ignore{comment(4, 5, "assumed,parameter as agreed")}, []string{"0 nothing-exposed", "4 unused-ignore", "5 method"}},
		{"twice", []diag.Ignore{comment(4, 5, "assumed as agreed"), comment(5, 5, "assumed as agreed")}, []string{"0 nothing-exposed", "5 method"}},
		{"no reason", []diag.Ignore{comment(4, 5, "assumed")}, []string{"0 nothing-exposed", "4 ignore-comment", "5 assumed", "5 method"}},
		{"no code", []diag.Ignore{comment(4, 5, "  ")}, []string{"0 nothing-exposed", "4 ignore-comment", "5 assumed", "5 method"}},
		{"no such code", []diag.Ignore{comment(4, 5, "asumed as agreed")}, []string{"0 nothing-exposed", "4 ignore-comment", "5 assumed", "5 method"}},
		{"unused, but it depends", []diag.Ignore{comment(4, 5, "missing-variable set in production")}, []string{"0 nothing-exposed", "5 assumed", "5 method"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, d := range slices.Clone(list).Ignoring(tt.comments) {
				got = append(got, string("0123456789"[d.Span.Start.Line])+" "+string(d.Code))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("left: %q\nwant: %q", got, tt.want)
			}
		})
	}
	got := diag.List{}.Ignoring([]diag.Ignore{comment(4, 5, "asumed as agreed")})
	if len(got) != 1 || got[0].Hint != "did you mean assumed?" || got[0].Unit.Doc != "f" {
		t.Errorf("an unknown code is explained as %v", got)
	}
}

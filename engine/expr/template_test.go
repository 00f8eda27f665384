package expr_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"capd/engine/expr"
)

// show writes a template with its references marked by their form.
func show(t expr.Template) string {
	forms := map[expr.Form]string{expr.Mustache: "mustache", expr.Chevron: "chevron", expr.Dollar: "dollar", expr.Brace: "brace", expr.Bracket: "bracket"}
	var out []string
	for _, p := range t.Parts {
		if !p.IsRef() {
			out = append(out, fmt.Sprintf("%q", p.Literal))
			continue
		}
		out = append(out, fmt.Sprintf("%s(%s)%d-%d", forms[p.Ref.Form], p.Ref.Name, p.Ref.Start, p.Ref.End))
	}
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ in, template, path, base string }{
		{"", "", "", ""},
		{"plain", `"plain"`, `"plain"`, `"plain"`},
		{"{{x}}", "mustache(x)0-5", "mustache(x)0-5", "mustache(x)0-5"},
		{"a{{ x.y }}b", `"a" mustache(x.y)1-10 "b"`, `"a" mustache(x.y)1-10 "b"`, `"a" mustache(x.y)1-10 "b"`},
		{"{{a}}{{b}}", "mustache(a)0-5 mustache(b)5-10", "mustache(a)0-5 mustache(b)5-10", "mustache(a)0-5 mustache(b)5-10"},
		{"<<env.X>>", "chevron(env.X)0-9", "chevron(env.X)0-9", "chevron(env.X)0-9"},
		{"${X}", "dollar(X)0-4", "dollar(X)0-4", "dollar(X)0-4"},
		{"{x}", `"{x}"`, "brace(x)0-3", "brace(x)0-3"},
		{"/a/{item-id}.json", `"/a/{item-id}.json"`, `"/a/" brace(item-id)3-12 ".json"`, `"/a/" brace(item-id)3-12 ".json"`},
		{"[x]", `"[x]"`, `"[x]"`, "bracket(x)0-3"},
		{"http://[::1]:80", `"http://[::1]:80"`, `"http://[::1]:80"`, `"http://[::1]:80"`},
		{`\{{x}}`, `"{{x}}"`, `"{{x}}"`, `"{{x}}"`},
		{`\\{{x}}`, `"\\{{x}}"`, `"\\{{x}}"`, `"\\{{x}}"`},
		{`\{{a}}{{b}}`, `"{{a}}" mustache(b)6-11`, `"{{a}}" mustache(b)6-11`, `"{{a}}" mustache(b)6-11`},
		{"{{{x}}}", `"{" mustache(x)1-6 "}"`, `"{" mustache(x)1-6 "}"`, `"{" mustache(x)1-6 "}"`},
		{"{{x", `"{{x"`, `"{{x"`, `"{{x"`},
		{"{{x}", `"{{x}"`, `"{" brace(x)1-4`, `"{" brace(x)1-4`},
		{"{{}}", `"{{}}"`, `"{{}}"`, `"{{}}"`},
		{"{{ }}", `"{{ }}"`, `"{{ }}"`, `"{{ }}"`},
		{"{a/b}", `"{a/b}"`, `"{a/b}"`, `"{a/b}"`},
		{"<<a b>> << x>>", `"<<a b>> << x>>"`, `"<<a b>> << x>>"`, `"<<a b>> << x>>"`},
		{"a << b; c >> d", `"a << b; c >> d"`, `"a << b; c >> d"`, `"a << b; c >> d"`},
		{"$5 ${ x} $x", `"$5 ${ x} $x"`, `"$5 $" brace(x)4-8 " $x"`, `"$5 $" brace(x)4-8 " $x"`},
		{"é{{x}}é", `"é" mustache(x)2-7 "é"`, `"é" mustache(x)2-7 "é"`, `"é" mustache(x)2-7 "é"`},
		{"{{a\n}}", `"{{a\n}}"`, `"{{a\n}}"`, `"{{a\n}}"`},
	} {
		for how, got := range map[string][2]string{
			"template": {show(expr.ParseTemplate(x.in)), x.template},
			"path":     {show(expr.ParsePath(x.in)), x.path},
			"base URI": {show(expr.ParseBaseURI(x.in)), x.base},
		} {
			if got[0] != got[1] {
				t.Errorf("%s %q: got %s, want %s", how, x.in, got[0], got[1])
			}
		}
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	if _, ok := expr.ParseTemplate("{{x}}").Literal(); ok {
		t.Error("a reference is a literal")
	}
	mixed := expr.ParseTemplate("a{{x}}b<<y>>")
	if refs := slices.Collect(mixed.Refs()); len(refs) != 2 || refs[1].Name != "y" || !mixed.HasRefs() {
		t.Errorf("got %v", refs)
	}
	for in, want := range map[string]string{"": "", "abc": "abc", `\{{x}}`: "{{x}}"} {
		tpl := expr.ParseTemplate(in)
		if got, ok := tpl.Literal(); !ok || got != want || tpl.HasRefs() {
			t.Errorf("%q: got %q %v", in, got, ok)
		}
	}
}

// FuzzTemplate: literals and references put together are the input, escapes aside.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"", "a{{x}}b", `\{{x}}`, "<<env.X>>${Y}", "/a/{x}/[y]", "{{{x}}}", "{{", "\\{{{{x}}", "<<a\\{{b>>", "é{{\xff}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for how, parse := range map[string]func(string) expr.Template{"template": expr.ParseTemplate, "path": expr.ParsePath, "base URI": expr.ParseBaseURI} {
			end, literal := 0, ""
			check := func(upTo int) {
				if want := strings.ReplaceAll(s[end:upTo], `\{{`, "{{"); literal != want {
					t.Fatalf("%s %q: literal %q from %d to %d, want %q", how, s, literal, end, upTo, want)
				}
				literal = ""
			}
			for _, p := range parse(s).Parts {
				if !p.IsRef() {
					literal += p.Literal
					continue
				}
				check(p.Ref.Start)
				if s[p.Ref.Start:p.Ref.End] != p.Literal || p.Ref.Name == "" || !strings.Contains(p.Literal, p.Ref.Name) {
					t.Fatalf("%s %q: reference %+v is written %q", how, s, p.Ref, p.Literal)
				}
				end = p.Ref.End
			}
			check(len(s))
		}
	})
}

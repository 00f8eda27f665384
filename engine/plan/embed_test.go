package plan

import (
	"strings"
	"testing"

	"capd/engine/expr"
)

// TestValuesStayWhereTheyStand: a value cannot end what it stands in, also where the text
// around it has quotes that open nothing.
func TestValuesStayWhereTheyStand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		dialect           dialect
		text, value, want string
	}{
		{dialectSPARQL, "# don't\nFILTER(?x = {{v}})", "1) . ?s ?p ?o", `# don't` + "\n" + `FILTER(?x = "1) . ?s ?p ?o")`},
		{dialectSPARQL, "# {{v}}\nx", "a\nDROP ALL", "# a DROP ALL\nx"},
		{dialectSPARQL, `<http://x#a{{v}}> '{{v}}'`, "b>'", `<http://x#ab%3E'> 'b>\''`},
		{dialectSPARQL, `FILTER(?a<{{v}} && ?b>3)`, "1)||(1=1", `FILTER(?a<"1)||(1=1" && ?b>3)`},
		{dialectSPARQL, `"""say "hi" {{v}}""" {{v}}`, `"""x`, `"""say "hi" \"\"\"x""" "\"\"\"x"`},
		{dialectSPARQL, `'''it's {{v}}'''`, `'''x`, `'''it's \'\'\'x'''`},
		{dialectGraphQL, "# it\"s {{v}}\n{ a(b: {{v}}) }", "x\n) {", "# it\"s x ) {\n{ a(b: \"x\\n) {\") }"},
		{dialectGraphQL, `a("""{{v}}""", {{v}})`, `"`, `a("""` + `"` + "\n" + `""", "\"")`},
		{dialectGraphQL, `a("""{{v}}""")`, `x""" b \`, `a("""x\""" b \` + "\n" + `""")`},
		{dialectGraphQL, `a("\"{{v}}")`, `x"`, `a("\"x\"")`},
		{dialectYAML, "note: don't {{v}}\n", "x\nadmin: true", `note: don't "x\nadmin: true"` + "\n"},
		{dialectYAML, "note: 'it''s {{v}}'\n", "x'\nadmin: true", "note: 'it''s x'' admin: true'\n"},
		{dialectYAML, "a: 1 # it's {{v}}\nb: {{v}}\n", "x\nadmin: true", "a: 1 # it's x admin: true\nb: \"x\\nadmin: true\"\n"},
		{dialectYAML, "{a: !!str '{{v}}'}", "x', b: 'y", `{a: !!str '"x\u0027, b: \u0027y"'}`},
		{dialectYAML, `["{{v}}",'{{v}}']`, `"'`, `["\"'",'"''']`},
		{dialectXML, "<a><![CDATA[{{v}}]]>{{v}}</a>", "1 < 2]]><b/>", "<a><![CDATA[1 < 2]]]]><![CDATA[><b/>]]>1 &lt; 2]]&gt;&lt;b/&gt;</a>"},
		{dialectXML, `<a b='"{{v}}"'><!-- <![CDATA[ {{v}} -->{{v}}`, `"'-->`, `<a b='"&#34;&#39;--&gt;"'><!-- <![CDATA[ &#34;&#39;&#45;&#45;&gt; -->&#34;&#39;--&gt;`},
	} {
		tpl := expr.ParseTemplate(tc.text)
		x := expression{kind: exprEmbedded, detail: &detail{embedding: &embedding{dialect: tc.dialect, within: tc.dialect.contexts(tpl)}}}
		for _, p := range tpl.Parts {
			if p.IsRef() {
				x.parts = append(x.parts, expression{kind: exprInput})
			} else {
				x.parts = append(x.parts, literalExpr(p.Literal))
			}
		}
		if got := x.embedded(&scope{args: []any{tc.value}}); got != tc.want {
			t.Errorf("%s with %q\ngot  %s\nwant %s", strings.ReplaceAll(tc.text, "\n", `\n`), tc.value, got, tc.want)
		}
	}
}

package plan_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// viewed compiles documents of one MCP adapter each, by ID, and links them.
func viewed(t *testing.T, docs map[string]string, o plan.LinkOptions) (*plan.Listener, diag.List) {
	t.Helper()
	o.Listen = "127.0.0.1:1"
	var units []*plan.Unit
	var all diag.List
	for id, text := range docs {
		doc, list := spec.Parse(id+".yaml", []byte(text), spec.Limits{})
		if doc == nil {
			t.Fatal(list)
		}
		doc.ID, all = id, append(all, list...)
		u, list := plan.Compile(doc, nil)
		units, all = append(units, u), append(all, list...)
	}
	p, list := plan.Link(nil, units, o)
	return p.Listener(o.Listen), append(all, list...)
}

// house is a document with three tools and more words for its adapter.
func house(info, adapter string) string {
	return `naftiko: 1.0.0-alpha2
info: { label: House` + info + ` }
capability:
  consumes:
  - { type: http, namespace: api, baseUri: 'https://api.example.test', resources: [{ path: /r, operations: [{ name: get, method: GET }] }] }
  exposes:
  - type: mcp
    namespace: house
    port: 9090
    tools:
    - { name: get-room, description: Get, call: api.get }
    - { name: list.rooms, description: List, call: api.get, tags: [lists] }
    - { name: gone, description: Gone, call: api.nothing }
` + adapter
}

// shown names what a view has: aliases with the names of tools.
func shown(v *plan.View) string {
	if v == nil {
		return "none"
	}
	var out []string
	for _, m := range v.Members {
		for _, t := range m.Tools {
			out = append(out, m.Alias+":"+t.Name)
		}
	}
	return strings.Join(out, " ")
}

func TestViews(t *testing.T) {
	t.Parallel()
	sets := "    toolsets:\n      reading: [list_rooms, get-room]\n      other: { tools: [get-room] }\n"
	l, list := viewed(t, map[string]string{
		"a/rooms":        house(", tags: [space]", sets),
		"a/b/halls":      house("", ""),
		"tags/lists":     house("", ""),
		"z":              house("", sets),
		"z/toolsets/two": house("", ""),
	}, plan.LinkOptions{CombinedMCP: true, Views: []plan.NamedView{
		{Name: "v", Selectors: []string{"z", "tag:lists"}},
		{Name: "w", Selectors: []string{"toolset:other", "a/b/**"}},
		{Name: "nothing", Selectors: []string{"tag:list"}},
	}})
	for _, d := range list {
		if d.Code == diag.CodeView && d.Message != "tag:list selects nothing for the view nothing" {
			t.Error(d)
		}
	}
	const all = ":get-room %[1]s:list.rooms %[1]s:gone"
	every := func(aliases ...string) string {
		var out []string
		for _, a := range aliases {
			out = append(out, fmt.Sprintf("%[1]s"+all, a))
		}
		return strings.Join(out, " ")
	}
	for path, want := range map[string]string{
		"":                         every("a--b--halls", "a--rooms", "tags--lists", "z", "z--toolsets--two"),
		"a":                        every("a--b--halls", "a--rooms"),
		"a/b":                      every("a--b--halls"),
		"a%b":                      "none",
		"a/":                       "none",
		"z":                        every("z--toolsets--two"),
		"tags":                     every("tags--lists"),
		"tags/space":               every("a--rooms"),
		"tags/lists":               "a--b--halls:list.rooms a--rooms:list.rooms tags--lists:list.rooms z:list.rooms z--toolsets--two:list.rooms",
		"tags/list":                "none",
		"toolsets/reading":         "a--rooms:list.rooms a--rooms:get-room z:list.rooms z:get-room",
		"toolsets/none":            "none",
		"a/rooms/toolsets/other":   ":get-room",
		"z/toolsets/reading":       ":list.rooms :get-room",
		"z/toolsets/none":          "none",
		"z/toolsets":               every("z--toolsets--two"),
		"a/b/halls/toolsets/other": "none",
		"views/v":                  "a--b--halls:list.rooms a--rooms:list.rooms tags--lists:list.rooms " + every("z") + " z--toolsets--two:list.rooms",
		"views/w":                  every("a--b--halls") + " a--rooms:get-room z:get-room",
		"views/nothing":            "none",
		"views/x":                  "none",
		"no/such/path":             "none",
	} {
		var segments []string
		if path != "" {
			segments = strings.Split(path, "/")
			for i := range segments {
				segments[i] = strings.ReplaceAll(segments[i], "%", "/")
			}
		}
		if got := shown(l.View(segments)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", path, got, want)
		}
	}
	var paths []string
	for _, v := range l.Views() {
		paths = append(paths, v.Path)
	}
	want := "/mcp /mcp/views/v /mcp/views/w /mcp/a /mcp/a/b /mcp/tags /mcp/z/toolsets /mcp/toolsets/other /mcp/toolsets/reading " +
		"/mcp/a/rooms/toolsets/reading /mcp/a/rooms/toolsets/other /mcp/z/toolsets/reading /mcp/z/toolsets/other"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("views\n got %s\nwant %s", got, want)
	}
}

// TestToolsets: both forms, and what is wrong in them.
func TestToolsets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, yaml, want, says string }{
		{"map of lists", "{one: [get-room]}", "one:get-room", ""},
		{"map of entries", "{one: {description: d, tools: [get-room]}}", "one:get-room", ""},
		{"list", "[{name: one, tools: [get-room, get-room]}, {name: two, tools: list.rooms}]", "one:get-room two:list.rooms", ""},
		{"letters and digits", "{one: [ListRooms]}", "one:list.rooms", ""},
		{"unknown", "{one: [get-rom, get-room]}", "one:get-room", "did you mean get-room?"},
		{"nothing known", "{one: [x]}", "", "no tool of this adapter"},
		{"empty", "{one: , two: []}", "", "has no tools"},
		{"no name", "[{tools: [get-room]}]", "", "no name"},
		{"twice", "[{name: one, tools: [get-room]}, {name: one, tools: [list.rooms]}]", "one:get-room", "declared twice"},
		{"no mapping", "{one: 1}", "", "expected a mapping"},
		{"near key", "{one: {tool: [get-room]}}", "", "did you mean"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, list := viewed(t, map[string]string{"h": house("", "    toolsets: "+tt.yaml+"\n")}, plan.LinkOptions{})
			var got []string
			for _, s := range l.Mounts[0].Exposure.Toolsets {
				for _, x := range s.Tools {
					got = append(got, s.Name+":"+x.Name)
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("got %q, want %q", g, tt.want)
			}
			said := ""
			for _, d := range list {
				if d.Unit.Name != "gone" && d.Code != diag.CodeUnresolvedOperation {
					said += d.Message + "; " + d.Hint + "\n"
					if d.Severity == diag.Error {
						t.Errorf("%v refuses something", d)
					}
				}
			}
			if (tt.says == "") != (said == "") || !strings.Contains(said, tt.says) {
				t.Errorf("said %q, want %q", said, tt.says)
			}
		})
	}
}

// TestViewsDoNotMixAuthentication: a view has the exposures of the way that most want, and says
// which ones it leaves out.
func TestViewsDoNotMixAuthentication(t *testing.T) {
	t.Parallel()
	bearer := func(token string) string {
		return "    authentication: { type: bearer, token: '" + token + "' }\n"
	}
	l, list := viewed(t, map[string]string{
		"a/open": house("", ""), "a/one": house("", bearer("{{ONE}}")), "a/uno": house("", bearer("{{ONE}}")),
		"a/two": house("", bearer("{{TWO}}")), "a/text": house("", bearer("ONE")),
		"b/first": house("", bearer("{{TWO}}")), "b/open": house("", ""),
	}, plan.LinkOptions{CombinedMCP: true, Views: []plan.NamedView{{Name: "b", Selectors: []string{"b/**"}}}})
	for path, want := range map[string]string{"a": "a/one a/uno | a/open a/text a/two", "b": "b/first | b/open"} {
		v := l.View([]string{path})
		var got, left []string
		for _, m := range v.Members {
			got = append(got, m.Exposure.Unit.ID)
		}
		for _, x := range v.Left {
			left = append(left, x.Exposure.Unit.ID)
		}
		if g := strings.Join(got, " ") + " | " + strings.Join(left, " "); g != want {
			t.Errorf("%s: %s, want %s", path, g, want)
		}
	}
	told := ""
	for _, d := range list {
		if d.Code == diag.CodeView {
			told += d.Severity.String() + " " + d.Span.File + " " + d.Message + "\n"
		}
	}
	if !strings.Contains(told, "info a/open.yaml the view /mcp leaves out a/open and 4 more: it wants other authentication") && !strings.Contains(told, "info a/one.yaml the view /mcp leaves out") ||
		!strings.Contains(told, "info b/open.yaml the view /mcp/views/b leaves out b/open: it wants other authentication") {
		t.Errorf("told %q", told)
	}
}

func TestNamedViewSyntax(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a=x/y":                    "a [x/y]",
		"a.b-c_1= ** , tag:x y ,z": "a.b-c_1 [** tag:x y z]",
		"a=f/**,toolset:t,f/**":    "a [f/** toolset:t]",
		"a=C:x":                    "a [C:x]",
		"a":                        "not NAME=SELECTOR",
		"=x":                       "no name of a view",
		"a/b=x":                    "no name of a view",
		"a=":                       "a selector is empty",
		"a=x,,y":                   "a selector is empty",
		"a=tag:":                   "nothing behind the colon",
		"a=tags:x":                 "did you mean tag:x?",
		"a=tool-set:x":             "did you mean toolset:x?",
		"a=*":                      "** stands alone or at the end",
		"a=x/*/y":                  "** stands alone or at the end",
		"a=x**":                    "** stands alone or at the end",
		"a=/x":                     "is no ID",
		"a=x/":                     "is no ID",
		"a=/**":                    "is no ID",
	} {
		v, err := plan.ParseNamedView(text)
		got := fmt.Sprintf("%s %v", v.Name, v.Selectors)
		if err != nil {
			if got = err.Error(); !strings.Contains(got, want) {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		} else if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestViewsKeepTheirListener: a listener whose views did not change stays what it is.
func TestViewsKeepTheirListener(t *testing.T) {
	t.Parallel()
	u := &plan.Unit{ID: "a/b"}
	u.Exposures = []*plan.Exposure{{Unit: u, Kind: plan.MCP, Tools: []*plan.Tool{{Name: "t"}}}}
	o := plan.LinkOptions{Listen: "127.0.0.1:1", Views: []plan.NamedView{{Name: "v", Selectors: []string{"a/**"}}, {Name: "w", Selectors: []string{"x"}}}}
	first, _ := plan.Link(nil, []*plan.Unit{u}, o)
	if again, _ := plan.Link(first, []*plan.Unit{u}, o); again.Listeners[0] != first.Listeners[0] {
		t.Error("a listener without a change is another one")
	}
	o.Views[0].Selectors = []string{"**"}
	if again, _ := plan.Link(first, []*plan.Unit{u}, o); again.Listeners[0] == first.Listeners[0] {
		t.Error("a view with other selectors changed nothing")
	}
}

var portableAlias = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,27}$`)

// FuzzAliases: two documents never have the same alias, nor do two exposures of one; what an
// alias is depends on nothing else; and no two names of tools are the same behind them.
func FuzzAliases(f *testing.F) {
	for _, seed := range [][3]string{
		{"a/b", "a--b", "x"}, {"a", "a/b", "b"}, {"Lone", "lone", ""}, {"a_", "a", "_x"}, {"a__b", "a", "b__c"},
		{"team/a-very-long-folder/one", "team/a-very-long-folder/two", "n"}, {"é", "è", "ü"}, {"-", "_", "-_"}, {"", "/", "//"},
		{"a-/b", "a/-b", "a"}, {"rooms-0123456789", "rooms", "0123456789"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, a, b, namespace string) {
		alone := aliasesOf(a, "")
		together := aliasesOf(a, namespace)
		if alone[0] != together[0] {
			t.Errorf("another adapter made %q of %q", together[0], alone[0])
		}
		all := together
		if a != b {
			all = append(all, aliasesOf(b, namespace)...)
		}
		for i, x := range all {
			if !portableAlias.MatchString(x) || strings.Contains(x, "__") || strings.HasSuffix(x, "_") {
				t.Errorf("%q is no alias", x)
			}
			if slices.Contains(all[:i], x) {
				t.Errorf("%q and %q share %s: %q", a, b, x, all)
			}
		}
		// A hashed alias as an ID must not be what it was made of.
		if as := aliasesOf(alone[0], ""); a != alone[0] && as[0] == alone[0] {
			t.Errorf("%q and %q share %s", a, alone[0], as[0])
		}
	})
}

// aliasesOf gives the aliases of the exposures of a document: of one without namespace and two
// with it.
func aliasesOf(id, namespace string) []string {
	u := &plan.Unit{ID: id}
	n := 1
	if namespace != "" {
		n = 3
	}
	for i := range n {
		x := &plan.Exposure{Unit: u, Kind: plan.MCP, Tools: []*plan.Tool{{Name: "t"}}}
		if i > 0 {
			x.Namespace = namespace
		}
		u.Exposures = append(u.Exposures, x)
	}
	var out []string
	for _, x := range u.Exposures {
		l := &plan.Listener{Addr: "a", Combined: true, Mounts: []*plan.Mount{{Exposure: x, Main: true}}}
		out = append(out, l.View(nil).Members[0].Alias)
	}
	return out
}

// BenchmarkNoView measures a path that nothing is behind, with 10,000 documents. x-one is how
// many times the time with one document it takes, in the same run.
func BenchmarkNoView(b *testing.B) {
	listener := func(n int) *plan.Listener {
		l := &plan.Listener{Addr: "a", Combined: true}
		for i := range n {
			u := &plan.Unit{ID: fmt.Sprintf("team/service-%05d", i), Tags: []string{fmt.Sprint("tag", i)}}
			x := &plan.Exposure{Unit: u, Kind: plan.MCP, Tools: []*plan.Tool{{Name: "t"}}}
			l.Mounts = append(l.Mounts, &plan.Mount{Exposure: x, Main: true, Segments: strings.Split(u.ID, "/")})
		}
		return l
	}
	many, one := listener(10000), listener(1)
	paths := [][]string{{"no", "such"}, {"tags", "none"}, {"toolsets", "none"}, {"views", "none"}, {"team", "service-00001", "toolsets", "x"}}
	look := func(l *plan.Listener) time.Duration {
		start := time.Now()
		for _, p := range paths {
			if l.View(p) != nil {
				b.Fatal(p)
			}
		}
		return time.Since(start)
	}
	look(many) // makes the index
	look(one)
	b.ReportAllocs()
	var ours, theirs time.Duration
	for b.Loop() {
		ours += look(many)
		theirs += look(one)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "x-one")
}

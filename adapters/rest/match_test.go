package rest

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"capd/engine/plan"
)

// parseRoute reads "METHOD /path/{x}?condition" into a route that is refused: matching
// does not depend on what a route does.
func parseRoute(t testing.TB, text string) *plan.Route {
	t.Helper()
	method, target, ok := strings.Cut(text, " ")
	if !ok {
		t.Fatalf("route %q: want METHOD /path", text)
	}
	path, query, _ := strings.Cut(target, "?")
	r := &plan.Route{Name: text, Method: method, Path: path, Refusal: &plan.Refusal{Code: "test", Reason: text}}
	for _, s := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		r.Segments = append(r.Segments, parseSegment(s, &r.Params))
	}
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			r.Conditions = append(r.Conditions, plan.Pair{Name: name, Value: value})
		}
	}
	return r
}

func parseSegment(s string, params *[]string) (seg plan.Segment) {
	for s != "" {
		open := strings.IndexByte(s, '{')
		end := strings.IndexByte(s[max(open, 0):], '}') + max(open, 0)
		if open < 0 || end < open+1 {
			return append(seg, plan.SegmentPart{Literal: s, Param: -1})
		}
		if open > 0 {
			seg = append(seg, plan.SegmentPart{Literal: s[:open], Param: -1})
		}
		seg = append(seg, plan.SegmentPart{Param: len(*params)})
		*params = append(*params, s[open+1:end])
		s = s[end+1:]
	}
	return seg
}

func tableOf(t testing.TB, routes ...string) *table {
	t.Helper()
	x := &plan.Exposure{Kind: plan.REST}
	for _, r := range routes {
		x.Routes = append(x.Routes, parseRoute(t, r))
	}
	return newTable(x)
}

// look finds a request in the table. It gives the route's text with the values of its
// placeholders, or the methods that are allowed, or "404".
func look(t testing.TB, table *table, request string) string {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	path, query, _ := strings.Cut(target, "?")
	segments, ok := splitPath(path, true, nil)
	if !ok {
		return "400"
	}
	return describe(table.find(method, segments, query))
}

func describe(m match) string {
	switch {
	case m.err != nil:
		return "400"
	case m.isNone():
		return "404"
	case m.entry == nil:
		return "405 " + strings.Join(m.allow, ",")
	}
	return strings.Join(append([]string{m.entry.route.Name}, m.path...), " | ")
}

func TestFind(t *testing.T) {
	t.Parallel()
	cases := []struct {
		rule   string
		routes []string
		want   map[string]string
	}{
		{"X4 literal before mixed before placeholder", []string{
			"GET /tasks/{task}", "GET /tasks/{task}:run", "GET /tasks/all", "GET /tasks/act_{id}", "GET /tasks/act_{id}:run",
		}, map[string]string{
			"GET /tasks/all":         "GET /tasks/all",
			"GET /tasks/7":           "GET /tasks/{task} | 7",
			"GET /tasks/7:run":       "GET /tasks/{task}:run | 7",
			"GET /tasks/act_7":       "GET /tasks/act_{id} | 7",
			"GET /tasks/act_7:run":   "GET /tasks/act_{id}:run | 7",
			"GET /tasks/:run":        "GET /tasks/{task} | :run",
			"GET /tasks/a%2Fb%20c":   "GET /tasks/{task} | a/b c",
			"GET /tasks/a%2Fb:run":   "GET /tasks/{task}:run | a/b",
			"GET /tasks/a/b":         "404",
			"GET /tasks/%zz":         "400",
			"GET /tasks/caf%C3%A9":   "GET /tasks/{task} | café",
			"GET /t%61sks/%61ll":     "GET /tasks/all",
			"GET /Tasks/all":         "404",
			"GET /tasks/a%2525":      "GET /tasks/{task} | a%25",
			"GET /tasks/a+b":         "GET /tasks/{task} | a+b",
			"GET /tasks/..":          "GET /tasks/{task} | ..",
			"GET tasks/all":          "400",
			"GET /tasks//all":        "404",
			"GET /tasks/act_:run":    "GET /tasks/act_{id} | :run",
			"GET /tasks/all/":        "GET /tasks/all",
			"GET /tasks/all//":       "404",
			"DELETE /tasks/7:run":    "405 GET,HEAD,OPTIONS",
			"PROPFIND /tasks/7":      "405 GET,HEAD,OPTIONS",
			"GET /tasks/":            "404",
			"GET /tasks":             "404",
			"GET /":                  "404",
			"GET /tasks/act_7%3Arun": "GET /tasks/act_{id}:run | 7",
		}},
		{"X4 backtracking", []string{
			"GET /a/b/c", "GET /{x}/b/d", "GET /a/{y}/e", "GET /a-{z}/b/f", "GET /{x}/{y}/{z}/g",
		}, map[string]string{
			"GET /a/b/c":   "GET /a/b/c",
			"GET /a/b/d":   "GET /{x}/b/d | a",
			"GET /a/b/e":   "GET /a/{y}/e | b",
			"GET /a-1/b/f": "GET /a-{z}/b/f | 1",
			"GET /a-1/b/d": "GET /{x}/b/d | a-1",
			"GET /a/b/c/g": "GET /{x}/{y}/{z}/g | a | b | c",
			"GET /a/b/f":   "404",
		}},
		{"X1 placeholders within a segment", []string{
			"GET /f/{name}.{ext}", "GET /r/range(address='{address}')", "GET /d/{a}{b}", "GET /p/{a}-{b}-{c}", "GET /s/x{a}x",
		}, map[string]string{
			"GET /f/my.file.json":             "GET /f/{name}.{ext} | my.file | json",
			"GET /f/.json":                    "404",
			"GET /f/a.":                       "404",
			"GET /r/range(address='A1%3AB2')": "GET /r/range(address='{address}') | A1:B2",
			"GET /r/range(address='')":        "404",
			"GET /d/abc":                      "GET /d/{a}{b} | ab | c",
			"GET /d/xé":                       "GET /d/{a}{b} | x | é",
			"GET /d/a":                        "404",
			"GET /p/-----":                    "GET /p/{a}-{b}-{c} | - | - | -",
			"GET /p/1-2-3-4":                  "GET /p/{a}-{b}-{c} | 1-2 | 3 | 4",
			"GET /s/xx":                       "404",
			"GET /s/xax":                      "GET /s/x{a}x | a",
		}},
		{"X3 conditions", []string{
			"GET /?Action=A", "GET /?Action=A&v=2", "GET /?flag", "POST /?Action=B", "GET /{id}", "GET /?t=a;b",
		}, map[string]string{
			"GET /?Action=A":              "GET /?Action=A",
			"GET /?x=1&v=2&Action=A":      "GET /?Action=A&v=2",
			"GET /?Action=A&flag":         "GET /?Action=A",
			"GET /?flag=":                 "GET /?flag",
			"GET /?flag=1":                "404",
			"GET /":                       "404",
			"GET /?Action=C":              "404",
			"GET /?Action=C&Action=A":     "GET /?Action=A",
			"GET /?Action=B":              "405 OPTIONS,POST",
			"POST /?%41ction=B":           "POST /?Action=B",
			"GET /?bad=%zz&Action=A":      "400",
			"GET /?%":                     "400",
			"GET /x?q=50%":                "400",
			"GET /x/y?q=50%":              "404",
			"GET /?b=1;2&Action=A":        "GET /?Action=A",
			"GET /?Action=A;B":            "404",
			"GET /?t=a;b":                 "GET /?t=a;b",
			"HEAD /?Action=A":             "GET /?Action=A",
			"OPTIONS /?Action=A&Action=B": "405 GET,HEAD,OPTIONS,POST",
			"POST /?Action=A":             "405 GET,HEAD,OPTIONS",
		}},
		{"X4 slash at the end", []string{
			"GET /a/", "POST /b", "GET /b/", "GET /c", "GET /c/", "GET /d/{x}", "GET /",
		}, map[string]string{
			"GET /a":    "GET /a/",
			"GET /a/":   "GET /a/",
			"GET /b":    "GET /b/",
			"POST /b/":  "POST /b",
			"PUT /b":    "405 GET,HEAD,OPTIONS,POST",
			"GET /c":    "GET /c",
			"GET /c/":   "GET /c/",
			"GET /d/1/": "GET /d/{x} | 1",
			"GET /d/":   "404",
			"GET /":     "GET /",
			"GET //":    "GET /",
		}},
		{"X6 methods", []string{
			"GET /x", "HEAD /x", "PUT /x", "GET /y/{id}", "POST /y/list", "DELETE /y/{id}", "OPTIONS /z", "HEAD /y/{id}.json",
		}, map[string]string{
			"HEAD /x":        "HEAD /x",
			"GET /x":         "GET /x",
			"POST /x":        "405 GET,HEAD,OPTIONS,PUT",
			"OPTIONS /x":     "405 GET,HEAD,OPTIONS,PUT",
			"GET /y/list":    "GET /y/{id} | list",
			"HEAD /y/list":   "GET /y/{id} | list",
			"POST /y/list":   "POST /y/list",
			"POST /y/other":  "405 DELETE,GET,HEAD,OPTIONS",
			"PUT /y/list":    "405 DELETE,GET,HEAD,OPTIONS,POST",
			"OPTIONS /z":     "OPTIONS /z",
			"GET /z":         "405 OPTIONS",
			"HEAD /y/1.json": "HEAD /y/{id}.json | 1",
			"GET /y/1.json":  "GET /y/{id} | 1.json",
		}},
		{"X2 the first declaration wins", []string{
			"GET /a/{x}", "GET /a/{y}", "GET /b/{x}-{y}", "GET /b/{p}-{q}",
		}, map[string]string{
			"GET /a/1":   "GET /a/{x} | 1",
			"GET /b/1-2": "GET /b/{x}-{y} | 1 | 2",
		}},
		{"X5 a number sign is text", []string{"POST /v1/#DeleteCluster"}, map[string]string{
			"POST /v1/%23DeleteCluster": "POST /v1/#DeleteCluster",
			"POST /v1/":                 "404",
		}},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			table := tableOf(t, c.routes...)
			for request, want := range c.want {
				if got := look(t, table, request); got != want {
					t.Errorf("%s: got %q, want %q", request, got, want)
				}
			}
		})
	}
}

func TestFindManyMixedSegments(t *testing.T) {
	t.Parallel()
	// The longest literal wins wherever it stands, the longer beginning among equals.
	table := tableOf(t, "GET /{a}c", "GET /b{a}", "GET /{a}bc", "GET /ab{a}", "GET /a{x}c", "GET /a{x}b{y}c")
	for request, want := range map[string]string{
		"GET /abbc":  "GET /ab{a} | bc", // a{x}b{y}c would leave a placeholder empty
		"GET /abxc":  "GET /ab{a} | xc",
		"GET /axbyc": "GET /a{x}b{y}c | x | y",
		"GET /axc":   "GET /a{x}c | x",
		"GET /xbc":   "GET /{a}bc | x",
		"GET /bx":    "GET /b{a} | x",
		"GET /xc":    "GET /{a}c | x",
	} {
		if got := look(t, table, request); got != want {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
}

func TestSplitPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"/":            {""},
		"/a":           {"a"},
		"/a/":          {"a", ""},
		"//a":          {"", "a"},
		"/a%2Fb/c%20d": {"a/b", "c d"},
		"/%":           nil,
		"/a/%4":        nil,
		"":             nil,
		"*":            nil,
	} {
		got, ok := splitPath(path, true, nil)
		if ok != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v; want %q", path, got, ok, want)
		}
	}
}

func TestPathSegmentsOfURL(t *testing.T) {
	t.Parallel()
	for target, want := range map[string][]string{
		"/a%20b/c":      {"a b", "c"},
		"/a%2fb/c":      {"a/b", "c"},
		"/100%25":       {"100%"},
		"/100%2541":     {"100%41"},
		"/a%2Fb/100%25": {"a/b", "100%"},
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := pathSegments(u, nil); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v; want %q", target, got, ok, want)
		}
	}
}

// A forward of another adapter takes no request for a path that is declared, and says nothing of
// the methods that it is served for.
func TestFindBesideAForwardOfAnother(t *testing.T) {
	t.Parallel()
	table := tableOf(t, "GET /b/{id}")
	all := &plan.Route{Method: plan.AnyMethod, Name: "all", Params: []string{"path"}, Operation: &plan.Operation{}, Segments: []plan.Segment{{{Many: true}}}}
	table.add(&plan.Exposure{Kind: plan.REST}, all)
	for request, want := range map[string]string{
		"GET /b/1":     "GET /b/{id} | 1",
		"POST /b/1":    "405 GET,HEAD,OPTIONS",
		"POST /b":      "all | b",
		"TRACE /other": "405 DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT",
	} {
		if got := look(t, table, request); got != want {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
}

// A value of {path} for every number of segments would take a time that grows with the square of
// a path, which any caller may choose. It must not be parallel: it counts allocations.
func TestFindBehindForwards(t *testing.T) {
	forward := func(literals ...string) *plan.Route {
		r := &plan.Route{Method: plan.AnyMethod, Name: strings.Join(literals, "/"), Params: []string{"path"}, Operation: &plan.Operation{}}
		for _, l := range literals {
			r.Segments = append(r.Segments, plan.Segment{{Param: -1, Literal: l}})
			if l == "" {
				r.Segments[len(r.Segments)-1] = plan.Segment{{Param: 0, Many: true}}
			}
		}
		return r
	}
	table := newTable(&plan.Exposure{Kind: plan.REST, Routes: []*plan.Route{forward("", "z"), forward("f", "")}})
	for request, want := range map[string]string{
		"GET /a/b/z": "/z | a/b",
		"GET /z":     "/z | ",
		"GET /f/a/b": "f/ | a/b",
		"GET /f":     "f/ | ",
		"GET /f/z":   "f/ | z",
		"GET /a/b":   "404",
		"TRACE /f/a": "405 DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT",
	} {
		if got := look(t, table, request); got != want {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
	long := slices.Repeat([]string{"a"}, 30_000)
	if n := testing.AllocsPerRun(1, func() { table.find("GET", long, "") }); n > 100 {
		t.Errorf("a path of %d segments takes %.0f allocations", len(long), n)
	}
}

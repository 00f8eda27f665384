package stub

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"capd/engine/plan"
)

// at makes a sample of a path written a/b, with * for a list's elements.
func at(path, typ string) plan.Sample {
	names := strings.Split(path, "/")
	for i := range names {
		if names[i] == "*" {
			names[i] = ""
		}
	}
	return plan.Sample{Path: names, Type: typ}
}

func TestSamplesStandWhereTheyAreRead(t *testing.T) {
	t.Parallel()
	const sent = `"request":{"method":"GET"}`
	for _, tc := range []struct {
		name    string
		samples []plan.Sample
		want    string
	}{
		{"none", nil, `{` + sent + `}`},
		{"types", []plan.Sample{at("s", "string"), at("i", "integer"), at("n", "number"), at("b", "boolean"), at("a", "array"), at("o", "object"), at("x", "")},
			`{"a":[],"b":true,"i":1,"n":1.5,"o":{},` + sent + `,"s":"string sample","x":"string sample"}`},
		{"nested", []plan.Sample{at("a/b/c", "integer"), at("a/b/d", "string")}, `{"a":{"b":{"c":1,"d":"string sample"}},` + sent + `}`},
		{"list", []plan.Sample{at("a", "array"), at("a/*/id", "integer"), at("a/*/name", "string")},
			`{"a":[{"id":1,"name":"string sample"}],` + sent + `}`},
		{"list of lists", []plan.Sample{at("a/*/*", "number")}, `{"a":[[1.5]],` + sent + `}`},
		{"below a scalar", []plan.Sample{at("a/b", "integer"), at("a", "string")}, `{"a":{"b":1},` + sent + `}`},
		{"list at the root", []plan.Sample{at("*/id", "integer")}, `[{"id":1,` + sent + `}]`},
		{"scalars at the root", []plan.Sample{at("*", "integer")}, `[1]`},
		{"the root itself", []plan.Sample{{Type: "array"}}, `{` + sent + `}`},
		{"below request", []plan.Sample{at("request/id", "integer")}, `{"request":{"id":1,"method":"GET"}}`},
		{"request itself", []plan.Sample{at("request", "string")}, `{"request":"string sample"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(merge(tc.samples, map[string]any{"method": "GET"}))
			if err != nil || string(got) != tc.want {
				t.Errorf("%s, %v\nwant %s", got, err, tc.want)
			}
			slices.Reverse(tc.samples)
			if again, _ := json.Marshal(merge(tc.samples, map[string]any{"method": "GET"})); string(again) != string(got) {
				t.Errorf("in another order: %s", again)
			}
		})
	}
}

// pattern compiles "/a/{}/x-{}.json".
func pattern(path string) []plan.Segment {
	var out []plan.Segment
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		var seg plan.Segment
		for i, literal := range strings.Split(s, "{}") {
			if i > 0 {
				seg = append(seg, plan.SegmentPart{Param: i - 1})
			}
			if literal != "" {
				seg = append(seg, plan.SegmentPart{Literal: literal, Param: -1})
			}
		}
		out = append(out, seg)
	}
	return out
}

func TestTheMostLiteralPathWins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path     string
		patterns []string
		want     string // empty: none fits
	}{
		{"/rooms", []string{"/rooms"}, "/rooms"},
		{"/v1/base/rooms", []string{"/rooms"}, "/rooms"},
		{"/rooms/", []string{"/rooms"}, "/rooms"},
		{"/rooms", []string{"/rooms/"}, "/rooms/"},
		{"/rooms/7", []string{"/rooms"}, ""},
		{"/rooms/7", []string{"/{}", "/rooms/{}"}, "/rooms/{}"},
		{"/v1/rooms/mine", []string{"/rooms/{}", "/rooms/mine", "/{}/mine"}, "/rooms/mine"},
		{"/a%2Fb/x", []string{"/{}/x"}, "/{}/x"},
		{"/a%2Fb", []string{"/a/b"}, ""},
		{"/r%6Foms", []string{"/rooms"}, "/rooms"},
		{"/7.json", []string{"/{}", "/{}.json"}, "/{}.json"},
		{"/.json", []string{"/{}.json"}, ""},
		{"/a-b-c", []string{"/{}-{}"}, "/{}-{}"},
		{"/a:run", []string{"/{}:run", "/{}:{}"}, "/{}:run"},
		{"/x/y", []string{"/{}", "/{}/{}"}, "/{}/{}"},
		{"/", []string{"/"}, "/"},
		{"/anything", []string{"/"}, "/"},
		{"/x//y", []string{"/x/{}/y", "/y"}, "/y"},
	} {
		var best string
		var top rank
		for _, p := range tc.patterns {
			if r, ok := match(pattern(p), pathSegments(tc.path)); ok && (best == "" || r.compare(top) > 0) {
				best, top = p, r
			}
		}
		if best != tc.want {
			t.Errorf("%s goes to %q, want %q", tc.path, best, tc.want)
		}
	}
}

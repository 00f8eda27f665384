package plan_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// shared is where example documents and their expected requests may lie beside a checkout.
const shared = "../../../shared"

// expectation is a line of an expectation file, as far as this test reads it.
type expectation struct {
	File, Adapter, Namespace, Name, Method, Transport, Skip, Level string
	Port                                                           int
	PathTemplate                                                   string `json:"path_template"`
	Schema                                                         *struct{ Properties, Required []string }
	Inputs                                                         struct {
		Arguments json.RawMessage
		Path      string
		Query     [][2]string
		Body      json.RawMessage
	}
}

func readExpectations(t *testing.T, file string) map[string][]expectation {
	f, err := os.Open(file)
	if err != nil {
		t.Skipf("no expectation file: %v", err)
	}
	defer f.Close()
	out := map[string][]expectation{}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var e expectation
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		out[e.File] = append(out[e.File], e)
	}
	return out
}

// TestRefusals compares what is refused, and the input schemas of what is served, with the
// expectation file.
func TestRefusals(t *testing.T) {
	t.Parallel()
	byFile := readExpectations(t, filepath.Join(shared, "corpus/expect.jsonl"))
	total, wrong := 0, 0
	complain := func(format string, args ...any) {
		wrong++
		t.Errorf(format, args...)
	}
	for _, file := range slices.Sorted(keys(byFile)) {
		text, err := os.ReadFile(filepath.Join(shared, "corpus/specs", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, list := spec.Parse(file, text, spec.Limits{})
		var unit *plan.Unit
		if doc != nil {
			doc.ID = strings.TrimSuffix(file, ".yaml")
			var more diag.List
			unit, more = plan.Compile(doc, nil)
			list = append(list, more...)
		}
		for _, want := range byFile[file] {
			total++
			if want.Level == "file" {
				if unit != nil || !hasCode(list, want.Skip) {
					complain("%s: expected the file to be refused with %s: %v", file, want.Skip, list)
				}
				continue
			}
			got := find(unit, want)
			switch {
			case want.Skip == "duplicate-route" || want.Skip == "duplicate-tool":
				if !hasCode(list, want.Skip) {
					complain("%s %s %s: expected %s", file, want.Adapter, want.Name, want.Skip)
				}
			case got == nil:
				complain("%s %s %s: not there, expected skip=%q (%d diagnostics)", file, want.Adapter, want.Name, want.Skip, len(list))
			case want.Skip == "auth-unsupported" && got.refusal == nil:
				// The expectations are older than these types of authentication (contract A4).
			case want.Skip != "" && (got.refusal == nil || string(got.refusal.Code) != want.Skip):
				complain("%s %s %s: expected %s, got %+v", file, want.Adapter, want.Name, want.Skip, got.refusal)
			case want.Skip == "" && got.refusal != nil:
				complain("%s %s %s: refused with %+v", file, want.Adapter, want.Name, *got.refusal)
			case want.Schema != nil:
				if diff := compareSchema(got.schema, want.Schema.Properties, want.Schema.Required); diff != "" {
					complain("%s %s: %s", file, want.Name, diff)
				}
			}
		}
	}
	t.Logf("%d of %d agree", total-wrong, total)
}

type served struct {
	refusal *plan.Refusal
	schema  []byte
}

func find(u *plan.Unit, want expectation) *served {
	if u == nil {
		return nil
	}
	for _, e := range u.Exposures {
		if string(e.Kind) != want.Adapter || e.Namespace != want.Namespace {
			continue
		}
		for _, r := range e.Routes {
			path, _, _ := strings.Cut(want.PathTemplate, "?")
			if r.Method == want.Method && strings.TrimPrefix(r.Path, "/") == strings.TrimPrefix(path, "/") && (want.Name == "" || r.Name == want.Name) {
				return &served{refusal: r.Refusal}
			}
		}
		for _, x := range e.Tools {
			if x.Name == want.Name {
				return &served{x.Refusal, x.InputSchema}
			}
		}
	}
	return nil
}

func compareSchema(raw []byte, props, required []string) string {
	var s struct {
		Properties map[string]json.RawMessage
		Required   []string
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&s); err != nil {
		return err.Error()
	}
	got := slices.Sorted(keys(s.Properties))
	if !slices.Contains(props, "body") && !slices.Contains(s.Required, "body") {
		// The optional body of an implicit body (rule M1) is newer than the expectations.
		got = slices.DeleteFunc(got, func(p string) bool { return p == "body" })
	}
	slices.Sort(props)
	slices.Sort(required)
	slices.Sort(s.Required)
	if !slices.Equal(got, props) {
		return fmt.Sprintf("properties %v, expected %v", got, props)
	}
	if !slices.Equal(s.Required, required) {
		return fmt.Sprintf("required %v, expected %v", s.Required, required)
	}
	return ""
}

func hasCode(list diag.List, code string) bool {
	return slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return string(d.Code) == code })
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var _ = url.PathEscape

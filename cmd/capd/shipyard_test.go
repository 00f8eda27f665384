package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"capd/engine/spec"
)

// fixtures is where the example documents of the language may lie beside a checkout.
const fixtures = "../../../shared/fixtures"

// needFixtures skips a test where there are no example documents.
func needFixtures(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(fixtures); err != nil {
		t.Skipf("no example documents beside the checkout: %v", err)
	}
}

// What the two back ends of the tutorial want to see; shared/secrets.yaml has the same.
const (
	registryToken = "dummy-token"
	dockyardKey   = "dummy-dockyard-key"
)

// shipyard is the pair of back ends that the tutorial talks to, told apart by their paths.
// They answer as their OpenAPI definitions say: with the examples, chosen by the dispatch
// rules beside them.
type shipyard struct {
	*recorder
	url string
}

// newShipyard starts both back ends. The registry accepts the given bearer tokens; a caller
// without any gets the summaries that its description promises.
func newShipyard(t *testing.T, tokens ...string) *shipyard {
	t.Helper()
	needFixtures(t)
	s := &shipyard{recorder: &recorder{}}
	mux := http.NewServeMux()
	for _, name := range []string{"maritime-registry", "legacy-dockyard"} {
		api := readMock(t, filepath.Join(fixtures, "ikanos/engine/openapi", "naftiko-shipyard-"+name+"-api.yaml"))
		api.tokens = tokens
		mux.Handle(api.base+"/", s.recorded(api))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// recorded keeps what an API is asked for.
func (s *shipyard) recorded(next *mockAPI) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.answer(w, r, s.record(r))
	})
}

// mockAPI is an OpenAPI definition with examples and dispatch rules.
type mockAPI struct {
	base   string // path of its server
	tokens []string
	doc    mockDocument
}

type mockDocument struct {
	Servers []struct{ URL string }
	Paths   map[string]map[string]mockOperation
}

type mockOperation struct {
	Dispatch struct {
		Dispatcher string `json:"dispatcher"`
		Rules      string `json:"dispatcherRules"`
	} `json:"x-microcks-operation"`
	Responses map[string]struct {
		Refs    []string `json:"x-microcks-refs"`
		Content map[string]struct {
			Examples map[string]struct{ Value any }
		}
	}
}

// readMock reads a definition. It is read as a capability document, since that is the YAML
// this module reads: its keys mean nothing there and are kept.
func readMock(t *testing.T, file string) *mockAPI {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, list := spec.Parse(file, append([]byte("ikanos: 1.0.0-beta5\ncapability: {}\n"), text...), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	raw, err := json.Marshal(doc.JSON())
	if err != nil {
		t.Fatal(err)
	}
	api := &mockAPI{}
	if err := json.Unmarshal(raw, &api.doc); err != nil || len(api.doc.Servers) != 1 {
		t.Fatalf("%s is no definition with one server: %v", file, err)
	}
	server, err := url.Parse(api.doc.Servers[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	api.base = server.Path
	return api
}

func (m *mockAPI) answer(w http.ResponseWriter, r *http.Request, seen exchange) {
	full, ok := m.admits(r)
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	op, params := m.find(r)
	if op == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	status, media, value := op.dispatch(r, params)
	if media == "" {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	if text, ok := value.(string); ok {
		_, _ = w.Write([]byte(text))
		return
	}
	var body map[string]any
	_ = json.Unmarshal([]byte(seen.Body), &body)
	_ = json.NewEncoder(w).Encode(filled(value, body, full))
}

// admits checks the credentials of a request; full says whether it gets all members.
func (m *mockAPI) admits(r *http.Request) (full, ok bool) {
	if strings.Contains(m.base, "dockyard") {
		return true, r.Header.Get("X-Dock-Key") == dockyardKey
	}
	auth := r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(auth, "Bearer ")
	return auth != "", auth == "" || bearer && slices.Contains(m.tokens, token)
}

// find gives the operation of a request and the values of its path.
func (m *mockAPI) find(r *http.Request) (*mockOperation, map[string]string) {
	have := strings.Split(strings.TrimPrefix(r.URL.Path, m.base), "/")
	for path, methods := range m.doc.Paths {
		want := strings.Split(path, "/")
		op, ok := methods[strings.ToLower(r.Method)]
		if !ok || len(want) != len(have) {
			continue
		}
		params := map[string]string{}
		for i, segment := range want {
			if name, ok := strings.CutPrefix(segment, "{"); ok {
				params[strings.TrimSuffix(name, "}")] = have[i]
				want[i] = have[i]
			}
		}
		if slices.Equal(want, have) {
			return &op, params
		}
	}
	return nil, nil
}

// dispatch chooses the answer by the rules of the operation.
func (op *mockOperation) dispatch(r *http.Request, params map[string]string) (status int, media string, value any) {
	name, rules := op.Dispatch.Dispatcher, op.Dispatch.Rules
	fallback := ""
	if name == "FALLBACK" {
		var inner struct{ Dispatcher, DispatcherRules, Fallback string }
		if err := json.Unmarshal([]byte(rules), &inner); err != nil {
			return http.StatusInternalServerError, "text/plain", "dispatch rules: " + err.Error()
		}
		name, rules, fallback = inner.Dispatcher, inner.DispatcherRules, inner.Fallback
	}
	wanted := ""
	switch name {
	case "URI_PARTS":
		wanted = "/" + rules + "=" + params[rules]
	case "URI_PARAMS":
		wanted = "?" + rules + "=" + r.URL.Query().Get(rules)
	}
	for _, choice := range []string{wanted, fallback} {
		if status, media, value, ok := op.example(choice); ok {
			return status, media, value
		}
	}
	if name == "" { // one answer for everyone
		for _, c := range op.Responses["200"].Content {
			for example := range c.Examples {
				wanted = example
			}
		}
	} else {
		wanted = "notFound"
		if _, _, _, ok := op.example(wanted); !ok {
			wanted = "invalidShip"
		}
	}
	status, media, value, _ = op.example(wanted)
	return status, media, value
}

// example gives the answer that has that name.
func (op *mockOperation) example(name string) (status int, media string, value any, ok bool) {
	for code, response := range op.Responses {
		if _, err := fmt.Sscanf(code, "%d", &status); err != nil || name == "" {
			continue
		}
		if slices.Contains(response.Refs, name) {
			return status, "", nil, true
		}
		for media, content := range response.Content {
			if e, ok := content.Examples[name]; ok {
				return status, media, e.Value, true
			}
		}
	}
	return http.StatusNotFound, "", nil, false
}

// filled puts members of the request into the templates of an example, and takes away what
// a caller without credentials does not get.
func filled(v any, body map[string]any, full bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, member := range v {
			if full || !slices.Contains([]string{"year_built", "gross_tonnage", "dimensions", "assignedCrew"}, key) {
				out[key] = filled(member, body, full)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = filled(v[i], body, full)
		}
		return out
	case string:
		if name, ok := strings.CutPrefix(v, "{{ request.body/"); ok {
			return body[strings.TrimSuffix(name, " }}")]
		}
	}
	return v
}

// TestShipyard holds the back ends to their definitions.
func TestShipyard(t *testing.T) {
	t.Parallel()
	s := newShipyard(t, registryToken)
	registry := s.url + "/rest/naftiko-shipyard-maritime-registry-api/1.0.0-alpha2"
	dockyard := s.url + "/rest/naftiko-shipyard-legacy-dockyard-api/1.0.0-alpha2"
	tests := []struct {
		name, method, url, header, body string
		status                          int
		want                            string // part of the answer
	}{
		{"all ships", "GET", registry + "/ships", "Authorization: Bearer dummy-token", "", 200, `"IMO-9456781"`},
		{"some ships", "GET", registry + "/ships?status=maintenance", "Authorization: Bearer dummy-token", "", 200, `[{"flag_code":"SG"`},
		{"ships of no known status", "GET", registry + "/ships?status=lost", "Authorization: Bearer dummy-token", "", 200, `"IMO-9321483"`},
		{"a ship", "GET", registry + "/ships/IMO-9321483", "Authorization: Bearer dummy-token", "", 200, `"year_built":2015`},
		{"a ship without credentials", "GET", registry + "/ships/IMO-9321483", "", "", 200, `{"flag_code":"NO","imo_number":"IMO-9321483","operational_status":"active","vessel_name":"Northern Star","vessel_type":"cargo"}`},
		{"a wrong token", "GET", registry + "/ships", "Authorization: Bearer other", "", 401, ""},
		{"no ship", "GET", registry + "/ships/IMO-0", "Authorization: Bearer dummy-token", "", 404, "not_found"},
		{"no such path", "GET", registry + "/sailors", "Authorization: Bearer dummy-token", "", 404, ""},
		{"a refreshed crew", "POST", registry + "/ships/IMO-9876543/crew", "Authorization: Bearer dummy-token", "", 204, ""},
		{"a voyage", "POST", registry + "/voyages", "Authorization: Bearer dummy-token", `{"departurePort":"Bergen"}`, 201, `"departurePort":"Bergen"`},
		{"the crew", "GET", registry + "/crew", "Authorization: Bearer dummy-token", "", 200, `"Erik Lindström"`},
		{"vessels", "GET", dockyard + "/vessels", "X-Dock-Key: dummy-dockyard-key", "", 200, "<vesselName>Iron Maiden<"},
		{"vessels without key", "GET", dockyard + "/vessels", "", "", 401, ""},
	}
	for _, tt := range tests {
		req, err := http.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if name, value, ok := strings.Cut(tt.header, ": "); ok {
			req.Header.Set(name, value)
		}
		if got := send(t, req); got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
			t.Errorf("%s: %d %s", tt.name, got.Status, got.Body)
		}
	}
	if seen := s.take(); len(seen) != len(tests) {
		t.Errorf("%d requests were recorded", len(seen))
	}
}

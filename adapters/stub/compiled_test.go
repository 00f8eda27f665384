package stub_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"capd/adapters/stub"
	"capd/engine/plan"
	"capd/engine/spec"
)

const document = `naftiko: 1.0.0-alpha2
info: {label: Rooms, description: Rooms}
binds:
  - namespace: env
    keys: {ROOMS_TOKEN: ROOMS_TOKEN}
capability:
  consumes:
    - type: http
      namespace: rooms
      baseUri: https://rooms.example.com/api/v2
      authentication: {type: bearer, token: '{{ROOMS_TOKEN}}'}
      resources:
        - name: all
          path: /rooms
          operations:
            - {name: list-rooms, method: GET}
            - name: create-room
              method: POST
              body: {type: json, data: {title: '{{title}}'}}
        - name: one
          path: /rooms/{room_id}
          operations:
            - {name: get-room, method: GET}
            - {name: delete-room, method: DELETE}
        - name: mine
          path: /rooms/mine
          operations:
            - {name: my-room, method: GET}
  exposes:
    - type: rest
      namespace: api
      port: 8080
      resources:
        - path: /rooms
          operations:
            - method: GET
              call: rooms.list-rooms
              outputParameters:
                - type: object
                  properties:
                    ids: {type: array, mapping: $.data}
                    next: {type: string, mapping: $.paging.next}
            - {method: POST, call: rooms.create-room}
        - path: /rooms/{room_id}
          operations:
            - method: GET
              call: rooms.get-room
              outputParameters:
                - type: object
                  properties:
                    title: {type: string, mapping: $.title}
                    seats: {type: integer, mapping: $.size.seats}
                    price: {type: number, mapping: $.price}
                    open: {type: boolean, mapping: $.open}
            - {method: DELETE, call: rooms.delete-room}
        - path: /mine
          operations:
            - {method: GET, call: rooms.my-room}
`

func compile(t *testing.T) *plan.Unit {
	t.Helper()
	doc, problems := spec.Parse("rooms.yaml", []byte(document), spec.Limits{})
	if doc == nil || problems.HasErrors() {
		t.Fatal(problems)
	}
	doc.ID = "rooms"
	unit, problems := plan.Compile(doc, nil)
	if unit == nil || problems.HasErrors() {
		t.Fatal(problems)
	}
	return unit
}

func routes(unit *plan.Unit) []*plan.Route { return unit.Exposures[0].Routes }

func calls(unit *plan.Unit) []*plan.Call {
	var out []*plan.Call
	for _, r := range routes(unit) {
		out = append(out, r.Operation.Calls()...)
	}
	return out
}

// TestOperationsWorkUnderTheStub invokes every operation of the document with no value set.
func TestOperationsWorkUnderTheStub(t *testing.T) {
	t.Parallel()
	unit := compile(t)
	linked, problems := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	bound, problems := plan.Bind(linked, plan.BindOptions{Upstream: stub.New(), Placeholders: true})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	const auth = `"headers":{"Authorization":"Bearer <ROOMS_TOKEN>"`
	want := map[string]string{
		"GET /rooms":              `{"ids":[],"next":"string sample"}`,
		"POST /rooms":             `{"request":{"body":{"title":"Attic"},` + auth + `,"Content-Type":"application/json"},"method":"POST","url":"https://rooms.example.com/api/v2/rooms"}}`,
		"GET /rooms/{room_id}":    `{"title":"string sample","seats":1,"price":1.5,"open":true}`,
		"DELETE /rooms/{room_id}": `{"request":{"body":null,` + auth + `},"method":"DELETE","url":"https://rooms.example.com/api/v2/rooms/7"}}`,
		"GET /mine":               `{"request":{"body":null,` + auth + `},"method":"GET","url":"https://rooms.example.com/api/v2/rooms/mine"}}`,
	}
	for _, r := range routes(unit) {
		src := &plan.Source{Header: http.Header{}}
		if len(r.Params) == 1 {
			src.Path = []string{"7"}
		}
		if r.Method == "POST" {
			src.Body, src.ContentType = plan.BytesBody([]byte(`{"title":"Attic"}`)), "application/json"
		}
		args, err := r.Operation.Bind(src)
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.Operation.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: bound})
		if err != nil {
			t.Fatalf("%s: %v", r.Operation.Name(), err)
		}
		body, err := io.ReadAll(result.Body.Reader())
		_ = result.Body.Close()
		route := r.Method + " " + r.Path
		if err != nil || !equal(t, string(body), want[route]) {
			t.Errorf("%s: %s, %v\nwant %s", route, body, err, want[route])
		}
		delete(want, route)
	}
	for route := range want {
		t.Errorf("%s is not served", route)
	}
}

// equal compares JSON texts.
func equal(t *testing.T, got, want string) bool {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal([]byte(got), &g) != nil {
		return false
	}
	gt, _ := json.Marshal(g)
	wt, _ := json.Marshal(w)
	return string(gt) == string(wt)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	h := stub.Handler(calls(compile(t)))
	for _, tc := range []struct {
		method, target string
		status         int
		allow          string
		contains       []string
	}{
		{"GET", "/api/v2/rooms", 200, "", []string{`"data":[]`, `"paging":{"next":"string sample"}`, `"url":"http://example.com/api/v2/rooms"`}},
		{"GET", "/rooms/7", 200, "", []string{`"size":{"seats":1}`, `"open":true`}},
		{"GET", "/rooms/7/", 200, "", []string{`"size":{"seats":1}`}},
		{"GET", "/rooms/mine", 200, "", []string{`{"request":{`}}, // literal: no samples of get-room
		{"POST", "/rooms?api_key=abcdef&x=1", 200, "", []string{`?api_key=<secret>&x=1`}},
		{"DELETE", "/rooms/mine", 200, "", []string{`"method":"DELETE"`}},
		{"HEAD", "/rooms", 200, "", nil},
		{"PUT", "/rooms", 405, "GET, HEAD, POST", []string{`"status":405`, `"code":"method-not-allowed"`}},
		{"POST", "/rooms/7", 405, "DELETE, GET, HEAD", []string{`"status":405`}},
		{"GET", "/other", 404, "", []string{`"status":404`, `"code":"not-found"`}},
	} {
		w := get(t, h, tc.method, tc.target, "Authorization", "Bearer abcdef", "X-Api-Key", "abcdef", "X-Plain", "p")
		body := w.Body.String()
		if w.Code != tc.status || w.Header().Get("Allow") != tc.allow {
			t.Errorf("%s %s: %d Allow %q, want %d %q", tc.method, tc.target, w.Code, w.Header().Get("Allow"), tc.status, tc.allow)
		}
		for _, part := range tc.contains {
			if !strings.Contains(body, part) {
				t.Errorf("%s %s: %s\nlacks %s", tc.method, tc.target, body, part)
			}
		}
		if strings.Contains(body, "abcdef") {
			t.Errorf("%s %s shows a credential: %s", tc.method, tc.target, body)
		}
	}
	if strings.Contains(get(t, h, "GET", "/rooms/mine").Body.String(), "seats") {
		t.Error("/rooms/mine was answered as /rooms/{room_id}")
	}
}

// TestBothStubsAgree: over HTTP and in the process the same request gets the same answer.
func TestBothStubsAgree(t *testing.T) {
	t.Parallel()
	call := calls(compile(t))[0]
	target, err := url.Parse("http://example.com/api/v2/rooms")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stub.New().Do(t.Context(), &plan.Request{
		Method: "GET", Base: &plan.Base{Scheme: target.Scheme, Host: target.Host}, Target: target.Path, Call: call,
	})
	if err != nil {
		t.Fatal(err)
	}
	over := get(t, stub.Handler([]*plan.Call{call}), "GET", target.Path).Body.String()
	if string(resp.Body.Bytes) != over {
		t.Errorf("in the process %s\nover HTTP %s", resp.Body.Bytes, over)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// callerToken is what callers of the tutorial's MCP servers show; shared/secrets.yaml has it.
const callerToken = "sk-mcp-YYYYYYYYYYYY"

// eras are the protocol revisions the tutorial is called with: with and without a handshake.
var eras = [...]string{"2026-07-28", "2025-11-25"}

// TestTutorial serves the tutorial of the language, all eleven documents of a folder at once
// and none of them changed, in both of its forms, and uses them as their reader would. The
// third is the copy that the reference engine is tested with.
func TestTutorial(t *testing.T) {
	t.Parallel()
	needFixtures(t)
	for form, dir := range map[string]string{
		"beta5": "ikanos/docs-tutorial", "alpha2": "naftiko-alpha2/main-tutorial", "tested": "ikanos/engine/tutorial",
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			// The consumed API of step 11 has the name of its token where the token should
			// stand, without braces. That is text, in every version; the registry knows it.
			yard := newShipyard(t, registryToken, "REGISTRY_TOKEN")
			i := start(t, nil, "--upstream", yard.url, filepath.Join(fixtures, dir))
			for _, step := range tutorialSteps() {
				if form == "tested" && step.file == "step-6-shipyard-write-operations" {
					step.refreshes()
				}
				t.Run(step.file, func(t *testing.T) {
					if got, want := validated(t, filepath.Join(fixtures, dir, step.file+".yml")), step.findings(); got != want {
						t.Errorf("validate finds %q, want %q", got, want)
					}
					step.test(t, i, yard)
				})
			}
		})
	}
}

// tutorialStep is a document of the tutorial and what its reader is promised.
type tutorialStep struct {
	file    string
	tools   []string // in order
	open    bool     // callers show no token
	token   string   // that the registry sees; empty: none
	version string   // Registry-Version that the registry sees
	calls   []tutorialCall
	schemas map[string]string // input schemas by tool, without descriptions
	hints   map[string]mcp.ToolAnnotations
	skills  string // the catalogue
	details map[string]string
	routes  []tutorialRoute
}

// findings are what validate says of the document: all but the first ask for an address that
// is not given by itself, and the last names a token without braces.
func (s *tutorialStep) findings() string {
	switch {
	case strings.HasPrefix(s.file, "step-1-"):
		return ""
	case strings.HasPrefix(s.file, "step-11-"):
		return "warning auth-literal, warning spec-address"
	}
	return "warning spec-address"
}

// refreshes adds the tool that the tested copy has, whose upstream answers without a body.
func (s *tutorialStep) refreshes() {
	s.tools = append(slices.Clone(s.tools), "refresh-crew")
	s.calls = append(slices.Clone(s.calls), tutorialCall{
		tool: "refresh-crew", arguments: `{"imo_number":"IMO-9876543"}`, empty: true, sent: "POST /ships/IMO-9876543/crew",
	})
}

// tutorialCall is a call of a tool.
type tutorialCall struct {
	tool, arguments string
	want            string // the answer as JSON
	empty           bool   // there is no answer, and no error
	failure         string // part of the text of an error, instead
	sent            string // "METHOD path?query" of each request, in no order where they run together
	body            string // of the last request
}

// tutorialRoute is a call of a REST route.
type tutorialRoute struct {
	method, path, body string
	status             int
	want               string // the answer as JSON, or nothing to compare
}

func (s *tutorialStep) test(t *testing.T, i *instance, yard *shipyard) {
	for _, era := range eras {
		session := s.connect(t, i, era, callerToken)
		s.testTools(t, session)
		for _, c := range s.calls {
			yard.take()
			s.testCall(t, session, c)
			s.testSent(t, c, yard.take())
		}
		if !s.open {
			s.testStrangers(t, i, era)
		}
	}
	s.testSkills(t, i)
	for _, r := range s.routes {
		s.testRoute(t, i, r)
	}
}

// connect opens a client of the MCP server that shows a token, or none.
func (s *tutorialStep) connect(t *testing.T, i *instance, era, token string) *mcp.ClientSession {
	t.Helper()
	session, err := s.dial(t, i, era, token)
	if err != nil {
		t.Fatalf("%s: %v", era, err)
	}
	if got := session.InitializeResult().ProtocolVersion; got != era {
		t.Fatalf("the protocol is %s, want %s", got, era)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func (s *tutorialStep) dial(t *testing.T, i *instance, era, token string) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "reader", Version: "1"}, nil)
	transport := &mcp.StreamableClientTransport{Endpoint: i.url + "/mcp/" + s.file, MaxRetries: -1}
	if token != "" {
		transport.HTTPClient = &http.Client{Transport: bearer(token)}
	}
	return client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: era})
}

// bearer adds a token to every request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// testStrangers: without the right token there is no session and no answer.
func (s *tutorialStep) testStrangers(t *testing.T, i *instance, era string) {
	for _, token := range []string{"", "wrong"} {
		if session, err := s.dial(t, i, era, token); err == nil {
			_ = session.Close()
			t.Errorf("%s: a caller with token %q is let in", era, token)
		}
	}
	for token, want := range map[string]int{"": http.StatusUnauthorized, "wrong": http.StatusUnauthorized, callerToken: http.StatusOK} {
		req, err := http.NewRequest(http.MethodPost, i.url+"/mcp/"+s.file, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":`+
			`{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/list"},
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		if got := send(t, req); got.Status != want {
			t.Errorf("a caller with token %q gets %d, want %d", token, got.Status, want)
		}
	}
}

// testTools compares the list of tools with what the document promises.
func (s *tutorialStep) testTools(t *testing.T, session *mcp.ClientSession) {
	t.Helper()
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		if want, ok := s.schemas[tool.Name]; ok {
			sameJSON(t, "the input schema of "+tool.Name, bareSchema(t, tool.InputSchema), want)
		}
		if want, ok := s.hints[tool.Name]; ok && (tool.Annotations == nil || !sameHints(*tool.Annotations, want)) {
			t.Errorf("the hints of %s are %s", tool.Name, asJSON(t, tool.Annotations))
		}
	}
	if !slices.Equal(names, s.tools) {
		t.Errorf("the tools are %v, want %v", names, s.tools)
	}
}

func sameHints(a, b mcp.ToolAnnotations) bool {
	a.Title, b.Title = "", ""
	return reflect.DeepEqual(a, b)
}

// bareSchema leaves out what a schema says in words.
func bareSchema(t *testing.T, schema any) string {
	var v any
	if err := json.Unmarshal([]byte(asJSON(t, schema)), &v); err != nil {
		t.Fatal(err)
	}
	var strip func(any, bool)
	strip = func(v any, names bool) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		if !names {
			delete(m, "description")
			delete(m, "title")
			delete(m, "$schema")
		}
		for key, member := range m {
			strip(member, key == "properties")
		}
	}
	strip(v, false)
	return asJSON(t, v)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testCall calls a tool and compares what it says.
func (s *tutorialStep) testCall(t *testing.T, session *mcp.ClientSession, c tutorialCall) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: c.tool, Arguments: json.RawMessage(c.arguments)})
	if err != nil {
		t.Errorf("%s %s: %v", c.tool, c.arguments, err)
		return
	}
	text := ""
	for _, part := range result.Content {
		if p, ok := part.(*mcp.TextContent); ok {
			text += p.Text
		}
	}
	switch {
	case c.failure != "":
		if !result.IsError || !strings.Contains(text, c.failure) {
			t.Errorf("%s %s gives (error %t) %s, want an error with %q", c.tool, c.arguments, result.IsError, text, c.failure)
		}
	case c.empty && !result.IsError && len(result.Content) == 0:
	case result.IsError:
		t.Errorf("%s %s fails: %s", c.tool, c.arguments, text)
	default:
		sameJSON(t, c.tool+" "+c.arguments, text, c.want)
	}
}

// testSent compares what a call sent.
func (s *tutorialStep) testSent(t *testing.T, c tutorialCall, seen []exchange) {
	t.Helper()
	var got []string
	for _, e := range seen {
		target := e.Target
		for _, api := range []string{"maritime-registry", "legacy-dockyard"} {
			target = strings.TrimPrefix(target, "/rest/naftiko-shipyard-"+api+"-api/1.0.0-alpha2")
		}
		got = append(got, e.Method+" "+target)
		if strings.Contains(e.Target, "dockyard") {
			if key := e.Header.Get("X-Dock-Key"); key != dockyardKey {
				t.Errorf("%s shows the dockyard the key %q", c.tool, key)
			}
			continue
		}
		want := ""
		if s.token != "" {
			want = "Bearer " + s.token
		}
		if token, version := e.Header.Get("Authorization"), e.Header.Get("Registry-Version"); token != want || version != s.version {
			t.Errorf("%s shows the registry %q and version %q, want %q and %q", c.tool, token, version, want, s.version)
		}
	}
	slices.Sort(got)
	want := strings.Split(c.sent, ", ")
	slices.Sort(want)
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%s %s sends %q, want %q", c.tool, c.arguments, got, want)
	}
	if c.body != "" && len(seen) > 0 {
		sameJSON(t, "the body of "+c.tool, seen[len(seen)-1].Body, c.body)
	}
}

// testSkills compares the catalogue of skills and some of its entries.
func (s *tutorialStep) testSkills(t *testing.T, i *instance) {
	t.Helper()
	base := i.url + "/skills/" + s.file
	if s.skills == "" {
		return
	}
	if got := call(t, http.MethodGet, base, ""); got.Status != http.StatusOK {
		t.Errorf("the catalogue of skills: %d %s", got.Status, got.Body)
	} else {
		sameJSON(t, "the catalogue of skills", got.Body, s.skills)
	}
	for name, want := range s.details {
		got := call(t, http.MethodGet, base+"/"+name, "")
		if got.Status != http.StatusOK {
			t.Errorf("skill %s: %d %s", name, got.Status, got.Body)
			continue
		}
		sameJSON(t, "skill "+name, got.Body, want)
	}
}

func (s *tutorialStep) testRoute(t *testing.T, i *instance, r tutorialRoute) {
	t.Helper()
	got := call(t, r.method, i.url+"/apis/"+s.file+r.path, r.body)
	if got.Status != r.status {
		t.Errorf("%s %s answers %d %s, want %d", r.method, r.path, got.Status, got.Body, r.status)
		return
	}
	if r.want != "" {
		sameJSON(t, r.method+" "+r.path, got.Body, r.want)
	}
}

// What the tutorial's back ends know, in the words of the tutorial.
const (
	northernStar = `{"imo":"IMO-9321483","name":"Northern Star","type":"cargo","flag":"NO","status":"active"}`
	pacificDawn  = `{"imo":"IMO-9456781","name":"Pacific Dawn","type":"tanker","flag":"SG","status":"maintenance"}`

	northernStarSpecs = `{"imo":"IMO-9321483","name":"Northern Star","type":"cargo","flag":"NO","status":"active",` +
		`"specs":{"yearBuilt":2015,"tonnage":42000,"length":229}}`
	northernStarCrew = `{"imo":"IMO-9321483","name":"Northern Star","type":"cargo","flag":"NO","status":"active",` +
		`"yearBuilt":2015,"tonnage":42000,"length":229,` +
		`"crew":[{"fullName":"Erik Lindström","role":"captain"},{"fullName":"Aiko Tanaka","role":"cook"}]}`

	oldFaithful = `{"vesselCode":"LEGACY-4012","name":"Old Faithful","type":"cargo","flag":"GB","status":"active"}`
	ironMaiden  = `{"vesselCode":"LEGACY-2087","name":"Iron Maiden","type":"bulk_carrier","flag":"PA","status":"laid_up"}`

	voyage = `{"shipImo":"IMO-9321483","departurePort":"Oslo","arrivalPort":"Singapore","departureDate":"2026-04-10T08:00:00Z",` +
		`"arrivalDate":"2026-05-02T14:00:00Z","crewIds":["CREW-001","CREW-003"],"cargoIds":["CARGO-2024-0451"]}`
	voyageWithoutCargo = `{"shipImo":"IMO-9321483","departurePort":"Bergen \"north\"","arrivalPort":"Singapore","departureDate":"2026-04-10T08:00:00Z",` +
		`"arrivalDate":"2026-05-02T14:00:00Z","crewIds":["CREW-001"]}`
	planned = `{"voyageId":"VOY-2026-042","shipImo":"IMO-9321483","route":{"from":"%s","to":"Singapore"},` +
		`"dates":{"departure":"2026-04-10T08:00:00Z","arrival":"2026-05-02T14:00:00Z"},` +
		`"crewIds":["CREW-001","CREW-003"],"cargoIds":["CARGO-2024-0451"],"status":"planned"}`
	manifest = `{"voyageId":"VOY-2026-042","status":"planned","route":{"from":"Oslo","to":"Singapore"},` +
		`"ship":{"name":"Northern Star","type":"cargo","flag":"NO"},` +
		`"crew":[{"fullName":"Erik Lindström","role":"captain"},{"fullName":"Aiko Tanaka","role":"cook"}],` +
		`"cargo":[{"type":"container","description":"Electronics components","weight":12.5,"hazardous":false}]}`

	flatManifest = `{"voyageId":"VOY-2026-042","status":"planned","departurePort":"Oslo","arrivalPort":"Singapore",` +
		`"shipName":"Northern Star","shipType":"cargo","shipFlag":"NO",` +
		`"crew":[{"fullName":"Erik Lindström","role":"captain"},{"fullName":"Aiko Tanaka","role":"cook"}],` +
		`"cargo":[{"type":"container","description":"Electronics components","weight":12.5,"hazardous":false}]}`

	statusSchema = `{"type":"object","properties":{"status":{"type":"string"}}}`
	imoSchema    = `{"type":"object","properties":{"imo":{"type":"string"}},"required":["imo"]}`
	voyageSchema = `{"type":"object","properties":{"shipImo":{"type":"string"},"departurePort":{"type":"string"},"arrivalPort":{"type":"string"},` +
		`"departureDate":{"type":"string"},"arrivalDate":{"type":"string"},"crewIds":{"type":"array","items":{}},"cargoIds":{"type":"array","items":{}}},` +
		`"required":["shipImo","departurePort","arrivalPort","departureDate","arrivalDate","crewIds"]}`
	voyageIDSchema = `{"type":"object","properties":{"voyageId":{"type":"string"}},"required":["voyageId"]}`
)

// tutorialSteps gives what each document adds to the one before.
func tutorialSteps() []*tutorialStep {
	no, yes := false, true
	list := []tutorialCall{
		{tool: "list-ships", arguments: `{}`, want: `[` + northernStar + `,` + pacificDawn + `]`, sent: "GET /ships"},
		{tool: "list-ships", arguments: `{"status":"maintenance"}`, want: `[` + pacificDawn + `]`, sent: "GET /ships?status=maintenance"},
	}
	missing := tutorialCall{tool: "get-ship", arguments: `{"imo":"IMO-0"}`, failure: "not_found", sent: "GET /ships/IMO-0"}
	vessels := []tutorialCall{
		{tool: "list-legacy-vessels", arguments: `{}`, want: `[` + oldFaithful + `,` + ironMaiden + `]`, sent: "GET /vessels"},
		{tool: "list-legacy-vessels", arguments: `{"status":"laid_up"}`, want: `[` + ironMaiden + `]`, sent: "GET /vessels?status=laid_up"},
	}
	create := []tutorialCall{
		{tool: "create-voyage", arguments: voyage, want: fmt.Sprintf(planned, "Oslo"), sent: "POST /voyages", body: voyage},
		{tool: "create-voyage", arguments: voyageWithoutCargo, want: fmt.Sprintf(planned, `Bergen \"north\"`), sent: "POST /voyages", body: voyageWithoutCargo},
	}
	crew := []tutorialCall{
		{tool: "get-ship-with-crew", arguments: `{"imo":"IMO-9321483"}`, want: northernStarCrew, sent: "GET /ships/IMO-9321483, GET /crew"},
	}
	schemas := map[string]string{
		"list-ships": statusSchema, "get-ship": imoSchema, "list-legacy-vessels": statusSchema, "create-voyage": voyageSchema,
		"get-ship-with-crew": imoSchema, "get-voyage-manifest": voyageIDSchema,
	}
	hints := map[string]mcp.ToolAnnotations{
		"create-voyage": {DestructiveHint: &no, OpenWorldHint: &yes},
	}
	base := tutorialStep{
		tools: []string{"list-ships", "get-ship"}, schemas: schemas, hints: hints, token: registryToken, version: "1.0.0-alpha2",
	}
	step := func(file string, change func(*tutorialStep)) *tutorialStep {
		s := base
		s.file = file
		change(&s)
		base = s
		return &s
	}
	ship := func(want string) tutorialCall {
		return tutorialCall{tool: "get-ship", arguments: `{"imo":"IMO-9321483"}`, want: want, sent: "GET /ships/IMO-9321483"}
	}
	mock := &tutorialStep{
		file: "step-1-shipyard-mock", tools: []string{"get-ship"}, open: true,
		schemas: map[string]string{"get-ship": `{"type":"object","properties":{"imo_number":{"type":"string"}},"required":["imo_number"]}`},
		calls:   []tutorialCall{{tool: "get-ship", arguments: `{"imo_number":"IMO-9321483"}`, want: northernStar}},
	}
	wiring := base
	wiring.file, wiring.open, wiring.token, wiring.version = "step-2-shipyard-wiring", true, "", ""
	wiring.calls = slices.Concat(list, []tutorialCall{ship(northernStar), missing})
	return []*tutorialStep{
		mock,
		&wiring,
		step("step-3-shipyard-auth", func(s *tutorialStep) { s.calls = slices.Concat(list, []tutorialCall{ship(northernStar), missing}) }),
		step("step-4-shipyard-output-shaping", func(s *tutorialStep) { s.calls = slices.Concat(list, []tutorialCall{ship(northernStarSpecs), missing}) }),
		step("step-5-shipyard-multi-source", func(s *tutorialStep) {
			s.tools = append(slices.Clone(s.tools), "list-legacy-vessels")
			s.calls = slices.Concat(s.calls, vessels)
		}),
		step("step-6-shipyard-write-operations", func(s *tutorialStep) {
			s.tools = append(slices.Clone(s.tools), "create-voyage")
			s.calls = slices.Concat(s.calls, create)
		}),
		step("step-7-shipyard-orchestrated-lookup", func(s *tutorialStep) {
			s.tools = append(slices.Clone(s.tools), "get-ship-with-crew")
			s.calls = slices.Concat(s.calls, crew)
			s.skills, s.details = twoSkills(false)
			s.routes = tutorialRoutes()
		}),
		step("step-8-shipyard-skill-groups", func(s *tutorialStep) { s.routes = nil }),
		step("step-9-shipyard-aggregates", func(s *tutorialStep) {
			s.hints = map[string]mcp.ToolAnnotations{
				"create-voyage":      hints["create-voyage"],
				"get-ship-with-crew": {ReadOnlyHint: true, DestructiveHint: &no, IdempotentHint: true, OpenWorldHint: &yes},
			}
		}),
		step("step-10-shipyard-rest-adapter", func(s *tutorialStep) { s.routes = tutorialRoutes() }),
		step("step-11-shipyard-fleet-manifest", func(s *tutorialStep) {
			s.token, s.version = "REGISTRY_TOKEN", "REGISTRY_VERSION"
			s.hints = hints
			s.tools = append(slices.Clone(s.tools), "get-voyage-manifest")
			s.calls = slices.Concat(s.calls, []tutorialCall{{
				tool: "get-voyage-manifest", arguments: `{"voyageId":"VOY-2026-042"}`, want: manifest,
				sent: "GET /voyages/VOY-2026-042, GET /ships, GET /crew, GET /cargo",
			}})
			s.skills, s.details = twoSkills(true)
			s.routes = append(tutorialRoutes(), tutorialRoute{"GET", "/voyages/VOY-2026-042/manifest", "", 200, flatManifest})
		}),
	}
}

// tutorialRoutes are calls of the REST adapter.
func tutorialRoutes() []tutorialRoute {
	return []tutorialRoute{
		{"GET", "/ships", "", 200, `[` + northernStar + `,` + pacificDawn + `]`},
		{"GET", "/ships?status=active", "", 200, `[` + northernStar + `]`},
		{"GET", "/ships/IMO-9321483", "", 200, northernStarSpecs},
		{"GET", "/ships/IMO-0", "", 404, `{"error":"not_found","message":"Ship with IMO number IMO-0000000 not found"}`},
		{"GET", "/ships/IMO-9321483/crew", "", 200, northernStarCrew},
		{"GET", "/legacy/vessels", "", 200, `[` + oldFaithful + `,` + ironMaiden + `]`},
		{"GET", "/legacy/vessels?status=active", "", 200, `[` + oldFaithful + `]`},
		{"POST", "/voyages", voyage, 201, fmt.Sprintf(planned, "Oslo")},
	}
}

// twoSkills gives the catalogue of the two skills of the tutorial, and their details.
func twoSkills(manifest bool) (catalogue string, details map[string]string) {
	derived := func(name, description string) string {
		return fmt.Sprintf(`{"name":%q,"description":%q,"type":"derived","invocationRef":{"targetNamespace":"shipyard-tools","action":%q,"mode":"mcp"}}`,
			name, description, name)
	}
	voyages := derived("create-voyage", "Plan a new voyage with ship, crew, route, and dates")
	names := `"create-voyage"`
	if manifest {
		voyages += "," + derived("get-voyage-manifest", "Assemble a complete voyage manifest with ship, crew, and cargo")
		names += `,"get-voyage-manifest"`
	}
	fleet := strings.Join([]string{
		derived("list-ships", "List ships in the shipyard, optionally filtered by status"),
		derived("get-ship", "Retrieve a ship's details by IMO number"),
		derived("list-legacy-vessels", "List vessels from the legacy Dockyard"),
		derived("get-ship-with-crew", "Get ship details with resolved crew names"),
	}, ",")
	const fleetText, voyageText = "Fleet management — list, search, and inspect ships across all registries", "Voyage planning — create and manage voyages"
	catalogue = fmt.Sprintf(`{"count":2,"skills":[{"name":"fleet-ops","description":%q,"tools":["list-ships","get-ship","list-legacy-vessels","get-ship-with-crew"]},`+
		`{"name":"voyage-ops","description":%q,"tools":[%s]}]}`, fleetText, voyageText, names)
	return catalogue, map[string]string{
		"fleet-ops":  fmt.Sprintf(`{"name":"fleet-ops","description":%q,"tools":[%s]}`, fleetText, fleet),
		"voyage-ops": fmt.Sprintf(`{"name":"voyage-ops","description":%q,"tools":[%s]}`, voyageText, voyages),
	}
}

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Findings that several fixtures share.
const (
	notServedYet = "warning unsupported-feature"
	section      = "error standalone-section"
)

// fixtureTable is every document among the language's own test data.
func fixtureTable() []fixture {
	return slices.Concat(mcpFixtures(), restFixtures(), formatFixtures(), aggregateFixtures(), otherFixtures(), invalidFixtures())
}

func mcpFixtures() []fixture {
	const page = `{"results":[{"properties":{"Name":{"title":[{"text":{"content":"Ann"}}]},"Status":{"select":{"name":"Committed"}}}}]}`
	const filter = `{"filter":{"property":"Status","select":{"equals":"Committed"}}}`
	return []fixture{
		{
			files:  both("mcp/mcp-capability.yaml"),
			remark: "The reference engine answers other protocol errors; see adapters/mcp.",
			try: func(x *tryout) {
				x.says(page)
				x.tool("query-database", "{}", `[{"name":"Ann","status":"Committed"}]`)
				e := x.sends("POST /v1/databases/test-db-id-123/query", filter)
				if got := e.Header.Get("Content-Type"); got != "application/json" {
					x.Errorf("Content-Type %q", got)
				}
			},
		},
		{
			files: both("mcp/mcp-hints-capability.yaml"), findings: "warning assumed",
			remark: "The reference engine shows only hints that are written. capd derives the others from the method (D8): they are what a client should assume.",
			try: func(x *tryout) {
				tools := x.tools()
				x.hints(tools, "read-data", `{"readOnlyHint":true,"openWorldHint":true}`)
				if !strings.Contains(string(tools["read-data"]), `"title":"Read Data"`) {
					x.Errorf("the tool is %s", tools["read-data"])
				}
				x.hints(tools, "delete-record", `{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":false}`)
				x.hints(tools, "no-hints-tool", `{"readOnlyHint":true}`)
				x.says(`{"result":"fine"}`)
				x.tool("read-data", "{}", `"fine"`)
				x.sends("GET /v1/data", "")
				x.says(`{}`)
				x.tool("delete-record", `{"record-id":"r 1"}`, `{}`)
				x.sends("DELETE /v1/data?id=r+1", "")
			},
		},
		{
			files: both("mcp/mcp-resources-prompts-capability.yaml"),
			try:   resourcesAndPrompts,
		},
		{
			files: both("mcp/mcp-stdio-capability.yaml"), findings: "info stdio",
			remark: "Served by capd mcp; serve says so.",
		},
		{
			files: both("mcp/mcp-step-with-namespace-capability.yaml"),
			try: func(x *tryout) {
				x.says(`{"voyageId":"VOY 7"}`)
				x.tool("get-voyage-manifest", `{"voyageId":"VOY 7"}`, `{"voyageId":"VOY 7"}`)
				x.sends("GET /voyages/VOY%207", "")
			},
		},
		{
			files: both("mcp/mcp-tool-handler-with-mustache-capability.yaml"),
			try: func(x *tryout) {
				x.tool("get-ship", `{"imo":"IMO-9321483"}`, `{}`)
				x.sends("GET /ships/IMO-9321483", "")
			},
		},
		{
			files: both("nested-object-output-capability.yaml"),
			try: func(x *tryout) {
				x.says(`{"imo_number":"I","vessel_name":"N","operational_status":"active","year_built":2015,"gross_tonnage":42000.50,"dimensions":{"length_overall":229}}`)
				x.tool("get-ship", `{"imo":"I"}`, `{"imo":"I","name":"N","status":"active","specs":{"yearBuilt":2015,"tonnage":42000.50,"length":229}}`)
				x.sends("GET /ships/I", "")
			},
		},
		{
			files: []string{"ikanos/engine/embedding/embedding-capability.yaml"}, findings: "warning assumed",
			remark: "The reference engine replaces the calls by step handlers of a host program, which capd has not; the calls are made. A value that is one template keeps its type (E3), so numbers arrive as numbers.",
			try: func(x *tryout) {
				x.says(`{"message":"Hello"}`)
				x.tool("greet", `{"name":"Ann"}`, `{"message":"Hello"}`)
				x.sends("POST /greet", `{"name":"Ann"}`)
				x.says(`{"result":3}`)
				x.tool("compute", `{"a":1,"b":2}`, `{"result":3}`)
				x.sends("POST /add", `{"a":1,"b":2}`)
			},
		},
	}
}

// resourcesAndPrompts uses the resources and prompts of a fixture.
func resourcesAndPrompts(x *tryout) {
	s := tutorialStep{file: x.id}
	for _, era := range eras {
		session := s.connect(x.T, x.i, era, "")
		x.says(`{"results":[]}`)
		if got := readResource(x, session, "data://databases/pre-release/schema"); got != `{"results":[]}` {
			x.Errorf("the resource is %s", got)
		}
		x.sends("POST /v1/databases/test-db-id-123/query", `{"filter":{"property":"Status","select":{"equals":"Committed"}}}`)
		readResource(x, session, "data://users/u-1/profile")
		x.sends("POST /v1/databases/u-1/query", `{"filter":{"property":"Status","select":{"equals":"Committed"}}}`)
		listed(x, session, "data://databases/pre-release/schema", "data://users/{userId}/profile")
		got := prompt(x, session, "participant-outreach", map[string]string{"participant_name": `{{product_name}} $1 \`, "product_name": "Ship"})
		if want := `user: Draft a personalized outreach email to {{product_name}} $1 \ about the upcoming Ship pre-release. Be professional but friendly.`; got != want {
			x.Errorf("the prompt is %q, want %q", got, want)
		}
		got = prompt(x, session, "summary-prompt", map[string]string{"data": "1"})
		if !strings.HasSuffix(got, "user: Please focus on the key insights.") || strings.Count(got, "assistant: ") != 1 {
			x.Errorf("the prompt is %q", got)
		}
	}
}

func restFixtures() []fixture {
	return []fixture{
		{
			files: both("http/http-body-capability.yaml"),
			try: func(x *tryout) {
				x.rest("POST", "/users", `{"user":{"id":123,"name":"Ann \"A\""}}`, 200, `{}`)
				x.sends("POST /create", `{"id":"123","name":"Ann \"A\""}`)
			},
		},
		{
			files: both("http/http-header-query-capability.yaml"),
			try: func(x *tryout) {
				x.rest("POST", "/search", `{"user":{"id":999}}`, 200, `{}`)
				e := x.up.one(x)
				if e.Target != "/items?q=999" || e.Header.Get("X-API-Key") != "ABC123" {
					x.Errorf("sent %s with %v", e.Target, e.Header)
				}
			},
		},
		{
			files:  both("http/http-forward-value-capability.yaml"),
			remark: "The query is kept (the reference engine drops it).",
			try: func(x *tryout) {
				x.says(`{"ok":true}`)
				x.rest("GET", "/forward/things?page=2", "", 200, `{"ok":true}`)
				e := x.sends("GET /v1/things?page=2", "")
				if e.Header.Get("X-API-Version") != "2026-03-03" || e.Header.Get("X-API-Key") != "secret-key-123" {
					x.Errorf("sent %v", e.Header)
				}
			},
		},
		{
			files: both("register.capability.yml"), findings: "info auth-literal",
			try: func(x *tryout) {
				req, err := http.NewRequest(http.MethodGet, x.i.url+"/apis/"+x.id+"/notion/users/me", nil)
				if err != nil {
					x.Fatal(err)
				}
				req.Header.Set("Notion-Version", "2022-06-28")
				req.Header.Set("X-Other", "1")
				if got := send(x, req); got.Status != http.StatusOK {
					x.Errorf("%d %s", got.Status, got.Body)
				}
				e := x.sends("GET /rest/Notion+API/1.0.0/users/me", "")
				if e.Header.Get("Notion-Version") != "2022-06-28" || e.Header.Get("X-Other") != "" || e.Header.Get("Authorization") != "Basic c2NvdHQ6dGlnZXI=" {
					x.Errorf("sent %v", e.Header)
				}
			},
		},
		{
			files:  both("baseuri-trailing-slash-capability.yaml"),
			remark: "Invalid for the reference engine, which joins texts. capd joins base URI and path with one slash (C8), so the document is clear.",
			try: func(x *tryout) {
				x.rest("GET", "/items/7", "", 200, `{}`)
				x.sends("GET /v1/7", "")
			},
		},
		{
			files: []string{"ikanos/cli/native-regression/serve-rest-mock.ikanos.yaml"},
			try:   func(x *tryout) { x.rest("GET", "/greet", "", 200, `{"message":"Hello from native mock!"}`) },
		},
		{
			files: []string{"ikanos/cli/native-regression/serve-http.ikanos.yaml"},
			try: func(x *tryout) {
				x.rest("GET", "/ping", "", 200, `{}`)
				x.sends("GET /v1/ping", "")
				if got := call(x, http.MethodGet, x.i.url+"/skills/"+x.id+"/networknt-probe", ""); got.Status != 200 || !strings.Contains(got.Body, `"license":"Apache-2.0"`) {
					x.Errorf("the skill: %d %s", got.Status, got.Body)
				}
			},
		},
		{
			files: append(both("skill-capability.yaml"), "ikanos/spec/skill-capability.yaml"), findings: "warning skill-location",
			remark: "The location is outside the served folder and not there; capd lists the skill and serves no file of it.",
			try: func(x *tryout) {
				got := call(x, http.MethodGet, x.i.url+"/skills/"+x.id, "")
				if got.Status != 200 || !strings.HasPrefix(got.Body, `{"count":2,`) {
					x.Errorf("the catalogue: %d %s", got.Status, got.Body)
				}
				for path, want := range map[string]int{"/order-management/contents": 404, "/order-management/download": 404, "/none": 404, "/onboarding-guide": 200} {
					if got := call(x, http.MethodGet, x.i.url+"/skills/"+x.id+path, ""); got.Status != want {
						x.Errorf("%s answers %d, want %d", path, got.Status, want)
					}
				}
				x.rest("GET", "/orders", "", 200, `{}`)
				x.sends("GET /v1/orders", "")
			},
		},
	}
}

// sample gives a payload of the fixtures.
func sample(x *tryout, name string) string {
	x.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures, "ikanos/engine/schemas", name))
	if err != nil {
		x.Fatal(err)
	}
	return string(text)
}

func formatFixtures() []fixture {
	const people = `[{"id":"1","name":"Alice Smith","email":"alice@example.com"},{"id":"2","name":"Bob Johnson","email":"bob@example.com"},{"id":"3","name":"Carol White","email":"carol@example.com"}]`
	users := func(path, media, file string) func(*tryout) {
		return func(x *tryout) {
			x.answers(200, media, sample(x, file))
			x.rest("GET", path, "", 200, people)
			e := x.sends("GET /api/users", "")
			if got := e.Header.Get("User-Agent"); !strings.HasPrefix(got, "Naftiko/") {
				x.Errorf("User-Agent %q", got)
			}
		}
	}
	return []fixture{
		{files: both("formats/csv-capability.yaml"), try: users("/csv/users", "text/csv", "sample-users.csv")},
		{files: both("formats/yaml-capability.yaml"), try: users("/yaml/users", "application/yaml", "sample-users.yaml")},
		{
			files: both("formats/xml-capability.yaml"), try: users("/xml/users", "application/xml", "sample-users.xml"),
			remark: "The mapping begins with the root element, which the tree does not have; the reference engine finds nothing there, capd reads it as written.",
		},
		{
			files: both("formats/html-capability.yaml"),
			try: func(x *tryout) {
				x.answers(200, "text/html", sample(x, "sample-products.html"))
				x.rest("GET", "/html/products", "", 200, `[{"name":"Widget","price":"$42","stock":"150"},{"name":"Gadget","price":"$99","stock":"30"}]`)
			},
		},
		{
			files: both("formats/markdown-capability.yaml"),
			try: func(x *tryout) {
				x.answers(200, "text/markdown", sample(x, "sample-readme.md"))
				x.rest("GET", "/markdown/features", "", 200, `[{"feature":"HTML support","status":"GA"},{"feature":"Markdown support","status":"Beta"}]`)
			},
		},
		{
			files: both("formats/avro-capability.yaml"), findings: "error format",
			remark: "Avro needs outputSchema, which the document does not have: the operation is refused when it is loaded, not when it is called.",
			try:    func(x *tryout) { x.rest("GET", "/avro/records", "", 501, "") },
		},
		{
			files: both("formats/proto-capability.yaml"), findings: "error format",
			remark: "Protobuf needs outputSchema too.",
			try:    func(x *tryout) { x.rest("GET", "/proto/records", "", 501, "") },
		},
	}
}

func aggregateFixtures() []fixture {
	return []fixture{
		{
			files: both("aggregates/aggregate-basic.yaml"), findings: "warning assumed, warning hints",
			remark: "with: {location: location} names an input of the flow. The reference engine sends the word location.",
			try: func(x *tryout) {
				x.says(`{"forecast":"rain"}`)
				tools := x.tools()
				for _, name := range []string{"get-forecast", "get-forecast-inherited"} {
					x.hints(tools, name, `{"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true}`)
					x.tool(name, `{"location":"Oslo"}`, `"rain"`)
					x.sends("GET /v1/forecast?location=Oslo", "")
				}
				if !strings.Contains(string(tools["get-forecast"]), `"Get the weather forecast."`) ||
					!strings.Contains(string(tools["get-forecast-inherited"]), `"Fetch current weather forecast for a location."`) {
					x.Errorf("the descriptions of the tools: %s", tools)
				}
				x.rest("GET", "/forecast/Oslo", "", 200, `"rain"`)
				x.sends("GET /v1/forecast?location=Oslo", "")
			},
		},
		{
			files: []string{"naftiko-alpha2/main-schemas-examples/forecast-aggregate.yml"}, findings: "warning assumed",
			try: func(x *tryout) {
				x.says(`{"forecast":{"temperature":12.50,"condition":"rain","more":1}}`)
				const want = `{"temperature":12.50,"condition":"rain"}`
				x.tool("get-forecast", `{"location":"Oslo"}`, want)
				x.sends("GET /v1/forecast?location=Oslo", "")
				x.rest("GET", "/forecast/Oslo", "", 200, want)
				x.sends("GET /v1/forecast?location=Oslo", "")
			},
		},
		{
			files: both("aggregates/aggregate-hints-override.yaml"), findings: "warning assumed",
			try: func(x *tryout) {
				tools := x.tools()
				x.hints(tools, "read-items", `{"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true}`)
				x.hints(tools, "read-items-open", `{"readOnlyHint":true,"openWorldHint":true}`)
				x.hints(tools, "delete-item", `{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":false}`)
				x.says(`{"items":["a"]}`)
				x.tool("read-items", "{}", `["a"]`)
				x.sends("GET /v1/items", "")
				x.tool("delete-item", `{"item-id":"7"}`, `{"items":["a"]}`)
				x.sends("DELETE /v1/items?id=7", "")
			},
		},
		{
			files: both("aggregates/aggregate-shared-mock.yaml"),
			try: func(x *tryout) {
				const want = `{"message":"Hello, Ann!","source":"aggregate-mock"}`
				x.tool("hello", `{"name":"Ann"}`, want)
				x.rest("GET", "/hello?name=Ann", "", 200, want)
			},
		},
		{
			files: both("aggregates/aggregate-step-with-namespace.yaml"),
			try: func(x *tryout) {
				x.says(`{"voyageId":"V 1"}`)
				x.tool("get-voyage-manifest", `{"voyage-id":"V 1"}`, `{"voyage-id":"V 1"}`)
				x.sends("GET /voyages/V%201", "")
			},
		},
		{
			files: append([]string{"ikanos/spec/rules/spectral-semantics-consistent.yaml"}, "naftiko-alpha2/test-resources/rules/spectral-semantics-consistent.yaml"),
			try: func(x *tryout) {
				x.says(`{"forecast":"rain"}`)
				x.tool("get-forecast", `{"city":"Oslo"}`, `"rain"`)
				x.sends("GET /forecast?city=Oslo", "")
				x.rest("GET", "/forecast?city=Oslo", "", 200, `"rain"`)
				x.sends("GET /forecast?city=Oslo", "")
			},
		},
		{
			files:    []string{"ikanos/spec/rules/spectral-semantics-inconsistent.yaml", "naftiko-alpha2/test-resources/rules/spectral-semantics-inconsistent.yaml"},
			findings: "warning hints",
			remark:   "Hints against the flow's semantics, and DELETE on a safe flow: reported, and served as written.",
			try: func(x *tryout) {
				x.says(`{"forecast":"rain"}`)
				x.tool("get-forecast", `{"city":"Oslo"}`, `"rain"`)
				x.sends("GET /forecast?city=Oslo", "")
			},
		},
	}
}

func otherFixtures() []fixture {
	var out []fixture
	for _, name := range []string{"control/control-capability.yaml", "control/control-observability-disabled.yaml", "control/control-scripting-capability.yaml",
		"observability/observability-capability.yaml", "observability/observability-disabled.yaml"} {
		files := both(name)
		if name == "control/control-capability.yaml" {
			files = append(files, "ikanos/cli/control/control-capability.yaml")
		}
		one := fixture{files: files, findings: notServedYet, remark: "What is measured is said for the whole process.", try: func(x *tryout) {
			if got := call(x, http.MethodGet, x.i.url+"/control/"+x.id+"/health/ready", ""); got.Status != 200 || !strings.Contains(got.Body, `"status":"UP"`) {
				x.Errorf("ready: %d %s", got.Status, got.Body)
			}
		}}
		if strings.Contains(name, "disabled") {
			one.findings = "info not-honoured"
		}
		if strings.Contains(name, "scripting") {
			one.findings, one.remark = "", ""
		}
		out = append(out, one)
	}
	for _, name := range []string{"aggregates/shared.aggregates.yml", "binds/shared.binds.yml", "consumes/shared-clients.yml", "consumes/shared.consumes.yml",
		"exposes/shared-servers.yml", "exposes/shared.exposes.yml"} {
		out = append(out, fixture{files: []string{"ikanos/engine/imports/" + name}, findings: section, remark: "TestFixtureImports imports it."})
	}
	return append(out,
		fixture{
			files: []string{"ikanos/spec/capabilities/capability-valid.yml"}, findings: "warning missing-variable, warning spec-address",
			remark: "Its secrets file is not there: the document is served, and the calls that need it say which variable is missing.",
		},
		fixture{
			files: []string{"ikanos/spec-examples/capability-binary-content.yml"}, findings: "warning spec-address",
			remark: "The single braces of the consumed path and of the resource's with mean the input id, as the author says; the reference engine sends them as they are.",
			try:    photos,
		},
		fixture{
			files:    []string{"ikanos/spec-examples/reverse-tunnel-ziti.yml", "ikanos/spec/rules/spectral-tunnel-identity-bound.yaml"},
			findings: "error nothing-exposed, warning tunnel",
			remark:   "Valid for the schema, which allows documents that expose nothing; there is nothing to serve. The tunnel is not built.",
		},
		fixture{
			files: []string{"naftiko-alpha2/main-schemas-examples/script-step.yml"}, findings: "error script",
			remark: "Its scripts are not there, so the tools are refused.",
		},
	)
}

// photos fetches the same bytes through REST, a tool and a resource.
func photos(x *tryout) {
	x.answers(200, "image/png", "\x89PNG\r\n\x1a\nbytes")
	for _, path := range []string{"/photos/7/image", "/photos/7/thumbnail"} {
		got := call(x, http.MethodGet, x.i.url+"/apis/"+x.id+path, "")
		if got.Status != 200 || got.Body != x.up.body || got.Header.Get("Content-Type") != "image/jpeg" {
			x.Errorf("%s answers %d %q as %s", path, got.Status, got.Body, got.Header.Get("Content-Type"))
		}
		x.sends("GET /photos/7/binary", "")
	}
	got := callTool(x, x.i.url+"/mcp/"+x.id, "get-photo", `{"id":"7"}`)
	if got.IsError || len(got.Content) != 1 || got.Content[0].Type != "image" {
		x.Errorf("the tool gives %+v", got)
	}
	x.sends("GET /photos/7/binary", "")
	session := (&tutorialStep{file: x.id}).connect(x.T, x.i, eras[0], "")
	if got := readResource(x, session, "photos://library/7/bytes"); got != x.up.body {
		x.Errorf("the resource is %q", got)
	}
	x.sends("GET /photos/7/binary", "")
}

func invalidFixtures() []fixture {
	refused := func(file, findings, remark string) fixture {
		return fixture{files: []string{file}, findings: findings, remark: remark}
	}
	return []fixture{
		{files: both("aggregates/aggregate-invalid-ref.yaml"), findings: "error unknown-flow"},
		refused("ikanos/engine/imports/invalid/malformed.yml", "error yaml", ""),
		refused("ikanos/engine/imports/invalid/empty-section.consumes.yml", section, ""),
		{
			files: []string{"ikanos/spec/capabilities/capability-spurious-name.yml"}, findings: "warning missing-variable, warning schema, warning spec-address, warning wrong-type",
			remark: "Rejected by the schema. What the output says is clear, so it is served with warnings.",
		},
		refused("ikanos/spec/imports/aggregate-duplicate-function-name.yaml", "error duplicate-flow, error nothing-exposed", ""),
		refused("ikanos/spec/imports/aggregates-namespace-missing.yaml", section+", warning import-form", ""),
		refused("ikanos/spec/imports/capability-aggregates-namespace-missing.yaml", "error nothing-exposed", ""),
		{
			files:  []string{"ikanos/spec/imports/capability-exposes-namespace-missing.yaml"},
			remark: "A single adapter needs no namespace: its address is that of the document (D3).",
			try:    func(x *tryout) { x.rest("GET", "/health", "", 200, `"ok"`) },
		},
		refused("ikanos/spec/imports/exposes-namespace-missing.yaml", section+", warning import-form", ""),
		refused("ikanos/spec/imports/import-duplicate-alias.yaml", "error import-duplicate, error nothing-exposed, warning import-unreadable", ""),
		refused("ikanos/spec/imports/import-from-self.yaml", "error import-form, error nothing-exposed", ""),
		refused("ikanos/spec/imports/import-missing-fields.yaml", "error import-form, error nothing-exposed", ""),
		refused("ikanos/spec/imports/standalone-with-imports.yaml", "error import-chain, "+section, ""),
		refused("ikanos/spec/rules/spectral-tunnel-identity-unbound.yaml", "error nothing-exposed, warning tunnel, warning undeclared-variable", ""),
		refused("ikanos/spec/rules/spectral-tunnel-fallback-direct-public.yaml", "error nothing-exposed, warning tunnel", ""),
	}
}

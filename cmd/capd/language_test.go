package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/schema"
)

// languageWord is a row of the tables in docs/language.md.
type languageWord struct{ place, word, versions, capd, test string }

// languagePlaces says which lists of package spec and which definitions of the schema hold the
// words of each table of docs/language.md.
func languagePlaces() []struct{ place, lists, definitions string } {
	return []struct{ place, lists, definitions string }{
		{"Document", "rootKeys rootSilent", "<root>"},
		{"info", "infoKeys", "info"},
		{"info.stakeholders", "", "person"},
		{"binds", "bindKeys bindSilent", "bind"},
		{"externalRefs", "externalRefKeys externalRefSilent", "externalRef"},
		{"capability", "capabilityKeys capabilitySilent", "capability"},
		{"Import of an entry", "importLegal importSilent", "import"},
		{"consumes", "consumedKeys consumedSilent", "consumedApi"},
		{"consumes: transport", "", "transport transport.tls"},
		{"consumes: resilience", "", "resilience resilience.retry resilience.breaker resilience.concurrency resilience.rate resilience.callerRate resilience.cache"},
		{"consumes: tunnel", "", "tunnel"},
		{"consumes: resources", "consumedResourceKeys consumedResourceSilent", "consumedResource"},
		{"consumes: operations", "consumedOperationKeys consumedOperationSilent", "consumedOperation"},
		{"consumes: body", "", "body bodyText bodyForm bodyMultipart bodyPart"},
		{"inputParameters", "parameterKeys parameterSilent parameterUnheard", "consumedParameter exposedParameter toolParameter"},
		{"outputParameters", "outputKeys outputSilent outputUnheard", "consumedOutput output"},
		{"authentication", "", "authentication authBearer authBasic authApiKey authQuery authPair authOAuth2 authOAuth1 authAWS authHMAC authCertificate authHolders"},
		{"exposes", "exposedKeys exposedSilent", "exposed exposedRest exposedMcp exposedSkill exposedControl"},
		{"exposes: REST resources", "exposedResourceKeys exposedResourceSilent", "exposedResource"},
		{"exposes: forward", "forwardKeys", "forward"},
		{"exposes: operations and tools", "exposedOperationKeys exposedOperationSilent", "exposedOperation tool"},
		{"exposes: responses", "", "response responseContent responseBinary"},
		{"exposes: hints", "", "hints"},
		{"content", "contentKeys", "contentItem"},
		{"annotations", "contentAnnotationKeys", "contentAnnotations"},
		{"icons", "iconKeys", "icon"},
		{"exposes: MCP resources", "mcpResourceKeys mcpResourceSilent mcpResourceUnheard", "mcpResource"},
		{"exposes: prompts", "promptKeys promptSilent", "prompt"},
		{"exposes: prompt arguments", "promptArgumentKeys promptArgumentSilent promptArgumentUnheard", "promptArgument"},
		{"exposes: prompt messages", "promptMessageKeys", "promptMessage"},
		{"exposes: toolsets", "toolsetKeys", "toolset"},
		{"exposes: skills", "skillKeys skillSilent skillCalls", "skill"},
		{"exposes: skill tools", "skillToolKeys skillToolSilent", "skillTool"},
		{"exposes: from of skill tools", "skillSourceKeys", "skillSource"},
		{"exposes: control", "", "management logs observability metrics traces localEndpoint exporters otlp"},
		{"exposes: control, scripting", "", "scripting"},
		{"aggregates", "aggregateKeys aggregateSilent", "aggregate"},
		{"aggregates: flows", "flowKeys", "flow"},
		{"aggregates: semantics", "", "semantics"},
		{"Questions", "askKeys askSilent", "question"},
		{"Questions: sample", "sampleKeys", "question.sample"},
		{"Questions: fields", "askFieldKeys askFieldSilent askItemsKeys", "questionField questionField.items"},
		{"requires", "requiresKeys", "requires"},
		{"steps", "stepKeys stepSilent stepUnheard", "step stepCall stepLookup stepScript"},
		{"steps: log", "logKeys", "log"},
		{"exposes: MCP resources: watch", "watchKeys", "watch"},
		{"exposes: MCP completion", "completionKeys", "completion"},
		{"mappings", "mappingKeys mappingSilent", "mapping"},
	}
}

// languageTables reads the tables.
func languageTables(t *testing.T) []languageWord {
	t.Helper()
	_, words, ok := strings.Cut(languagePage(t), "\n## The words\n")
	if !ok {
		t.Fatal("docs/language.md has no list of words")
	}
	row := regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")
	var out []languageWord
	place := ""
	for _, line := range strings.Split(words, "\n") {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			place = title
		} else if m := row.FindStringSubmatch(line); m != nil {
			out = append(out, languageWord{place, m[1], m[2], m[3], m[4]})
		} else if strings.HasPrefix(line, "| `") {
			t.Errorf("a row that cannot be read: %s", line)
		}
	}
	return out
}

func languagePage(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestLanguageTable: docs/language.md lists every word that package spec and the schema know,
// and no other, and every test that it names is there.
func TestLanguageTable(t *testing.T) {
	t.Parallel()
	listed := map[string]map[string]bool{}
	tests := testNames(t)
	for _, w := range languageTables(t) {
		if listed[w.place] == nil {
			listed[w.place] = map[string]bool{}
		}
		if listed[w.place][w.word] {
			t.Errorf("%s of %s is listed twice", w.word, w.place)
		}
		listed[w.place][w.word] = true
		switch file, ok := tests[w.test]; {
		case !ok:
			t.Errorf("%s of %s: there is no test %s", w.word, w.place, w.test)
		case slices.Contains([]string{"TestTutorial", "TestFixtures", "TestFixtureImports", "TestScript", "TestDescribingWords", "TestReportedWords"}, w.test):
			// These read documents of their own.
		case !regexp.MustCompile(`\b` + regexp.QuoteMeta(w.word) + `\b`).MatchString(file):
			t.Errorf("%s of %s: the file of %s does not even hold the word", w.word, w.place, w.test)
		}
		severity, code, finding := strings.Cut(w.capd, " ")
		switch {
		case w.capd == "honoured", w.capd == "describes", strings.HasPrefix(w.capd, "as "):
		case finding && slices.Contains([]string{"error", "warning", "info"}, severity) && slices.Contains(diag.Codes(), diag.Code(code)):
		default:
			t.Errorf("%s of %s: %q is nothing that happens to a word", w.word, w.place, w.capd)
		}
	}
	lists, definitions := specLists(t), schemaWords(t)
	for _, p := range languagePlaces() {
		known := map[string]bool{}
		for _, list := range strings.Fields(p.lists) {
			words, ok := lists[list]
			if !ok {
				t.Errorf("package spec has no list %s", list)
			}
			for _, w := range words {
				known[w] = true
			}
			delete(lists, list)
		}
		for _, d := range strings.Fields(p.definitions) {
			if definitions[d] == nil {
				t.Errorf("the schema has no words of %s", d)
			}
			for _, w := range definitions[d] {
				known[w] = true
			}
			delete(definitions, d)
		}
		for w := range known {
			if !listed[p.place][w] {
				t.Errorf("docs/language.md does not list %s of %s", w, p.place)
			}
		}
		for w := range listed[p.place] {
			if !known[w] {
				t.Errorf("docs/language.md lists %s of %s, which nothing knows", w, p.place)
			}
		}
		delete(listed, p.place)
	}
	for name := range lists {
		t.Errorf("no table of docs/language.md has the words of spec's %s", name)
	}
	for name := range definitions {
		t.Errorf("no table of docs/language.md has the words of the schema's %s", name)
	}
	for place := range listed {
		t.Errorf("docs/language.md has a table of %q, a place that nothing knows", place)
	}
}

// specLists gives the lists of words in package spec, by the names of their constants.
func specLists(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../../engine/spec/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	values := map[string]ast.Expr{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				for i, name := range s.(*ast.ValueSpec).Names {
					if v := s.(*ast.ValueSpec).Values; i < len(v) {
						values[name.Name] = v[i]
					}
				}
			}
		}
	}
	var text func(ast.Expr) string
	text = func(x ast.Expr) string {
		switch x := x.(type) {
		case *ast.BasicLit:
			s, _ := strconv.Unquote(x.Value)
			return s
		case *ast.BinaryExpr:
			return text(x.X) + text(x.Y)
		case *ast.Ident:
			return text(values[x.Name])
		}
		return ""
	}
	isList := regexp.MustCompile(`(Keys|Silent|Legal|Unheard|Calls)$`)
	out := map[string][]string{}
	for name, value := range values {
		if isList.MatchString(name) {
			out[name] = strings.Fields(text(value))
		}
	}
	return out
}

// schemaWords gives the words that the schema defines, by definition. Properties of a property
// belong to "definition.property".
func schemaWords(t *testing.T) map[string][]string {
	t.Helper()
	var root struct {
		Properties map[string]json.RawMessage
		Defs       map[string]struct {
			Properties map[string]struct{ Properties map[string]json.RawMessage }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(schema.Source(), &root); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for w := range root.Properties {
		out["<root>"] = append(out["<root>"], w)
	}
	for name, d := range root.Defs {
		for w, p := range d.Properties {
			out[name] = append(out[name], w)
			for inner := range p.Properties {
				out[name+"."+w] = append(out[name+"."+w], inner)
			}
		}
	}
	return out
}

// testNames gives the names of all tests of the module, with the text of the files they are in.
func testNames(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(filepath.Join("../..", name))
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			out[m[1]] += string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everyPlace is a document with a mark at each place that the tables know.
const everyPlace = `ikanos: 1.0.0-beta5
# @Document
info:
  display: House
  # @info
  stakeholders:
  - fullName: Ann
    # @info.stakeholders
binds:
- namespace: env
  keys: { TOKEN: TOKEN }
  # @binds
externalRefs:
- name: old
  type: variables
  resolution: runtime
  keys: { OLD: OLD }
  # @externalRefs
capability:
  # @capability
  consumes:
  - import: garden
    from: garden.yaml
    # @Import of an entry
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    authentication:
      type: oauth2
      tokenEndpoint: https://login.example.com/token
      clientId: house
      clientSecret: '{{TOKEN}}'
      # @authentication
    # @consumes
    resources:
      rooms:
        path: /rooms
        # @consumes: resources
        operations:
          list:
            method: GET
            # @consumes: operations
            inputParameters:
              floor:
                in: query
                # @inputParameters
  aggregates:
  - namespace: house
    # @aggregates
    flows:
      list:
        description: List
        call: rooms.list
        semantics:
          safe: true
          # @aggregates: semantics
        # @aggregates: flows
      steps:
        description: Steps
        steps:
          one:
            type: call
            call: rooms.list
            # @steps
        mappings:
        - target: rooms
          value: $.one.rooms
          # @mappings
  exposes:
  - type: rest
    namespace: api
    port: 9090
    # @exposes
    resources:
      rooms:
        path: /rooms
        # @exposes: REST resources
        operations:
          list:
            method: GET
            call: rooms.list
            # @exposes: operations and tools
            outputParameters:
            - type: string
              mapping: $.a
              # @outputParameters
            responses:
              "200":
                # @exposes: responses
                content: { application/json: {} }
          steps: { method: POST, ref: house.steps }
          flow: { method: PUT, call: rooms.list }
          open:
            method: PATCH
            # @no call
            outputParameters: [{ type: string, mapping: $.a }]
  - type: mcp
    namespace: mcp
    port: 9091
    tools:
      flow:
        ref: house.list
        ask:
          sure:
            message: Sure
            optional: true
            # @Questions
            fields:
              why:
                type: string
                # @Questions: fields
    resources:
      rooms:
        uri: house://rooms
        description: Rooms
        call: rooms.list
        # @exposes: MCP resources
      open:
        uri: house://open
        description: Open
        # @no resource call
    prompts:
      ask:
        description: Ask
        # @exposes: prompts
        arguments:
          what:
            description: What
            # @exposes: prompt arguments
        template: [{ role: user, content: 'Tell of {{what}}' }]
  - type: skill
    namespace: skills
    port: 9092
    skills:
      house:
        description: The house
        # @exposes: skills
        tools:
          list:
            description: List
            # @exposes: skill tools
            from: { sourceNamespace: mcp, action: flow }
  - type: control
    port: 9093
    observability: { exporters: {} }
    management:
      # @exposes: control
`

// inserted writes word at the mark of a place; what stands for other marks and for operations
// that are there for one mark only is left out.
func inserted(place, word, value string) (text string, line int) {
	mark := regexp.MustCompile(`# @(.*)$`)
	var out []string
	for _, l := range strings.Split(everyPlace, "\n") {
		m := mark.FindStringSubmatch(l)
		switch {
		case m == nil:
			out = append(out, l)
		case m[1] == place:
			out = append(out, strings.Replace(l, m[0], word+": "+value, 1))
			line = len(out)
		}
	}
	text = strings.Join(out, "\n")
	return text, line
}

// findingsOf gives what validate finds in a document, "severity code" by line.
func findingsOf(t *testing.T, text string) map[int][]string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"house.yaml": text,
		"garden.yaml": "ikanos: 1.0.0-beta5\nconsumes:\n- { type: http, namespace: garden, baseUri: 'https://garden.example.com', " +
			"resources: { all: { path: /all, operations: { list: { method: GET } } } } }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr strings.Builder
	run(t.Context(), []string{"validate", "--format", "json", filepath.Join(dir, "house.yaml")}, []string{"TOKEN=t", "OLD=o"}, strings.NewReader(""), &stdout, &stderr)
	var report struct {
		Findings []struct {
			Severity, Code string
			Span           struct{ Start struct{ Line int } }
		}
	}
	if err := json.Unmarshal([]byte(stdout.String()), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	out := map[int][]string{}
	for _, f := range report.Findings {
		out[f.Span.Start.Line] = append(out[f.Span.Start.Line], f.Severity+" "+f.Code)
	}
	return out
}

// valueOf is a value that the word may have.
func valueOf(word string) string {
	switch word {
	case "tags", "examples", "stakeholders", "personas", "enum":
		return "[]"
	case "tunnel":
		return "{ type: ziti, service: rooms, identity: '{{TOKEN}}' }"
	case "management", "observability", "schema", "inputParameters":
		return "{}"
	case "required", "deprecated", "cacheable", "nullable":
		return "true"
	case "created", "modified":
		return "2026-01-01"
	case "hints":
		return "{ readOnly: true }"
	case "email":
		return "ann@example.com"
	case "type":
		return "string"
	}
	return "x"
}

// TestDescribingWords: a word that only describes is taken without a remark.
func TestDescribingWords(t *testing.T) {
	t.Parallel()
	base, _ := inserted("", "", "")
	want := len(findingsOf(t, base))
	seen := 0
	for _, w := range languageTables(t) {
		if w.test != "TestDescribingWords" || w.word == "stakeholders" || w.word == "fullName" { // these the document has
			continue
		}
		seen++
		text, line := inserted(w.place, w.word, valueOf(w.word))
		if line == 0 {
			t.Errorf("no document has a place for %s", w.place)
			continue
		}
		if got := findingsOf(t, text); len(got) != want || len(got[line]) > 0 {
			t.Errorf("%s of %s: %v", w.word, w.place, got)
		}
	}
	if seen < 50 {
		t.Errorf("only %d words were tried", seen)
	}
}

// TestReportedWords: a word that does not do what it says is reported, as its row says.
func TestReportedWords(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, w := range languageTables(t) {
		if w.test != "TestReportedWords" {
			continue
		}
		seen++
		place := w.place
		switch {
		case w.word != "calls" && w.word != "operation":
		case place == "exposes: operations and tools":
			place = "no call"
		case place == "exposes: MCP resources":
			place = "no resource call"
		}
		text, line := inserted(place, w.word, valueOf(w.word))
		if line == 0 {
			t.Errorf("no document has a place for %s", w.place)
			continue
		}
		got := findingsOf(t, text)
		if w.capd == "info not-honoured" || strings.HasPrefix(w.place, "exposes: skills") {
			if !slices.Contains(got[line], w.capd) {
				t.Errorf("%s of %s: %v, want %s in line %d", w.word, w.place, got, w.capd, line)
			}
			continue
		}
		found := false
		for _, list := range got {
			found = found || slices.Contains(list, w.capd)
		}
		if !found {
			t.Errorf("%s of %s: %v, want %s", w.word, w.place, got, w.capd)
		}
	}
	if seen < 30 {
		t.Errorf("only %d words were tried", seen)
	}
}

// TestLanguageExamples does what the examples of docs/language.md do: the documents before a
// call are a folder that is served, the XML before it is the answer of the upstream, and what
// stands behind a call is what it prints.
func TestLanguageExamples(t *testing.T) {
	t.Parallel()
	page, _, _ := strings.Cut(languagePage(t), "\n## The words\n")
	folder := map[string]string{}
	answer, printed, calls := "", "", 0
	title := regexp.MustCompile(`^# (\S+\.yaml)\n`)
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		switch language, text := m[1], m[2]; language {
		case "yaml":
			if printed != "" {
				t.Errorf("no answer stands behind a call: %s", printed)
			}
			name := title.FindStringSubmatch(text)
			if name == nil {
				t.Fatalf("an example has no file name:\n%s", text)
			}
			folder[name[1]] = text
		case "xml":
			answer = text
		case "sh":
			calls++
			printed = tryExample(t, folder, answer, shellWords(t, text)[1:])
			folder, answer = map[string]string{}, ""
		case "json":
			sameJSON(t, "an example", printed, text)
			printed = ""
		default:
			t.Errorf("nothing uses this block:\n%s", text)
		}
	}
	if calls < 5 {
		t.Errorf("the page has %d calls", calls)
	}
}

// tryExample serves a folder and makes a call. The upstream answers with the given XML, or
// with the request it got.
func tryExample(t *testing.T, folder map[string]string, answer string, args []string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range folder {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer != "" {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = w.Write([]byte(answer))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"method": r.Method, "target": r.RequestURI, "authorization": r.Header.Get("Authorization")})
	}))
	t.Cleanup(up.Close)
	return curl(t, start(t, nil, "--upstream", up.URL, dir), args)
}

// TestExternalRefs: the form that binds had in version 0.4, of a file and of the environment.
func TestExternalRefs(t *testing.T) {
	t.Parallel()
	sent := tryExample(t, map[string]string{
		"secrets.json": `{ "rooms-token": "from-the-file" }`,
		"rooms.yaml": `naftiko: "0.4"
info: { label: Rooms, description: Rooms }
externalRefs:
- { name: secrets, type: environment, resolution: file, uri: 'file:///./secrets.json', keys: { ROOMS_TOKEN: rooms-token } }
- { name: runtime, type: variables, resolution: runtime, keys: { UNUSED: UNUSED } }
capability:
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    authentication: { type: bearer, token: '{{ROOMS_TOKEN}}' }
    resources: [{ name: rooms, path: /rooms, operations: [{ name: list, method: GET }] }]
  exposes:
  - type: api
    namespace: api
    port: 8080
    resources: [{ name: rooms, path: /rooms, operations: [{ name: list, method: GET, call: rooms.list }] }]
`,
	}, "", []string{"-s", "http://127.0.0.1:8080/rooms"})
	sameJSON(t, "the request", sent, `{"method":"GET","target":"/rooms","authorization":"Bearer from-the-file"}`)
}

// TestCapabilityBinds: binds may stand in capability too.
func TestCapabilityBinds(t *testing.T) {
	t.Parallel()
	sent := tryExample(t, map[string]string{
		"secrets.yaml": "token: from-the-file\n",
		"rooms.yaml": `ikanos: 1.0.0-beta5
capability:
  binds: [{ namespace: own, location: 'file:///./secrets.yaml', keys: { TOKEN: token } }]
  consumes:
  - type: http
    namespace: rooms
    baseUri: https://rooms.example.com
    authentication: { type: bearer, token: '{{own.TOKEN}}' }
    resources: { rooms: { path: /rooms, operations: { list: { method: GET } } } }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources: { rooms: { path: /rooms, operations: { list: { method: GET, call: rooms.list } } } }
`,
	}, "", []string{"-s", "http://127.0.0.1:8080/rooms"})
	sameJSON(t, "the request", sent, `{"method":"GET","target":"/rooms","authorization":"Bearer from-the-file"}`)
}

// TestDocumentOfInfo: what info says reaches those who list documents and those who call.
func TestDocumentOfInfo(t *testing.T) {
	t.Parallel()
	for info, want := range map[string][2]string{
		"{ display: House, description: All of it, version: 3.1.4 }": {"House", "3.1.4"},
		"{ label: House, description: All of it }":                   {"House", ""},
		"{ title: House }": {"House", ""},
	} {
		i := start(t, nil, specFile(t, "house.yaml", "ikanos: 1.0.0-beta5\ninfo: "+info+`
capability:
  exposes:
  - { type: mcp, namespace: house, port: 9090, tools: { one: { description: One, outputParameters: { n: { type: number, value: "1" } } } } }
`))
		server := (&tutorialStep{file: "house"}).connect(t, i, eras[1], "").InitializeResult().ServerInfo
		if server.Title != want[0] || want[1] != "" && server.Version != want[1] || server.Version == "" {
			t.Errorf("%s: the server is %+v", info, server)
		}
	}
}

// TestOtherSpellings: the words of older versions and of published documents for what people
// read and what is called.
func TestOtherSpellings(t *testing.T) {
	t.Parallel()
	up := &fixtureUpstream{recorder: &recorder{}, status: http.StatusOK, media: "application/json", body: `{}`}
	server := httptest.NewServer(up)
	t.Cleanup(server.Close)
	i := start(t, nil, "--upstream", server.URL, specFile(t, "house.yaml", `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: rooms
    targetUri: https://rooms.example.com/v1
    resources:
    - name: rooms
      path: /rooms
      operations:
      - { name: find, method: GET, summary: Find rooms, inputParameters: [{ name: floor, in: query, template: 'f-{{level}}' }] }
  exposes:
  - type: mcp
    namespace: house
    port: 9090
    tools:
    - { name: find, title: Find, call: rooms.find, inputParameters: [{ name: level, type: string, description: Level }] }
    - { name: again, title: Again, summary: Find them again, call: rooms.find, inputParameters: [{ name: level, type: string, description: Level }] }
    resources:
    - { name: all, title: All, summary: All rooms, uri: 'house://rooms', call: rooms.find }
    prompts:
    - { name: ask, title: Ask, summary: Ask for rooms, arguments: [{ name: what, title: What, summary: What to ask }], template: [{ role: user, content: '{{what}}' }] }
`))
	x := &tryout{T: t, i: i, up: up, id: "house"}
	x.tool("find", `{"level":"2"}`, `{}`)
	x.sends("GET /v1/rooms?floor=f-2", "")
	session := (&tutorialStep{file: "house"}).connect(t, i, eras[0], "")
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := session.ListResources(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	prompts, err := session.ListPrompts(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tool := range tools.Tools {
		got = append(got, tool.Title, tool.Description)
	}
	for _, r := range resources.Resources {
		got = append(got, r.Title, r.Description)
	}
	for _, p := range prompts.Prompts {
		got = append(got, p.Title, p.Description)
		for _, a := range p.Arguments {
			got = append(got, a.Title, a.Description)
		}
	}
	want := []string{"Find", "Find rooms", "Again", "Find them again", "All", "All rooms", "Ask", "Ask for rooms", "What", "What to ask"}
	if !slices.Equal(got, want) {
		t.Errorf("clients see %q, want %q", got, want)
	}
}

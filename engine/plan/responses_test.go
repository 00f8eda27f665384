package plan_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// binaryDocument exposes a consumed operation. consumed and exposed are what each declares
// beside its method and call.
func binaryDocument(consumed, exposed string) string {
	return `ikanos: 1.0.0-beta5
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.com
    resources:
      photo: {path: /photo, operations: {get: {method: GET` + consumed + `}}}
  aggregates:
  - namespace: a
    display: A
    flows:
      photo: {description: Photo, call: api.get, outputMediaType: image/gif}
  exposes:
  - type: rest
    namespace: r
    port: 8080
    maxBinarySize: 1KiB
    resources:
      photo: {path: /photo, operations: {get: {method: GET` + exposed + `}}}
`
}

func TestDeclaredResponses(t *testing.T) {
	t.Parallel()
	const binary = ", outputRawFormat: binary"
	for _, tt := range []struct {
		consumed, exposed string
		finding           string // the only one, if any
		binary            string // declared, type and limit
		responses         string // as JSON
	}{
		{binary, ", call: api.get", "", "true  1024", "null"},
		{binary + ", maxBinarySize: 0.5KiB", ", call: api.get", "", "true  512", "null"},
		{binary + ", outputMediaType: image/jpeg", ", call: api.get, responseBinary: {mediaType: image/png}", "", "true image/jpeg 1024",
			`[{"Status":"200","Description":"","Content":[{"MediaType":"image/png","Binary":true,"Schema":null}]}]`},
		{binary, ", call: api.get, responseBinary: {mediaType: image/png, status: 203, description: Photo}", "", "true image/png 1024",
			`[{"Status":"203","Description":"Photo","Content":[{"MediaType":"image/png","Binary":true,"Schema":null}]}]`},
		{binary, `, call: api.get, responses: {404: {content: {text/html: {binary: true}}}, 200: {description: Photo, content: {application/json: {schema: {type: object}}, image/png: {binary: true}}}}`, "", "true image/png 1024",
			`[{"Status":"404","Description":"","Content":[{"MediaType":"text/html","Binary":true,"Schema":null}]},{"Status":"200","Description":"Photo","Content":[{"MediaType":"application/json","Binary":false,"Schema":"eyJ0eXBlIjoib2JqZWN0In0="},{"MediaType":"image/png","Binary":true,"Schema":null}]}]`},
		{binary, ", ref: a.photo, responseBinary: {mediaType: image/png}", "", "true image/gif 1024", `[{"Status":"200","Description":"","Content":[{"MediaType":"image/png","Binary":true,"Schema":null}]}]`},
		{binary, ", call: api.get, responseBinary: {mediaType: image/png}, responses: {200: {description: x}}",
			"error responses operation get has both responses and responseBinary, which says the same in short; keep one of them", "", "null"},
		{binary, ", call: api.get, responseBinary: {status: 200}", "error responses the responseBinary of operation get names no media type; write responseBinary: {mediaType: image/png}", "", "null"},
		{binary, `, call: api.get, responseBinary: {mediaType: "image"}`, `warning responses "image" is no media type, so it has no effect; write type/subtype, such as image/png`, "true  1024", `[{"Status":"200","Description":"","Content":null}]`},
		{binary, `, call: api.get, responseBinary: {mediaType: "image/png\r\nX: y"}`, `warning responses "image/png\r\nX: y" is no media type, so it has no effect; write type/subtype, such as image/png`, "true  1024", `[{"Status":"200","Description":"","Content":null}]`},
		{binary + `, outputMediaType: png`, ", call: api.get", `warning responses "png" is no media type, so it has no effect; write type/subtype, such as image/png`, "true  1024", "null"},
		{binary, ", call: api.get, responses: {ok: {description: x}}", `warning responses "ok" is no status of an answer; write a number such as 200, or a group such as 4XX`, "true  1024", `[{"Status":"ok","Description":"x","Content":null}]`},
		{binary, ", call: api.get, responses: [x]", `warning responses the responses of operation get are no mapping of statuses; write responses: {"200": {description: …}}`, "true  1024", "null"},
		{"", ", call: api.get, responseBinary: {mediaType: image/png}", "warning responses a binary answer is declared, but api.get does not say outputRawFormat: binary; the type stays as it is; write outputRawFormat: binary into the consumed operation if its answers are bytes", "false  1024",
			`[{"Status":"200","Description":"","Content":[{"MediaType":"image/png","Binary":true,"Schema":null}]}]`},
		{", outputMediaType: image/png", ", call: api.get", "info not-honoured outputMediaType has no effect, since api.get does not say outputRawFormat: binary; ", "false  1024", "null"},
		{binary, ", call: api.get, outputParameters: [{type: string, mapping: $.a}]", "error format a binary answer cannot be mapped; leave the mapping at $. to hand the answer on as it is", "", "null"},
		{binary, ", call: api.get, outputParameters: [{type: object, mapping: $.}]", "", "true  1024", "null"},
		{binary + ", maxBinarySize: 5 potatoes", ", call: api.get", `warning wrong-type "5 potatoes" is no size, so it sets no limit; write a number with a unit, such as 10MiB`, "true  1024", "null"},
	} {
		d := load(t, binaryDocument(tt.consumed, tt.exposed))
		var got []string
		for _, x := range d.list {
			got = append(got, fmt.Sprintf("%s %s %s; %s", x.Severity, x.Code, x.Message, x.Hint))
		}
		if want := []string{tt.finding}; tt.finding == "" && len(got) != 0 || tt.finding != "" && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s%s:\ngot  %q\nwant %q", tt.consumed, tt.exposed, got, want)
		}
		if d.unit == nil {
			if tt.binary != "" {
				t.Errorf("%s%s is not served", tt.consumed, tt.exposed)
			}
			continue
		}
		r := d.unit.Exposures[0].Routes[0]
		binary := ""
		if r.Operation != nil {
			b := r.Operation.Binary()
			binary = fmt.Sprintf("%v %s %d", b.Declared, b.MediaType, b.Max)
		}
		if binary != tt.binary {
			t.Errorf("%s%s: binary %q, want %q", tt.consumed, tt.exposed, binary, tt.binary)
		}
		if text, err := json.Marshal(r.Responses); err != nil || string(text) != tt.responses {
			t.Errorf("%s%s: responses %s, %v\nwant %s", tt.consumed, tt.exposed, text, err, tt.responses)
		}
	}
}

package mcp

import (
	"bytes"
	"encoding/json"
	"testing"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestShapedResult(t *testing.T) {
	t.Parallel()
	const uri = "capd://result/doc/tool"
	const elsewhere = ": it redirected elsewhere, which was not followed"
	png := "\x89PNG\r\n\x1a\n\x00"
	text := func(s string) string { b, _ := json.Marshal(s); return `{"type":"text","text":` + string(b) + `}` }
	tests := map[string]struct {
		out    plan.Result
		body   string
		modern bool
		want   string // of the whole result, as JSON
	}{
		"object": { // rule D9: as it is, digits included
			out: plan.Result{Status: 200, MediaType: "application/json"}, body: `{"n":1.10}`,
			want: `{"content":[` + text(`{"n":1.10}`) + `],"structuredContent":{"n":1.10}}`,
		},
		"array, older protocol": {
			out: plan.Result{Status: 200, MediaType: "application/json"}, body: `[1,2]`,
			want: `{"content":[` + text(`[1,2]`) + `],"structuredContent":{"result":[1,2]}}`,
		},
		"array, modern": {
			out: plan.Result{Status: 200, MediaType: "application/json"}, body: `[1,2]`, modern: true,
			want: `{"content":[` + text(`[1,2]`) + `],"structuredContent":[1,2]}`,
		},
		"null, modern": {
			out: plan.Result{Status: 200, MediaType: "application/json"}, body: `null`, modern: true,
			want: `{"content":[` + text(`null`) + `],"structuredContent":null}`,
		},
		"JSON under a wrong type": {
			out: plan.Result{Status: 200, MediaType: "application/octet-stream"}, body: `{}`,
			want: `{"content":[` + text(`{}`) + `],"structuredContent":{}}`,
		},
		"broken JSON": { // R4: whole body and not JSON is text
			out: plan.Result{Status: 200, MediaType: "application/json"}, body: `{"a":`,
			want: `{"content":[` + text(`{"a":`) + `]}`,
		},
		"no body": {
			out: plan.Result{Status: 204}, want: `{"content":[]}`,
		},
		"a redirect without a body": {
			out:  plan.Result{Status: 302, FromUpstream: true},
			want: `{"content":[` + text("upstream answered 302 Found"+elsewhere) + `],"isError":true}`,
		},
		"a redirect with a body": {
			out: plan.Result{Status: 307, MediaType: "application/json", FromUpstream: true}, body: `{"at":"new"}`,
			want: `{"content":[` + text("upstream answered 307 Temporary Redirect"+elsewhere) + `,` + text(`{"at":"new"}`) + `],"isError":true}`,
		},
		"a choice of places that is no text": {
			out: plan.Result{Status: 300, MediaType: "image/png", FromUpstream: true}, body: png,
			want: `{"content":[` + text("upstream answered 300 Multiple Choices"+elsewhere) + `,{"type":"image","mimeType":"image/png","data":"iVBORw0KGgoA"}],"isError":true}`,
		},
		"not modified": { // is no redirect
			out:  plan.Result{Status: 304, FromUpstream: true},
			want: `{"content":[` + text("upstream answered 304 Not Modified") + `]}`,
		},
		"upstream error": { // M5
			out: plan.Result{Status: 404, MediaType: "application/json", FromUpstream: true}, body: `{"error":"no room"}`,
			want: `{"content":[` + text(`{"error":"no room"}`) + `],"isError":true}`,
		},
		"upstream error without a body": {
			out:  plan.Result{Status: 404, FromUpstream: true},
			want: `{"content":[` + text("upstream answered 404 Not Found") + `],"isError":true}`,
		},
		"upstream error of an unknown status": {
			out:  plan.Result{Status: 599, FromUpstream: true},
			want: `{"content":[` + text("upstream answered 599") + `],"isError":true}`,
		},
		"upstream error that is no text": {
			out: plan.Result{Status: 500, MediaType: "image/png", FromUpstream: true}, body: png,
			want: `{"content":[` + text("upstream answered 500 Internal Server Error") + `,{"type":"image","mimeType":"image/png","data":"iVBORw0KGgoA"}],"isError":true}`,
		},
		"image": {
			out: plan.Result{Status: 200, MediaType: "image/png"}, body: png,
			want: `{"content":[{"type":"image","mimeType":"image/png","data":"iVBORw0KGgoA"}]}`,
		},
		"audio": {
			out: plan.Result{Status: 200, MediaType: "audio/wav"}, body: "RIFF",
			want: `{"content":[{"type":"audio","mimeType":"audio/wav","data":"UklGRg=="}]}`,
		},
		"an image that is text": {
			out: plan.Result{Status: 200, MediaType: "image/svg+xml"}, body: "<svg/>",
			want: `{"content":[` + text("<svg/>") + `]}`,
		},
		"binary by type": {
			out: plan.Result{Status: 200, MediaType: "application/pdf"}, body: "%PDF",
			want: `{"content":[{"type":"resource","resource":{"uri":"` + uri + `","mimeType":"application/pdf","blob":"JVBERg=="}}]}`,
		},
		"binary by its bytes": {
			out: plan.Result{Status: 200}, body: "\xff\xfe",
			want: `{"content":[{"type":"resource","resource":{"uri":"` + uri + `","mimeType":"application/octet-stream","blob":"//4="}}]}`,
		},
		"latin-1": {
			out: plan.Result{Status: 200, MediaType: "text/plain; charset=ISO-8859-1"}, body: "caf\xe9",
			want: `{"content":[` + text("café") + `]}`,
		},
		"UTF-8 declared as latin-1": {
			out: plan.Result{Status: 200, MediaType: "text/plain; charset=ISO-8859-1"}, body: "café",
			want: `{"content":[` + text("café") + `]}`,
		},
		"another charset": {
			out: plan.Result{Status: 200, MediaType: "text/plain; charset=utf-16"}, body: "\xff\xfea\x00",
			want: `{"content":[{"type":"resource","resource":{"uri":"` + uri + `","mimeType":"text/plain","blob":"//5hAA=="}}]}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(shaped(&tt.out, []byte(tt.body), func() string { return uri }, false, tt.modern))
			if err != nil {
				t.Fatal(err)
			}
			var a, b bytes.Buffer
			if json.Compact(&a, got) != nil || json.Compact(&b, []byte(tt.want)) != nil {
				t.Fatalf("not JSON: %s\n%s", got, tt.want)
			}
			if canonical(t, a.Bytes()) != canonical(t, b.Bytes()) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// canonical orders members and keeps the digits of numbers.
func canonical(t *testing.T, b []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestInvalidUTF8IsNeverStructured(t *testing.T) {
	t.Parallel()
	res := shaped(&plan.Result{Status: 200, MediaType: "application/json"}, []byte("\"\xff\""), func() string { return "capd://x" }, false, true)
	if res.StructuredContent != nil {
		t.Errorf("structuredContent %v, want none", res.StructuredContent)
	}
	if _, ok := res.Content[0].(*sdk.EmbeddedResource); !ok {
		t.Errorf("content %T, want a resource", res.Content[0])
	}
}

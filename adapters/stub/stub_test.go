package stub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"capd/adapters/stub"
	"capd/engine/plan"
)

func request(method, target string, body plan.Body, fields ...plan.Field) *plan.Request {
	return &plan.Request{
		Method: method, Base: &plan.Base{Scheme: "https", Host: "api.example.com", Path: "/v1"},
		Target: target, Header: fields, Body: body,
	}
}

// sent gives the member "request" of the stub's answer, and its text.
func sent(t *testing.T, req *plan.Request) (map[string]any, string) {
	t.Helper()
	resp, err := stub.New().Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != http.StatusOK || resp.Get("content-type") != "application/json" || resp.Body.Len != int64(len(resp.Body.Bytes)) {
		t.Errorf("status %d, headers %v, length %d", resp.Status, resp.Header, resp.Body.Len)
	}
	var answer struct{ Request map[string]any }
	if err := json.Unmarshal(resp.Body.Bytes, &answer); err != nil {
		t.Fatalf("%v in %s", err, resp.Body.Bytes)
	}
	return answer.Request, string(resp.Body.Bytes)
}

func TestAnswerShowsTheRequest(t *testing.T) {
	t.Parallel()
	req := request("POST", "/v1/rooms?x=%20", plan.BytesBody([]byte(`{"a":1}`)),
		plan.Field{Name: "Content-Type", Value: "application/json"},
		plan.Field{Name: "X-Many", Value: "1"}, plan.Field{Name: "X-Many", Value: "2"}, plan.Field{Name: "X-Many", Value: "3"})
	_, text := sent(t, req)
	const want = `{"request":{"body":{"a":1},"headers":{"Content-Type":"application/json","X-Many":["1","2","3"]},` +
		`"method":"POST","url":"https://api.example.com/v1/rooms?x=%20"}}`
	if text != want {
		t.Errorf("answer %s\n  want %s", text, want)
	}
}

func TestAnswerToHeadHasNoBody(t *testing.T) {
	t.Parallel()
	resp, err := stub.New().Do(t.Context(), request("HEAD", "/", plan.Body{}))
	if err != nil || resp.Status != 200 || !resp.Body.IsEmpty() || resp.Get("Content-Type") == "" {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	jsonType := plan.Field{Name: "content-type", Value: "application/vnd.x+json; charset=utf-8"}
	text := plan.Field{Name: "Content-Type", Value: "text/plain"}
	for _, tc := range []struct {
		name, body string
		header     []plan.Field
		want       string // JSON
	}{
		{"none", "", nil, `null`},
		{"json", `{"b":[1.50,12345678901234567890,null]}`, []plan.Field{jsonType}, `{"b":[1.50,12345678901234567890,null]}`},
		{"json of which nothing is said", ` [true] `, nil, `[true]`},
		{"json said to be text", `12`, []plan.Field{text}, `"12"`},
		{"text said to be json", `{"a":`, []plan.Field{jsonType}, `"{\"a\":"`},
		{"form", "a=1&b=2", []plan.Field{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}, `"a=1&b=2"`},
		{"binary", "\xff\xfe\x00", nil, `{"base64":"//4A"}`},
		{"too large", strings.Repeat("x", 1<<20+7), nil, `{"bytes":1048583}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for kind, body := range map[string]plan.Body{
				"bytes":  plan.BytesBody([]byte(tc.body)),
				"stream": {Stream: io.NopCloser(strings.NewReader(tc.body)), Len: -1},
			} {
				_, answer := sent(t, request("POST", "/", body, tc.header...))
				if !strings.HasPrefix(answer, `{"request":{"body":`+tc.want+`,"headers"`) {
					t.Errorf("%s: answer %.200s, want the body %s", kind, answer, tc.want)
				}
			}
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	const secret = `s3cr"et/<&é`
	for _, tc := range []struct {
		name string
		body []byte
		ct   string
	}{
		{"json", []byte(`{"k":"s3cr\"et\/\u003c\u0026\u00e9","s3cr\"et/<&é":["x s3cr\"et/<&é y"]}`), "application/json"},
		{"text", []byte("key is " + secret), "text/plain"},
		{"form", []byte("k=s3cr%22et%2F%3C%26%C3%A9"), "application/x-www-form-urlencoded"},
		{"binary", []byte("\xff" + secret), "application/octet-stream"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			req := request("POST", "/v1/s3cr%22et%2F%3C&%C3%A9?k=s3cr%22et%2F%3C%26%C3%A9", plan.BytesBody(tc.body),
				plan.Field{Name: "Content-Type", Value: tc.ct}, plan.Field{Name: "X-Key", Value: "pre " + secret},
				plan.Field{Name: "Authorization", Value: "Basic abc", Secret: true})
			req.Secrets = []plan.Secret{plan.NewSecret(secret)}
			got, answer := sent(t, req)
			if strings.Contains(answer, "s3c") || bytes.Contains(resolved(t, got["body"]), []byte("s3c")) {
				t.Errorf("the secret shows in %s", answer)
			}
			headers := map[string]any{"Content-Type": tc.ct, "X-Key": "pre <secret>", "Authorization": "<secret>"}
			if !reflect.DeepEqual(got["headers"], headers) {
				t.Errorf("headers %v", got["headers"])
			}
			if got["url"] != "https://api.example.com/v1/<secret>?k=<secret>" {
				t.Errorf("url %v", got["url"])
			}
			if !strings.Contains(answer, "<secret>") {
				t.Errorf("%s is not to be read by people", answer)
			}
		})
	}
	req := request("POST", "/", plan.BytesBody([]byte(`{"pin":123456}`)))
	req.Secrets = []plan.Secret{plan.NewSecret("123456")}
	if got, _ := sent(t, req); !reflect.DeepEqual(got["body"], map[string]any{"pin": "<secret>"}) {
		t.Errorf("a secret number shows in %v", got["body"])
	}
}

// resolved gives a base64 body decoded, any other as JSON.
func resolved(t *testing.T, body any) []byte {
	t.Helper()
	var b struct{ Base64 []byte }
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(text, &b) == nil && b.Base64 != nil {
		return b.Base64
	}
	return text
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type closer struct {
	io.Reader
	closed *bool
}

func (c closer) Close() error { *c.closed = true; return nil }

func TestBodiesThatBreakOff(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), -1)
	t.Cleanup(cancelLate)
	endless := strings.NewReader(strings.Repeat("x", 2<<20))
	own := plan.Errorf(plan.CodeInvalidInput, "no")
	for _, tc := range []struct {
		name string
		ctx  context.Context
		src  io.Reader
		code plan.Code
	}{
		{"broken", t.Context(), failing{io.ErrUnexpectedEOF}, plan.CodeCanceled},
		{"too large", t.Context(), failing{&http.MaxBytesError{Limit: 1}}, plan.CodeBodyTooLarge},
		{"own", t.Context(), failing{own}, plan.CodeInvalidInput},
		{"caller gone", gone, endless, plan.CodeCanceled},
		{"late", late, endless, plan.CodeUpstreamTimeout},
		{"broken far behind", t.Context(), io.MultiReader(strings.NewReader(strings.Repeat("x", 2<<20)), failing{own}), plan.CodeInvalidInput},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var closed bool
			_, err := stub.New().Do(tc.ctx, request("POST", "/", plan.Body{Stream: closer{tc.src, &closed}, Len: -1}))
			var e *plan.Error
			if !errors.As(err, &e) || e.Code != tc.code || !closed {
				t.Errorf("%v, closed %v, want %v", err, closed, tc.code)
			}
		})
	}
}

func TestHandlerWithoutCalls(t *testing.T) {
	t.Parallel()
	answer := get(t, stub.Handler(nil), "GET", "/rooms")
	const want = `{"type":"about:blank","title":"Not Found","status":404,"detail":"no consumed operation has a path that this one ends with","code":"not-found"}`
	if answer.Code != 404 || answer.Header().Get("Content-Type") != "application/problem+json" || strings.TrimSpace(answer.Body.String()) != want {
		t.Errorf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
}

func get(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(""))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Design D7: an unset variable shows as <NAME>.
func TestPlaceholdersShow(t *testing.T) {
	t.Parallel()
	req := request("POST", "/v1/%3CTENANT%3E/x?key=%3CAPI_KEY%3E&q=%3Cb%3E", plan.BytesBody([]byte(`{"k":"<API_KEY>"}`)),
		plan.Field{Name: "Authorization", Value: "Bearer <API_KEY>", Secret: true},
		plan.Field{Name: "X-Literal", Value: "abcdef", Secret: true})
	req.Base = &plan.Base{Scheme: "https", Host: "<REGION>.example.com", Path: "/v1/%3CTENANT%3E"}
	req.Secrets = []plan.Secret{plan.NewSecret("<API_KEY>")}
	_, answer := sent(t, req)
	const want = `{"request":{"body":{"k":"<API_KEY>"},"headers":{"Authorization":"Bearer <API_KEY>","X-Literal":"<secret>"},` +
		`"method":"POST","url":"https://<REGION>.example.com/v1/<TENANT>/x?key=<API_KEY>&q=%3Cb%3E"}}`
	if answer != want {
		t.Errorf("answer %s\n  want %s", answer, want)
	}

	req.Secrets = append(req.Secrets, plan.NewSecret("abcdef"))
	got, _ := sent(t, req)
	if h := got["headers"].(map[string]any); h["Authorization"] != "<secret>" || h["X-Literal"] != "<secret>" {
		t.Errorf("beside a real secret headers are %v", h)
	}
}

package stub

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"capd/engine/plan"
)

// maxShown is the size up to which a body is shown, and the most that is held of it. Of a
// larger one only the size is told: where it is cut, half a secret could not be masked.
const maxShown = 1 << 20

// describe gives the JSON value of what was sent. It consumes and closes the body.
func describe(ctx context.Context, req *plan.Request) (map[string]any, error) {
	content, size, err := read(ctx, req.Body)
	if err != nil {
		return nil, err
	}
	v := view(req)
	headers := map[string]any{}
	for _, f := range req.Header {
		value := v.header(f)
		switch had := headers[f.Name].(type) {
		case nil:
			headers[f.Name] = value
		case string:
			headers[f.Name] = []any{had, value}
		case []any:
			headers[f.Name] = append(had, value)
		}
	}
	return map[string]any{
		"method":  req.Method,
		"url":     v.url(),
		"headers": headers,
		"body":    v.body(content, size),
	}, nil
}

// read gives the body when it is not too large to be shown, and its size.
func read(ctx context.Context, body plan.Body) ([]byte, int64, error) {
	if body.Stream == nil {
		return body.Bytes, int64(len(body.Bytes)), nil
	}
	defer body.Stream.Close()
	src := &contextReader{ctx, body.Stream}
	content, err := io.ReadAll(io.LimitReader(src, maxShown+1))
	size := int64(len(content))
	if err == nil && size > maxShown {
		content = nil
		var rest int64
		rest, err = io.Copy(io.Discard, src)
		size += rest
	}
	if err != nil {
		return nil, 0, broken(ctx, err)
	}
	return content, size, nil
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	src io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}

// broken gives the error of a call whose body could not be read to its end.
func broken(ctx context.Context, err error) error {
	var own *plan.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(context.Cause(ctx), &own), errors.As(err, &own):
		return own
	case errors.As(err, &tooLarge):
		return &plan.Error{Code: plan.CodeBodyTooLarge, Message: "the request body is too large", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &plan.Error{Code: plan.CodeUpstreamTimeout, Message: "stub: the request body did not end in time", Cause: err}
	}
	return &plan.Error{Code: plan.CodeCanceled, Message: "the request body broke off", Cause: err}
}

// body gives a body as a JSON value: null for none, JSON as it is, text as a string, else
// {"base64": ...}, and {"bytes": n} when it is too large.
func (v *viewer) body(content []byte, size int64) any {
	switch {
	case size > maxShown:
		return map[string]any{"bytes": size}
	case size == 0:
		return nil
	}
	if value, ok := parseJSON(contentType(&v.masked), content); ok {
		return v.json(value)
	}
	text := v.text(string(content))
	if utf8.ValidString(text) {
		return text
	}
	return map[string]any{"base64": base64.StdEncoding.EncodeToString([]byte(text))}
}

func contentType(req *plan.Request) string {
	for _, f := range req.Header {
		if strings.EqualFold(f.Name, "Content-Type") {
			media, _, _ := strings.Cut(f.Value, ";")
			return strings.ToLower(strings.TrimSpace(media))
		}
	}
	return ""
}

// parseJSON reads content that is said to be JSON, or of which nothing is said.
func parseJSON(media string, content []byte) (any, bool) {
	said := strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json")
	if !said && media != "" || !json.Valid(content) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber() // numbers keep their digits
	var value any
	return value, dec.Decode(&value) == nil
}

// json hides the request's secrets in a JSON value. It looks at decoded strings, because
// JSON has many spellings for one string.
func (v *viewer) json(value any) any {
	switch value := value.(type) {
	case string:
		return v.text(value)
	case json.Number:
		if shown := v.text(value.String()); shown != value.String() {
			return shown
		}
	case []any:
		for i := range value {
			value[i] = v.json(value[i])
		}
	case map[string]any:
		out := make(map[string]any, len(value))
		for name, member := range value {
			out[v.text(name)] = v.json(member)
		}
		return out
	}
	return value
}

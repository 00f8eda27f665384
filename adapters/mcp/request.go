package mcp

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"capd/engine/plan"
)

// Headers of streamable HTTP (specification 2026-07-28, basic/transports), and the one that
// carries the request's ID to the call: a session's calls do not run under the context of
// their own HTTP request.
const (
	headerVersion   = "Mcp-Protocol-Version"
	headerMethod    = "Mcp-Method"
	headerName      = "Mcp-Name"
	headerSession   = "Mcp-Session-Id"
	headerRequestID = "X-Request-Id"
)

// forSDK gives the request as the SDK is to see it.
func forSDK(r *http.Request) *http.Request {
	header := r.Header.Clone()
	if name, ok := decodeHeaderValue(header.Get(headerName)); ok {
		header.Set(headerName, name)
	}
	header.Set(headerRequestID, plan.RequestID(r.Context()))
	out := r.WithContext(r.Context())
	out.Header = header
	return out
}

// accepts reports whether a client takes JSON, and whether it takes event streams.
func accepts(h http.Header) (json, stream bool) {
	for field := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		media, _, _ := strings.Cut(field, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "application/json", "application/*":
			json = true
		case "text/event-stream", "text/*":
			stream = true
		case "*/*":
			json, stream = true, true
		}
	}
	return json, stream
}

// decodeHeaderValue decodes "=?base64?…?=", in which clients send names that a header
// cannot hold. The SDK compares the header with the body without decoding it.
func decodeHeaderValue(v string) (string, bool) {
	encoded, ok := strings.CutPrefix(v, "=?base64?")
	if !ok {
		return "", false
	}
	if encoded, ok = strings.CutSuffix(encoded, "?="); !ok {
		return "", false
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !utf8.Valid(raw) {
		return "", false
	}
	return string(raw), true
}

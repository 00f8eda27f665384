package mcp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// shaped makes a tool's result of an operation's: the bare body as text, and as structured
// content too when it is JSON. uri gives the name of a body that can only be sent as a resource. What is
// declared to be binary is so only where the call succeeded.
func shaped(out *plan.Result, body []byte, uri func() string, binary, modern bool) *sdk.CallToolResult {
	res := &sdk.CallToolResult{Content: []sdk.Content{}, IsError: isFailure(out.Status)}
	c := contentOf(body, out.MediaType, uri, binary && !res.IsError)
	_, isText := c.(*sdk.TextContent)
	switch {
	case isRedirect(out.Status):
		// What a redirect's body says is not what the call was for.
		res.Content = append(res.Content, &sdk.TextContent{
			Text: "upstream answered " + statusLine(out.Status) + ": it redirected elsewhere, which was not followed",
		})
	case out.Status >= http.StatusMultipleChoices && (len(body) == 0 || !isText):
		// Without text only the status can say what went wrong.
		res.Content = append(res.Content, &sdk.TextContent{Text: "upstream answered " + statusLine(out.Status)})
	}
	if len(body) == 0 {
		return res
	}
	res.Content = append(res.Content, c)
	if isText && !res.IsError {
		if s := structured(body, modern); s != nil {
			res.StructuredContent = s
		}
	}
	return res
}

// isRedirect reports statuses that send the caller elsewhere. A redirect that arrives here
// was not followed, so nothing is known of what the call did.
func isRedirect(status int) bool {
	return status >= http.StatusMultipleChoices && status < http.StatusBadRequest && status != http.StatusNotModified
}

func isFailure(status int) bool { return status >= http.StatusBadRequest || isRedirect(status) }

func statusLine(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// structured gives the body as structured content when it is JSON, or nil. The older
// protocol takes objects only, so anything else stands there under "result".
func structured(body []byte, modern bool) json.RawMessage {
	if !utf8.Valid(body) || !expr.Valid(body) {
		return nil
	}
	body = bytes.TrimSpace(body)
	if modern || body[0] == '{' {
		return body
	}
	return append(append([]byte(`{"result":`), body...), '}')
}

// contentOf gives the body as text where it is text, else as image, audio or resource. A
// body that is declared to be binary is never text.
func contentOf(body []byte, mediaType string, uri func() string, binary bool) sdk.Content {
	if text, ok := textOf(body, mediaType); ok && !binary {
		return &sdk.TextContent{Text: text}
	}
	media, _ := parseMediaType(mediaType)
	if media == "" {
		media = sniffed(body)
	}
	switch kind, _, _ := strings.Cut(media, "/"); {
	case kind == "image":
		return &sdk.ImageContent{Data: body, MIMEType: media}
	case kind == "audio":
		return &sdk.AudioContent{Data: body, MIMEType: media}
	}
	return blob(body, media, uri())
}

// isBinary reports types that are no text whatever their bytes look like.
func isBinary(kind, media string) bool {
	switch media {
	case "application/octet-stream", "application/pdf", "application/zip", "application/gzip",
		"application/x-gzip", "application/x-tar", "application/vnd.rar", "application/x-7z-compressed":
		return true
	}
	return kind == "video" || kind == "font"
}

func blob(body []byte, media, uri string) sdk.Content {
	if media == "" {
		media = octetStream
	}
	return &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: uri, MIMEType: media, Blob: body}}
}

// resultURI names a tool's result; it cannot be read as a resource.
func resultURI(doc, tool string) string {
	return (&url.URL{Scheme: "capd", Host: "result", Path: "/" + doc + "/" + tool}).String()
}

func isLatin1(charset string) bool {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "iso8859-1", "latin1", "latin-1":
		return true
	}
	return false
}

// latin1 decodes ISO 8859-1, whose bytes are the first code points.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// truncate cuts text to at most n bytes, between characters.
func truncate(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

package mcp

import (
	"bytes"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const octetStream = "application/octet-stream"

// typeByName gives the media type of a file by its extension, or empty. The table is our
// own, so that one folder is listed alike on every machine.
func typeByName(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown":
		return "text/markdown"
	case ".txt", ".text", ".log":
		return "text/plain"
	case ".html", ".htm":
		return "text/html"
	case ".css":
		return "text/css"
	case ".csv":
		return "text/csv"
	case ".tsv":
		return "text/tab-separated-values"
	case ".js", ".mjs":
		return "text/javascript"
	case ".json":
		return "application/json"
	case ".jsonl", ".ndjson":
		return "application/x-ndjson"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".toml":
		return "application/toml"
	case ".xml", ".xsd", ".xsl":
		return "application/xml"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".ico":
		return "image/x-icon"
	case ".mp3":
		return "audio/mpeg"
	case ".wav":
		return "audio/wav"
	case ".ogg":
		return "audio/ogg"
	case ".mp4":
		return "video/mp4"
	case ".pdf":
		return "application/pdf"
	case ".zip":
		return "application/zip"
	case ".gz":
		return "application/gzip"
	case ".tar":
		return "application/x-tar"
	case ".wasm":
		return "application/wasm"
	}
	return ""
}

// sniffed gives the media type of bytes that come without one, if it is a picture, a sound
// or a document that begins as those do.
func sniffed(body []byte) string {
	media, _, _ := mime.ParseMediaType(http.DetectContentType(body)) // what it gives always parses
	if kind, _, _ := strings.Cut(media, "/"); kind == "text" {
		return ""
	}
	return media
}

// fileContents gives a file as the contents of a resource: text where it is text.
func fileContents(b []byte, r *plan.Resource, name string) *sdk.ResourceContents {
	media := r.MimeType
	if media == "" {
		media = typeByName(name)
	}
	return contents(b, media, r.Binary, "text/plain")
}

// resourceContents gives an operation's answer as the contents of a resource.
func resourceContents(out *plan.Result, body []byte, binary bool) *sdk.ResourceContents {
	fallback := "text/plain"
	if expr.Valid(body) || len(bytes.TrimSpace(body)) == 0 {
		fallback = "application/json"
	}
	return contents(body, out.MediaType, binary, fallback)
}

// contents gives bytes as text or as a blob. fallback is the media type of text that has
// none. A media type that is declared keeps its parameters.
func contents(b []byte, mediaType string, binary bool, fallback string) *sdk.ResourceContents {
	mediaType = strings.TrimSpace(mediaType)
	if text, ok := textOf(b, mediaType); ok && !binary {
		if mediaType == "" {
			mediaType = fallback
		}
		return &sdk.ResourceContents{MIMEType: mediaType, Text: text}
	}
	if mediaType == "" {
		mediaType = sniffed(b)
	}
	if mediaType == "" {
		mediaType = octetStream
	}
	if b == nil {
		b = []byte{}
	}
	return &sdk.ResourceContents{MIMEType: mediaType, Blob: b}
}

// textOf gives a body as text where its media type and its bytes are text.
func textOf(body []byte, mediaType string) (string, bool) {
	media, charset := parseMediaType(mediaType)
	kind, _, _ := strings.Cut(media, "/")
	switch {
	case strings.HasSuffix(media, "+xml"): // image/svg+xml is text
	case kind == "image" || kind == "audio":
		return "", false
	case isBinary(kind, media) && !expr.Valid(body):
		return "", false
	}
	if utf8.Valid(body) && bytes.IndexByte(body, 0) < 0 {
		return string(body), true
	}
	if isLatin1(charset) && (kind == "text" || strings.HasSuffix(media, "xml")) {
		return latin1(body), true
	}
	return "", false
}

// parseMediaType gives a media type in lower case, without parameters, and its charset. Bad
// parameters do not make the type unknown.
func parseMediaType(mediaType string) (media, charset string) {
	if mediaType == "" || mediaType == "application/json" { // as most are
		return mediaType, ""
	}
	media, params, err := mime.ParseMediaType(mediaType)
	if err != nil {
		media, _, _ = strings.Cut(mediaType, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media, params["charset"]
}

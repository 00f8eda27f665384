package plan

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
)

// Upstream answers rendered requests: an HTTP client, a stub, a recorder, or a decorator
// around one (retry, cache, limit). It must be safe for concurrent use and close or
// consume req.Body. The caller closes the response's body.
//
// A failure is an *[Error] with one of the upstream codes, or with [CodeCanceled]. An
// answer of any status is no failure.
type Upstream interface {
	Do(ctx context.Context, req *Request) (*Response, error)
}

// UpstreamFunc makes an Upstream of a function.
type UpstreamFunc func(context.Context, *Request) (*Response, error)

// Do calls f.
func (f UpstreamFunc) Do(ctx context.Context, req *Request) (*Response, error) { return f(ctx, req) }

// Body is content: Bytes that can be sent again, or a Stream that is read once, or neither.
// Len is the length in bytes, -1 when it is not known beforehand.
type Body struct {
	Bytes  []byte
	Stream io.ReadCloser
	Len    int64
}

// BytesBody is a body of b; empty for no bytes.
func BytesBody(b []byte) Body { return Body{Bytes: b, Len: int64(len(b))} }

// IsEmpty reports whether there is certainly no content.
func (b Body) IsEmpty() bool { return b.Stream == nil && len(b.Bytes) == 0 }

// isEmpty looks whether there is any content. It reads at most the first byte of a stream of
// unknown length, and puts it back.
func (b *Body) isEmpty() (bool, error) {
	if b.Stream == nil || b.Len >= 0 {
		return b.Len == 0 && len(b.Bytes) == 0, nil
	}
	var first [1]byte
	n, err := io.ReadFull(b.Stream, first[:])
	if n == 0 {
		if err == io.EOF {
			err = nil
		}
		return true, err
	}
	b.Stream = &rejoined{io.MultiReader(bytes.NewReader(first[:]), b.Stream), b.Stream}
	return false, nil
}

// Reader gives the content to read once. Closing it closes the stream.
func (b Body) Reader() io.ReadCloser {
	if b.Stream != nil {
		return b.Stream
	}
	return io.NopCloser(bytes.NewReader(b.Bytes))
}

// Close closes the stream, if there is one.
func (b Body) Close() error {
	if b.Stream != nil {
		return b.Stream.Close()
	}
	return nil
}

// Field is one header of a request or a response. Secret says that the value must not be
// shown.
type Field struct {
	Name, Value string
	Secret      bool
}

// Format prints name and value, a secret value hidden.
func (h Field) Format(f fmt.State, _ rune) {
	if h.Secret {
		h.Value = Masked
	}
	fmt.Fprintf(f, "%s=%q", h.Name, h.Value)
}

// MarshalText gives what [Field.Format] prints, in JSON and the like.
func (h Field) MarshalText() ([]byte, error) { return fmt.Append(nil, h), nil }

// Base is where a consumed API lives after its variables are known. Path is escaped, has
// a leading slash and no trailing one, or is empty.
type Base struct {
	Scheme, Host, Path string
	// Judged: it was held against the policy already, or is nobody's but the operator's.
	Judged bool
}

// String gives the URL.
func (b *Base) String() string { return b.Scheme + "://" + b.Host + b.Path }

// Accept says what the caller can take as an answer.
type Accept struct {
	// Stream: nothing looks at the body, it may be handed on unread.
	Stream bool
	// Encoding is the Accept-Encoding to send on; the answer's encoding then stays as it is.
	// Empty: the upstream decodes (gzip) by itself.
	Encoding string
}

// Request is a rendered upstream request. Printing it shows no secret.
type Request struct {
	Method string
	Base   *Base
	Target string // escaped path, Base.Path included, and query: what follows the host on the wire
	Header []Field
	Body   Body
	Call   *Call // its compiled origin
	Accept Accept
	// Grant is what the policy lets the document do; nil: everything. A transport looks there
	// before it connects.
	Grant *Grant
	// Transport is how the document wants the API to be reached; nil: it does not say.
	Transport *Transport
	// Resilience is how the upstream and its callers are protected from each other, by decorators
	// above the authentication; nil: nothing does, as of a request that no document declares.
	Resilience *Resilience

	// Auth is what must still be added to the request, by a decorator around the transport
	// that takes it out again; nil for nothing. A transport must not send a request with it.
	Auth Credential
	// Certificate is what the transport shows while it connects; nil for nothing.
	Certificate *ClientCertificate
	// Signed: a signature covers the request, so that it must not be sent anywhere else.
	Signed bool

	// Secrets are the secret values that stand anywhere in this request, so that whatever
	// is shown of it, or of the answer, can be masked.
	Secrets []Secret
}

// URL gives the whole URL, secrets included.
func (r *Request) URL() string { return r.Base.Scheme + "://" + r.Base.Host + r.Target }

// MaskedURL gives the URL with every secret hidden.
func (r *Request) MaskedURL() string { return r.Mask(r.URL()) }

// Mask hides this request's own secrets in s, as they are and as they stand in a URL, in
// JSON and in basic authentication.
func (r *Request) Mask(s string) string { return newMasker(r.Secrets).text(s) }

// Format prints method, URL, headers and the size of the body, secrets hidden.
func (r Request) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s %s", r.Method, r.MaskedURL())
	for _, h := range r.Header {
		h.Value = r.Mask(h.Value)
		fmt.Fprintf(f, " %v", h)
	}
	if r.Body.Stream != nil {
		fmt.Fprintf(f, " body=stream")
	} else if len(r.Body.Bytes) > 0 {
		fmt.Fprintf(f, " body=%d bytes", len(r.Body.Bytes))
	}
}

// MarshalText gives what [Request.Format] prints, in JSON and the like.
func (r Request) MarshalText() ([]byte, error) { return fmt.Append(nil, r), nil }

// IsIdempotent reports whether a request may be sent again when it is not known what became of it
// (RFC 9110 section 9.2.2).
func IsIdempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// Response is an upstream's answer. Header holds what the upstream sent, hop-by-hop
// fields left out. Attempts counts the requests that were sent for it.
type Response struct {
	Status   int
	Header   []Field
	Body     Body
	Attempts int

	// Secrets were put on the wire below the plan, such as a token that was issued for the
	// request. They are masked as those of the request are.
	Secrets []Secret
}

// Get gives the first value of a header, whatever its case.
func (r *Response) Get(name string) string {
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

package credential

import (
	"errors"
	"io"
	"net/http"

	"capd/engine/plan"
)

var errTooLong = errors.New("credential: the body is too long to be held")

// hold gives the request with its body as bytes. When the body does not fit it gives
// errTooLong, and with it a request that still has the whole stream.
func (a *Authenticator) hold(req *plan.Request) (*plan.Request, error) {
	b := req.Body
	if b.Stream == nil {
		return req, nil
	}
	if b.Len > a.opts.MaxBody {
		return req, errTooLong
	}
	out := *req
	content, err := io.ReadAll(io.LimitReader(b.Stream, a.opts.MaxBody+1))
	if err != nil {
		return nil, brokenBody(err)
	}
	if int64(len(content)) > a.opts.MaxBody {
		out.Body = plan.Body{Stream: &rejoined{content, b.Stream}, Len: b.Len}
		return &out, errTooLong
	}
	_ = b.Stream.Close()
	out.Body = plan.BytesBody(content)
	return &out, nil
}

func (a *Authenticator) tooLong() *plan.Error {
	return plan.Errorf(plan.CodeBodyTooLarge, "the request body is larger than %d bytes, which is the limit for one that must be signed", a.opts.MaxBody)
}

// rejoined is a stream whose beginning was read already.
type rejoined struct {
	head []byte
	io.ReadCloser
}

func (r *rejoined) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.ReadCloser.Read(p)
}

// brokenBody gives the error of a caller's body that could not be read to its end.
func brokenBody(err error) error {
	var own *plan.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &tooLarge):
		return &plan.Error{Code: plan.CodeBodyTooLarge, Message: "the request body is too large", Cause: err}
	}
	return &plan.Error{Code: plan.CodeCanceled, Message: "the request body broke off", Cause: err}
}

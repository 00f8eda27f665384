package httpclient

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"syscall"

	"capd/engine/plan"
)

var errUpgrade = errors.New("httpclient: the upstream switched protocols without being asked")

// stage is how far an exchange had come when it failed.
type stage uint8

const (
	beforeAnswer stage = iota
	inAnswer
)

// fault turns a failure of the exchange into the error of the call: who failed and how for
// the caller, the detail, secrets masked, as the cause.
func (x *exchange) fault(err error, at stage) error {
	if own := x.foreign(err); own != nil {
		return own
	}
	code, what := x.describe(err, at)
	return &plan.Error{
		Code:    code,
		Message: x.req.Mask("upstream " + x.req.Base.Host + ": " + what),
		Cause:   &cause{text: clip(x.req.Mask(err.Error())), err: err},
		Lost:    x.ctx.Err() == nil && at == beforeAnswer && isLost(err),
	}
}

// isLost reports whether a connection failed in a way that may be another one next time. What
// the network or its owners refuse on principle is none, and neither is an answer that is wrong.
func isLost(err error) bool {
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, errRepeat):
		return true
	case own(err) != "", secure(err) != "" && !isTimeout(err):
		return false
	case errors.As(err, &name):
		return !name.IsNotFound
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect"), secure(err) != "":
		return true
	case isTimeout(err):
		return false
	}
	what := talking(err, beforeAnswer)
	return strings.HasPrefix(what, "connection ") && strings.HasSuffix(what, " before an answer")
}

// foreign gives the error when the upstream has no part in it: the call was ended, or the
// caller's body broke off.
func (x *exchange) foreign(err error) error {
	var own *plan.Error
	if errors.As(context.Cause(x.ctx), &own) || errors.As(err, &own) {
		return own
	}
	if x.ctx.Err() != nil || x.sent == nil {
		return nil
	}
	broken := x.sent.broken.Load()
	if broken == nil {
		return nil
	}
	if errors.As(*broken, &own) {
		return own
	}
	var tooLarge *http.MaxBytesError
	if errors.As(*broken, &tooLarge) {
		return &plan.Error{Code: plan.CodeBodyTooLarge, Message: "the request body is too large", Cause: *broken}
	}
	return &plan.Error{Code: plan.CodeCanceled, Message: "the request body broke off", Cause: *broken}
}

func (x *exchange) describe(err error, at stage) (plan.Code, string) {
	switch ended := x.ctx.Err(); {
	case errors.Is(ended, context.DeadlineExceeded) && at == inAnswer:
		return plan.CodeUpstreamTimeout, "the answer did not end in time"
	case errors.Is(ended, context.DeadlineExceeded):
		return plan.CodeUpstreamTimeout, "no answer in time"
	case ended != nil:
		return plan.CodeCanceled, "the call was canceled"
	}
	if x.once != nil && errors.Is(err, context.Canceled) {
		err = errRepeat
	}
	if what := own(err); what != "" {
		return plan.CodeUpstreamFailed, what
	}
	if what, timeout := connecting(err); what != "" {
		if timeout {
			return plan.CodeUpstreamTimeout, what
		}
		return plan.CodeUpstreamFailed, what
	}
	if isTimeout(err) {
		return plan.CodeUpstreamTimeout, "no answer in time"
	}
	return plan.CodeUpstreamFailed, talking(err, at)
}

// own describes the errors of this package.
func own(err error) string {
	switch {
	case errors.Is(err, errAddress):
		return "address not allowed"
	case errors.Is(err, errRepeat):
		return "connection lost before an answer"
	case errors.Is(err, errTarget):
		return "the URL cannot be sent"
	case errors.Is(err, errUpgrade):
		return "malformed answer"
	case errors.Is(err, errProxyAuth):
		return "the proxy wants a user and a password"
	case errors.Is(err, errProxyGave), errors.Is(err, errNoProxy):
		return "the proxy refused the connection"
	}
	return ""
}

// connecting describes what can go wrong until there is a connection; nothing for other
// errors.
func connecting(err error) (what string, timeout bool) {
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached", isTimeout(err)
	case errors.As(err, &name) && name.IsTimeout:
		return "looking up the name took too long", true
	case errors.As(err, &name):
		return "the name does not resolve", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", false
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "host unreachable", false
	case secure(err) != "":
		return secure(err), isTimeout(err)
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return "no connection in time", true
	case errors.As(err, &op) && op.Op == "dial":
		return "no connection", false
	}
	return "", false
}

// secure describes a failure of TLS; nothing for other errors.
func secure(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &certificate):
		return "TLS certificate not trusted"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"),
		strings.HasPrefix(err.Error(), "tls: "):
		return "TLS handshake failed"
	case strings.Contains(err.Error(), "TLS handshake timeout"):
		return "TLS handshake took too long"
	}
	return ""
}

// talking describes what can go wrong on a connection.
func talking(err error, at stage) string {
	text := err.Error()
	lost := "connection %s before an answer"
	if at == inAnswer {
		lost = "connection %s before the end of the answer"
	}
	var protocol textproto.ProtocolError
	var corrupt flate.CorruptInputError
	switch {
	case strings.Contains(text, "response headers exceeded"), strings.Contains(text, "header list larger than"):
		return "the answer's headers are too large"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(text, "stream error"):
		return strings.Replace(lost, "%s", "reset", 1)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "EOF"),
		strings.Contains(text, "server closed idle connection"), strings.Contains(text, "connection lost"),
		strings.Contains(text, "GOAWAY"):
		return strings.Replace(lost, "%s", "closed", 1)
	case errors.As(err, &protocol), errors.As(err, &corrupt), errors.Is(err, gzip.ErrHeader),
		errors.Is(err, gzip.ErrChecksum), errors.Is(err, http.ErrLineTooLong),
		strings.Contains(text, "malformed"), strings.Contains(text, "chunk"),
		strings.Contains(text, "connection broken"), strings.Contains(text, "too many 1xx"):
		return "malformed answer"
	case strings.Contains(text, "invalid header"), strings.Contains(text, "invalid method"):
		return "the request cannot be sent"
	case at == inAnswer:
		return "the answer broke off"
	}
	return "no answer"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// clip shortens a text that may quote what an upstream sent. It comes after masking: half a
// secret would not be found.
func clip(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// cause is the detail of a failure. It can be compared with errors.Is, but the original,
// which may hold secrets, cannot be taken out and printed.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }

// Is lets errors.Is look behind the text.
func (c *cause) Is(target error) bool { return errors.Is(c.err, target) }

package plan

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code is why a call failed. The set is closed: every adapter has one table that covers
// it, and a test walks both.
type Code uint8

// The codes of a failed call.
const (
	// CodeInvalidInput: the caller's inputs do not fit the operation.
	CodeInvalidInput Code = iota + 1
	// CodeBodyTooLarge: the caller's body is over the limit.
	CodeBodyTooLarge
	// CodeNotFound: nothing is exposed under that address or name.
	CodeNotFound
	// CodeMethodNotAllowed: the address exists, the method does not.
	CodeMethodNotAllowed
	// CodeUnauthorized: the caller did not show what the exposure's guard wants.
	CodeUnauthorized
	// CodeForbidden: the request may not use this exposure (Host, Origin).
	CodeForbidden
	// CodeRefused: the operation is declared, but capd refused to serve it.
	CodeRefused
	// CodeNotConfigured: a variable the operation needs has no usable value.
	CodeNotConfigured
	// CodeUpstreamFailed: no answer came from the upstream, or a broken one.
	CodeUpstreamFailed
	// CodeUpstreamTimeout: the upstream, or the call as a whole, took too long.
	CodeUpstreamTimeout
	// CodeUpstreamUnavailable: nothing was sent, since the upstream failed too often lately.
	CodeUpstreamUnavailable
	// CodeRateLimited: the caller, or all callers of an upstream together, call too often.
	CodeRateLimited
	// CodeOverloaded: too much is under way already; nothing was begun.
	CodeOverloaded
	// CodeUpstreamTooLarge: the upstream's answer is over the limit for buffered bodies.
	CodeUpstreamTooLarge
	// CodeBadOutput: the upstream's answer cannot be mapped as declared.
	CodeBadOutput
	// CodeStepFailed: a step of an orchestration failed: its upstream answered with an error,
	// which UpstreamStatus says, or its script did not end well.
	CodeStepFailed
	// CodeDeclined: the user said no to a question that the operation asks first.
	CodeDeclined
	// CodeCannotAsk: the operation asks something first, and this caller cannot be asked.
	CodeCannotAsk
	// CodeCanceled: the caller went away.
	CodeCanceled
	// CodeInternal: a fault of capd.
	CodeInternal

	// NumCodes is one more than the last code, so that a test can walk them all.
	NumCodes
)

// String gives the stable name used on every wire and in logs.
func (c Code) String() string {
	switch c {
	case CodeInvalidInput:
		return "invalid-input"
	case CodeBodyTooLarge:
		return "body-too-large"
	case CodeNotFound:
		return "not-found"
	case CodeMethodNotAllowed:
		return "method-not-allowed"
	case CodeUnauthorized:
		return "unauthorized"
	case CodeForbidden:
		return "forbidden"
	case CodeRefused:
		return "refused"
	case CodeNotConfigured:
		return "not-configured"
	case CodeUpstreamFailed:
		return "upstream-failed"
	case CodeUpstreamTimeout:
		return "upstream-timeout"
	case CodeUpstreamUnavailable:
		return "upstream-unavailable"
	case CodeRateLimited:
		return "rate-limited"
	case CodeOverloaded:
		return "overloaded"
	case CodeUpstreamTooLarge:
		return "upstream-too-large"
	case CodeBadOutput:
		return "bad-output"
	case CodeStepFailed:
		return "step-failed"
	case CodeDeclined:
		return "declined"
	case CodeCannotAsk:
		return "cannot-ask"
	case CodeCanceled:
		return "canceled"
	case CodeInternal:
		return "internal"
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Error is a failed call. Message is written for the caller and never holds a value of a
// secret, a file name or a line; Cause is for the log.
type Error struct {
	Code    Code
	Message string
	Cause   error
	// Step is the step of an orchestration that ended the call, else empty.
	Step string
	// UpstreamStatus is the HTTP status with which an upstream ended it, else 0.
	UpstreamStatus int
	// Lost: there was no connection to the upstream, or it was lost before an answer. The same
	// request may succeed when it is sent again.
	Lost bool
	// Attempts counts the requests that were sent to the upstream; 0 when that is not known.
	Attempts int
	// RetryAfter is after which time the call may succeed; 0 when that is not known. It is told
	// to the caller.
	RetryAfter time.Duration
}

// Error gives the message for the caller.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause, which must not be shown to a caller.
func (e *Error) Unwrap() error { return e.Cause }

// RetryAfterSeconds gives RetryAfter in whole seconds, rounded up: how every wire tells it.
func (e *Error) RetryAfterSeconds() int {
	return int((e.RetryAfter + time.Second - 1) / time.Second)
}

// Errorf makes an error without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError gives err as an *Error. What is none is the end of the call's time or of its
// caller, or else an internal fault whose text the caller does not see.
func AsError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeUpstreamTimeout, Message: "the call took too long", Cause: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeCanceled, Message: "the caller went away", Cause: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", Cause: err}
}

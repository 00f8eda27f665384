package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"capd/engine/plan"
)

// server runs the calls of one plan.
type server struct {
	opts    Options
	bound   *plan.Bound
	calls   *calls
	buffers *buffers
}

// errAbort ends a request whose answer cannot be finished: the connection is cut, so that
// the client does not take what it has for the whole.
var errAbort = errors.New("abort the connection")

// handler serves a site.
func (s *server) handler(at *site) http.Handler {
	return s.catchAll(func(c *call) error { return s.serve(c, at) })
}

// catchAll gives every request to one function, whatever its path and method: echo holds
// the context, it routes nothing. A request has an ID then, of whoever took it in or a new one,
// and its answer has what every answer has.
func (s *server) catchAll(serve func(*call) error) http.Handler {
	nosniff := []string{"nosniff"} // of all answers; a header is replaced, never written into
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx := r.Context(); plan.RequestID(ctx) == "" {
			r = r.WithContext(plan.WithRequestID(ctx, plan.NewRequestID()))
		}
		w.Header()["X-Content-Type-Options"] = nosniff
		c := s.calls.begin(w, r)
		if err := recoverPanics(c, serve); err != nil {
			s.fail(err, c)
		}
		s.calls.end(c)
	})
}

// serve answers one request.
func (s *server) serve(c *call, at *site) error {
	r := c.Request()
	if !strings.HasPrefix(r.URL.Path, "/") { // of CONNECT, or an asterisk
		return errNotFound()
	}
	segments, ok := pathSegments(r.URL, c.search.segments[:0])
	if !ok {
		return plan.Errorf(plan.CodeInvalidInput, "the path is not valid: a %% must be followed by two hexadecimal digits")
	}
	if segments[0] == plan.REST.Prefix() {
		return s.serveMounts(c, at, segments[1:])
	}
	found, ok := s.reveal(c, c.search.find(at.bare, r.Method, segments, r.URL.RawQuery))
	if !ok {
		return nil
	}
	return s.dispatch(c, found)
}

// serveMounts answers what is under /apis.
func (s *server) serveMounts(c *call, at *site, segments []string) error {
	if isRoot(segments) {
		return s.serveIndex(c, at.listed())
	}
	m, rest := at.mounts.longest(segments)
	if m == nil {
		return errNotFound()
	}
	r := c.Request()
	found := c.search.find(m.table.get(), r.Method, rest, r.URL.RawQuery)
	if found.isNone() && isRoot(rest) {
		return s.serveIndex(c, at.listedBy(m.mount))
	}
	if !s.admit(c, m.mount.Exposure) {
		return nil
	}
	if m.isDescription(r.Method, rest, &found) {
		return s.serveDescription(c, m)
	}
	skipped := 1 + len(segments) - len(rest)
	found.from, found.to = found.from+skipped, found.to+skipped
	return s.dispatch(c, found)
}

// dispatch answers with what the table found.
func (s *server) dispatch(c *call, m match) error {
	switch {
	case m.err != nil:
		return m.err
	case m.isNone():
		return errNotFound()
	case m.entry == nil:
		return methodNotServed(c, m.allow)
	case m.entry.refusal != nil:
		err := m.entry.refusal.Error()
		s.bound.Begin(c.Request().Context(), m.entry.exposure, m.entry.route.Name)(0, err)
		return err
	case !s.permits(c, m.entry):
		return nil
	}
	return s.call(c, m)
}

func errNotFound() *plan.Error {
	return plan.Errorf(plan.CodeNotFound, "nothing is served at this path; GET /%s lists what is", plan.REST.Prefix())
}

// methodNotServed answers OPTIONS, and refuses every other method, with the methods there are.
func methodNotServed(c echo.Context, allow []string) error {
	list := strings.Join(allow, ", ")
	c.Response().Header().Set("Allow", list)
	if c.Request().Method == http.MethodOptions {
		c.Response().WriteHeader(http.StatusNoContent)
		return nil
	}
	return plan.Errorf(plan.CodeMethodNotAllowed, "this path is served for %s only", list)
}

// call runs an operation.
func (s *server) call(c *call, m match) error {
	r := c.Request()
	op := m.entry.route.Operation
	body, err := newInbound(r, s.opts.MaxBody)
	if err != nil {
		s.bound.Refused(r.Context(), op, err)
		return err
	}
	c.op = op
	args, err := op.Bind(&plan.Source{
		Bound:          s.bound,
		Method:         r.Method,
		Rest:           rawSegments(r.URL, m.from, m.to),
		Path:           m.path,
		Query:          r.URL.RawQuery,
		Conditions:     m.entry.route.Conditions,
		Header:         r.Header,
		Body:           body.content(r.ContentLength),
		ContentType:    r.Header.Get("Content-Type"),
		AcceptEncoding: strings.Join(r.Header.Values("Accept-Encoding"), ", "),
	})
	if err != nil {
		err = body.cause(err)
		s.bound.Refused(r.Context(), op, err)
		return err
	}
	defer args.Release()
	result, err := op.Invoke(r.Context(), &plan.Invocation{
		Args:   args,
		Bound:  s.bound,
		Caller: plan.CallerOf(r.Context()),
	})
	if err != nil {
		return body.cause(err)
	}
	defer func() { _ = result.Close() }() // it is read, or nobody wants it
	return s.write(c, result)
}

// canceled reports whether the client went away. A deadline is no cancellation.
func canceled(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled)
}

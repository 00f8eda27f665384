package rest

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"capd/engine/plan"
)

// admit lets a request through the gate of the exposure it is for, and takes the credential
// off it. Otherwise it answers, and reports false.
func (s *server) admit(c echo.Context, x *plan.Exposure) bool {
	g := s.bound.Gate(x)
	if g == nil {
		return true
	}
	r := g.Admit(c.Request())
	if r == nil {
		s.turnAway(c, x, g)
		return false
	}
	c.SetRequest(r)
	return true
}

// turnAway answers a request that a gate does not let in.
func (s *server) turnAway(c echo.Context, x *plan.Exposure, g plan.Gate) {
	ended := s.bound.Begin(c.Request().Context(), x, "")
	ended(0, plan.Errorf(g.Refuse(c.Response(), c.Request()), "not let in"))
}

// permits reports whether the caller has the scopes that an operation needs of its own.
// Otherwise it answers.
func (s *server) permits(c echo.Context, e *entry) bool {
	own := e.route.Scopes
	if len(own) == 0 || !plan.CallerOf(c.Request().Context()).Lacks(own) {
		return true
	}
	s.bound.Begin(c.Request().Context(), e.exposure, e.route.Name)(0, plan.Errorf(plan.CodeForbidden, "scopes are missing"))
	if g, ok := s.bound.Gate(e.exposure).(plan.Scoped); ok {
		g.RefuseScopes(c.Response(), c.Request(), e.exposure.NeededScopes(own))
		return false
	}
	c.Response().WriteHeader(http.StatusForbidden) // scopes that nobody can show
	return false
}

// shows reports whether the caller may be told of an exposure, as one of so many.
func (s *server) shows(c echo.Context, x *plan.Exposure, of int) bool {
	return plan.Shows(s.bound.Gate(x), c.Request(), of)
}

// reveal gives what a table of several exposures has for a request, as far as the caller may
// know it: a path that exists only behind gates that stay shut is refused, whatever is wrong
// with the request. It reports false when it answered.
func (s *server) reveal(c echo.Context, m match) (match, bool) {
	if m.entry != nil {
		return m, s.admit(c, m.entry.exposure)
	}
	if len(m.near) == 0 || !slices.ContainsFunc(m.near, func(e *entry) bool { return s.bound.Gate(e.exposure) != nil }) {
		return m, true
	}
	var methods []string
	for _, e := range m.near {
		if s.shows(c, e.exposure, len(m.near)) {
			methods = append(methods, e.route.Method)
		}
	}
	if len(methods) == 0 {
		x := m.near[0].exposure
		s.turnAway(c, x, s.bound.Gate(x)) // where everything is hidden, everything has a gate
		return m, false
	}
	if m.err == nil {
		m.allow = allowed(methods)
	}
	return m, true
}

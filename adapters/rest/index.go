package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"capd/engine/plan"
)

// apiIndex is the answer of /apis and of a document's own address: what is served here.
type apiIndex struct {
	APIs []apiEntry `json:"apis"`
}

type apiEntry struct {
	ID          string       `json:"id"`
	Namespace   string       `json:"namespace,omitempty"`
	Label       string       `json:"label,omitempty"`
	Description string       `json:"description,omitempty"`
	URL         string       `json:"url"` // path on this origin that the routes continue
	OpenAPI     string       `json:"openapi"`
	Routes      []routeEntry `json:"routes"`
}

type routeEntry struct {
	Name        string        `json:"name"`
	Method      string        `json:"method"`
	Path        string        `json:"path"`
	Query       string        `json:"query,omitempty"` // pairs the request must have
	Description string        `json:"description,omitempty"`
	Refused     *refusalEntry `json:"refused,omitempty"`
}

type refusalEntry struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// listed gives the main mounts of every exposure of the address.
func (s *site) listed() []*plan.Mount {
	return s.listedWhere(func(*plan.Exposure) bool { return true })
}

// listedBy gives those of what a mount stands for: the whole document at the document's own
// address, one exposure at an exposure's.
func (s *site) listedBy(m *plan.Mount) []*plan.Mount {
	unit := m.Exposure.Unit
	if unit != nil && strings.Join(m.Segments, "/") == unit.ID {
		return s.listedWhere(func(x *plan.Exposure) bool { return x.Unit == unit })
	}
	return s.listedWhere(func(x *plan.Exposure) bool { return x == m.Exposure })
}

func (s *site) listedWhere(wanted func(*plan.Exposure) bool) []*plan.Mount {
	var mounts []*plan.Mount
	for _, m := range s.listener.Mounts {
		if m.Main && m.Exposure.Kind == plan.REST && wanted(m.Exposure) {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

func newAPIEntry(m *plan.Mount) apiEntry {
	x := m.Exposure
	e := apiEntry{Namespace: x.Namespace, Description: x.Description, URL: m.Path, OpenAPI: m.Path + "/" + openAPIName, Routes: make([]routeEntry, 0, len(x.Routes))}
	if u := x.Unit; u != nil {
		e.ID, e.Label = u.ID, u.Label
		if e.Description == "" {
			e.Description = u.Description
		}
	}
	for _, r := range x.Routes {
		e.Routes = append(e.Routes, newRouteEntry(r))
	}
	return e
}

func newRouteEntry(r *plan.Route) routeEntry {
	e := routeEntry{Name: r.Name, Method: r.Method, Path: r.Path, Query: queryOf(r.Conditions), Description: r.Description}
	if r.Refusal != nil {
		e.Refused = &refusalEntry{Code: string(r.Refusal.Code), Reason: r.Refusal.Reason}
	}
	return e
}

// queryOf writes conditions as a query, in their order.
func queryOf(conditions []plan.Pair) string {
	pairs := make([]string, len(conditions))
	for i, c := range conditions {
		pairs[i] = url.QueryEscape(c.Name)
		if c.Value != "" {
			pairs[i] += "=" + url.QueryEscape(c.Value)
		}
	}
	return strings.Join(pairs, "&")
}

// serveIndex answers with an index of those mounts whose exposures the caller may call. One
// of which nothing may be seen is refused as its first exposure refuses.
func (s *server) serveIndex(c echo.Context, mounts []*plan.Mount) error {
	index := &apiIndex{APIs: []apiEntry{}}
	for _, m := range mounts {
		if s.shows(c, m.Exposure, len(mounts)) {
			index.APIs = append(index.APIs, newAPIEntry(m))
		}
	}
	if len(mounts) > 0 && len(index.APIs) == 0 {
		s.bound.Gate(mounts[0].Exposure).Refuse(c.Response(), c.Request())
		return nil
	}
	r := c.Request()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotServed(c, allowed([]string{http.MethodGet}))
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(index); err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "private, no-cache") // a reload changes it, and so does who asks
	writeBytes(c.Response(), r, http.StatusOK, "application/json", body.Bytes())
	return nil
}

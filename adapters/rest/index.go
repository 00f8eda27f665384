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

// index lists every exposure of the address.
func (s *site) index() *apiIndex {
	return s.indexWhere(func(*plan.Exposure) bool { return true })
}

// indexOf lists what a mount stands for: the whole document at the document's own address,
// one exposure at an exposure's.
func (s *site) indexOf(m *plan.Mount) *apiIndex {
	unit := m.Exposure.Unit
	if unit != nil && strings.Join(m.Segments, "/") == unit.ID {
		return s.indexWhere(func(x *plan.Exposure) bool { return x.Unit == unit })
	}
	return s.indexWhere(func(x *plan.Exposure) bool { return x == m.Exposure })
}

func (s *site) indexWhere(wanted func(*plan.Exposure) bool) *apiIndex {
	index := &apiIndex{APIs: []apiEntry{}}
	for _, m := range s.listener.Mounts {
		if m.Main && m.Exposure.Kind == plan.REST && wanted(m.Exposure) {
			index.APIs = append(index.APIs, newAPIEntry(m))
		}
	}
	return index
}

func newAPIEntry(m *plan.Mount) apiEntry {
	x := m.Exposure
	e := apiEntry{Namespace: x.Namespace, Description: x.Description, URL: m.Path, Routes: make([]routeEntry, 0, len(x.Routes))}
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

// serveIndex answers with an index.
func (s *server) serveIndex(c echo.Context, index *apiIndex) error {
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
	c.Response().Header().Set("Cache-Control", "no-cache") // a reload changes it
	writeBytes(c.Response(), r, http.StatusOK, "application/json", body.Bytes())
	return nil
}

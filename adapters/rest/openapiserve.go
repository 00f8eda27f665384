package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/labstack/echo/v4"

	"capd/engine/plan"
)

// openAPIName is the path, below the address of an exposure, of its description.
const openAPIName = "openapi.json"

// description is an exposure's OpenAPI document as it is served at one address. It is made when
// it is first asked for.
type description struct {
	made atomic.Pointer[madeDescription]
}

type madeDescription struct {
	body []byte
	etag string
}

func (d *description) of(m *plan.Mount) *madeDescription {
	if made := d.made.Load(); made != nil {
		return made
	}
	body := OpenAPI(m.Exposure, OpenAPIOptions{Server: m.Path})
	sum := sha256.Sum256(body)
	made := &madeDescription{body, `"` + hex.EncodeToString(sum[:12]) + `"`}
	d.made.Store(made) // whoever makes it at the same time makes the same
	return made
}

// isDescription reports whether a request below a mount is for the exposure's description. A
// route that is declared at that very path comes first; one with a placeholder there does not,
// where the description can be asked for at all.
func (m *mounted) isDescription(method string, rest []string, found *match) bool {
	if len(rest) != 1 || rest[0] != openAPIName {
		return false
	}
	if method != http.MethodGet && method != http.MethodHead {
		return found.isNone()
	}
	n := m.table.get().root.behind(openAPIName)
	return n == nil || !slices.ContainsFunc(n.routes, func(e entry) bool {
		return e.route.Method == http.MethodGet || e.route.Method == method || e.route.Method == plan.AnyMethod
	})
}

// serveDescription answers with the description of a mount.
func (s *server) serveDescription(c echo.Context, m *mounted) error {
	r, h := c.Request(), c.Response().Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotServed(c, allowed([]string{http.MethodGet}))
	}
	made := m.description.of(m.mount)
	h.Set("ETag", made.etag)
	h.Set("Cache-Control", "private, no-cache") // a reload changes it
	if matches(r.Header.Values("If-None-Match"), made.etag) {
		c.Response().WriteHeader(http.StatusNotModified)
		return nil
	}
	writeBytes(c.Response(), r, http.StatusOK, "application/json", made.body)
	return nil
}

// matches reports whether a condition names the tag (RFC 9110 13.1.2).
func matches(conditions []string, etag string) bool {
	for _, t := range strings.Split(strings.Join(conditions, ","), ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == etag || t == "*" {
			return true
		}
	}
	return false
}

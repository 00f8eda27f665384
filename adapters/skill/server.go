package skill

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// server answers at one address.
type server struct {
	opts  Options
	bound *plan.Bound // has the gates
	site  *site
}

// allow lists the methods there are, everywhere.
const allow = "GET, HEAD, OPTIONS"

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ctx := r.Context(); plan.RequestID(ctx) == "" {
		r = r.WithContext(plan.WithRequestID(ctx, plan.NewRequestID()))
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := s.serve(w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) (err error) {
	segments, ok := pathSegments(r.URL)
	if !ok || segments[0] != plan.Skill.Prefix() {
		return errNotFound()
	}
	segments, slash := trimSlash(segments[1:])
	if len(segments) == 0 {
		return s.serveIndex(w, r)
	}
	at := s.site.find(segments)
	if at.catalogue != nil {
		if gate := s.bound.Gate(at.exposure); gate != nil {
			in := gate.Admit(r)
			if in == nil {
				ended := s.bound.Begin(r.Context(), at.exposure, "")
				ended(0, plan.Errorf(gate.Refuse(w, r), "not let in"))
				return nil
			}
			r = in
		}
		name := ""
		if at.skill != nil {
			name = at.skill.Name
		}
		ended := s.bound.Begin(r.Context(), at.exposure, name)
		defer func() { ended(http.StatusOK, err) }()
	}
	if done, err := otherMethod(w, r); done || err != nil {
		return err
	}
	for _, segment := range at.rest {
		if !plan.IsSkillSegment(segment) {
			return plan.Errorf(plan.CodeInvalidInput, "the path is not valid: its parts have letters, digits, dots, hyphens and underscores")
		}
	}
	switch {
	case at.skill != nil && at.both:
		return writeJSON(w, r, at.skill.both)
	case at.skill != nil:
		return s.serveSkill(w, r, at.skill, at.rest, slash)
	case at.catalogue != nil && len(at.rest) == 0:
		return writeJSON(w, r, at.body)
	}
	return errNotFound()
}

// otherMethod answers OPTIONS, and refuses every other method that reads nothing. It reports
// false for those that read.
func otherMethod(w http.ResponseWriter, r *http.Request) (done bool, err error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return false, nil
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
		return true, nil
	}
	w.Header().Set("Allow", allow)
	return true, plan.Errorf(plan.CodeMethodNotAllowed, "skills are served for %s only", allow)
}

// serveIndex lists the skills of the address that the caller may see. Where that is none, it
// is refused as the first exposure refuses.
func (s *server) serveIndex(w http.ResponseWriter, r *http.Request) error {
	hidden := map[*plan.Exposure]bool{}
	var first plan.Gate
	for _, c := range s.site.catalogues {
		if gate := s.bound.Gate(c.exposure); !plan.Shows(gate, r, len(s.site.catalogues)) {
			hidden[c.exposure] = true
			if first == nil {
				first = gate
			}
		}
	}
	if first != nil && len(hidden) == len(s.site.catalogues) {
		first.Refuse(w, r)
		return nil
	}
	if done, err := otherMethod(w, r); done || err != nil {
		return err
	}
	body := s.site.index
	if len(hidden) > 0 {
		var err error
		if body, err = newIndex(s.site.listener, hidden); err != nil {
			return err
		}
	}
	return writeJSON(w, r, body)
}

// serveSkill answers for a path behind the name of a skill. slash says that the path ends with
// one, which no file does.
func (s *server) serveSkill(w http.ResponseWriter, r *http.Request, of *skill, rest []string, slash bool) error {
	switch {
	case len(rest) == 0:
		return writeJSON(w, r, of.body)
	case rest[0] == "contents" && len(rest) == 1:
		return s.serveContents(w, r, of)
	case rest[0] == "contents" && !slash:
		return serveFile(w, r, of, rest[1:])
	case rest[0] == "download" && len(rest) == 1:
		return s.serveDownload(w, r, of)
	}
	return errNotFound()
}

// trimSlash takes the empty segment off that a slash at the end leaves.
func trimSlash(segments []string) ([]string, bool) {
	if n := len(segments); n > 0 && segments[n-1] == "" {
		return segments[:n-1], true
	}
	return segments, false
}

// pathSegments gives the decoded segments of a URL's path. The path is cut before it is decoded,
// so that an escaped slash stays inside its segment.
func pathSegments(u *url.URL) ([]string, bool) {
	path, ok := strings.CutPrefix(u.EscapedPath(), "/")
	if !ok {
		return nil, false
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = decoded
	}
	return segments, true
}

// cacheControl keeps answers to one caller, and asks for each again.
const cacheControl = "private, no-cache"

func writeJSON(w http.ResponseWriter, r *http.Request, body []byte) error {
	w.Header().Set("Cache-Control", cacheControl) // a reload changes it, and so does who asks
	write(w, r, http.StatusOK, "application/json", body)
	return nil
}

func write(w http.ResponseWriter, r *http.Request, status int, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}

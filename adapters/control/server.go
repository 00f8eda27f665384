package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"capd/engine/plan"
)

// DefaultMaxText bounds a text to validate when nothing else is said.
const DefaultMaxText = 4 << 20

// ErrBusy is what Validate gives while it works on another text.
var ErrBusy = errors.New("another text is being validated")

// ServerOptions are what a [Server] tells and does. Facts, Config and Routes must be given;
// what else is nil is not there to be asked for.
type ServerOptions struct {
	// Build says which capd this is, Started since when it runs.
	Build   Build
	Started time.Time
	// Facts, Config and Routes are asked on every request that needs them.
	Facts  func() Facts
	Config func() Config
	Routes func() []Route
	// Reload reads everything again.
	Reload Reloader
	// Validate gives the findings in a text, as the command validate writes them in JSON,
	// and whether they fail. It may fail with [ErrBusy].
	Validate func(ctx context.Context, name string, text []byte) (findings json.RawMessage, failed bool, err error)
	// MaxText bounds a text to validate, in bytes; zero means DefaultMaxText.
	MaxText int64
	// Level is how important a log record must be.
	Level *slog.LevelVar
	// Log gives the log to those who follow it.
	Log *Log
	// Token gives what callers must show for everything but health; nil for nothing.
	Token func() plan.Secret
	// Attempts counts wrong tokens; nil: any number may be tried.
	Attempts Attempts
	// HealthOnly answers for nothing but health: others than this machine reach the address,
	// and there is no token.
	HealthOnly bool
	// Handlers are more endpoints, by path: metrics and traces.
	Handlers map[string]http.Handler
	// Logger is told of reloads and changes that were asked for; nil discards it.
	Logger *slog.Logger
}

// Attempts counts wrong tokens by the caller of a context, and says how long nothing is looked at
// that a caller shows.
type Attempts interface {
	Wait(context.Context) time.Duration
	Came(context.Context)
	Failed(ctx context.Context, credential string)
}

// Server answers for the whole process. It is an [http.Handler], safe for concurrent use.
type Server struct {
	ServerOptions
	endpoints map[string]http.Handler
	open      map[string]bool
	strangers strangers
}

// strangers counts callers without the token, and tells of them now and then: who tries tokens
// is to be seen, and must not fill the log.
type strangers struct {
	mu    sync.Mutex
	count int
	told  time.Time
}

// tellEvery is how often the log is told of them.
const tellEvery = 10 * time.Second

// came counts one, and gives how many there were since the last time it gave a number.
func (s *strangers) came(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if now.Sub(s.told) < tellEvery {
		return 0
	}
	n := s.count
	s.count, s.told = 0, now
	return n
}

// NewServer makes a server of options.
func NewServer(o ServerOptions) *Server {
	if o.MaxText == 0 {
		o.MaxText = DefaultMaxText
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{ServerOptions: o, endpoints: map[string]http.Handler{}, open: map[string]bool{}}
	add := func(path, method string, serve http.HandlerFunc) {
		if s.endpoints[path] == nil {
			s.endpoints[path] = &endpoint{methods: map[string]http.HandlerFunc{}}
		}
		s.endpoints[path].(*endpoint).methods[method] = serve
	}
	add("/health/live", http.MethodGet, live)
	add("/health/ready", http.MethodGet, s.ready)
	s.open["/health/live"], s.open["/health/ready"] = true, true
	add("/status", http.MethodGet, s.status)
	add("/config", http.MethodGet, func(w http.ResponseWriter, r *http.Request) { answer(w, r, http.StatusOK, s.Config()) })
	add("/routes", http.MethodGet, s.routes)
	if o.Reload != nil {
		add("/reload", http.MethodPost, s.reload)
	}
	if o.Validate != nil {
		add("/validate", http.MethodPost, s.validate)
	}
	if o.Level != nil {
		add("/logs/level", http.MethodGet, s.level)
		add("/logs/level", http.MethodPut, s.setLevel)
	}
	if o.Log != nil && o.Level != nil {
		add("/logs", http.MethodGet, s.serveLog)
	}
	new(profiles).register(add)
	for path, h := range o.Handlers {
		s.endpoints[path] = h
	}
	return s
}

// ServeHTTP answers a request. Who may not ask is not told which paths there are.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mark(w)
	if !s.open[r.URL.Path] && !s.admit(w, r) {
		return
	}
	if h := s.endpoints[r.URL.Path]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	notFound(w, r)
}

// admit reports whether a caller may ask for more than health; else it has answered.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) bool {
	if s.HealthOnly {
		fail(w, r, http.StatusForbidden, plan.Errorf(plan.CodeForbidden, "only health is served to other machines without a token; --control-token-file names one"))
		return false
	}
	known, wait := s.knows(r)
	if known {
		return true
	}
	if n := s.strangers.came(time.Now()); n > 0 {
		s.Logger.LogAttrs(r.Context(), slog.LevelWarn, "the control address was asked without its token",
			slog.Int("requests", n), slog.String("request_id", plan.RequestID(r.Context())))
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		fail(w, r, http.StatusTooManyRequests, plan.Errorf(plan.CodeRateLimited, "too many wrong tokens came from this address"))
		return false
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="capd control"`)
	fail(w, r, http.StatusUnauthorized, plan.Errorf(plan.CodeUnauthorized, "the control address wants its token"))
	return false
}

// knows reports whether a request shows the token, and else how long nothing is looked at that its
// caller shows; 0 for not at all.
func (s *Server) knows(r *http.Request) (known bool, wait time.Duration) {
	switch {
	case s.HealthOnly:
		return false, 0
	case s.Token == nil:
		return true, 0
	case s.Attempts == nil || len(r.Header["Authorization"]) == 0:
		return s.isToken(r), 0
	}
	ctx := r.Context()
	if wait := s.Attempts.Wait(ctx); wait > 0 {
		return false, wait
	}
	if s.isToken(r) {
		s.Attempts.Came(ctx)
		return true, 0
	}
	s.Attempts.Failed(ctx, strings.Join(r.Header["Authorization"], "\x00"))
	return false, 0
}

// isToken reports whether a request shows the token, in a time that tells nothing of it.
func (s *Server) isToken(r *http.Request) bool {
	want := s.Token()
	values := r.Header["Authorization"]
	if len(values) != 1 || want.IsEmpty() {
		return false
	}
	scheme, shown, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	a, b := sha256.Sum256([]byte(strings.TrimSpace(shown))), sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// readiness is the answer of /health/ready. Which documents are not as they should be is told
// to those only who may ask for more than health.
type readiness struct {
	Status    string    `json:"status"`
	Reason    string    `json:"reason,omitempty"` // starting, stopping, nothing-served
	Serial    uint64    `json:"serial"`
	Store     string    `json:"store,omitempty"` // down
	Documents Counts    `json:"documents"`
	Stale     []trouble `json:"stale,omitempty"`
	Refused   []trouble `json:"refused,omitempty"`
}

// trouble is a document that is not served as its file stands.
type trouble struct {
	ID    string     `json:"id"`
	Since *time.Time `json:"since,omitempty"`
	Codes []string   `json:"codes,omitempty"`
}

// ready says whether calls should be sent here. A document that is refused or stale makes the
// answer say so, and does not take the good ones out of service.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	facts := s.Facts()
	out := readiness{Status: statusUp, Serial: facts.Serial, Documents: facts.Counts}
	if known, _ := s.knows(r); known {
		for _, d := range facts.documents() {
			switch d.State {
			case StateStale:
				out.Stale = append(out.Stale, trouble{d.ID, d.Since, d.Codes})
			case StateRefused:
				out.Refused = append(out.Refused, trouble{d.ID, d.Since, d.Codes})
			}
		}
	}
	status := http.StatusOK
	switch n := out.Documents; {
	case facts.Phase != Serving:
		status, out.Status, out.Reason = http.StatusServiceUnavailable, statusDown, facts.Phase.String()
	case n.Served+n.Stale == 0:
		status, out.Status, out.Reason = http.StatusServiceUnavailable, statusDown, "nothing-served"
	case n.Stale+n.Refused > 0:
		out.Status = statusDegraded
	}
	if facts.Store != nil && facts.Store.State != StoreUp {
		out.Store = facts.Store.State
		if status == http.StatusOK {
			out.Status = statusDegraded // each replica goes on by itself, which is better than none
		}
	}
	answer(w, r, status, out)
}

// status tells what is served.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	facts := s.Facts()
	listeners, documents := facts.Listeners, facts.documents()
	if listeners == nil {
		listeners = []Listener{}
	}
	if documents == nil {
		documents = []Document{}
	}
	answer(w, r, http.StatusOK, struct {
		Phase   Phase     `json:"phase"`
		Engine  Build     `json:"engine"`
		Started time.Time `json:"started"`
		Uptime  string    `json:"uptime"`
		Serial  uint64    `json:"serial"`
		Counts  Counts    `json:"counts"`
		Store   *Store    `json:"store,omitempty"`
		Policy  *Policy   `json:"policy,omitempty"`

		LastReload *LastReload  `json:"lastReload,omitempty"`
		Watch      string       `json:"watch,omitempty"`
		Lost       Lost         `json:"lost"`
		State      *StateFolder `json:"stateFolder,omitempty"`

		Breakers  []Breaker  `json:"breakers,omitempty"`
		Listeners []Listener `json:"listeners"`
		Documents []Document `json:"documents"`
	}{
		facts.Phase, s.Build, s.Started.UTC().Truncate(time.Second), isoDuration(time.Since(s.Started)),
		facts.Serial, facts.Counts, facts.Store, facts.Policy,
		facts.LastReload, facts.Watch, facts.Lost, facts.State, facts.Breakers, listeners, documents,
	})
}

func (s *Server) routes(w http.ResponseWriter, r *http.Request) {
	routes := s.Routes()
	if routes == nil {
		routes = []Route{}
	}
	answer(w, r, http.StatusOK, struct {
		Routes []Route `json:"routes"`
	}{routes})
}

// reloading is the answer of /reload.
type reloading struct {
	Status      string          `json:"status"` // reloaded or failed
	Serial      uint64          `json:"serial"`
	Summary     string          `json:"summary,omitempty"`
	Error       string          `json:"error,omitempty"`
	Documents   Counts          `json:"documents"`
	Diagnostics json.RawMessage `json:"diagnostics,omitempty"`
}

// reload reads everything again. What failed is 409: what was served before is served still.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if facts := s.Facts(); facts.Phase != Serving {
		notServing(w, r, facts.Phase)
		return
	}
	s.Logger.LogAttrs(r.Context(), slog.LevelInfo, "a reload was asked for", slog.String("request_id", plan.RequestID(r.Context())))
	done, err := s.Reload(r.Context())
	facts := s.Facts()
	out := reloading{Status: "reloaded", Serial: facts.Serial, Summary: done.Summary, Documents: facts.Counts, Diagnostics: done.Findings}
	if err == nil {
		answer(w, r, http.StatusOK, out)
		return
	}
	if facts.Phase == Stopping {
		notServing(w, r, facts.Phase)
		return
	}
	out.Status, out.Error = "failed", err.Error()
	answer(w, r, http.StatusConflict, out)
}

func notServing(w http.ResponseWriter, r *http.Request, p Phase) {
	w.Header().Set("Retry-After", "1")
	fail(w, r, http.StatusServiceUnavailable, plan.Errorf(plan.CodeRefused, "capd is %s", p))
}

// validate checks the text of a document.
func (s *Server) validate(w http.ResponseWriter, r *http.Request) {
	serveValidate(w, r, s.MaxText, s.Validate)
}

// serveValidate checks the text in a request's body. The query may name its file.
func serveValidate(w http.ResponseWriter, r *http.Request, limit int64, validate func(context.Context, string, []byte) (json.RawMessage, bool, error)) {
	text, e := readBody(r, limit)
	if e != nil {
		failBody(w, r, e)
		return
	}
	found, failed, err := validate(r.Context(), r.URL.Query().Get("name"), text)
	switch {
	case errors.Is(err, ErrBusy):
		w.Header().Set("Retry-After", "1")
		fail(w, r, http.StatusTooManyRequests, plan.Errorf(plan.CodeRefused, "%v", ErrBusy))
	case err != nil:
		fail(w, r, http.StatusBadRequest, plan.Errorf(plan.CodeInvalidInput, "the text could not be validated"))
	case failed:
		answer(w, r, http.StatusUnprocessableEntity, found)
	default:
		answer(w, r, http.StatusOK, found)
	}
}

// logLevel is what /logs/level gives and takes.
type logLevel struct {
	Level string `json:"level"`
}

func (s *Server) level(w http.ResponseWriter, r *http.Request) {
	answer(w, r, http.StatusOK, logLevel{strings.ToLower(s.Level.Level().String())})
}

// setLevel takes {"level":"debug"}, or the word alone.
func (s *Server) setLevel(w http.ResponseWriter, r *http.Request) {
	body, e := readBody(r, 1<<10)
	if e != nil {
		failBody(w, r, e)
		return
	}
	word := strings.TrimSpace(string(body))
	var asked logLevel
	if json.Unmarshal(body, &asked) == nil {
		word = asked.Level
	}
	level, ok := levelOf(word)
	if !ok {
		failLevel(w, r)
		return
	}
	s.Level.Set(level)
	s.Logger.LogAttrs(r.Context(), slog.LevelWarn, "the log level was changed",
		slog.String("level", strings.ToLower(word)), slog.String("request_id", plan.RequestID(r.Context())))
	s.level(w, r)
}

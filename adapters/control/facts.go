package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Phase is what the process is doing.
type Phase uint8

// The phases of a process.
const (
	Starting Phase = iota // nothing was served yet
	Serving
	Stopping
)

// String gives the lower-case word for the phase.
func (p Phase) String() string {
	switch p {
	case Starting:
		return "starting"
	case Serving:
		return "serving"
	}
	return "stopping"
}

// MarshalText gives the word of [Phase.String].
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// The states of a document.
const (
	StateServed  = "served"  // as its file stands
	StateStale   = "stale"   // its last good state, its file has errors now
	StateRefused = "refused" // nothing of it
)

// Document is one document and what became of it.
type Document struct {
	ID       string     `json:"id"`
	File     string     `json:"file"`
	Label    string     `json:"label,omitempty"`
	State    string     `json:"state"`
	Hash     string     `json:"hash,omitempty"`  // SHA-256 of the file, and of those it reads
	Since    *time.Time `json:"since,omitempty"` // of what is stale
	Kept     bool       `json:"kept,omitempty"`  // what is served comes from the state folder
	Codes    []string   `json:"codes,omitempty"` // of its errors, each once
	Adapters []Endpoint `json:"adapters,omitempty"`
}

// Endpoint is one adapter of a document.
type Endpoint struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	URL       string `json:"url,omitempty"` // empty while nothing listens there
	Has       string `json:"has,omitempty"` // such as "3 routes"
}

// Listener is an address as declared and as the system gave it.
type Listener struct {
	Declared string `json:"declared"`
	Actual   string `json:"actual,omitempty"`
	Error    string `json:"error,omitempty"`
}

// The states of a store.
const (
	StoreUp   = "up"
	StoreDown = "down" // each replica goes on by itself
)

// Store is what replicas share.
type Store struct {
	Kind    string    `json:"kind"`
	Address string    `json:"address"` // without credentials
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	Error   string    `json:"error,omitempty"`
}

// Breaker is that of an upstream which is left alone, since it failed too often.
type Breaker struct {
	Document string `json:"document"`
	API      string `json:"api"`
	Host     string `json:"host"`
	State    string `json:"state"` // open, or half-open while one request tries
}

// Facts are what the process says of itself at one moment.
type Facts struct {
	Phase     Phase
	Serial    uint64 // of what is served; counts the reloads that succeeded
	Listeners []Listener
	Counts    Counts
	Documents func() []Document // those that are no capability left out; nil: none
	Store     *Store            // nil: nothing is shared
	// Breakers are those of upstreams that are left alone, or tried again.
	Breakers []Breaker
	// LastReload is the last one, or the start; nil before it.
	LastReload *LastReload
	// Watch says how changed files are noticed: events, poll or off.
	Watch string
	// Lost are records of calls that found no place.
	Lost Lost
	// Policy is what documents are judged by; nil: nothing.
	Policy *Policy
	// State is the folder of last good forms; nil without one.
	State *StateFolder
}

// Policy is the policy file. A stale one is the last that was good: the file cannot be used as it
// stands.
type Policy struct {
	File  string `json:"file"`
	Hash  string `json:"hash"`
	Stale bool   `json:"stale"`
}

// LastReload is how a reload ended. One that failed left everything as it was.
type LastReload struct {
	At     time.Time `json:"at"`
	Took   string    `json:"took"`
	Result string    `json:"result"` // ok or failed
	Error  string    `json:"error,omitempty"`
	// Succeeded is when one last did.
	Succeeded *time.Time `json:"succeeded,omitempty"`
}

// Lost counts what could not be told of calls since the start.
type Lost struct {
	AuditLines int64 `json:"auditLines"`
	Spans      int64 `json:"spans"`
}

// StateFolder tells of the folder of last good forms.
type StateFolder struct {
	Folder  string `json:"folder"`
	Forms   int    `json:"forms"`
	Bytes   int64  `json:"bytes"`
	Unsaved int    `json:"unsaved"` // documents whose last good form is not kept
	Error   string `json:"error,omitempty"`
}

// Build says which capd this is.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Option is one setting in effect. What could be a credential in a value is masked.
type Option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Set   bool   `json:"set"` // by the operator
}

// Config is how the process was set up.
type Config struct {
	Paths   []string `json:"paths"`
	Options []Option `json:"options"`
}

// Route is one thing that can be called.
type Route struct {
	Document  string   `json:"document"`
	Kind      string   `json:"kind"`           // of the adapter
	Type      string   `json:"type,omitempty"` // resource or prompt, of an MCP adapter
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Method    string   `json:"method,omitempty"`
	Path      string   `json:"path,omitempty"`
	Addresses []string `json:"addresses"`
	Calls     string   `json:"calls,omitempty"`
	Refused   string   `json:"refused,omitempty"` // code
}

// Reloaded is what a reload came to.
type Reloaded struct {
	// Summary says what changed in a few words.
	Summary string
	// Findings are all problems of what is served now, as validate writes them in JSON; of
	// the reload that failed, what it failed for. Nil: none are known.
	Findings json.RawMessage
}

// Reloader reads everything again. An error says that everything is as it was.
type Reloader func(context.Context) (Reloaded, error)

// Counts are how many documents are in each state.
type Counts struct {
	Served  int `json:"served"`
	Stale   int `json:"stale"`
	Refused int `json:"refused"`
}

func (f *Facts) documents() []Document {
	if f.Documents == nil {
		return nil
	}
	return f.Documents()
}

// isoDuration writes a duration in whole seconds as ISO 8601 does: PT1H2M3S.
func isoDuration(d time.Duration) string {
	var b strings.Builder
	b.WriteString("PT")
	s := int64(d / time.Second)
	if h := s / 3600; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := s / 60 % 60; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	if s%60 > 0 || s < 60 {
		fmt.Fprintf(&b, "%dS", s%60)
	}
	return b.String()
}

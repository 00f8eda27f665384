package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"capd/engine/plan"
)

// Opener opens what audit lines are written to.
type Opener func() (io.WriteCloser, error)

// defaultQueue is how many lines wait to be written: some seconds of a busy instance.
const defaultQueue = 8192

// audit writes a line for each call. Calls never wait for it: what cannot be written in time is
// dropped, counted, and said.
type audit struct {
	open    Opener
	log     *slog.Logger
	queue   chan *line
	again   chan struct{}
	ended   chan struct{}
	closing sync.Once
	stop    chan struct{}

	dropped atomic.Int64 // lines that found no place, or could not be written
}

// line is what a line says, before it is text.
type line struct {
	*plan.Called
	begun   time.Time
	took    time.Duration
	trace   trace.TraceID
	outcome plan.Outcome
	steps   []upstreamCall
	minted  []string
}

func newAudit(open Opener, queue int, log *slog.Logger) (*audit, error) {
	if queue <= 0 {
		queue = defaultQueue
	}
	out, err := open()
	if err != nil {
		return nil, err
	}
	a := &audit{
		open: open, log: log, queue: make(chan *line, queue),
		again: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go a.write(out)
	return a, nil
}

// add leaves a line to be written.
func (a *audit) add(l *line) {
	select {
	case a.queue <- l:
	default:
		a.dropped.Add(1)
	}
}

// reopen has the lines that come go to what is opened anew.
func (a *audit) reopen() {
	select {
	case a.again <- struct{}{}:
	default: // it is asked for already
	}
}

// close writes what is left. One that is stuck in a write is left behind.
func (a *audit) close(ctx context.Context) error {
	a.closing.Do(func() { close(a.stop) })
	select {
	case <-a.ended:
		return nil
	case <-ctx.Done():
		return errors.New("the audit log takes no more lines")
	}
}

// write is the only one who writes.
func (a *audit) write(out io.WriteCloser) {
	defer close(a.ended)
	s := &sink{out: out}
	w := &auditWriter{audit: a, sink: s, to: slog.NewJSONHandler(s, nil)}
	defer func() { _ = s.out.Close() }()
	for {
		select {
		case l := <-a.queue:
			w.line(l)
		case <-a.again:
			w.reopen()
		case <-a.stop:
			for {
				select {
				case l := <-a.queue:
					w.line(l)
				default:
					w.sayDropped()
					return
				}
			}
		}
	}
}

// auditWriter turns lines into text.
type auditWriter struct {
	*audit
	sink    *sink
	to      slog.Handler
	failing bool  // the last write failed
	said    int64 // of dropped, how many are written
}

func (w *auditWriter) line(l *line) {
	w.sayDropped()
	if !w.put(l.record()) {
		w.dropped.Add(1)
	}
}

// sayDropped writes how many lines are missing here.
func (w *auditWriter) sayDropped() {
	n := w.dropped.Load()
	if n == w.said {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "audit lines dropped", 0)
	r.AddAttrs(slog.Int64("lines", n-w.said))
	if w.put(r) {
		w.said = n
	}
}

// put writes a record. The log is told when writing begins to fail, and when it works again.
func (w *auditWriter) put(r slog.Record) bool {
	err := w.to.Handle(context.Background(), r)
	switch {
	case err != nil && !w.failing:
		w.log.Error("the audit log cannot be written, lines are dropped", "error", err)
	case err == nil && w.failing:
		w.log.Info("the audit log can be written again", "dropped", w.dropped.Load())
	}
	w.failing = err != nil
	return err == nil
}

func (w *auditWriter) reopen() {
	out, err := w.open()
	if err != nil {
		w.log.Error("the audit log cannot be opened again, lines go where they went", "error", err)
		return
	}
	_ = w.sink.out.Close() // what could not be written was said
	w.sink.out, w.sink.torn = out, false
}

// sink writes whole lines. What follows a line that was cut, because a disk was full, begins
// on a new one.
type sink struct {
	out  io.WriteCloser
	torn bool
}

func (s *sink) Write(p []byte) (int, error) {
	if s.torn {
		if _, err := s.out.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		s.torn = false
	}
	n, err := s.out.Write(p)
	if n > 0 && n < len(p) {
		s.torn = true
		if err == nil {
			err = io.ErrShortWrite
		}
	}
	return n, err
}

// record gives the line as a record, which has names, codes, times and identifiers only.
func (l *line) record() slog.Record {
	r := slog.NewRecord(l.begun, slog.LevelInfo, "call", 0)
	if c := l.Caller; c != nil {
		r.AddAttrs(caller(c))
	}
	if x := l.Exposure; x != nil {
		r.AddAttrs(slog.String("wire", string(x.Kind)), slog.String("document", x.Unit.ID), slog.String("adapter", x.Namespace))
	}
	if l.Name != "" {
		r.AddAttrs(slog.String("operation", l.Name))
	}
	switch o := &l.outcome; {
	case o.Err != nil:
		r.AddAttrs(slog.String("code", o.Err.Code.String()))
		if o.Err.UpstreamStatus != 0 {
			r.AddAttrs(slog.Int("status", o.Err.UpstreamStatus))
		}
		if o.Err.Step != "" {
			r.AddAttrs(slog.String("step", o.Err.Step))
		}
	case o.Asks:
		r.AddAttrs(slog.Bool("asks", true))
	default:
		r.AddAttrs(slog.Int("status", o.Status))
		if o.IsError {
			r.AddAttrs(slog.Bool("is_error", true))
		}
	}
	r.AddAttrs(slog.Float64("duration_ms", milliseconds(l.took)))
	if l.Caller != nil && l.Caller.RequestID != "" {
		r.AddAttrs(slog.String("request_id", l.Caller.RequestID))
	}
	if l.trace.IsValid() {
		r.AddAttrs(slog.String("trace_id", l.trace.String()))
	}
	if len(l.steps) > 0 {
		r.AddAttrs(slog.Any("upstream", upstreamEntries(l.steps)))
	}
	if len(l.minted) > 0 {
		r.AddAttrs(slog.Any("token_issued_for_caller", l.minted))
	}
	return r
}

// caller says who calls.
func caller(c *plan.Caller) slog.Attr {
	var who []any
	add := func(name, value string) {
		if value != "" {
			who = append(who, slog.String(name, value))
		}
	}
	if c.Local {
		who = append(who, slog.Bool("local", true))
	}
	add("scheme", string(c.Scheme))
	add("subject", c.Subject)
	add("client_id", c.ClientID)
	add("issuer", c.Issuer)
	if c.Address.IsValid() {
		add("address", c.Address.String())
	}
	return slog.Group("caller", who...)
}

// upstreamEntry is a request of a call as a line has it.
type upstreamEntry struct {
	Step       string  `json:"step,omitempty"`
	Call       string  `json:"call"`
	Method     string  `json:"method"`
	Host       string  `json:"host"`
	Status     int     `json:"status,omitempty"`
	Code       string  `json:"code,omitempty"`
	Attempts   int     `json:"attempts,omitempty"`
	DurationMS float64 `json:"duration_ms"`
}

func upstreamEntries(steps []upstreamCall) []upstreamEntry {
	out := make([]upstreamEntry, len(steps))
	for i, u := range steps {
		out[i] = upstreamEntry{u.step, u.call, u.method, u.host, u.status, u.code, u.tries, milliseconds(u.took)}
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"capd/engine/plan"
)

// The bounds of those who follow the log.
const (
	// maxFollowers may follow at once.
	maxFollowers = 8
	// followQueue and followBytes are how much waits for one that reads slowly, before lines are
	// left out.
	followQueue = 512
	followBytes = 256 << 10
	// followLine is the longest line; what is longer is left out.
	followLine = 64 << 10
	// followPatience is how long one may take nothing at all.
	followPatience = 10 * time.Second
	// followIdle is how long the stream says nothing before it says that it is there.
	followIdle = 15 * time.Second
)

// nobodyWants is a level that no record has.
const nobodyWants = slog.Level(math.MaxInt32)

// Log gives the log of the process to those who follow it over HTTP. Its zero value is ready to
// use. While nobody follows it costs next to nothing.
type Log struct {
	level atomic.Int64 // how far the least that a follower wants is below nobodyWants

	encoding sync.Mutex // guards line
	line     bytes.Buffer

	mu        sync.Mutex
	followers map[*follower]bool
	closed    bool
}

// follower is one who follows. Lines wait in its queue.
type follower struct {
	level slog.Level
	lines chan []byte

	mu      sync.Mutex
	bytes   int
	dropped int
	end     chan struct{} // closed when nothing more comes
}

// Handler gives a handler for the process's logger that lets others follow what it is told.
// Followers may want more than base writes.
func (l *Log) Handler(base slog.Handler) slog.Handler {
	all := slog.NewJSONHandler(&l.line, &slog.HandlerOptions{Level: slog.Level(math.MinInt32)})
	return &teeHandler{log: l, base: base, line: all}
}

// teeHandler is a handler of two: the base, and one that writes lines for followers.
type teeHandler struct {
	log        *Log
	base, line slog.Handler
}

func (t *teeHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return t.base.Enabled(ctx, level) || t.log.wants(level)
}

func (t *teeHandler) Handle(ctx context.Context, r slog.Record) error {
	if t.log.wants(r.Level) {
		t.log.publish(ctx, t.line, r)
	}
	if t.base.Enabled(ctx, r.Level) {
		return t.base.Handle(ctx, r)
	}
	return nil
}

func (t *teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &teeHandler{t.log, t.base.WithAttrs(attrs), t.line.WithAttrs(attrs)}
}

func (t *teeHandler) WithGroup(name string) slog.Handler {
	return &teeHandler{t.log, t.base.WithGroup(name), t.line.WithGroup(name)}
}

// wants reports whether somebody follows records of a level.
func (l *Log) wants(level slog.Level) bool { return int64(level) >= int64(nobodyWants)-l.level.Load() }

// publish gives a record to those who want it. It never waits for one of them.
func (l *Log) publish(ctx context.Context, to slog.Handler, r slog.Record) {
	l.encoding.Lock()
	l.line.Reset()
	err := to.Handle(ctx, r)
	line := bytes.Clone(l.line.Bytes())
	if l.line.Cap() > followLine {
		l.line = bytes.Buffer{}
	}
	l.encoding.Unlock()
	if err != nil {
		return // of a buffer there is none
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.followers {
		if r.Level >= f.level {
			f.take(line)
		}
	}
}

// take queues a line, or counts it as left out.
func (f *follower) take(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(line) > followLine || f.bytes+len(line) > followBytes {
		f.dropped++
		return
	}
	select {
	case f.lines <- line:
		f.bytes += len(line)
	default:
		f.dropped++
	}
}

// taken counts a line as written, and gives how many were left out since the last time.
func (f *follower) taken(line []byte) (dropped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes -= len(line)
	dropped, f.dropped = f.dropped, 0
	return dropped
}

// follow adds a follower; nil when there are enough, or nothing more comes.
func (l *Log) follow(level slog.Level) *follower {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.followers) >= maxFollowers {
		return nil
	}
	f := &follower{level: level, lines: make(chan []byte, followQueue), end: make(chan struct{})}
	if l.followers == nil {
		l.followers = map[*follower]bool{}
	}
	l.followers[f] = true
	l.least()
	return f
}

func (l *Log) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.followers, f)
	l.least()
}

// least finds the level that the followers want. It is called under the lock.
func (l *Log) least() {
	least := nobodyWants
	for f := range l.followers {
		least = min(least, f.level)
	}
	l.level.Store(int64(nobodyWants) - int64(least))
}

// Close ends all streams, after what is in their queues.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for f := range l.followers {
		close(f.end)
	}
}

// serveLog streams the log as lines of JSON until the caller leaves or capd stops. The query may
// name the least level; without it, it is the log's own.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request) {
	level := s.Level.Level()
	if word := r.URL.Query().Get("level"); word != "" {
		var ok bool
		if level, ok = levelOf(word); !ok {
			failLevel(w, r)
			return
		}
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", ndjson)
		return
	}
	f := s.Log.follow(level)
	if f == nil {
		w.Header().Set("Retry-After", "5")
		fail(w, r, http.StatusTooManyRequests, plan.Errorf(plan.CodeRefused, "as many follow the log as may: %d", maxFollowers))
		return
	}
	defer s.Log.leave(f)
	w.Header().Set("Content-Type", ndjson)
	w.WriteHeader(http.StatusOK)
	out := &lines{w: w, control: http.NewResponseController(w)}
	if !out.write(nil) {
		return
	}
	f.stream(r.Context(), out)
}

const ndjson = "application/x-ndjson"

// stream writes what comes until there is nobody to write to.
func (f *follower) stream(ctx context.Context, out *lines) {
	idle := time.NewTicker(followIdle)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-f.lines:
			if !f.pass(out, line) {
				return
			}
		case <-f.end:
			for {
				select {
				case line := <-f.lines:
					if !f.pass(out, line) {
						return
					}
				default:
					return
				}
			}
		case <-idle.C:
			if !out.write([]byte("\n")) { // who reads lines of JSON skips an empty one
				return
			}
		}
	}
}

// pass writes a line and, when others had to be left out since the last one, how many.
func (f *follower) pass(out *lines, line []byte) bool {
	dropped := f.taken(line)
	if !out.write(line) {
		return false
	}
	if dropped == 0 {
		return true
	}
	mark, err := json.Marshal(struct {
		Time    time.Time `json:"time"`
		Level   string    `json:"level"`
		Message string    `json:"msg"`
		Lines   int       `json:"lines"`
	}{time.Now(), slog.LevelWarn.String(), "log lines left out: they were not read in time", dropped})
	return err == nil && out.write(append(mark, '\n'))
}

// lines writes a stream to a caller who must take something of it now and then.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// write reports whether the caller took it.
func (l *lines) write(line []byte) bool {
	_ = l.control.SetWriteDeadline(time.Now().Add(followPatience)) // a writer without deadlines does not stall
	_, err := l.w.Write(line)
	return err == nil && l.control.Flush() == nil
}

// levelOf reads the word for a level.
func levelOf(word string) (slog.Level, bool) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[strings.ToLower(word)]
	return level, ok
}

func failLevel(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusBadRequest, plan.Errorf(plan.CodeInvalidInput, "the level must be debug, info, warn or error"))
}

package control

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"sync"
	"time"

	"capd/engine/plan"
)

// maxProfile is the longest time over which a profile is taken, in seconds.
const maxProfile = 120

// profiles serves what `go tool pprof` reads: where time and memory go, as counts by function. No
// value of a call is in it, and what net/http/pprof has beside, such as the command line, is not
// served. Waits and locks are counted only while somebody asks for them.
type profiles struct{ counting sync.Mutex }

// register adds the endpoints under the path that tools look for.
func (p *profiles) register(add func(path, method string, serve http.HandlerFunc)) {
	const at = "/debug/pprof/"
	add(at+"profile", http.MethodGet, bounded(pprof.Profile))
	for _, name := range []string{"heap", "allocs", "goroutine"} {
		add(at+name, http.MethodGet, bounded(pprof.Handler(name).ServeHTTP))
	}
	add(at+"mutex", http.MethodGet, p.counted("mutex", func(on bool) {
		runtime.SetMutexProfileFraction(map[bool]int{true: 1}[on])
	}))
	add(at+"block", http.MethodGet, p.counted("block", func(on bool) {
		runtime.SetBlockProfileRate(map[bool]int{true: int(10 * time.Microsecond)}[on])
	}))
}

// bounded bounds the time of a profile, and lets the answer take it: as `seconds` of the query says,
// and 30 where it says nothing.
func bounded(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seconds := 30
		if text := r.URL.Query().Get("seconds"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > maxProfile {
				fail(w, r, http.StatusBadRequest, plan.Errorf(plan.CodeInvalidInput, "seconds must be a number from 1 to %d", maxProfile))
				return
			}
			seconds = n
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Duration(seconds)*time.Second + time.Minute)) // a writer without deadlines has none to move
		serve(w, r)
	}
}

// counted counts something for the time of a profile, which must be named: without it there is
// nothing to show.
func (p *profiles) counted(name string, count func(on bool)) http.HandlerFunc {
	return bounded(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("seconds") == "" {
			fail(w, r, http.StatusBadRequest, plan.Errorf(plan.CodeInvalidInput, "name the time to look at, such as ?seconds=10"))
			return
		}
		if !p.counting.TryLock() {
			fail(w, r, http.StatusConflict, plan.Errorf(plan.CodeRefused, "such a profile is being taken"))
			return
		}
		defer p.counting.Unlock()
		count(true)
		defer count(false)
		pprof.Handler(name).ServeHTTP(w, r)
	})
}

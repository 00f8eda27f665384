package cache

import (
	"net/http"
	"strings"
	"time"

	"capd/engine/plan"
)

const (
	// keepValidators is how long an answer is kept only to ask whether it is still current.
	keepValidators = time.Hour
	// maxKeep bounds how long anything is kept, whatever an upstream says.
	maxKeep = 24 * time.Hour
)

// usage is what an answer may be used for.
type usage struct {
	directives
	age      time.Duration // RFC 9111 section 4.2.3
	lifetime time.Duration // section 4.2.1
	stale    time.Duration // that it may be used for after that when the upstream fails
	strict   bool          // never after that, whoever wants it
}

// usage gives what the entry may be used for at an instant.
func (e *entry) usage(rule *plan.Caching, now time.Time) usage {
	u := usage{directives: e.directives()}
	date := e.date()
	u.age = max(e.received.Sub(date), seconds(e.get("Age"))+e.received.Sub(e.requested), 0) + max(now.Sub(e.received), 0)
	u.lifetime = e.lifetime(rule, u.directives, date)
	u.strict = u.mustRevalidate || u.noCache || rule.Shared && (u.proxyRevalidate || u.sharedMaxAge.is)
	if u.noCache {
		u.lifetime = 0
	}
	switch {
	case u.strict:
	case u.staleIfError.is:
		u.stale = u.staleIfError.Duration
	default:
		u.stale = rule.Stale
	}
	return u
}

// date gives when the answer was made, as far as it says so.
func (e *entry) date() time.Time {
	if at, err := http.ParseTime(e.get("Date")); err == nil {
		return at
	}
	return e.received
}

// lifetime gives how long the answer is fresh: as it says, or else as the document does.
func (e *entry) lifetime(rule *plan.Caching, d directives, date time.Time) time.Duration {
	switch expires := e.get("Expires"); {
	case rule.Shared && d.sharedMaxAge.is:
		return d.sharedMaxAge.Duration
	case d.maxAge.is:
		return d.maxAge.Duration
	case expires != "":
		// What is no time, such as 0, has passed.
		at, err := http.ParseTime(expires)
		if err != nil {
			return 0
		}
		return max(at.Sub(date), 0)
	case guessable(e.status):
		return rule.TTL
	}
	return 0
}

// saysFreshness reports whether the answer itself says how long it is fresh.
func (e *entry) saysFreshness(rule *plan.Caching, d directives) bool {
	return d.maxAge.is || rule.Shared && d.sharedMaxAge.is || e.get("Expires") != ""
}

// guessable reports whether answers of a status may be kept for a time that they do not say
// (RFC 9110 section 15.1). What is not there may be there soon, so 404 is left out.
func guessable(status int) bool {
	switch status {
	case http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNoContent, http.StatusMultipleChoices,
		http.StatusMovedPermanently, http.StatusPermanentRedirect, http.StatusGone:
		return true
	}
	return false
}

// keepable reports whether answers of a status are kept at all. Parts are not, nor what is a
// matter of the moment: failures, credentials, and too many requests.
func keepable(status int) bool {
	switch status {
	case http.StatusPartialContent, http.StatusNotModified, http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable, http.StatusMisdirectedRequest,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= http.StatusOK && status < http.StatusInternalServerError
}

// keepFor gives how long to keep an answer to a GET; 0 for not at all (RFC 9111 section 3).
func (e *entry) keepFor(rule *plan.Caching, now time.Time) time.Duration {
	u := e.usage(rule, now)
	switch {
	case !keepable(e.status), u.noStore, rule.Shared && u.private:
		return 0
	case !guessable(e.status) && !e.saysFreshness(rule, u.directives):
		return 0
	case e.get("Content-Range") != "", variesByAll(e.header), isEndless(e.header):
		return 0
	}
	left := max(u.lifetime-u.age, 0)
	more := time.Duration(0)
	if left > 0 {
		more = u.stale
	}
	if len(e.validators()) > 0 {
		more = max(more, keepValidators)
	}
	return min(left+more, maxKeep)
}

// variesByAll reports whether no other request can be known to have the same answer.
func variesByAll(header []plan.Field) bool {
	for _, v := range valuesOf(header, "Vary") {
		for name := range strings.SplitSeq(v, ",") {
			if trim(name) == "*" {
				return true
			}
		}
	}
	return false
}

// isEndless reports whether an answer is a stream of events, which has no end to wait for.
func isEndless(header []plan.Field) bool {
	mediaType, _, _ := strings.Cut(valueOf(header, "Content-Type"), ";")
	switch strings.ToLower(trim(mediaType)) {
	case "text/event-stream", "multipart/x-mixed-replace", "application/x-ndjson", "application/stream+json":
		return true
	}
	return false
}

// isFresh reports whether the entry may be used without a word to the upstream, as the request
// wants it.
func (u *usage) isFresh(want *directives) bool {
	if want.noCache || u.noCache || want.maxAge.is && u.age > want.maxAge.Duration {
		return false
	}
	left := u.lifetime - u.age
	if want.minFresh.is && left < want.minFresh.Duration {
		return false
	}
	return left > 0 || want.maxStale.is && !u.strict && -left <= want.maxStale.Duration
}

// mayReplaceFailure reports whether the entry may be given because the upstream fails.
func (u *usage) mayReplaceFailure() bool { return u.age-u.lifetime <= u.stale && !u.strict }

package cache

import (
	"math"
	"strings"
	"time"
)

// directives are what Cache-Control fields say (RFC 9111 section 5.2, RFC 5861). Of what is said
// twice the stricter holds.
type directives struct {
	noStore, noCache, private       bool
	mustRevalidate, proxyRevalidate bool
	onlyIfCached                    bool
	maxAge, sharedMaxAge            span
	minFresh, maxStale              span
	staleIfError                    span
}

// span is a time that may not be said.
type span struct {
	is bool
	time.Duration
}

// maxSpan is what longer times count as, so that sums of them do not overflow.
const maxSpan = time.Duration(math.MaxInt64 / 8)

// parseDirectives reads the values of all Cache-Control fields. What it does not know is left
// out. A number that is none is 0, which is the safe reading of how long something may be used.
func parseDirectives(values []string) directives {
	var d directives
	for _, v := range values {
		for v != "" {
			var name, value string
			name, value, v = cutDirective(v)
			d.add(strings.ToLower(name), value)
		}
	}
	return d
}

func (d *directives) add(name, value string) {
	switch name {
	case "no-store":
		d.noStore = true
	case "no-cache": // with a list of fields too: all of it must be asked for again
		d.noCache = true
	case "private":
		d.private = true
	case "must-revalidate":
		d.mustRevalidate = true
	case "proxy-revalidate":
		d.proxyRevalidate = true
	case "only-if-cached":
		d.onlyIfCached = true
	case "max-age":
		d.maxAge.least(value)
	case "s-maxage":
		d.sharedMaxAge.least(value)
	case "stale-if-error":
		d.staleIfError.least(value)
	case "min-fresh":
		d.minFresh = span{true, max(d.minFresh.Duration, seconds(value))}
	case "max-stale":
		if value == "" {
			d.maxStale = span{true, maxSpan}
			return
		}
		d.maxStale.least(value)
	}
}

func (s *span) least(value string) {
	got := seconds(value)
	if s.is {
		got = min(got, s.Duration)
	}
	*s = span{true, got}
}

// seconds reads a number of seconds; 0 for what is no number.
func seconds(s string) time.Duration {
	if s == "" {
		return 0
	}
	n := time.Duration(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		if n < maxSpan/time.Second/10 {
			n = n*10 + time.Duration(s[i]-'0')
		}
	}
	return n * time.Second
}

// cutDirective cuts the first directive off a list: its name, and what is behind "=", without
// quotation marks.
func cutDirective(s string) (name, value, rest string) {
	end := strings.IndexAny(s, "=,")
	if end < 0 {
		return trim(s), "", ""
	}
	name = trim(s[:end])
	if s[end] == ',' {
		return name, "", s[end+1:]
	}
	s = s[end+1:]
	if strings.HasPrefix(s, `"`) {
		value, s = cutQuoted(s[1:])
	} else if end = strings.IndexByte(s, ','); end < 0 {
		return name, strings.TrimRight(s, " \t"), ""
	} else {
		value = strings.TrimRight(s[:end], " \t")
	}
	_, rest, _ = strings.Cut(s, ",")
	return name, value, rest
}

// cutQuoted reads a quoted string whose first mark is read already. One that does not end is
// the rest.
func cutQuoted(s string) (text, rest string) {
	if end := strings.IndexAny(s, `"\`); end >= 0 && s[end] == '"' {
		return s[:end], s[end+1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

func trim(s string) string { return strings.Trim(s, " \t") }

package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"capd/engine/diag"
	"capd/engine/spec"
)

// resilienceSettings are the settings of one section resilience, in the order in which they
// stand there: of a consumed API, of an operation, or of a policy.
type resilienceSettings []resilienceSetting

// resilienceSetting is one of them, such as retry.max.
type resilienceSetting struct {
	path string // the words to it
	span diag.Span
	set  func(*Resilience)
}

// over gives base with the settings in place of its own, one by one.
func (s resilienceSettings) over(base Resilience) Resilience {
	for i := range s {
		s[i].set(&base)
	}
	return base
}

// span gives where a setting, or one below it, stands.
func (s resilienceSettings) span(path string) diag.Span {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i].path == path || strings.HasPrefix(s[i].path, path+".") {
			return s[i].span
		}
	}
	return diag.Span{}
}

// has reports whether a setting is said.
func (s resilienceSettings) has(path string) bool { return s.span(path) != diag.Span{} }

// resiliencePart is a part of the section with settings of its own.
type resiliencePart struct {
	name string
	// turn turns it on, with its defaults unless it is on, or off.
	turn func(r *Resilience, on bool)
	// short reads another form than a mapping or a boolean; nil: there is none.
	short    func(v *spec.Value) (func(*Resilience), bool)
	example  string
	settings []settingReader
}

// settingReader reads the value of a setting.
type settingReader struct {
	name     string
	expected string
	read     func(v *spec.Value) (func(*Resilience), bool)
}

// The most that can be said. They are far beyond what helps, and keep sums from overflowing.
const (
	maxRetries      = 10
	maxOfRequests   = 1 << 20
	maxResilience   = 24 * time.Hour
	maxRateCount    = 1 << 30
	minRetryStatus  = 400
	maxStatusNumber = 599
)

// resilienceParts gives what can be said.
func resilienceParts() []resiliencePart {
	rate := func(of func(*Resilience) *RateLimit) resiliencePart {
		return resiliencePart{
			turn: func(r *Resilience, on bool) {
				if !on {
					*of(r) = RateLimit{}
				}
			},
			short:   readRate(of),
			example: "100/1m",
			settings: []settingReader{
				wholeSetting("count", 1, maxRateCount, func(r *Resilience) *int { return &of(r).Count }),
				timeSetting("period", func(r *Resilience) *time.Duration { return &of(r).Period }),
				wholeSetting("burst", 1, maxRateCount, func(r *Resilience) *int { return &of(r).Burst }),
				timeSetting("wait", func(r *Resilience) *time.Duration { return &of(r).Wait }),
			},
		}
	}
	upstream, caller := rate(func(r *Resilience) *RateLimit { return &r.Rate }), rate(func(r *Resilience) *RateLimit { return &r.CallerRate })
	upstream.name, caller.name = "rate", "callerRate"
	return []resiliencePart{{
		name: "retry", example: "{max: 2, wait: 100ms}",
		turn: func(r *Resilience, on bool) {
			if on != (r.Retry.Max > 0) {
				r.Retry = Retry{}
				if on {
					r.Retry = defaultRetry()
				}
			}
		},
		settings: []settingReader{
			wholeSetting("max", 0, maxRetries, func(r *Resilience) *int { return &r.Retry.Max }),
			timeSetting("wait", func(r *Resilience) *time.Duration { return &r.Retry.Wait }),
			timeSetting("maxWait", func(r *Resilience) *time.Duration { return &r.Retry.MaxWait }),
			{"statuses", "a list of statuses from 400 to 599", readStatuses},
		},
	}, {
		name: "breaker", example: "{failures: 10, of: 20, window: 20s, open: 5s}",
		turn: func(r *Resilience, on bool) {
			if on != (r.Breaker.Of > 0) {
				r.Breaker = Breaker{}
				if on {
					r.Breaker = defaultBreaker()
				}
			}
		},
		settings: []settingReader{
			wholeSetting("failures", 1, maxOfRequests, func(r *Resilience) *int { return &r.Breaker.Failures }),
			wholeSetting("of", 1, maxOfRequests, func(r *Resilience) *int { return &r.Breaker.Of }),
			timeSetting("window", func(r *Resilience) *time.Duration { return &r.Breaker.Window }),
			timeSetting("open", func(r *Resilience) *time.Duration { return &r.Breaker.Open }),
		},
	}, {
		name: "concurrency", example: "{max: 20, queue: 40, wait: 1s}",
		turn: func(r *Resilience, on bool) {
			if !on {
				r.Concurrency = Concurrency{}
			}
		},
		short: readConcurrency,
		settings: []settingReader{
			wholeSetting("max", 1, maxOfRequests, func(r *Resilience) *int { return &r.Concurrency.Max }),
			wholeSetting("queue", 0, maxOfRequests, func(r *Resilience) *int { return &r.Concurrency.Queue }),
			timeSetting("wait", func(r *Resilience) *time.Duration { return &r.Concurrency.Wait }),
		},
	}, upstream, caller, {
		name: "cache", example: "{ttl: 60s}",
		turn: func(r *Resilience, on bool) {
			if on != (r.Cache.Max > 0) {
				r.Cache = Caching{}
				if on {
					r.Cache = defaultCaching()
				}
			}
		},
		settings: []settingReader{
			timeSetting("ttl", func(r *Resilience) *time.Duration { return &r.Cache.TTL }),
			timeSetting("stale", func(r *Resilience) *time.Duration { return &r.Cache.Stale }),
			switchSetting("shared", func(r *Resilience) *bool { return &r.Cache.Shared }),
			sizeSetting("maxBody", func(r *Resilience) *int64 { return &r.Cache.Max }),
		},
	}}
}

// resilienceSwitches gives the settings that are in no part.
func resilienceSwitches() []settingReader {
	return []settingReader{
		switchSetting("coalesce", func(r *Resilience) *bool { return &r.Coalesce }),
		sizeSetting("maxBody", func(r *Resilience) *int64 { return &r.MaxBody }),
	}
}

// readResilience reads a section resilience; nothing of nil. Every fault is one of a setting that
// cannot hold: a setting that is silently dropped may be one that protects.
func readResilience(v *spec.Value) (resilienceSettings, []*fault) {
	if v == nil || v.Kind == spec.Null {
		return nil, nil
	}
	if v.Kind != spec.Map {
		return nil, []*fault{faultf(diag.CodeResilience, "", v.Span(), "resilience is %s, expected a mapping", v.Kind).hintf("write resilience: {retry: {max: 2}}")}
	}
	r := resilienceReader{parts: resilienceParts(), switches: resilienceSwitches()}
	for i := range v.Members {
		r.member(&v.Members[i])
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return r.said, nil
}

// resilienceReader is one section while it is read.
type resilienceReader struct {
	parts    []resiliencePart
	switches []settingReader
	said     resilienceSettings
	faults   []*fault
}

func (r *resilienceReader) fail(f *fault) { r.faults = append(r.faults, f) }

func (r *resilienceReader) member(m *spec.Member) {
	for i := range r.parts {
		if r.parts[i].name == m.Key.Value {
			r.part(&r.parts[i], m.Value)
			return
		}
	}
	r.setting(r.switches, "resilience", "", m)
}

// part reads a part: a mapping, true or false, or its short form.
func (r *resilienceReader) part(p *resiliencePart, v *spec.Value) {
	if v == nil || v.Kind == spec.Null {
		return
	}
	say := func(set func(*Resilience)) { r.said = append(r.said, resilienceSetting{p.name, v.Span(), set}) }
	switch {
	case v.Kind == spec.Map:
		say(func(x *Resilience) { p.turn(x, true) })
		for i := range v.Members {
			r.setting(p.settings, p.name, p.name+".", &v.Members[i])
		}
		return
	case v.Kind == spec.Bool:
		on := strings.EqualFold(v.Text, "true")
		say(func(x *Resilience) { p.turn(x, on) })
		return
	case p.short != nil:
		if set, ok := p.short(v); ok {
			say(set)
			return
		}
	}
	r.fail(faultf(diag.CodeResilience, "", v.Span(), "%s is %s, expected a mapping or false", p.name, written(v)).hintf("write %s: %s", p.name, p.example))
}

// setting reads one setting of those that there are.
func (r *resilienceReader) setting(known []settingReader, of, prefix string, m *spec.Member) {
	for _, s := range known {
		if s.name != m.Key.Value {
			continue
		}
		if m.Value == nil || m.Value.Kind == spec.Null {
			return
		}
		set, ok := s.read(m.Value)
		if !ok {
			r.fail(faultf(diag.CodeResilience, "", m.Value.Span(), "%s%s is %s, expected %s", prefix, s.name, written(m.Value), s.expected))
			return
		}
		r.said = append(r.said, resilienceSetting{prefix + s.name, m.Value.Span(), set})
		return
	}
	f := unknownSetting(m.Key, of, r.names(known, of), strings.Split(r.names(known, of), ", "))
	f.code = diag.CodeResilience
	r.fail(f)
}

// names lists what can be said.
func (r *resilienceReader) names(known []settingReader, of string) string {
	var names []string
	if of == "resilience" {
		for _, p := range r.parts {
			names = append(names, p.name)
		}
	}
	for _, s := range known {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// written names a value as it stands in the document.
func written(v *spec.Value) string {
	switch v.Kind {
	case spec.Map, spec.List, spec.Null:
		return v.Kind.String()
	}
	return strconv.Quote(v.AsText().Value)
}

func wholeSetting(name string, least, most int, of func(*Resilience) *int) settingReader {
	return settingReader{name, fmt.Sprintf("a whole number from %d to %d", least, most), func(v *spec.Value) (func(*Resilience), bool) {
		n, ok := intWithin(v, least, most)
		return func(r *Resilience) { *of(r) = n }, ok
	}}
}

func intWithin(v *spec.Value, least, most int) (int, bool) {
	n, err := strconv.Atoi(v.AsText().Value)
	return n, err == nil && n >= least && n <= most
}

func timeSetting(name string, of func(*Resilience) *time.Duration) settingReader {
	return settingReader{name, "a time such as 500ms, 10s or 2m, up to 24h", func(v *spec.Value) (func(*Resilience), bool) {
		d, ok := shortTime(v.AsText().Value)
		return func(r *Resilience) { *of(r) = d }, ok
	}}
}

func shortTime(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	return d, err == nil && d >= time.Millisecond && d <= maxResilience
}

func switchSetting(name string, of func(*Resilience) *bool) settingReader {
	return settingReader{name, "true or false", func(v *spec.Value) (func(*Resilience), bool) {
		on := strings.EqualFold(v.Text, "true")
		return func(r *Resilience) { *of(r) = on }, v.Kind == spec.Bool
	}}
}

func sizeSetting(name string, of func(*Resilience) *int64) settingReader {
	return settingReader{name, "a size such as 64KiB or 10MiB", func(v *spec.Value) (func(*Resilience), bool) {
		n, ok := parseSize(v.AsText().Value)
		return func(r *Resilience) { *of(r) = n }, ok
	}}
}

// readStatuses reads statuses after which a request is sent again. There is no word for success.
func readStatuses(v *spec.Value) (func(*Resilience), bool) {
	var statuses []int
	for _, item := range v.Items {
		n, ok := intWithin(item, minRetryStatus, maxStatusNumber)
		if !ok {
			return nil, false
		}
		statuses = append(statuses, n)
	}
	return func(r *Resilience) { r.Retry.Statuses = statuses }, v.Kind == spec.List
}

// readConcurrency reads the number alone.
func readConcurrency(v *spec.Value) (func(*Resilience), bool) {
	n, ok := intWithin(v, 1, maxOfRequests)
	return func(r *Resilience) { r.Concurrency.Max = n }, ok
}

// readRate reads a rate such as 100/1m or 5/s.
func readRate(of func(*Resilience) *RateLimit) func(v *spec.Value) (func(*Resilience), bool) {
	return func(v *spec.Value) (func(*Resilience), bool) {
		rate, ok := ParseRate(v.AsText().Value)
		rate.Burst = 0 // it may be said elsewhere
		return func(r *Resilience) { of(r).Rate = rate }, ok
	}
}

// judge says what of the settings does not go together, once they are all there.
func (s resilienceSettings) judge(r *Resilience) *fault {
	fail := func(path, format string, args ...any) *fault {
		return faultf(diag.CodeResilience, "", s.span(path), format, args...)
	}
	switch {
	case s.has("retry") && r.Retry.Wait > r.Retry.MaxWait:
		return fail("retry", "retry.wait is %s, longer than retry.maxWait, which is %s", r.Retry.Wait, r.Retry.MaxWait).hintf("write maxWait too")
	case s.has("breaker") && r.Breaker.Failures > r.Breaker.Of:
		return fail("breaker", "breaker.failures is %d, more than breaker.of, which is %d", r.Breaker.Failures, r.Breaker.Of).hintf("write of too: the number of requests that are looked at")
	case s.has("breaker") && 100*r.Breaker.Failures < r.Breaker.Of:
		return fail("breaker", "breaker.failures is %d, less than a hundredth of breaker.of, which is %d", r.Breaker.Failures, r.Breaker.Of).hintf("write a smaller of")
	case r.Concurrency.Max == 0 && r.Concurrency != Concurrency{}:
		return fail("concurrency", "concurrency does not say how many requests may be under way").hintf("write max")
	}
	for _, l := range []struct {
		name string
		of   RateLimit
	}{{"rate", r.Rate}, {"callerRate", r.CallerRate}} {
		if l.of != (RateLimit{}) && (l.of.Count == 0 || l.of.Period == 0) {
			return fail(l.name, "%s does not say how many calls in which time", l.name).hintf("write count and period, or %s: 100/1m", l.name)
		}
	}
	return nil
}

// readResilience compiles the key resilience of an operation over that of its API.
func (c *compiler) readResilience(op *consumed) *fault {
	if op.decl.Resilience == nil {
		if op.resilience = c.usual[op.api]; op.resilience != nil {
			return nil
		}
	}
	said, faults := readResilience(op.api.Resilience)
	own, more := readResilience(op.decl.Resilience)
	if faults = append(faults, more...); len(faults) > 0 {
		return faults[0]
	}
	said = slices.Concat(c.grant.resilience(op.namespace, false), said, own, c.grant.resilience(op.namespace, true))
	r := said.over(DefaultResilience())
	if f := said.judge(&r); f != nil {
		return f
	}
	r.Document, r.API = c.doc.ID, op.namespace
	r.Scope = r.Document + "#" + r.API
	r.complete()
	op.resilience = c.sharedResilience(&r)
	if op.decl.Resilience == nil {
		if c.usual == nil {
			c.usual = map[*spec.Consumed]*Resilience{}
		}
		c.usual[op.api] = op.resilience
	}
	return nil
}

// sharedResilience gives equal ones of a document one place.
func (c *compiler) sharedResilience(r *Resilience) *Resilience {
	for _, have := range c.resiliences {
		if have.equal(r) {
			return have
		}
	}
	c.resiliences = append(c.resiliences, r)
	return r
}

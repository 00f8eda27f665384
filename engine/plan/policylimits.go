package plan

import (
	"slices"
	"strconv"
	"time"

	"capd/engine/spec"
)

// limits reads what documents may use of the process.
func (r *policyReader) limits(rule *policyRule, v *spec.Value) {
	if v == nil || !r.isMap(v, "limits", "limits: {calls: 100, memory: 64MiB, rate: 1000/1m}") {
		return
	}
	c := &rule.caps
	r.keys(v, "limits", "calls", "waiting", "wait", "memory", "streams", "rate", "callerRate")
	r.count(v.Get("calls"), &c.Calls)
	r.count(v.Get("waiting"), &c.Waiting)
	r.count(v.Get("streams"), &c.Streams)
	if wait := v.Get("wait"); wait != nil {
		d, err := time.ParseDuration(wait.AsText().Value)
		if err != nil || d <= 0 {
			r.fail(wait, "write a number with its unit", "wait is no time such as 500ms, 10s or 2m")
		}
		c.Wait = d
	}
	if memory := v.Get("memory"); memory != nil {
		n, ok := parseSize(memory.AsText().Value)
		if !ok {
			r.fail(memory, "write a number with a unit", "memory is no size such as 64MiB")
		}
		c.Memory = n
	}
	r.rate(v.Get("rate"), &c.Rate)
	r.rate(v.Get("callerRate"), &c.CallerRate)
}

func (r *policyReader) count(v *spec.Value, to *int) {
	if v == nil {
		return
	}
	n, err := strconv.Atoi(v.AsText().Value)
	if err != nil || n < 1 {
		r.fail(v, "", "a limit is no whole number from 1 on")
		return
	}
	*to = n
}

// rate reads how often: 100/1m, or {count: 100, period: 1m, burst: 20}.
func (r *policyReader) rate(v *spec.Value, to *Rate) {
	if v == nil {
		return
	}
	rate, ok := ParseRate(v.AsText().Value)
	if v.Kind == spec.Map {
		r.keys(v, "a rate", "count", "period", "burst")
		rate, ok = parseRate(v.Get("count").AsText().Value, v.Get("period").AsText().Value)
		if burst := v.Get("burst"); burst != nil {
			n, fits := intWithin(burst, 1, maxRateCount)
			rate.Burst, ok = n, ok && fits
		}
	}
	if !ok {
		r.fail(v, "write 100/1m, or {count: 100, period: 1m, burst: 20}", "a rate is not a number for each time")
		return
	}
	*to = rate
}

// least gives the smaller of each cap. Of zero a cap says nothing.
func (c Caps) least(d Caps) Caps {
	return Caps{
		Calls: leastOf(c.Calls, d.Calls), Waiting: leastOf(c.Waiting, d.Waiting), Wait: leastOf(c.Wait, d.Wait),
		Memory: leastOf(c.Memory, d.Memory), Streams: leastOf(c.Streams, d.Streams),
		Rate: c.Rate.least(d.Rate), CallerRate: c.CallerRate.least(d.CallerRate),
	}
}

func leastOf[T ~int | ~int64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// least gives the rate that lets less through in the long run.
func (r Rate) least(o Rate) Rate {
	switch {
	case r.Count == 0:
		return o
	case o.Count == 0:
		return r
	case float64(o.Count)/float64(o.Period) < float64(r.Count)/float64(r.Period):
		return o
	}
	return r
}

// resilience reads how calls are protected.
func (r *policyReader) resilience(v *spec.Value) resilienceSettings {
	said, faults := readResilience(v)
	for _, f := range faults {
		r.failAt(f.span, "", f.hint, "%s", f.message)
	}
	return said
}

// resilience gives what the policy says of the calls of an API: what holds where the document
// says nothing, or what holds whatever it says. Of two rules the later one counts.
func (g *Grant) resilience(namespace string, enforced bool) resilienceSettings {
	if g == nil {
		return nil
	}
	var out resilienceSettings
	for _, r := range g.rules {
		switch {
		case len(r.namespaces) > 0 && !slices.Contains(r.namespaces, namespace):
		case enforced:
			out = append(out, r.enforced...)
		default:
			out = append(out, r.resilience...)
		}
	}
	return out
}

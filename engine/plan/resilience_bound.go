package plan

import "time"

// hold keeps r within the settings, as the most that somebody may have, and names those that it
// was over. A part that the settings say nothing of is not bounded; of retries, kept answers and
// coalescing false means that there is none; a breaker that they name cannot be turned off; of a
// rate the slower counts.
func (s resilienceSettings) hold(r *Resilience) (over []string) {
	b := bounding{said: s, most: s.over(Resilience{})}
	b.forbid("retry", r.Retry.Max > 0, b.most.Retry.Max > 0, func() { r.Retry = Retry{} })
	atMost(&b, "retry.max", &r.Retry.Max, b.most.Retry.Max)
	atMost(&b, "retry.wait", &r.Retry.Wait, b.most.Retry.Wait)
	atMost(&b, "retry.maxWait", &r.Retry.MaxWait, b.most.Retry.MaxWait)
	r.Retry.Wait = min(r.Retry.Wait, r.Retry.MaxWait)
	b.breaker(&r.Breaker)
	unlessOver(&b, "concurrency", &r.Concurrency.Max, b.most.Concurrency.Max)
	atMost(&b, "concurrency.queue", &r.Concurrency.Queue, b.most.Concurrency.Queue)
	unlessOver(&b, "concurrency.wait", &r.Concurrency.Wait, b.most.Concurrency.Wait)
	b.rate("rate", &r.Rate, b.most.Rate)
	b.rate("callerRate", &r.CallerRate, b.most.CallerRate)
	b.forbid("cache", r.Cache.Max > 0, b.most.Cache.Max > 0, func() { r.Cache = Caching{} })
	atMost(&b, "cache.maxBody", &r.Cache.Max, b.most.Cache.Max)
	atMost(&b, "cache.ttl", &r.Cache.TTL, b.most.Cache.TTL)
	atMost(&b, "cache.stale", &r.Cache.Stale, b.most.Cache.Stale)
	b.forbid("cache.shared", r.Cache.Shared, b.most.Cache.Shared, func() { r.Cache.Shared = false })
	b.forbid("coalesce", r.Coalesce, b.most.Coalesce, func() { r.Coalesce = false })
	unlessOver(&b, "maxBody", &r.MaxBody, b.most.MaxBody)
	r.complete()
	return b.over
}

// bounding is what was over while settings are kept within others.
type bounding struct {
	said resilienceSettings
	most Resilience
	over []string
}

// forbid turns off what is on and may not be.
func (b *bounding) forbid(path string, on, may bool, off func()) {
	if b.said.has(path) && on && !may {
		off()
		b.over = append(b.over, path)
	}
}

func atMost[T int | int64 | time.Duration](b *bounding, path string, have *T, most T) {
	if b.said.has(path) && *have > most {
		*have = most
		b.over = append(b.over, path)
	}
}

// unlessOver is atMost for what 0 does not bound.
func unlessOver[T int | int64 | time.Duration](b *bounding, path string, have *T, most T) {
	if most == 0 || !b.said.has(path) {
		return
	}
	if *have > most {
		b.over = append(b.over, path)
	}
	if *have == 0 || *have > most {
		*have = most
	}
}

func (b *bounding) breaker(have *Breaker) {
	most := b.most.Breaker
	if !b.said.has("breaker") || most.Of == 0 {
		return
	}
	if have.Of == 0 {
		*have, b.over = most, append(b.over, "breaker")
		return
	}
	atMost(b, "breaker.of", &have.Of, most.Of)
	atMost(b, "breaker.failures", &have.Failures, most.Failures)
	have.Failures = min(have.Failures, have.Of)
}

func (b *bounding) rate(path string, have *RateLimit, most RateLimit) {
	if !b.said.has(path) || most.Count == 0 {
		return
	}
	if most.Burst == 0 {
		most.Burst = most.Count
	}
	switch faster := float64(have.Count)*float64(most.Period) > float64(most.Count)*float64(have.Period); {
	case have.Count == 0:
		wait := have.Wait
		*have = most
		have.Wait = max(wait, most.Wait)
	case faster:
		have.Rate = Rate{Count: most.Count, Period: most.Period, Burst: min(have.Burst, most.Burst)}
		b.over = append(b.over, path)
	case have.Burst > most.Burst:
		have.Burst = most.Burst
		b.over = append(b.over, path+".burst")
	}
}

package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"capd/engine/plan"
)

// protection counts what keeps upstreams and their callers from hurting each other.
type protection struct {
	retries *prometheus.CounterVec
	opened  *prometheus.CounterVec
	// labels bounds the documents and APIs with series of their own.
	labels *bounded
	serves atomic.Pointer[func(id string) bool] // a document; nil before the first load
}

func newProtection(most int) *protection {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &protection{
		retries: counter("capd_retries_total", "Requests that were sent again, by what the one before came to.", "document", "reason"),
		opened:  counter("capd_breaker_opened_total", "How often the breaker of a consumed API opened.", "document", "api"),
		labels:  newBounded(most),
	}
}

func (p *protection) collectors() []prometheus.Collector {
	return []prometheus.Collector{p.retries, p.opened}
}

// forget drops the series of documents that are gone.
func (p *protection) forget(serves func(id string) bool) {
	p.serves.Store(&serves)
	for _, gone := range p.labels.forget(serves) {
		for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{p.retries, p.opened} {
			v.DeletePartialMatch(prometheus.Labels{"document": gone})
		}
	}
}

// protecting gives what to count with; nil: nothing is counted.
func (t *Telemetry) protecting() *protection {
	if t == nil || t.metrics == nil {
		return nil
	}
	return t.metrics.protection
}

// Retried counts a request that is sent again.
func (t *Telemetry) Retried(document, reason string) {
	if p := t.protecting(); p != nil {
		document, _ = p.labels.of(document, "")
		p.retries.WithLabelValues(document, reason).Inc()
	}
}

// BreakerOpened counts an API's breaker that opened.
func (t *Telemetry) BreakerOpened(document, api string) {
	if p := t.protecting(); p != nil {
		document, api = p.labels.of(document, api)
		p.opened.WithLabelValues(document, api).Inc()
	}
}

// WatchBreakers is told of where to ask for the breakers that have opened before. They are asked
// for when somebody wants to know, since nothing happens to a breaker that nobody uses any more.
func (t *Telemetry) WatchBreakers(now func() []plan.BreakerStatus) {
	if p := t.protecting(); p != nil {
		t.metrics.registry.MustRegister(&breakers{p, now, prometheus.NewDesc("capd_breaker_state",
			"Breaker of a consumed API that has opened before: 0 closed, 1 half-open, 2 open; of several hosts the worst.", []string{"document", "api"}, nil)})
	}
}

// breakers is a collector of their states.
type breakers struct {
	*protection
	now  func() []plan.BreakerStatus
	desc *prometheus.Desc
}

// Describe is [prometheus.Collector]'s.
func (b *breakers) Describe(out chan<- *prometheus.Desc) { out <- b.desc }

// Collect is [prometheus.Collector]'s.
func (b *breakers) Collect(out chan<- prometheus.Metric) {
	serves := func(string) bool { return false }
	if now := b.serves.Load(); now != nil {
		serves = *now
	}
	worst := map[labelled]plan.BreakerState{}
	for _, is := range b.now() {
		if !serves(is.Document) {
			continue // it is gone
		}
		document, api := b.labels.of(is.Document, is.API)
		at := labelled{document, api}
		worst[at] = max(worst[at], is.State)
	}
	for at, state := range worst {
		out <- prometheus.MustNewConstMetric(b.desc, prometheus.GaugeValue, float64(state), at.document, at.operation)
	}
}

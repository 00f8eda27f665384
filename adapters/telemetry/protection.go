package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"capd/engine/plan"
)

// protection counts what keeps upstreams and their callers from hurting each other.
type protection struct {
	retries *prometheus.CounterVec
	breaker *prometheus.GaugeVec
	opened  *prometheus.CounterVec
	// labels bounds the documents and APIs with series of their own.
	labels *bounded
}

func newProtection(most int) *protection {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &protection{
		retries: counter("capd_retries_total", "Requests that were sent again, by what the one before came to.", "document", "reason"),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "capd_breaker_state", Help: "Breaker of a consumed API that has opened before: 0 closed, 1 half-open, 2 open; of several hosts the worst."}, []string{"document", "api"}),
		opened:  counter("capd_breaker_opened_total", "How often the breaker of a consumed API opened.", "document", "api"),
		labels:  newBounded(most),
	}
}

func (p *protection) collectors() []prometheus.Collector {
	return []prometheus.Collector{p.retries, p.breaker, p.opened}
}

// forget drops the series of documents that are gone.
func (p *protection) forget(ids []string) {
	for _, gone := range p.labels.forget(ids) {
		for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{p.retries, p.breaker, p.opened} {
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

// BreakerIs keeps the state of an API's breaker.
func (t *Telemetry) BreakerIs(document, api string, state plan.BreakerState) {
	if p := t.protecting(); p != nil {
		document, api = p.labels.of(document, api)
		p.breaker.WithLabelValues(document, api).Set(float64(state))
	}
}

// BreakerOpened counts an API's breaker that opened.
func (t *Telemetry) BreakerOpened(document, api string) {
	if p := t.protecting(); p != nil {
		document, api = p.labels.of(document, api)
		p.opened.WithLabelValues(document, api).Inc()
	}
}

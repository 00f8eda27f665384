package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"capd/engine/plan"
)

// cached counts what a cache of answers did.
type cached struct {
	requests  *prometheus.CounterVec
	documents *bounded
}

// WatchCache is told of the cache of answers, which takes so many bytes of memory.
func (t *Telemetry) WatchCache(bytes func() int64) {
	if t == nil || t.metrics == nil {
		return
	}
	t.metrics.registry.MustRegister(t.metrics.cached.requests, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "capd_cache_bytes", Help: "Memory that kept answers take in this process.",
	}, func() float64 { return float64(bytes()) }))
}

// Cached counts a request upstream that a cache looked at, and what became of it.
func (t *Telemetry) Cached(call *plan.Call, result string) {
	if t == nil || t.metrics == nil || call == nil {
		return
	}
	c := t.metrics.cached
	document, _ := c.documents.of(call.Unit().ID, "")
	c.requests.WithLabelValues(document, result).Inc()
}

func newCached(documents int) *cached {
	return &cached{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capd_cache_requests_total", Help: "Requests that a cache could have answered, by what became of them.",
		}, []string{"document", "result"}),
		documents: newBounded(documents),
	}
}

// forget drops the series of documents that are gone.
func (c *cached) forget(serves func(id string) bool) {
	for _, gone := range c.documents.forget(serves) {
		c.requests.DeletePartialMatch(prometheus.Labels{"document": gone})
	}
}

package telemetry

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"capd/engine/plan"
)

// other stands for operations that have no series of their own, because there are too many.
const other = "_other"

// defaultOperations bounds the operations with series of their own, of callers and upstreams
// each.
const defaultOperations = 2000

// metrics are counted in a registry of their own. Every label has few values: kinds, methods,
// classes and codes are closed sets, and operations are bounded.
type metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	receiving *prometheus.GaugeVec
	inFlight  prometheus.Gauge
	calls     *prometheus.CounterVec
	callTime  *prometheus.HistogramVec
	served    *bounded

	upstream     *prometheus.CounterVec
	upstreamTime *prometheus.HistogramVec
	consumed     *bounded

	limited *prometheus.CounterVec
	limits  *bounded

	protection *protection

	cached *cached

	kept    *prometheus.CounterVec // out
	guarded *bounded

	reloads    *prometheus.CounterVec
	policies   *prometheus.CounterVec
	reloadTime prometheus.Histogram
	lastReload prometheus.Gauge
	documents  *prometheus.GaugeVec
	state      *prometheus.CounterVec

	storeErrors *prometheus.CounterVec
}

func newMetrics(operations int, version string) *metrics {
	if operations <= 0 {
		operations = defaultOperations
	}
	seconds := []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counter("capd_http_requests_total", "HTTP requests that were answered, by kind of adapter and class of status.", "adapter", "code"),
		receiving: gauge("capd_http_requests_in_flight", "HTTP requests and streams that are open, by kind of adapter.", "adapter"),
		inFlight:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "capd_calls_in_flight", Help: "Calls that have begun and not ended."}),
		calls:     counter("capd_calls_total", "Calls that ended, by class of status or code of the failure.", "document", "operation", "adapter", "code"),
		callTime:  histogram("capd_call_duration_seconds", "Time of calls until their answer was read.", "document", "operation", "adapter"),
		served:    newBounded(operations),

		upstream:     counter("capd_upstream_requests_total", "Requests that went upstream, by class of status or code of the failure.", "document", "operation", "code"),
		upstreamTime: histogram("capd_upstream_request_duration_seconds", "Time until the head of the upstream's answer.", "document", "operation"),
		consumed:     newBounded(operations),

		limited: counter("capd_limited_total", "Calls that were refused or put off by a limit.", "document", "limit"),
		limits:  newBounded(operations),

		protection: newProtection(operations),

		cached: newCached(operations),

		kept:    counter("capd_auth_failures_total", "Requests that were not let in, by why.", "document", "reason"),
		guarded: newBounded(operations),

		reloads:    counter("capd_reloads_total", "Reloads, the first load included.", "result"),
		policies:   counter("capd_policy_reloads_total", "Readings of the policy file: ok, or failed when the one of before still holds.", "result"),
		reloadTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "capd_reload_duration_seconds", Help: "Time of reloads.", Buckets: seconds}),
		lastReload: prometheus.NewGauge(prometheus.GaugeOpts{Name: "capd_last_reload_success_timestamp_seconds", Help: "When documents were last read and taken over."}),
		documents:  gauge("capd_documents", "Documents by what became of them.", "state"),
		state:      counter("capd_state_errors_total", "What could not be done in the folder of last good forms.", "operation"),

		storeErrors: counter("capd_store_errors_total", "Operations that the store of all replicas did not do, so that this replica did them by itself.", "operation"),
	}
	m.begin()
	build := gauge("capd_build_info", "The version of capd.", "version")
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.requests, m.receiving, m.inFlight, m.calls, m.callTime, m.upstream, m.upstreamTime, m.kept,
		m.limited, m.reloads, m.policies, m.reloadTime, m.lastReload, m.documents, m.state, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.protection.collectors()...)
	return m
}

// begin has series at zero for what alerts look at, so that the first failure is an increase.
func (m *metrics) begin() {
	for _, result := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(result)
		m.policies.WithLabelValues(result)
	}
	for _, operation := range []string{"open", "read", "write", "remove"} {
		m.state.WithLabelValues(operation)
	}
}

// watchStore adds the store that replicas share.
func (m *metrics) watchStore(up func() bool) {
	for _, operation := range []string{"load", "save", "delete", "take", "claim"} {
		m.storeErrors.WithLabelValues(operation) // so that the first one is an increase
	}
	m.registry.MustRegister(m.storeErrors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "capd_store_up", Help: "Whether the store of all replicas can be used.",
	}, func() float64 {
		if up() {
			return 1
		}
		return 0
	}))
}

// connections tells of connections when it is asked.
type connections struct {
	about *prometheus.Desc
	count func() (open, waiting int)
}

// WatchConnections is told how many connections callers have open, and how many of them have no
// request.
func (t *Telemetry) WatchConnections(count func() (open, waiting int)) {
	if t == nil || t.metrics == nil {
		return
	}
	t.metrics.registry.MustRegister(&connections{
		prometheus.NewDesc("capd_connections", "Connections of callers that are open, by whether they have a request.", []string{"state"}, nil), count,
	})
}

// Describe gives what it tells of.
func (c *connections) Describe(out chan<- *prometheus.Desc) { out <- c.about }

// Collect counts once, so that both numbers are of one moment.
func (c *connections) Collect(out chan<- prometheus.Metric) {
	open, waiting := c.count()
	out <- prometheus.MustNewConstMetric(c.about, prometheus.GaugeValue, float64(open-waiting), "active")
	out <- prometheus.MustNewConstMetric(c.about, prometheus.GaugeValue, float64(waiting), "idle")
}

// countDropped adds the lines that the audit log is missing.
func (m *metrics) countDropped(a *audit) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "capd_audit_lines_dropped_total", Help: "Audit lines that could not be written in time.",
	}, func() float64 { return float64(a.dropped.Load()) }))
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// received counts a request over HTTP.
func (m *metrics) received(kind plan.Kind, status int, _ time.Duration) {
	m.receiving.WithLabelValues(string(kind)).Dec()
	m.requests.WithLabelValues(string(kind), statusClass(status)).Inc()
}

// called counts a call that ended.
func (m *metrics) called(c *plan.Called, code string, took time.Duration) {
	m.inFlight.Dec()
	document, kind := "", ""
	if c.Exposure != nil {
		document, kind = c.Exposure.Unit.ID, string(c.Exposure.Kind)
	}
	document, name := m.served.of(document, c.Name)
	m.calls.WithLabelValues(document, name, kind, code).Inc()
	m.callTime.WithLabelValues(document, name, kind).Observe(took.Seconds())
}

// keptOut counts a request that was not let in.
func (m *metrics) keptOut(document, reason string) {
	document, reason = m.guarded.of(document, reason)
	m.kept.WithLabelValues(document, reason).Inc()
}

// sent counts a request that went upstream. A request for a token is nobody's in particular.
func (m *metrics) sent(c *plan.Call, code string, took time.Duration) {
	document, name := "", "token"
	if c != nil {
		document, name = m.consumed.of(c.Unit().ID, c.Name())
	}
	m.upstream.WithLabelValues(document, name, code).Inc()
	m.upstreamTime.WithLabelValues(document, name).Observe(took.Seconds())
}

// limit counts a call that a limit of a document refused or put off.
func (m *metrics) limit(document string, l plan.Limit) {
	document, _ = m.limits.of(document, "")
	m.limited.WithLabelValues(document, string(l)).Inc()
}

// reloaded counts a reload, and forgets the documents that are gone.
func (m *metrics) reloaded(r *Reload) {
	m.reloadTime.Observe(r.Took.Seconds())
	if r.Policy != "" {
		m.policies.WithLabelValues(r.Policy).Inc()
	}
	if r.Err != nil {
		m.reloads.WithLabelValues("failed").Inc()
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.lastReload.Set(float64(r.Begun.Add(r.Took).Unix()))
	m.documents.Reset()
	for state, n := range r.Documents {
		m.documents.WithLabelValues(state).Set(float64(n))
	}
	for _, gone := range m.served.forget(r.Serves) {
		m.calls.DeletePartialMatch(prometheus.Labels{"document": gone})
		m.callTime.DeletePartialMatch(prometheus.Labels{"document": gone})
	}
	for _, gone := range m.limits.forget(r.Serves) {
		m.limited.DeletePartialMatch(prometheus.Labels{"document": gone})
	}
	m.cached.forget(r.Serves)
	m.protection.forget(r.Serves)
	for _, gone := range m.guarded.forget(r.Serves) {
		m.kept.DeletePartialMatch(prometheus.Labels{"document": gone})
	}
	for _, gone := range m.consumed.forget(r.Serves) {
		m.upstream.DeletePartialMatch(prometheus.Labels{"document": gone})
		m.upstreamTime.DeletePartialMatch(prometheus.Labels{"document": gone})
	}
}

// bounded lets the first operations have labels of their own.
type bounded struct {
	max  int
	mu   sync.RWMutex
	seen map[labelled]bool
}

type labelled struct{ document, operation string }

func newBounded(most int) *bounded { return &bounded{max: most, seen: map[labelled]bool{}} }

// of gives the labels for an operation.
func (b *bounded) of(document, operation string) (string, string) {
	key := labelled{document, operation}
	b.mu.RLock()
	known := b.seen[key]
	b.mu.RUnlock()
	if known {
		return document, operation
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.seen[key] && len(b.seen) >= b.max {
		return other, other
	}
	b.seen[key] = true
	return document, operation
}

// forget makes room: it gives the documents that are not served any more.
func (b *bounded) forget(serves func(id string) bool) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var gone []string
	for key := range b.seen {
		if !serves(key.document) {
			delete(b.seen, key)
			gone = append(gone, key.document)
		}
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}

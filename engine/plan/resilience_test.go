package plan_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

const resilientText = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    resilience: %s
    resources:
    - path: /x
      operations:
      - { name: own, method: GET, resilience: %s }
      - { name: plain, method: POST }
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
    - { name: own, description: s, call: api.own }
    - { name: plain, description: q, call: api.plain }
`

// resilient gives what the requests of an operation with settings of its own, and of one with
// those of the API, carry.
func resilient(t *testing.T, api, own string) (ofOwn, ofAPI plan.Resilience) {
	t.Helper()
	d := loadWith(t, fmt.Sprintf(resilientText, api, own), nil)
	for _, tool := range []string{"own", "plain"} {
		if _, err := d.tool(tool, `{}`); err != nil {
			t.Fatal(err, d.list)
		}
	}
	return *d.sent[0].Resilience, *d.sent[1].Resilience
}

// TestResilience: what a document says of retries, breaker, limits and cache reaches the
// upstream, the operation's own settings before those of the API, both before the defaults.
func TestResilience(t *testing.T) {
	t.Parallel()
	usual := plan.DefaultResilience()
	usual.Scope, usual.Document, usual.API = "test#api", "test", "api"
	if own, api := resilient(t, "{}", "null"); !reflect.DeepEqual(own, usual) || !reflect.DeepEqual(api, usual) {
		t.Errorf("nothing said: got %+v and %+v", own, api)
	}

	own, api := resilient(t,
		`{ retry: { max: 5, wait: 1s, maxWait: 4s, statuses: [503, 500, 503] }, breaker: { failures: 3, of: 4, window: 1m, open: 2s },
        concurrency: { max: 7, queue: 9, wait: 3s }, rate: { count: 100, period: 1m, burst: 5, wait: 250ms }, callerRate: 10/s,
        cache: { ttl: 60s, stale: 1h, shared: true, maxBody: 2KiB }, coalesce: true, maxBody: 1MiB }`,
		`{ retry: { max: 1 }, breaker: false, concurrency: 2, callerRate: false, cache: { shared: false }, coalesce: false }`)
	want := plan.Resilience{
		Scope: "test#api", Document: "test", API: "api",
		Retry:       plan.Retry{Max: 5, Wait: time.Second, MaxWait: 4 * time.Second, Statuses: []int{500, 503}},
		Breaker:     plan.Breaker{Failures: 3, Of: 4, Window: time.Minute, Open: 2 * time.Second},
		Concurrency: plan.Concurrency{Max: 7, Queue: 9, Wait: 3 * time.Second},
		Rate:        plan.RateLimit{Rate: plan.Rate{Count: 100, Period: time.Minute, Burst: 5}, Wait: 250 * time.Millisecond},
		CallerRate:  plan.RateLimit{Rate: plan.Rate{Count: 10, Period: time.Second, Burst: 10}, PerCaller: true},
		Cache:       plan.Caching{Max: 2 << 10, TTL: time.Minute, Stale: time.Hour, Shared: true},
		Coalesce:    true, MaxBody: 1 << 20,
	}
	if !reflect.DeepEqual(api, want) {
		t.Errorf("of the API:\ngot  %+v\nwant %+v", api, want)
	}
	if got := api.RateLimits(); !reflect.DeepEqual(got, []plan.RateLimit{want.Rate, want.CallerRate}) {
		t.Errorf("limits: %+v", got)
	}
	want.Retry.Max, want.Breaker, want.Concurrency.Max, want.CallerRate = 1, plan.Breaker{}, 2, plan.RateLimit{}
	want.Cache.Shared, want.Coalesce = false, false
	if !reflect.DeepEqual(own, want) {
		t.Errorf("of the operation:\ngot  %+v\nwant %+v", own, want)
	}

	// A part that the API turned off comes back with its defaults.
	own, api = resilient(t, `{ retry: false, breaker: false, cache: true }`, `{ retry: { wait: 1s }, breaker: true, cache: false }`)
	if api.Retry.Max != 0 || api.Breaker.Of != 0 || api.Cache.Max == 0 {
		t.Errorf("turned off: %+v", api)
	}
	usual.Retry.Wait = time.Second
	if !reflect.DeepEqual(own, usual) {
		t.Errorf("turned on again: got %+v, want %+v", own, usual)
	}
}

// TestResilienceRefuses: a setting that cannot hold refuses the operations, at its place.
func TestResilienceRefuses(t *testing.T) {
	t.Parallel()
	for bad, want := range map[string]string{
		`[1]`:                               "resilience is a list, expected a mapping; write resilience: {retry: {max: 2}}",
		`{ retries: 3 }`:                    `resilience has no setting "retries"; expected retry, breaker, concurrency, rate, callerRate, cache, coalesce, maxBody`,
		`{ retry: { times: 3 } }`:           `retry has no setting "times"; expected max, wait, maxWait, statuses`,
		`{ retry: 3 }`:                      `retry is "3", expected a mapping or false; write retry: {max: 2, wait: 100ms}`,
		`{ retry: { max: 11 } }`:            `retry.max is "11", expected a whole number from 0 to 10; `,
		`{ retry: { max: -1 } }`:            `retry.max is "-1", expected a whole number from 0 to 10; `,
		`{ retry: { wait: 5 } }`:            `retry.wait is "5", expected a time such as 500ms, 10s or 2m, up to 24h; `,
		`{ retry: { wait: 5s } }`:           `retry.wait is 5s, longer than retry.maxWait, which is 2s; write maxWait too`,
		`{ retry: { statuses: [200] } }`:    `retry.statuses is a list, expected a list of statuses from 400 to 599; `,
		`{ retry: { statuses: 503 } }`:      `retry.statuses is "503", expected a list of statuses from 400 to 599; `,
		`{ breaker: { failures: 30 } }`:     `breaker.failures is 30, more than breaker.of, which is 20; write of too: the number of requests that are looked at`,
		`{ breaker: { open: 0s } }`:         `breaker.open is "0s", expected a time such as 500ms, 10s or 2m, up to 24h; `,
		`{ breaker: open }`:                 `breaker is "open", expected a mapping or false; write breaker: {failures: 10, of: 20, window: 20s, open: 5s}`,
		`{ concurrency: { queue: 3 } }`:     `concurrency does not say how many requests may be under way; write max`,
		`{ concurrency: 0 }`:                `concurrency is "0", expected a mapping or false; write concurrency: {max: 20, queue: 40, wait: 1s}`,
		`{ rate: 100 }`:                     `rate is "100", expected a mapping or false; write rate: 100/1m`,
		`{ rate: 1/fortnight }`:             `rate is "1/fortnight", expected a mapping or false; write rate: 100/1m`,
		`{ callerRate: { count: 5 } }`:      `callerRate does not say how many calls in which time; write count and period, or callerRate: 100/1m`,
		`{ rate: 99999999999999999999/1s }`: `rate is "99999999999999999999/1s", expected a mapping or false; write rate: 100/1m`,
		`{ cache: { shared: "yes" } }`:      `cache.shared is "yes", expected true or false; `,
		`{ cache: { maxBody: big } }`:       `cache.maxBody is "big", expected a size such as 64KiB or 10MiB; `,
		`{ maxBody: 0 }`:                    `maxBody is "0", expected a size such as 64KiB or 10MiB; `,
		`{ coalesce: 1 }`:                   `coalesce is "1", expected true or false; `,
	} {
		for _, at := range []string{"the API", "the operation"} {
			text, served := fmt.Sprintf(resilientText, bad, "{}"), false
			if at == "the operation" {
				text, served = fmt.Sprintf(resilientText, "{}", bad), true
			}
			d := loadWith(t, text, nil)
			if len(d.list) == 0 || d.list[0].Code != "resilience" || d.list[0].Message+"; "+d.list[0].Hint != want {
				t.Errorf("%s of %s: got %v\nwant %s", bad, at, d.list, want)
			} else if line := strings.Split(text, "\n")[d.list[0].Span.Start.Line-1]; !strings.Contains(line, bad) {
				t.Errorf("%s of %s: at %s", bad, at, d.list[0].Span)
			}
			if _, err := d.tool("plain", `{}`); (err == nil) != served {
				t.Errorf("%s of %s: the other operation: %v", bad, at, err)
			}
		}
	}
}

// TestHeldAnswersAreBounded: an API can bound the answers that are held for its mappings below
// the limit of the process, and not above it.
func TestHeldAnswersAreBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		maxBody string
		limit   int64
		ok      bool
	}{
		{"8B", 0, false}, {"8B", 100, false}, {"9B", 0, true}, {"9B", 100, true}, {"100B", 8, false}, {"null", 8, false}, {"null", 0, true},
	} {
		d := loadWith(t, `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    resilience: { maxBody: `+tc.maxBody+` }
    resources: [{ path: /x, operations: [{ name: get, method: GET }] }]
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools: [{ name: get, description: g, call: api.get, outputParameters: [{ name: id, mapping: $.id }] }]
`, nil)
		d.answer = answering(`200 application/json {"id":1} `)
		d.bound = d.rebind(func(o *plan.BindOptions) { o.MaxUpstreamBody = tc.limit })
		_, err := d.tool("get", `{}`)
		if tc.ok != (err == nil) || err != nil && plan.AsError(err).Code != plan.CodeUpstreamTooLarge {
			t.Errorf("maxBody %s, limit %d: %v", tc.maxBody, tc.limit, err)
		}
	}
}

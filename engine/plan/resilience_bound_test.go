package plan

import (
	"fmt"
	"testing"

	"capd/engine/spec"
)

// settings reads a section resilience.
func settings(t *testing.T, text string) resilienceSettings {
	t.Helper()
	doc, list := spec.Parse("doc.yaml", []byte("naftiko: 1.0.0-alpha2\ncapability: { consumes: [{ baseUri: 'https://a.test', resilience: "+text+" }] }"), spec.Limits{})
	if doc == nil || len(doc.Consumes) == 0 {
		t.Fatal(list)
	}
	said, faults := readResilience(doc.Consumes[0].Resilience)
	if len(faults) > 0 {
		t.Fatalf("%s: %s", text, faults[0].message)
	}
	return said
}

// TestHoldResilience: what somebody says is kept within what somebody else allows.
func TestHoldResilience(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ says, most, want, over string }{
		{`{}`, `{}`, `{}`, "[]"},
		{`{ rate: 100/1m, cache: true, coalesce: true, retry: { max: 9 } }`, `{}`, `{ rate: 100/1m, cache: true, coalesce: true, retry: { max: 9 } }`, "[]"},
		{`{ retry: { max: 9 } }`, `{ retry: { max: 3 } }`, `{ retry: { max: 3 } }`, "[retry.max]"},
		{`{ retry: { max: 1 } }`, `{ retry: { max: 3 } }`, `{ retry: { max: 1 } }`, "[]"},
		{`{}`, `{ retry: false }`, `{ retry: false }`, "[retry]"},
		{`{ retry: false }`, `{ retry: { max: 1 } }`, `{ retry: false }`, "[]"},
		{`{ retry: { wait: 5s, maxWait: 9s } }`, `{ retry: { maxWait: 1s } }`, `{ retry: { wait: 1s, maxWait: 1s } }`, "[retry.maxWait]"},
		{`{ breaker: false }`, `{ breaker: { failures: 3, of: 4 } }`, `{ breaker: { failures: 3, of: 4 } }`, "[breaker]"},
		{`{ breaker: { failures: 90, of: 100 } }`, `{ breaker: { failures: 3, of: 4 } }`, `{ breaker: { failures: 3, of: 4 } }`, "[breaker.of breaker.failures]"},
		{`{ breaker: { failures: 2, of: 2 } }`, `{ breaker: true }`, `{ breaker: { failures: 2, of: 2 } }`, "[]"},
		{`{ breaker: false }`, `{ breaker: false }`, `{ breaker: false }`, "[]"},
		{`{}`, `{ concurrency: { max: 5, queue: 3, wait: 1s } }`, `{ concurrency: { max: 5, wait: 1s } }`, "[]"},
		{`{ concurrency: { max: 50, queue: 30, wait: 1m } }`, `{ concurrency: { max: 5, queue: 3, wait: 1s } }`, `{ concurrency: { max: 5, queue: 3, wait: 1s } }`, "[concurrency concurrency.queue concurrency.wait]"},
		{`{ concurrency: 2 }`, `{ concurrency: 5 }`, `{ concurrency: 2 }`, "[]"},
		{`{}`, `{ rate: 100/1m, callerRate: { count: 5, period: 1s, burst: 7, wait: 1s } }`, `{ rate: 100/1m, callerRate: { count: 5, period: 1s, burst: 7, wait: 1s } }`, "[]"},
		{`{ rate: 200/1m }`, `{ rate: 100/1m }`, `{ rate: 100/1m }`, "[rate]"},
		{`{ rate: 1/s }`, `{ rate: 100/1m }`, `{ rate: 1/s }`, "[]"},
		{`{ rate: 2/s }`, `{ rate: 100/1m }`, `{ rate: { count: 100, period: 1m, burst: 2 } }`, "[rate]"},
		{`{ rate: 100/1h }`, `{ rate: { count: 100, period: 1m, burst: 10 } }`, `{ rate: { count: 100, period: 1h, burst: 10 } }`, "[rate.burst]"},
		{`{ cache: { ttl: 1h, stale: 1h, shared: true, maxBody: 1MiB } }`, `{ cache: { ttl: 1m, stale: 2m, shared: false, maxBody: 1KiB } }`, `{ cache: { ttl: 1m, stale: 2m, maxBody: 1KiB } }`, "[cache.maxBody cache.ttl cache.stale cache.shared]"},
		{`{ cache: true }`, `{ cache: false }`, `{}`, "[cache]"},
		{`{}`, `{ cache: { ttl: 1m } }`, `{}`, "[]"},
		{`{ coalesce: true }`, `{ coalesce: false }`, `{}`, "[coalesce]"},
		{`{ maxBody: 2MiB }`, `{ maxBody: 1MiB }`, `{ maxBody: 1MiB }`, "[maxBody]"},
		{`{}`, `{ maxBody: 1MiB }`, `{ maxBody: 1MiB }`, "[]"},
	} {
		got, want := settings(t, tc.says).over(DefaultResilience()), settings(t, tc.want).over(DefaultResilience())
		got.complete()
		want.complete()
		over := settings(t, tc.most).hold(&got)
		if !got.equal(&want) || fmt.Sprint(over) != tc.over {
			t.Errorf("%s within %s:\ngot  %+v, over %v\nwant %+v, over %s", tc.says, tc.most, got, over, want, tc.over)
		}
	}
}

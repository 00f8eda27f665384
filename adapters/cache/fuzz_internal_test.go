package cache

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

// FuzzDirectives: whatever a Cache-Control field holds, reading it ends, says nothing negative,
// and a no-store that stands by itself is seen.
func FuzzDirectives(f *testing.F) {
	for _, s := range []string{"max-age=10", `a="b, no-store, \"", max-age="5"`, "no-store", `private="x`, ",,=,=,", "max-age=99999999999999999999", `max-age="\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := parseDirectives([]string{s})
		for _, v := range []span{d.maxAge, d.sharedMaxAge, d.minFresh, d.maxStale, d.staleIfError} {
			if v.Duration < 0 || v.Duration > maxSpan {
				t.Errorf("%q says %v", s, v)
			}
		}
		if !parseDirectives([]string{s, "no-store"}).noStore || !parseDirectives([]string{"no-store," + s}).noStore {
			t.Errorf("no-store beside %q is not seen", s)
		}
		if !strings.ContainsAny(s, `"=`) && !parseDirectives([]string{s + ",no-store"}).noStore {
			t.Errorf("no-store behind %q is not seen", s)
		}
		e := entry{status: 200, header: []plan.Field{{Name: "Cache-Control", Value: s}, {Name: "Age", Value: s}, {Name: "Expires", Value: s}, {Name: "Date", Value: s}}}
		e.received = time.Now()
		e.requested = e.received
		if keep := e.keepFor(&plan.Caching{Max: 1, Stale: time.Hour}, e.received); keep < 0 || keep > maxKeep {
			t.Errorf("%q is kept for %v", s, keep)
		}
		x := exchange{ifNoneMatch: []string{s}}
		x.isCurrent(&e)
	})
}

// FuzzDecode: whatever a store gives is an entry or an error, and what was encoded comes back.
func FuzzDecode(f *testing.F) {
	e := entry{requested: time.Unix(1, 2), received: time.Unix(3, 4), status: 200, header: []plan.Field{{Name: "A", Value: "1"}, {Name: "B"}}, body: []byte("body")}
	f.Add(e.encode())
	f.Add([]byte{format})
	f.Add(append(bytes.Repeat([]byte{format}, 18), 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(got.encode())
		if err != nil || !reflect.DeepEqual(got.header, again.header) || !bytes.Equal(got.body, again.body) || got.status != again.status ||
			!got.requested.Equal(again.requested) || !got.received.Equal(again.received) {
			t.Errorf("%+v became %+v, %v", got, again, err)
		}
	})
}

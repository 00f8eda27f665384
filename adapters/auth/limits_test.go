package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"capd/adapters/auth"
	"capd/adapters/memory"
	"capd/engine/plan"
)

// limited makes a keeper that takes three wrong credentials of an address in a minute.
func limited(c *clock, change func(*auth.Options)) *auth.Keeper {
	o := auth.Options{Now: c.now, Failures: plan.Rate{Count: 3, Period: time.Minute, Burst: 3}}
	if change != nil {
		change(&o)
	}
	return auth.New(o)
}

// from asks a gate with a bearer token from an address. It gives the status, 200 for who came in.
func from(g plan.Gate, address, token string) int {
	status, _ := answerFrom(g, address, token)
	return status
}

func answerFrom(g plan.Gate, address, token string) (int, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(plan.WithArrival(r.Context(), "id", netip.MustParseAddr(address)))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if g.Admit(r) != nil {
		return http.StatusOK, nil
	}
	w := httptest.NewRecorder()
	g.Refuse(w, r)
	return w.Code, w
}

func bearerLock(namespace string) plan.Lock {
	l := lock(plan.SchemeBearer, "", "", "", "right")
	l.Document, l.Realm = "rooms", namespace
	return l
}

// spend shows three wrong tokens from an address.
func spend(g plan.Gate, address string) {
	for i := range 3 {
		from(g, address, "wrong-"+strconv.Itoa(i))
	}
}

// TestFailuresAreLimited: an address that showed too many wrong credentials waits, whatever it
// shows; nobody else does.
func TestFailuresAreLimited(t *testing.T) {
	t.Parallel()
	now, reasons := newClock(), map[string]int{}
	k := limited(now, func(o *auth.Options) {
		o.Failed = func(document, reason string) { reasons[document+" "+reason]++ }
	})
	g := k.Gate(bearerLock("api"))
	want := func(what, address, token string, status int) {
		t.Helper()
		if got := from(g, address, token); got != status {
			t.Errorf("%s: %d, want %d", what, got, status)
		}
	}
	want("first", "192.0.2.1", "a", 401)
	want("second", "192.0.2.1", "b", 401)
	for range 100 {
		want("the same wrong one", "192.0.2.1", "b", 401)
		want("no credential", "192.0.2.1", "", 401)
	}
	want("third", "192.0.2.1", "c", 429)
	want("fourth", "192.0.2.1", "d", 429)
	want("the right one", "192.0.2.1", "right", 429)
	want("no credential", "192.0.2.1", "", 401)
	want("the right one from elsewhere", "192.0.2.2", "right", 200)
	want("a wrong one from elsewhere", "192.0.2.2", "a", 401)
	if got := from(k.Gate(bearerLock("other")), "192.0.2.1", "right"); got != 200 {
		t.Errorf("another exposure: %d", got)
	}
	_, w := answerFrom(g, "192.0.2.1", "right")
	if w.Header().Get("Retry-After") != "20" || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("refused with %v", w.Header())
	}
	g = k.Gate(bearerLock("api")) // after a reload
	want("after a reload", "192.0.2.1", "right", 429)
	now.move(20 * time.Second)
	want("when the time is over", "192.0.2.1", "right", 200)
	if fmt.Sprint(reasons) != "map[rooms missing:101 rooms rate-limited:4 rooms wrong:104]" {
		t.Errorf("told of %v", reasons)
	}
}

// TestFailuresOfANetwork: who has one address of an IPv6 network has them all.
func TestFailuresOfANetwork(t *testing.T) {
	t.Parallel()
	g := limited(newClock(), nil).Gate(bearerLock("api"))
	for i := range 3 {
		from(g, fmt.Sprintf("2001:db8:1:2::%d", i+1), "wrong-"+strconv.Itoa(i))
	}
	if got := from(g, "2001:db8:1:2:ffff::1", "right"); got != 429 {
		t.Errorf("the same network: %d", got)
	}
	if got := from(g, "2001:db8:1:3::1", "right"); got != 200 {
		t.Errorf("another network: %d", got)
	}
}

// TestFailuresBesideGoodCallers: who guesses from an address from which others come in does not
// lock those out at once, and does not guess for ever.
func TestFailuresBesideGoodCallers(t *testing.T) {
	t.Parallel()
	g := limited(newClock(), nil).Gate(bearerLock("api"))
	from(g, "192.0.2.1", "right")
	guesses := 0
	for from(g, "192.0.2.1", "right") == 200 && guesses < 1000 {
		if from(g, "192.0.2.1", "guess-"+strconv.Itoa(guesses)) == 200 {
			t.Error("a guess came in")
		}
		guesses++
	}
	if guesses != 33 { // three, and ten times three more
		t.Errorf("%d guesses were looked at", guesses)
	}
	if got := from(g, "192.0.2.2", "right"); got != 200 {
		t.Errorf("from elsewhere: %d", got)
	}
}

// TestFailuresInLists: what a list of many adapters is shown locks nobody out of one of them,
// and finds out no more either.
func TestFailuresInLists(t *testing.T) {
	t.Parallel()
	g := limited(newClock(), nil).Gate(bearerLock("api"))
	knows := func(token string) bool {
		r := httptest.NewRequest(http.MethodGet, "/apis", nil)
		r = r.WithContext(plan.WithArrival(r.Context(), "id", netip.MustParseAddr("192.0.2.1")))
		r.Header.Set("Authorization", "Bearer "+token)
		return plan.Shows(g, r, 2)
	}
	if !knows("right") {
		t.Error("the list does not show the adapter")
	}
	for i := range 3 {
		if knows("wrong-" + strconv.Itoa(i)) {
			t.Error("the list shows an adapter to anybody")
		}
	}
	if knows("right") {
		t.Error("a list can be asked for ever")
	}
	if got := from(g, "192.0.2.1", "right"); got != 200 {
		t.Errorf("a call: %d", got)
	}
}

// TestMadeUpTokensAskNoIssuer: of a flood of tokens from one address an issuer is asked about a
// few, at most so many at once; those of others are looked at.
func TestMadeUpTokensAskNoIssuer(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	k := keeper(t, now, nil, func(o *auth.Options) { o.Failures = plan.Rate{Count: 20, Period: time.Minute, Burst: 20} })
	g := k.Gate(is.tokenLock(func(l *plan.TokenLock) {
		l.Introspect, l.ClientID, l.ClientSecret = true, plan.NewSecret("capd"), plan.NewSecret("the secret")
	}))
	good := is.claims(now, nil)
	good["active"] = true
	is.with(func() { is.says = map[string]map[string]any{"good": good, "later": good} })
	var flood sync.WaitGroup
	for i := range 300 {
		flood.Go(func() {
			if got := from(g, "192.0.2.1", "made-up-"+strconv.Itoa(i)); got == 200 {
				t.Errorf("token %d: %d", i, got)
			}
		})
	}
	flood.Wait()
	if n := is.count("/introspect"); n < 20 || n > 20+16 { // and those under way at that moment
		t.Errorf("the issuer was asked about %d made-up tokens", n)
	}
	if got := from(g, "192.0.2.1", "good"); got != 429 {
		t.Errorf("an unknown token from there: %d", got)
	}
	if got := from(g, "192.0.2.2", "good"); got != 200 {
		t.Errorf("a token from elsewhere: %d", got)
	}
}

// failingStore is a store that cannot be reached.
type failingStore struct{ plan.Store }

func (failingStore) Take(context.Context, string, plan.Rate) (time.Duration, error) {
	return 0, errors.New("unreachable")
}

func (failingStore) Claim(context.Context, string, time.Duration) (bool, error) {
	return false, errors.New("unreachable")
}

// TestFailuresOfReplicas: replicas with one store count together, and each for itself while the
// store cannot be reached.
func TestFailuresOfReplicas(t *testing.T) {
	t.Parallel()
	store, now := memory.New(memory.Options{}), newClock()
	now.at = time.Now() // the store has a clock of its own
	var gates []plan.Gate
	for range 2 {
		gates = append(gates, limited(now, func(o *auth.Options) { o.Store = store }).Gate(bearerLock("api")))
	}
	from(gates[0], "192.0.2.1", "a")
	from(gates[1], "192.0.2.1", "b")
	from(gates[0], "192.0.2.1", "c")
	if got := from(gates[1], "192.0.2.1", "d"); got != 429 {
		t.Errorf("the fourth guess at two replicas: %d", got)
	}
	if got := from(gates[1], "192.0.2.1", "right"); got != 429 {
		t.Errorf("afterwards: %d", got)
	}
	alone := limited(now, func(o *auth.Options) { o.Store = failingStore{} }).Gate(bearerLock("api"))
	spend(alone, "192.0.2.1")
	if got := from(alone, "192.0.2.1", "right"); got != 429 {
		t.Errorf("without the store: %d", got)
	}
}

package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	if got := RequestID(context.Background()); got != "" {
		t.Errorf("a context without a request has the ID %q", got)
	}
	ctx := WithRequestID(context.Background(), "r1")
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	if got := RequestID(child); got != "r1" {
		t.Errorf("got %q, want r1", got)
	}
	if a, b := NewRequestID(), NewRequestID(); a == b || len(a) < 16 {
		t.Errorf("IDs %q and %q are not random", a, b)
	}
}

// TestCallerCertificate: whoever else lets a caller in, what it showed at the connection stays,
// tells it from others, and is printed as the subject only.
func TestCallerCertificate(t *testing.T) {
	t.Parallel()
	caller := func(subject string) *Caller {
		arrival := NewArrival(context.Background(), Caller{Certificate: &CallerCertificate{Subject: subject, Issuer: "CN=root", Emails: []string{"a@example.org"}}})
		return CallerOf(WithCaller(&arrival, &Caller{Scheme: SchemeBearer}))
	}
	a, b, none := caller("CN=a"), caller("CN=b"), &Caller{Scheme: SchemeBearer}
	if a.Scheme != SchemeBearer || a.Certificate == nil || a.Certificate.Subject != "CN=a" {
		t.Errorf("got %+v", a)
	}
	if a.ID() == b.ID() || a.ID() == none.ID() || a.ID() != caller("CN=a").ID() {
		t.Error("callers are not told apart by their certificates")
	}
	workload := func(uri string) CallerID { // of workloads that have no other name (SPIFFE)
		return (&Caller{Scheme: SchemeBearer, Certificate: &CallerCertificate{Issuer: "CN=root", URIs: []string{uri}}}).ID()
	}
	if workload("spiffe://example.org/a") == workload("spiffe://example.org/b") {
		t.Error("callers are not told apart by the URIs of their certificates")
	}
	text, err := json.Marshal(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%v %+v %s", a.Certificate, a.Certificate, text); got != `CN=a CN=a "CN=a"` {
		t.Errorf("printed as %s", got)
	}
}

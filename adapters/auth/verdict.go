package auth

import (
	"net/http"

	"capd/engine/plan"
)

// verdict is what a checker makes of a request.
type verdict uint8

const (
	admitted     verdict = iota
	missing              // nothing is shown
	wrong                // what is shown is not right
	stale                // it is right, and made for a challenge that is too old
	foreign              // the certificate of the connection is not one of those that may come in
	insufficient         // the caller is known, and may not do enough
	unavailable          // it cannot be judged now
	closed               // the credential has no value: nobody comes in
	limited              // it was not looked at, since the address failed too often
)

// String gives the name that a metric has for it. The set is closed.
func (v verdict) String() string {
	switch v {
	case admitted:
		return "admitted"
	case missing:
		return "missing"
	case wrong:
		return "wrong"
	case stale:
		return "stale"
	case foreign:
		return "certificate"
	case insufficient:
		return "scopes"
	case unavailable:
		return "unavailable"
	case closed:
		return "not-configured"
	case limited:
		return plan.CodeRateLimited.String()
	}
	return "unknown"
}

// checker checks what requests show, by one scheme. It is safe for concurrent use.
type checker interface {
	// shown gives the credential of a request, right or wrong; empty when there is none.
	shown(r *http.Request) string
	// admit gives the request as it may come in. It is nil unless it is admitted.
	admit(r *http.Request) (*http.Request, verdict)
	// recall judges by what is known already: it asks nobody and uses nothing up.
	recall(r *http.Request) verdict
	// asks reports whether admit would show the credential to somebody else.
	asks(r *http.Request) bool
	// refuse answers a request that may not come in, and gives the code for that. It says
	// nothing of which part of a guess was right.
	refuse(w http.ResponseWriter, r *http.Request, v verdict) plan.Code
}

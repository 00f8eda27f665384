package auth

import (
	"net/http"
	"strconv"
	"time"

	"capd/engine/plan"
)

// counting is the gate of one lock. It judges by a checker, unless who asks failed too often.
// It is a [plan.Asking] and immutable.
type counting struct {
	checker
	document string
	exposure string
	holders  *holders // whose certificates may come in; nil: anybody's, and none
	ledger   *ledger  // nil: nobody fails too often
	told     func(document, reason string)
}

// countingTokens is a counting gate of tokens. It is a [plan.Described] and [plan.Scoped] too.
type countingTokens struct {
	*counting
	tokens *tokenGate
}

// Resource gives the URL of what is guarded.
func (g countingTokens) Resource() string { return g.tokens.Resource() }

// Metadata gives what clients must know to get a token (RFC 9728).
func (g countingTokens) Metadata() []byte { return g.tokens.Metadata() }

// RefuseScopes answers 403 and names the scopes that are needed.
func (g countingTokens) RefuseScopes(w http.ResponseWriter, r *http.Request, need []string) {
	g.tell(insufficient)
	g.tokens.RefuseScopes(w, r, need)
}

// Admit gives the request without the credential, or nil when it may not come in.
func (g *counting) Admit(r *http.Request) *http.Request {
	in, v := g.judge(r)
	if in == nil {
		g.tell(v)
	}
	return in
}

// Knows is Admit by what is known already, as one of many gates. What is shown to all of them
// is right for one at most, so that those who fail are counted apart: nobody who looks at a list
// is kept from calling.
func (g *counting) Knows(r *http.Request) bool {
	if !g.holders.has(r) {
		return false
	}
	credential := g.shown(r)
	if credential == "" || g.ledger == nil {
		return g.recall(r) == admitted
	}
	who := g.neighbour(r, g.exposure+"\x00list")
	if g.ledger.wait(who) > 0 {
		return false
	}
	v := g.recall(r)
	if v == wrong {
		g.ledger.failed(r.Context(), who, credential)
	}
	return v == admitted
}

// judge gives the request as it may come in, or why it may not.
func (g *counting) judge(r *http.Request) (*http.Request, verdict) {
	if !g.holders.has(r) {
		return nil, foreign
	}
	credential := g.shown(r)
	if credential == "" || g.ledger == nil {
		return g.checker.admit(r)
	}
	who := g.neighbour(r, g.exposure)
	if g.ledger.wait(who) > 0 {
		return nil, limited
	}
	if g.asks(r) {
		// An issuer is asked about few tokens of an address at once: when those are made up, the
		// others are not looked at any more.
		leave, ok := g.ledger.turn(r.Context(), who)
		if !ok {
			return nil, unavailable
		}
		defer leave()
		if g.ledger.wait(who) > 0 {
			return nil, limited
		}
	}
	in, v := g.checker.admit(r)
	switch v {
	case admitted:
		g.ledger.came(who)
	case wrong:
		g.ledger.failed(r.Context(), who, credential)
	}
	return in, v
}

// Refuse answers a request that may not come in, and gives the code of why.
func (g *counting) Refuse(w http.ResponseWriter, r *http.Request) plan.Code {
	if !g.holders.has(r) {
		return g.refuse(w, r, foreign)
	}
	if g.ledger != nil && g.shown(r) != "" {
		if wait := g.ledger.wait(g.neighbour(r, g.exposure)); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			tooMany.write(w, r)
			return plan.CodeRateLimited
		}
	}
	return g.refuse(w, r, g.recall(r))
}

func (g *counting) neighbour(r *http.Request, exposure string) neighbour {
	return neighbour{exposure, plan.Neighbourhood(plan.CallerAddress(r.Context()))}
}

func (g *counting) tell(v verdict) {
	if g.told != nil {
		g.told(g.document, v.String())
	}
}

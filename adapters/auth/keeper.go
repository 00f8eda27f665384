// Package auth keeps the gates of exposures that want authentication: it reads what a caller
// shows in a request, compares it with what the plan's lock wants, and answers those who
// may not come in, in the same way for every adapter.
package auth

import (
	"log/slog"
	"time"

	"capd/engine/plan"
)

// Options are the settings of a [Keeper]. The zero value is ready to use; without Client no
// token can be checked.
type Options struct {
	// Client sends what authorization servers are asked. Its rules for addresses hold.
	Client plan.Upstream
	// Logger is told when an authorization server cannot be used; nil: nobody is.
	Logger *slog.Logger
	// Now is the clock; nil means the machine's.
	Now func() time.Time
	// Failures is how many wrong credentials may come from an address to an exposure; of zero any
	// number.
	Failures plan.Rate
	// Store counts them together with other replicas, and keeps answers to challenges from being
	// used twice; nil: there are no others.
	Store plan.Store
	// Key signs challenges, so that each replica knows those of the others. Empty means one at
	// random.
	Key []byte
	// Failed is told of each request that may not come in, and why: one of a few words.
	Failed func(document, reason string)
	// Timeout bounds one round of questions to an authorization server; 0 means 10 s.
	Timeout time.Duration
}

// Keeper makes gates, and keeps what they learn of authorization servers. It lives as long as
// the process, so that a reload forgets no keys, and is safe for concurrent use. It asks
// nobody before a token has to be checked.
type Keeper struct {
	opts       Options
	keyrings   shelf[keyring]
	inspectors shelf[inspector]
	ledger     *ledger // nil: nobody fails too often
	nonces     *nonces
}

// New makes a keeper.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	k := &Keeper{opts: o, nonces: newNonces(o.Key, o.Store, o.Now)}
	if o.Failures.Limits() {
		k.ledger = newLedger(o.Failures, o.Store, o.Now)
	}
	return k
}

// Gate makes the gate of a lock.
func (k *Keeper) Gate(l plan.Lock) plan.Gate {
	g := &counting{
		document: l.Document, exposure: l.Document + "\x00" + l.Realm,
		holders: newHolders(l.Certificates), ledger: k.ledger, told: k.opts.Failed,
	}
	switch l.Scheme {
	case plan.SchemeOAuth2:
		tokens := k.tokenGate(l)
		g.checker = tokens
		return countingTokens{g, tokens}
	case plan.SchemeDigest:
		g.checker = newDigestGate(l, k.nonces)
	case plan.SchemeCertificate:
		g.checker = newCertificateGate(l)
	default:
		g.checker = newGate(l)
	}
	return g
}

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
	return &Keeper{opts: o}
}

// Gate makes the gate of a lock.
func (k *Keeper) Gate(l plan.Lock) plan.Gate {
	if l.Scheme == plan.SchemeOAuth2 {
		return k.tokenGate(l)
	}
	return newGate(l)
}

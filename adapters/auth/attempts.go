package auth

import (
	"context"
	"time"

	"capd/engine/plan"
)

// Attempts counts who shows wrong credentials at a door that is no adapter's, as gates count those
// of theirs. A nil one never asks anybody to wait. It is safe for concurrent use.
type Attempts struct {
	ledger *ledger
	door   string
}

// Attempts gives those at a door, which has a name of its own; nil when nobody fails too often.
func (k *Keeper) Attempts(door string) *Attempts {
	if k.ledger == nil {
		return nil
	}
	return &Attempts{k.ledger, "\x00" + door} // no document has an ID that begins so
}

// Wait gives how long nothing is looked at that the caller of ctx shows; 0 for not at all.
func (a *Attempts) Wait(ctx context.Context) time.Duration {
	if a == nil {
		return 0
	}
	return a.ledger.wait(a.neighbour(ctx))
}

// Came notes that the caller of ctx came in.
func (a *Attempts) Came(ctx context.Context) {
	if a != nil {
		a.ledger.came(a.neighbour(ctx))
	}
}

// Failed counts a wrong credential.
func (a *Attempts) Failed(ctx context.Context, credential string) {
	if a != nil {
		a.ledger.failed(ctx, a.neighbour(ctx), credential)
	}
}

func (a *Attempts) neighbour(ctx context.Context) neighbour {
	return neighbour{a.door, plan.Neighbourhood(plan.CallerAddress(ctx))}
}

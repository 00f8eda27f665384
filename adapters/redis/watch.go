package redis

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"capd/engine/plan"
)

// idleLooks is how much less often a Redis is tried that answers.
const idleLooks = 10

// Status is how a store is.
type Status struct {
	Address string // without credentials
	Up      bool
	Since   time.Time
	Reason  string // why it is not up
}

// Status tells whether the Redis answers, as far as it was asked.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.state
	out.Address = s.link.Load().shown
	return out
}

// doubt is told that an operation failed. No other is tried until somebody has looked whether the
// Redis answers, so that one that is gone holds a call up once.
func (s *Store) doubt(err error) {
	// What is wrong with one key says nothing of the others; no connection being free says that
	// there is much to do.
	if redis.HasErrorPrefix(err, "WRONGTYPE") || errors.Is(err, redis.ErrPoolTimeout) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose()
	s.look()
}

// lose has operations done here. s.mu is held.
func (s *Store) lose() {
	if s.up.Swap(false) {
		s.outage.Add(1)
	}
}

// look begins to look whether the Redis answers, unless somebody does. s.mu is held.
func (s *Store) look() {
	if s.trying || s.isClosed() {
		return
	}
	s.trying = true
	s.ended.Go(s.try)
}

// lookLater looks once more after a while: who asks for nothing wants to know too. s.mu is held.
func (s *Store) lookLater() {
	if s.later != nil {
		s.later.Stop()
	}
	s.later = time.AfterFunc(idleLooks*s.opts.Again, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.look()
	})
}

// try looks until the Redis answers. What it was not told meanwhile it is told first.
func (s *Store) try() {
	for {
		l := s.link.Load()
		owed := s.owed()
		err := s.check(l, owed)
		if err != nil {
			s.oweAgain(owed)
		}
		if s.found(l, err) {
			return
		}
		if err == nil || s.link.Load() != l {
			continue // there is more to tell, or another one to ask
		}
		select {
		case <-s.closed:
			return
		case <-time.After(s.opts.Again):
		}
	}
}

// check does what operations do, and tells what the Redis was not told. It has more time than
// they have: it connects first.
func (s *Store) check(l *link, owed debts) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*l.timeout)
	defer cancel()
	if _, err := s.take(ctx, l.client, s.opts.Prefix+"check", plan.Rate{Count: 1, Period: time.Millisecond, Burst: 1}); err != nil {
		return err
	}
	if len(owed) == 0 {
		return nil
	}
	_, err := l.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for key, d := range owed {
			if d.delete {
				p.Del(ctx, key)
			} else if left := time.Until(d.until); left > 0 {
				p.SetNX(ctx, key, 1, inMilliseconds(left))
			}
		}
		return nil
	})
	return err
}

// found takes in what came of a look, and reports whether it was the last for now.
func (s *Store) found(l *link, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, now := s.state.Up, err == nil
	if s.link.Load() != l || now && len(s.debts) > 0 {
		return false
	}
	reason := ""
	if now {
		s.trying = false
		s.up.Store(true)
		s.lookLater()
	} else {
		s.lose()
		reason = l.hide(err.Error())
	}
	if was == now {
		s.state.Reason = reason
		return now
	}
	log := s.opts.Logger.With("store", l.shown)
	if now {
		log.LogAttrs(context.Background(), slog.LevelInfo, "the Redis is used again", slog.Duration("after", time.Since(s.state.Since).Round(time.Millisecond)))
	} else {
		log.LogAttrs(context.Background(), slog.LevelWarn, "the Redis cannot be used: this replica limits, caches and remembers by itself", slog.String("error", reason))
	}
	s.state = Status{Up: now, Since: time.Now(), Reason: reason}
	return now
}

// debt is what a Redis that could not be reached has to be told.
type debt struct {
	delete bool      // a value is to be forgotten
	until  time.Time // or a claim ends
}

// debts are by key.
type debts map[string]debt

// maxDebts bounds them. What is more is not told: values then last until they end, and claims are
// known to this replica only.
const maxDebts = 10_000

// owe remembers what the Redis has to be told.
func (s *Store) owe(key string, d debt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.debts.add(key, d)
	s.look() // when it is back already
}

func (d *debts) add(key string, one debt) {
	if *d == nil {
		*d = debts{}
	}
	if _, known := (*d)[key]; known || len(*d) < maxDebts {
		(*d)[key] = one
	}
}

// owed gives what is to be told, and forgets it.
func (s *Store) owed() debts {
	s.mu.Lock()
	defer s.mu.Unlock()
	owed := s.debts
	s.debts = nil
	return owed
}

// oweAgain remembers what could not be told.
func (s *Store) oweAgain(owed debts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, d := range owed {
		s.debts.add(key, d)
	}
}

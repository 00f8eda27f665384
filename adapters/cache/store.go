package cache

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"capd/engine/plan"
)

// Two things are kept. Under the key of a request its answer; and for each path of a document the
// instant from which answers count, which every change moves. An answer that was asked for before
// it does not count, also when it comes in after the change, or from another replica; and when
// nobody remembers the instant, no answer counts.

func (k key) answer() string { return "cache/answer/" + k.text() }
func (k key) since() string  { return "cache/since/" + k.text() }

// load gives what is kept for a request; nil for nothing. It makes sure that what is kept from
// now on can count.
func (c *Cache) load(ctx context.Context, x *exchange) *entry {
	mark, err := c.opts.Store.Load(ctx, x.path.since())
	if err != nil {
		c.opts.StoreFailed("load", err)
		return nil
	}
	if len(mark) != 8 {
		c.countFrom(ctx, x.path, c.opts.Now())
		return nil
	}
	value, err := c.opts.Store.Load(ctx, x.key.answer())
	if err != nil {
		c.opts.StoreFailed("load", err)
		return nil
	}
	if value == nil {
		return nil
	}
	e, err := decode(value)
	if err != nil {
		c.opts.StoreFailed("load", err)
		return nil
	}
	if e.requested.UnixNano() < int64(binary.BigEndian.Uint64(mark)) {
		return nil
	}
	return e
}

// changed makes all answers of a path that were asked for until now count no more.
func (c *Cache) changed(ctx context.Context, path key) { c.countFrom(ctx, path, c.opts.Now().Add(1)) }

func (c *Cache) countFrom(ctx context.Context, path key, at time.Time) {
	mark := binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano()))
	if err := c.opts.Store.Save(ctx, path.since(), mark, maxKeep); err != nil {
		c.opts.StoreFailed("save", err)
	}
}

// forget forgets the answer to a request.
func (c *Cache) forget(ctx context.Context, x *exchange) {
	if err := c.opts.Store.Delete(context.WithoutCancel(ctx), x.key.answer()); err != nil {
		c.opts.StoreFailed("delete", err)
	}
}

// save keeps a whole answer, if it is one to keep. What holds a secret of the request is not:
// secrets are not to be found in a store, nor in the answer to another request, which may have
// others.
func (c *Cache) save(ctx context.Context, x *exchange, e *entry, added []plan.Secret) {
	now := c.opts.Now()
	if !x.keepable(e, int64(len(e.body)), now) || x.hasSecret(e, added) {
		return
	}
	kept := *e
	kept.header = keptHeader(e.header)
	// The caller may be gone by now.
	err := c.opts.Store.Save(context.WithoutCancel(ctx), x.key.answer(), kept.encode(), e.keepFor(x.rule, now))
	if err != nil {
		c.opts.StoreFailed("save", err)
	}
}

// hasSecret reports whether an answer repeats a secret of its request, or could in a way that is
// not seen here.
func (x *exchange) hasSecret(e *entry, added []plan.Secret) bool {
	secrets := append(x.req.Secrets[:len(x.req.Secrets):len(x.req.Secrets)], added...)
	if len(secrets) == 0 {
		return false
	}
	if (e.status < 200 || e.status > 299) && e.get("Content-Encoding") != "" {
		return true
	}
	has := (&plan.Request{Secrets: secrets})
	for _, f := range e.header {
		if has.Mask(f.Value) != f.Value {
			return true
		}
	}
	body := string(e.body)
	return strings.TrimSpace(body) != "" && has.Mask(body) != body
}

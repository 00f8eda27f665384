package cache

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"capd/engine/plan"
)

// Two things are kept. Under the key of a request its answer; and for each path of a document its
// epoch, which ends with every change. An answer counts in the epoch in which it was asked for: so
// one that comes in after a change does not, nor one that another replica kept; and where nobody
// remembers the epoch, none does. No clock has a part in it.
type epoch [16]byte

func (k key) answer() string { return "cache/answer/" + k.text() }
func (k key) epoch() string  { return "cache/epoch/" + k.text() }

// load gives what is kept for a request; nil for nothing. unkept: it is known that nothing is to
// be kept. It makes sure that what is asked for from now on can count.
func (c *Cache) load(ctx context.Context, x *exchange) (_ *entry, unkept bool) {
	x.epoch = epoch{}
	now, err := c.opts.Store.Load(ctx, x.path.epoch())
	if err != nil {
		c.opts.StoreFailed("load", err)
		return nil, false
	}
	if len(now) != len(x.epoch) {
		c.begin(ctx, x)
		return nil, false
	}
	x.epoch = epoch(now)
	value, err := c.opts.Store.Load(ctx, x.key.answer())
	if err != nil {
		c.opts.StoreFailed("load", err)
		return nil, false
	}
	switch {
	case value == nil:
		return nil, false
	case bytes.Equal(value, []byte{nothing}):
		return nil, true
	}
	e, err := decode(value)
	if err != nil {
		c.opts.StoreFailed("load", err)
		return nil, false
	}
	if e.epoch != x.epoch {
		return nil, false
	}
	return e, false
}

// begin begins an epoch.
func (c *Cache) begin(ctx context.Context, x *exchange) {
	var next epoch
	_, _ = rand.Read(next[:]) // it never fails
	if err := c.opts.Store.Save(ctx, x.path.epoch(), next[:], maxKeep); err != nil {
		c.opts.StoreFailed("save", err)
		return
	}
	x.epoch = next
}

// changed ends the epoch of a path. A store of several replicas that is away is told when it is
// back, as of everything that is deleted.
func (c *Cache) changed(ctx context.Context, path key) { c.delete(ctx, path.epoch()) }

func (c *Cache) delete(ctx context.Context, key string) {
	// The caller may be gone, and it is true all the same.
	if err := c.opts.Store.Delete(context.WithoutCancel(ctx), key); err != nil {
		c.opts.StoreFailed("delete", err)
	}
}

const (
	// nothing is what is kept instead of an answer that is not to be kept.
	nothing = 0
	// nothingFor is how long that is remembered: the next answer may be another.
	nothingFor = time.Minute
)

// leave leaves the conditions of the caller to the upstream.
func (x *exchange) leave() {
	if x.isConditional() {
		x.asIs, x.header, x.ifNoneMatch, x.ifModified = true, x.req.Header, nil, ""
	}
}

// pass remembers that the answer is not kept, if the caller has it perhaps. The upstream was
// asked for all of it in vain, and next time can answer that nothing has changed.
func (c *Cache) pass(ctx context.Context, x *exchange, e *entry, length int64) {
	if !x.isConditional() || e.status != http.StatusOK || x.keepable(e, length, c.opts.Now()) {
		return
	}
	if err := c.opts.Store.Save(context.WithoutCancel(ctx), x.key.answer(), []byte{nothing}, nothingFor); err != nil {
		c.opts.StoreFailed("save", err)
	}
}

// forget forgets the answer to a request.
func (c *Cache) forget(ctx context.Context, x *exchange) { c.delete(ctx, x.key.answer()) }

// save keeps a whole answer, if it is one to keep. What holds a secret of the request is not:
// secrets are not to be found in a store, nor in the answer to another request, which may have
// others.
func (c *Cache) save(ctx context.Context, x *exchange, e *entry, added []plan.Secret) {
	now := c.opts.Now()
	if x.epoch == (epoch{}) || !x.keepable(e, int64(len(e.body)), now) || x.hasSecret(e, added) {
		return
	}
	kept := *e
	kept.epoch, kept.header = x.epoch, keptHeader(e.header)
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

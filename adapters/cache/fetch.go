package cache

import (
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	"capd/engine/plan"
)

// fetch asks the upstream: for the answer, or whether have is still the current one; have is nil
// when nothing is kept.
func (c *Cache) fetch(ctx context.Context, x *exchange, have *entry) (*answer, error) {
	var validators []plan.Field
	if have != nil {
		validators = have.validators()
	}
	got, resp, err := c.send(ctx, x, validators)
	if have != nil && failed(resp, err) {
		if u := have.usage(x.rule, c.opts.Now()); u.mayReplaceFailure() {
			return stale(have, resp), nil
		}
	}
	if err != nil {
		return nil, err
	}
	a := &answer{entry: got, result: Miss, attempts: resp.Attempts, secrets: resp.Secrets}
	if have != nil {
		a.asked = resp.Status
	}
	if resp.Status == http.StatusNotModified && len(validators) > 0 {
		_ = resp.Body.Close()
		if fresh, ok := have.refresh(got); ok {
			c.save(ctx, x, fresh, resp.Secrets)
			a.entry, a.result = fresh, Revalidated
			return a, nil
		}
		// It speaks of an answer that is not the one we have.
		c.forget(ctx, x)
		return c.fetch(ctx, x, nil)
	}
	if have != nil && !failed(resp, nil) && !x.keepable(got, resp.Body.Len, c.opts.Now()) {
		c.forget(ctx, x) // it is no longer what the upstream says
	}
	c.pass(ctx, x, got, resp.Body.Len)
	if resp.Body.Stream == nil {
		got.body = resp.Body.Bytes
		c.save(ctx, x, got, resp.Secrets)
		return a, nil
	}
	a.stream, a.length = resp.Body.Stream, resp.Body.Len
	return a, nil
}

// send sends the request with these conditions instead of those of the caller.
func (c *Cache) send(ctx context.Context, x *exchange, validators []plan.Field) (*entry, *plan.Response, error) {
	req := *x.req
	req.Header = x.header
	if len(validators) > 0 {
		req.Header = slices.Concat(x.header, validators)
	}
	requested := c.opts.Now()
	resp, err := c.next.Do(ctx, &req)
	if err != nil {
		return nil, nil, err
	}
	return &entry{requested: requested, received: c.opts.Now(), status: resp.Status, header: resp.Header}, resp, nil
}

// stale gives what is kept because the upstream failed.
func stale(have *entry, resp *plan.Response) *answer {
	a := &answer{entry: have, result: Stale}
	if resp != nil {
		_ = resp.Body.Close()
		a.asked, a.attempts = resp.Status, resp.Attempts
	}
	return a
}

// failed reports whether an upstream could not answer, so that what is kept may be given
// (RFC 5861 section 4). That the caller is gone, or calls too often, is nothing of the kind.
func failed(resp *plan.Response, err error) bool {
	if err != nil {
		switch plan.AsError(err).Code {
		case plan.CodeUpstreamFailed, plan.CodeUpstreamTimeout, plan.CodeUpstreamUnavailable, plan.CodeOverloaded:
			return true
		}
		return false
	}
	switch resp.Status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// keepable reports whether an answer would be kept if its body is as long as it says.
func (x *exchange) keepable(e *entry, length int64, now time.Time) bool {
	return x.keeps() && x.req.Method == http.MethodGet && length <= x.rule.Max && e.keepFor(x.rule, now) > 0
}

// tee has the body of an answer kept while it is read, if it is one to keep.
func (c *Cache) tee(ctx context.Context, x *exchange, a *answer) {
	if a.stream == nil || !x.keepable(a.entry, a.length, c.opts.Now()) {
		return
	}
	t := &tee{ReadCloser: a.stream, length: a.length, most: x.rule.Max}
	got := *a.entry
	t.keep = func(body []byte) {
		got.body = body
		c.save(ctx, x, &got, a.secrets)
	}
	a.stream = t
}

// tee remembers what is read through it, up to a limit, and keeps it once it is whole. One that
// breaks off, or that nobody reads to its end, is not kept.
type tee struct {
	io.ReadCloser
	length, most int64
	body         []byte
	keep         func([]byte) // nil: no more
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if t.keep == nil {
		return n, err
	}
	if int64(len(t.body)+n) > t.most || err != nil && err != io.EOF {
		t.keep, t.body = nil, nil
		return n, err
	}
	if t.body == nil && t.length > 0 {
		t.body = make([]byte, 0, t.length)
	}
	t.body = append(t.body, p[:n]...)
	whole := err == io.EOF && t.length < 0 || int64(len(t.body)) == t.length
	if whole {
		t.keep(t.body)
	}
	if whole || err != nil {
		t.keep, t.body = nil, nil
	}
	return n, err
}

package httpclient

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httputil"
	"strings"

	"capd/engine/plan"
)

// DryRun gives an Upstream that renders every request as Do does, hands sent the bytes that
// a connection of HTTP/1.1 would carry, secrets included, and answers 204 without a network.
func (c *Client) DryRun(sent func(req *plan.Request, wire []byte)) plan.Upstream {
	return plan.UpstreamFunc(func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		x := &exchange{ctx: ctx, req: req, target: req.Target}
		defer x.release()
		wire, err := c.dump(x)
		if err != nil {
			_ = req.Body.Close()
			return nil, x.fault(err, beforeAnswer)
		}
		sent(req, wire)
		return &plan.Response{Status: http.StatusNoContent}, nil
	})
}

// standIn is sent to in place of a host that is no host yet, because a variable in it has
// no value.
const standIn = "host.invalid"

func (c *Client) dump(x *exchange) ([]byte, error) {
	_, r, err := c.render(x)
	if err != nil {
		return nil, err
	}
	unset := strings.ContainsAny(x.req.Base.Host, "<>")
	if unset {
		if target, absolute := strings.CutPrefix(r.URL.Opaque, "//"+r.URL.Host); absolute {
			r.URL.Opaque = "//" + standIn + target
		}
		if r.Host == r.URL.Host {
			r.Host = standIn
		}
		r.URL.Host = standIn
	}
	wire, err := httputil.DumpRequestOut(r, true)
	if unset {
		wire = bytes.Replace(wire, []byte("\r\nHost: "+standIn+"\r\n"), []byte("\r\nHost: "+x.req.Base.Host+"\r\n"), 1)
	}
	return wire, err
}

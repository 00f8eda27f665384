package httpclient

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"capd/engine/plan"
)

// Rebase gives an Upstream that sends every request to another place: scheme and host are
// those of to, and its path, without a slash at its end, is put before the target. The Host
// header follows, and a client certificate is shown only over https. User, query and
// fragment of to are not used.
func Rebase(next plan.Upstream, to *url.URL) plan.Upstream {
	base := plan.Base{Scheme: to.Scheme, Host: to.Host, Path: strings.TrimRight(to.EscapedPath(), "/")}
	return plan.UpstreamFunc(func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		moved := *req
		moved.Base = &plan.Base{Scheme: base.Scheme, Host: base.Host, Path: base.Path + req.Base.Path, Judged: true}
		moved.Target = base.Path + req.Target
		if base.Scheme != "https" {
			moved.Certificate = nil // there is no TLS to show it in
		}
		if slices.ContainsFunc(moved.Header, isHost) {
			moved.Header = slices.DeleteFunc(slices.Clone(moved.Header), isHost)
		}
		return next.Do(ctx, &moved)
	})
}

func isHost(f plan.Field) bool { return strings.EqualFold(f.Name, "Host") }

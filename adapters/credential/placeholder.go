package credential

import (
	"context"
	"strings"

	"capd/engine/plan"
)

// Placeholder gives an Upstream for stubs and dry runs: where a credential would add something
// that must be fetched or computed, a word in angle brackets stands. Nothing is asked for,
// and no file is read.
func Placeholder(next plan.Upstream) plan.Upstream {
	return plan.UpstreamFunc(func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		if req.Auth == nil && req.Certificate == nil {
			return next.Do(ctx, req)
		}
		out := *req
		out.Auth, out.Certificate = nil, nil
		if req.Auth != nil {
			out.Header = withHeader(req.Header, standIns(req.Auth)...)
		}
		return next.Do(ctx, &out)
	})
}

// describe writes a header of a described signature with its words in angle brackets.
func describe(c *plan.HMAC, text []plan.HMACPart) string {
	var b strings.Builder
	for _, p := range text {
		switch p.Word {
		case "":
			b.WriteString(p.Text.Reveal())
		case "keyId":
			b.WriteString(c.KeyID.Reveal())
		default:
			b.WriteString("<" + p.Word + ">")
		}
	}
	return b.String()
}

func standIns(c plan.Credential) []plan.Field {
	value := "<signature>"
	switch c := c.(type) {
	case *plan.OAuth2:
		value = "Bearer <oauth2-token>"
	case *plan.Digest:
		value = "Digest <response>"
	case *plan.OAuth1:
		value = "OAuth <signature>"
	case *plan.SigV4:
		value = "AWS4-HMAC-SHA256 <signature>"
	case *plan.Veracode:
		value = "VERACODE-HMAC-SHA-256 <signature>"
	case *plan.HMAC:
		out := make([]plan.Field, len(c.Headers))
		for i, h := range c.Headers {
			out[i] = plan.Field{Name: h.Name, Value: describe(c, h.Value)}
		}
		return out
	}
	return []plan.Field{{Name: "Authorization", Value: value}}
}

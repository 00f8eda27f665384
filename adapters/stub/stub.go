// Package stub answers rendered requests without a network: with what it was sent, secrets
// masked, and with a sample wherever the operation reads the answer. So anyone sees a
// capability work who has neither account nor key.
package stub

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"capd/engine/plan"
)

// Stub is a [plan.Upstream] that answers everything itself. It is safe for concurrent use.
type Stub struct{}

// New makes a stub.
func New() *Stub { return &Stub{} }

// Do reads the request's body to its end and answers 200 with a JSON object: "request" holds
// method, url, headers and body as they were sent, secrets masked; beside it stand samples
// where the mappings of req.Call read. When they read the elements of a list at the root, the
// answer is a list of one such object. The answer to HEAD has no body.
func (*Stub) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	var samples []plan.Sample
	if req.Call != nil {
		samples = req.Call.Samples()
	}
	body, err := answer(ctx, req, samples)
	if err != nil {
		return nil, err
	}
	resp := &plan.Response{
		Status:   http.StatusOK,
		Header:   []plan.Field{{Name: "Content-Type", Value: "application/json"}},
		Attempts: 1,
	}
	if req.Method != http.MethodHead {
		resp.Body = plan.BytesBody(body)
	}
	return resp, nil
}

// answer gives the JSON text of the answer.
func answer(ctx context.Context, req *plan.Request, samples []plan.Sample) ([]byte, error) {
	sent, err := describe(ctx, req)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // <secret> and <NAME> are to be read by people
	if err := enc.Encode(merge(samples, sent)); err != nil {
		return nil, &plan.Error{Code: plan.CodeInternal, Message: "the stub cannot write its answer", Cause: err}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

package mcp

import "net/http"

// ViaSDK gives options of an adapter that sends every request through the SDK.
func ViaSDK(o Options) Options {
	o.viaSDK = true
	return o
}

// ServesDirect reports whether the endpoint of a document answers a request without the SDK, and
// answers it then.
func (a *Adapter) ServesDirect(doc string, w http.ResponseWriter, r *http.Request) bool {
	for x, e := range a.own {
		if x.Unit.ID == doc {
			e.once.Do(e.begin)
			return e.serveDirect(w, r)
		}
	}
	return false
}

package main

import (
	"log/slog"

	"capd/adapters/cache"
	"capd/adapters/telemetry"
	"capd/engine/plan"
)

// cached answers calls from what is kept, above everything else that guards an upstream.
func cached(up plan.Upstream, s *store, key []byte, watch *telemetry.Telemetry, log *slog.Logger) plan.Upstream {
	watch.WatchCache(s.memory.Bytes)
	return cache.New(up, cache.Options{
		Store: s,
		Key:   key,
		Count: func(call *plan.Call, r cache.Result) { watch.Cached(call, string(r)) },
		StoreFailed: func(operation string, err error) {
			log.Debug("the store of answers failed", "operation", operation, "error", err)
		},
	})
}

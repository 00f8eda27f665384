package engine

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// logFault logs a panic with its stack.
func logFault(log *slog.Logger, doing string, v any, more ...any) {
	args := append([]any{"while", doing, "panic", faultText(v), "stack", string(debug.Stack())}, more...)
	log.Error("internal fault", args...)
}

// faultText describes the value of a panic. It may hold anything of a document or a call, so
// only faults of the Go runtime are shown as they are; of others, the type.
func faultText(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", v)
}

package spec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"capd/engine"
	"capd/engine/plan"
)

// BenchmarkCorpus loads published documents the way validate and serve --check do, in turns
// with a bare yaml.v3 parse of the same bytes, and reports
//
//	cpu/yaml   CPU time of the load as a multiple of the parse's
//	MiB-peak   most heap in use during a load
//	MiB-live   heap that the plans keep
//
// for 100 and for all documents, so that growth shows. It needs the documents beside the
// checkout.
func BenchmarkCorpus(b *testing.B) {
	files, _ := filepath.Glob("../../../shared/corpus/specs/*.yaml")
	if len(files) == 0 {
		b.Skip("no published documents beside the checkout")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the command does while loading
	for _, n := range []int{100, len(files)} {
		b.Run(fmt.Sprintf("documents=%d", n), func(b *testing.B) { loadBesideParse(b, files[:n]) })
	}
}

func loadBesideParse(b *testing.B, files []string) {
	var texts [][]byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		texts = append(texts, text)
	}
	unset := &plan.BindOptions{Look: func(string, *plan.Variable) (plan.Secret, error) { return plan.Secret{}, plan.ErrUnset }}
	var parse, load time.Duration
	var peak, live uint64
	for b.Loop() {
		runtime.GC()
		start := cpuTime()
		for _, text := range texts {
			var node yaml.Node
			_ = yaml.Unmarshal(text, &node) // some were cut off by their publisher
		}
		parse += cpuTime() - start

		runtime.GC()
		before := heapInUse()
		stop := watchHeap(&peak)
		start = cpuTime()
		loaded, err := engine.Load(b.Context(), engine.LoadOptions{Paths: files, Bind: unset})
		load += cpuTime() - start
		stop()
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		live = heapInUse() - min(before, heapInUse())
		runtime.KeepAlive(loaded)
	}
	b.ReportMetric(float64(load)/float64(parse), "cpu/yaml")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
	b.ReportMetric(float64(live)/(1<<20), "MiB-live")
	b.ReportMetric(0, "ns/op") // a lone time says nothing
}

// cpuTime is what the process used so far, user and system.
func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// watchHeap keeps the largest heap it sees until the returned function is called.
func watchHeap(peak *uint64) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			*peak = max(*peak, heapInUse())
			select {
			case <-quit:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(quit); <-done }
}

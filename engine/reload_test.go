package engine

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"capd/engine/diag"
)

const loopback = "127.0.0.1:0"

func TestReloadKeepsUnchangedUnits(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " two"}, nil)
	r.start()
	before, addr := r.engine.Current(), r.engine.Addr(loopback)
	r.write("b.yaml", "serve "+loopback+" three")
	r.reload()
	after := r.engine.Current()

	if before.Serial != 1 || after.Serial != 2 {
		t.Errorf("serials %d and %d, want 1 and 2", before.Serial, after.Serial)
	}
	if after.Plan.Unit("a") != before.Plan.Unit("a") {
		t.Error("an unchanged document has another unit")
	}
	if after.Plan.Unit("b") == before.Plan.Unit("b") {
		t.Error("a changed document has its old unit")
	}
	if got := r.engine.Addr(loopback); got != addr {
		t.Errorf("the address moved from %s to %s", addr, got)
	}
	r.wants(loopback, "a", "one")
	r.wants(loopback, "b", "three")
	if n := len(r.core.compiled); n != 3 {
		t.Errorf("compiled %d times, want 3: %v", n, r.core.compiled)
	}
}

func TestReloadBrokenDocument(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"broken": "", "panics": "panic", "no capability": "other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " two"}, nil)
			r.start()
			good := r.engine.Current().Plan.Unit("a")
			r.write("a.yaml", text)
			r.write("b.yaml", "serve "+loopback+" three")
			r.reload()
			r.wants(loopback, "a", "one")
			r.wants(loopback, "b", "three")
			d := r.doc("a")
			if d.State != Stale || d.Unit != good || !d.Diagnostics.HasErrors() || !strings.Contains(codes(d.Diagnostics), "warning stale") {
				t.Errorf("got %s with %v", d.State, d.Diagnostics)
			}

			r.reload() // the broken text is known by now
			if n := len(r.core.compiled); r.doc("a").State != Stale || n > 4 {
				t.Errorf("a known text was compiled again: %v", r.core.compiled)
			}

			r.write("a.yaml", "serve "+loopback+" one")
			r.reload()
			if d := r.doc("a"); d.State != Served || d.Unit != good || len(d.Diagnostics) != 0 {
				t.Errorf("mended, it is %s with %v", d.State, d.Diagnostics)
			}
		})
	}
}

func TestReloadRemovedAndAddedDocuments(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " two"}, nil)
	r.start()
	r.remove("a.yaml")
	r.write("team/c.yaml", "serve localhost:0 three")
	r.reload()
	if status, _ := r.get(loopback, "a"); status != http.StatusNotFound {
		t.Errorf("a removed document answers %d", status)
	}
	r.wants("localhost:0", "team/c", "three")

	r.remove("team")
	old := r.engine.Addr("localhost:0")
	r.reload()
	if got := r.engine.Addr("localhost:0"); got != "" {
		t.Errorf("an address that is no longer used is %s", got)
	}
	if _, _, err := get(old, "/"); err == nil {
		t.Error("an address that is no longer used answers")
	}
	r.wants(loopback, "b", "two")
}

func TestReloadFolderOutOfSight(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("the superuser may read everything")
	}
	r := newRig(t, map[string]string{"x/a.yaml": "serve " + loopback + " one"}, nil)
	r.start()
	folder := filepath.Join(r.dir, "x")
	if err := os.Chmod(folder, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) }) // or it could not be removed
	r.reload()
	r.wants(loopback, "x/a", "one")
	if d := r.doc("x/a"); d.State != Stale {
		t.Errorf("it is %s, want stale", d.State)
	}
}

// TestReloadEverythingRemoved: where each document was a link, or out of sight, a folder in which nothing is left serves
// nothing.
func TestReloadEverythingRemoved(t *testing.T) {
	t.Parallel()
	t.Run("links", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, map[string]string{"x/text": "serve " + loopback + " one"}, nil)
		if err := os.Symlink(filepath.Join("x", "text"), filepath.Join(r.dir, "a.yaml")); err != nil {
			t.Skip("no links here: ", err)
		}
		r.start()
		r.wants(loopback, "a", "one")
		r.remove("a.yaml")
		r.reload()
		if docs := r.engine.Current().Docs; len(docs) > 0 {
			t.Errorf("%s is %s", docs[0].ID, docs[0].State)
		}
	})
	t.Run("out of sight", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() == 0 {
			t.Skip("the superuser may read everything")
		}
		r := newRig(t, map[string]string{"x/a.yaml": "serve " + loopback + " one"}, nil)
		r.start()
		folder := filepath.Join(r.dir, "x")
		for _, mode := range []os.FileMode{0, 0o700} {
			if err := os.Chmod(folder, mode); err != nil {
				t.Fatal(err)
			}
			if mode == 0 {
				r.reload()
				r.wants(loopback, "x/a", "one")
			}
		}
		r.remove("x")
		r.reload()
		if docs := r.engine.Current().Docs; len(docs) > 0 {
			t.Errorf("%s is %s", docs[0].ID, docs[0].State)
		}
	})
}

// keepsOld runs a reload that must fail and checks that nothing changed.
func keepsOld(t *testing.T, r *rig) error {
	t.Helper()
	before := r.engine.Current()
	err := r.engine.Reload(t.Context())
	if err == nil {
		t.Fatal("the reload did not fail")
	}
	if r.engine.Current() != before {
		t.Error("a failed reload made another snapshot")
	}
	r.wants(loopback, "a", "one")
	return err
}

func TestReloadFailureLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, change func(*Options)) *rig {
		r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, change)
		r.start()
		r.write("a.yaml", "serve "+loopback+" two")
		return r
	}
	t.Run("prepare", func(t *testing.T) {
		t.Parallel()
		r := start(t, nil)
		cause := errors.New("no room")
		r.adapter.fail(cause)
		free := freeAddress(t)
		r.write("b.yaml", "serve "+free+" new") // its socket is bound before adapters prepare
		if err := keepsOld(t, r); !errors.Is(err, cause) || err.Error() != "cannot serve rest: no room" {
			t.Errorf("got %v", err)
		}
		if got := r.engine.Addr(free); got != "" {
			t.Errorf("an address of a failed reload is live: %s", got)
		}
		if _, err := net.Dial("tcp", free); err == nil {
			t.Error("a failed reload left its socket open")
		}
		r.adapter.fail(nil)
		r.reload()
		r.wants(loopback, "a", "two")
		r.wants(free, "b", "new")
	})
	t.Run("link", func(t *testing.T) {
		t.Parallel()
		r := start(t, nil)
		r.core.linkErr = true
		if err := keepsOld(t, r); strings.Contains(err.Error(), "a fault\n") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("path", func(t *testing.T) {
		t.Parallel()
		r := start(t, nil)
		r.remove("")
		var path *PathError
		if err := keepsOld(t, r); !errors.As(err, &path) || path.Path != r.dir {
			t.Errorf("got %v", err)
		}
	})
	t.Run("fail on invalid", func(t *testing.T) {
		t.Parallel()
		r := start(t, func(o *Options) { o.OnInvalid = Fail })
		r.write("b.yaml", "")
		var invalid *InvalidError
		if err := keepsOld(t, r); !errors.As(err, &invalid) || codes(invalid.Diagnostics) != "error nothing-exposed" {
			t.Errorf("got %v", err)
		}
	})
}

func TestReloadToAnAddressInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " two"}, nil)
	r.start()
	busy := occupied(t)
	r.write("a.yaml", "serve "+busy+" one")
	r.write("b.yaml", "serve "+loopback+" three")
	r.write("c.yaml", "serve "+busy+" new")
	for range 2 { // the second finds texts that it knows
		r.reload()
		r.wants(loopback, "a", "one")
		r.wants(loopback, "b", "three")
		if d := r.doc("a"); d.State != Stale || codes(d.Diagnostics) != "error cannot-listen, warning stale" {
			t.Errorf("a is %s with %v", d.State, d.Diagnostics)
		}
		if d := r.doc("c"); codes(d.Diagnostics) != "error cannot-listen" {
			t.Errorf("c is %s with %v", d.State, d.Diagnostics)
		}
	}
	if got := r.engine.Current().Diagnostics.Count(diag.Error); got != 2 {
		t.Errorf("%d errors, want one for a and one for c", got)
	}
}

// TestReloadUnderLoad: no call sees a reload.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + loopback + " x"}, nil)
	r.start()
	addr := r.engine.Addr(loopback)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for range 100 {
				resp, err := client.Get("http://" + addr + "/apis/a")
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		})
	}
	texts := []string{"serve " + loopback + " x", "serve " + loopback + " y", ""}
	for i := range 50 {
		r.write("b.yaml", texts[i%len(texts)])
		r.reload()
	}
	calls.Wait()
	if got := r.engine.Current().Serial; got != 51 {
		t.Errorf("serial %d, want 51", got)
	}
	r.adapter.mu.Lock()
	defer r.adapter.mu.Unlock()
	if r.adapter.retired != 51 {
		t.Errorf("retired %d times, want once for each swap", r.adapter.retired)
	}
}

func TestReloadCallInFlightKeepsItsSnapshot(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one", "b.yaml": "serve localhost:0 two"}, nil)
	var once sync.Once
	r.adapter.before = func(path string) {
		if path == "/apis/a" {
			once.Do(func() { close(entered); <-leave })
		}
	}
	r.start()
	addr := r.engine.Addr(loopback)
	type answer struct {
		body string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		_, body, err := get(addr, "/apis/a")
		got <- answer{body, err}
	}()
	<-entered
	r.remove("a.yaml") // and with it the address
	r.reload()
	close(leave)
	if a := <-got; a.err != nil || a.body != "one" {
		t.Errorf("got %+v, want the answer of the snapshot it began on", a)
	}
}

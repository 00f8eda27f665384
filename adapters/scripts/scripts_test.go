package scripts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/scripts"
	"capd/engine/plan"
	"capd/engine/script"
)

// TestMain makes the test binary a worker when a pool starts it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "work" {
		if len(os.Environ()) > 0 {
			os.Exit(3)
		}
		if err := scripts.Work(os.Stdin, os.Stdout, 64<<20); err != nil {
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newPool(t *testing.T, o scripts.PoolOptions) *scripts.Pool {
	t.Helper()
	if o.Command == nil {
		o.Command = []string{os.Args[0], "work"}
	}
	p, err := scripts.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func program(t *testing.T, lang script.Language, text string) *script.Program {
	t.Helper()
	p, err := script.Compile(lang, script.Source{Name: "main", Text: []byte(text)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask gives the result, or the error with its kind.
func ask(t *testing.T, r plan.ScriptRunner, p *script.Program, lim script.Limits, input string) string {
	t.Helper()
	result, set, err := r.Run(t.Context(), p, lim, []byte(input))
	var failed *script.Error
	switch {
	case errors.As(err, &failed):
		return failed.Kind.String() + ": " + failed.Error()
	case err != nil:
		return plan.AsError(err).Code.String() + ": " + err.Error()
	case !set:
		return "unset"
	}
	return string(result)
}

const sum = `var result = context.n + 1`

// TestRunners: what a script gives is the same, wherever it runs.
func TestRunners(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]plan.ScriptRunner{
		"in process": scripts.InProcess{}, "pool": newPool(t, scripts.PoolOptions{Children: 2}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, x := range []struct {
				lang       script.Language
				text, want string
			}{
				{script.JavaScript, sum, "42"},
				{script.Python, `result = {"n": context["n"]}`, `{"n":41}`},
				{script.JavaScript, `var other`, "unset"},
				{script.JavaScript, `throw new Error('no rooms')`, "exception: main:1: Error: no rooms"},
				{script.Python, "while True:\n    pass", "step limit: main:1: the script did more than 1000 steps"},
				{script.JavaScript, `'x'.repeat(2 ** 29)`, "memory limit: main:1: a value of the script takes more than 134217728 bytes"},
			} {
				for range 2 {
					got := ask(t, r, program(t, x.lang, x.text), script.Limits{Steps: 1000}, `{"n":41}`)
					if x.lang == script.Python && strings.HasPrefix(got, "step limit") {
						got = strings.Replace(got, "main:2", "main:1", 1) // either line of the loop
					}
					if got != x.want {
						t.Errorf("%s: got %s, want %s", x.text, got, x.want)
					}
				}
			}
		})
	}
}

// TestOff: a script that is switched off says so.
func TestOff(t *testing.T) {
	t.Parallel()
	if got := ask(t, scripts.Off{}, program(t, script.JavaScript, sum), script.Limits{}, "{}"); got != `refused: script "main" is not run: scripts are switched off here` {
		t.Error(got)
	}
}

// TestDocumentsAskForLess: the limits of the process hold, whatever a document asks for.
func TestDocumentsAskForLess(t *testing.T) {
	t.Parallel()
	r := scripts.InProcess{Most: script.Limits{Steps: 10}}
	if got := ask(t, r, program(t, script.JavaScript, `for (;;) {}`), script.Limits{Steps: 1 << 40, Time: time.Hour}, "{}"); !strings.Contains(got, "more than 10 steps") {
		t.Error(got)
	}
}

// TestMemoryBomb: what no meter counts, the system does; the next script has a new process.
func TestMemoryBomb(t *testing.T) {
	t.Parallel()
	if !limited {
		t.Skip("no limit of memory here")
	}
	p := newPool(t, scripts.PoolOptions{Children: 1, Most: script.Limits{Memory: 1 << 50, Time: time.Minute}})
	bomb := program(t, script.JavaScript, `var s = 'x'; for (;;) s += s`)
	for range 2 {
		if got := ask(t, p, bomb, script.Limits{}, "{}"); got != "memory limit: main: the script took more memory than its process may have" {
			t.Error(got)
		}
		if got := ask(t, p, program(t, script.JavaScript, sum), script.Limits{}, `{"n":1}`); got != "2" {
			t.Error(got)
		}
	}
}

// TestCallerGoesAway: its script's process is killed, at once, and the next call works.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	p := newPool(t, scripts.PoolOptions{Children: 1, Most: script.Limits{Steps: 1 << 60, Time: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, _, err := p.Run(ctx, program(t, script.JavaScript, `for (;;) {}`), script.Limits{}, []byte("{}"))
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := ask(t, p, program(t, script.JavaScript, sum), script.Limits{}, `{"n":1}`); got != "2" {
		t.Error(got)
	}
}

// TestBrokenWorker: a process that cannot be started, or ends by itself, fails the call.
func TestBrokenWorker(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{"missing": {"/nowhere/capd"}, "ends": {os.Args[0], "-test.run", "^$"}} {
		p := newPool(t, scripts.PoolOptions{Command: command})
		if got := ask(t, p, program(t, script.JavaScript, sum), script.Limits{}, `{}`); !strings.HasPrefix(got, "internal: the process for scripts") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestManyAtOnce: more calls than processes.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newPool(t, scripts.PoolOptions{Children: 2})
	js := program(t, script.JavaScript, `var result = {n: context.n, seen: typeof leaked}; leaked = 1`)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			want := fmt.Sprintf(`{"n":%d,"seen":"undefined"}`, i)
			if got := ask(t, p, js, script.Limits{}, fmt.Sprintf(`{"n":%d}`, i)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	all.Wait()
}

// TestWorkerEndsWithItsStream: when capd ends, however it does, so do its workers, a running
// script notwithstanding.
func TestWorkerEndsWithItsStream(t *testing.T) {
	t.Parallel()
	c := exec.Command(os.Args[0], "work")
	c.Env = []string{}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	body := `{"Language":1,"Sources":[{"Name":"a","Text":"Zm9yICg7Oykge30="}],"Input":"e30=","Limits":{"Time":3600000000000,"Steps":1000000000000000}}`
	if _, err := in.Write(append([]byte{0, 0, 0, byte(len(body))}, body...)); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

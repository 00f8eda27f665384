package check

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// deploy gives the path of a file below deploy.
func deploy(name ...string) string { return filepath.Join(append([]string{".."}, name...)...) }

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// built is the capd of this repository, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "capd")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "capd"), "./cmd/capd")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "capd"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// flags are those of capd serve.
func flags(t *testing.T, command string) map[string]bool {
	t.Helper()
	out, err := exec.Command(binary(t), command, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`).FindAllSubmatch(out, -1) {
		known[string(m[1])] = true
	}
	if len(known) < 3 {
		t.Fatalf("capd %s --help names the flags %v", command, known)
	}
	return known
}

// checkArgs complains of flags in a command line that its command does not have.
func checkArgs(t *testing.T, where string, args []string) {
	t.Helper()
	if len(args) == 0 {
		t.Errorf("%s: capd without a command", where)
		return
	}
	known := flags(t, args[0])
	for _, a := range args[1:] {
		name, isFlag := strings.CutPrefix(a, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && !known[name] {
			t.Errorf("%s: capd %s has no --%s", where, args[0], name)
		}
	}
}

// checkVariable complains of a twin of no flag.
func checkVariable(t *testing.T, where, name string) {
	t.Helper()
	twin, ok := strings.CutPrefix(name, "CAPD_")
	if ok && !flags(t, "serve")[strings.ToLower(strings.ReplaceAll(twin, "_", "-"))] {
		t.Errorf("%s: %s is the twin of no flag of capd serve", where, name)
	}
}

// running is a capd that serves in a process of its own.
type running struct {
	process *exec.Cmd
	serve   string // HOST:PORT
	control string
	log     *bytes.Buffer
}

// start runs capd with the given arguments and nothing but the given environment, until the test ends. Both addresses are
// replaced by free ones of loopback.
func start(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	r := &running{log: &bytes.Buffer{}}
	r.process = exec.Command(binary(t), args...)
	for name, value := range env {
		switch name {
		case "CAPD_LISTEN", "CAPD_ADDRESS", "CAPD_CONTROL_ADDRESS":
			continue
		}
		r.process.Env = append(r.process.Env, name+"="+value)
	}
	r.process.Env = append(r.process.Env, "CAPD_LISTEN=127.0.0.1:0", "CAPD_CONTROL_ADDRESS=127.0.0.1:0", "CAPD_LOG_FORMAT=json")
	pipe, err := r.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan bool, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(pipe)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			r.log.Write(append(lines.Bytes(), '\n'))
			var event struct {
				Msg, Address string
				Addresses    []struct{ Actual string }
			}
			if json.Unmarshal(lines.Bytes(), &event) != nil {
				continue
			}
			switch {
			case event.Msg == "the control address is served":
				r.control = event.Address
			case event.Msg == "serving" && len(event.Addresses) == 1:
				r.serve = event.Addresses[0].Actual
				serving <- true
			}
		}
		close(serving)
	}()
	t.Cleanup(func() {
		_ = r.process.Process.Signal(os.Interrupt)
		<-ended
		if err := r.process.Wait(); err != nil {
			t.Errorf("capd ends with %v:\n%s", err, r.log)
		}
	})
	if !<-serving || r.control == "" {
		_ = r.process.Process.Kill()
		<-ended
		t.Fatalf("capd does not serve at both addresses:\n%s", r.log)
	}
	return r
}

// patience is when what is waited for is given up: long after a machine that stands still for a while would have done it.
const patience = 5 * time.Minute

// get asks an address, as host if that is not empty.
func get(t *testing.T, url, host string, header ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func fromJSON(t *testing.T, raw []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}

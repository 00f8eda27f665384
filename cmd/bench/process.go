package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

func localListener() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// process is a server that is measured.
type process struct {
	cmd     *exec.Cmd
	url     string
	control string        // URL of the control address; empty for none
	ready   time.Duration // from its start until it served
}

// spawn starts one of this program's own servers, with more variables than this program has.
func spawn(ctx context.Context, env []string, kind string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"serve-" + kind}, args...)...)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not start: %w", kind, err)
	}
	return &process{cmd: cmd, url: strings.TrimSpace(line)}, nil
}

// spawnCapd starts capd and waits until it serves. With controlled it has a control address.
func spawnCapd(ctx context.Context, binary string, env []string, controlled bool, args ...string) (*process, error) {
	control := ""
	if controlled {
		free, err := localListener()
		if err != nil {
			return nil, err
		}
		at := free.Addr().String()
		_ = free.Close()
		control, args = "http://"+at, append([]string{"--control-address", at}, args...)
	}
	cmd := exec.CommandContext(ctx, binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--watch", "off"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	logged, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(logged, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("capd did not start: %w", err)
		}
		var event struct {
			Msg       string
			Addresses []struct{ Actual string }
		}
		if json.Unmarshal(line, &event) == nil && event.Msg == "serving" && len(event.Addresses) == 1 {
			p := &process{cmd: cmd, url: "http://" + event.Addresses[0].Actual, control: control, ready: time.Since(begun)}
			go func() { _, _ = io.Copy(io.Discard, in) }()
			return p, nil
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// clockTick is what times in /proc are counted in. Linux has shown a hundredth to programs on every
// architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// cpu gives the CPU time that the process has used. It is 0 where there is no /proc.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick
}

// resident gives the resident memory in KiB; 0 where there is no /proc.
func (p *process) resident() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}

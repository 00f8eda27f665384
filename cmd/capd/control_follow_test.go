package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogsCommand: capd logs shows what capd is told to do, and ends well when capd stops.
func TestLogsCommand(t *testing.T) {
	t.Parallel()
	i, control, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=http://127.0.0.1:1"}, "--log-level", "info")
	seen := make(chan []byte, 1)
	out, errs := &output{event: "a reload was asked for", seen: seen}, &output{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), []string{"logs", "--control", control, "--level", "debug"}, nil, strings.NewReader(""), out, errs)
	}()
	for asked := false; !asked; { // until it follows
		asks(t, "POST", control+"/reload", "", 200, nil)
		select {
		case <-seen:
			asked = true
		case code := <-ended:
			t.Fatalf("exit code %d: %s", code, errs)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if code := i.stop(); code != exitOK {
		t.Errorf("capd ended with %d", code)
	}
	if code := until(t, ended, "the end of the log"); code != exitOK {
		t.Errorf("capd logs ended with %d: %s", code, errs)
	}
	if strings.Contains(i.printed(), "cut off") {
		t.Errorf("who follows the log held up the stop:\n%s", i.printed())
	}
}

// TestStatusOfTrouble: what is stale, since when and whence; the last reload; what is not kept.
func TestStatusOfTrouble(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(state, nil, 0o600); err != nil { // in the place of the folder
		t.Fatal(err)
	}
	_, control, dir := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=http://127.0.0.1:1"}, "--state-dir", state)
	type trouble struct {
		Stale []struct {
			ID    string
			Since time.Time
		}
		LastReload struct {
			Result    string
			Succeeded time.Time
		}
		StateFolder struct{ Folder, Error string }
		Documents   []struct {
			State, Hash string
			Since       *time.Time
		}
		Watch string
	}
	status := func() (s trouble) { asks(t, "GET", control+"/status", "", 200, &s); return s }
	before := status()
	if len(before.Documents) != 1 || len(before.Documents[0].Hash) != 64 || before.Documents[0].Since != nil || before.LastReload.Result != "ok" || before.Watch != "off" {
		t.Errorf("status %+v", before)
	}
	writeSpec(t, filepath.Join(dir, "rooms.yaml"), brokenSpec)
	asks(t, "POST", control+"/reload", "", 200, nil)
	after := status()
	if d := after.Documents[0]; d.State != "stale" || d.Hash == before.Documents[0].Hash || d.Since == nil || time.Since(*d.Since) > time.Minute {
		t.Errorf("status %+v", after)
	}
	var ready struct {
		Status string
		Stale  []struct{ Since time.Time }
	}
	asks(t, "GET", control+"/health/ready", "", 200, &ready)
	if ready.Status != "DEGRADED" || len(ready.Stale) != 1 || time.Since(ready.Stale[0].Since) > time.Minute {
		t.Errorf("ready %+v", ready)
	}
	for after.StateFolder.Error == "" { // it is written beside everything else
		after = status()
	}
	if after.StateFolder.Folder != state {
		t.Errorf("state folder %+v", after.StateFolder)
	}
	if metrics := asks(t, "GET", control+"/metrics", "", 200, nil); strings.Contains(metrics, `capd_state_errors_total{operation="open"} 0`) {
		t.Error("the metrics do not count it")
	}
}

// TestControlTLS: the control address speaks https with the certificate of the rest, asks for
// none, and the commands that ask trust the certificate itself, or nobody unknown.
func TestControlTLS(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	i, control, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=http://127.0.0.1:1"},
		"--tls-cert", c.cert, "--tls-key", c.key, "--tls-client-ca", c.cert, "--control-tls")
	at := strings.TrimPrefix(control, "http://")
	other := newCertificates(t)
	tests := []struct {
		env  []string
		args []string
		code int
	}{
		{nil, []string{"status", "--control", "https://" + at, "--control-ca", c.cert}, exitOK},
		{[]string{"CAPD_CONTROL_ADDRESS=" + at, "CAPD_CONTROL_TLS=true", "CAPD_TLS_CERT=" + c.cert}, []string{"health"}, exitOK},
		{nil, []string{"reload", "--control", "https://" + at, "--control-ca", c.cert}, exitOK},
		{nil, []string{"health", "--control", "https://" + at, "--control-ca", other.cert}, exitFailed},
		{nil, []string{"health", "--control", "https://" + at}, exitFailed},
		{nil, []string{"health", "--control", "https://" + at, "--control-ca", c.key}, exitFailed},
		{nil, []string{"health", "--control", at}, exitFailed},
	}
	for _, tt := range tests {
		out := &output{}
		if code := run(t.Context(), tt.args, tt.env, strings.NewReader(""), out, out); code != tt.code {
			t.Errorf("%v %v: exit code %d, want %d: %s", tt.env, tt.args, code, tt.code, out)
		}
	}
	c.renew("second")
	if code := run(t.Context(), []string{"reload", "--control", "https://" + at, "--control-ca", c.cert}, nil, strings.NewReader(""), &output{}, &output{}); code != exitFailed {
		t.Errorf("before the reload the new certificate is trusted: %d", code)
	}
	if got := i.printed(); strings.Contains(got, `"level":"ERROR"`) {
		t.Errorf("the log says:\n%s", got)
	}
	for _, args := range [][]string{{"--control-tls"}, {"--control-tls", "--control-address", ":0"}} {
		out := &output{}
		if code := run(t.Context(), append([]string{"serve", t.TempDir()}, args...), nil, strings.NewReader(""), out, out); code != exitFailed || !strings.Contains(out.String(), "--control-tls needs") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
}

package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unitLines are the settings of the unit, in order.
func unitLines(t *testing.T) (keys []string, of map[string][]string) {
	t.Helper()
	of = map[string][]string{}
	for _, line := range strings.Split(string(read(t, deploy("systemd", "capd.service"))), "\n") {
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("the unit says %q", line)
		}
		keys = append(keys, key)
		of[key] = append(of[key], value)
	}
	return keys, of
}

// TestUnit: the command line and the settings are ones of capd, and secrets come as credentials.
func TestUnit(t *testing.T) {
	_, unit := unitLines(t)
	words := strings.Fields(unit["ExecStart"][0])
	if words[0] != "/usr/local/bin/capd" {
		t.Errorf("the unit starts %s", words[0])
	}
	checkArgs(t, "capd.service", words[1:])
	if unit["Type"][0] != "exec" || unit["DynamicUser"][0] != "yes" || unit["ExecReload"][0] != "/bin/kill -HUP $MAINPID" {
		t.Errorf("the unit is %v", unit)
	}
	credential, _, _ := strings.Cut(unit["LoadCredential"][0], ":")
	if !strings.HasSuffix(unit["ExecStart"][0], "--env-file ${CREDENTIALS_DIRECTORY}/"+credential) {
		t.Errorf("the credential %s is not what %s reads", credential, unit["ExecStart"][0])
	}
	for _, line := range strings.Split(string(read(t, deploy("systemd", "capd.env"))), "\n") {
		if name, _, ok := strings.Cut(line, "="); ok && line[0] != '#' {
			checkVariable(t, "capd.env", name)
		}
	}
}

// TestUnitVerifies: systemd reads the unit without a complaint, and finds it well closed.
func TestUnitVerifies(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	// The binary is not installed here: the unit is looked at with the one that was built.
	dir := t.TempDir()
	unit := strings.ReplaceAll(string(read(t, deploy("systemd", "capd.service"))), "/usr/local/bin/capd", binary(t))
	file := filepath.Join(dir, "capd.service")
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "capd.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// Exposure goes from 0 to 100; what is closed as far as a network service can be has some 10 to 20.
	out, err = exec.Command(analyze, "security", "--offline=yes", "--threshold=20", file).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	if m := regexp.MustCompile(`Overall exposure level.*`).Find(out); m != nil {
		t.Logf("%s", m)
	}
}

package check

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func dockerfile(t *testing.T) (stages []instructions.Stage, meta []instructions.ArgCommand) {
	t.Helper()
	tree, err := parser.Parse(bytes.NewReader(read(t, deploy("Dockerfile"))))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings {
		t.Errorf("Dockerfile: %s", w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, msg string, _ []parser.Range) { t.Errorf("Dockerfile: %s: %s", rule, msg) }})
	stages, meta, err = instructions.Parse(tree.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return stages, meta
}

// TestDockerfile: the image is small and closed: two stages, a base of a named version without a shell, a user by number
// that is not root, nothing fetched but modules, and commands that capd has.
func TestDockerfile(t *testing.T) {
	stages, meta := dockerfile(t)
	images := map[string]string{}
	for _, a := range meta {
		for _, kv := range a.Args {
			if kv.Value != nil {
				images["${"+kv.Key+"}"] = *kv.Value
			}
		}
	}
	if len(stages) != 2 {
		t.Fatalf("%d stages", len(stages))
	}
	for _, s := range stages {
		image := images[s.BaseName]
		if tag := image[strings.LastIndex(image, ":")+1:]; !strings.Contains(image, "/") || tag == "" || tag == "latest" {
			t.Errorf("stage %s is from %q, which is no registry, repository and version", s.Name, image)
		}
	}
	if image := images[stages[1].BaseName]; !strings.Contains(image, "distroless/static") || !strings.Contains(image, "nonroot") {
		t.Errorf("the image stands on %s", image)
	}
	build := ""
	for _, c := range stages[0].Commands {
		if r, ok := c.(*instructions.RunCommand); ok {
			build += strings.Join(r.CmdLine, " ") + "\n"
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "-buildvcs=auto", "./cmd/capd"} {
		if !strings.Contains(build, want) {
			t.Errorf("the build has no %s: %s", want, build)
		}
	}
	if regexp.MustCompile(`curl|wget|apt|apk|git clone`).MatchString(build) {
		t.Errorf("the build fetches something: %s", build)
	}
	for _, s := range stages {
		for _, c := range s.Commands {
			if _, ok := c.(*instructions.AddCommand); ok {
				t.Error("ADD fetches and unpacks; COPY does not")
			}
		}
	}
	checkFinal(t, stages[1].Commands)
}

// checkFinal looks at the stage that becomes the image.
func checkFinal(t *testing.T, commands []instructions.Command) {
	t.Helper()
	var user string
	var entry, args, health []string
	var exposed []string
	env := map[string]string{}
	for _, c := range commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry = c.CmdLine
			if c.PrependShell {
				t.Error("the entry point needs a shell")
			}
		case *instructions.CmdCommand:
			args = c.CmdLine
			if c.PrependShell {
				t.Error("the command needs a shell")
			}
		case *instructions.HealthCheckCommand:
			health = c.Health.Test
		case *instructions.ExposeCommand:
			exposed = c.Ports
		case *instructions.EnvCommand:
			for _, kv := range c.Env {
				env[kv.Key] = kv.Value
				checkVariable(t, "Dockerfile", kv.Key)
			}
		case *instructions.RunCommand:
			t.Error("a command runs in an image without a shell")
		case *instructions.CopyCommand:
			if c.From == "" {
				t.Errorf("the image has files of the context: %v", c.SourcePaths)
			}
		}
	}
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("the user is %q, and whether that is root cannot be seen", user)
	}
	if len(entry) != 1 || len(health) < 3 || health[0] != "CMD" || health[1] != entry[0] {
		t.Fatalf("entry point %q, health check %q", entry, health)
	}
	checkArgs(t, "Dockerfile", args)
	checkArgs(t, "Dockerfile", health[2:])
	if _, port, _ := strings.Cut(env["CAPD_LISTEN"], ":"); !slices.Equal(exposed, []string{port}) {
		t.Errorf("capd listens on %s, the image exposes %v", env["CAPD_LISTEN"], exposed)
	}
	if !strings.HasPrefix(env["CAPD_CONTROL_ADDRESS"], "127.0.0.1:") {
		t.Errorf("the control address is %s", env["CAPD_CONTROL_ADDRESS"])
	}
}

// TestHealthCheck: what the image asks about its health is answered by a capd that was set up like it.
func TestHealthCheck(t *testing.T) {
	capd := start(t, nil, "serve", deploy("kubernetes", "base", "capabilities"))
	stages, _ := dockerfile(t)
	for _, c := range stages[1].Commands {
		if h, ok := c.(*instructions.HealthCheckCommand); ok {
			ask := exec.Command(binary(t), h.Health.Test[2:]...)
			ask.Env = []string{"CAPD_CONTROL_ADDRESS=" + capd.control}
			if out, err := ask.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			ask = exec.Command(binary(t), h.Health.Test[2:]...)
			ask.Env = []string{"CAPD_CONTROL_ADDRESS=127.0.0.1:1"}
			if out, err := ask.CombinedOutput(); err == nil {
				t.Errorf("where nobody listens all is well: %s", out)
			}
		}
	}
}

// TestIgnored: the image is built of everything that git knows. Were anything of it left out, Go would stamp a version that
// says it was modified.
func TestIgnored(t *testing.T) {
	ignored, err := ignorefile.ReadAll(bytes.NewReader(read(t, deploy("..", ".dockerignore"))))
	if err != nil {
		t.Fatal(err)
	}
	patterns, err := patternmatcher.New(ignored)
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("git", "ls-files")
	list.Dir = deploy("..")
	out, err := list.Output()
	if err != nil {
		t.Skip("this is no checkout")
	}
	for _, name := range strings.Fields(string(out)) {
		if hit, err := patterns.MatchesOrParentMatches(name); err != nil || hit {
			t.Errorf("%s is in git and not in the context (%v)", name, err)
		}
	}
	if hit, _ := patterns.MatchesOrParentMatches("deploy/secrets/capd.env"); !hit {
		t.Error("secrets are in the context")
	}
}

// TestCompose: the project loads, and its services may do nothing that they need not.
func TestCompose(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{deploy("compose.yaml")}, cli.WithWorkingDirectory(deploy()))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range p.Services {
		if !s.ReadOnly || s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) != 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s has rights it does not need", name)
		}
		if s.HealthCheck == nil || s.MemLimit == 0 || s.Restart == "" {
			t.Errorf("%s has no health check, no limit or is not started again", name)
		}
		if strings.HasSuffix(s.Image, ":latest") || !strings.Contains(s.Image, ":") {
			t.Errorf("%s is %s, of no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q", name, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
		}
	}
	if !p.Networks["shared"].Internal || len(p.Services["redis"].Networks) != 1 {
		t.Error("Redis can be reached by more than capd")
	}
	capd := p.Services["capd"]
	checkArgs(t, "compose.yaml", capd.Command)
	for variable, value := range capd.Environment {
		checkVariable(t, "compose.yaml", variable)
		if variable == "CAPD_ENV_FILE" && *value != "/run/secrets/capd.env" {
			t.Errorf("the env file is %s", *value)
		}
	}
	if want := filepath.Join("deploy", "Dockerfile"); capd.Build == nil || !strings.HasSuffix(filepath.Join(capd.Build.Context, capd.Build.Dockerfile), want) {
		t.Errorf("capd is built of %+v", capd.Build)
	}
	checkArgs(t, "compose.yaml", capd.HealthCheck.Test[2:])
	ports := map[string]bool{}
	for _, port := range capd.Ports {
		ports[port.Published] = true
	}
	if !ports["8080"] {
		t.Errorf("capd is published at %v", ports)
	}
}

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// block is a fenced block of the README.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func readme(t *testing.T) (text string, blocks []block) {
	t.Helper()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fence.FindAllStringSubmatch(string(raw), -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	return string(raw), blocks
}

// TestREADME does what the README says: it runs its serve command, makes its calls, and
// compares each with what stands below it: JSON by its meaning, anything else as it is. The
// declared ports become free ones.
func TestREADME(t *testing.T) {
	t.Parallel()
	_, blocks := readme(t)
	var i *instance
	calls := 0
	for n, b := range blocks {
		if b.language != "sh" {
			continue
		}
		if input, command, ok := strings.Cut(b.text, " | capd mcp "); ok {
			calls++
			sameJSON(t, b.text, pipedThrough(t, input, command), blocks[n+1].text)
			continue
		}
		words := shellWords(t, b.text)
		switch line := strings.Join(words, " "); {
		case strings.HasPrefix(line, "go run ./cmd/capd serve "):
			args := words[4:]
			for k, a := range args {
				if a == "capabilities/" {
					args[k] = capabilities
				}
			}
			i = start(t, nil, args...)
		case words[0] == "curl":
			if i == nil {
				t.Fatal("the README calls before it serves")
			}
			if n+1 == len(blocks) {
				t.Errorf("no answer stands below %s", line)
				continue
			}
			calls++
			got, want := curl(t, i, words[1:]), blocks[n+1].text
			switch blocks[n+1].language {
			case "json":
				sameJSON(t, line, got, want)
			case "text":
				// A block cannot show the empty line that ends an event.
				if got, want = withoutVersion(strings.TrimRight(got, "\n")), withoutVersion(strings.TrimRight(want, "\n")); got != want {
					t.Errorf("%s prints\n%s\nthe README shows\n%s", line, got, want)
				}
			default:
				t.Errorf("no answer stands below %s", line)
			}
		case line == "go test -race ./...":
			// this very test
		case line == "go run -C cmd/bench .":
			// the test of that module
		default:
			t.Errorf("nothing executes the README's %q", line)
		}
	}
	if calls < 2 {
		t.Errorf("the README shows %d calls, want REST and MCP", calls)
	}
}

// pipedThrough gives what capd mcp with the given arguments answers to an echo command.
func pipedThrough(t *testing.T, echo, arguments string) string {
	t.Helper()
	said, args := shellWords(t, echo), append([]string{"mcp"}, shellWords(t, arguments)...)
	if len(said) != 2 || said[0] != "echo" {
		t.Fatalf("the README pipes %q", said)
	}
	return capdMCP(t, nil, args, said[1]+"\n")
}

// capdMCP runs capd until the end of its input, and gives what it wrote to standard output.
func capdMCP(t *testing.T, env, args []string, input string) string {
	t.Helper()
	for k, a := range args {
		if _, name, ok := strings.Cut(a, "capabilities/"); ok {
			args[k] = capabilities + "/" + name
		}
	}
	var out, log output
	if code := run(context.Background(), args, env, strings.NewReader(input), &out, &log); code != exitOK {
		t.Errorf("capd %q ends with %d:\n%s", args, code, &log)
	}
	return out.String()
}

// TestREADMEDesktop: the configuration for desktop clients starts a server that answers, with
// every variable it needs.
func TestREADMEDesktop(t *testing.T) {
	t.Parallel()
	_, blocks := readme(t)
	var config struct {
		MCPServers map[string]struct {
			Command string
			Args    []string
			Env     map[string]string
		}
	}
	i := slices.IndexFunc(blocks, func(b block) bool { return b.language == "json" && strings.Contains(b.text, `"mcpServers"`) })
	if i < 0 {
		t.Fatal("the README shows no configuration for desktop clients")
	}
	if err := json.Unmarshal([]byte(blocks[i].text), &config); err != nil {
		t.Fatal(err)
	}
	for name, s := range config.MCPServers {
		var env []string
		for k, v := range s.Env {
			env = append(env, k+"="+v)
		}
		got := capdMCP(t, env, append(s.Args, "--on-invalid", "fail", "--log-level", "error"), `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":`+
			`{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
		if !strings.Contains(got, `"mint-call-token"`) || !strings.HasSuffix(s.Command, "/capd") {
			t.Errorf("%s: %+v answers %s", name, s, got)
		}
	}
}

var version = regexp.MustCompile(`"version":"[^"]*"`)

// withoutVersion leaves out which capd answers.
func withoutVersion(text string) string { return version.ReplaceAllString(text, `"version":""`) }

// curl does with net/http what the flags of a curl command say, and gives what it prints.
func curl(t *testing.T, i *instance, args []string) string {
	t.Helper()
	method, url, body, header := "", "", "", http.Header{}
	for k := 0; k < len(args); k++ {
		switch args[k] {
		case "-s":
		case "-X":
			k++
			method = args[k]
		case "-d":
			k++
			body = args[k]
			if method == "" {
				method = http.MethodPost
			}
		case "-H":
			k++
			name, value, _ := strings.Cut(args[k], ":")
			header.Set(name, strings.TrimSpace(value))
		default:
			url = args[k]
		}
	}
	if method == "" {
		method = http.MethodGet
	}
	for _, declared := range []string{"http://127.0.0.1:8080", "http://127.0.0.1:9090"} {
		url = strings.Replace(url, declared, i.url, 1)
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	got := send(t, req)
	if got.Status != http.StatusOK {
		t.Errorf("curl %q answered %d", args, got.Status)
	}
	return got.Body
}

// shellWords splits a command as a shell does, as far as the README needs it.
func shellWords(t *testing.T, text string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	quoted, inWord := false, false
	flush := func() {
		if inWord {
			words = append(words, word.String())
			word.Reset()
			inWord = false
		}
	}
	for _, r := range strings.ReplaceAll(text, "\\\n", " ") {
		switch {
		case r == '\'':
			quoted, inWord = !quoted, true
		case !quoted && (r == ' ' || r == '\n'):
			flush()
		case !quoted && strings.ContainsRune("\"$`;&|<>", r):
			t.Fatalf("the README's command needs a real shell: %s", text)
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	flush()
	return words
}

// TestREADMEFlags: the README names every flag with its twin and its default, and no other.
func TestREADMEFlags(t *testing.T) {
	t.Parallel()
	text, _ := readme(t)
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)`(?:, `-[a-z]`)? \\| `(CAPD_[A-Z_]+)` \\|([^|]*)\\|")
	documented := map[string][2]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		documented[m[1]] = [2]string{m[2], strings.Trim(strings.TrimSpace(m[3]), "`")}
	}
	c := &command{}
	seen := map[string]bool{}
	commands := c.root().Commands()
	for _, cmd := range commands {
		commands = append(commands, cmd.Commands()...)
	}
	for _, cmd := range commands {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			seen[f.Name] = true
			got, ok := documented[f.Name]
			if !ok {
				t.Errorf("the README does not name --%s of %s", f.Name, cmd.Name())
				return
			}
			if got[0] != twin(f.Name) {
				t.Errorf("the README calls the twin of --%s %s", f.Name, got[0])
			}
			want := strings.Trim(f.DefValue, "[]")
			if cmd.Name() == "serve" && got[1] != want && (want != "" && want != "false" || got[1] != "") {
				t.Errorf("the README gives --%s the default %q, want %q", f.Name, got[1], want)
			}
		})
	}
	for name := range documented {
		if !seen[name] {
			t.Errorf("the README names --%s, which no command has", name)
		}
	}
}

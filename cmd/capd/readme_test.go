package main

import (
	"net/http"
	"os"
	"regexp"
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
		default:
			t.Errorf("nothing executes the README's %q", line)
		}
	}
	if calls < 2 {
		t.Errorf("the README shows %d calls, want REST and MCP", calls)
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

package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the folder of the repository.
const root = "../.."

func document(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// sources calls use with the path and text of every file below a folder whose name ends so.
func sources(t *testing.T, folder, suffix string, use func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); e.IsDir() {
			if strings.HasPrefix(name, ".") && name != "." && name != ".." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, suffix) {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			use(path, string(raw))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestThreatModel: every threat has a defence, and either tests that there are, or says that it
// has none.
func TestThreatModel(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	sources(t, ".", "_test.go", func(_, text string) {
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			known[m[1]] = true
		}
	})
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	text, threats, shown := document(t, "docs/threat-model.md"), 0, 0
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
	_, tables, _ := strings.Cut(text, "\n## Threats\n")
	for line := range strings.Lines(tables) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Threat |") {
			continue
		}
		threats++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || strings.TrimSpace(cells[1]) == "" {
			t.Errorf("no threat, defence and test: %s", line)
			continue
		}
		if named.MatchString(cells[2]) {
			shown++
		} else if !strings.Contains(cells[2], "no test") {
			t.Errorf("it is not said that this has no test: %s", line)
		}
	}
	if threats < 50 || shown < 40 {
		t.Errorf("%d threats, %d shown by tests", threats, shown)
	}
}

// TestMetricsAreDocumented: the table of metrics has all of them with their labels, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	registered := map[string]string{}
	name := regexp.MustCompile(`"(capd_[a-z_]+)"`)
	labels := regexp.MustCompile(`(?:counter|gauge|histogram)\("(capd_[a-z_]+)", "[^"]*"((?:, "\w+")*)\)`)
	sources(t, "adapters/telemetry", ".go", func(path, text string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, m := range name.FindAllStringSubmatch(text, -1) {
			registered[m[1]] = "?"
		}
		for _, m := range labels.FindAllStringSubmatch(text, -1) {
			registered[m[1]] = strings.ReplaceAll(strings.Trim(strings.ReplaceAll(m[2], `"`, ""), ", "), ", ", ",")
		}
	})
	row := regexp.MustCompile("(?m)^\\| `(capd_[a-z_]+)(?:\\{([a-z,]*)\\})?` \\| (?:counter|gauge|histogram) \\|")
	documented := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(document(t, "docs/operations.md"), -1) {
		documented[m[1]] = true
		if want, ok := registered[m[1]]; !ok {
			t.Errorf("there is no metric %s", m[1])
		} else if want != "?" && want != m[2] {
			t.Errorf("%s has the labels %q, not %q", m[1], want, m[2])
		}
	}
	for name := range registered {
		if !documented[name] {
			t.Errorf("docs/operations.md says nothing of %s", name)
		}
	}
	if len(documented) < 15 {
		t.Errorf("%d metrics", len(documented))
	}
}

// TestLinksOfDocuments: relative links of documents lead somewhere.
func TestLinksOfDocuments(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "docs/operations.md", "docs/threat-model.md", "docs/SECURITY.md"} {
		for _, m := range link.FindAllStringSubmatch(document(t, name), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s leads to %s, which is not there", name, m[1])
			}
		}
	}
}

// TestOperations does what docs/operations.md says: it serves as it says, asks as it says and
// compares; commands that need a cluster or a build have flags that there are.
func TestOperations(t *testing.T) {
	t.Parallel()
	var blocks []block
	for _, m := range fence.FindAllStringSubmatch(document(t, "docs/operations.md"), -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	var i *instance
	asked := 0
	for n, b := range blocks {
		if b.language != "sh" {
			continue
		}
		words := shellWords(t, strings.ReplaceAll(b.text, "\n", " "))
		if words[0] != "capd" {
			continue
		}
		at := slices.Index(words, "--control")
		switch {
		case words[1] == "serve":
			checkFlagsOf(t, words[1:])
			for k, w := range words {
				if w == "capabilities/" {
					words[k] = capabilities
				}
			}
			words = slices.DeleteFunc(words, func(w string) bool { return w == "127.0.0.1:9900" })
			words = slices.Insert(words, slices.Index(words, "--control-address")+1, "127.0.0.1:0")
			i = start(t, nil, words[2:]...)
		case at > 0:
			asked++
			words[at+1] = i.controlURL(t)
			var out, log output
			code := run(context.Background(), words[1:], nil, strings.NewReader(""), &out, &log)
			if n+1 == len(blocks) || blocks[n+1].language != "text" || out.String() != blocks[n+1].text || code != exitOK {
				t.Errorf("%q ends with %d and prints\n%s%s", words, code, &out, &log)
			}
		default:
			checkFlagsOf(t, words[1:])
		}
	}
	if asked < 2 {
		t.Errorf("docs/operations.md asks %d times", asked)
	}
}

// checkFlagsOf complains of flags that a command line has and its command has not.
func checkFlagsOf(t *testing.T, words []string) {
	t.Helper()
	c := &command{}
	cmd, _, err := c.root().Find(words[:1])
	if err != nil {
		t.Errorf("%q: %v", words, err)
		return
	}
	for _, w := range words[1:] {
		name, isFlag := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && cmd.Flags().Lookup(name) == nil {
			t.Errorf("%q: there is no --%s", words, name)
		}
	}
}

// TestFlagsOfDocuments: a flag or twin that a document names in the middle of a text is one of capd.
func TestFlagsOfDocuments(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	c := &command{}
	commands := c.root().Commands()
	for _, cmd := range commands {
		commands = append(commands, cmd.Commands()...)
	}
	for m := range strings.FieldsSeq("--build-arg --from-file --namespace --dry-run") { // of docker and kubectl
		known[m] = true
	}
	for _, cmd := range commands {
		for line := range strings.Lines(cmd.Flags().FlagUsages()) {
			for _, m := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line, -1) {
				known[m], known[twin(strings.TrimPrefix(m, "--"))] = true, true
			}
		}
	}
	for _, name := range []string{"docs/operations.md", "docs/threat-model.md", "docs/SECURITY.md"} {
		lines := bufio.NewScanner(strings.NewReader(document(t, name)))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			for _, m := range regexp.MustCompile("`(--[a-z-]+)[^`]*`|\\b(CAPD_[A-Z_]+[A-Z])\\b").FindAllStringSubmatch(lines.Text(), -1) {
				if word := m[1] + m[2]; !known[word] && word != "CAPD_PORT" {
					t.Errorf("%s names %s, which capd does not know", name, word)
				}
			}
		}
	}
}

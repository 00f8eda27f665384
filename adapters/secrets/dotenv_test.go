package secrets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/adapters/secrets"
	"capd/engine/plan"
)

func TestEnvFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{ // want: the value of K
		{"plain", "K=v", "=v"},
		{"crlf", "A=1\r\nK=v\r\nB=2\r\n", "=v"},
		{"byte order mark", "\ufeffK=v\n", "=v"},
		{"export", "export K=v", "=v"},
		{"export and tabs", "\texport\tK = v \t", "=v"},
		{"a name that begins like export", "exportK=x\nK=v", "=v"},
		{"blanks", "  K  =  a b  ", "=a b"},
		{"empty", "K=", "="},
		{"empty quotes", `K=""`, "="},
		{"comment lines", "# K=no\n\n  # no\nK=v", "=v"},
		{"comment behind", "K=v # comment", "=v"},
		{"comment alone", "K= # comment", "="},
		{"comment without blank", "K=#", "="},
		{"hash in the value", "K=a#b", "=a#b"},
		{"equals signs", "K=a==b", "=a==b"},
		{"last wins", "K=a\nK=b", "=b"},
		{"no expansion", "A=1\nK=${A}$A", "=${A}$A"},
		{"quotes inside", `K=it's "so"`, `=it's "so"`},
		{"single quotes", `K='a # "b" \n $x'`, `=a # "b" \n $x`},
		{"double quotes", `K="a # 'b'" # comment`, "=a # 'b'"},
		{"escapes", `K="a\nb\tc\rd\"e\\f\$g\qh"`, "=a\nb\tc\rd\"e\\f$g\\qh"},
		{"escaped backslash before the quote", `K="a\\"`, `=a\`},
		{"over lines", "K=\"-----BEGIN\nabc\r\n-----END\"\nB=1", "=-----BEGIN\nabc\n-----END"},
		{"over lines in single quotes", "K='a\n#b\n'\n", "=a\n#b\n"},
		{"unicode", "K=пароль", "=пароль"},
		{"nothing", "", "unset"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := look(t, environment(t, nil, file(t, tc.text)), "K"); got != tc.want {
				t.Errorf("K is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEnvFileErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"no equals sign", "A=1\n\ns3cret\n", ":3: expected KEY=VALUE"},
		{"export alone", "export s3cret", ":1: expected KEY=VALUE"},
		{"no name", "=s3cret", ":1: expected a name before ="},
		{"bad name", "s3cret-value=1", ":1: the name before = must be letters, digits and underscores, and not begin with a digit"},
		{"digit first", "3s3cret=1", ":1: the name before = must be letters, digits and underscores, and not begin with a digit"},
		{"open quote", "A=1\nK=\"s3cret\nB=2\n", ":2: the quote is not closed"},
		{"escaped last quote", `K="s3cret\"`, ":1: the quote is not closed"},
		{"text after the quote", "K='s3\ncret' s3cret",
			`:2: unexpected text after the closing quote; put a # before a comment, or \ before a quote that belongs to the value`},
		{"line after a value of several", "K=\"a\nb\"\ns3cret", ":3: expected KEY=VALUE"},
		{"nul", "A=1\nK=s3\x00cret", ":2: the file has a NUL byte: it is not a text file of KEY=VALUE lines"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := file(t, tc.text)
			_, err := secrets.NewEnvironment(nil, path)
			if err == nil || err.Error() != path+tc.want {
				t.Fatalf("error %v, want %s", err, tc.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Error("the error quotes the file")
			}
		})
	}
}

func FuzzEnvFile(f *testing.F) {
	for _, text := range []string{"K=v", "export K=\"a\\n\nb\" # c\r\n", "'", "K='", "=", "\ufeff#\n\x00", "K=\"\\"} {
		f.Add(text, "it's \"a\" $value\\")
	}
	path := filepath.Join(f.TempDir(), "fuzz.env")
	f.Fuzz(func(t *testing.T, text, value string) {
		write := func(text string) error {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := secrets.NewEnvironment(nil, path)
			return err
		}
		// Whatever a file holds: an error names it, and a good file stays good with more in it.
		if err := write(text); err != nil {
			if !strings.HasPrefix(err.Error(), path+":") {
				t.Errorf("error %q does not name the file", err)
			}
			return
		}
		if strings.ContainsAny(value, "\x00") {
			return
		}
		// A value in double quotes comes back as it was, behind any good file.
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`).Replace(value)
		if err := write(text + "\nFUZZ_VALUE=\"" + quoted + "\"\n"); err != nil {
			t.Fatalf("the value is refused: %v", err)
		}
		e, err := secrets.NewEnvironment(nil, path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Look("", &plan.Variable{Name: "FUZZ_VALUE"})
		if err != nil || s.Reveal() != value {
			t.Errorf("%q came back as %q, %v", value, s.Reveal(), err)
		}
	})
}

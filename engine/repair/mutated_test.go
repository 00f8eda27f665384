package repair_test

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"capd/engine/repair"
	"capd/engine/spec"
)

// mutants is how many broken copies of a document of the corpus are repaired.
const mutants = 1

// TestMutatedCorpus breaks documents of the corpus in ways in which people and programs do
// and repairs what is left: it can still be read, and a second run changes nothing.
func TestMutatedCorpus(t *testing.T) {
	t.Parallel()
	byFile := catalogue(t)
	for _, file := range sortedFiles(byFile) {
		seed := fnv.New64a()
		seed.Write([]byte(file))
		text := specText(t, file)
		for n := range uint64(mutants) {
			broken := mutate(rand.New(rand.NewPCG(seed.Sum64(), n)), text)
			for name, mend := range map[string]repairer{"fix": repair.Fix, "migrate": repair.Migrate} {
				checkMutant(t, name+" "+file, mend, broken)
			}
		}
	}
}

func checkMutant(t *testing.T, name string, mend repairer, text []byte) {
	t.Helper()
	res, err := mend("mutant.yaml", text, repair.Options{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if !res.Changed() {
		return
	}
	before, _ := spec.Parse("mutant.yaml", text, spec.Limits{})
	if after, found := spec.Parse("mutant.yaml", res.Text, spec.Limits{}); before != nil && after == nil {
		t.Errorf("%s cannot be read any more: %v", name, found)
		return
	}
	again, err := mend("mutant.yaml", res.Text, repair.Options{})
	if err != nil || again.Changed() || !bytes.Equal(again.Text, res.Text) {
		t.Errorf("%s: a second run gives %v %v", name, again.Fixed, err)
	}
}

// mutate changes a few lines: takes one out, writes one twice, misspells a key or a name,
// changes the indentation, cuts the text.
func mutate(r *rand.Rand, text []byte) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	for range 1 + r.IntN(6) {
		i := r.IntN(len(lines))
		line := lines[i]
		switch r.IntN(8) {
		case 0:
			lines[i] = ""
		case 1:
			lines[i] = line + line
		case 2, 3, 4:
			lines[i] = misspell(r, line)
		case 5:
			lines[i] = strings.Repeat(" ", r.IntN(3)) + line
		case 6:
			lines[i] = strings.Replace(line, ": ", ": &a ", 1)
		case 7:
			lines[i] = strings.TrimSuffix(line, "\n") + " # é\r\n"
		}
	}
	if r.IntN(10) == 0 {
		lines = lines[:r.IntN(len(lines))]
	}
	return []byte(strings.Join(lines, ""))
}

// misspell swaps, drops or changes a letter.
func misspell(r *rand.Rand, line string) string {
	if len(line) < 4 {
		return line
	}
	b := []byte(line)
	i := 1 + r.IntN(len(b)-3)
	switch r.IntN(4) {
	case 0:
		b[i], b[i+1] = b[i+1], b[i]
	case 1:
		b = append(b[:i], b[i+1:]...)
	case 2:
		b[i] ^= 0x20
	default:
		b[i] = "-_{}'\"xX9 "[r.IntN(10)]
	}
	return string(b)
}

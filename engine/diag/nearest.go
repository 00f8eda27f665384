package diag

import (
	"strings"
	"unicode/utf8"
)

// Nearest gives the candidate that name was most likely meant to be: the one with the
// smallest edit distance, if that is small for the length of the name and no other
// candidate is as close; else the only one that has name as a part between hyphens, dots or
// underscores.
func Nearest(name string, candidates []string) (string, bool) {
	best, at, tie := "", maxDistance+1, false
	for _, c := range candidates {
		if c == name {
			continue
		}
		switch d := distance(name, c, at+1); {
		case d > allowedDistance(name, c):
		case d < at:
			best, at, tie = c, d, false
		case d == at && c != best:
			tie = true
		}
	}
	switch {
	case tie:
		return "", false
	case best == "":
		return onlyHolding(name, candidates)
	}
	return best, true
}

// onlyHolding gives the only candidate that has the name as one or several of its words:
// what is called orders-api here is called shop-orders-api there.
func onlyHolding(name string, candidates []string) (string, bool) {
	const words = "-_."
	found := ""
	for _, c := range candidates {
		before, after, ok := strings.Cut(strings.ToLower(c), strings.ToLower(name))
		switch {
		case !ok || len(name) < minHeld || before+after == "" || c == found:
		case before != "" && !strings.ContainsAny(before[len(before)-1:], words):
		case after != "" && !strings.ContainsAny(after[:1], words):
		case found != "":
			return "", false
		default:
			found = c
		}
	}
	return found, found != ""
}

// minHeld is the shortest name, in bytes, that is looked for in others.
const minHeld = 4

// maxDistance is the most that allowedDistance gives.
const maxDistance = 3

// allowedDistance gives how many edits still count as a slip: none in very short names,
// where every word is close to every other.
func allowedDistance(a, b string) int {
	switch n := max(utf8.RuneCountInString(a), utf8.RuneCountInString(b)); {
	case n <= 3:
		return 0
	case n <= 5:
		return 1
	case n <= 12:
		return 2
	}
	return maxDistance
}

// distance is the edit distance of a and b (optimal string alignment: insert, delete,
// replace, swap neighbours). From limit on it is only known to be at least limit.
func distance(a, b string, limit int) int {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	older, old, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(y)]
}

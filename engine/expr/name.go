package expr

import "strings"

// IsScreaming reports whether s is a SCREAMING_SNAKE word, the spelling of an environment
// variable: A-Z first, then A-Z, 0-9 and _.
func IsScreaming(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('A' <= c && c <= 'Z' || i > 0 && (c == '_' || '0' <= c && c <= '9')) {
			return false
		}
	}
	return s != ""
}

// UpperSnake gives the environment variable's spelling of a name: words of letters and
// digits in upper case, joined by "_"; an upper-case letter after a lower-case one begins a
// word. "yourAccountName" becomes "YOUR_ACCOUNT_NAME", "x-y" becomes "X_Y".
func UpperSnake(s string) string {
	var b strings.Builder
	prevLower := false
	gap := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
		if !lower && !upper && !digit {
			gap = b.Len() > 0
			prevLower = false
			continue
		}
		if gap || upper && prevLower {
			b.WriteByte('_')
		}
		gap = false
		if lower {
			c -= 'a' - 'A'
		}
		b.WriteByte(c)
		prevLower = lower || digit
	}
	return b.String()
}

// Fold gives what is compared when names need not be spelled alike (contract N1):
// lower-cased letters and digits, nothing else.
func Fold(s string) string {
	at := 0 // of the first character that is not as it is compared
	for at < len(s) && ('a' <= s[at] && s[at] <= 'z' || '0' <= s[at] && s[at] <= '9') {
		at++
	}
	if at == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:at])
	for _, r := range s[at:] {
		switch {
		case 'A' <= r && r <= 'Z':
			b.WriteRune(r + 'a' - 'A')
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			b.WriteRune(r)
		case r >= 0x80:
			b.WriteString(strings.ToLower(string(r)))
		}
	}
	return b.String()
}

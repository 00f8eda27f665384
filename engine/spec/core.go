package spec

import "strings"

// coreKind gives the kind of a plain scalar by the YAML 1.2 core schema (section 10.3.2):
// neither yes nor on are booleans, and dates are strings.
func coreKind(s string) Kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	if isNumber(s) {
		return Number
	}
	return String
}

func isNumber(s string) bool {
	if c := s[0]; c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') {
		return false
	}
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		return allOf(rest, "0123456789abcdefABCDEF")
	}
	if rest, ok := strings.CutPrefix(s, "0o"); ok {
		return allOf(rest, "01234567")
	}
	return isDecimal(s) || isNotFinite(s)
}

// isDecimal matches [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
func isDecimal(s string) bool {
	s = trimSign(s)
	whole, rest := digits(s)
	fraction := ""
	if after, ok := strings.CutPrefix(rest, "."); ok {
		fraction, rest = digits(after)
	}
	if whole == "" && fraction == "" {
		return false
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	exponent, rest := digits(trimSign(rest[1:]))
	return exponent != "" && rest == ""
}

func isNotFinite(s string) bool {
	switch s {
	case ".nan", ".NaN", ".NAN":
		return true
	}
	switch trimSign(s) {
	case ".inf", ".Inf", ".INF":
		return true
	}
	return false
}

func trimSign(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

func digits(s string) (string, string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func allOf(s, set string) bool {
	return s != "" && strings.Trim(s, set) == ""
}

// isTrue gives the value of a Bool's text.
func isTrue(text string) bool { return text[0] == 't' || text[0] == 'T' }

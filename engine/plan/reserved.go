package plan

import "strings"

// ReservedVariable reports whether the environment variable of that name is never read for
// a document, declared or not (contract V2b): it belongs to the machine or to capd itself,
// and its value would leave the machine in a request. Upper and lower case are the same,
// because proxy variables exist in both.
func ReservedVariable(name string) bool {
	name = strings.ToUpper(name)
	switch name {
	case "PATH", "HOME", "USER", "SHELL", "HOSTNAME", "PORT":
		return true
	}
	for _, prefix := range []string{"LD_", "KUBERNETES_SERVICE_", "KUBERNETES_PORT", "CAPD_", "OTEL_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, "_PROXY")
}

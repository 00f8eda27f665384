package plan_test

import (
	"testing"

	"capd/engine/plan"
)

// Contract V2b.
func TestReservedVariable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"PATH", "HOME", "USER", "SHELL", "HOSTNAME", "PORT", "HTTP_PROXY", "https_proxy", "NO_PROXY", "MY_PROXY",
		"LD_PRELOAD", "LD_LIBRARY_PATH", "KUBERNETES_SERVICE_HOST", "KUBERNETES_PORT", "KUBERNETES_PORT_443_TCP",
		"CAPD_LISTEN", "Path",
	} {
		if !plan.ReservedVariable(name) {
			t.Errorf("%s may be read", name)
		}
	}
	for _, name := range []string{
		"", "API_PATH", "PATHS", "HOME_ID", "USER_TOKEN", "API_PORT", "PORTAL", "PROXY", "PROXY_URL", "LDAP_TOKEN",
		"KUBERNETES_TOKEN", "KUBERNETES_SERVICE", "CAPDX", "MY_CAPD_KEY",
	} {
		if plan.ReservedVariable(name) {
			t.Errorf("%s is reserved", name)
		}
	}
}

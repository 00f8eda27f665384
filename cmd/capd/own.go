package main

import "slices"

// ownFiles are the files and folders that capd itself keeps secrets or its state in. No document
// may use them, wherever they lie.
func (f *serveFlags) ownFiles(env environment) []string {
	traces, _ := env.lookup("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY")
	exports, _ := env.lookup("OTEL_EXPORTER_OTLP_CLIENT_KEY")
	return ownFiles(&f.documents, &f.variables, f.control.tokenFile, f.stateKeyFile, f.tls.key, f.store.urlFile, f.stateDir, f.telemetry.audit, traces, exports)
}

// ownFiles are those that every command knows of, v may be nil, and more of them. A command that
// only looks at documents finds what serve would find with the same flags.
func ownFiles(d *documentFlags, v *variableFlags, more ...string) []string {
	own := []string{serviceAccount, processes, d.policy}
	if v != nil {
		own = append(append(own, v.envFile...), v.vault.tokenFile)
	}
	own = append(own, more...)
	return slices.DeleteFunc(own, func(name string) bool { return name == "" || name == standardStream })
}

// Places that hold secrets of the process wherever it runs: what a pod logs in with, and the
// environment of processes.
const (
	serviceAccount = "/var/run/secrets/kubernetes.io"
	processes      = "/proc"
)

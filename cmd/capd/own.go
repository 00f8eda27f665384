package main

// ownFiles are the files and folders that capd itself keeps secrets or its state in. No document
// may use them, wherever they lie.
func (f *serveFlags) ownFiles() []string {
	own := []string{serviceAccount, processes}
	own = append(own, f.variables.envFile...)
	for _, name := range []string{
		f.control.tokenFile, f.stateKeyFile, f.tls.key, f.variables.vault.tokenFile, f.store.urlFile, f.stateDir, f.telemetry.audit, f.documents.policy,
	} {
		if name != "" && name != standardStream {
			own = append(own, name)
		}
	}
	return own
}

// Places that hold secrets of the process wherever it runs: what a pod logs in with, and the
// environment of processes.
const (
	serviceAccount = "/var/run/secrets/kubernetes.io"
	processes      = "/proc"
)

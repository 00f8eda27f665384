package main

import (
	"io/fs"
	"log/slog"

	"github.com/spf13/pflag"

	"capd/adapters/secrets"
	"capd/engine"
	"capd/engine/plan"
)

// The words of --tls-client-auth.
const (
	clientAuthRequire  = "require"
	clientAuthOptional = "optional"
)

// tlsFlags say whether addresses speak TLS.
type tlsFlags struct {
	cert, key  string
	clientCA   string
	clientAuth string
}

func (t *tlsFlags) register(f *pflag.FlagSet) {
	f.StringVar(&t.cert, "tls-cert", "", "serve https on all addresses, with the certificate and its chain in `FILE` (PEM); read again when it changes")
	f.StringVar(&t.key, "tls-key", "", "`FILE` with the private key of --tls-cert (PEM); read again when it changes")
	f.StringVar(&t.clientCA, "tls-client-ca", "", "ask callers for a certificate of the authorities in `FILE` (PEM); read again when it changes")
	f.Var(choiceFlag(&t.clientAuth, clientAuthRequire, clientAuthOptional), "tls-client-auth", "callers without a certificate of --tls-client-ca: require keeps them out, optional lets them in (default require)")
}

// load reads the files; nil without them.
func (t *tlsFlags) load(log *slog.Logger) (*engine.TLS, error) {
	switch {
	case t.cert != "" && t.key == "":
		return nil, failure("--tls-cert needs --tls-key: the file with the private key")
	case t.cert == "" && t.key != "":
		return nil, failure("--tls-key needs --tls-cert: the file with the certificate")
	case t.cert == "" && t.clientCA != "":
		return nil, failure("--tls-client-ca needs --tls-cert and --tls-key: certificates of callers are part of TLS")
	case t.clientCA == "" && t.clientAuth != "":
		return nil, failure("--tls-client-auth needs --tls-client-ca: the file with the authorities whose certificates are good")
	case t.cert == "":
		return nil, nil
	}
	out, err := engine.NewTLS(engine.TLSOptions{
		CertFile: t.cert, KeyFile: t.key, ClientCAFile: t.clientCA, ClientOptional: t.clientAuth == clientAuthOptional,
		Open: func(name string) (fs.File, error) {
			return secrets.OpenKey(plan.KeyFile{Path: plan.NewSecret(name)})
		},
		Logger: log,
	})
	if err != nil {
		return nil, failure("TLS: %w", err)
	}
	return out, nil
}

// scheme gives what URLs begin with.
func (t *tlsFlags) scheme() scheme {
	if t.cert != "" {
		return "https"
	}
	return "http"
}

// knowsCallers reports whether nobody can call without a certificate.
func (t *tlsFlags) knowsCallers() bool { return t.clientCA != "" && t.clientAuth != clientAuthOptional }

// scheme is http or https.
type scheme string

// of gives the origin of an address.
func (s scheme) of(addr string) string { return string(s) + "://" + addr }

// origins gives the URLs at which this machine can call, of a function that gives the real
// address of a declared one.
func (s scheme) origins(real func(declared string) string) func(declared string) string {
	return func(declared string) string {
		if at := real(declared); at != "" {
			return s.of(reachable(at))
		}
		return ""
	}
}

package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"capd/adapters/control"
	"capd/adapters/mcp"
	"capd/engine"
	"capd/engine/spec"
)

// The words of --on-invalid.
const (
	onInvalidQuarantine = "quarantine"
	onInvalidFail       = "fail"
)

// The words of --watch.
const (
	watchEvents = "events"
	watchPoll   = "poll"
	watchOff    = "off"
)

// The words of --mcp-sessions.
const (
	mcpSessionsAuto = "auto"
	mcpSessionsOff  = "off"
)

// The limits that serve and stub share.
const (
	defaultMaxBody      size     = 10 << 20
	defaultMaxHeader    size     = engine.DefaultMaxHeader
	defaultDrainTimeout duration = duration(engine.DefaultDrainTimeout)
)

// documentFlags bound what is read of a document.
type documentFlags struct {
	maxDocument size
	maxDepth    count
	maxNodes    count
	allowPaths  folders
	policy      string
}

func (d *documentFlags) register(f *pflag.FlagSet) {
	def := spec.DefaultLimits
	d.maxDocument, d.maxDepth, d.maxNodes = size(def.Bytes), count(def.Depth), count(def.Nodes)
	f.Var(&d.allowPaths, "allow-path", "let specs use the files below `DIR`, beside those below their own folder; repeatable")
	f.Var(&d.maxDocument, "max-document", "largest spec file that is read")
	f.Var(&d.maxDepth, "max-depth", "deepest nesting in a spec")
	f.Var(&d.maxNodes, "max-nodes", "most values in a spec, aliases expanded")
}

// registerPolicy adds the flag of commands that judge what documents may do.
func (d *documentFlags) registerPolicy(f *pflag.FlagSet) {
	f.StringVar(&d.policy, "policy", "", "let specs do only what the policy `FILE` says: which variables, files, secrets, hosts and ports they may use, with what limits")
}

// variableFlags say where documents find their variables.
type variableFlags struct {
	envFile []string
	vault   vaultFlags
}

// vaultFlags say which Vault answers vault:// locations.
type vaultFlags struct {
	address, namespace, tokenFile, role, ca string
}

func (v *variableFlags) register(f *pflag.FlagSet) {
	f.StringSliceVar(&v.envFile, "env-file", nil, "read variables from `FILE` (NAME=VALUE lines); the process environment beats it; repeatable")
	f.StringVar(&v.vault.address, "vault-address", "", "read vault:// locations of binds from the Vault at `URL` (default VAULT_ADDR)")
	f.StringVar(&v.vault.namespace, "vault-namespace", "", "`NAMESPACE` of the Vault (default VAULT_NAMESPACE)")
	f.StringVar(&v.vault.tokenFile, "vault-token-file", "", "`FILE` with the token for the Vault (default: the token in VAULT_TOKEN)")
	f.StringVar(&v.vault.role, "vault-role", "", "log in to the Vault as `ROLE` with the pod's Kubernetes service account")
	f.StringVar(&v.vault.ca, "vault-ca", "", "`FILE` of certificates to trust for the Vault (default VAULT_CACERT)")
}

// logFlags shape what goes to standard error.
type logFlags struct {
	format string
	level  string
	now    *slog.LevelVar // level, until something else is asked for
	// followed gives the log to those who follow it at the control address; nil: nobody does.
	followed *control.Log
}

func (l *logFlags) register(f *pflag.FlagSet) {
	l.now = new(slog.LevelVar)
	l.format, l.level = formatText, "info"
	f.Var(choiceFlag(&l.format, formatText, formatJSON), "log-format", "log as text or json")
	f.Var(choiceFlag(&l.level, "debug", "info", "warn", "error"), "log-level", "least important log `level`: debug, info, warn or error")
}

// serveFlags are the settings of serve.
type serveFlags struct {
	documents documentFlags
	variables variableFlags
	scripts   scriptFlags
	log       logFlags
	telemetry telemetryFlags
	views     viewFlags
	control   controlFlags
	caps      capFlags
	search    searchAbove
	tls       tlsFlags
	store     storeFlags
	callers   connectionFlags

	listen           string
	address          string
	allowSpecAddress bool
	allowedHosts     []string
	allowedOrigins   []string
	trustedProxies   networks
	authFailures     rate
	publicURL        string
	stateDir         string
	upstream         string
	denyPrivate      bool
	stub             bool
	onInvalid        string
	watch            string
	watchInterval    duration
	mcpSessions      string
	check            bool
	stateKeyFile     string
	all              *pflag.FlagSet // as they were registered

	drainTimeout    duration
	callTimeout     duration
	maxBody         size
	maxUpstreamBody size
	maxResult       size
	maxHeader       size
}

// register adds every flag of serve.
func (s *serveFlags) register(f *pflag.FlagSet) {
	s.registerShared(f)
	s.views.register(f)
	s.control.register(f)
	s.tls.register(f)
	s.store.register(f)
	s.callers.register(f)

	f.StringVar(&s.listen, "listen", "", "serve everything on `HOST:PORT` instead of the declared ports")
	f.StringVar(&s.address, "address", "", "`HOST` to listen on for declared ports, whatever specs say (default 127.0.0.1)")
	f.BoolVar(&s.allowSpecAddress, "allow-spec-address", false, "listen on the addresses that specs declare")
	f.StringSliceVar(&s.allowedHosts, "allowed-hosts", nil, "further `HOSTS` that a request may name, comma-separated; loopback names and the listening host always may")
	f.StringSliceVar(&s.allowedOrigins, "allowed-origins", nil, "web `ORIGINS` that may call, comma-separated, such as https://app.example.com")
	f.Var(&s.trustedProxies, "trusted-proxies", "`NETWORKS` of proxies, comma-separated, such as 10.0.0.0/8: what they say in X-Forwarded-For or Forwarded is the address of the caller")
	s.authFailures = rate{Count: 20, Period: time.Minute, Burst: 20}
	f.Var(&s.authFailures, "auth-failures", "how many wrong credentials may come from one address to one adapter, or to the control address, such as 20/1m, or off: then that address has to wait")
	s.mcpSessions = mcpSessionsAuto
	f.Var(choiceFlag(&s.mcpSessions, mcpSessionsAuto, mcpSessionsOff), "mcp-sessions", "sessions for MCP clients of the older protocol: auto, or off, for replicas that share no sessions")
	s.maxHeader = defaultMaxHeader
	f.Var(&s.maxHeader, "max-header", "largest request header")
}

// registerShared adds the flags that have nothing to do with addresses.
func (s *serveFlags) registerShared(f *pflag.FlagSet) {
	s.all = f
	s.documents.register(f)
	s.documents.registerPolicy(f)
	s.variables.register(f)
	s.scripts.register(f)
	s.log.register(f)
	s.telemetry.register(f)
	s.caps.register(f)

	f.StringVar(&s.publicURL, "public-url", "", "`URL` under which clients reach capd, such as https://api.example.com; tokens of adapters that declare no resource must be for an address below it")

	s.onInvalid = onInvalidQuarantine
	f.Var(choiceFlag(&s.onInvalid, onInvalidQuarantine, onInvalidFail), "on-invalid", "what an error in a spec does: quarantine what it hits, or fail")
	s.watch = watchEvents
	f.Var(choiceFlag(&s.watch, watchEvents, watchPoll, watchOff), "watch", "how changed files are noticed: events of the file system (and a look every 30s), poll, or off")
	s.watchInterval = duration(engine.DefaultPollInterval)
	f.Var(&s.watchInterval, "watch-interval", "how often --watch poll looks at files")
	f.BoolVar(&s.check, "check", false, "do everything but listen, then exit")
	f.StringVar(&s.stateDir, "state-dir", "", "keep the last good form of each spec in `DIR`, to serve it after a restart where the spec has errors then; for the user who runs capd alone")
	f.StringVar(&s.stateKeyFile, "state-key-file", "", "`FILE` with the key that signs what MCP clients keep while their user is asked, and challenges of digest authentication; the same for all replicas (default: one at random)")

	s.drainTimeout, s.callTimeout = defaultDrainTimeout, duration(engine.DefaultCallTimeout)
	s.maxBody, s.maxUpstreamBody = defaultMaxBody, engine.DefaultMaxUpstreamBody
	f.Var(&s.drainTimeout, "drain-timeout", "how long a stop waits for calls in flight")
	f.Var(&s.callTimeout, "call-timeout", "longest time for one call in total")
	f.Var(&s.maxBody, "max-body", "largest request body")
	f.Var(&s.maxUpstreamBody, "max-upstream-body", "largest upstream answer that is held in memory; streamed ones have no limit")
	f.Var(&s.search, "mcp-search-above", fmt.Sprintf("offer tools to search with where more than `NUMBER` tools would be listed, or never (default %d, and %d for one spec by itself)", mcp.DefaultSearchAbove, mcp.DefaultSearchAboveOwn))
	s.maxResult = mcp.DefaultMaxText
	f.Var(&s.maxResult, "max-result", "largest text in a result of an MCP tool whose spec says nothing; what is longer is given in parts")
	f.StringVar(&s.upstream, "upstream", "", "send every consumed base URI to `URL` instead, keeping its path")
	f.BoolVar(&s.denyPrivate, "deny-private", false, "send nothing to loopback, private and carrier-grade NAT addresses; link-local and cloud metadata addresses are refused always")
	f.BoolVar(&s.stub, "stub", false, "answer consumed operations here, without account, key or network")
}

// follow lets others follow the log, where there is an address at which they can.
func (s *serveFlags) follow() {
	if s.control.address != "" {
		s.log.followed = new(control.Log)
	}
}

package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"capd/adapters/auth"
	"capd/adapters/credential"
	"capd/adapters/httpclient"
	"capd/adapters/mcp"
	"capd/adapters/resilience"
	"capd/adapters/rest"
	"capd/adapters/secrets"
	"capd/adapters/skill"
	"capd/adapters/stub"
	"capd/adapters/telemetry"
	"capd/engine"
	"capd/engine/plan"
	"capd/engine/spec"
)

// wiring is an engine's options with the part that a reload must refresh.
type wiring struct {
	engine.Options
	env *secrets.Sources
	mcp *mcp.Adapter // one of the adapters
	// desk answers those who run the process.
	desk *desk
	// store is what calls, and replicas, have in common.
	store *store
	// protected has the breakers of upstreams.
	protected *resilience.Upstream
	// attempts counts wrong tokens at the control address.
	attempts *auth.Attempts
	// telemetry is nil when nothing is watched.
	telemetry *telemetry.Telemetry
}

// wire makes an engine's options of flags. It is the only place that knows every adapter.
func (c *command) wire(paths []string, f *serveFlags, log *slog.Logger) (*wiring, error) {
	env, err := c.sources(&f.variables, secrets.Options{Logger: log, LocalOnly: f.stub, Own: f.ownFiles(c.env)})
	if err != nil {
		return nil, err
	}
	watch, err := c.telemetry(&f.telemetry, f.control.address != "", log)
	if err != nil {
		return nil, err
	}
	var w *wiring
	isOwn := func(port uint16) bool { return w.desk.owns(port) }
	transport, err := f.transport(watch, isOwn)
	if err != nil {
		return nil, err
	}
	scripts, err := f.scripts.runner()
	if err != nil {
		return nil, err
	}
	stateKey, err := readStateKey(f.stateKeyFile)
	if err != nil {
		return nil, err
	}
	public, err := f.public()
	if err != nil {
		return nil, err
	}
	speaks, err := f.tls.load(log)
	if err != nil {
		return nil, err
	}
	shared, err := c.store(&f.store, f.check, watch, log)
	if err != nil {
		return nil, err
	}
	keeper, err := f.gatekeeper(stateKey, shared, isOwn, watch, log)
	if err != nil {
		return nil, err
	}
	// What is answered without a request, from a cache, belongs above the protection.
	protected := protect(transport, shared, watch, log)
	onInvalid := engine.Quarantine
	if f.onInvalid == onInvalidFail {
		onInvalid = engine.Fail
	}
	tools := mcp.New(mcp.Options{
		Logger: log, Version: thisBuild().Version, MaxBody: int64(f.maxBody), MaxResult: int64(f.maxUpstreamBody), MaxText: int64(f.maxResult),
		WithoutSessions: f.mcpSessions == mcpSessionsOff,
		StateKey:        stateKey,
		Once:            shared,
		SearchAbove:     int(f.search),
	})
	w = &wiring{env: env, mcp: tools, store: shared, protected: protected, attempts: keeper.Attempts("control"), telemetry: watch, Options: engine.Options{
		Paths:            paths,
		Listen:           f.listen,
		Address:          f.address,
		AllowSpecAddress: f.allowSpecAddress,
		CombinedMCP:      f.views.combined,
		Views:            f.views.named,
		AllowedHosts:     f.allowedHosts,
		AllowedOrigins:   f.allowedOrigins,
		TrustedProxies:   f.trustedProxies,
		PublicURL:        public,
		TLS:              speaks,
		OnInvalid:        onInvalid,
		AllowPaths:       f.documents.allowPaths,
		Policy:           f.documents.policy,
		Own:              f.ownFiles(c.env),
		Limits:           f.documents.limits(),
		MaxHeader:        int(f.maxHeader),
		MaxConnections:   f.callers.resolve(),
		CallTimeout:      time.Duration(f.callTimeout),
		DrainTimeout:     time.Duration(f.drainTimeout),
		MaxUpstreamBody:  int64(f.maxUpstreamBody),
		Look:             env.Look,
		Edition:          env.Edition,
		Upstream:         cached(protected, shared, stateKey, watch, log),
		Watch:            watch.Watcher(),
		Quotas:           plan.NewQuotas(plan.QuotaOptions{Caps: f.caps.caps(), Store: shared.Store, Limited: watch.Limited}),
		Placeholders:     f.stub,
		Scripts:          scripts,
		Gate:             keeper.Gate,
		Logger:           log,
		Adapters: map[plan.Kind]engine.Adapter{
			plan.REST:  rest.New(rest.Options{Logger: log, MaxBody: int64(f.maxBody)}),
			plan.MCP:   tools,
			plan.Skill: skill.New(skill.Options{Logger: log}),
		},
	}}
	if f.stateDir != "" {
		w.State = &engine.StateOptions{Dir: f.stateDir, Failed: watch.StateFailed}
	}
	if w.desk, err = newDesk(w, f, log); err != nil {
		return nil, err
	}
	w.Control = w.desk.control()
	w.Adapters[plan.Control] = w.desk.adapter()
	return w, nil
}

// transport gives what answers consumed operations: the network, another place in the
// network, or the stub. Everything above it is the same for all three. isOwn says which ports
// of this machine no document may lead to; nil: none.
func (f *serveFlags) transport(watch *telemetry.Telemetry, isOwn func(port uint16) bool) (plan.Upstream, error) {
	if f.stub {
		if f.upstream != "" {
			return nil, failure("--upstream and --stub exclude each other: the stub calls nobody")
		}
		return credential.Placeholder(watch.Upstream(stub.New())), nil
	}
	client, err := httpclient.New(httpclient.Options{MaxIdle: f.callers.forUpstreams(), OpenKey: secrets.OpenKey, Own: isOwn, DenyPrivate: f.denyPrivate})
	if err != nil {
		return nil, failure("%w", err)
	}
	// Tokens are asked for where the spec says, also when --upstream moves the calls: what
	// is signed is what is sent there.
	authenticated := credential.New(watch.Upstream(client), credential.Options{MaxBody: int64(f.maxBody), OpenKey: secrets.OpenKey})
	if f.upstream == "" {
		return authenticated, nil
	}
	to, err := upstreamURL(f.upstream)
	if err != nil {
		return nil, failure("--upstream %w", err)
	}
	return httpclient.Rebase(authenticated, to), nil
}

// protect puts limits, breakers and retries in front of what answers operations. It lives as long
// as the process, so that a reload forgets nothing.
func protect(up plan.Upstream, buckets plan.Store, watch *telemetry.Telemetry, log *slog.Logger) *resilience.Upstream {
	u := resilience.New(up, resilience.Options{Store: buckets, Watcher: watch, Logger: log})
	watch.WatchBreakers(u.Breakers)
	return u
}

// public gives the URL of --public-url without a slash at its end.
func (f *serveFlags) public() (string, error) {
	if f.publicURL == "" {
		return "", nil
	}
	u, err := upstreamURL(f.publicURL)
	if err != nil {
		return "", failure("--public-url %w", err)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// gatekeeper keeps callers out. Authorization servers are asked by a client of its own, also
// when nothing else is asked of the network: a stub is no reason to let everybody in.
func (f *serveFlags) gatekeeper(key []byte, shared *store, isOwn func(port uint16) bool, watch *telemetry.Telemetry, log *slog.Logger) (*auth.Keeper, error) {
	client, err := httpclient.New(httpclient.Options{Own: isOwn, DenyPrivate: f.denyPrivate})
	if err != nil {
		return nil, failure("%w", err)
	}
	o := auth.Options{Client: client, Logger: log, Failures: plan.Rate(f.authFailures), Key: key, Failed: watch.KeptOut}
	if shared.redis != nil { // a keeper by itself remembers what there is to remember
		o.Store = shared
	}
	return auth.New(o), nil
}

// upstreamURL wants an absolute http or https URL of a host and perhaps a path. The text is
// not repeated, because what is wrong with it may be a password.
func upstreamURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("must be a URL such as https://staging.example.com")
	case u.User != nil:
		return nil, fmt.Errorf("must not hold a user name or password: specs declare the authentication")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("must not have a query or a fragment")
	}
	return u, nil
}

// sources gives where documents find their variables. A Vault is one that the operator names.
func (c *command) sources(f *variableFlags, o secrets.Options) (*secrets.Sources, error) {
	or := func(value, variable string) string {
		if value == "" {
			value, _ = c.env.lookup(variable)
		}
		return value
	}
	o.EnvFiles = f.envFile
	if at := or(f.vault.address, "VAULT_ADDR"); at != "" {
		vault, err := secrets.NewVault(secrets.VaultOptions{
			Address: at, Namespace: or(f.vault.namespace, "VAULT_NAMESPACE"), CAFile: or(f.vault.ca, "VAULT_CACERT"),
			TokenFile: f.vault.tokenFile, Role: f.vault.role, Token: plan.NewSecret(or("", "VAULT_TOKEN")),
		})
		// The settings of another program are no reason to fail before a document asks.
		if err != nil && (f.vault != vaultFlags{}) {
			return nil, failure("%w", err)
		}
		o.Vault = vault
	}
	env, err := secrets.New(c.env, o)
	if err != nil {
		return nil, failure("%w", err)
	}
	return env, nil
}

// limits gives the bounds of a document.
func (d *documentFlags) limits() spec.Limits {
	return spec.Limits{Bytes: int64(d.maxDocument), Depth: int(d.maxDepth), Nodes: int(d.maxNodes)}
}

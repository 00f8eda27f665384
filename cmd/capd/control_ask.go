package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capd/engine/diag"
)

// askFlags say which process is asked, and how its answer is shown.
type askFlags struct {
	url       string
	format    string
	timeout   duration
	live      bool // of health
	tokenFile string
	ca        string
}

// registerAddress adds the flags that say whom to ask.
func (a *askFlags) registerAddress(f *pflag.FlagSet) {
	f.StringVar(&a.url, "control", "", "`URL` or HOST:PORT of the control address (default CAPD_CONTROL_ADDRESS)")
	f.StringVar(&a.tokenFile, "control-token-file", "", "`FILE` with the token for it")
	f.StringVar(&a.ca, "control-ca", "", "`FILE` with what to trust where it speaks https: authorities, or its own certificate (PEM; default CAPD_TLS_CERT)")
}

func (a *askFlags) register(f *pflag.FlagSet) {
	a.registerAddress(f)
	a.format, a.timeout = formatText, duration(30*time.Second)
	f.Var(choiceFlag(&a.format, formatText, formatJSON), "format", "output `format`: text or json, the answer as it is")
	f.Var(&a.timeout, "timeout", "longest time to wait for the answer")
}

const askedExits = `

The process is found at --control, or at CAPD_CONTROL_ADDRESS. Exit codes: 0 all is well, 1 %s, 2 it could not be asked.`

func (c *command) healthCommand() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running capd whether it is ready",
		Long: `Ask a running capd whether calls should be sent to it, for probes of containers.

Documents that are refused or stale are listed; they do not make it unready while others are
served. With --live the question is only whether it answers.` + fmt.Sprintf(askedExits, "it is not ready"),
		Example: "  capd health --control 127.0.0.1:9900\n  capd health --live",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.health(cmd.Context(), &f) },
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.live, "live", false, "ask only whether it lives")
	return cmd
}

func (c *command) statusCommand() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Ask a running capd what it serves",
		Long:    "Show what a running capd serves: documents, adapters and addresses." + fmt.Sprintf(askedExits, "it serves nothing"),
		Example: "  capd status --control 127.0.0.1:9900\n  capd status --format json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context(), &f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (c *command) reloadCommand() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running capd read its specs again",
		Long: `Have a running capd read its specs, the files they use, and secrets again, and wait for the end.

A reload that fails leaves everything as it was. A spec that broke keeps its last good state.` + fmt.Sprintf(askedExits, "the reload failed"),
		Example: "  capd reload --control 127.0.0.1:9900",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.askReload(cmd.Context(), &f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (c *command) logsCommand() *cobra.Command {
	var f askFlags
	level := ""
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Follow the log of a running capd",
		Long: `Write what a running capd logs from now on, as lines of JSON, until it stops or you do.

With --level more than what capd itself writes can be seen. What is not read in time is left out, and said.` + fmt.Sprintf(askedExits, "capd does not let anybody follow"),
		Example: "  capd logs --control 127.0.0.1:9900 --level debug",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.logs(cmd.Context(), &f, level) },
	}
	f.registerAddress(cmd.Flags())
	cmd.Flags().Var(choiceFlag(&level, "debug", "info", "warn", "error"), "level", "least important `level`: debug, info, warn or error (default that of the log)")
	return cmd
}

// logs copies the stream until it ends. That the caller wants no more is a good end.
func (c *command) logs(ctx context.Context, f *askFlags, level string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	path := "/logs"
	if level != "" {
		path += "?level=" + level
	}
	resp, err := c.open(ctx, f, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return failure("cannot ask: %w", askCause(err))
		}
		return &exitError{code: exitFindings, err: strangeAnswer(resp.StatusCode, body)}
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if len(in.Bytes()) == 0 {
			continue // nothing happened
		}
		if _, err := fmt.Fprintln(c.stdout, diag.Printable(in.Text())); err != nil {
			return failure("cannot write the log: %w", err)
		}
	}
	if err := in.Err(); err != nil && ctx.Err() == nil {
		return failure("the log broke off: %w", err)
	}
	return nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// ask sends a request to the control address, and gives the status and the body of the answer.
func (c *command) ask(ctx context.Context, f *askFlags, method, path string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.timeout))
	defer cancel()
	resp, err := c.open(ctx, f, method, path)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, failure("cannot ask %s: %w", resp.Request.URL.Host, askCause(err))
	}
	return resp.StatusCode, body, nil
}

// open sends a request to the control address.
func (c *command) open(ctx context.Context, f *askFlags, method, path string) (*http.Response, error) {
	base, err := c.controlURL(f.url)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, nil)
	if err != nil {
		return nil, failure("--control: %w", err)
	}
	if f.tokenFile != "" {
		token, err := (&controlFlags{tokenFile: f.tokenFile}).readToken()
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	// A proxy of the environment knows no loopback address, and is not to see the token.
	trust, err := c.controlTrust(f.ca)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, failure("cannot ask %s: %w", base, askCause(err))
	}
	return resp, nil
}

// controlTrust says whom to trust at a control address that speaks https; nil: the authorities
// of the system. One that shows a certificate which stands in the file itself is trusted by
// whatever name it is called: probes call it on loopback.
func (c *command) controlTrust(file string) (*tls.Config, error) {
	if file == "" {
		file, _ = c.env.lookup(twin("tls-cert"))
	}
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, failure("--control-ca: %w", err)
	}
	pool, own := x509.NewCertPool(), map[string]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue // a key beside it, for instance
		}
		pool.AddCert(cert)
		own[string(cert.Raw)] = true
	}
	if len(own) == 0 {
		return nil, failure("--control-ca: %s holds no certificate", file)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// What the library would check is checked below, but for a certificate that is known.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			leaf := s.PeerCertificates[0]
			now := time.Now()
			if own[string(leaf.Raw)] && !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter) {
				return nil
			}
			between := x509.NewCertPool()
			for _, cert := range s.PeerCertificates[1:] {
				between.AddCert(cert)
			}
			_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, DNSName: s.ServerName})
			return err
		},
	}, nil
}

// askCause leaves out what net/http says of the request before the cause.
func askCause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return errors.New("no answer in time")
		}
		return e.Err
	}
	return err
}

// controlURL gives the URL of the control address without a slash at its end. An address of all
// interfaces is asked on loopback.
func (c *command) controlURL(text string) (string, error) {
	if text == "" {
		text, _ = c.env.lookup(twin("control-address"))
	}
	if text == "" {
		return "", failure("no control address: give --control URL, or set %s", twin("control-address"))
	}
	if !strings.Contains(text, "://") {
		begin := scheme("http")
		if word, _ := c.env.lookup(twin("control-tls")); word != "" {
			if on, err := strconv.ParseBool(word); err == nil && on {
				begin = "https"
			}
		}
		text = begin.of(text)
	}
	u, err := upstreamURL(text)
	if err != nil {
		return "", failure("--control must be a URL or an address such as 127.0.0.1:9900")
	}
	host, port := u.Hostname(), u.Port()
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", port)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// strangeAnswer says that the answer is not one of a control address, or a refusal.
func strangeAnswer(status int, body []byte) error {
	var p struct{ Detail string }
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		return failure("the answer is %d: %s", status, p.Detail)
	}
	return failure("the answer is %d, not one of a control address", status)
}

// askedHealth is what is read of the answer of /health/ready.
type askedHealth struct {
	Status, Reason, Store string
	Documents             struct{ Served, Stale, Refused int }
	Stale, Refused        []struct {
		ID    string
		Codes []string
	}
}

func (c *command) health(ctx context.Context, f *askFlags) error {
	path := "/health/ready"
	if f.live {
		path = "/health/live"
	}
	status, body, err := c.ask(ctx, f, http.MethodGet, path)
	if err != nil {
		return err
	}
	var h askedHealth
	if status != http.StatusOK && status != http.StatusServiceUnavailable || json.Unmarshal(body, &h) != nil || h.Status == "" {
		return strangeAnswer(status, body)
	}
	if err := c.show(f, body, func(w io.Writer) { h.text(w, f.live) }); err != nil {
		return err
	}
	if status != http.StatusOK {
		return findings()
	}
	return nil
}

// text writes the answer for people.
func (h *askedHealth) text(w io.Writer, live bool) {
	if live {
		fmt.Fprintln(w, "live")
		return
	}
	word := "ready"
	if h.Status == "DOWN" {
		word = "not ready"
	}
	if h.Reason != "" {
		word += " (" + diag.Printable(h.Reason) + ")"
	}
	if h.Store == "down" {
		word += ", shared state lost"
	}
	fmt.Fprintf(w, "%s: %d served, %d stale, %d refused\n", word, h.Documents.Served, h.Documents.Stale, h.Documents.Refused)
	for _, d := range h.Stale {
		fmt.Fprintf(w, "stale: %s (%s)\n", diag.Printable(d.ID), diag.Printable(strings.Join(d.Codes, ", ")))
	}
	for _, d := range h.Refused {
		fmt.Fprintf(w, "refused: %s (%s)\n", diag.Printable(d.ID), diag.Printable(strings.Join(d.Codes, ", ")))
	}
}

// show writes an answer as it is, or as text.
func (c *command) show(f *askFlags, body []byte, text func(io.Writer)) error {
	var out bytes.Buffer
	if f.format == formatJSON {
		out.Write(body)
	} else {
		text(&out)
	}
	if _, err := c.stdout.Write(out.Bytes()); err != nil {
		return failure("cannot write the answer: %w", err)
	}
	return nil
}

// askedStatus is what is read of the answer of /status.
type askedStatus struct {
	Phase      string
	Engine     struct{ Version string }
	Uptime     string
	Serial     uint64
	Counts     struct{ Served, Stale, Refused int }
	Store      *struct{ Kind, Address, State, Error string }
	LastReload struct {
		At            time.Time
		Result, Error string
	}
	StateFolder struct {
		Unsaved int
		Error   string
	}
	Listeners []struct{ Declared, Actual, Error string }
	Breakers  []struct{ Document, API, Host, State string }
	Documents []struct {
		ID, File, State string
		Since           time.Time
		Codes           []string
		Adapters        []struct{ Kind, Namespace, URL, Has string }
	}
}

func (c *command) status(ctx context.Context, f *askFlags) error {
	status, body, err := c.ask(ctx, f, http.MethodGet, "/status")
	if err != nil {
		return err
	}
	var s askedStatus
	if status != http.StatusOK || json.Unmarshal(body, &s) != nil || s.Phase == "" {
		return strangeAnswer(status, body)
	}
	if err := c.show(f, body, s.text); err != nil {
		return err
	}
	if s.Phase != "serving" || s.Counts.Served+s.Counts.Stale == 0 {
		return findings()
	}
	return nil
}

// text writes the answer for people.
func (s *askedStatus) text(out io.Writer) {
	fmt.Fprintf(out, "capd %s, %s for %s, snapshot %d: %d served, %d stale, %d refused\n",
		diag.Printable(s.Engine.Version), diag.Printable(s.Phase), diag.Printable(strings.ToLower(strings.TrimPrefix(s.Uptime, "PT"))), s.Serial, s.Counts.Served, s.Counts.Stale, s.Counts.Refused)
	if s.LastReload.Result == "failed" {
		fmt.Fprintf(out, "the last reload failed at %s: %s\n", s.LastReload.At.Format(time.RFC3339), diag.Printable(s.LastReload.Error))
	}
	if s.StateFolder.Error != "" {
		fmt.Fprintf(out, "the state folder: %s\n", diag.Printable(s.StateFolder.Error))
	}
	for _, l := range s.Listeners {
		if l.Error != "" {
			fmt.Fprintf(out, "not listening on %s: %s\n", diag.Printable(l.Declared), diag.Printable(l.Error))
		}
	}
	if s.Store != nil {
		fmt.Fprintf(out, "shared state in %s: %s", diag.Printable(s.Store.Address), diag.Printable(s.Store.State))
		if s.Store.Error != "" {
			fmt.Fprintf(out, " (%s)", diag.Printable(s.Store.Error))
		}
		fmt.Fprintln(out)
	}
	for _, b := range s.Breakers {
		fmt.Fprintf(out, "upstream %s of %s is left alone: its breaker is %s\n", diag.Printable(b.Host), diag.Printable(b.Document+" "+b.API), diag.Printable(b.State))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, d := range s.Documents {
		state := d.State
		if !d.Since.IsZero() {
			state += " since " + d.Since.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "\n%s (%s)", diag.Printable(d.ID), diag.Printable(state))
		if len(d.Codes) > 0 {
			fmt.Fprintf(w, ": %s", diag.Printable(strings.Join(d.Codes, ", ")))
		}
		fmt.Fprintln(w)
		for _, a := range d.Adapters {
			at := a.URL
			if at == "" {
				at = "(not listening)"
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", diag.Printable(a.Kind), diag.Printable(at), diag.Printable(a.Has))
		}
	}
	_ = w.Flush() // into a buffer
}

// askedReload is what is read of the answer of /reload.
type askedReload struct {
	Status, Summary, Error string
	Documents              struct{ Served, Stale, Refused int }
	Diagnostics            struct {
		Summary  struct{ Errors, Warnings int }
		Findings []struct {
			Code, Severity, Message, Hint string
			Span                          struct {
				File  string
				Start struct{ Line, Column int }
			}
		}
	}
}

func (c *command) askReload(ctx context.Context, f *askFlags) error {
	status, body, err := c.ask(ctx, f, http.MethodPost, "/reload")
	if err != nil {
		return err
	}
	var r askedReload
	switch {
	case status == http.StatusServiceUnavailable:
		return &exitError{code: exitFindings, err: strangeAnswer(status, body)}
	case status != http.StatusOK && status != http.StatusConflict || json.Unmarshal(body, &r) != nil || r.Status == "":
		return strangeAnswer(status, body)
	}
	if err := c.show(f, body, r.text); err != nil {
		return err
	}
	if status != http.StatusOK {
		return findings()
	}
	return nil
}

// text writes the answer for people: what changed, and the errors there are now.
func (r *askedReload) text(w io.Writer) {
	if r.Error != "" {
		fmt.Fprintf(w, "reload failed, everything is as it was: %s\n", diag.Printable(r.Error))
	} else {
		fmt.Fprintf(w, "reloaded: %s; %d served, %d stale, %d refused\n", diag.Printable(r.Summary), r.Documents.Served, r.Documents.Stale, r.Documents.Refused)
	}
	for _, d := range r.Diagnostics.Findings {
		if d.Severity != diag.Error.String() {
			continue
		}
		fmt.Fprintln(w, diag.Printable(fmt.Sprintf("%s:%d:%d: %s [%s] %s", d.Span.File, d.Span.Start.Line, d.Span.Start.Column, d.Severity, d.Code, d.Message)))
	}
}

package check

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write prometheusrule.yaml anew from alerts.yaml")

// rules are what is read of a file of alerts; strict decoding finds the rest.
type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var r rules
	if err := yaml.UnmarshalStrict(read(t, deploy("monitoring", "alerts.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != 1 || len(r.Groups[0].Rules) < 10 {
		t.Fatalf("the alerts are %+v", r)
	}
	return r.Groups[0].Rules
}

// documented gives the metrics in the table of docs/operations.md, with their labels. A test of adapters/telemetry holds
// that table to what capd registers.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(capd_[a-z_]+)(?:\\{([a-z,]*)\\})?` \\| (\\w+) \\|")
	out := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(string(read(t, deploy("..", "docs", "operations.md"))), -1) {
		names := []string{m[1]}
		if m[3] == "histogram" {
			names = []string{m[1] + "_bucket", m[1] + "_count", m[1] + "_sum"}
		}
		for _, name := range names {
			out[name] = append(strings.Split(m[2], ","), "le", "instance", "job")
		}
	}
	if len(out) < 10 {
		t.Fatalf("docs/operations.md has a table of %d metrics", len(out))
	}
	return out
}

// scraped gives the names of the series that a capd which just started shows: those of the process among them.
func scraped(t *testing.T) map[string]bool {
	t.Helper()
	capd := start(t, nil, "serve", deploy("kubernetes", "base", "capabilities"))
	get(t, "http://"+capd.serve+"/apis/hello/v1/hello", "")
	status, body := get(t, "http://"+capd.control+"/metrics", "")
	if status != 200 {
		t.Fatalf("metrics: %d %s", status, body)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)`).FindAllString(body, -1) {
		names[m] = true
	}
	return names
}

// checkQuery complains of what Prometheus would not read, and of metrics and labels that there are not.
func checkQuery(t *testing.T, where, query string, documented map[string][]string, scraped map[string]bool) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %s: %v", where, query, err)
		return
	}
	used := 0
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		used++
		known, ofCapd := documented[s.Name]
		if !ofCapd && (strings.HasPrefix(s.Name, "capd_") || !scraped[s.Name]) {
			t.Errorf("%s: there is no metric %s", where, s.Name)
		}
		for _, m := range s.LabelMatchers {
			if m.Name != labels.MetricName && ofCapd && !contains(known, m.Name) {
				t.Errorf("%s: %s has no label %s", where, s.Name, m.Name)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		sum, ok := n.(*parser.AggregateExpr)
		if !ok || sum.Without {
			return nil
		}
		parser.Inspect(sum.Expr, func(n parser.Node, _ []parser.Node) error {
			s, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			known, ofCapd := documented[s.Name]
			for _, label := range sum.Grouping {
				if ofCapd && !contains(known, label) {
					t.Errorf("%s: %s has no label %s to group by", where, s.Name, label)
				}
			}
			return nil
		})
		return nil
	})
	if used == 0 {
		t.Errorf("%s: %s looks at no metric", where, query)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestAlerts: every alert is one that Prometheus reads, of metrics that there are, and has a section that says what to do.
func TestAlerts(t *testing.T) {
	documented, scraped := documented(t), scraped(t)
	operations := string(read(t, deploy("..", "docs", "operations.md")))
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (Capd\w+)$`).FindAllStringSubmatch(operations, -1) {
		sections[m[1]] = true
	}
	seen := map[string]bool{}
	for _, r := range alerts(t) {
		checkQuery(t, r.Alert, r.Expr, documented, scraped)
		if seen[r.Alert] {
			t.Errorf("%s is there twice", r.Alert)
		}
		seen[r.Alert] = true
		if !sections[r.Alert] || r.Annotations["runbook"] != "docs/operations.md#"+strings.ToLower(r.Alert) {
			t.Errorf("%s: docs/operations.md says nothing of it, or the runbook is %s", r.Alert, r.Annotations["runbook"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || (r.Labels["severity"] != "critical" && r.Labels["severity"] != "warning") {
			t.Errorf("%s: %+v", r.Alert, r)
		}
	}
	for name := range sections {
		if !seen[name] {
			t.Errorf("docs/operations.md says what to do when %s fires, and nothing fires it", name)
		}
	}
}

// TestPrometheusRule: the rules for the operator are those for Prometheus.
func TestPrometheusRule(t *testing.T) {
	var groups any
	if err := yaml.Unmarshal(read(t, deploy("monitoring", "alerts.yaml")), &groups); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
		"metadata": map[string]any{"name": "capd"}, "spec": groups,
	}
	file := deploy("monitoring", "prometheusrule.yaml")
	if *update {
		raw, err := yaml.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		raw = append([]byte("# Written from alerts.yaml: go test -run TestPrometheusRule -update\n"), raw...)
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got any
	if err := yaml.Unmarshal(read(t, file), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, any(want)) {
		t.Error("prometheusrule.yaml is not what alerts.yaml says; write it with -update")
	}
}

// dashboard is what is read of the dashboard.
type dashboard struct {
	UID        string
	Panels     []dashboardPanel
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

type dashboardPanel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Datasource  struct{ Type, UID string }
	Targets     []struct {
		RefID, Expr string
		Datasource  struct{ UID string }
	}
}

// TestDashboard: every panel asks for metrics and labels that there are, through the chosen source, and none hides
// another.
func TestDashboard(t *testing.T) {
	documented, scraped := documented(t), scraped(t)
	var d dashboard
	fromJSON(t, read(t, deploy("monitoring", "capd-dashboard.json")), &d)
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	ids, queries := map[int]bool{}, 0
	shown := map[string]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the ID %d is there twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s stands on %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s has %d queries, of the source %s", p.Title, len(p.Targets), p.Datasource.UID)
		}
		for _, q := range p.Targets {
			queries++
			for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(q.Expr, -1) {
				if !variables[m[1]] {
					t.Errorf("%s: there is no variable %s", p.Title, m[1])
				}
			}
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$document", ".*").Replace(q.Expr)
			checkQuery(t, p.Title, expr, documented, scraped)
			for name := range documented {
				if strings.Contains(q.Expr, name) {
					shown[name] = true
				}
			}
		}
	}
	for _, a := range d.Annotations.List {
		checkQuery(t, a.Name, a.Expr, documented, scraped)
	}
	for name := range documented {
		if !shown[name] && !strings.HasSuffix(name, "_count") && !strings.HasSuffix(name, "_sum") {
			t.Errorf("no panel shows %s", name)
		}
	}
	if d.UID == "" || queries < 30 {
		t.Errorf("the dashboard %q has %d queries", d.UID, queries)
	}
}

package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// cluster is what kubectl apply would send, each object read as strictly as the API server does.
type cluster struct {
	deployment apps.Deployment
	services   map[string]core.Service
	configMaps map[string]core.ConfigMap
	accounts   map[string]core.ServiceAccount
	scaler     autoscaling.HorizontalPodAutoscaler
	budget     policy.PodDisruptionBudget
	network    networking.NetworkPolicy
	namespaces map[string]core.Namespace
	others     map[string][]byte // by kind, of the Prometheus operator
}

func render(t *testing.T, name string) *cluster {
	t.Helper()
	list, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), deploy("kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{
		services: map[string]core.Service{}, configMaps: map[string]core.ConfigMap{}, accounts: map[string]core.ServiceAccount{},
		namespaces: map[string]core.Namespace{}, others: map[string][]byte{},
	}
	for _, r := range list.Resources() {
		raw, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		into := func(o any) {
			if err := yaml.UnmarshalStrict(raw, o); err != nil {
				t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
			}
		}
		switch kind := r.GetApiVersion() + " " + r.GetKind(); kind {
		case "apps/v1 Deployment":
			into(&c.deployment)
		case "v1 Service":
			var o core.Service
			into(&o)
			c.services[o.Name] = o
		case "v1 ConfigMap":
			var o core.ConfigMap
			into(&o)
			c.configMaps[o.Name] = o
		case "v1 ServiceAccount":
			var o core.ServiceAccount
			into(&o)
			c.accounts[o.Name] = o
		case "v1 Namespace":
			var o core.Namespace
			into(&o)
			c.namespaces[o.Name] = o
		case "autoscaling/v2 HorizontalPodAutoscaler":
			into(&c.scaler)
		case "policy/v1 PodDisruptionBudget":
			into(&c.budget)
		case "networking.k8s.io/v1 NetworkPolicy":
			into(&c.network)
		case "monitoring.coreos.com/v1 ServiceMonitor", "monitoring.coreos.com/v1 PrometheusRule":
			c.others[r.GetKind()] = raw
		default:
			t.Errorf("nothing checks a %s", kind)
		}
	}
	return c
}

// settings are the variables that the pod gives to capd.
func (c *cluster) settings(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	capd := c.deployment.Spec.Template.Spec.Containers[0]
	for _, from := range capd.EnvFrom {
		values, ok := c.configMaps[from.ConfigMapRef.Name]
		if !ok {
			t.Errorf("there is no ConfigMap %s", from.ConfigMapRef.Name)
		}
		for name, value := range values.Data {
			out[name] = value
		}
	}
	for _, v := range capd.Env {
		out[v.Name] = v.Value
	}
	return out
}

// TestManifests: objects of base and example fit together and ask for no right they do not need.
func TestManifests(t *testing.T) {
	for _, name := range []string{"base", "example"} {
		t.Run(name, func(t *testing.T) {
			c := render(t, name)
			c.checkPod(t)
			c.checkReferences(t)
			c.checkEnding(t)
			settings := c.settings(t)
			for variable := range settings {
				checkVariable(t, name, variable)
			}
			checkArgs(t, name, c.deployment.Spec.Template.Spec.Containers[0].Args)
			if limit, err := strconv.Atoi(strings.TrimSuffix(settings["GOMEMLIMIT"], "MiB")); err != nil ||
				int64(limit)<<20 >= c.deployment.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().Value() {
				t.Errorf("GOMEMLIMIT is %s, not below the limit of memory", settings["GOMEMLIMIT"])
			}
		})
	}
	if ns := render(t, "example").namespaces["capd"]; ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("the namespace of the example does not enforce the restricted profile: %v", ns.Labels)
	}
}

// checkPod holds the pod to the restricted profile of the pod security standards, and to more.
func (c *cluster) checkPod(t *testing.T) {
	t.Helper()
	pod := c.deployment.Spec.Template.Spec
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod may be root, or has all system calls: %+v", s)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Error("the pod gets a token of the cluster, or variables of services")
	}
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("the pod shares something of its host")
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("volume %s is a folder of the host", v.Name)
		}
	}
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	capd := pod.Containers[0]
	k := capd.SecurityContext
	if k == nil || k.AllowPrivilegeEscalation == nil || *k.AllowPrivilegeEscalation || k.ReadOnlyRootFilesystem == nil || !*k.ReadOnlyRootFilesystem ||
		k.Capabilities == nil || len(k.Capabilities.Add) != 0 || len(k.Capabilities.Drop) != 1 || k.Capabilities.Drop[0] != "ALL" {
		t.Errorf("the container has rights it does not need: %+v", k)
	}
	if _, tag, _ := strings.Cut(capd.Image, ":"); tag == "" || tag == "latest" {
		t.Errorf("the image %s is not one of a version", capd.Image)
	}
	if capd.Resources.Requests.Cpu().IsZero() || capd.Resources.Requests.Memory().IsZero() || capd.Resources.Limits.Memory().IsZero() {
		t.Errorf("resources: %+v", capd.Resources)
	}
	for what, probe := range map[string]*core.Probe{"/health/ready": capd.ReadinessProbe, "/health/live": capd.LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != what || probe.HTTPGet.Port.StrVal != "control" {
			t.Errorf("probe of %s: %+v", what, probe)
		}
	}
}

// checkReferences: what is named is there, and selectors select the pod.
func (c *cluster) checkReferences(t *testing.T) {
	t.Helper()
	template := c.deployment.Spec.Template
	selects := func(what string, selector map[string]string) {
		for k, v := range selector {
			if template.Labels[k] != v {
				t.Errorf("%s selects %s=%s, the pod has %v", what, k, v, template.Labels)
			}
		}
	}
	mustSelect := func(what string, selector map[string]string) {
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
		selects(what, selector)
	}
	mustSelect("the Deployment", c.deployment.Spec.Selector.MatchLabels)
	mustSelect("the PodDisruptionBudget", c.budget.Spec.Selector.MatchLabels)
	mustSelect("the NetworkPolicy", c.network.Spec.PodSelector.MatchLabels)
	for _, s := range template.Spec.TopologySpreadConstraints {
		mustSelect("the spread over "+s.TopologyKey, s.LabelSelector.MatchLabels)
	}
	ports := map[string]int32{}
	for _, p := range template.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	known := func(what string, p intstr.IntOrString) {
		if p.Type == intstr.String && ports[p.StrVal] == 0 {
			t.Errorf("%s names the port %s, the pod has %v", what, p.StrVal, ports)
		}
	}
	if len(c.services) != 2 {
		t.Errorf("%d services", len(c.services))
	}
	for name, s := range c.services {
		mustSelect("the Service "+name, s.Spec.Selector)
		for _, p := range s.Spec.Ports {
			known("the Service "+name, p.TargetPort)
		}
	}
	for _, in := range c.network.Spec.Ingress {
		if len(in.From) == 0 {
			t.Error("the NetworkPolicy lets everybody in")
		}
		for _, p := range in.Ports {
			known("the NetworkPolicy", *p.Port)
		}
	}
	if target := c.scaler.Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != c.deployment.Name {
		t.Errorf("the autoscaler scales %+v", target)
	}
	if c.deployment.Spec.Replicas != nil {
		t.Error("the Deployment takes the number of pods back from the autoscaler with every apply")
	}
	if *c.scaler.Spec.MinReplicas < 2 {
		t.Error("one pod cannot be replaced without a gap")
	}
	volumes := map[string]bool{}
	for _, v := range template.Spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil {
			if _, ok := c.configMaps[v.ConfigMap.Name]; !ok {
				t.Errorf("the volume %s is of no ConfigMap that is here", v.Name)
			}
		}
	}
	for _, m := range template.Spec.Containers[0].VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("%s is mounted and not there", m.Name)
		}
		if m.SubPath != "" {
			t.Errorf("%s is mounted by subPath, and would never change", m.Name)
		}
	}
	if _, ok := c.accounts[template.Spec.ServiceAccountName]; !ok {
		t.Errorf("there is no ServiceAccount %s", template.Spec.ServiceAccountName)
	}
}

// checkEnding: a pod may finish what it has begun, and none is taken away before its successor serves.
func (c *cluster) checkEnding(t *testing.T) {
	t.Helper()
	drain, err := time.ParseDuration(c.settings(t)["CAPD_DRAIN_TIMEOUT"])
	if err != nil {
		t.Fatal(err)
	}
	pod := c.deployment.Spec.Template.Spec
	pause := pod.Containers[0].Lifecycle.PreStop.Sleep
	if pause == nil || pause.Seconds < 1 {
		t.Fatal("there is no pause before the signal")
	}
	// Behind the drain there are 5 s for the engine and 5 s for what telemetry still has to send.
	const ending = 10 * time.Second
	need := time.Duration(pause.Seconds)*time.Second + drain + ending
	if have := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; have <= need {
		t.Errorf("the pod has %v to end, and needs more than %v", have, need)
	}
	if u := c.deployment.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.IntValue() < 1 {
		t.Errorf("a rollout takes pods away before others serve: %+v", u)
	}
}

// mount writes the volumes of the pod below a folder, as the kubelet does: files are links into ..data, which is a link
// itself.
func (c *cluster) mount(t *testing.T, root string, secret map[string]string) {
	t.Helper()
	volumes := map[string]map[string]string{}
	for _, v := range c.deployment.Spec.Template.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			volumes[v.Name] = c.configMaps[v.ConfigMap.Name].Data
		case v.Secret != nil:
			volumes[v.Name] = secret
		default:
			volumes[v.Name] = nil
		}
	}
	for _, m := range c.deployment.Spec.Template.Spec.Containers[0].VolumeMounts {
		project(t, filepath.Join(root, m.MountPath), "..v1", volumes[m.Name])
	}
}

// project writes a version of a volume and makes it the current one.
func project(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, version), 0o755))
	for name, text := range files {
		must(os.WriteFile(filepath.Join(dir, version, name), []byte(text), 0o644))
		if _, err := os.Lstat(filepath.Join(dir, name)); os.IsNotExist(err) {
			must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	must(os.Symlink(version, filepath.Join(dir, "..new")))
	must(os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
}

// TestPodServes runs capd as the pods of the example would: with their settings and their files, changed as the kubelet
// changes them.
func TestPodServes(t *testing.T) {
	c := render(t, "example")
	root := t.TempDir()
	secret := map[string]string{
		"control-token": "control-token-of-the-test\n",
		"state-key":     "a-key-that-all-replicas-have-in-common\n",
		"capd.env":      "DESK_URL=http://desk.example.com:1\nDESK_TOKEN=t\nDESK_CALLERS=caller-of-the-test\n",
	}
	c.mount(t, root, secret)
	env := c.settings(t)
	for name, value := range env {
		if strings.HasPrefix(value, "/") {
			env[name] = filepath.Join(root, value)
		}
	}
	args := append([]string(nil), c.deployment.Spec.Template.Spec.Containers[0].Args...)
	for i, a := range args {
		if strings.HasPrefix(a, "/") {
			args[i] = filepath.Join(root, a)
		}
	}
	capd := start(t, env, args...)
	probes := c.deployment.Spec.Template.Spec.Containers[0]
	for _, probe := range []*core.Probe{probes.ReadinessProbe, probes.LivenessProbe} {
		if status, body := get(t, "http://"+capd.control+probe.HTTPGet.Path, ""); status != 200 {
			t.Errorf("%s: %d %s", probe.HTTPGet.Path, status, body)
		}
	}
	for _, host := range []string{"capd", "capd.capd.svc", "capd.capd.svc.cluster.local", "api.example.com"} {
		status, body := get(t, "http://"+capd.serve+"/apis/example/hello/v1/hello", host)
		if status != 200 || !strings.Contains(body, "capd serves") {
			t.Errorf("as %s: %d %s", host, status, body)
		}
	}
	if status, _ := get(t, "http://"+capd.serve+"/apis/example/hello/v1/hello", "attacker.example"); status != 403 {
		t.Errorf("a host that nobody allowed gets %d", status)
	}
	if status, body := get(t, "http://"+capd.serve+"/apis/team-a/desk/tickets", ""); status != 401 {
		t.Errorf("without a credential: %d %s", status, body)
	}
	if status, body := get(t, "http://"+capd.serve+"/apis/team-a/desk/tickets", "", "Authorization", "Bearer caller-of-the-test"); status != 502 {
		t.Errorf("with one, and no upstream: %d %s", status, body)
	}
	if status, _ := get(t, "http://"+capd.control+"/metrics", ""); status != 401 {
		t.Errorf("metrics without the token: %d", status)
	}
	if status, body := get(t, "http://"+capd.control+"/metrics", "", "Authorization", "Bearer control-token-of-the-test"); status != 200 || !strings.Contains(body, "capd_build_info") {
		t.Errorf("metrics with the token: %d", status)
	}

	// What the policy does not allow team A is refused, and the rest of the folder is served.
	greedy := strings.NewReplacer("DESK_URL: DESK_URL,", "DESK_URL: OTHER_URL,", "DESK_URL}}", "DESK_URL}}").Replace(c.configMaps["capd-team-a"].Data["desk.yaml"])
	project(t, filepath.Join(root, "etc/capd/capabilities/team-a"), "..v2", map[string]string{"desk.yaml": c.configMaps["capd-team-a"].Data["desk.yaml"], "greedy.yaml": greedy})
	eventually(t, "the greedy document is refused", func() bool {
		_, body := get(t, "http://"+capd.control+"/status", "", "Authorization", "Bearer control-token-of-the-test")
		return strings.Contains(body, `"team-a/greedy"`) && strings.Contains(body, `"policy"`)
	})

	// The ConfigMap and the Secret change: no pod is rolled, both are seen.
	changed := strings.Replace(c.configMaps["capd-team-example"].Data["hello.yaml"], "value: capd serves", "value: capd reloads", 1)
	project(t, filepath.Join(root, "etc/capd/capabilities/example"), "..v2", map[string]string{"hello.yaml": changed})
	secret["capd.env"] = strings.Replace(secret["capd.env"], "caller-of-the-test", "caller-of-tomorrow", 1)
	project(t, filepath.Join(root, "etc/capd/secret"), "..v2", secret)
	eventually(t, "the new file is served", func() bool {
		_, body := get(t, "http://"+capd.serve+"/apis/example/hello/v1/hello", "")
		return strings.Contains(body, "capd reloads")
	})
	eventually(t, "the new secret counts", func() bool {
		status, _ := get(t, "http://"+capd.serve+"/apis/team-a/desk/tickets", "", "Authorization", "Bearer caller-of-tomorrow")
		return status == 502
	})
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.After(patience)
	for !holds() {
		select {
		case <-end:
			t.Fatalf("it never happens that %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"capd/engine/spec"
)

// TestBindFollows: what is bound after another plan is what is bound with none before, whichever
// documents came, changed and went, and whichever values changed.
func TestBindFollows(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(3, 4))
	values, secret := map[string]string{"A": "one"}, "x"
	var edition uint64
	var asked int
	o := BindOptions{
		Edition: func() uint64 { return edition },
		Look: func(_ string, v *Variable) (Secret, error) {
			asked++
			value, ok := values[v.Name]
			if v.Location != nil {
				value, ok = secret, secret != ""
			}
			if !ok {
				return Secret{}, ErrUnset
			}
			return NewSecret(value), nil
		},
		Gate: func(l Lock) Gate { return lockGate{lock: l} },
	}
	units := map[string]*Unit{}
	var last *Bound
	var plan *Plan
	spared := 0
	for step := range 1000 {
		switch n := dice.IntN(6); n {
		case 0:
			values[string(rune('A'+dice.IntN(3)))] = fmt.Sprint("value", dice.IntN(3))
			edition++
		case 1:
			delete(values, string(rune('A'+dice.IntN(3))))
			edition++
		case 2:
			secret = []string{"", "y", "z"}[dice.IntN(3)]
		case 3:
			delete(units, fmt.Sprint("d", dice.IntN(12)))
		default:
			id := fmt.Sprint("d", dice.IntN(12))
			units[id] = withVariables(t, dice, id)
		}
		plan, _ = Link(plan, slices.Collect(maps.Values(units)), LinkOptions{})
		follow := o
		follow.Last = last
		asked = 0
		got, found := Bind(plan, follow)
		few := asked
		asked = 0
		want, wanted := Bind(plan, o)
		if few < asked {
			spared++
		}
		if !reflect.DeepEqual(found, wanted) {
			t.Fatalf("step %d:\ngot  %v\nwant %v", step, found, wanted)
		}
		if a, b := boundText(got), boundText(want); a != b {
			t.Fatalf("step %d:\ngot\n%s\nwant\n%s", step, a, b)
		}
		if since, known := got.Since(last); known {
			for _, u := range plan.Units {
				if got.Shares(last, u) == slices.Contains(since, u) {
					t.Fatalf("step %d: %s shares its values: %v, and is among those that differ", step, u.ID, got.Shares(last, u))
				}
			}
		}
		last = got
	}
	if spared < 300 {
		t.Errorf("values were spared in %d of 1000 binds", spared)
	}
}

type lockGate struct {
	shut
	lock Lock
}

// withVariables makes a document that wants some values.
func withVariables(t *testing.T, dice *rand.Rand, id string) *Unit {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "ikanos: 1.0.0-beta5\nbinds:\n- { namespace: env, keys: { A: A, B: B, C: C } }\n")
	base := 'A' + dice.IntN(3)
	if dice.IntN(3) == 0 {
		base = 'S'
		fmt.Fprintf(&b, "- { namespace: store, location: 'vault://store/x', keys: { S: S } }\n")
	}
	fmt.Fprintf(&b, "capability:\n  consumes:\n  - { type: http, namespace: api, baseUri: 'https://{{%c}}.example.test', resources: { r: { path: /r, operations: { get: { method: GET } } } } }\n", base)
	fmt.Fprintf(&b, "  exposes:\n  - type: rest\n    namespace: n\n    port: 8080\n")
	if dice.IntN(3) == 0 {
		fmt.Fprintf(&b, "    authentication: { type: bearer, token: '{{%c}}' }\n", 'A'+dice.IntN(3))
	}
	fmt.Fprintf(&b, "    resources: { r: { path: /%s, operations: { get: { method: GET, call: api.get } } } }\n", id)
	doc, list := spec.Parse(id+".yaml", []byte(b.String()), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	doc.ID = id
	u, list := Compile(doc, nil)
	if u == nil {
		t.Fatal(list)
	}
	return u
}

// boundText writes what documents have.
func boundText(b *Bound) string {
	var out strings.Builder
	for _, u := range b.plan.Units {
		bu := b.units[u]
		fmt.Fprintf(&out, "%s %v\n", u.ID, bu.sound)
		for _, v := range bu.values {
			fmt.Fprintf(&out, "  %q %v %v\n", v.value.Reveal(), v.err, v.placeholder)
		}
		for _, base := range bu.bases {
			fmt.Fprintf(&out, "  %+v %v\n", base.base, base.err)
		}
		for _, x := range u.Exposures {
			if g, ok := b.Gate(x).(lockGate); ok {
				fmt.Fprintf(&out, "  gate %q %v\n", g.lock.Secret.Reveal(), g.lock.Shut)
			}
		}
	}
	if len(b.units) != len(b.plan.Units) {
		fmt.Fprintf(&out, "%d units more\n", len(b.units)-len(b.plan.Units))
	}
	return out.String()
}

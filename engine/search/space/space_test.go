package space

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"palladio/engine/search/spec"
)

const networkYAML = `
stem: {int: [8, 32], step: 8}
rate: {log: [1e-4, 1e-1]}
activation: {choice: [relu, silu]}
resolution: {ordered: [8, 12, 16]}
stages:
  list:
    record:
      block: {choice: [plain, mbconv]}
      depth: {int: [1, 3]}
      width: {int: [8, 64], step: 8}
      expansion: {int: [2, 6], when: block == "mbconv"}
  length: [1, 3]
`

func networkSpace(t testing.TB) *Space {
	t.Helper()
	f, err := spec.Parse("n.yaml", []byte(networkYAML))
	if err != nil {
		t.Fatal(err)
	}
	params := ReadParams(f.Root())
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := New(params...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lawful checks a candidate by the rules of networkYAML, written out by hand.
func lawful(t *testing.T, c Candidate) {
	t.Helper()
	var g struct {
		Stem       int     `json:"stem"`
		Rate       float64 `json:"rate"`
		Activation string  `json:"activation"`
		Resolution int     `json:"resolution"`
		Stages     []struct {
			Block     string `json:"block"`
			Depth     int    `json:"depth"`
			Width     int    `json:"width"`
			Expansion *int   `json:"expansion"`
		} `json:"stages"`
	}
	if err := c.Decode(&g); err != nil {
		t.Fatal(err)
	}
	if g.Stem%8 != 0 || g.Stem < 8 || g.Stem > 32 || g.Rate < 1e-4 || g.Rate > 1e-1 || len(g.Stages) < 1 || len(g.Stages) > 3 ||
		(g.Activation != "relu" && g.Activation != "silu") || (g.Resolution != 8 && g.Resolution != 12 && g.Resolution != 16) {
		t.Fatalf("unlawful candidate %s", c)
	}
	sum := 0
	for _, s := range g.Stages {
		sum += s.Width
		if s.Depth < 1 || s.Depth > 3 || s.Width < 8 || s.Width > 64 || s.Width%8 != 0 || (s.Block == "mbconv") != (s.Expansion != nil) {
			t.Fatalf("unlawful stage in %s", c)
		}
	}
	if sum > 96 {
		t.Fatalf("constraint broken by %s", c)
	}
}

func TestOnlyLawfulCandidatesAreProposed(t *testing.T) {
	s := networkSpace(t)
	if err := s.RequireExpression("sum(stages, .width) <= 96"); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	a, err := s.Sample(r)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for range 2000 {
		b, err := s.Sample(r)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Mutate(r, a)
		if err != nil {
			t.Fatal(err)
		}
		x, err := s.Cross(r, a, b)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Candidate{b, m, x} {
			lawful(t, c)
			back, err := s.Parse([]byte(c.String()))
			if err != nil || back.String() != c.String() || back.Hash() != c.Hash() {
				t.Fatalf("%s does not survive its own JSON: %v, %v", c, back, err)
			}
		}
		if m.String() == a.String() {
			t.Fatal("a mutation changed nothing")
		}
		kinds[a.Hash()]++
		a = m
	}
	if len(kinds) < 1000 {
		t.Errorf("2000 mutations visited only %d candidates", len(kinds))
	}
	for n, err := range s.Neighbours(a) {
		if err != nil {
			t.Fatal(err)
		}
		lawful(t, n)
	}
}

func TestEqualGeneratorsProposeEqually(t *testing.T) {
	walk := func() string {
		s, r := networkSpace(t), rand.New(rand.NewPCG(7, 7))
		a, _ := s.Sample(r)
		b, _ := s.Sample(r)
		for range 50 {
			a, _ = s.Mutate(r, a)
			b, _ = s.Cross(r, a, b)
		}
		return a.String() + b.String()
	}
	if first, second := walk(), walk(); first != second {
		t.Error("two walks with one seed differ")
	}
}

func TestEnumerationAndNeighbours(t *testing.T) {
	when, err := NewCondition("a == 2", []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Param{Name: "a", Domain: Int{1, 3, 1}}, Param{"b", Choice{Values: []any{"x", "y"}}, when},
		Param{Name: "l", Domain: List{Int{0, 1, 1}, 0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for c, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if seen[c.String()] {
			t.Errorf("%s enumerated twice", c)
		}
		seen[c.String()] = true
	}
	if want := (1 + 2 + 1) * (1 + 2 + 4); len(seen) != want {
		t.Errorf("enumerated %d points, want %d", len(seen), want)
	}
	c, err := s.Parse([]byte(`{"a":1,"l":[0]}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for n, err := range s.Neighbours(c) {
		if err != nil || !seen[n.String()] {
			t.Errorf("neighbour %s is no point of the space (%v)", n, err)
		}
		got[n.String()] = true
	}
	for _, want := range []string{`{"a":2,"b":"x","l":[0]}`, `{"a":2,"b":"y","l":[0]}`, `{"a":1,"l":[1]}`, `{"a":1,"l":[]}`, `{"a":1,"l":[0,0]}`} {
		if !got[want] {
			t.Errorf("neighbour %s is missing from %v", want, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("got %d neighbours, want 5: %v", len(got), got)
	}
	if got := networkSpace(t).Size(); !math.IsInf(got, 1) {
		t.Errorf("a continuous space has size %v", got)
	}
}

func TestEmptySpaceNamesTheConstraint(t *testing.T) {
	s := networkSpace(t)
	if err := s.Derive(Derived{Names: []string{"params"}, Of: func(c Candidate) (map[string]float64, error) {
		stem, _ := c.Get("stem")
		return map[string]float64{"params": 100 * float64(stem.(int))}, nil
	}}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"stem >= 8", "params <= 500"} {
		if err := s.RequireExpression(e); err != nil {
			t.Fatal(err)
		}
	}
	err := s.CheckFeasible()
	var empty *EmptyError
	if !errors.As(err, &empty) {
		t.Fatalf("got %v, want an EmptyError", err)
	}
	for _, want := range []string{`constraint "params <= 500" rejects every one`, "params lies between 800 and 3200"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "stem >= 8") {
		t.Errorf("%q blames a constraint that holds", err)
	}
}

func TestEmptyTogether(t *testing.T) {
	s, err := New(Param{Name: "a", Domain: Int{0, 9, 1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"a < 3", "a > 5"} {
		if err := s.RequireExpression(e); err != nil {
			t.Fatal(err)
		}
	}
	want := `none of the space's 10 points is feasible: constraint "a < 3" rejects 7 of 10 (a lies between 0 and 9); constraint "a > 5" rejects 6 of 10 (a lies between 0 and 9)`
	if err := s.CheckFeasible(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestImpossibleCandidatesAreInfeasible(t *testing.T) {
	s, err := New(Param{Name: "a", Domain: Int{0, 9, 1}})
	if err != nil {
		t.Fatal(err)
	}
	bad := errors.New("map vanishes")
	_ = s.Derive(Derived{Of: func(c Candidate) (map[string]float64, error) {
		if a, _ := c.Get("a"); a.(int) != 4 {
			return nil, bad
		}
		return nil, nil
	}})
	c, err := s.Sample(rand.New(rand.NewPCG(1, 1)))
	if err != nil || c.String() != `{"a":4}` {
		t.Errorf("got %s, %v; want the only candidate that can be built", c, err)
	}
	c, _ = s.Parse([]byte(`{"a":5}`))
	if _, err := s.DerivedOf(c); !errors.Is(err, ErrImpossible) || !errors.Is(err, bad) {
		t.Errorf("got %v, want ErrImpossible and its cause", err)
	}
}

func TestParseRefusesWhatIsNotInTheSpace(t *testing.T) {
	s := networkSpace(t)
	ok := `{"activation":"relu","rate":0.01,"resolution":8,"stages":[{"block":"plain","depth":1,"width":8}],"stem":8}`
	if _, err := s.Parse([]byte(ok)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"not JSON":         `{`,
		"not a record":     `[]`,
		"missing":          strings.Replace(ok, `"stem":8`, `"stem2":8`, 1),
		"unknown":          strings.Replace(ok, `"stem":8`, `"stem":8,"x":1`, 1),
		"off the step":     strings.Replace(ok, `"stem":8`, `"stem":9`, 1),
		"fraction":         strings.Replace(ok, `"stem":8`, `"stem":8.5`, 1),
		"unknown choice":   strings.Replace(ok, `relu`, `gelu`, 1),
		"out of interval":  strings.Replace(ok, `0.01`, `7`, 1),
		"absent condition": strings.Replace(ok, `"width":8`, `"width":8,"expansion":2`, 1),
		"too short a list": strings.Replace(ok, `[{"block":"plain","depth":1,"width":8}]`, `[]`, 1),
		"trailing":         ok + `1`,
	} {
		if c, err := s.Parse([]byte(bad)); err == nil {
			t.Errorf("%s: accepted as %s", name, c)
		}
	}
}

func TestReadParamsComplains(t *testing.T) {
	for src, want := range map[string]string{
		"a: {int: [3, 1]}":                "[3, 1] is empty",
		"a: {int: [1, 3], stp: 2}":        `unknown key "stp" (did you mean "step"?)`,
		"a: {log: [0, 1]}":                "must begin above 0",
		"a: {chioce: [x]}":                `did you mean "choice"?`,
		"a: {choice: []}":                 "nothing to choose from",
		"a: {choice: [x, x]}":             "stands twice",
		"a: {int: [1, 2], float: [1, 2]}": "both int and float",
		"A: 1":                            "is no name",
		"len: 1":                          "is a word of the expression language",
		"width: 1\nb: {int: [1, 2], when: widht > 0}": `unknown name "widht" (did you mean "width"?)`,
		"b: {int: [1, 2], when: 'a >'}":               "expression",
		"a: {list: {int: [1, 2]}}":                    "length: is missing",
		"a: [1, 2]":                                   "want one value, or a domain",
	} {
		f, err := spec.Parse("p.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		ReadParams(f.Root())
		if err := f.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant …%s…", src, err, want)
		}
	}
}

func FuzzReadParams(f *testing.F) {
	f.Add(networkYAML)
	f.Add("a: {int: [1, 2], when: 'len(b) > 1'}\n")
	f.Fuzz(func(t *testing.T, src string) {
		file, err := spec.Parse("f.yaml", []byte(src))
		if err != nil {
			return
		}
		params := ReadParams(file.Root())
		if file.Err() != nil {
			return
		}
		s, err := New(params...)
		if err != nil {
			return
		}
		r := rand.New(rand.NewPCG(1, 1))
		c, err := s.Sample(r)
		if err != nil {
			t.Fatalf("a space without constraints gave %v", err)
		}
		if _, err := s.Parse([]byte(c.String())); err != nil {
			t.Fatalf("sampled %s is refused: %v", c, err)
		}
		if _, err := s.Mutate(r, c); err != nil {
			var empty *EmptyError
			if !errors.As(err, &empty) {
				t.Fatal(err)
			}
		}
	})
}

func FuzzExpression(f *testing.F) {
	f.Add("sum(stages, .width) <= 96 and stem > 8")
	f.Add("stem > 'x'")
	s := networkSpace(f)
	c, err := s.Sample(rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		t2 := *s
		if t2.RequireExpression(src) == nil {
			_, _ = t2.Feasible(c)
		}
	})
}

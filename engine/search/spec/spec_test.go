package spec

import (
	"strings"
	"testing"
)

func TestComplaintsNameLineAndSuggestion(t *testing.T) {
	f, err := Parse("a.yaml", []byte("budget:\n  trails: 3\n  seconds: many\nseed: -1\n"))
	if err != nil {
		t.Fatal(err)
	}
	v := f.Root().Fields("budget", "seed")
	b := v[0].Fields("trials", "seconds")
	b[1].Float(1, 0, 10)
	v[1].Int(0, 0, 10)
	if b[0].Present() || b[0].Int(7, 0, 9) != 7 {
		t.Error("an absent value must read as its default")
	}
	got := f.Err().Error()
	for _, want := range []string{
		`a.yaml:2:3: budget: unknown key "trails" (did you mean "trials"?)`,
		`a.yaml:3:12: budget.seconds: want a number, got "many"`,
		`a.yaml:4:7: seed: -1 is out of range: want 0 to 10`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing complaint %q in\n%s", want, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 60) + strings.Repeat("]", 60)
	for name, c := range map[string]struct{ src, want string }{
		"empty":     {"", "empty"},
		"syntax":    {"a: [1\nb: 2", "x.yaml:"},
		"duplicate": {"a: 1\na: 2\n", "given twice, first on line 1"},
		"alias":     {"a: &x 1\nb: *x\n", "anchors and aliases"},
		"deep":      {deep, "nested deeper"},
		"huge":      {strings.Repeat("# x\n", MaxBytes/4+1), "bytes is more than"},
	} {
		_, err := Parse("x.yaml", []byte(c.src))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"trials", "trails", 1}, {"kitten", "sitting", 3}, {"", "ab", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a: 1\nb: [1, 2.5, x]\nc: {d: true}\n"))
	f.Add([]byte("? [a]\n: 1\n"))
	f.Add([]byte("a: 99999999999999999999\nb: .nan\nc: ~\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Parse("f.yaml", src)
		if err != nil {
			return
		}
		var walk func(v Value)
		walk = func(v Value) {
			switch {
			case v.Mapping():
				for _, e := range v.Entries() {
					walk(e.Value)
				}
			case v.Sequence():
				for _, i := range v.Items() {
					walk(i)
				}
			default:
				v.Any()
				v.Int(1, 0, 5)
				v.Float(1, 0, 5)
				v.Text("", "a", "b")
				v.Bool(true)
			}
		}
		walk(file.Root())
		_ = file.Err()
	})
}

func TestOverride(t *testing.T) {
	src := []byte("# about\nproblem:\n  train: 4000 # images\n  epochs: 3\nstrategy:\n  - {name: a, population: 6}\n  - random\n")
	got, err := Override("x.yaml", src, []string{"problem.train=256", "problem.limit=7", "strategy.0.population=12", "strategy.1={name: b}", "seed=3"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse("x.yaml", got)
	if err != nil {
		t.Fatal(err)
	}
	v := f.Root().Fields("problem", "strategy", "seed")
	p := v[0].Fields("train", "epochs", "limit")
	list := v[1].Items()
	if p[0].Int(0, 0, 9999) != 256 || p[1].Int(0, 0, 9) != 3 || p[2].Int(0, 0, 9) != 7 || v[2].Int(0, 0, 9) != 3 ||
		list[0].Fields("name", "population")[1].Int(0, 0, 99) != 12 || list[1].Fields("name")[0].Text("") != "b" || f.Err() != nil {
		t.Errorf("%v: got\n%s", f.Err(), got)
	}
	if !strings.Contains(string(got), "# about") {
		t.Errorf("the comment is lost:\n%s", got)
	}
	if same, err := Override("x.yaml", src, nil); err != nil || string(same) != string(src) {
		t.Errorf("without settings the text became %q (%v)", same, err)
	}
	for setting, want := range map[string]string{
		"problem.train": "PATH=VALUE", "=3": "PATH=VALUE", "problm.train=3": `did you mean "problem"?`, "strategy.2=x": "no position in a list of 2",
		"strategy.x=1": "no position", "problem.train.x=1": "below a plain value", "seed=": "empty", "seed=[1": "setting seed",
	} {
		if _, err := Override("x.yaml", src, []string{setting}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", setting, err, want)
		}
	}
}

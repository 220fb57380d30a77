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

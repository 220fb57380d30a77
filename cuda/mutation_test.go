package cuda

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"palladio/cuda/sim"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// subject is a kernel whose text is broken on purpose.
type subject struct {
	t       *testing.T
	chip    *sim.Chip
	ops     []kernels.Operand
	inputs  [][]byte
	program *Program
	texts   []string // of each launch: its module with no other entry point
	right   outcome
}

// outcome is what became of a run under all checks.
type outcome struct {
	findings []sim.Finding
	err      error
	outputs  [][]byte
}

// caught says whether the checks or the outputs tell a run from the right one.
func (o outcome) caught(right outcome) bool {
	return o.err != nil || len(o.findings) > 0 || !slices.EqualFunc(o.outputs, right.outputs, bytes.Equal)
}

func newSubject(t *testing.T, k kernels.Kernel) *subject {
	t.Helper()
	chip, err := sim.ChipNamed("h100")
	check(t, err)
	s := &subject{t: t, chip: chip, ops: k.Operands()}
	s.program, err = Lower(k, Limits{Capability: chip.Capability, SMs: chip.SMs, SharedBlock: chip.SharedBlock}, 64)
	check(t, err)
	for _, l := range s.program.Launches {
		text, err := l.Module.PTX()
		check(t, err)
		s.texts = append(s.texts, onlyEntry(text, l.Entry))
	}
	for _, o := range s.ops {
		var data []byte
		if o.Dir != kernels.Out {
			fill := kernels.Fill{}
			if !o.Type.Float() { // labels, indices
				fill = kernels.Fill{Kind: kernels.Ints, Lo: 0, Hi: 5}
			}
			data, err = devicetest.Input("mutation", o, fill)
			check(t, err)
		}
		s.inputs = append(s.inputs, data)
	}
	if s.right = s.run("", ""); s.right.err != nil || len(s.right.findings) > 0 {
		t.Fatalf("unchanged: %v, %v", s.right.err, s.right.findings)
	}
	return s
}

// run runs the program under all checks, with another text in the place of one.
func (s *subject) run(text, changed string) outcome {
	t := s.t
	g := sim.New(s.chip, sim.Options{Sanitize: true, Steps: 1 << 16})
	defer g.Close()
	alloc := func(data []byte, n int) uint64 {
		a, err := g.Alloc(max(n, 1))
		check(t, err)
		check(t, g.Write(a, data))
		return a
	}
	var args []kernels.Arg
	for i, o := range s.ops {
		args = append(args, kernels.Arg{Addr: alloc(s.inputs[i], o.Bytes())})
	}
	work := kernels.Arg{Addr: alloc(nil, s.program.Workspace)}
	b := binding{constants: alloc(s.program.Constants, len(s.program.Constants)), fault: alloc(make([]byte, faultBytes), faultBytes), call: 1}
	for i, l := range s.program.Launches {
		now := s.texts[i]
		if now == text {
			now = changed
		}
		m, err := g.Load(l.Module.Name, now)
		check(t, err)
		e, err := m.Entry(l.Entry)
		check(t, err)
		var cells []uint64
		for _, slot := range l.Args {
			cells = append(cells, slot.resolve(args, work, b))
		}
		c := sim.Config{Grid: [3]int{l.Grid.X, l.Grid.Y, l.Grid.Z}, Block: [3]int{l.Block.X, l.Block.Y, l.Block.Z}, Shared: l.Shared}
		if _, err := g.Launch(t.Context(), e, c, cells); err != nil {
			return outcome{err: err}
		}
	}
	var r outcome
	if r.findings, _ = g.Findings(); len(r.findings) > 0 {
		return r
	}
	for i, o := range s.ops {
		if o.Dir != kernels.In {
			out := make([]byte, o.Bytes())
			check(t, g.Read(args[i].Addr, out))
			r.outputs = append(r.outputs, out)
		}
	}
	return r
}

var entryHead = regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`)

// onlyEntry leaves the other entry points out of a module's text: it is loaded many times.
func onlyEntry(text, entry string) string {
	var b strings.Builder
	at := 0
	for _, m := range entryHead.FindAllStringSubmatchIndex(text, -1) {
		if text[m[2]:m[3]] != entry {
			b.WriteString(text[at:m[0]])
			at = m[0] + strings.Index(text[m[0]:], "\n}\n") + 3
		}
	}
	return b.String() + text[at:]
}

// mutations are ways to break an entry point, each a pattern and what a match becomes.
var mutations = []struct {
	name        string
	pattern     *regexp.Regexp
	replacement string
	probe       string // what a match becomes to say whether it matters here: a trap where the mutant does something else
	most        int    // mutants of an entry point, chosen by a seed; 0 for all
}{
	{"barrier dropped", regexp.MustCompile(`(?m)^\s*bar\.sync\s+0;\n`), "", "trap;\n", 0},
	{"guard negated", regexp.MustCompile(`(?m)^(\s*)@(%p\d+) bra`), "$1@!$2 bra", "trap;\n@$2 bra", 3},
	{"bound widened", regexp.MustCompile(`(?m)^\s*setp\.lt\.([su]\d\d\s+)(%p\d+)(, %r\w+, %r\w+;)`), "setp.le.$1$2$3", "setp.eq.$1$2$3\n@$2 trap;\nsetp.lt.$1$2$3", 4},
	{"bound widened", regexp.MustCompile(`(?m)^\s*setp\.ge\.([su]\d\d\s+)(%p\d+)(, %r\w+, %r\w+;)`), "setp.gt.$1$2$3", "setp.eq.$1$2$3\n@$2 trap;\nsetp.ge.$1$2$3", 4},
}

// mutants lists the places of an entry point's text where a mutation applies.
func mutants(entry, text string, pattern *regexp.Regexp, most int) [][]int {
	at := pattern.FindAllStringIndex(text, -1)
	if most > 0 && len(at) > most {
		h := fnv.New64a()
		fmt.Fprint(h, entry)
		rng := rand.New(rand.NewPCG(h.Sum64(), 1))
		rng.Shuffle(len(at), func(i, j int) { at[i], at[j] = at[j], at[i] })
		at = at[:most]
	}
	return at
}

// tally counts mutants by mutation.
type tally struct{ caught, total map[string]int }

// mutate tries the mutants of every entry point, and counts those that do something else on these operands.
func (s *subject) mutate(sum tally) {
	done := map[string]bool{}
	for i, l := range s.program.Launches {
		text := s.texts[i]
		if done[l.Entry] {
			continue
		}
		done[l.Entry] = true
		for _, m := range mutations {
			var survivors []string
			for _, at := range mutants(l.Entry, text, m.pattern, m.most) {
				was := text[at[0]:at[1]]
				become := func(what string) string { return text[:at[0]] + m.pattern.ReplaceAllString(was, what) + text[at[1]:] }
				if s.run(text, become(m.replacement)).caught(s.right) {
					sum.caught[m.name]++
				} else if s.run(text, become(m.probe)).err == nil {
					continue
				} else {
					survivors = append(survivors, fmt.Sprintf("%s, line %d (%s)", l.Entry, 1+strings.Count(text[:at[0]], "\n"), strings.TrimSpace(was)))
				}
				sum.total[m.name]++
			}
			for _, v := range survivors {
				s.t.Logf("%s: nothing is found: %s", m.name, v)
			}
			if m.name == "barrier dropped" && len(survivors) > 1 { // one may guard a further use of the shared memory, which does not come
				s.t.Errorf("%d barriers can be dropped: %q", len(survivors), survivors)
			}
		}
	}
}

// TestMutationsAreCaught breaks kernels of every family that has barriers or loops. Without a barrier, its shared memory is read before it is written or
// written before it is read; with a guard negated or a bound that is one further, it reads or writes what it must not, never ends, or gives other results.
// A few mutants are no faults: a barrier before a use that does not come, a loop of batches whose bound no batch meets, a guard of a short cut.
func TestMutationsAreCaught(t *testing.T) {
	ce := kernels.CrossEntropy{Type: kernels.F32, N: 9, C: 3000, Labels: kernels.I64, Ignore: true, IgnoreIndex: 1}
	sum := tally{map[string]int{}, map[string]int{}}
	for _, k := range []kernels.Kernel{
		kernels.Softmax{Type: kernels.F32, Outer: 3, Len: 5000, Inner: 1},
		kernels.Softmax{Type: kernels.F32, Outer: 2, Len: 70, Inner: 40},
		kernels.SoftmaxBackward{Of: kernels.Softmax{Type: kernels.F32, Outer: 3, Len: 9000, Inner: 1}},
		kernels.Reduce{Op: kernels.ReduceSum, Type: kernels.F32, Shape: []int{3, 5000}, Axes: []int{1}},
		kernels.Reduce{Op: kernels.ReduceMax, Type: kernels.BF16, Shape: []int{700, 72}, Axes: []int{0}},
		kernels.NewNorm(kernels.LayerNorm, 3, 1, 6000, 1),
		kernels.NewNorm(kernels.BatchTraining, 4, 49, 24, 1),
		kernels.NormBackward{Of: kernels.NewNorm(kernels.GroupNorm, 2, 30, 16, 4)},
		ce, kernels.CrossEntropyBackward{Of: ce},
		kernels.NewGEMM(kernels.F32, 1, 70, 70, 70, false, false),
		kernels.NewGEMM(kernels.BF16, 1, 130, 130, 130, false, true),
		valid(kernels.NewConv(kernels.F32, []int{1, 9, 9, 8}, []int{16, 3, 3, 8}, kernels.ConvOptions{Same: true}, kernels.Epilogue{Bias: true})),
		valid(kernels.Transpose(kernels.F32, []int{45, 70}, []int{1, 0})),
		valid(kernels.Transpose(kernels.U8, []int{144, 136}, []int{1, 0})),
		kernels.Sort{Type: kernels.F32, Index: kernels.I32, Rows: 2, Cols: 301},
		kernels.Sort{Type: kernels.I32, Index: kernels.I32, Rows: 1, Cols: 5000},
		kernels.NewLAMB(kernels.F32, 3000),
		kernels.ScatterAdd{Type: kernels.F32, Index: kernels.I32, Outer: 1, Extent: 5, Inner: 3, Count: 100},
		kernels.Dropout{Type: kernels.F16, Outer: 3, Middle: 5, Inner: 7, P: 0.5},
	} {
		t.Run(k.String(), func(t *testing.T) { newSubject(t, k).mutate(sum) })
	}
	for name, least := range map[string]float64{"barrier dropped": 0.8, "guard negated": 0.85, "bound widened": 0.85} {
		t.Logf("%s: %d of %d are caught", name, sum.caught[name], sum.total[name])
		if got := float64(sum.caught[name]) / float64(sum.total[name]); sum.total[name] < 50 || got < least {
			t.Errorf("%s: %d of %d are caught, want at least %g of them", name, sum.caught[name], sum.total[name], least)
		}
	}
}

// valid is for kernels that are right by construction.
func valid[K kernels.Kernel](k K, err error) K {
	if err != nil {
		panic(err)
	}
	return k
}

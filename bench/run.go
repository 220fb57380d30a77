package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"palladio/cuda"
	"palladio/fallback"
	"palladio/kernels"
)

// Options say what to measure.
type Options struct {
	Suites   []string       // of SuiteNames or, on a GPU, GPUSuiteNames; empty: all
	Device   kernels.Device // the GPU to measure; nil: this machine's CPU
	Small    bool           // tiny workloads, to see that everything runs
	Peers    bool           // also measure the rivals
	PeersDir string         // where make peers built them
	Scripts  string         // where their sources are
	Rounds   int            // turns that each of turnsFor contenders gets; 0 is 5; fewer get more, see table
	Budget   time.Duration  // time for one contender, workload and turn; 0 is 150 ms
	Progress func(string)   // hears what is being measured; may be nil

	peak *cuda.Rates // of Device
}

// suite measures one or more tables and holds them against bars.
type suite func(ctx context.Context, o *Options) ([]Table, []Bar, error)

// suites by name.
var suites = map[string]suite{
	"gemm":    gemmSuite,
	"conv":    convSuite,
	"train":   trainSuite,
	"machine": machineSuite,
}

// SuiteNames lists the suites in the order in which they run.
func SuiteNames() []string { return []string{"gemm", "conv", "train", "machine"} }

// Run measures the suites that o asks for.
func Run(ctx context.Context, o Options) (*Result, error) {
	known, names := suites, SuiteNames()
	if o.Device != nil {
		known, names = gpuSuites, GPUSuiteNames()
	}
	if len(o.Suites) == 0 {
		o.Suites = names
	}
	for _, s := range o.Suites {
		switch {
		case known[s] != nil:
		case gpuSuites[s] != nil:
			return nil, fmt.Errorf("benchmark suite %q measures a GPU: say which by --device, cuda:0 or sim:h100 --small", s)
		case suites[s] != nil:
			return nil, fmt.Errorf("benchmark suite %q measures this machine's CPU: leave out --device", s)
		default:
			return nil, fmt.Errorf("no benchmark suite is called %q: want %s", s, strings.Join(names, ", "))
		}
	}
	if o.Rounds == 0 {
		o.Rounds = 5
	}
	if o.Budget == 0 {
		o.Budget = 150 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	m, err := fingerprint(o.Device)
	if err != nil {
		return nil, err
	}
	o.peak = m.GPUPeak
	r := &Result{When: time.Now().UTC(), Machine: m, Rivals: map[string]string{}}
	for _, s := range o.Suites {
		tables, bars, err := known[s](ctx, &o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		r.Tables = append(r.Tables, tables...)
		if o.Peers && !o.Small {
			r.Bars = append(r.Bars, bars...)
		}
		for _, t := range tables {
			r.Absent = append(r.Absent, t.absent...)
			for name, v := range t.versions {
				r.Rivals[name] = v
			}
		}
	}
	slices.Sort(r.Absent)
	r.Absent = slices.Compact(r.Absent)
	return r, nil
}

// field is who takes part in one table.
type field struct {
	level   fallback.Level
	threads int
	rivals  []string    // by label, if rivals are asked for
	others  []contender // in this process
}

// turnsFor is the number of contenders that get just Options.Rounds turns.
const turnsFor = 6

// table lets a field run some workloads. Ours comes first. A small field takes more turns, so that a row is watched about as long
// whoever is in it: a neighbour on the machine slows it for seconds at a time, and the median must outlast that.
func (o *Options) table(ctx context.Context, name, unit string, f field, works []workload) (Table, error) {
	us, err := newOurs("palladio", f.level, f.threads)
	if err != nil {
		return Table{}, err
	}
	t := Table{Name: name, Threads: f.threads, unit: unit, versions: map[string]string{}}
	cs := []contender{us}
	defer func() {
		for _, c := range cs {
			_ = c.close()
		}
	}()
	if o.Peers {
		for _, r := range f.rivals {
			p, err := o.startPeer(ctx, r, f.threads)
			if err != nil {
				return Table{}, err
			}
			cs = append(cs, p)
			t.versions[r] = p.version
		}
	}
	cs = append(cs, f.others...)
	for _, c := range cs {
		t.Contenders = append(t.Contenders, c.name())
	}
	t.Rows, err = measureAll(ctx, cs, works, settings{o.Rounds * max(1, turnsFor/len(cs)), o.Budget}, func(s string) { o.Progress(name + ": " + s) })
	return t, err
}

// gemmSuite is matrix products on one thread at the machine's best level and at AVX2, odd shapes, and two threads against one.
func gemmSuite(ctx context.Context, o *Options) (tables []Table, bars []Bar, err error) {
	best := fallback.Detect()
	all := []string{"openblas", "onednn", "onnxruntime", "jax", "pytorch"}
	add := func(name string, f field, works []workload) Table {
		if err != nil {
			return Table{}
		}
		var t Table
		t, err = o.table(ctx, name, "GFLOP/s", f, works)
		tables = append(tables, t)
		return t
	}
	one := add("SGEMM "+best.String(), field{level: best, threads: 1, rivals: all}, squareGEMM())
	bars = append(bars, Bar{What: "SGEMM 256–2048, one thread: worst ratio to the best of OpenBLAS and oneDNN", Want: 0.9, Got: least(one.ratios("openblas", "onednn"))})
	if best > fallback.AVX2 {
		avx2 := add("SGEMM avx2", field{level: fallback.AVX2, threads: 1, rivals: []string{"openblas-haswell"}}, squareGEMM())
		bars = append(bars, Bar{What: "SGEMM 256–2048, AVX2: worst ratio to OpenBLAS' Haswell kernel", Want: 0.9, Got: least(avx2.ratios("openblas-haswell"))})
	}
	odd := add("SGEMM, odd and skinny", field{level: best, threads: 1, rivals: all}, oddGEMM())
	bars = append(bars, Bar{What: "SGEMM, odd and skinny: worst ratio to the best rival", Want: 0.7, Got: least(odd.ratios(all...))})
	if runtime.NumCPU() > 1 && err == nil {
		alone, aerr := newOurs(oneThread, best, 1)
		if aerr != nil {
			return nil, nil, aerr
		}
		two := add("SGEMM on two threads", field{level: best, threads: 2, rivals: []string{"openblas", "onednn"}, others: []contender{alone}}, squareGEMM())
		bars = append(bars, Bar{What: "SGEMM 256–2048: median speed of two threads over one", Want: 1.8, Got: middle(two.ratios(oneThread))})
	}
	return tables, bars, err
}

// convSuite is convolution layers on one thread and on all.
func convSuite(ctx context.Context, o *Options) (tables []Table, bars []Bar, err error) {
	best := fallback.Detect()
	for _, threads := range slices.Compact([]int{1, runtime.NumCPU()}) {
		t, err := o.table(ctx, "Convolution "+best.String(), "GFLOP/s", field{level: best, threads: threads, rivals: []string{"onednn", "onnxruntime", "jax", "pytorch"}}, convLayers())
		if err != nil {
			return nil, nil, err
		}
		tables = append(tables, t)
		bars = append(bars, Bar{What: fmt.Sprintf("Convolution, 20 layers, %d threads: geometric mean of the ratio to oneDNN", threads), Want: 0.7, Got: geomean(t.ratios("onednn"))})
	}
	return tables, bars, nil
}

// least is the smallest number; 0 of nothing.
func least(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	return slices.Min(xs)
}

// oneThread is the label of our own contender on one thread, beside that on two.
const oneThread = "one thread"

// middle is the median; 0 of nothing.
func middle(xs []float64) float64 {
	slices.Sort(xs)
	return median(xs)
}

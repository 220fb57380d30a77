package sim

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// profiled runs an entry point of testdata/deviations.ptx on buffers of the given words and gives its profiles, one a run.
func profiled(t *testing.T, entry string, grid, threads, runs int, words ...int) []*Profile {
	t.Helper()
	g, list := launchDeviation(t, Options{Profile: true}, entry, grid, threads, runs, words...)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return list
}

// found runs an entry point under the checks and gives the findings.
func found(t *testing.T, entry string, grid, threads int, words ...int) []Finding {
	t.Helper()
	g, _ := launchDeviation(t, Options{Sanitize: true, Workers: 1}, entry, grid, threads, 1, words...)
	list, _ := g.Findings()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return list
}

func launchDeviation(t *testing.T, o Options, entry string, grid, threads, runs int, words ...int) (*GPU, []*Profile) {
	t.Helper()
	text, err := os.ReadFile("testdata/deviations.ptx")
	if err != nil {
		t.Fatal(err)
	}
	chip, err := ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	g := New(chip, o)
	m, err := g.Load("deviations", string(text))
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Entry(entry)
	if err != nil {
		t.Fatal(err)
	}
	var args []uint64
	for _, n := range words {
		a, err := g.Alloc(4 * n)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Fill(a, 0, 4, n); err != nil {
			t.Fatal(err)
		}
		args = append(args, a)
	}
	var list []*Profile
	for range runs {
		r, err := g.Launch(context.Background(), e, Config{Grid: [3]int{grid, 1, 1}, Block: [3]int{threads, 1, 1}}, args)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r.Profile)
	}
	return g, list
}

// deviations is the register of what the simulator is known to do otherwise than a GPU. Each entry states what the simulator does now: whoever repairs one
// has to change its test, and docs/simulated-gpu.md, which lists them under the same names.
var deviations = map[string]func(t *testing.T){
	"written-back": func(t *testing.T) { // a GPU leaves 1 MB of results in L2 until it needs the place
		p := profiled(t, "copy_words", 1024, 256, 2, 1<<18, 1<<18)
		if p[0].Levels.DRAMRead != 1<<20 || p[1].Levels.DRAMRead != 0 || p[1].Levels.DRAMWritten != 1<<20 {
			t.Errorf("the first launch moves %+v, the second %+v", p[0].Levels, p[1].Levels)
		}
	},
	"private-l1": func(t *testing.T) { // blocks of one multiprocessor share its L1 on a GPU
		p := profiled(t, "same_words", 2*132, 256, 1, 2*132*256, 256)
		if p[0].Levels.L1Hits != 0 {
			t.Errorf("%d bytes are found in L1", p[0].Levels.L1Hits)
		}
	},
	"far-l2": func(t *testing.T) { // L2 of A100 and H100 has two halves, of which one is further away
		for _, name := range Chips() {
			c, err := ChipNamed(name)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(c.Latency); n != len(latencyKinds) || slices.Contains(latencyKinds, "l2_far") {
				t.Errorf("%s has %d latencies", name, n)
			}
		}
	},
	"dram-rows": func(t *testing.T) { // sectors that are far apart open a row each on a GPU, and each needs an entry of the TLB
		const n = 1 << 16
		near, far := profiled(t, "copy_words", n/256, 256, 1, n, n)[0], profiled(t, "scattered", n/256, 256, 1, 64, 32*n)[0]
		rate := func(p *Profile) float64 {
			for _, r := range p.Timing.Resources {
				if r.Name == dramPipe {
					return float64(p.Levels.DRAMRead+p.Levels.DRAMWritten) / r.Seconds
				}
			}
			return 0
		}
		if a, b := rate(near), rate(far); a == 0 || b < 0.999*a || b > 1.001*a {
			t.Errorf("in a row %.4g B/s, scattered %.4g B/s", a, b)
		}
	},
	"latency-across-blocks": func(t *testing.T) { // a GPU waits for a load wherever its result is used
		latency := func(entry string) float64 {
			for _, r := range profiled(t, entry, 1, 32, 1, 64, 64)[0].Timing.Resources {
				if r.Name == latencyPipe {
					return r.Seconds
				}
			}
			return 0
		}
		if a, b := latency("used_at_once"), latency("used_later"); b > a/2 {
			t.Errorf("used at once %.4g s, in the next basic block %.4g s", a, b)
		}
	},
	"wide-broadcast": func(t *testing.T) { // a GPU serves one 8-byte word to all lanes in one clock
		if n, _ := bankPasses(perLane(func(int) uint64 { return 0 }), fullMask, 8); n != 2 {
			t.Errorf("%d clocks, want 2", n)
		}
	},
	"constant-clock": func(t *testing.T) { // a GPU lowers its clock under power: the time of a product depends on the operands
		c, err := ChipNamed("h100")
		if err != nil {
			t.Fatal(err)
		}
		l := load{grid: 132, occupancy: Occupancy{Blocks: 1}, tensor: map[string]float64{"f16": 1e12}}
		want := 1e12 / (132 * 2048 * c.Ceilings["mma"] * c.TensorClock)
		if got := c.price(l).Resources[0].Seconds; got < 0.999*want || got > 1.001*want {
			t.Errorf("%v s, want %v", got, want)
		}
	},
	"races-in-global-memory": func(t *testing.T) { // threads of one block; a block that reads what another one writes
		if list := found(t, "threads_in_block", 1, 64, 64); len(list) != 0 {
			t.Errorf("threads of a block: %v", list)
		}
		if list := found(t, "blocks_read", 2, 32, 64); len(list) != 0 {
			t.Errorf("a block reads another's word: %v", list)
		}
	},
}

func TestKnownDeviations(t *testing.T) {
	text, err := os.ReadFile("../../docs/simulated-gpu.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	for name, check := range deviations {
		t.Run(name, check)
		if !slices.Contains(listed, name) {
			t.Errorf("docs/simulated-gpu.md does not list %s", name)
		}
	}
	for _, name := range listed {
		if deviations[name] == nil {
			t.Errorf("docs/simulated-gpu.md lists %s, which has no test: %s", name, strings.Join(listed, " "))
		}
	}
}

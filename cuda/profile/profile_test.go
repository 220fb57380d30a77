package profile

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// run profiles a workload.
func run(t *testing.T, family string, options map[string]string, o Options) *Report {
	t.Helper()
	w, ok := WorkloadOf(family)
	if !ok {
		t.Fatalf("no workload %s", family)
	}
	k, err := w.Kernel(options)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), Of(k), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Launches) == 0 || r.Seconds <= 0 {
		t.Fatalf("%s: %d launches in %v s", family, len(r.Launches), r.Seconds)
	}
	return r
}

// TestCopyCounts holds the profile of a copy to what a copy is.
func TestCopyCounts(t *testing.T) {
	const n = 1 << 18
	l := run(t, "stream", map[string]string{"n": "262144"}, Options{Device: "sim:h100"}).Launches[0]
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"bytes loaded", l.GlobalLoads.Bytes, 4 * n}, {"bytes stored", l.GlobalStores.Bytes, 4 * n},
		{"sectors loaded", l.GlobalLoads.Parts, 4 * n / 32}, {"fewest sectors", l.GlobalLoads.Fewest, 4 * n / 32},
		{"requests", l.GlobalLoads.Requests, n / 4 / 32}, {"from memory", l.Levels.DRAMRead, 4 * n}, {"to memory", l.Levels.DRAMWritten, 4 * n},
		{"divergent branches", l.Divergent, 0}, {"shared memory", l.Levels.Shared, 0}, {"local memory", l.Local.Requests, 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
	if l.Lanes != 32 || l.Occupancy.Estimated || l.Occupancy.Share != 1 {
		t.Errorf("%.1f lanes, occupancy %+v", l.Lanes, l.Occupancy)
	}
	sum := int64(0)
	for _, m := range l.Mix {
		sum += m.Warps
	}
	if sum != l.WarpInstructions {
		t.Errorf("the mix has %d warp instructions of %d", sum, l.WarpInstructions)
	}
}

// TestSampledCounts holds a sample's counts to those of all blocks.
func TestSampledCounts(t *testing.T) {
	options := map[string]string{"rows": "512", "length": "512"}
	all := run(t, "softmax", options, Options{Device: "sim:a100"}).Launches[0]
	part := run(t, "softmax", options, Options{Device: "sim:a100", Blocks: 8}).Launches[0]
	if part.Sampled != 8 || part.Blocks != all.Blocks || all.Sampled != all.Blocks || all.Blocks <= 8 {
		t.Fatalf("%d of %d blocks, and %d of %d", part.Sampled, part.Blocks, all.Sampled, all.Blocks)
	}
	if a, b := float64(all.ThreadInstructions), float64(part.ThreadInstructions); b < 0.95*a || b > 1.05*a {
		t.Errorf("the sample gives %v thread instructions, all blocks %v", b, a)
	}
	if a, b := all.Timing.Seconds, part.Timing.Seconds; b < 0.8*a || b > 1.25*a {
		t.Errorf("the sample gives %v s, all blocks %v", b, a)
	}
}

// TestProfilesAreDeterministic compares two runs, whose blocks end in different orders.
func TestProfilesAreDeterministic(t *testing.T) {
	text := func() string {
		b, err := json.Marshal(run(t, "norm", map[string]string{"batch": "4"}, Options{Device: "sim:h100"}))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := text(), text(); a != b {
		t.Errorf("two profiles differ:\n%s\n%s", a, b)
	}
}

// TestModelFollowsTheWork holds the model to orders that any GPU keeps.
func TestModelFollowsTheWork(t *testing.T) {
	seconds := func(device, n string) float64 {
		return run(t, "stream", map[string]string{"n": n}, Options{Device: device}).Seconds
	}
	small, large := seconds("sim:h100", "1048576"), seconds("sim:h100", "4194304")
	if large <= small || large > 4*small {
		t.Errorf("four times the copy takes %v s, the copy %v s", large, small)
	}
	if l4 := seconds("sim:l4", "4194304"); l4 < 5*large {
		t.Errorf("an L4 copies in %v s, an H100 in %v s, at 11 times the rate", l4, large)
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	r := run(t, "softmax", map[string]string{"rows": "64", "length": "100"}, Options{Device: "sim:h100"})
	if err := r.Print(&b, 5); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"softmax", "occupancy", "limited by", "sectors", "DRAM", "bound by", "PTX line", "ld.global"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("not a number in\n%s", b.String())
	}
}

func TestWorkloads(t *testing.T) {
	for _, w := range Workloads() {
		if !slices.Contains(Families(), w.Family) {
			t.Errorf("%s is no family", w.Family)
		}
		for _, p := range w.Params {
			values := p.Choices
			if values == nil {
				values = []string{"8"}
			}
			for _, v := range values {
				if _, err := w.Kernel(map[string]string{p.Name: v}); err != nil {
					t.Errorf("%s with %s = %s: %v", w.Family, p.Name, v, err)
				}
			}
		}
	}
	w, _ := WorkloadOf("gemm")
	for _, c := range []struct{ name, value, want string }{
		{"m", "x", `gemm: m is "x": want a whole number`}, {"m", "-1", "whole number"}, {"dtype", "f8", `dtype is "f8": want f32, tf32, bf16, f16, f64`}, {"zz", "1", "no option zz: want m, n, k"},
	} {
		if _, err := w.Kernel(map[string]string{c.name: c.value}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %s: got %v", c.name, c.value, err)
		}
	}
	if _, err := Case("nothing"); err == nil || !strings.Contains(err.Error(), "want one of adadelta, adam") {
		t.Errorf("an unknown case: %v", err)
	}
	if c, err := Case("topk"); err != nil || c.Kernel.Family() != "topk" {
		t.Errorf("the costliest case of topk: %v, %v", c.Name, err)
	}
}

// TestWorkloadsRun runs each workload in small.
func TestWorkloadsRun(t *testing.T) {
	for _, w := range Workloads() {
		small := map[string]string{}
		for _, p := range w.Params {
			if n, err := strconv.Atoi(p.Default); err == nil {
				small[p.Name] = strconv.Itoa(min(n, 16))
			}
		}
		run(t, w.Family, small, Options{Device: "sim:h100"})
	}
}

func TestAutoBlocks(t *testing.T) {
	w, _ := WorkloadOf("gemm")
	for n, want := range map[string]int{"1024": 0, "8192": 264} {
		k, err := w.Kernel(map[string]string{"m": n, "n": n, "k": n})
		if err != nil {
			t.Fatal(err)
		}
		if got := AutoBlocks(k); got != want {
			t.Errorf("product of %s: %d blocks, want %d", n, got, want)
		}
	}
}

func TestBadDevices(t *testing.T) {
	k := kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: 4}
	for device, want := range map[string]string{"sim:b200": "want one of a100", "cpu": "want sim:CHIP", "cuda:0": "want sim:CHIP", "sim:/nowhere.json": "nowhere.json"} {
		if _, err := Run(context.Background(), Of(k), Options{Device: device}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", device, err)
		}
	}
	chip, err := sim.ChipNamed("l4")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Run(context.Background(), Of(k), Options{Device: "sim:mine", Chip: chip}); err != nil || r.Device != "sim:mine" || r.Launches[0].Chip != "l4" {
		t.Errorf("a chip of the caller's: %+v, %v", r, err)
	}
}

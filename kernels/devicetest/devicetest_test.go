package devicetest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"palladio/kernels"
)

// double is a kernel made for these tests: y = 2x, and s += 1.
type double struct{ n int }

func (k double) Family() string { return "double" }
func (k double) Operands() []kernels.Operand {
	return []kernels.Operand{
		{Name: "x", Dir: kernels.In, Type: kernels.F32, Shape: []int{k.n}},
		{Name: "y", Dir: kernels.Out, Type: kernels.F32, Shape: []int{k.n}},
		{Name: "s", Dir: kernels.InOut, Type: kernels.I32, Shape: []int{k.n}},
	}
}
func (k double) Validate() error              { return kernels.CheckShape("double", []int{k.n}, 0) }
func (k double) Cost() kernels.Cost           { return kernels.Traffic(k, int64(k.n)) }
func (k double) Tolerance() kernels.Tolerance { return kernels.Tolerance{Rel: 1e-6} }
func (k double) MayAlias(out, in int) bool    { return out == 1 && in == 0 }
func (k double) String() string               { return fmt.Sprintf("double %d", k.n) }

// memory hides its bytes, as a GPU's does: calls get an address.
type memory struct {
	*kernels.HostMemory
	dev  *device
	base uint64
}

func (m memory) Arg(off, n int) kernels.Arg { return kernels.Arg{Addr: m.base + uint64(off)} }

// device runs double on memory without host access, and misbehaves as told.
type device struct {
	fault string
	mems  []memory
	runs  int
}

func (d *device) Name() string { return "fake:" + d.fault }
func (d *device) Sync() error  { return nil }
func (d *device) Close() error { return nil }
func (d *device) Alloc(n int) (kernels.Memory, error) {
	h, err := kernels.AllocHost(n)
	m := memory{h, d, uint64(1+len(d.mems)) << 32}
	d.mems = append(d.mems, m)
	return m, err
}
func (d *device) at(a kernels.Arg, off int) []float32 {
	m := d.mems[a.Addr>>32-1]
	return kernels.Slice[float32](m.HostMemory.Arg(int(a.Addr&0xffffffff)+off, m.Bytes()-int(a.Addr&0xffffffff)-off))
}
func (d *device) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	if d.fault == "unsupported" {
		return nil, kernels.Unsupported(d.Name(), k)
	}
	return run{d, k.(double).n}, nil
}

type run struct {
	d *device
	n int
}

func (r run) Workspace() int { return 8 }
func (r run) Run(args []kernels.Arg, work kernels.Arg) error {
	r.d.runs++
	x, y := r.d.at(args[0], 0), r.d.at(args[1], 0)
	s := r.d.mems[args[2].Addr>>32-1].HostMemory
	state := kernels.Slice[int32](s.Arg(int(args[2].Addr&0xffffffff), 4*r.n))
	for i := range state {
		state[i]++
	}
	for i := range r.n {
		y[i] = 2 * x[i]
	}
	switch r.d.fault {
	case "overrun":
		y[r.n] = 0
	case "underrun":
		r.d.at(args[1], -4)[0] = 0
	case "workspace overrun":
		r.d.at(work, 8)[0] = 0
	case "writes input":
		x[0]++
	case "NaN":
		y[r.n-1] = float32(math.NaN())
	case "random":
		y[0] *= 1 + float32(r.d.runs)*1e-7
	case "imprecise":
		y[r.n/2] *= 1 + 1e-5
	case "reads beyond":
		y[0] += 1e-9 * x[r.n]
	case "reads workspace":
		y[0] += r.d.at(work, 0)[0] * 1e-7
	case "needs alignment":
		if args[0].Addr%16 != 0 {
			y[0] = 0
		}
	case "skips an element":
		y[1] = kernels.Slice[float32](kernels.HostArg([]byte{0x3c, 0x3c, 0x3c, 0x3c}))[0]
	case "wrong in place":
		if args[0].Addr == args[1].Addr {
			y[0]++
		}
	case "panics":
		panic("boom")
	case "fails":
		return fmt.Errorf("out of luck")
	}
	return nil
}

func TestFaultsAreFound(t *testing.T) {
	c := kernels.Case{Name: "double", Kernel: double{7}}
	for _, f := range []struct{ fault, want string }{
		{"", ""},
		{"overrun", "operand y f32[7]: wrote outside its memory, 0 bytes past the end"},
		{"underrun", "operand y f32[7]: wrote outside its memory, 4 bytes before the start"},
		{"workspace overrun", "workspace: wrote outside"},
		{"writes input", "changed its input x f32[7]"},
		{"NaN", "y[6] is NaN"},
		{"random", "two runs differ"},
		{"imprecise", "y[3] is"},
		{"reads beyond", "two runs differ"},
		{"reads workspace", "NaN"},
		{"needs alignment", "misaligned operands: y[0] is 0"},
		{"skips an element", "y[1] is 0.011"},
		{"wrong in place", "y over x"},
		{"panics", "panic: boom"},
		{"fails", "out of luck"},
	} {
		res := Run(&device{fault: f.fault}, &device{}, c)
		if f.want == "" {
			if !res.Passed() || res.MaxError != 0 {
				t.Errorf("sound device: %s", res)
			}
			continue
		}
		if res.Passed() || res.Err == nil || !strings.Contains(res.Err.Error(), f.want) {
			t.Errorf("%s: got %s, want a failure with %q", f.fault, res, f.want)
		}
	}
}

func TestUnsupportedIsAResult(t *testing.T) {
	res := Run(&device{fault: "unsupported"}, &device{}, kernels.Case{Name: "double", Kernel: double{3}})
	if !res.Unsupported || res.Err != nil || res.Passed() {
		t.Errorf("got %+v", res)
	}
}

func TestBadCasesAreErrors(t *testing.T) {
	for _, c := range []kernels.Case{
		{Name: "no such input", Kernel: double{3}, Inputs: map[string]kernels.Fill{"z": {}}},
		{Name: "fill of an output", Kernel: double{3}, Inputs: map[string]kernels.Fill{"y": {}}},
		{Name: "empty range", Kernel: double{3}, Inputs: map[string]kernels.Fill{"x": {Kind: kernels.Uniform, Lo: 1, Hi: 1}}},
		{Name: "empty cycle", Kernel: double{3}, Inputs: map[string]kernels.Fill{"x": {Kind: kernels.Cycle}}},
		{Name: "invalid", Kernel: double{-1}},
	} {
		if res := Run(&device{}, &device{}, c); res.Err == nil {
			t.Errorf("%s: no error", c.Name)
		}
	}
}

// TestErrorIsQuoted checks the figures of a result that passes within its tolerance.
func TestErrorIsQuoted(t *testing.T) {
	c := kernels.Case{Name: "ones", Kernel: double{5}, Inputs: map[string]kernels.Fill{"x": {Kind: kernels.Cycle, Values: []float64{1, 2}}}}
	trial, err := NewTrial(&device{}, c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := trial.Outputs(&device{})
	if err != nil {
		t.Fatal(err)
	}
	kernels.F32.SetValue(got[1], 3, 4*(1+0x1p-21)) // 0.477 of the relative tolerance 1e-6
	var res Result
	if err := trial.compare(got, &res); err != nil {
		t.Fatal(err)
	}
	if res.MaxError != 0x1p-19 || math.Abs(res.Fraction-0.4768) > 1e-3 || !strings.HasPrefix(res.Worst, "y[3]") {
		t.Errorf("got %+v", res)
	}
}

func TestSameBits(t *testing.T) {
	trial, err := NewTrial(&device{}, kernels.Case{Name: "double", Kernel: double{9}})
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.SameBits(&device{}, &device{}); err != nil {
		t.Error(err)
	}
	if err := trial.SameBits(&device{}, &device{fault: "imprecise"}); err == nil || !strings.Contains(err.Error(), "y [4] differs") {
		t.Errorf("got %v", err)
	}
}

func TestZeroToleranceComparesBits(t *testing.T) {
	b := func(v float64) []byte {
		b := make([]byte, 4)
		kernels.F32.SetValue(b, 0, v)
		return b
	}
	negZero := math.Copysign(0, -1)
	for _, c := range []struct {
		tol       kernels.Tolerance
		got, want float64
		equal     bool
	}{
		{kernels.Tolerance{}, 0, negZero, false},
		{kernels.Tolerance{Rel: 1}, 0, negZero, true},
		{kernels.Tolerance{}, math.NaN(), math.NaN(), true},
		{kernels.Tolerance{Rel: 1}, math.Inf(1), math.Inf(-1), false},
		{kernels.Tolerance{Abs: 1}, math.NaN(), 0, false},
		{kernels.Tolerance{Abs: 1}, 1, 1.5, true},
	} {
		if f := fraction(c.tol, kernels.F32, b(c.got), b(c.want), 0, 1); (f <= 1) != c.equal {
			t.Errorf("tolerance %+v, got %v, want %v: fraction %v", c.tol, c.got, c.want, f)
		}
	}
}

func TestFillsAreDeterministicAndInRange(t *testing.T) {
	o := kernels.Operand{Name: "i", Type: kernels.I64, Shape: []int{100}}
	f := kernels.Fill{Kind: kernels.Ints, Lo: -3, Hi: 5}
	a, err := Input("c", o, f)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Input("c", o, f)
	other, _ := Input("d", o, f)
	if string(a) != string(b) || string(a) == string(other) {
		t.Error("inputs must depend on the case's name, and on nothing else")
	}
	seen := map[float64]bool{}
	for i := range 100 {
		seen[o.Type.Value(a, i)] = true
	}
	if len(seen) != 8 || !seen[-3] || !seen[4] {
		t.Errorf("integers in [-3, 5): saw %v", seen)
	}
}

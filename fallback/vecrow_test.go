package fallback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"palladio/kernels"
)

// rowLengths are what the row routines are tested on: around every multiple of a vector and of an unrolled loop, and beyond a block.
var rowLengths = []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 1000, 2047, 2048, 2049, 5001}

// TestRowRoutines compares the reductions of rows with plain sums, at every level and on misaligned rows.
func TestRowRoutines(t *testing.T) {
	for _, l := range Levels() {
		testRows(t, l, vecF32(l), kernels.F32)
		testRows(t, l, vecF64(l), kernels.F64)
	}
}

func testRows[T real](t *testing.T, l Level, v *vecmath[T], typ kernels.DType) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range rowLengths {
		for shift := range 3 {
			a, b, y := make([]T, n+shift)[shift:], make([]T, n+shift)[shift:], make([]T, n)
			var sum, sq, dot, dev, exps, sumAbs float64
			for i := range a {
				a[i], b[i] = T(rng.NormFloat64()), T(rng.NormFloat64())
				x := float64(a[i])
				sum, sq, dot, dev, exps = sum+x, sq+x*x, dot+x*float64(b[i]), dev+(x-0.25)*(x-0.25), exps+math.Exp(x-3)
				sumAbs += math.Abs(x) * math.Max(1, math.Abs(float64(b[i])))
			}
			near := func(what string, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > 16*typ.Epsilon()*(sumAbs+sq+1) {
					t.Errorf("%s %s %s of %d at %d: %v, want %v", l, typ, what, n, shift, got, want)
				}
			}
			near("sum", v.sum(a), sum)
			near("sumSq", v.sumSq(a), sq)
			near("dot", v.dot(a, b), dot)
			near("sqDev", v.sqDev(a, 0.25), dev)
			near("expSum", v.expSum(y, a, 3), exps)
			for i := range a {
				near("exp", float64(y[i]), math.Exp(float64(a[i])-3))
			}
			v.axpy(y, a, 2, b)
			near("axpy", float64(y[n-1]), 2*float64(a[n-1])+float64(b[n-1]))
			v.scaleShift(y, a, 2, -1)
			near("scaleShift", float64(y[n-1]), 2*float64(a[n-1])-1)
		}
	}
}

// TestRowExtremes puts the largest, the smallest and a NaN at every position of a row.
func TestRowExtremes(t *testing.T) {
	for _, l := range Levels() {
		v := vecF32(l)
		for _, n := range rowLengths[:20] {
			a := make([]float32, n)
			for at := range n {
				for _, x := range []float32{5, -5, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
					a[at] = x
					wantMax, wantMin := max(x, 0), min(x, 0)
					if n == 1 {
						wantMax, wantMin = x, x
					}
					same := func(a, b float32) bool { return a == b || a != a && b != b }
					if got := v.max(a); !same(got, wantMax) {
						t.Fatalf("%s max of %d with %v at %d: %v", l, n, x, at, got)
					}
					if got := v.min(a); !same(got, wantMin) {
						t.Fatalf("%s min of %d with %v at %d: %v", l, n, x, at, got)
					}
					a[at] = 0
				}
			}
		}
	}
}

// TestStreamCopy copies rows of every length and alignment and looks at what lies around them.
func TestStreamCopy(t *testing.T) {
	const guard = 40
	for _, l := range Levels() {
		v := vecF32(l)
		for _, n := range append(rowLengths, 0) {
			for shift := range 17 {
				src, dst := make([]float32, n+1), make([]float32, guard+shift+n+guard)
				for i := range src {
					src[i] = float32(i + 1)
				}
				if n > 0 {
					v.streamCopy(&dst[guard+shift], &src[0], n)
					v.fence()
				}
				for i, x := range dst {
					want := float32(0)
					if j := i - guard - shift; j >= 0 && j < n {
						want = src[j]
					}
					if x != want {
						t.Fatalf("%s: %d elements at %d: element %d is %v, want %v", l, n, shift, i-guard-shift, x, want)
					}
				}
			}
		}
	}
}

// TestElementwiseSteadyState requires that runs allocate nothing.
func TestElementwiseSteadyState(t *testing.T) {
	shape := []int{64, 100}
	row, err := kernels.Broadcast([]int{100}, shape)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range Levels() {
		d := newDevice(t, AtLevel(l), Threads(2))
		for _, k := range []kernels.Kernel{
			kernels.Map(kernels.F32, kernels.Add, []int{1 << 17}),
			kernels.Map(kernels.F32, kernels.Sin, []int{5000}),
			kernels.Elementwise{Type: kernels.F32, Shape: shape, Inputs: []kernels.EltInput{
				{Type: kernels.F32, Strides: kernels.DenseStrides(shape)}, {Type: kernels.Bool, Strides: row}},
				Code:    []kernels.Instr{{Op: kernels.Mul, A: 0, B: 1}, {Op: kernels.Exp, A: 2}, {Op: kernels.Gt, A: 3, B: 0}},
				Outputs: []kernels.EltOutput{{Type: kernels.F32, Value: 3}, {Type: kernels.Bool, Value: 4}}},
			kernels.Reduce{Op: kernels.ReduceSum, Type: kernels.F32, Shape: []int{1 << 17}, Axes: []int{0}},
			kernels.Reduce{Op: kernels.ReduceMean, Type: kernels.F32, Shape: []int{500, 60}, Axes: []int{0}},
			kernels.Reduce{Op: kernels.ReduceLogSumExp, Type: kernels.F32, Shape: []int{500, 60}, Axes: []int{0}},
			kernels.Reduce{Op: kernels.ReduceLogSumExp, Type: kernels.F32, Shape: []int{50, 600}, Axes: []int{1}},
			kernels.ArgReduce{Type: kernels.F32, Index: kernels.I32, Shape: []int{30, 40, 50}, Axis: 1},
		} {
			e, err := d.Prepare(k)
			if err != nil {
				t.Fatal(err)
			}
			var args []kernels.Arg
			for _, o := range k.Operands() {
				m, err := d.Alloc(o.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, m.Arg(0, o.Bytes()))
			}
			m, err := d.Alloc(e.Workspace())
			if err != nil {
				t.Fatal(err)
			}
			work := m.Arg(0, e.Workspace())
			if n := allocations(20, func() { err = e.Run(args, work) }); n > 0 || err != nil {
				t.Errorf("%s on %s: %v allocations a run, error %v", k, d.Name(), n, fmt.Sprint(err))
			}
		}
	}
}

// TestElementwiseLarge adds tensors that are too large for the caches, at odd offsets, and over one of the inputs.
func TestElementwiseLarge(t *testing.T) {
	const n = 8<<20 + 13
	a, b, c := make([]float32, n+2), make([]float32, n+2), make([]float32, n+2)
	for i := range a {
		a[i], b[i] = float32(i%1000), float32(i%77)
	}
	for _, l := range Levels() {
		e, err := newDevice(t, AtLevel(l), Threads(2)).Prepare(kernels.Map(kernels.F32, kernels.Add, []int{n}))
		if err != nil {
			t.Fatal(err)
		}
		m, err := kernels.AllocHost(e.Workspace())
		if err != nil {
			t.Fatal(err)
		}
		work := m.Arg(0, e.Workspace())
		for _, over := range []bool{false, true} {
			out := c
			if over {
				out = append([]float32(nil), a...)
			}
			x := a
			if over {
				x = out
			}
			args := []kernels.Arg{kernels.HostArg(x[1 : n+1]), kernels.HostArg(b[:n]), kernels.HostArg(out[1 : n+1])}
			if err := e.Run(args, work); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if want := a[i+1] + b[i]; out[i+1] != want {
					t.Fatalf("%s over=%v: element %d is %v, want %v", l, over, i, out[i+1], want)
				}
			}
			if out[0] != 0 && !over || out[n+1] != 0 && !over {
				t.Fatalf("%s: wrote beside the output", l)
			}
		}
	}
}

package ref

import (
	"math"
	"math/rand/v2"
	"testing"

	"palladio/kernels"
)

// call runs a kernel on float64 operands (labels as given), all of whose outputs are fresh, and returns the outputs by name.
func call(t *testing.T, k kernels.Kernel, in map[string][]float64) map[string][]float64 {
	t.Helper()
	exec, err := New().Prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]float64)
	var args []kernels.Arg
	for _, o := range k.Operands() {
		v := make([]float64, o.Elems())
		if o.Dir == kernels.Out {
			out[o.Name] = v
		} else if given, ok := in[o.Name]; !ok {
			t.Fatalf("%s: no value for %s", k, o)
		} else {
			copy(v, given)
		}
		a := kernels.HostArg(v)
		if o.Type == kernels.I32 {
			a = kernels.HostArg(make([]int32, len(v)))
			ints := kernels.Slice[int32](a)
			for i := range v {
				ints[i] = int32(v[i])
			}
			defer func() {
				for i := range v {
					v[i] = float64(ints[i])
				}
			}()
		}
		args = append(args, a)
	}
	if err := exec.Run(args, kernels.Arg{}); err != nil {
		t.Fatal(err)
	}
	return out
}

func gaussian(n int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return v
}

// checkGradient compares a gradient with central differences of Σ dy·y, where f gives y for the present contents of x.
func checkGradient(t *testing.T, what string, x, dy, got []float64, f func() []float64) {
	t.Helper()
	const h = 1e-5
	value := func() float64 {
		s := 0.0
		for i, v := range f() {
			s += dy[i] * v
		}
		return s
	}
	for i := range x {
		old := x[i]
		x[i] = old + h
		up := value()
		x[i] = old - h
		down := value()
		x[i] = old
		if want := (up - down) / (2 * h); math.Abs(got[i]-want) > 1e-6*(1+math.Abs(want)) {
			t.Errorf("%s: gradient %d is %v, by differences %v", what, i, got[i], want)
		}
	}
}

func TestNormGradients(t *testing.T) {
	for kind := kernels.BatchTraining; kind <= kernels.InstanceNorm; kind++ {
		for _, act := range []kernels.EltOp{kernels.NoOp, kernels.ReLU} {
			k := kernels.NewNorm(kind, 2, 5, 6, 2)
			k.Type, k.Bias, k.Act, k.Eps = kernels.F64, true, act, 0.1
			in := map[string][]float64{"x": gaussian(60, 1), "scale": gaussian(6, 2), "bias": gaussian(6, 3), "dy": gaussian(60, 4),
				"running_mean": gaussian(6, 5), "running_var": {1, 2, 0.5, 1, 3, 1}}
			fwd := call(t, k, in)
			in["mean"], in["invstd"] = fwd["mean"], fwd["invstd"]
			back := call(t, kernels.NormBackward{Of: k}, in)
			for _, p := range []string{"x", "scale", "bias"} {
				checkGradient(t, k.String()+" "+p, in[p], in["dy"], back["d"+p], func() []float64 { return call(t, k, in)["y"] })
			}
		}
	}
}

func TestSoftmaxGradients(t *testing.T) {
	for _, log := range []bool{false, true} {
		k := kernels.Softmax{Type: kernels.F64, Outer: 2, Len: 4, Inner: 3, Log: log}
		in := map[string][]float64{"x": gaussian(24, 1), "dy": gaussian(24, 2)}
		in["y"] = call(t, k, in)["y"]
		back := call(t, kernels.SoftmaxBackward{Of: k}, in)
		checkGradient(t, k.String(), in["x"], in["dy"], back["dx"], func() []float64 { return call(t, k, in)["y"] })
	}
}

func TestCrossEntropyGradients(t *testing.T) {
	for _, k := range []kernels.CrossEntropy{
		{Type: kernels.F64, N: 4, C: 3, Labels: kernels.I32},
		{Type: kernels.F64, N: 4, C: 3, Labels: kernels.I32, Smoothing: 0.2, Ignore: true, IgnoreIndex: 2},
		{Type: kernels.F64, N: 4, C: 3, Labels: kernels.F64, Smoothing: 0.1},
	} {
		in := map[string][]float64{"logits": gaussian(12, 1), "labels": {0, 2, 1, 2}, "probabilities": gaussian(12, 2), "dmean": {1.7}, "dlosses": gaussian(4, 3)}
		in["lse"] = call(t, k, in)["lse"]
		back := call(t, kernels.CrossEntropyBackward{Of: k}, in)
		checkGradient(t, k.String(), in["logits"], in["dmean"], back["dlogits"], func() []float64 { return call(t, k, in)["mean"] })
		back = call(t, kernels.CrossEntropyBackward{Of: k, PerSample: true}, in)
		checkGradient(t, k.String()+" per sample", in["logits"], in["dlosses"], back["dlogits"], func() []float64 { return call(t, k, in)["losses"] })
	}
}

func TestPoolGradients(t *testing.T) {
	for _, kind := range []kernels.PoolKind{kernels.MaxPool, kernels.AvgPool} {
		a, err := kernels.NewPool(kind, []int{2, 5, 4, 2}, []int{3, 2}, kernels.PoolOptions{Stride: []int{2, 1}, PadLo: []int{1, 1}, Ceil: true, CountPad: kind == kernels.AvgPool})
		if err != nil {
			t.Fatal(err)
		}
		b, err := kernels.NewAdaptivePool(kind, []int{1, 5, 7, 2}, []int{3, 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []kernels.Pool{a, b} {
			k.Type = kernels.F64
			in := map[string][]float64{"x": gaussian(kernels.Elems(k.ImageShape()), 1), "dy": gaussian(kernels.Elems(k.ResultShape()), 2)}
			in["argmax"] = call(t, k, in)["argmax"]
			back := call(t, kernels.PoolBackward{Of: k}, in)
			checkGradient(t, k.String(), in["x"], in["dy"], back["dx"], func() []float64 { return call(t, k, in)["y"] })
		}
	}
}

func TestResizeGradients(t *testing.T) {
	for _, mode := range []kernels.ResizeMode{kernels.Nearest, kernels.Linear} {
		for grid := kernels.HalfPixel; grid <= kernels.Asymmetric; grid++ {
			for _, to := range [][]int{{2, 3}, {7, 9}} {
				k, err := kernels.NewResize(mode, grid, []int{2, 4, 5, 2}, to)
				if err != nil {
					t.Fatal(err)
				}
				k.Type = kernels.F64
				in := map[string][]float64{"x": gaussian(80, 1), "dy": gaussian(kernels.Elems(k.ResultShape()), 2)}
				back := call(t, kernels.ResizeBackward{Of: k}, in)
				checkGradient(t, k.String(), in["x"], in["dy"], back["dx"], func() []float64 { return call(t, k, in)["y"] })
			}
		}
	}
}

// TestLossPrograms compares the element-wise losses with their definitions, and their gradients with differences.
func TestLossPrograms(t *testing.T) {
	shape := []int{3, 4}
	x, y := gaussian(12, 1), gaussian(12, 2)
	probabilities, targets := make([]float64, 12), make([]float64, 12)
	for i := range x {
		probabilities[i] = math.Abs(y[i]) / 10
		targets[i] = 1 / (1 + math.Exp(y[i]))
	}
	probabilities[3] = 0
	const delta = 0.7
	huber, err := kernels.HuberLoss(kernels.F64, shape, delta, kernels.LossBatchMean)
	if err != nil {
		t.Fatal(err)
	}
	make := func(f func(kernels.DType, []int, kernels.LossReduction) (kernels.Loss, error), r kernels.LossReduction) kernels.Loss {
		l, err := f(kernels.F64, shape, r)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		name   string
		loss   kernels.Loss
		target []float64
		want   func(x, y float64) float64
		scale  float64
	}{
		{"mse", make(kernels.MSELoss, kernels.LossMean), y, func(x, y float64) float64 { return (x - y) * (x - y) }, 1. / 12},
		{"mse per element", make(kernels.MSELoss, kernels.LossPerElement), y, func(x, y float64) float64 { return (x - y) * (x - y) }, 1},
		{"l1", make(kernels.L1Loss, kernels.LossSum), y, func(x, y float64) float64 { return math.Abs(x - y) }, 1},
		{"huber", huber, y, func(x, y float64) float64 {
			if a := math.Abs(x - y); a > delta {
				return delta * (a - delta/2)
			}
			return (x - y) * (x - y) / 2
		}, 1. / 3},
		{"kl", make(kernels.KLLoss, kernels.LossBatchMean), probabilities, func(x, y float64) float64 {
			if y == 0 {
				return 0
			}
			return y * (math.Log(y) - x)
		}, 1. / 3},
		{"bce", make(kernels.BCEWithLogitsLoss, kernels.LossMean), targets, func(x, y float64) float64 {
			s := 1 / (1 + math.Exp(-x))
			return -y*math.Log(s) - (1-y)*math.Log(1-s)
		}, 1. / 12},
	} {
		in := map[string][]float64{"in0": x, "in1": c.target}
		value := func() []float64 {
			v := call(t, c.loss.Values, in)["out0"]
			if c.loss.Total != nil {
				return call(t, *c.loss.Total, map[string][]float64{"in": v})["out"]
			}
			return v
		}
		total := 0.0
		for i := range x {
			total += c.scale * c.want(x[i], c.target[i])
		}
		got := 0.0
		for _, v := range value() {
			got += v
		}
		if math.Abs(got-total) > 1e-12*math.Abs(total) {
			t.Errorf("%s is %v, want %v", c.name, got, total)
		}
		upstream := []float64{1.3}
		if c.loss.Total == nil {
			upstream = gaussian(12, 3)
		}
		in["in2"] = upstream
		checkGradient(t, c.name, x, upstream, call(t, c.loss.Gradient, in)["out0"], value)
	}
}

// TestLossesStayFinite asks for exact values where naive formulas overflow or cancel.
func TestLossesStayFinite(t *testing.T) {
	l, err := kernels.BCEWithLogitsLoss(kernels.F64, []int{4}, kernels.LossPerElement)
	if err != nil {
		t.Fatal(err)
	}
	got := call(t, l.Values, map[string][]float64{"in0": {1e4, -1e4, 1e4, 40}, "in1": {1, 0, 0, 1}})["out0"]
	for i, want := range []float64{0, 0, 1e4, math.Exp(-40)} {
		if math.Abs(got[i]-want) > 1e-12*want {
			t.Errorf("loss %d is %v, want %v", i, got[i], want)
		}
	}
}

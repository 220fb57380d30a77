package op

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// TestMerging checks which nodes gorgonia takes for one.
func TestMerging(t *testing.T) {
	g := gorgonia.NewGraph()
	x, y := newNode(g, tensor.Float64, "x", []int{2, 3}), newNode(g, tensor.Float64, "y", []int{2, 3})
	must := func(n *gorgonia.Node, err error) *gorgonia.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	same := [][2]*gorgonia.Node{
		{must(Exp(x)), must(Exp(x))}, {must(Scale(x, 2)), must(Scale(x, 2))}, {must(Dropout(x, 0.5, 1)), must(Dropout(x, 0.5, 1))},
		{must(Constant(g, tensor.Float32, []float64{1, 2}, 2)), must(Constant(g, tensor.Float32, []float64{1, 2}, 2))},
	}
	for i, p := range same {
		if p[0] != p[1] {
			t.Errorf("pair %d (%s): equal operators are two nodes", i, p[0].Name())
		}
	}
	max := func(w int) *gorgonia.Node {
		v := newNode(g, tensor.Float64, "image", []int{1, 4, 4, 2})
		return must(MaxPool(v, []int{w, 2}, PoolOptions{Stride: []int{2, 2}}))
	}
	different := []*gorgonia.Node{
		must(Exp(x)), must(Exp(y)), must(Sin(x)), must(Scale(x, 2)), must(Scale(x, 3)), must(Scale(y, 3)), must(Shift(x, 3)),
		must(Dropout(x, 0.5, 1)), must(Dropout(x, 0.5, 2)), must(Dropout(x, 0.4, 1)), must(DropPath(x, 0.5, 1)),
		must(Sum(x, false, 0)), must(Sum(x, false, 1)), must(Mean(x, false, 0)), must(Sub(x, y)), must(Sub(y, x)),
		must(Transpose(x)), must(Reshape(x, 3, 2)), must(Softmax(x, 0)), must(Softmax(x, 1)), must(LogSoftmax(x, 1)), max(1), max(2),
		must(Slice(x, Range{Start: 0, Count: 1, Step: 1}, Range{Start: 0, Count: 3, Step: 1})), must(Slice(x, Range{Start: 1, Count: 1, Step: 1}, Range{Start: 0, Count: 3, Step: 1})),
		must(RandomUniform(g, tensor.Float32, 1, 0, 1, 4)), must(RandomUniform(g, tensor.Float32, 2, 0, 1, 4)), must(RandomUniform(g, tensor.Float32, 1, 0, 2, 4)),
		must(RandomNormal(g, tensor.Float32, 1, 0, 1, 4)), must(RandomUniform(g, tensor.Float32, 1, 0, 1, 2, 2)),
		must(Constant(g, tensor.Float32, []float64{1, 2}, 2)), must(Constant(g, tensor.Float32, []float64{1, 3}, 2)), must(Constant(g, tensor.Float64, []float64{1, 2}, 2)),
	}
	for i, a := range different {
		for j, b := range different[:i] {
			if a == b {
				t.Errorf("operators %d and %d (%s) are one node", j, i, a.Name())
			}
		}
	}
	values, positions, err := Sort(x, 1, false)
	if err != nil || values == positions {
		t.Errorf("a sort's outputs: %v, %v, %v", values, positions, err)
	}
}

// TestDropoutStreams wants masks that differ between streams and steps, and agree between a pass and its gradient.
func TestDropoutStreams(t *testing.T) {
	g := gorgonia.NewGraph()
	x := newNode(g, tensor.Float64, "x", []int{64})
	ones := input{shape: []int{64}, values: []float64{1}}.fill(nil)
	mask := func(stream uint32, step uint64) []float64 {
		y, err := Dropout(x, 0.5, stream)
		if err != nil {
			t.Fatal(err)
		}
		e := newEvaluator(true, map[*gorgonia.Node][]byte{x: bytesOf(ones)})
		kernels.Slice[uint64](e.tensors[e.counter.ID])[1] = step
		v, err := e.float64s(y)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	a := mask(1, 0)
	if !slices.Equal(a, mask(1, 0)) {
		t.Error("the same stream and step give different masks")
	}
	if slices.Equal(a, mask(2, 0)) || slices.Equal(a, mask(1, 1)) {
		t.Error("another stream or step gives the same mask")
	}
}

// TestShapeErrors wants errors when the graph is built that say what was given.
func TestShapeErrors(t *testing.T) {
	g := gorgonia.NewGraph()
	f := func(name string, shape ...int) *gorgonia.Node { return newNode(g, tensor.Float64, name, shape) }
	other := newNode(gorgonia.NewGraph(), tensor.Float64, "other", []int{2, 3})
	single, ints := newNode(g, tensor.Float32, "single", []int{2, 3}), newNode(g, tensor.Int64, "ints", []int{2, 3})
	x, v, image := f("x", 2, 3), f("v", 4), f("image", 1, 4, 4, 3)
	for i, c := range []struct {
		make func() (*gorgonia.Node, error)
		want string
	}{
		{func() (*gorgonia.Node, error) { return Add(x, v) }, "do not broadcast"},
		{func() (*gorgonia.Node, error) { return Add(x, nil) }, "input 1: node is nil"},
		{func() (*gorgonia.Node, error) { return Add(x, single) }, "cast one"},
		{func() (*gorgonia.Node, error) { return Add(x, other) }, "another graph"},
		{func() (*gorgonia.Node, error) { return Exp(ints) }, "want f32 or f64"},
		{func() (*gorgonia.Node, error) { return Scale(x, math.NaN()) }, "NaN"},
		{func() (*gorgonia.Node, error) { return ClampConst(x, 1, 0) }, "empty"},
		{func() (*gorgonia.Node, error) { return Chain("bad", []kernels.Instr{{Op: kernels.Exp, A: 3}}, x) }, "reads value 3"},
		{func() (*gorgonia.Node, error) { return Chain("none", nil, x) }, "no steps"},
		{func() (*gorgonia.Node, error) { return Sum(x, false, 2) }, "axis 2"},
		{func() (*gorgonia.Node, error) { return Sum(x, false, 1, -1) }, "given twice"},
		{func() (*gorgonia.Node, error) { return Max(f("empty", 0, 3), false, 0) }, "no elements"},
		{func() (*gorgonia.Node, error) { return Reshape(x, 4, -1) }, "do not divide"},
		{func() (*gorgonia.Node, error) { return Reshape(x, 5) }, "has 6"},
		{func() (*gorgonia.Node, error) { return BroadcastTo(x, 3, 2) }, "does not broadcast"},
		{func() (*gorgonia.Node, error) { return MatMul(x, x, false, false) }, "inner extents 3 and 2"},
		{func() (*gorgonia.Node, error) { return MatMul(x, v, false, false) }, "two axes"},
		{func() (*gorgonia.Node, error) { return MatMul(f("a", 2, 2, 3), f("b", 5, 3, 2), false, false) }, "broadcast"},
		{func() (*gorgonia.Node, error) { return Linear(x, f("w", 4, 2), nil) }, "[out, in]"},
		{func() (*gorgonia.Node, error) { return Linear(x, f("w2", 4, 3), f("bias", 3)) }, "want [4]"},
		{func() (*gorgonia.Node, error) { return Conv2D(x, x, nil, ConvOptions{}) }, "want 4 axes"},
		{func() (*gorgonia.Node, error) { return Conv2D(image, f("k", 2, 3, 3, 2), nil, ConvOptions{}) }, "channels"},
		{func() (*gorgonia.Node, error) { return Conv2D(image, f("k2", 2, 3, 3, 3), v, ConvOptions{}) }, "want [2]"},
		{func() (*gorgonia.Node, error) { return Conv2D(image, f("k3", 2, 9, 3, 3), nil, ConvOptions{}) }, "does not fit"},
		{func() (*gorgonia.Node, error) { return MaxPool(image, []int{5, 2}, PoolOptions{}) }, "does not fit"},
		{func() (*gorgonia.Node, error) { return BatchNorm(image, v, nil, nil, nil, NormOptions{}) }, "want [3]"},
		{func() (*gorgonia.Node, error) { return BatchNorm(image, nil, nil, f("mean", 3), nil, NormOptions{}) }, "both or none"},
		{func() (*gorgonia.Node, error) { return BatchNorm(f("row", 1, 3), nil, nil, nil, nil, NormOptions{}) }, "at least 2"},
		{func() (*gorgonia.Node, error) { return SoftmaxCrossEntropy(x, v, CrossEntropyOptions{}) }, "class numbers [2]"},
		{func() (*gorgonia.Node, error) { return MSE(x, v, MeanAll) }, "differ"},
		{func() (*gorgonia.Node, error) { return Huber(x, x, 0, MeanAll) }, "delta"},
		{func() (*gorgonia.Node, error) { return Concat(0) }, "nothing"},
		{func() (*gorgonia.Node, error) { return Concat(0, x, single) }, "part 1 is f32"},
		{func() (*gorgonia.Node, error) { return SliceAxis(x, 1, 2, 4) }, "elements 2 to 4"},
		{func() (*gorgonia.Node, error) { return Gather(x, v, 0) }, "index is f64"},
		{func() (*gorgonia.Node, error) { return Embedding(v, ints) }, "matrix"},
		{func() (*gorgonia.Node, error) { return TakeAlong(image, ints, 1) }, "differ"},
		{func() (*gorgonia.Node, error) { return firstOf(TopK(x, 1, 4, false)) }, "4 of the 3"},
		{func() (*gorgonia.Node, error) { return Dropout(x, 2, 1) }, "probability"},
		{func() (*gorgonia.Node, error) { return RandomUniform(nil, tensor.Float32, 1, 0, 1, 2) }, "want a graph"},
		{func() (*gorgonia.Node, error) { return Constant(g, tensor.Float32, []float64{1}, 2) }, "1 values"},
		{func() (*gorgonia.Node, error) { return Cast(x, tensor.Complex64) }, "no element type"},
		{func() (*gorgonia.Node, error) { return gradOf(x, x) }, "scalar"},
	} {
		if n, err := c.make(); err == nil || n != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("case %d: node %v, error %v; want an error with %q", i, n, err, c.want)
		}
	}
}

func gradOf(cost *gorgonia.Node, wrt ...*gorgonia.Node) (*gorgonia.Node, error) {
	ds, err := Grad(cost, wrt...)
	if err != nil {
		return nil, err
	}
	return ds[0], nil
}

// TestForeignMachine wants a clear answer from an operator that gorgonia's own machine runs.
func TestForeignMachine(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewVector(g, tensor.Float64, gorgonia.WithShape(2), gorgonia.WithName("x"), gorgonia.WithValue(tensor.New(tensor.WithBacking([]float64{1, 2}))))
	if _, err := Exp(x); err != nil {
		t.Fatal(err)
	}
	vm := gorgonia.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), ErrNoMachine.Error()) {
		t.Errorf("the tape machine says %v", err)
	}
	if !errors.Is(func() error { _, err := (&operator{}).Do(); return err }(), ErrNoMachine) {
		t.Error("Do does not wrap ErrNoMachine")
	}
}

// TestGradPrunes wants no gradient for what nobody asked about, and the same node for the same question.
func TestGradPrunes(t *testing.T) {
	g := gorgonia.NewGraph()
	x, w := newNode(g, tensor.Float64, "x", []int{1, 6, 6, 2}), newNode(g, tensor.Float64, "w", []int{3, 3, 3, 2})
	y, err := Conv2D(x, w, nil, ConvOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cost, err := Sum(y, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Grad(cost, w); err != nil {
		t.Fatal(err)
	}
	for _, n := range g.AllNodes() {
		if strings.Contains(n.Name(), "conv_backward_data") {
			t.Errorf("the image's gradient was built: %s", n.Name())
		}
	}
	if d := w.Deriv(); d == nil || !slices.Equal([]int(d.Shape()), []int{3, 3, 3, 2}) {
		t.Errorf("the filter's Deriv is %v", d)
	}
}

// FuzzBroadcastShape compares with the rule spelled out.
func FuzzBroadcastShape(f *testing.F) {
	f.Add([]byte{1, 3}, []byte{2, 1})
	f.Add([]byte{4}, []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) > 8 || len(b) > 8 {
			return
		}
		shape := func(v []byte) []int {
			s := make([]int, len(v))
			for i, e := range v {
				s[i] = int(e % 4)
			}
			return s
		}
		sa, sb := shape(a), shape(b)
		got, err := BroadcastShape(sa, sb)
		for i := 1; i <= max(len(sa), len(sb)); i++ {
			ea, eb := 1, 1
			if i <= len(sa) {
				ea = sa[len(sa)-i]
			}
			if i <= len(sb) {
				eb = sb[len(sb)-i]
			}
			if ea != eb && ea != 1 && eb != 1 {
				if err == nil {
					t.Fatalf("%v and %v broadcast to %v", sa, sb, got)
				}
				return
			}
			if err != nil {
				continue
			}
			if want := ea * eb; ea == eb && got[len(got)-i] != ea || ea != eb && got[len(got)-i] != want {
				t.Fatalf("%v and %v broadcast to %v", sa, sb, got)
			}
		}
		if err != nil {
			t.Fatalf("%v and %v: %v", sa, sb, err)
		}
	})
}

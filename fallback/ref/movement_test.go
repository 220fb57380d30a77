package ref

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"palladio/kernels"
)

// outputs runs a kernel on the reference and returns its outputs, printed.
func outputs(t *testing.T, k kernels.Kernel, err error, args ...any) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	e, err := New().Prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	var as []kernels.Arg
	for _, a := range args {
		switch a := a.(type) {
		case []float32:
			as = append(as, kernels.HostArg(a))
		case []float64:
			as = append(as, kernels.HostArg(a))
		case []int32:
			as = append(as, kernels.HostArg(a))
		}
	}
	if err := kernels.CheckArgs(k, as); err != nil {
		t.Fatal(err)
	}
	if err := e.Run(as, kernels.Arg{}); err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, o := range k.Operands() {
		if o.Dir != kernels.In {
			out = append(out, fmt.Sprint(args[i]))
		}
	}
	return out
}

// TestMovementByHand compares the reference with results worked out by hand.
func TestMovementByHand(t *testing.T) {
	const f, x = kernels.F32, kernels.I32
	nan := float32(math.NaN())
	in := []float32{0, 1, 2, 3, 4, 5} // 2×3
	s := []int{2, 3}
	out := func(n int) []float32 { return make([]float32, n) }
	move := func(name string, want string) func(k kernels.Move, err error) {
		return func(k kernels.Move, err error) {
			t.Helper()
			if got := outputs(t, k, err, in, out(kernels.Elems(k.Dst.Shape)))[0]; got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
	move("transpose", "[0 3 1 4 2 5]")(kernels.Transpose(f, s, []int{1, 0}))
	move("slice", "[5 3]")(kernels.Sliced(f, s, []kernels.Range{{Start: 1, Count: 1, Step: 1}, {Start: 2, Count: 2, Step: -2}}))
	move("flip", "[2 1 0 5 4 3]")(kernels.Flip(f, s, 1))
	move("repeat", "[0 0 1 1 2 2 3 3 4 4 5 5]")(kernels.Repeat(f, s, 1, 2))
	move("tile", "[0 1 2 0 1 2 3 4 5 3 4 5]")(kernels.Tile(f, s, 1, 2))
	move("tile rows", "[0 1 2 3 4 5 0 1 2 3 4 5]")(kernels.Tile(f, s, 0, 2))
	move("pad", "[9 0 1 2 9 9 3 4 5 9]")(kernels.PadConstant(f, s, []int{0, 1}, []int{0, 1}, 9))
	move("unslice", "[0 2 0 1 0 0 0 5 0 4 0 3]")(kernels.Unslice(f, []int{2, 6}, []kernels.Range{{Count: 2, Step: 1}, {Start: 5, Count: 3, Step: -2}}))

	type row struct {
		name string
		k    kernels.Kernel
		args []any
		want []string
	}
	adam := kernels.Adam{Step: kernels.Step{Type: kernels.F64, N: 1}, Beta1: 0.5, Beta2: 0.75}
	for _, c := range []row{
		{"concat", kernels.Concat{Type: f, Outer: 2, Inner: 1, Parts: []int{1, 2}}, []any{[]float32{8, 9}, []float32{1, 2, 3, 4}, out(6)}, []string{"[8 1 2 9 3 4]"}},
		{"edge", kernels.Pad{Type: f, Mode: kernels.PadEdge, Shape: []int{3}, Before: []int{2}, After: []int{1}}, []any{[]float32{1, 2, 3}, out(6)}, []string{"[1 1 1 2 3 3]"}},
		{"reflect", kernels.Pad{Type: f, Mode: kernels.PadReflect, Shape: []int{3}, Before: []int{2}, After: []int{1}}, []any{[]float32{1, 2, 3}, out(6)}, []string{"[3 2 1 2 3 2]"}},
		{"wrap", kernels.Pad{Type: f, Mode: kernels.PadWrap, Shape: []int{3}, Before: []int{2}, After: []int{1}}, []any{[]float32{1, 2, 3}, out(6)}, []string{"[2 3 1 2 3 1]"}},
		{"reflect backward", kernels.PadBackward{Pad: kernels.Pad{Type: f, Mode: kernels.PadReflect, Shape: []int{3}, Before: []int{2}, After: []int{1}}},
			[]any{[]float32{1, 2, 4, 8, 16, 32}, out(3)}, []string{"[4 42 17]"}},
		{"gather", kernels.Embedding(f, x, 3, 2, 3), []any{[]int32{2, -1, 0}, []float32{1, 2, 3, 4, 5, 6}, out(6)}, []string{"[5 6 0 0 1 2]"}},
		{"along an axis", kernels.Gather{Type: f, Index: x, Outer: 2, Extent: 3, Inner: 1, Count: 2, Batched: true}, []any{[]int32{2, 0, 1, 1}, in, out(4)}, []string{"[2 0 4 4]"}},
		{"scatter-add", kernels.ScatterAdd{Type: f, Index: x, Outer: 1, Extent: 3, Inner: 1, Count: 4, Into: true}, []any{[]int32{2, 0, -1, 2}, []float32{1, 2, 3, 4}, []float32{10, 20, 30}}, []string{"[12 20 35]"}},
		{"one-hot", kernels.OneHot{Type: f, Index: x, Count: 2, Classes: 3, On: 1, Off: 0.5}, []any{[]int32{2, -1}, out(6)}, []string{"[0.5 0.5 1 0.5 0.5 0.5]"}},
		{"sort", kernels.Sort{Type: f, Index: x, Rows: 1, Cols: 5}, []any{[]float32{nan, 2, -1, 2, float32(math.Inf(1))}, out(5), make([]int32, 5)}, []string{"[-1 2 2 +Inf NaN]", "[2 1 3 4 0]"}},
		{"sort descending", kernels.Sort{Type: f, Index: x, Rows: 1, Cols: 4, Descending: true}, []any{[]float32{2, nan, 3, 2}, out(4), make([]int32, 4)}, []string{"[NaN 3 2 2]", "[1 2 0 3]"}},
		{"topk", kernels.TopK{Type: f, Index: x, Rows: 1, Cols: 4, K: 2, Smallest: true}, []any{[]float32{2, 1, 3, 1}, out(2), make([]int32, 2)}, []string{"[1 1]", "[1 3]"}},
		// Adam's first step moves by the learning rate against the gradient's sign, whatever its size.
		{"adam", adam, []any{[]float64{0.1, 1}, []float64{1}, []float64{-1e6}, []float64{2}, []float64{0}, []float64{0}}, []string{"[2.1]", "[-500000]", "[2.5e+11]"}},
		{"sgd", kernels.SGD{Step: kernels.Step{Type: kernels.F64, N: 1}, Momentum: 0.5, WeightDecay: 0.5, Nesterov: true},
			[]any{[]float64{0.25, 1}, []float64{0.5}, []float64{6}, []float64{2}, []float64{4}}, []string{"[0.25]", "[6]"}},
		{"clip", kernels.ClipScale{Type: kernels.F64, Count: 2, MaxNorm: 1}, []any{[]float64{9}, []float64{16}, []float64{0}, []float64{0}}, []string{"[5]", "[0.2]"}},
		{"ema", kernels.EMA{Type: kernels.F64, N: 1}, []any{[]float64{0.75}, []float64{8}, []float64{4}}, []string{"[5]"}},
	} {
		if got := outputs(t, c.k, nil, c.args...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

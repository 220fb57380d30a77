package cuda

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"palladio/cuda/sim/ptx"
	"palladio/kernels"
)

// largeKernels have more elements, rows or steps than 32 bits count, in the families' every form. Their operands fit no memory of a test, so they are lowered only.
func largeKernels(t *testing.T) []kernels.Kernel {
	const huge, odd = 1 << 33, 1<<33 + 5
	f32, u8 := kernels.F32, kernels.U8
	var list []kernels.Kernel
	add := func(k ...kernels.Kernel) { list = append(list, k...) }
	made := func(k kernels.Kernel, err error) {
		check(t, err)
		add(k)
	}
	for _, shape := range [][]int{{huge}, {odd}, {3, odd}, {odd, 3}, {1 << 20, 1 << 14}, {1<<20 + 1, 1<<14 + 1}, {7, 1 << 32, 2}, {1 << 16, 3, 1 << 17}} {
		last := len(shape) - 1
		for axis := range shape {
			for _, typ := range []kernels.DType{f32, kernels.F16} {
				add(kernels.Reduce{Op: kernels.ReduceMax, Type: typ, Shape: shape, Axes: []int{axis}})
				softmax, err := kernels.SoftmaxAlong(typ, shape, axis, false)
				check(t, err)
				add(softmax, kernels.SoftmaxBackward{Of: softmax})
			}
			add(kernels.ArgReduce{Type: f32, Index: kernels.I64, Shape: shape, Axis: axis})
			before, after := make([]int, len(shape)), make([]int, len(shape))
			before[axis], after[axis] = 1, 2
			pad := kernels.Pad{Type: u8, Mode: kernels.PadEdge, Shape: shape, Before: before, After: after}
			add(pad)
			pad.Type = f32
			add(kernels.PadBackward{Pad: pad})
			made(kernels.PadConstant(u8, shape, before, after, 1))
			made(kernels.Flip(u8, shape, axis))
			made(kernels.NewConcat(u8, axis, shape, shape))
			add(kernels.Gather{Type: u8, Index: kernels.I64, Outer: kernels.Elems(shape[:axis]), Extent: shape[axis], Inner: kernels.Elems(shape[axis+1:]), Count: 3},
				kernels.Gather{Type: f32, Index: kernels.I64, Outer: kernels.Elems(shape[:axis]), Extent: 3, Inner: kernels.Elems(shape[axis+1:]), Count: shape[axis], Batched: true},
				kernels.ScatterAdd{Type: f32, Index: kernels.I64, Outer: kernels.Elems(shape[:axis]), Extent: shape[axis], Inner: kernels.Elems(shape[axis+1:]), Count: 3},
				kernels.Dropout{Type: f32, Outer: kernels.Elems(shape[:axis]), Middle: shape[axis], Inner: kernels.Elems(shape[axis+1:]), P: 0.5})
		}
		if last > 0 {
			perm := []int{last}
			for i := range last {
				perm = append(perm, i)
			}
			made(kernels.Transpose(u8, shape, perm))
			rows := kernels.Elems(shape[:last])
			ce := kernels.CrossEntropy{Type: f32, N: rows, C: shape[last], Labels: kernels.I64, Ignore: true, IgnoreIndex: -100}
			add(ce, kernels.CrossEntropyBackward{Of: ce}, kernels.OneHot{Type: u8, Index: kernels.I64, Count: rows, Classes: shape[last], On: 1})
			if shape[last] < math.MaxInt32 {
				sort := kernels.Sort{Type: f32, Index: kernels.I64, Rows: rows, Cols: shape[last]}
				add(sort, kernels.TopK{Type: f32, Index: kernels.I64, Rows: rows, Cols: shape[last], K: 2})
			}
			pool := kernels.Pool{Type: f32, Kind: kernels.MaxPool, N: rows, In: []int{40}, C: shape[last], Adaptive: true, AdaptTo: []int{3}, Argmax: true}
			global := pool
			global.AdaptTo = []int{1}
			resize := kernels.Resize{Type: f32, Mode: kernels.Linear, N: rows, In: []int{4}, Out: []int{9}, C: shape[last]}
			add(pool, kernels.PoolBackward{Of: pool}, global, resize, kernels.ResizeBackward{Of: resize})
		}
		n := kernels.Elems(shape)
		add(kernels.Map(f32, kernels.Add, shape), kernels.Random{Type: f32, Dist: kernels.DistUniform, B: 1, N: min(n, 1<<34)}, kernels.NewAdam(f32, n), kernels.EMA{Type: f32, N: n},
			kernels.Stream{Op: kernels.StreamTriad, Type: f32, N: n, Scalar: 3})
	}
	sparse := kernels.View{Shape: []int{1 << 37}, Strides: []int{1 << 36, 1 << 30}}
	add(kernels.Move{Type: u8, Shape: []int{2, 64}, Src: sparse, Dst: kernels.Dense([]int{2, 64})})
	return list
}

// TestLargeKernels: what is lowered passes no number that its parameter does not hold, has grids that exist, and steps that its tables hold; the rest is
// refused as unsupported.
func TestLargeKernels(t *testing.T) {
	modules := map[string]*ptx.Module{}
	lowered, refused := 0, 0
	for _, k := range largeKernels(t) {
		if k.Validate() != nil {
			continue
		}
		for _, align := range []int{wide, 1} {
			p, err := Lower(k, testLimits, align)
			if err != nil {
				if !errors.Is(err, kernels.ErrUnsupported) {
					t.Errorf("%s: %v", k, err)
				}
				refused++
				continue
			}
			lowered++
			for i := range p.Launches {
				l := &p.Launches[i]
				if err := l.check(testLimits); err != nil {
					t.Logf("%s: refused when it is prepared: %v", k, err)
				}
				m := modules[l.Module.Name]
				if m == nil {
					text, err := l.Module.PTX()
					check(t, err)
					m, err = ptx.Parse(text)
					check(t, err)
					modules[l.Module.Name] = m
				}
				if err := fits(l, m); err != nil {
					t.Errorf("%s, aligned to %d: %v", k, align, err)
				}
			}
		}
	}
	t.Logf("%d lowered, %d refused", lowered, refused)
	if refused > lowered/4 {
		t.Errorf("%d refused of %d", refused, lowered+refused)
	}
}

// fits says whether each number that a launch passes fits its parameter.
func fits(l *Launch, m *ptx.Module) error {
	f := m.Func(l.Entry)
	if f == nil || len(f.Params) != len(l.Args) {
		return fmt.Errorf("%s: %d arguments for its parameters", l.Entry, len(l.Args))
	}
	for i, s := range l.Args {
		if v := int64(s.value); s.kind == scalarSlot && f.Params[i].Size == 4 && v != int64(int32(v)) && v != int64(uint32(v)) {
			return fmt.Errorf("%s: parameter %d of 32 bits is given %d", l.Entry, i, v)
		}
	}
	return nil
}

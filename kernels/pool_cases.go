package kernels

import (
	"fmt"
	"math"
)

// poolCases are the rows of Pool and PoolBackward.
func poolCases() []Case {
	var cs []Case
	add := func(name string, k Pool, err error, x Fill) {
		if err != nil {
			panic(fmt.Sprintf("case pool %s: %v", name, err)) // a fault of this table, found by its own test
		}
		cs = append(cs, Case{"pool " + k.Kind.String() + " " + name, k, map[string]Fill{"x": x}})
		back := Case{"pool_backward " + k.Kind.String() + " " + name, PoolBackward{k}, nil}
		if k.Kind == MaxPool {
			back.Inputs = map[string]Fill{"argmax": somePositions(k)}
		}
		cs = append(cs, back)
	}
	inf := math.Inf(1)
	ties := Fill{Kind: Cycle, Values: []float64{1, 0, 2, 2, -1, 0, 2}}
	odd := Fill{Kind: Cycle, Values: []float64{1, -inf, math.NaN(), 2, inf, -3, 0, -inf, -inf, -inf, 5}}
	for _, kind := range []PoolKind{MaxPool, AvgPool} {
		both := func(name string, image, window []int, o PoolOptions) {
			k, err := NewPool(kind, image, window, o)
			add(name, k, err, Fill{})
		}
		for _, c := range []int{1, 3, 8, 16, 20, 64, 65} {
			both(fmt.Sprintf("2x2 c%d", c), []int{2, 8, 6, c}, []int{2, 2}, PoolOptions{})
			both(fmt.Sprintf("3x3 stride2 padded c%d", c), []int{2, 9, 8, c}, []int{3, 3}, PoolOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}})
		}
		both("2x2 odd map", []int{1, 7, 9, 5}, []int{2, 2}, PoolOptions{})
		both("2x2 odd map ceil", []int{1, 7, 9, 5}, []int{2, 2}, PoolOptions{Ceil: true})
		both("3x3 stride1", []int{1, 6, 7, 9}, []int{3, 3}, PoolOptions{Stride: []int{1, 1}, PadLo: []int{1, 1}})
		both("3x3 stride2 ceil padded", []int{1, 8, 10, 4}, []int{3, 3}, PoolOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}, Ceil: true})
		both("2x3 stride3 gaps", []int{1, 11, 10, 4}, []int{2, 3}, PoolOptions{Stride: []int{3, 4}})
		both("asymmetric padding", []int{1, 5, 5, 6}, []int{3, 2}, PoolOptions{Stride: []int{2, 1}, PadLo: []int{2, 0}, PadHi: []int{0, 1}})
		both("big window", []int{1, 20, 21, 10}, []int{13, 17}, PoolOptions{Stride: []int{3, 2}, PadLo: []int{6, 8}})
		both("1-D", []int{2, 19, 12}, []int{4}, PoolOptions{Stride: []int{3}, PadLo: []int{2}})
		both("3-D", []int{1, 5, 6, 7, 8}, []int{2, 3, 2}, PoolOptions{Stride: []int{2, 1, 2}, PadLo: []int{1, 1, 0}})
		both("one of everything", []int{1, 1, 1, 1}, []int{1, 1}, PoolOptions{})
		both("empty batch", []int{0, 4, 4, 8}, []int{2, 2}, PoolOptions{})
		both("many images", []int{40, 14, 14, 16}, []int{2, 2}, PoolOptions{})
		for _, to := range [][]int{{1, 1}, {2, 3}, {5, 4}, {9, 11}} {
			k, err := NewAdaptivePool(kind, []int{2, 7, 5, 18}, to)
			add(fmt.Sprintf("adaptive %s", dims(to)), k, err, Fill{})
		}
		k, err := NewGlobalPool(kind, []int{3, 28, 28, 40})
		add("global", k, err, Fill{})
		k, err = NewPool(kind, []int{2, 5, 5, 3}, []int{3, 3}, PoolOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}})
		k.Type = F64
		add("f64", k, err, Fill{})
		k.C = 4
		add("f64 c4", k, err, Fill{})
		for _, t := range []DType{F16, BF16} {
			for _, c := range []int{5, 24} {
				k.Type, k.C = t, c
				add(fmt.Sprintf("%s c%d", t, c), k, err, Fill{})
				global, err := NewGlobalPool(kind, []int{2, 9, 8, c})
				global.Type = t
				add(fmt.Sprintf("%s global c%d", t, c), global, err, Fill{})
			}
		}
		for _, t := range []DType{F16, BF16} {
			large, err := NewGlobalPool(kind, []int{1, 128, 80, 8})
			large.Type = t
			add(fmt.Sprintf("%s global large", t), large, err, Fill{})
		}
		k.Type, k.C = F32, 3
		add("NaN and infinities", k, err, odd)
	}
	k, err := NewPool(AvgPool, []int{2, 7, 8, 11}, []int{3, 3}, PoolOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}, Ceil: true, CountPad: true})
	add("count padding", k, err, Fill{})
	k, err = NewPool(MaxPool, []int{2, 8, 8, 19}, []int{3, 3}, PoolOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}})
	add("ties", k, err, ties)
	k.Argmax = false
	cs = append(cs, Case{"pool max without argmax", k, nil}, Case{"pool max without argmax NaN and infinities", k, map[string]Fill{"x": odd}})
	return cs
}

// somePositions is an argmax that a max pooling could have given: for each output some position of its window.
func somePositions(k Pool) Fill {
	out := k.Out()
	var v []float64
	state := uint32(1)
	for range k.N {
		for o := range Elems(out) {
			for range k.C {
				p, flat, scale := o, 0, 1
				for d := len(out) - 1; d >= 0; d-- {
					lo, hi, _ := k.Range(d, p%out[d])
					p /= out[d]
					state = state*1664525 + 1013904223 // Numerical Recipes' generator
					flat += (lo + int(state>>16)%(hi-lo)) * scale
					scale *= k.In[d]
				}
				v = append(v, float64(flat))
			}
		}
	}
	return Fill{Kind: Cycle, Values: v}
}

// resizeCases are the rows of Resize and ResizeBackward.
func resizeCases() []Case {
	var cs []Case
	add := func(name string, k Resize) {
		cs = append(cs, Case{"resize " + name, k, nil}, Case{"resize_backward " + name, ResizeBackward{k}, nil})
	}
	for _, mode := range []ResizeMode{Nearest, Linear} {
		for grid := HalfPixel; grid <= Asymmetric; grid++ {
			name := fmt.Sprintf("%s %s ", mode, grid)
			base := Resize{Type: F32, Mode: mode, Grid: grid, N: 2, C: 19, In: []int{5, 7}}
			for _, out := range [][]int{{10, 14}, {5, 7}, {3, 4}, {1, 1}, {13, 2}} {
				k := base
				k.Out = out
				add(name+dims(out), k)
			}
			k := base
			k.In, k.Out, k.C = []int{1, 1}, []int{3, 4}, 1
			add(name+"of one", k)
			k.In, k.Out, k.C, k.N = []int{9}, []int{23}, 16, 3
			add(name+"1-D", k)
			k.In, k.Out, k.C, k.N = []int{3, 4, 2}, []int{5, 7, 4}, 3, 1
			add(name+"3-D", k)
			k.N = 0
			add(name+"empty batch", k)
			k.N, k.Type = 1, F64
			add(name+"f64", k)
			k.C = 4
			add(name+"f64 c4", k)
			for _, t := range []DType{F16, BF16} {
				k.Type, k.C = t, 5
				add(fmt.Sprintf("%s%s c5", name, t), k)
				k.C = 16
				add(fmt.Sprintf("%s%s c16", name, t), k)
			}
			k = base
			k.N, k.C, k.Out = 9, 40, []int{30, 31}
			add(name+"large", k)
		}
	}
	return cs
}

package kernels

import (
	"fmt"
	"slices"
)

// must is for the table's own kernels, which are right by construction; Validate catches the rest.
func must[K Kernel](k K, err error) K {
	if err != nil {
		panic(err)
	}
	return k
}

// moveCases are the rows of Move, Concat, Pad and PadBackward.
func moveCases() []Case {
	var cs []Case
	for _, f := range []func() []Case{transposeCases, sliceCases, fillCases, concatCases, padCases} {
		cs = append(cs, f()...)
	}
	return cs
}

func moveCase(name string, k Kernel) Case {
	in := map[string]Fill{}
	for _, o := range k.Operands() {
		if o.Dir != Out && o.Type.Float() {
			in[o.Name] = Fill{Kind: Special}
		}
	}
	return Case{fmt.Sprintf("%s/%s", k.Family(), name), k, in}
}

// transposeCases covers tiles and their edges for every element size, all orders of four axes, and the layouts of images.
func transposeCases() []Case {
	var cs []Case
	add := func(t DType, shape, perm []int) {
		cs = append(cs, moveCase(fmt.Sprintf("transpose %s %v by %v", t, shape, perm), must(Transpose(t, shape, perm))))
	}
	for _, t := range []DType{U8, F16, F32, F64} {
		for _, s := range [][]int{{1, 1}, {7, 9}, {8, 8}, {16, 16}, {17, 33}, {64, 64}, {65, 63}, {31, 130}, {300, 3}, {3, 300}, {1, 50}, {50, 1}, {0, 4}} {
			add(t, s, []int{1, 0})
		}
		add(t, []int{5, 18, 21}, []int{0, 2, 1})
		add(t, []int{9, 20, 4}, []int{1, 0, 2})
		add(t, []int{9, 20, 3}, []int{2, 1, 0})
	}
	for _, p := range permutations(4) {
		add(F32, []int{3, 4, 5, 6}, p)
	}
	add(F32, []int{2, 13, 17, 24}, []int{0, 3, 1, 2}) // channels first
	add(F32, []int{2, 24, 13, 17}, []int{0, 2, 3, 1}) // channels last
	add(F32, []int{2, 50, 4, 16}, []int{0, 2, 1, 3})  // attention heads
	add(F32, []int{517, 389}, []int{1, 0})
	add(F64, []int{259, 300}, []int{1, 0})
	add(I64, []int{12, 11}, []int{1, 0})
	add(Bool, []int{70, 33}, []int{1, 0})
	add(F32, nil, nil)
	add(F32, []int{2, 1, 3, 1, 2, 1, 3}, []int{6, 1, 4, 3, 2, 5, 0})
	return cs
}

// permutations lists the orders of 0 … n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			q := append(append(append([]int{}, p[:i]...), n-1), p[i:]...)
			out = append(out, q)
		}
	}
	return out
}

// sliceCases covers steps of both signs, their gradients, flips, repetition and overlapping windows.
func sliceCases() []Case {
	var cs []Case
	for _, t := range []DType{U8, BF16, F32, I64} {
		for _, r := range [][]Range{
			{{0, 9, 1}, {0, 40, 1}, {0, 3, 1}},
			{{2, 5, 1}, {7, 30, 1}, {0, 3, 1}},
			{{0, 9, 1}, {1, 13, 3}, {1, 2, 1}},
			{{8, 9, -1}, {39, 20, -2}, {2, 3, -1}},
			{{4, 1, 1}, {0, 40, 1}, {1, 1, -1}},
			{{3, 0, 1}, {0, 40, 1}, {0, 3, 1}},
		} {
			name := fmt.Sprintf("%s %v", t, r)
			cs = append(cs, moveCase("slice "+name, must(Sliced(t, []int{9, 40, 3}, r))),
				moveCase("unslice "+name, must(Unslice(t, []int{9, 40, 3}, r))))
			keep := must(Unslice(t, []int{9, 40, 3}, r))
			keep.Keep = true
			cs = append(cs, moveCase("into slice "+name, keep))
		}
		cs = append(cs,
			moveCase(fmt.Sprintf("flip %s rows", t), must(Flip(t, []int{7, 33, 3}, 1))),
			moveCase(fmt.Sprintf("flip %s all", t), must(Flip(t, []int{3, 70}, 0, 1))),
			moveCase(fmt.Sprintf("flip %s empty", t), must(Flip(t, []int{3, 0}, 1))),
			moveCase(fmt.Sprintf("repeat %s last", t), must(Repeat(t, []int{5, 13}, 1, 4))),
			moveCase(fmt.Sprintf("repeat %s first", t), must(Repeat(t, []int{5, 13}, 0, 3))),
			moveCase(fmt.Sprintf("tile %s last", t), must(Tile(t, []int{5, 13}, 1, 4))),
			moveCase(fmt.Sprintf("tile %s first", t), must(Tile(t, []int{5, 13}, 0, 3))),
			moveCase(fmt.Sprintf("tile %s none", t), must(Tile(t, []int{5, 13}, 0, 0))))
	}
	scalar := Move{Type: F32, Shape: []int{6, 35}, Src: View{Shape: []int{9}, Offset: 4, Strides: []int{0, 0}}, Dst: Dense([]int{6, 35})}
	windows := Move{Type: F32, Shape: []int{2, 12, 9, 3, 3, 5}, Src: View{[]int{2, 14, 11, 5}, 0, []int{770, 55, 5, 55, 5, 1}}, Dst: Dense([]int{2, 12, 9, 45})}
	windows.Dst.Strides = rowMajor(windows.Shape)
	column := Move{Type: F32, Shape: []int{100}, Src: View{[]int{100, 7}, 3, []int{7}}, Dst: View{[]int{100, 5}, 2, []int{5}}, Fill: 1}
	flipped := Move{Type: F32, Shape: []int{3, 5}, Src: Dense([]int{3, 5}), Dst: View{[]int{3, 5}, 14, []int{-5, -1}}}
	return append(cs, moveCase("broadcast one element", scalar), moveCase("every other byte", must(Sliced(U8, []int{5, 64}, []Range{{0, 5, 1}, {1, 32, 2}}))), moveCase("windows", windows), moveCase("column to column", column),
		moveCase("written backwards", flipped), moveCase("copy large", must(Sliced(F32, []int{400001}, []Range{{0, 400001, 1}}))),
		moveCase("copy odd bytes", must(Sliced(U8, []int{100003}, []Range{{1, 100001, 1}}))))
}

// fillCases covers padding with constants of every type.
func fillCases() []Case {
	var cs []Case
	for _, t := range everyType {
		cs = append(cs, moveCase(fmt.Sprintf("pad constant %s", t), must(PadConstant(t, []int{3, 5, 4}, []int{1, 0, 2}, []int{0, 2, 1}, 1))))
	}
	for _, v := range []float64{0, negativeZero, -2.5, infinity, quietNaN, 1e-40} {
		cs = append(cs, moveCase(fmt.Sprintf("pad with %v", v), must(PadConstant(F32, []int{2, 19, 3}, []int{1, 1, 0}, []int{1, 1, 0}, v))))
	}
	return append(cs,
		moveCase("pad image", must(PadConstant(F32, []int{2, 32, 32, 3}, []int{0, 4, 4, 0}, []int{0, 4, 4, 0}, 0))),
		moveCase("pad rows", must(PadConstant(F32, []int{3, 5, 8}, []int{1, 2, 0}, []int{0, 1, 0}, 7))),
		moveCase("pad nothing", must(PadConstant(F32, []int{3, 5}, []int{0, 0}, []int{0, 0}, 7))),
		moveCase("pad empty", must(PadConstant(F32, []int{0, 5}, []int{2, 0}, []int{1, 3}, 7))))
}

func concatCases() []Case {
	var cs []Case
	for _, t := range everyType {
		for _, k := range []Concat{
			{t, 1, 1, []int{5}}, {t, 3, 4, []int{1, 7, 2}}, {t, 1, 33, []int{4, 0, 9}}, {t, 40, 1, []int{3, 16, 1, 2}}, {t, 0, 3, []int{1, 2}},
			{t, 9, 17, []int{64, 31}}, {t, 2, 0, []int{1}},
		} {
			cs = append(cs, moveCase(fmt.Sprintf("%s %dx%vx%d", t, k.Outer, k.Parts, k.Inner), k))
		}
	}
	return append(cs,
		moveCase("channels", must(NewConcat(F32, 3, []int{2, 14, 14, 24}, []int{2, 14, 14, 40}))),
		moveCase("batch", must(NewConcat(F32, 0, []int{20, 501}, []int{30, 501}))),
		moveCase("large", Concat{F32, 700, 1, []int{257, 255}}),
		moveCase("many parts", Concat{F32, 3, 1, slices.Repeat([]int{300}, 9)})) // the product of the parts is beyond any shape
}

func padCases() []Case {
	var cs []Case
	for mode := range numPadModes {
		for _, p := range []struct{ shape, before, after []int }{
			{[]int{4}, []int{3}, []int{2}},
			{[]int{5, 9}, []int{2, 0}, []int{0, 4}},
			{[]int{2, 7, 8, 3}, []int{0, 3, 2, 0}, []int{0, 1, 5, 0}},
			{[]int{3, 4, 5}, []int{2, 3, 4}, []int{1, 3, 2}},
			{[]int{6, 70}, []int{1, 40}, []int{2, 33}},
			{[]int{3}, []int{0}, []int{0}},
		} {
			for _, t := range []DType{F32, F64} {
				k := Pad{t, mode, p.shape, p.before, p.after}
				name := fmt.Sprintf("%s %s %v %v %v", mode, t, p.shape, p.before, p.after)
				cs = append(cs, moveCase(name, k), Case{"pad_backward/" + name, PadBackward{k}, nil})
			}
			cs = append(cs, moveCase(fmt.Sprintf("%s u8 %v %v %v", mode, p.shape, p.before, p.after), Pad{U8, mode, p.shape, p.before, p.after}))
		}
	}
	for _, t := range everyType {
		cs = append(cs, moveCase(fmt.Sprintf("wrap %s", t), Pad{t, PadWrap, []int{3, 9, 4}, []int{2, 0, 4}, []int{1, 3, 0}}))
	}
	wide := Pad{F32, PadEdge, []int{2, 1, 3}, []int{0, 5, 9}, []int{1, 4, 0}} // an edge may be repeated beyond the extent
	return append(cs, moveCase("edge wide", wide), Case{"pad_backward/edge wide", PadBackward{wide}, nil},
		moveCase("reflect image", Pad{F32, PadReflect, []int{2, 28, 28, 16}, []int{0, 3, 3, 0}, []int{0, 3, 3, 0}}))
}

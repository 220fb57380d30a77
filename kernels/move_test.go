package kernels

import (
	"strings"
	"testing"
)

func TestMoveRefusesWhatItCannotDo(t *testing.T) {
	dense := func(s ...int) View { return Dense(s) }
	for _, c := range []struct {
		name string
		k    Move
		want string
	}{
		{"before the start", Move{Type: F32, Shape: []int{4}, Src: View{[]int{4}, 2, []int{-1}}, Dst: dense(4)}, "reach elements -1 to 2"},
		{"past the end", Move{Type: F32, Shape: []int{4}, Src: View{[]int{4}, 1, []int{1}}, Dst: dense(4)}, "reach elements 1 to 4"},
		{"dst past the end", Move{Type: F32, Shape: []int{5}, Src: dense(5), Dst: dense(4)}, "dst"},
		{"written twice", Move{Type: F32, Shape: []int{2, 2}, Src: dense(2, 2), Dst: View{[]int{4}, 0, []int{1, 1}}}, "write an element twice"},
		{"written twice by repetition", Move{Type: F32, Shape: []int{3}, Src: dense(3), Dst: View{[]int{4}, 0, []int{0}}}, "write an element twice"},
		{"axes disagree", Move{Type: F32, Shape: []int{2, 2}, Src: dense(4), Dst: dense(2, 2)}, "1 strides for 2 axes"},
		{"huge stride", Move{Type: F32, Shape: []int{2}, Src: View{[]int{4}, 0, []int{1 << 62}}, Dst: dense(2)}, "larger than the tensor"},
		{"no type", Move{Shape: []int{1}, Src: dense(1), Dst: dense(1)}, "type invalid"},
	} {
		if err := c.k.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestMoveConstructorsRefuse(t *testing.T) {
	s := []int{3, 4}
	for name, f := range map[string]func() (Move, error){
		"short permutation":    func() (Move, error) { return Transpose(F32, s, []int{0}) },
		"repeated axis":        func() (Move, error) { return Transpose(F32, s, []int{0, 0}) },
		"axis out of range":    func() (Move, error) { return Transpose(F32, s, []int{0, 2}) },
		"range past the end":   func() (Move, error) { return Sliced(F32, s, []Range{{0, 3, 1}, {1, 4, 1}}) },
		"range before 0":       func() (Move, error) { return Sliced(F32, s, []Range{{0, 3, 1}, {2, 4, -1}}) },
		"step 0":               func() (Move, error) { return Sliced(F32, s, []Range{{0, 3, 1}, {0, 4, 0}}) },
		"negative count":       func() (Move, error) { return Sliced(F32, s, []Range{{0, 3, 1}, {0, -1, 1}}) },
		"too few ranges":       func() (Move, error) { return Sliced(F32, s, []Range{{0, 3, 1}}) },
		"unslice past the end": func() (Move, error) { return Unslice(F32, s, []Range{{0, 4, 1}, {0, 4, 1}}) },
		"flip of no axis":      func() (Move, error) { return Flip(F32, s, 2) },
		"repeat of no axis":    func() (Move, error) { return Repeat(F32, s, -1, 2) },
		"negative repeat":      func() (Move, error) { return Tile(F32, s, 0, -1) },
		"negative pad":         func() (Move, error) { return PadConstant(F32, s, []int{0, -1}, []int{0, 0}, 0) },
		"pads of other rank":   func() (Move, error) { return PadConstant(F32, s, []int{0}, []int{0}, 0) },
	} {
		if k, err := f(); err == nil {
			t.Errorf("%s: made %s", name, k)
		}
	}
	if _, err := NewConcat(F32, 1, []int{2, 3}, []int{3, 3}); err == nil || !strings.Contains(err.Error(), "axis 0 differs") {
		t.Errorf("concat of unequal rows: %v", err)
	}
	if _, err := NewConcat(F32, 1); err == nil {
		t.Error("concat of nothing: no error")
	}
}

func TestKernelsRefuseBadFields(t *testing.T) {
	for _, k := range []Kernel{
		Pad{F32, PadReflect, []int{3}, []int{3}, []int{0}}, Pad{F32, PadWrap, []int{3}, []int{0}, []int{4}}, Pad{F32, numPadModes, []int{3}, []int{0}, []int{0}},
		Pad{F32, PadEdge, []int{0}, []int{1}, []int{0}}, PadBackward{Pad{I32, PadEdge, []int{3}, []int{1}, []int{0}}},
		Gather{Type: F32, Index: F32, Outer: 1, Extent: 1, Inner: 1, Count: 1}, Gather{Type: F32, Index: I32, Outer: -1},
		ScatterAdd{Type: I32, Index: I32}, OneHot{Type: Invalid, Index: I32},
		TopK{Type: F32, Index: I32, Rows: 1, Cols: 3, K: 4}, TopK{Type: F32, Index: I32, Rows: 1, Cols: 3, K: -1}, Sort{Type: BF16, Index: I32}, Sort{Type: F32, Index: U8},
		Random{Type: I32, Dist: DistUniform, B: 1}, Random{Type: F32, Dist: DistUniform, A: 1}, Random{Type: F32, Dist: DistUniform, A: quietNaN},
		Random{Type: F32, Dist: DistUniform, B: infinity}, Random{Type: F32, Dist: DistNormal, B: -1}, Random{Type: F32, Dist: DistBernoulli, A: 1.5},
		Random{Type: F32, Dist: DistInteger, B: 3}, Random{Type: I32, Dist: DistInteger, A: 3, B: 3}, Random{Type: I32, Dist: DistInteger, B: 0.5},
		Random{Type: I32, Dist: DistInteger, B: 1 << 32}, Random{Type: F32, Dist: numDists}, Random{Type: F32, N: 1 << 35, B: 1}, Random{Type: F32, N: -1, B: 1},
		Dropout{Type: F32, P: 1.1}, Dropout{Type: F32, P: quietNaN}, Dropout{Type: I32}, Dropout{Type: F32, Inner: -2},
		SGD{Step: Step{I32, 1}}, SGD{Step: Step{F32, 1}, Nesterov: true}, SGD{Step: Step{F32, 1}, Momentum: -1}, SGD{Step: Step{F32, 1}, WeightDecay: quietNaN},
		Adam{Step: Step{F32, 1}, Beta1: 1}, LAMB{Step: Step{F32, 1}, Eps: -1}, AdaDelta{Step: Step{F32, 1}, Rho: 0.9}, RMSProp{Step: Step{F32, -1}},
		ClipScale{Type: F32, MaxNorm: 1}, ClipScale{Type: F32, Count: 1, MaxNorm: -1}, EMA{I64, 3},
	} {
		if err := k.Validate(); err == nil {
			t.Errorf("%s: no error", k)
		}
	}
}

// TestCanonicalNames: kernels of one table row and another share a name only if they do the same.
func TestCanonicalNames(t *testing.T) {
	seen := map[string]Kernel{}
	for _, family := range []func() []Case{moveCases, indexCases, sortCases, randomCases, optimCases} {
		for _, c := range family() {
			if err := c.Kernel.Validate(); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			name := c.Kernel.String()
			if other, ok := seen[name]; ok && !sameWork(other, c.Kernel) {
				t.Errorf("%#v and %#v are both %q", other, c.Kernel, name)
			}
			seen[name] = c.Kernel
		}
	}
}

// sameWork compares operands and costs, which differ whenever two kernels of one name would be a mistake here.
func sameWork(a, b Kernel) bool {
	x, y := a.Operands(), b.Operands()
	if len(x) != len(y) || a.Family() != b.Family() || a.Cost() != b.Cost() {
		return false
	}
	for i := range x {
		if x[i].String() != y[i].String() || x[i].Dir != y[i].Dir {
			return false
		}
	}
	return true
}

package cuda

import (
	"encoding/binary"
	"strings"
	"testing"

	"palladio/kernels"
)

// TestIndexOutOfRange: an index beyond the extent, or below NoIndex, is an error of Sync that names it, once; good ones then give none.
func TestIndexOutOfRange(t *testing.T) {
	d := open(t, "sim:h100")
	const count = 5000 // long enough for the radix sort of ScatterAdd
	for _, k := range []kernels.Kernel{
		kernels.Embedding(kernels.F32, kernels.I32, 5, 2, count),
		kernels.Gather{Type: kernels.U8, Index: kernels.I32, Outer: 3, Extent: 5, Inner: 1, Count: count},
		kernels.ScatterAdd{Type: kernels.F32, Index: kernels.I32, Outer: 1, Extent: 5, Inner: 2, Count: 50},
		kernels.ScatterAdd{Type: kernels.F32, Index: kernels.I32, Outer: 1, Extent: 5, Inner: 2, Count: count},
		kernels.OneHot{Type: kernels.F32, Index: kernels.I32, Count: count, Classes: 5, On: 1},
	} {
		exec, err := d.Prepare(k)
		check(t, err)
		var args []kernels.Arg
		var index kernels.Memory
		for _, o := range k.Operands() {
			m, err := d.Alloc(o.Bytes())
			check(t, err)
			defer m.Free()
			check(t, m.Upload(0, make([]byte, o.Bytes())))
			if o.Name == "index" {
				index = m
			}
			args = append(args, m.Arg(0, o.Bytes()))
		}
		work, err := d.Alloc(exec.Workspace())
		check(t, err)
		defer work.Free()
		for _, bad := range []int32{-2, 5, 1 << 30, -1 << 31, kernels.NoIndex, 4} {
			check(t, index.Upload(4*41, binary.LittleEndian.AppendUint32(nil, uint32(bad))))
			check(t, exec.Run(args, work.Arg(0, exec.Workspace())))
			err := d.Sync()
			if bad == kernels.NoIndex || bad == 4 {
				check(t, err)
			} else if err == nil || !strings.Contains(err.Error(), "at position 41: want 0 to 4") {
				t.Errorf("%s, index %d: got %v", k, bad, err)
			}
			check(t, d.Sync())
		}
	}
}

// TestLargeMoves: what one launch cannot number in 32 bits goes in several, which together move everything, and steps of more than 32 bits are left to
// the operands' offsets.
func TestLargeMoves(t *testing.T) {
	const side = 1 << 17
	transposed, err := kernels.Transpose(kernels.F32, []int{side, 3, side}, []int{1, 0, 2}) // rows of 16-byte units
	check(t, err)
	column := kernels.Move{Type: kernels.U8, Shape: []int{3, 1 << 31}, Src: kernels.View{Shape: []int{1 << 35}, Strides: []int{1<<32 + 16, 2}},
		Dst: kernels.Dense([]int{3, 1 << 31})}
	for _, k := range []kernels.Move{transposed, column} {
		p, err := Lower(k, testLimits, 64)
		check(t, err)
		moved := 0
		for _, l := range p.Launches {
			items := int(l.Args[0].value)
			if items > maxItems {
				t.Errorf("%s: %d items in a launch", k, items)
			}
			unit := map[string]int{"move_strided_b16": 16, "move_gathered_b1": 16, "move_strided_b1": 1}[l.Entry]
			if unit == 0 {
				t.Fatalf("%s: entry %s", k, l.Entry)
			}
			moved += items * unit
			if off := int(l.Args[4].value); off%(items*unit) != 0 {
				t.Errorf("%s: a launch of %d bytes writes from byte %d", k, items*unit, off)
			}
		}
		if want := kernels.Elems(k.Shape) * k.Type.Size(); moved != want {
			t.Errorf("%s: %d bytes in %d launches, want %d", k, moved, len(p.Launches), want)
		}
	}
}

// TestSimplify: copies vanish, a product joins the sum that alone reads it, steps that nothing needs are dropped.
func TestSimplify(t *testing.T) {
	dense := kernels.EltInput{Type: kernels.F32, Strides: []int{1}}
	k := kernels.Elementwise{Type: kernels.F32, Shape: []int{8}, Inputs: []kernels.EltInput{dense, dense, dense},
		Code: []kernels.Instr{
			{Op: kernels.Mul, A: 0, B: 1}, {Op: kernels.Copy, A: 3}, {Op: kernels.Sub, A: 2, B: 4}, // %5 = c - a·b
			{Op: kernels.Exp, A: 0},                                      // unused
			{Op: kernels.Mul, A: 5, B: 5}, {Op: kernels.Add, A: 7, B: 0}, // %7 is an output: no FMA
		},
		Outputs: []kernels.EltOutput{{Type: kernels.F32, Value: 8}, {Type: kernels.F32, Value: 7}}}
	steps, _ := simplify(k)
	var got []string
	for _, s := range steps {
		got = append(got, s.String())
	}
	if want := "%5 = fma(-%0, %1, %2); %7 = mul(%5, %5); %8 = add(%7, %0)"; strings.Join(got, "; ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "; "), want)
	}
}

package profile

import (
	"fmt"
	"testing"

	"palladio/kernels"
)

// TestMovementSectors holds kernels that move data to accesses that are as few as can be: whole sectors of global memory in every request, and
// no conflict in a bank of shared memory.
func TestMovementSectors(t *testing.T) {
	transpose := func(typ kernels.DType, shape, perm []int) kernels.Kernel {
		k, err := kernels.Transpose(typ, shape, perm)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	slice, err := kernels.Sliced(kernels.F32, []int{256, 512}, []kernels.Range{{Start: 1, Count: 200, Step: 1}, {Start: 64, Count: 384, Step: 1}})
	if err != nil {
		t.Fatal(err)
	}
	image := []int{8, 32, 32, 64}
	padded, err := kernels.PadConstant(kernels.F32, image, []int{0, 1, 1, 0}, []int{0, 1, 1, 0}, 0)
	if err != nil {
		t.Fatal(err)
	}
	channel, err := kernels.Broadcast([]int{64}, image)
	if err != nil {
		t.Fatal(err)
	}
	dense := kernels.DenseStrides(image)
	bias := kernels.Elementwise{Type: kernels.F32, Shape: image, Inputs: []kernels.EltInput{{Type: kernels.F32, Strides: dense}, {Type: kernels.F32, Strides: channel}},
		Code: []kernels.Instr{{Op: kernels.Add, A: 0, B: 1}, {Op: kernels.SiLU, A: 2}}, Outputs: []kernels.EltOutput{{Type: kernels.F32, Value: 3}}}
	halves := kernels.Elementwise{Type: kernels.F32, Shape: []int{1 << 18}, Inputs: []kernels.EltInput{{Type: kernels.BF16, Strides: []int{1}}},
		Code: []kernels.Instr{{Op: kernels.ReLU, A: 0}}, Outputs: []kernels.EltOutput{{Type: kernels.BF16, Value: 1}}}
	ks := []kernels.Kernel{
		slice, padded, bias, halves, kernels.Map(kernels.F64, kernels.Exp, []int{1 << 16}),
		transpose(kernels.F32, []int{4, 16, 64, 128}, []int{0, 2, 1, 3}), // whole rows move
		kernels.Concat{Type: kernels.F32, Outer: 512, Inner: 1, Parts: []int{128, 384}},
		kernels.Dropout{Type: kernels.F64, Outer: 1, Middle: 1, Inner: 1 << 16, P: 0.5},
		kernels.Random{Type: kernels.I64, Dist: kernels.DistInteger, A: 0, B: 10, N: 1 << 16},
		kernels.Random{Type: kernels.F32, Dist: kernels.DistNormal, B: 1, N: 1 << 16},
	}
	for _, typ := range []kernels.DType{kernels.U8, kernels.BF16, kernels.F32, kernels.F64} {
		ks = append(ks, transpose(typ, []int{384, 512}, []int{1, 0}))
	}
	for _, k := range ks {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			r, err := Run(t.Context(), Of(k), Options{Device: "sim:h100"})
			if err != nil {
				t.Fatal(err)
			}
			for i, l := range r.Launches {
				t.Logf("launch %d, %s: loads %+v, stores %+v, shared %+v, %+v", i, l.Kernel, l.GlobalLoads, l.GlobalStores, l.SharedLoads, l.SharedStores)
				if got, most := l.GlobalStores.Parts, l.GlobalStores.Bytes/32; got > most {
					t.Errorf("%s stores %d sectors, want %d", l.Kernel, got, most)
				}
				if got, most := l.GlobalLoads.Parts, l.GlobalLoads.Fewest; got > most {
					t.Errorf("%s loads %d sectors, want %d", l.Kernel, got, most)
				}
				if got, most := l.SharedLoads.Parts+l.SharedStores.Parts, l.SharedLoads.Fewest+l.SharedStores.Fewest; got > most {
					t.Errorf("%s takes %d clocks of shared memory, want %d", l.Kernel, got, most)
				}
			}
		})
	}
}

package cuda

import "palladio/kernels"

// A pooling of all positions to one has few outputs of many elements each: from so many positions on it is a reduction.
const globalPositions = 32

func (l *lowering) pool(k kernels.Pool) (*Program, error) {
	if k.N*k.C == 0 {
		return &Program{}, nil
	}
	if kernels.Elems(k.Out()) == 1 && poolTaps(k) == kernels.Elems(k.In) && kernels.Elems(k.In) >= globalPositions {
		return l.globalPool(k), nil
	}
	m, err := l.sites(k, k.N, k.C, k.Out(), k.In, k.Type)
	if err != nil {
		return nil, err
	}
	var t table
	args := append(outputRanges(&t, k), Operand(0), Operand(1))
	if k.Kind == kernels.MaxPool {
		argmax := Int(0)
		if k.Argmax {
			argmax = Operand(2)
		}
		args = append(args, argmax)
	}
	return &Program{Constants: t.bytes, Launches: []Launch{m.launch("pool/pool", "pool_"+k.Kind.String(), k.Type, args...)}}, nil
}

// poolTaps is the number of positions that output 0 sees.
func poolTaps(k kernels.Pool) int {
	n := 1
	for d := range k.In {
		lo, hi, _ := k.Range(d, 0)
		n *= hi - lo
	}
	return n
}

// globalPool reduces the middle axis of [N, positions, C].
func (l *lowering) globalPool(k kernels.Pool) *Program {
	r := &reduction{suffix: k.Type.String(), size: k.Type.Size(), in: Operand(0), out: Operand(1), divisor: 1}
	if k.Kind == kernels.AvgPool {
		r.fold, r.state = "sum", 8
		for d := range k.In {
			_, _, padded := k.Range(d, 0)
			if !k.CountPad {
				padded = k.In[d]
			}
			r.divisor *= float64(padded)
		}
	} else {
		r.fold, r.state, r.out, r.values = "argmax", 16, Int(0), Operand(1)
		if k.Argmax {
			r.out = Operand(2)
		}
	}
	return l.reduceColumns(r, k.N, kernels.Elems(k.In), k.C, 1, 0)
}

// outputRanges appends, for each of three axes, a Range (kernels/pool/pool.cuh) for each output position and gives their addresses.
func outputRanges(t *table, k kernels.Pool) []Slot {
	out := k.Out()
	return ranges(t, len(out), func(d int) int { return out[d] }, func(d, p int) (lo, hi, count int) {
		lo, hi, padded := k.Range(d, p)
		if !k.CountPad {
			padded = hi - lo
		}
		return lo, hi, padded
	})
}

// inputRanges appends, for each of three axes and each input position, the range of the outputs that see it.
func inputRanges(t *table, k kernels.Pool) []Slot {
	out := k.Out()
	los, his := make([][]int, len(out)), make([][]int, len(out))
	for d := range out {
		los[d], his[d] = make([]int, k.In[d]), make([]int, k.In[d])
		for p := range out[d] {
			lo, hi, _ := k.Range(d, p)
			for i := lo; i < hi; i++ {
				if his[d][i] == 0 {
					los[d][i] = p
				}
				his[d][i] = p + 1
			}
		}
	}
	return ranges(t, len(out), func(d int) int { return k.In[d] }, func(d, i int) (lo, hi, count int) { return los[d][i], his[d][i], 0 })
}

func ranges(t *table, rank int, extent func(d int) int, at func(d, p int) (lo, hi, count int)) []Slot {
	slots := make([]Slot, 0, 3)
	for axis := range 3 {
		slots = append(slots, t.slot())
		d := axis - (3 - rank)
		if d < 0 {
			t.int32(0, 1, 1, 0)
			continue
		}
		for p := range extent(d) {
			lo, hi, count := at(d, p)
			t.int32(lo, hi, count, 0)
		}
	}
	return slots
}

func (l *lowering) poolBackward(b kernels.PoolBackward) (*Program, error) {
	k := b.Of
	if k.N*k.C == 0 {
		return &Program{}, nil
	}
	m, err := l.sites(b, k.N, k.C, k.In, k.Out(), k.Type)
	if err != nil {
		return nil, err
	}
	var t table
	args := inputRanges(&t, k)
	if k.Kind == kernels.AvgPool {
		args = append(append(args, outputRanges(&t, k)...), Operand(0), Operand(1))
	} else {
		args = append(args, Operand(0), Operand(1), Operand(2))
	}
	return &Program{Constants: t.bytes, Launches: []Launch{m.launch("pool/pool", "pool_backward_"+k.Kind.String(), k.Type, args...)}}, nil
}

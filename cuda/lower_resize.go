package cuda

import "palladio/kernels"

func (l *lowering) resize(k kernels.Resize) (*Program, error) {
	if k.N*k.C == 0 {
		return &Program{}, nil
	}
	m, err := l.sites(k, k.N, k.C, k.Out, k.In, k.Type)
	if err != nil {
		return nil, err
	}
	var t table
	args := make([]Slot, 0, 5)
	for axis := range 3 {
		args = append(args, t.slot())
		d := axis - (3 - len(k.In))
		for p := range threeAxes(k.Out)[axis] {
			var i, j int
			var far float64
			if d >= 0 {
				i, j, far = k.Source(d, p)
			}
			t.int32(i)
			if k.Mode == kernels.Linear {
				t.int32(j)
				t.float(k.Type, 1-far, far)
			}
		}
	}
	args = append(args, Operand(0), Operand(1))
	return &Program{Constants: t.bytes, Launches: []Launch{m.launch("resize/resize", "resize_"+k.Mode.String(), k.Type, args...)}}, nil
}

func (l *lowering) resizeBackward(b kernels.ResizeBackward) (*Program, error) {
	k := b.Of
	if k.N*k.C == 0 {
		return &Program{}, nil
	}
	m, err := l.sites(b, k.N, k.C, k.In, k.Out, k.Type)
	if err != nil {
		return nil, err
	}
	var t table
	args := make([]Slot, 0, 11)
	for axis := range 3 {
		args = append(args, takers(&t, k, axis-(3-len(k.In)))...)
	}
	args = append(args, Operand(0), Operand(1))
	return &Program{Constants: t.bytes, Launches: []Launch{m.launch("resize/resize", "resize_backward", k.Type, args...)}}, nil
}

// takers appends the Takers of an axis (kernels/resize/resize.cuh), of one position where d is negative, and gives the addresses of its three lists.
func takers(t *table, k kernels.Resize, d int) []Slot {
	type taker struct {
		out    int
		weight float64
	}
	of := [][]taker{{{0, 1}}}
	if d >= 0 {
		of = make([][]taker, k.In[d])
		for p := range k.Out[d] {
			i, j, far := k.Source(d, p)
			of[i] = append(of[i], taker{p, 1 - far})
			if far != 0 {
				of[j] = append(of[j], taker{p, far})
			}
		}
	}
	starts := t.slot()
	n := 0
	for _, o := range of {
		t.int32(n)
		n += len(o)
	}
	t.int32(n)
	outputs := t.slot()
	for _, o := range of {
		for _, o := range o {
			t.int32(o.out)
		}
	}
	weights := t.slot()
	for _, o := range of {
		for _, o := range o {
			t.float(k.Type, o.weight)
		}
	}
	return []Slot{starts, outputs, weights}
}

package sim

import (
	"errors"
	"fmt"
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// member makes an instruction that waits for the lanes of a member mask; no operand is the running lanes.
func (d *decoder) member(o *ptx.Operand, run func(w *warp, in *inst, mask uint32) bool) (*inst, error) {
	if o == nil {
		return &inst{kind: selfKind, run: run}, nil
	}
	members, err := d.source(o, ptx.B32)
	return &inst{kind: controlKind, control: syncControl, run: run, members: members}, err
}

// memberOperand is the last operand of a .sync instruction, nil for the forms without.
func memberOperand(in *ptx.Instr, ops []*ptx.Operand) (*ptx.Operand, []*ptx.Operand) {
	if !in.Has("sync") || len(ops) == 0 {
		return nil, ops
	}
	return ops[len(ops)-1], ops[:len(ops)-1]
}

// pair is the operands of d or d|p.
func pair(o *ptx.Operand) (d, p *ptx.Operand) {
	if o.Kind == ptx.Pair {
		return &o.Elems[0], &o.Elems[1]
	}
	return o, nil
}

// pairOf is the places of d and p of a destination d or d|p; p is a sink where it is absent.
func (d *decoder) pairOf(o *ptx.Operand, t ptx.Type) (value, pred uint32, err error) {
	v, p := pair(o)
	if value, err = d.dst(v, t); err != nil {
		return 0, 0, err
	}
	pred = d.sinks[predicate]
	if p != nil {
		pred, err = d.dst(p, ptx.Pred)
	}
	return value, pred, err
}

// shuffle decodes shfl{.sync}.mode.b32 d|p, a, b, c, members.
func (d *decoder) shuffle(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) < 4 || len(in.Operands) > 5 || in.Type(0).Bits() != 32 {
		return nil, errOperands
	}
	var run func(w *warp, in *inst, mask uint32) bool
	switch {
	case in.Has("up"):
		run = shuffleUp
	case in.Has("down"):
		run = shuffleDown
	case in.Has("bfly"):
		run = shuffleButterfly
	case in.Has("idx"):
		run = shuffleIndex
	default:
		return nil, errors.New("want .up, .down, .bfly or .idx")
	}
	var members *ptx.Operand
	if in.Has("sync") {
		if len(in.Operands) != 5 {
			return nil, errOperands
		}
		members = &in.Operands[4]
	}
	out, err := d.member(members, run)
	if err != nil {
		return nil, err
	}
	if out.d, out.d2, err = d.pairOf(&in.Operands[0], ptx.B32); err != nil {
		return nil, err
	}
	for i, p := range []*uint32{&out.a, &out.b, &out.c} {
		if *p, err = d.source(&in.Operands[1+i], ptx.B32); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// exchange gives each lane the value of the lane that from names, if it may.
func exchange(w *warp, in *inst, mask uint32, from func(lane, b, lo, hi, seg uint32) (j uint32, ok bool)) bool {
	d, a, b, c := w.at(in.d), *w.at(in.a), w.at(in.b), w.at(in.c)
	valid := uint32(0)
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := uint32(bits.TrailingZeros32(rest))
		seg, clamp := c[lane]>>8&31, c[lane]&31
		hi, lo := lane&seg|clamp&^seg, lane&seg
		j, ok := from(lane, b[lane]&31, lo, hi, seg)
		if !ok {
			j = lane
		} else {
			valid |= 1 << lane
		}
		d[lane] = a[j&31]
	}
	p := w.pred(in.d2)
	*p = *p&^mask | valid
	return true
}

func shuffleUp(w *warp, in *inst, mask uint32) bool {
	return exchange(w, in, mask, func(lane, b, _, hi, _ uint32) (uint32, bool) { return lane - b, int32(lane-b) >= int32(hi) })
}

func shuffleDown(w *warp, in *inst, mask uint32) bool {
	return exchange(w, in, mask, func(lane, b, _, hi, _ uint32) (uint32, bool) { return lane + b, lane+b <= hi })
}

func shuffleButterfly(w *warp, in *inst, mask uint32) bool {
	return exchange(w, in, mask, func(lane, b, _, hi, _ uint32) (uint32, bool) { return lane ^ b, lane^b <= hi })
}

func shuffleIndex(w *warp, in *inst, mask uint32) bool {
	return exchange(w, in, mask, func(_, b, lo, hi, seg uint32) (uint32, bool) { j := lo | b&^seg; return j, j <= hi })
}

// vote decodes vote{.sync}.{all,any,uni}.pred p, a, members and vote{.sync}.ballot.b32 d, a, members.
func (d *decoder) vote(in *ptx.Instr) (*inst, error) {
	ops := flatten(in)
	members, ops := memberOperand(in, ops)
	if len(ops) != 2 {
		return nil, errOperands
	}
	t := ptx.Pred
	var run func(w *warp, in *inst, mask uint32) bool
	switch {
	case in.Has("ballot"):
		t = ptx.B32
		run = func(w *warp, in *inst, mask uint32) bool { return w.spread(in, mask, mask&*w.pred(in.a)) }
	case in.Has("all"):
		run = func(w *warp, in *inst, mask uint32) bool { return w.spread(in, mask, truth(mask&^*w.pred(in.a) == 0)) }
	case in.Has("any"):
		run = func(w *warp, in *inst, mask uint32) bool { return w.spread(in, mask, truth(mask&*w.pred(in.a) != 0)) }
	case in.Has("uni"):
		run = func(w *warp, in *inst, mask uint32) bool {
			p := mask & *w.pred(in.a)
			return w.spread(in, mask, truth(p == 0 || p == mask))
		}
	default:
		return nil, errors.New("want .all, .any, .uni or .ballot")
	}
	out, err := d.member(members, run)
	if err != nil {
		return nil, err
	}
	out.shape = shapeOf(t)
	if out.d, err = d.dst(ops[0], t); err != nil {
		return nil, err
	}
	out.a, err = d.source(ops[1], ptx.Pred)
	return out, err
}

// spread writes one value to all lanes of the mask; for a predicate, v is a mask.
func (w *warp) spread(in *inst, mask, v uint32) bool {
	if in.shape == predicate {
		p := w.pred(in.d)
		*p = *p&^mask | v&mask
		return true
	}
	d := w.at(in.d)
	for rest := mask; rest != 0; rest &= rest - 1 {
		d[bits.TrailingZeros32(rest)] = v
	}
	return true
}

// match decodes match.{any,all}.sync.{b32,b64} d{|p}, a, members.
func (d *decoder) match(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 3 || len(in.Types) != 1 || shapeOf(in.Types[0]) == predicate {
		return nil, errOperands
	}
	run := matchAny
	if in.Has("all") {
		run = matchAll
	} else if !in.Has("any") {
		return nil, errors.New("want .any or .all")
	}
	out, err := d.member(&in.Operands[2], run)
	if err != nil {
		return nil, err
	}
	out.shape = shapeOf(in.Types[0])
	if out.d, out.d2, err = d.pairOf(&in.Operands[0], ptx.B32); err != nil {
		return nil, err
	}
	out.a, err = d.source(&in.Operands[1], in.Types[0])
	return out, err
}

// values is a register's lanes as 64-bit values.
func (w *warp) values(off uint32, s shape) (v [lanes]uint64) {
	if s == wide {
		return *w.at(off).u64()
	}
	for i, x := range w.at(off) {
		v[i] = uint64(x)
	}
	return v
}

func matchAny(w *warp, in *inst, mask uint32) bool {
	d := w.at(in.d)
	if in.shape == narrow {
		a := *w.at(in.a)
		for rest := mask; rest != 0; { // a value at a time
			var same reg
			v := a[bits.TrailingZeros32(rest)]
			for i := range same {
				same[i] = v
			}
			equal := equalLanes(&a, &same) & mask
			for group := equal; group != 0; group &= group - 1 {
				d[bits.TrailingZeros32(group)] = equal
			}
			rest &^= equal
		}
		return true
	}
	v := *w.at(in.a).u64()
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		equal := uint32(0)
		for others := mask; others != 0; others &= others - 1 {
			if o := bits.TrailingZeros32(others); v[o] == v[lane] {
				equal |= 1 << o
			}
		}
		d[lane] = equal
	}
	return true
}

// equalLanes is the lanes in which two registers are equal.
func equalLanes(a, b *reg) uint32 {
	if useAVX2 {
		return eq32AVX2(a, b)
	}
	return eqLanes[uint32](a, b)
}

func matchAll(w *warp, in *inst, mask uint32) bool {
	v, d := w.values(in.a, in.shape), w.at(in.d)
	first, all := v[bits.TrailingZeros32(mask)], uint32(fullMask)
	for rest := mask; rest != 0; rest &= rest - 1 {
		if v[bits.TrailingZeros32(rest)] != first {
			all = 0
		}
	}
	for rest := mask; rest != 0; rest &= rest - 1 {
		d[bits.TrailingZeros32(rest)] = all & mask
	}
	p := w.pred(in.d2)
	*p = *p&^mask | all&mask
	return true
}

// redux decodes redux.sync.op.type d, a, members.
func (d *decoder) redux(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 3 || len(in.Types) != 1 {
		return nil, errOperands
	}
	combine, err := reducer(in)
	if err != nil {
		return nil, err
	}
	out, err := d.member(&in.Operands[2], func(w *warp, in *inst, mask uint32) bool {
		a := w.at(in.a)
		v := a[bits.TrailingZeros32(mask)]
		for rest := mask & (mask - 1); rest != 0; rest &= rest - 1 {
			v = combine(v, a[bits.TrailingZeros32(rest)])
		}
		return w.spread(in, mask, v)
	})
	if err != nil {
		return nil, err
	}
	if out.d, err = d.dst(&in.Operands[0], ptx.B32); err != nil {
		return nil, err
	}
	out.a, err = d.source(&in.Operands[1], ptx.B32)
	return out, err
}

// reducer is the operation of a redux.
func reducer(in *ptx.Instr) (func(a, b uint32) uint32, error) {
	signed := in.Types[0] == ptx.S32
	switch {
	case in.Types[0].Bits() != 32 || in.Types[0].Float():
	case in.Has("add"):
		return func(a, b uint32) uint32 { return a + b }, nil
	case in.Has("and"):
		return func(a, b uint32) uint32 { return a & b }, nil
	case in.Has("or"):
		return func(a, b uint32) uint32 { return a | b }, nil
	case in.Has("xor"):
		return func(a, b uint32) uint32 { return a ^ b }, nil
	case in.Has("min") && signed:
		return func(a, b uint32) uint32 { return uint32(min(int32(a), int32(b))) }, nil
	case in.Has("max") && signed:
		return func(a, b uint32) uint32 { return uint32(max(int32(a), int32(b))) }, nil
	case in.Has("min"):
		return func(a, b uint32) uint32 { return min(a, b) }, nil
	case in.Has("max"):
		return func(a, b uint32) uint32 { return max(a, b) }, nil
	}
	return nil, fmt.Errorf("no such reduction of %s", in.Types[0])
}

// activeMask decodes activemask.b32 d.
func (d *decoder) activeMask(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 1 {
		return nil, errOperands
	}
	off, err := d.dst(&in.Operands[0], ptx.B32)
	return &inst{kind: selfKind, d: off, run: func(w *warp, in *inst, mask uint32) bool { return w.spread(in, mask, mask) }}, err
}

// elect decodes elect.sync d|p, members: the first lane is it.
func (d *decoder) elect(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 {
		return nil, errOperands
	}
	out, err := d.member(&in.Operands[1], func(w *warp, in *inst, mask uint32) bool {
		leader := uint32(bits.TrailingZeros32(mask))
		p := w.pred(in.d2)
		*p = *p&^mask | 1<<leader
		return w.spread(in, mask, leader)
	})
	if err != nil {
		return nil, err
	}
	out.d, out.d2, err = d.pairOf(&in.Operands[0], ptx.B32)
	return out, err
}

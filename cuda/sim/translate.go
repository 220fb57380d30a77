package sim

import (
	"errors"
	"fmt"

	"palladio/cuda/sim/ptx"
)

// errOperands is an instruction with the wrong number of operands, or of the wrong kinds.
var errOperands = errors.New("operands do not fit the instruction")

// translators are the opcodes that the core executes itself; the rest is arithmetic (see aluOf).
var translators map[string]func(d *decoder, in *ptx.Instr) (*inst, error)

func init() {
	translators = map[string]func(d *decoder, in *ptx.Instr) (*inst, error){
		"mov": (*decoder).mov, "cvta": (*decoder).cvta, "isspacep": (*decoder).isspacep, "mapa": (*decoder).mapa,
		"ld": (*decoder).load, "ldu": (*decoder).load, "st": (*decoder).store, "atom": (*decoder).atomic, "red": (*decoder).atomic,
		"call": (*decoder).callTo, "ret": (*decoder).ret, "exit": (*decoder).exit, "trap": (*decoder).trap, "brx": (*decoder).jumpTable,
		"brkpt": (*decoder).nothing, "nanosleep": (*decoder).nothing, "pmevent": (*decoder).nothing, "prefetch": (*decoder).nothing,
		"prefetchu": (*decoder).nothing, "discard": (*decoder).nothing, "applypriority": (*decoder).nothing, "setmaxnreg": (*decoder).nothing,
		"griddepcontrol": (*decoder).nothing, "createpolicy": (*decoder).createPolicy, "membar": (*decoder).fence, "fence": (*decoder).fence,
		"bar": (*decoder).barrier, "barrier": (*decoder).barrier,
		"shfl": (*decoder).shuffle, "vote": (*decoder).vote, "match": (*decoder).match, "redux": (*decoder).redux,
		"activemask": (*decoder).activeMask, "elect": (*decoder).elect,
		"ldmatrix": (*decoder).loadMatrix, "stmatrix": (*decoder).storeMatrix, "cp": (*decoder).copyAsync,
	}
}

// translate decodes an instruction, but for its guard. nil is nothing to do. Branches name blocks, which become pcs later.
func (d *decoder) translate(in *ptx.Instr, j int) (*inst, error) {
	switch t := translators[in.Op]; {
	case !knownModifiers(in):
		return d.unknownInstr(in)
	case in.Op == "bra":
		return d.branch(in, j)
	case t != nil:
		return t(d, in)
	}
	a, known := aluOf(d.fn, in)
	if !known {
		return d.unknownInstr(in)
	}
	vectorised(in, &a)
	return d.arithmetic(in, &a)
}

// unknownInstr notes an instruction for the list of those that nobody knows.
func (d *decoder) unknownInstr(in *ptx.Instr) (*inst, error) {
	d.unknown = append(d.unknown, fmt.Sprintf("%s (line %d)", in.Name, in.Line))
	return nil, nil
}

// branch decodes bra.
func (d *decoder) branch(in *ptx.Instr, j int) (*inst, error) {
	if len(in.Operands) != 1 || in.Operands[0].Kind != ptx.LabelName {
		return nil, errors.New("want one label")
	}
	target := d.flow.at(d.fn.Labels[in.Operands[0].Label].At)
	if in.Guard == ptx.NoReg {
		return &inst{kind: jumpKind, target: target, imm: 1}, nil
	}
	b := &inst{kind: branchKind, guard: d.regs[d.fn][in.Guard], target: target, other: d.flow.at(j + 1)}
	if in.GuardNot {
		b.invert = fullMask
	}
	return b, nil
}

// flatten lists the operands with vectors and pairs taken apart.
func flatten(in *ptx.Instr) []*ptx.Operand {
	var list []*ptx.Operand
	for i := range in.Operands {
		o := &in.Operands[i]
		if o.Kind == ptx.Vector || o.Kind == ptx.Pair {
			for j := range o.Elems {
				list = append(list, &o.Elems[j])
			}
			continue
		}
		list = append(list, o)
	}
	return list
}

// arithmetic makes the instruction of an arithmetic operation.
func (d *decoder) arithmetic(in *ptx.Instr, a *alu) (*inst, error) {
	if a.compare != nil {
		return d.comparison(in, a)
	}
	ops := flatten(in)
	if n := len(a.dst) + len(a.src) + a.decoded; len(ops) != n || n > maxOperands-1 {
		return nil, fmt.Errorf("%d operands: want %d", len(ops), n)
	}
	out := &inst{}
	var offs []uint32
	for i, t := range a.dst {
		off, err := d.dst(ops[i], t)
		if err != nil {
			return nil, err
		}
		offs = append(offs, off)
		out.shapes = append(out.shapes, shapeOf(t))
	}
	for i, t := range a.src {
		off, err := d.source(ops[len(a.dst)+i], t)
		if err != nil {
			return nil, err
		}
		offs = append(offs, off)
	}
	if a.lane != nil {
		if len(a.dst) != 1 || len(a.src) > 3 {
			return nil, errOperands
		}
		out.kind, out.lane, out.d, out.shape = laneKind, a.lane, offs[0], out.shapes[0]
		out.a, out.b, out.c = out.d, out.d, out.d
		for i, p := range []*uint32{&out.a, &out.b, &out.c}[:len(a.src)] {
			*p = offs[1+i]
		}
		return out, nil
	}
	if a.usesCarry {
		offs = append(offs, d.carry[d.fn])
	}
	out.kind, out.multi, out.x = multiKind, a.multi, offs
	if a.allLanes {
		d.separate(offs, len(a.dst), a.src)
		out.kind, out.control, out.run = controlKind, syncControl, runMulti
	}
	return out, nil
}

// separate copies the sources of an operation on matrices that are also results, but for a source that is the result at its own place among the last ones:
// results are written before all sources are read.
func (d *decoder) separate(offs []uint32, results int, src []ptx.Type) {
	for i, off := range offs[results:] {
		for j, result := range offs[:results] {
			if off != result || results+i == len(offs)-results+j {
				continue
			}
			s := shapeOf(src[i])
			d.next = uint32(alignUp(uint64(d.next), 64))
			offs[results+i] = d.take([...]uint32{narrow: 4 * lanes, wide: 8 * lanes}[s])
			d.emit(inst{kind: laneKind, lane: copyOf(s), d: offs[results+i], a: off, shape: s})
		}
	}
}

// runMulti is a multi under a mask.
func runMulti(w *warp, in *inst, mask uint32) bool {
	w.multi(in, mask)
	return true
}

// comparison makes a setp: p or p|q, a, b and perhaps a predicate to combine with.
func (d *decoder) comparison(in *ptx.Instr, a *alu) (*inst, error) {
	if len(in.Operands) < 3 || len(in.Operands) > 4 {
		return nil, errOperands
	}
	out := &inst{kind: compareKind, cmp: a.compare, shape: predicate}
	first, second := &in.Operands[0], (*ptx.Operand)(nil)
	if first.Kind == ptx.Pair {
		first, second = &in.Operands[0].Elems[0], &in.Operands[0].Elems[1]
	}
	var err error
	if out.d, err = d.dst(first, ptx.Pred); err != nil {
		return nil, err
	}
	if second != nil && second.Kind != ptx.Sink {
		if out.d2, err = d.dst(second, ptx.Pred); err != nil {
			return nil, err
		}
	}
	if out.a, err = d.source(&in.Operands[1], a.src[0]); err != nil {
		return nil, err
	}
	if out.b, err = d.source(&in.Operands[2], a.src[1]); err != nil {
		return nil, err
	}
	if len(in.Operands) == 4 {
		switch {
		case in.Has("and"):
			out.combine = combineAnd
		case in.Has("or"):
			out.combine = combineOr
		case in.Has("xor"):
			out.combine = combineXor
		default:
			return nil, errors.New("a third source without .and, .or or .xor")
		}
		c := in.Operands[3]
		if c.Kind == ptx.Register && c.Not {
			out.imm, c.Not = fullMask, false
		}
		if out.c, err = d.source(&c, ptx.Pred); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nothing decodes what has no effect here.
func (d *decoder) nothing(in *ptx.Instr) (*inst, error) {
	return &inst{kind: selfKind, run: func(*warp, *inst, uint32) bool { return true }}, nil
}

// createPolicy gives a cache policy, which no access minds.
func (d *decoder) createPolicy(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) < 1 {
		return nil, errOperands
	}
	off, err := d.dst(&in.Operands[0], ptx.B64)
	zero := d.constant(wide, 0)
	return &inst{kind: laneKind, lane: copyWide, d: off, a: zero, shape: wide}, err
}

// fence orders accesses, which are in order here.
func (d *decoder) fence(in *ptx.Instr) (*inst, error) {
	return &inst{kind: selfKind, run: func(w *warp, in *inst, mask uint32) bool {
		if w.obs != nil {
			w.obs.sync(w, int(in.index), fence, mask, 0, 0)
		}
		return true
	}}, nil
}

func (d *decoder) ret(in *ptx.Instr) (*inst, error) {
	return &inst{kind: controlKind, control: retControl, target: d.starts[d.fn]}, nil
}

func (d *decoder) exit(in *ptx.Instr) (*inst, error) {
	return &inst{kind: controlKind, control: exitControl}, nil
}

func (d *decoder) trap(in *ptx.Instr) (*inst, error) {
	return &inst{kind: controlKind, control: trapControl}, nil
}

// jumpTable decodes brx.idx.
func (d *decoder) jumpTable(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 || in.Operands[1].Kind != ptx.TableName || d.fn.Tables[in.Operands[1].Table].Kind != ptx.BranchTargets {
		return nil, errors.New("want an index and a list of .branchtargets")
	}
	index, err := d.source(&in.Operands[0], ptx.U32)
	if err != nil {
		return nil, err
	}
	out := &inst{kind: controlKind, control: jumpTable, a: index, table: true}
	for _, l := range d.fn.Tables[in.Operands[1].Table].Labels {
		out.x = append(out.x, uint32(d.flow.at(d.fn.Labels[l].At)))
	}
	return out, nil
}

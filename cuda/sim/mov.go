package sim

import (
	"errors"
	"fmt"

	"palladio/cuda/sim/ptx"
)

func copyNarrow(d, a, _, _ *reg)    { *d = *a }
func copyWide(d, a, _, _ *reg)      { *d.u64() = *a.u64() }
func copyPredicate(d, a, _, _ *reg) { d[0] = a[0] }

// copyOf is the operation that copies a register.
func copyOf(s shape) laneOp {
	return [...]laneOp{narrow: copyNarrow, wide: copyWide, predicate: copyPredicate}[s]
}

// mov decodes mov in all its forms.
func (d *decoder) mov(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 || len(in.Types) != 1 {
		return nil, errOperands
	}
	to, from, t := &in.Operands[0], &in.Operands[1], in.Types[0]
	switch {
	case to.Kind == ptx.Vector:
		return d.unpack(to.Elems, from, t)
	case from.Kind == ptx.Vector:
		return d.pack(to, from.Elems, t)
	}
	dst, err := d.dst(to, t)
	if err != nil {
		return nil, err
	}
	s := shapeOf(t)
	if from.Kind == ptx.SpecialName {
		switch {
		case changes(from.Special):
			if specialWide(from.Special) != (s == wide) {
				return nil, fmt.Errorf("special register %s does not fit %s", from.Special, t)
			}
			return &inst{kind: selfKind, run: runNow, d: dst, shape: s, imm: uint64(from.Special)}, nil
		case s == wide && !specialWide(from.Special):
			return &inst{kind: laneKind, lane: widen, d: dst, a: d.special(from.Special), shape: wide}, nil
		case s == narrow && specialWide(from.Special):
			return &inst{kind: laneKind, lane: lowWord, d: dst, a: d.special(from.Special), shape: narrow}, nil
		case s == narrow && t.Bits() < 32:
			return &inst{kind: laneKind, lane: lowHalf, d: dst, a: d.special(from.Special), shape: narrow}, nil
		}
	}
	src, err := d.source(from, t)
	return &inst{kind: laneKind, lane: copyOf(s), d: dst, a: src, shape: s}, err
}

func widen(d, a, _, _ *reg) {
	to := d.u64()
	for i := lanes - 1; i >= 0; i-- {
		to[i] = uint64(a[i])
	}
}

func lowWord(d, a, _, _ *reg) {
	for i, v := range a.u64() {
		d[i] = uint32(v)
	}
}

func lowHalf(d, a, _, _ *reg) {
	for i, v := range a {
		d[i] = v & 0xffff
	}
}

// elementType is the type of one of n equal parts of t.
func elementType(t ptx.Type, n int) (ptx.Type, error) {
	if n > 0 && t.Bits()%n == 0 {
		switch t.Bits() / n {
		case 8:
			return ptx.B8, nil
		case 16:
			return ptx.B16, nil
		case 32:
			return ptx.B32, nil
		}
	}
	return ptx.NoType, fmt.Errorf("%s cannot be taken as %d parts", t, n)
}

// unpack decodes mov {a, b, ...}, x.
func (d *decoder) unpack(to []ptx.Operand, from *ptx.Operand, t ptx.Type) (*inst, error) {
	part, err := elementType(t, len(to))
	if err != nil {
		return nil, err
	}
	out := &inst{kind: multiKind}
	for i := range to {
		off, err := d.dst(&to[i], part)
		if err != nil {
			return nil, err
		}
		out.x = append(out.x, off)
		out.shapes = append(out.shapes, narrow)
	}
	src, err := d.source(from, t)
	out.x = append(out.x, src)
	bits := part.Bits()
	switch {
	case t.Bits() == 64 && bits == 32:
		out.multi = unpackWords
	default:
		out.multi = unpacker(bits, shapeOf(t) == wide)
	}
	return out, err
}

// unpackWords takes the two halves of 64 bits.
func unpackWords(r []*reg) {
	lo, hi, s := r[0], r[1], *r[2].u64()
	for i, v := range &s {
		lo[i], hi[i] = uint32(v), uint32(v>>32)
	}
}

// unpacker takes parts of the given bits.
func unpacker(bits int, wide bool) multiOp {
	mask := uint64(1)<<bits - 1
	return func(r []*reg) {
		n := len(r) - 1
		for i := range lanes {
			v := uint64(r[n][i])
			if wide {
				v = r[n].u64()[i]
			}
			for j := range n {
				r[j][i] = uint32(v >> (bits * j) & mask)
			}
		}
	}
}

// pack decodes mov x, {a, b, ...}.
func (d *decoder) pack(to *ptx.Operand, from []ptx.Operand, t ptx.Type) (*inst, error) {
	part, err := elementType(t, len(from))
	if err != nil {
		return nil, err
	}
	off, err := d.dst(to, t)
	if err != nil {
		return nil, err
	}
	out := &inst{kind: multiKind, x: []uint32{off}, shapes: []shape{shapeOf(t)}}
	for i := range from {
		src, err := d.source(&from[i], part)
		if err != nil {
			return nil, err
		}
		out.x = append(out.x, src)
	}
	out.multi = packer(part.Bits(), shapeOf(t) == wide)
	return out, nil
}

// packer puts parts of the given bits together.
func packer(bits int, wide bool) multiOp {
	mask := uint64(1)<<bits - 1
	return func(r []*reg) {
		var whole [lanes]uint64
		for j, p := range r[1:] {
			for i := range whole {
				whole[i] |= uint64(p[i]) & mask << (bits * j)
			}
		}
		if wide {
			*r[0].u64() = whole
			return
		}
		for i := range r[0] {
			r[0][i] = uint32(whole[i])
		}
	}
}

// windowOf is where a space begins among generic addresses.
func (d *decoder) windowOf(s ptx.Space) (base, span uint64, err error) {
	switch s {
	case ptx.Global, ptx.Const:
		return 0, 0, nil
	case ptx.Shared:
		return sharedWindow, sharedSpan, nil
	case ptx.Local:
		return localWindow, localSpan, nil
	case ptx.Param:
		if !d.fn.Entry {
			return localWindow, localSpan, nil
		}
		return paramWindow, paramSpan, nil
	}
	return 0, 0, errors.New("want a state space")
}

// cvta decodes the conversion between generic addresses and those of a space.
func (d *decoder) cvta(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 || len(in.Types) != 1 || in.Types[0].Bits() != 64 {
		return nil, errors.New("want two operands of 64 bits")
	}
	base, _, err := d.windowOf(in.Space())
	if err != nil {
		return nil, err
	}
	dst, err := d.dst(&in.Operands[0], ptx.B64)
	if err != nil {
		return nil, err
	}
	src, err := d.source(&in.Operands[1], ptx.B64)
	out := &inst{kind: laneKind, d: dst, a: src, shape: wide, lane: copyWide}
	if base != 0 {
		if in.Has("to") {
			base = -base
		}
		out.lane, out.b = addWide, d.constant(wide, base)
	}
	return out, err
}

func addWide(d, a, b, _ *reg) {
	x, y, z := d.u64(), a.u64(), b.u64()
	for i := range x {
		x[i] = y[i] + z[i]
	}
}

// isspacep decodes the question whether a generic address lies in a space.
func (d *decoder) isspacep(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 {
		return nil, errOperands
	}
	base, span, err := d.windowOf(in.Space())
	if err != nil {
		return nil, err
	}
	dst, err := d.dst(&in.Operands[0], ptx.Pred)
	if err != nil {
		return nil, err
	}
	src, err := d.source(&in.Operands[1], ptx.B64)
	lane := func(p, a, _, _ *reg) {
		m := uint32(0)
		for i, v := range a.u64() {
			in := v-base < span
			if span == 0 {
				in = v >= globalBase && v < globalEnd
			}
			if in {
				m |= 1 << i
			}
		}
		p[0] = m
	}
	if in.Space() == ptx.Const {
		vars := d.module.vars
		lane = func(p, a, _, _ *reg) {
			m := uint32(0)
			for i, v := range a.u64() {
				for _, al := range vars {
					if al.readOnly && v-al.addr < al.size {
						m |= 1 << i
					}
				}
			}
			p[0] = m
		}
	}
	return &inst{kind: laneKind, lane: lane, d: dst, a: src, shape: predicate}, err
}

// mapa gives the address of a variable in another block of the cluster, which is always the same block here.
func (d *decoder) mapa(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 3 || len(in.Types) != 1 {
		return nil, errOperands
	}
	dst, err := d.dst(&in.Operands[0], in.Types[0])
	if err != nil {
		return nil, err
	}
	src, err := d.source(&in.Operands[1], in.Types[0])
	s := shapeOf(in.Types[0])
	return &inst{kind: laneKind, lane: copyOf(s), d: dst, a: src, shape: s}, err
}

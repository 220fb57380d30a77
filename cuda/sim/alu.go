package sim

import (
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// aluOf finds the operation of an arithmetic instruction. It is false for an opcode that is none, and for a variant of one that does not exist here.
func aluOf(f *ptx.Func, in *ptx.Instr) (alu, bool) {
	find, ok := aluOps[in.Op]
	if !ok {
		return alu{}, false
	}
	op := find(f, in)
	return op, op.lane != nil || op.compare != nil || op.multi != nil
}

// aluOps finds the operation by the opcode; an alu without operation means that there is no such variant.
var aluOps map[string]func(f *ptx.Func, in *ptx.Instr) alu

func init() {
	plain := func(find func(in *ptx.Instr) alu) func(f *ptx.Func, in *ptx.Instr) alu {
		return func(_ *ptx.Func, in *ptx.Instr) alu { return find(in) }
	}
	aluOps = map[string]func(f *ptx.Func, in *ptx.Instr) alu{
		"add": plain(addSub), "sub": plain(addSub), "mul": plain(multiply), "mad": plain(multiplyAdd), "fma": plain(fused),
		"mul24": plain(multiply24), "mad24": plain(multiply24), "div": plain(divide), "rem": plain(remainder),
		"abs": plain(absolute), "neg": plain(negate), "min": plain(minMax), "max": plain(minMax), "sad": plain(sumDifference),
		"addc": plain(carryAdd), "subc": plain(carryAdd), "madc": plain(carryMultiply), "dp2a": plain(dotProduct), "dp4a": plain(dotProduct),
		"and": plain(logic), "or": plain(logic), "xor": plain(logic), "not": plain(logic), "cnot": plain(logic),
		"shl": plain(shift), "shr": plain(shift), "lop3": lop3, "shf": plain(funnel),
		"bfe": plain(extract), "bfi": plain(insert), "bfind": plain(findBit), "brev": plain(countBits), "clz": plain(countBits),
		"popc": plain(countBits), "fns": plain(findNth), "prmt": plain(permute), "bmsk": plain(bitMask), "szext": plain(signExtend),
		"setp": plain(setPredicate), "set": plain(setValue), "selp": plain(selectPredicate), "slct": plain(selectSign),
		"testp": plain(testProperty), "copysign": plain(copySign),
		"rcp": plain(reciprocal), "sqrt": plain(squareRoot), "rsqrt": plain(approximate), "sin": plain(approximate),
		"cos": plain(approximate), "lg2": plain(approximate), "ex2": plain(approximate), "tanh": plain(approximate),
		"cvt": convert, "mma": plain(matrixMultiply), "movmatrix": plain(moveMatrix),
	}
}

// as is the lanes of a register as values of type T, of 32 or 64 bits.
func as[T any](r *reg) *[lanes]T { return (*[lanes]T)(unsafe.Pointer(r)) }

// lane1, lane2 and lane3 are an operation with so many sources of type src.
func lane1(op laneOp, dst, src ptx.Type) alu {
	return alu{lane: op, dst: []ptx.Type{dst}, src: []ptx.Type{src}}
}

func lane2(op laneOp, dst, src ptx.Type) alu {
	return alu{lane: op, dst: []ptx.Type{dst}, src: []ptx.Type{src, src}}
}

func lane3(op laneOp, dst, src ptx.Type) alu {
	return alu{lane: op, dst: []ptx.Type{dst}, src: []ptx.Type{src, src, src}}
}

// pick is the operation for a type of 32 or 64 bits, signed or not.
func pick(t ptx.Type, u32, s32, u64, s64 laneOp) laneOp {
	switch t {
	case ptx.U32, ptx.B32:
		return u32
	case ptx.S32:
		return s32
	case ptx.U64, ptx.B64:
		return u64
	case ptx.S64:
		return s64
	}
	return nil
}

// each16 applies f to 16-bit values, sign-extended where signed, and keeps the low 16 bits of what it gives.
func each16(signed bool, f func(a, b, c uint32) uint32) laneOp {
	if signed {
		return func(d, a, b, c *reg) {
			for i := range d {
				d[i] = f(sext16(a[i]), sext16(b[i]), sext16(c[i])) & 0xffff
			}
		}
	}
	return func(d, a, b, c *reg) {
		for i := range d {
			d[i] = f(a[i]&0xffff, b[i]&0xffff, c[i]&0xffff) & 0xffff
		}
	}
}

// sext16 extends the sign of the low 16 bits.
func sext16(x uint32) uint32 { return uint32(int32(int16(x))) }

// each2x16 applies f to both halves.
func each2x16(signed bool, f func(a, b, c uint32) uint32) laneOp {
	widen := func(x uint32) uint32 { return x & 0xffff }
	if signed {
		widen = sext16
	}
	return func(d, a, b, c *reg) {
		for i := range d {
			lo := f(widen(a[i]), widen(b[i]), widen(c[i]))
			hi := f(widen(a[i]>>16), widen(b[i]>>16), widen(c[i]>>16))
			d[i] = lo&0xffff | hi<<16
		}
	}
}

// each32 applies f to 32-bit values.
func each32(f func(a, b, c uint32) uint32) laneOp {
	return func(d, a, b, c *reg) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

// each64 applies f to 64-bit values.
func each64(f func(a, b, c uint64) uint64) laneOp {
	return func(d, a, b, c *reg) {
		z, x, y, w := d.u64(), a.u64(), b.u64(), c.u64()
		for i := range z {
			z[i] = f(x[i], y[i], w[i])
		}
	}
}

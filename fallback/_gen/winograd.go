package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// winogradConstants are the multipliers of the transforms, each repeated over a vector.
var winogradConstants = []float32{2, 4, 5, 8, 1.0 / 4, 1.0 / 6, 1.0 / 12, 1.0 / 24}

// transform is the state of one builder: the instruction set and where its constants lie.
type transform struct {
	convISA
	constants Mem
}

// c is a constant as a memory operand.
func (t transform) c(v float32) Mem {
	for i, x := range winogradConstants {
		if x == v {
			m := t.constants
			m.Disp += 64 * i
			return m
		}
	}
	panic("winograd: no such constant")
}

// sum is a + b, difference a - b, in a new register.
func (t transform) sum(a, b Op) reg.VecVirtual {
	r := t.vec()
	VADDPS(b, a, r)
	return r
}

func (t transform) difference(a, b Op) reg.VecVirtual {
	r := t.vec()
	VSUBPS(b, a, r)
	return r
}

// scaled is k·a in a new register.
func (t transform) scaled(k float32, a Op) reg.VecVirtual {
	r := t.vec()
	VMULPS(t.c(k), a, r)
	return r
}

// plus adds k·a to r, minus subtracts it, in place.
func (t transform) plus(r reg.VecVirtual, k float32, a reg.VecVirtual) reg.VecVirtual {
	VFMADD231PS(t.c(k), a, r)
	return r
}

func (t transform) minus(r reg.VecVirtual, k float32, a reg.VecVirtual) reg.VecVirtual {
	VFNMADD231PS(t.c(k), a, r)
	return r
}

// loader reads element i of a column into a new register.
type loader func(i int) reg.VecVirtual

// Each group of these computes some rows of B^T d, A^T m, A y or G g for one column; a group shares subexpressions and
// keeps few enough values for sixteen registers.
type rowsOf func(t transform, d loader) []reg.VecVirtual

var (
	inputRows = []rowsOf{
		func(t transform, d loader) []reg.VecVirtual {
			return []reg.VecVirtual{t.plus(t.minus(d(4), 5, d(2)), 4, d(0))}
		},
		func(t transform, d loader) []reg.VecVirtual {
			even, odd := t.minus(d(4), 4, d(2)), t.minus(d(3), 4, d(1))
			return []reg.VecVirtual{t.sum(even, odd), t.difference(even, odd)}
		},
		func(t transform, d loader) []reg.VecVirtual {
			even, odd := t.difference(d(4), d(2)), t.difference(d(3), d(1))
			VADDPS(odd, odd, odd)
			return []reg.VecVirtual{t.sum(even, odd), t.difference(even, odd)}
		},
		func(t transform, d loader) []reg.VecVirtual {
			return []reg.VecVirtual{t.plus(t.minus(d(5), 5, d(3)), 4, d(1))}
		},
	}
	outputRows = []rowsOf{ // rows 0 and 2, rows 1 and 3
		func(t transform, m loader) []reg.VecVirtual {
			a, b := m(1), m(3)
			VADDPS(m(2), a, a)
			VADDPS(m(4), b, b)
			return []reg.VecVirtual{t.sum(t.sum(a, b), m(0)), t.plus(a, 4, b)}
		},
		func(t transform, m loader) []reg.VecVirtual {
			a, b := m(1), m(3)
			VSUBPS(m(2), a, a)
			VSUBPS(m(4), b, b)
			first := t.vec()
			VMOVAPS(a, first)
			t.plus(first, 2, b)
			VADDPS(m(5), a, a)
			return []reg.VecVirtual{first, t.plus(a, 8, b)}
		},
	}
	gradientRows = []rowsOf{ // A y
		func(t transform, y loader) []reg.VecVirtual { return []reg.VecVirtual{y(0)} },
		func(t transform, y loader) []reg.VecVirtual {
			even, odd := t.sum(y(0), y(2)), t.sum(y(1), y(3))
			return []reg.VecVirtual{t.sum(even, odd), t.difference(even, odd)}
		},
		func(t transform, y loader) []reg.VecVirtual {
			even, odd := t.plus(y(0), 4, y(2)), y(1)
			VADDPS(odd, odd, odd)
			t.plus(odd, 8, y(3))
			return []reg.VecVirtual{t.sum(even, odd), t.difference(even, odd)}
		},
		func(t transform, y loader) []reg.VecVirtual { return []reg.VecVirtual{y(3)} },
	}
	filterRows = []rowsOf{ // G g
		func(t transform, g loader) []reg.VecVirtual { return []reg.VecVirtual{t.scaled(1.0/4, g(0))} },
		func(t transform, g loader) []reg.VecVirtual {
			even, odd := t.scaled(1.0/6, t.sum(g(0), g(2))), t.scaled(1.0/6, g(1))
			sum := t.sum(even, odd)
			n := t.vec()
			zero(n)
			return []reg.VecVirtual{t.difference(n, sum), t.difference(odd, even)}
		},
		func(t transform, g loader) []reg.VecVirtual {
			even, odd := t.plus(t.scaled(1.0/24, g(0)), 1.0/6, g(2)), t.scaled(1.0/12, g(1))
			return []reg.VecVirtual{t.sum(even, odd), t.difference(even, odd)}
		},
		func(t transform, g loader) []reg.VecVirtual { return []reg.VecVirtual{g(2)} },
	}
	filterGradientRows = []rowsOf{ // G^T u
		func(t transform, u loader) []reg.VecVirtual {
			r := t.plus(t.scaled(1.0/4, u(0)), 1.0/24, t.sum(u(3), u(4)))
			return []reg.VecVirtual{t.minus(r, 1.0/6, t.sum(u(1), u(2)))}
		},
		func(t transform, u loader) []reg.VecVirtual {
			r := t.scaled(1.0/6, t.difference(u(2), u(1)))
			return []reg.VecVirtual{t.plus(r, 1.0/12, t.difference(u(3), u(4)))}
		},
		func(t transform, u loader) []reg.VecVirtual {
			s := t.difference(t.sum(u(3), u(4)), t.sum(u(1), u(2)))
			return []reg.VecVirtual{t.plus(u(5), 1.0/6, s)}
		},
	}
)

// winograd builds the transforms of F(4x4,3x3), channels in the lanes.
func winograd() {
	constants := GLOBL("winogradConstants", attr.RODATA|attr.NOPTR)
	for i, v := range winogradConstants {
		for j := range 16 {
			DATA(64*i+4*j, U32(math.Float32bits(v)))
		}
	}
	mask := maskTable("winogradMask")
	for _, s := range []convISA{convAVX2, convAVX512} {
		t := transform{s, constants}
		t.gather("Input", inputRows, 6)
		t.gather("Gradient", gradientRows, 4)
		t.output(mask)
		t.planes("Filter", filterRows, 3)
		t.planes("FilterGradient", filterGradientRows, 6)
	}
}

// both applies groups to the columns and then to the rows of an n x n patch; column reads patch element (i, j), emit takes the results
// of one row.
func (t transform) both(groups []rowsOf, n int, element func(i, j int) reg.VecVirtual, emit func(row int, values []reg.VecVirtual)) {
	row := 0
	for _, group := range groups {
		var columns [][]reg.VecVirtual // [column][row of the group]
		for j := range n {
			columns = append(columns, group(t, func(i int) reg.VecVirtual { return element(i, j) }))
		}
		for r := range columns[0] {
			fresh := func(j int) reg.VecVirtual { // rows are read several times, and groups work in place
				v := t.vec()
				VMOVAPS(columns[j][r], v)
				return v
			}
			var values []reg.VecVirtual
			for _, g := range groups {
				values = g(t, fresh)
				emit(row, values)
			}
			row++
		}
	}
}

// gather builds a transform that reads an n x n patch of pixels by offsets and writes its 36 values.
func (t transform) gather(what string, groups []rowsOf, n int) {
	name := "winograd" + what + t.name
	TEXT(name, attr.NOSPLIT, "func(x, v *float32, off *int, vstep, channels int)")
	Pragma("noescape")
	switch what {
	case "Input":
		Doc(name+" is B^T d B of F(4x4,3x3) for each channel c of a patch d[i][j] = x[off[6i + j] + c]: v[(6i + j)·vstep + c].", "Steps and offsets are in bytes; channels is a multiple of the vector's lanes.")
	default:
		Doc(name+" is A d A^T of F(4x4,3x3) for each channel c of a patch d[i][j] = x[off[4i + j] + c]: v[(6i + j)·vstep + c].", "Steps and offsets are in bytes; channels is a multiple of the vector's lanes.")
	}
	x, v, off := Load(Param("x"), GP64()), Load(Param("v"), GP64()), Load(Param("off"), GP64())
	step, n64 := Load(Param("vstep"), GP64()), Load(Param("channels"), GP64())
	Label("channels")
	to := GP64()
	MOVQ(v, to)
	t.both(groups, n, func(i, j int) reg.VecVirtual {
		o, r := GP64(), t.vec()
		MOVQ(Mem{Base: off, Disp: 8 * (n*i + j)}, o)
		VMOVUPS(Mem{Base: x, Index: o, Scale: 1}, r)
		return r
	}, func(_ int, values []reg.VecVirtual) {
		for _, r := range values {
			VMOVUPS(r, Mem{Base: to})
			ADDQ(step, to)
		}
	})
	ADDQ(Imm(uint64(t.bytes())), x)
	ADDQ(Imm(uint64(t.bytes())), v)
	SUBQ(Imm(uint64(t.lanes)), n64)
	JNZ(LabelRef("channels"))
	VZEROUPPER()
	RET()
}

// planes builds a transform of n x n planes to as many as the rows of the groups squared.
func (t transform) planes(what string, groups []rowsOf, n int) {
	name := "winograd" + what + t.name
	TEXT(name, attr.NOSPLIT, "func(x, y *float32, xstep, ystep, n int)")
	Pragma("noescape")
	if what == "Filter" {
		Doc(name+" is G g G^T of F(4x4,3x3) for n filters g[i][j] = x[(3i + j)·xstep]: y[(6i + j)·ystep].", "Steps are in bytes; n is a multiple of the vector's lanes.")
	} else {
		Doc(name+" is G^T u G of F(4x4,3x3) for n values u[i][j] = x[(6i + j)·xstep]: y[(3i + j)·ystep].", "Steps are in bytes; n is a multiple of the vector's lanes.")
	}
	x, y := Load(Param("x"), GP64()), Load(Param("y"), GP64())
	xs, ys, count := Load(Param("xstep"), GP64()), Load(Param("ystep"), GP64()), Load(Param("n"), GP64())
	xs3, xs5 := GP64(), GP64()
	LEAQ(Mem{Base: xs, Index: xs, Scale: 2}, xs3)
	LEAQ(Mem{Base: xs, Index: xs, Scale: 4}, xs5)
	Label("values")
	to := GP64()
	MOVQ(y, to)
	rows := make([]reg.Register, n) // where row i of the planes begins
	for i := range rows {
		rows[i] = x
		if i > 0 {
			rows[i] = GP64()
			switch n {
			case 3:
				LEAQ(Mem{Base: rows[i-1], Index: xs3, Scale: 1}, rows[i])
			default:
				LEAQ(Mem{Base: rows[i-1], Index: xs3, Scale: 2}, rows[i])
			}
		}
	}
	t.both(groups, n, func(i, j int) reg.VecVirtual {
		r := t.vec()
		p := []Mem{{Base: rows[i]}, {Base: rows[i], Index: xs, Scale: 1}, {Base: rows[i], Index: xs, Scale: 2},
			{Base: rows[i], Index: xs3, Scale: 1}, {Base: rows[i], Index: xs, Scale: 4}, {Base: rows[i], Index: xs5, Scale: 1}}[j]
		VMOVUPS(p, r)
		return r
	}, func(_ int, values []reg.VecVirtual) {
		for _, r := range values {
			VMOVUPS(r, Mem{Base: to})
			ADDQ(ys, to)
		}
	})
	ADDQ(Imm(uint64(t.bytes())), x)
	ADDQ(Imm(uint64(t.bytes())), y)
	SUBQ(Imm(uint64(t.lanes)), count)
	JNZ(LabelRef("values"))
	VZEROUPPER()
	RET()
}

// output builds the inverse transform with the epilogue.
func (t transform) output(table Mem) {
	name := "winogradOutput" + t.name
	TEXT(name, attr.NOSPLIT, "func(m, y, bias, residual *float32, out *int, mstep, cols int, lo, hi float32)")
	Pragma("noescape")
	Doc(name+" is A^T m A of F(4x4,3x3) for each channel c of m[i][j] = m[(6i + j)·mstep + c], with the epilogue:",
		"",
		"	y[out[4i + j] + c] = min(max(t[i][j] + bias[c] + residual[out[4i + j] + c], lo), hi)   for c < cols, where out[4i + j] ≥ 0",
		"",
		"Steps and offsets are in bytes; m and bias are readable up to a multiple of the vector's lanes; residual may be nil.")
	m, y, bias := Load(Param("m"), GP64()), Load(Param("y"), GP64()), Load(Param("bias"), GP64())
	residual, out := Load(Param("residual"), GP64()), Load(Param("out"), GP64())
	ms := Load(Param("mstep"), GP64())
	row := GP64() // from one row of the planes to the next
	row3, row5 := GP64(), GP64()
	LEAQ(Mem{Base: ms, Index: ms, Scale: 2}, row)
	ADDQ(row, row)
	LEAQ(Mem{Base: row, Index: row, Scale: 2}, row3)
	LEAQ(Mem{Base: row, Index: row, Scale: 4}, row5)
	cols := Load(Param("cols"), GP64())
	lo, _ := Param("lo").Resolve()
	hi, _ := Param("hi").Resolve()
	Label("channels")
	for group, f := range outputRows {
		column := GP64()
		MOVQ(m, column)
		var columns [][]reg.VecVirtual
		for j := range 6 {
			if j > 0 {
				ADDQ(ms, column)
			}
			columns = append(columns, f(t, func(i int) reg.VecVirtual {
				r := t.vec()
				VMOVUPS([]Mem{{Base: column}, {Base: column, Index: row, Scale: 1}, {Base: column, Index: row, Scale: 2},
					{Base: column, Index: row3, Scale: 1}, {Base: column, Index: row, Scale: 4}, {Base: column, Index: row5, Scale: 1}}[i], r)
				return r
			}))
		}
		for r := range 2 {
			a := make([]reg.VecVirtual, 6)
			for j := range a {
				a[j] = columns[j][r]
			}
			t.finish(group+2*r, t.outputRow(a), y, bias, residual, out, cols, table, lo.Addr, hi.Addr)
		}
	}
	ADDQ(Imm(uint64(t.bytes())), m)
	ADDQ(Imm(uint64(t.bytes())), y)
	ADDQ(Imm(uint64(t.bytes())), bias)
	TESTQ(residual, residual)
	JZ(LabelRef("next"))
	ADDQ(Imm(uint64(t.bytes())), residual)
	Label("next")
	SUBQ(Imm(uint64(t.lanes)), cols)
	JG(LabelRef("channels"))
	VZEROUPPER()
	RET()
}

// outputRow is A^T applied to six values, in their own registers and one more.
func (t transform) outputRow(a []reg.VecVirtual) []reg.VecVirtual {
	even := t.sum(a[1], a[2])
	VSUBPS(a[2], a[1], a[1])
	VADDPS(a[4], a[3], a[2]) // a[2] is now m3 + m4
	VSUBPS(a[4], a[3], a[3])
	VADDPS(even, a[0], a[0])
	VADDPS(a[2], a[0], a[0])
	t.plus(even, 4, a[2])
	VADDPS(a[1], a[5], a[5])
	t.plus(a[5], 8, a[3])
	t.plus(a[1], 2, a[3])
	return []reg.VecVirtual{a[0], a[1], even, a[5]}
}

var outputLabels int

// finish applies the epilogue to one row of four pixels and stores those that exist.
func (t transform) finish(i int, values []reg.VecVirtual, y, bias, residual, out, cols reg.Register, table, lo, hi Mem) {
	var mask columnMask
	mask.s = t.convISA
	if t.lanes == 16 {
		bits, k := GP64(), K()
		MOVQ(I32(-1), bits)
		full, n := GP64(), GP64()
		MOVQ(U32(16), full)
		MOVQ(cols, n)
		CMPQ(n, full)
		CMOVQGT(full, n)
		BZHIQ(n, bits, bits)
		KMOVW(bits.As32(), k)
		mask.k = append(mask.k, k)
	} else {
		p, k, n, full := GP64(), YMM(), GP64(), GP64()
		MOVQ(U32(8), full)
		MOVQ(cols, n)
		CMPQ(n, full)
		CMOVQGT(full, n)
		NEGQ(n)
		LEAQ(table, p)
		VMOVUPS(Mem{Base: p, Index: n, Scale: 4, Disp: 64}, k)
		mask.k = append(mask.k, k)
	}
	for j, v := range values {
		outputLabels++
		skip, plain := labelf("skip", outputLabels), labelf("plain", outputLabels)
		o := GP64()
		MOVQ(Mem{Base: out, Disp: 8 * (4*i + j)}, o)
		TESTQ(o, o)
		JS(LabelRef(skip))
		VADDPS(Mem{Base: bias}, v, v)
		TESTQ(residual, residual)
		JZ(LabelRef(plain))
		r := t.vec()
		mask.load(Mem{Base: residual, Index: o, Scale: 1}, 0, r)
		VADDPS(r, v, v)
		Label(plain)
		limit := t.vec()
		VBROADCASTSS(lo, limit)
		VMAXPS(v, limit, v)
		VBROADCASTSS(hi, limit)
		VMINPS(v, limit, v)
		mask.store(v, 0, Mem{Base: y, Index: o, Scale: 1})
		Label(skip)
	}
}

func labelf(name string, n int) string { return fmt.Sprintf("%s%d", name, n) }

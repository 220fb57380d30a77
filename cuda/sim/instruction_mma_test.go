package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// fragment says where a lane's registers hold the elements of a matrix: element e of register i of the lane is at row and col.
type fragment func(lane, i, e int) (row, col int)

// The fragments of operands with per elements to a register, as tables give them: g is the lane's group of four, t its place there.

func fragmentA(m, per int) fragment {
	return func(lane, i, e int) (row, col int) {
		g, t := lane/4, lane%4
		if m == 8 {
			return g, per*t + e + 4*per*i
		}
		return g + 8*(i%2), per*t + e + 4*per*(i/2)
	}
}

func fragmentB(per int) fragment {
	return func(lane, i, e int) (row, col int) { return per*(lane%4) + e + 4*per*i, lane / 4 }
}

func fragmentC(per int) fragment {
	return func(lane, i, e int) (row, col int) {
		if per == 2 {
			return lane/4 + 8*i, 2*(lane%4) + e
		}
		return lane/4 + 8*(i/2), 2*(lane%4) + i%2
	}
}

// matrixCase is one mma.
type matrixCase struct {
	name          string // from the shape on
	m, k          int
	elem          string // kind of the elements of a and b
	acc           string // kind of those of c and d
	perA          int    // elements to a register
	perC          int
	frA, frB, frC fragment
	regsA, regsB  int
	regsC, regsD  int
	regA, regC    string
	products      int // independent ones in a warp
}

// TestFragments checks that each matrix has each element just once in the registers.
func TestFragments(t *testing.T) {
	for _, c := range matrixCases() {
		for _, f := range []struct {
			name            string
			at              fragment
			regs, per, r, k int
		}{{"a", c.frA, c.regsA, c.perA, c.m, c.k}, {"b", c.frB, c.regsB, c.perA, c.k, 8}, {"c", c.frC, c.regsC, c.perC, c.m, 8}} {
			seen := map[[2]int]int{}
			for lane := range lanes {
				for i := range f.regs {
					for e := range f.per {
						row, col := f.at(lane, i, e)
						if row < 0 || row >= f.r || col < 0 || col >= f.k {
							t.Fatalf("%s: %s has no element %d, %d", c.name, f.name, row, col)
						}
						seen[[2]int{row, col}]++
					}
				}
			}
			for at, n := range seen {
				if n != c.products {
					t.Errorf("%s: element %v of %s is in %d places", c.name, at, f.name, n)
				}
			}
			if len(seen) != f.r*f.k {
				t.Errorf("%s: %s has %d of %d elements", c.name, f.name, len(seen), f.r*f.k)
			}
		}
	}
}

// matrixCases lists the shapes and types.
func matrixCases() []matrixCase {
	var list []matrixCase
	add := func(m, k int, elem, acc, types, extra string, per int) {
		c := matrixCase{m: m, k: k, elem: elem, acc: acc, perA: per, perC: 1, products: 1, regA: "b32", regC: "b32"}
		c.name = fmt.Sprintf("m%dn8k%d.row.col%s", m, k, types)
		if extra != "" {
			c.name = strings.Replace(c.name, types, extra+types, 1)
			if strings.HasSuffix(extra, "popc") {
				c.name = fmt.Sprintf("m%dn8k%d.row.col%s%s", m, k, types, extra)
			}
		}
		if acc == "f16" {
			c.perC = 2
		}
		if elem == "f64" {
			c.regA, c.regC = "b64", "b64"
		}
		c.frA, c.frB, c.frC = fragmentA(m, per), fragmentB(per), fragmentC(c.perC)
		c.regsA, c.regsB, c.regsC = m*k/per/lanes, 8*k/per/lanes, m*8/c.perC/lanes
		c.regsD = c.regsC
		list = append(list, c)
	}
	for _, k := range []int{8, 16} {
		add(16, k, "f16", "f32", ".f32.f16.f16.f32", "", 2)
		add(16, k, "f16", "f16", ".f16.f16.f16.f16", "", 2)
		add(16, k, "bf16", "f32", ".f32.bf16.bf16.f32", "", 2)
	}
	for _, k := range []int{4, 8} {
		add(16, k, "tf32", "f32", ".f32.tf32.tf32.f32", "", 1)
	}
	add(8, 4, "f64", "f64", ".f64.f64.f64.f64", "", 1)
	for _, k := range []int{4, 8, 16} {
		add(16, k, "f64", "f64", ".f64.f64.f64.f64", "", 1)
	}
	for _, elem := range []string{"s8", "u8"} {
		types := ".s32." + elem + "." + elem + ".s32"
		add(8, 16, elem, "s32", types, "", 4)
		add(16, 16, elem, "s32", types, "", 4)
		add(16, 32, elem, "s32", types, ".satfinite", 4)
	}
	add(16, 32, "e4m3", "f32", ".f32.e4m3.e4m3.f32", "", 4)
	add(16, 32, "e5m2", "f32", ".f32.e5m2.e5m2.f32", "", 4)
	for _, elem := range []string{"s4", "u4"} {
		types := ".s32." + elem + "." + elem + ".s32"
		add(8, 32, elem, "s32", types, "", 8)
		add(16, 32, elem, "s32", types, "", 8)
		add(16, 64, elem, "s32", types, "", 8)
	}
	for _, op := range []string{".xor.popc", ".and.popc"} {
		add(8, 128, "b1", "s32", ".s32.b1.b1.s32", op, 32)
		add(16, 128, "b1", "s32", ".s32.b1.b1.s32", op, 32)
		add(16, 256, "b1", "s32", ".s32.b1.b1.s32", op, 32)
	}
	for _, rowA := range []string{"row", "col"} {
		for _, rowB := range []string{"row", "col"} {
			for _, acc := range []string{"f16", "f32"} {
				list = append(list, voltaCase(rowA, rowB, acc))
			}
		}
	}
	return list
}

// voltaCase is mma.m8n8k4 of f16: the maps give the elements of the product that the lane takes part in.
func voltaCase(rowA, rowB, acc string) matrixCase {
	c := matrixCase{
		name: fmt.Sprintf("m8n8k4.%s.%s.%s.f16.f16.%s", rowA, rowB, acc, acc),
		m:    8, k: 4, elem: "f16", acc: acc, perA: 2, perC: 2, products: 4, regsA: 2, regsB: 2, regsC: 4, regsD: 4, regA: "b32", regC: "b32",
	}
	high := func(lane int) int { return lane / 16 * 4 }
	c.frA = func(lane, i, e int) (row, col int) { return lane%4 + high(lane), 2*i + e }
	if rowA == "col" {
		c.frA = func(lane, i, e int) (row, col int) { return 2*i + e + high(lane), lane % 4 }
	}
	c.frB = func(lane, i, e int) (row, col int) { return 2*i + e, lane%4 + high(lane) }
	if rowB == "row" {
		c.frB = func(lane, i, e int) (row, col int) { return lane % 4, 2*i + e + high(lane) }
	}
	c.frC = func(lane, i, e int) (row, col int) { return lane%4 + high(lane), 2*i + e }
	if acc == "f32" {
		c.perC, c.regsC, c.regsD = 1, 8, 8
		c.frC = func(lane, i, _ int) (row, col int) { return lane%2 + i&2 + high(lane), i&4 + lane&2 + i&1 }
	}
	return c
}

// randomElement makes the bits of a small whole number of a kind, and gives the number.
func randomElement(t *testing.T, kind string, r *rand.Rand) (bits uint64, value float64, width int) {
	v := r.IntN(9) - 4
	x := float64(v)
	switch kind {
	case "f64":
		return math.Float64bits(x), x, 64
	case "f32":
		return f32(x), x, 32
	case "tf32":
		return f32(x) | uint64(r.IntN(1<<13)), x, 32 // the low bits do not count
	case "f16":
		return floatFormats[2].bits(x), x, 16
	case "bf16":
		return floatFormats[3].bits(x), x, 16
	case "e4m3":
		return halfBits(4, 3)(math.Abs(x)) | map[bool]uint64{true: 0x80}[v < 0], x, 8
	case "e5m2":
		return halfBits(5, 2)(math.Abs(x)) | map[bool]uint64{true: 0x80}[v < 0], x, 8
	case "s32":
		return uint64(uint32(int32(v))), x, 32
	case "s8":
		v = r.IntN(256) - 128
		return uint64(uint8(v)), float64(v), 8
	case "u8":
		v = r.IntN(256)
		return uint64(v), float64(v), 8
	case "s4":
		v = r.IntN(16) - 8
		return uint64(v & 15), float64(v), 4
	case "u4":
		v = r.IntN(16)
		return uint64(v), float64(v), 4
	case "b1":
		v = r.IntN(2)
		return uint64(v), float64(v), 1
	}
	t.Fatalf("no kind %s", kind)
	return 0, 0, 0
}

// TestMatrixProducts checks each mma against the plain product of small whole numbers, which is exact.
func TestMatrixProducts(t *testing.T) {
	cases := matrixCases()
	list := make([]instruction, len(cases))
	for i, c := range cases {
		list[i] = c.instruction()
	}
	b := newBench(t, list)
	r := rand.New(rand.NewPCG(5, 6))
	for i, c := range cases {
		operands := make([]*mmaOperands, 4)
		for q := range operands {
			operands[q] = newMatrices(&c)
		}
		of := func(lane int) *productOf { return &productOf{operands[lane/4%4*bit4(c.products)], lane} }
		rows := make([][]uint64, lanes)
		for lane := range rows {
			p := of(lane)
			rows[lane] = p.pack(t, r, rows[lane], c.elem, c.frA, c.regsA, c.perA, p.a)
			rows[lane] = p.pack(t, r, rows[lane], c.elem, c.frB, c.regsB, c.perA, p.b)
			rows[lane] = p.pack(t, r, rows[lane], c.acc, c.frC, c.regsC, c.perC, p.c)
		}
		bad := 0
		for lane, got := range b.run(i, list[i], rows) {
			p := of(lane)
			for reg, v := range got {
				for e := range c.perC {
					row, col := c.frC(lane, reg, e)
					sum := p.c[row][col]
					for k := range c.k {
						switch x, y := p.a[row][k], p.b[k][col]; {
						case strings.Contains(c.name, "xor") && x != y:
							sum++
						case strings.Contains(c.name, "xor"):
						default:
							sum += x * y
						}
					}
					want := map[string]uint64{"f32": f32(sum), "f64": f64(sum), "s32": uint64(uint32(int32(sum)))}[c.acc]
					have := v
					if c.acc == "f16" {
						want, have = floatFormats[2].bits(sum), v>>(16*e)&0xffff
					}
					if have != want && bad < 3 {
						bad++
						t.Errorf("%s: lane %d, register %d: got %#x, want %#x (%v)", c.name, lane, reg, have, want, sum)
					}
				}
			}
		}
	}
}

// bit4 is 1 where a warp computes four products, else 0.
func bit4(products int) int { return products / 4 }

// mmaOperands are the operands of one product.
type mmaOperands struct{ a, b, c [][]float64 }

func newMatrices(c *matrixCase) *mmaOperands {
	matrix := func(rows, cols int) [][]float64 {
		m := make([][]float64, rows)
		for i := range m {
			m[i] = make([]float64, cols)
		}
		return m
	}
	return &mmaOperands{matrix(c.m, c.k), matrix(c.k, 8), matrix(c.m, 8)}
}

// productOf is the product that a lane takes part in.
type productOf struct {
	*mmaOperands
	lane int
}

// pack appends a lane's registers of a matrix to its row of sources, with random elements that it notes in m.
func (p *productOf) pack(t *testing.T, r *rand.Rand, row []uint64, kind string, at fragment, regs, per int, m [][]float64) []uint64 {
	for i := range regs {
		var word uint64
		for e := range per {
			v, x, width := randomElement(t, kind, r)
			y, z := at(p.lane, i, e)
			m[y][z] = x
			word |= v << (width * e)
		}
		row = append(row, word)
	}
	return row
}

// instruction is the PTX of the case.
func (c *matrixCase) instruction() instruction {
	at := 0
	vector := func(names string, n int) string {
		s := strings.Join(strings.Split(names[at:at+n], ""), ", ")
		at += n
		return "{" + s + "}"
	}
	d := vector(results, c.regsD)
	at = 0
	text := "mma.sync.aligned." + c.name + " " + d + ", " + vector(sources, c.regsA) + ", " + vector(sources, c.regsB) + ", " + vector(sources, c.regsC) + ";"
	in := strings.Repeat(c.regA+" ", c.regsA+c.regsB) + strings.Repeat(c.regC+" ", c.regsC)
	return instruction{text, strings.TrimSpace(strings.Repeat(c.regC+" ", c.regsD)), strings.TrimSpace(in)}
}

// TestMatrixSaturation checks .satfinite, and the wrapping without it.
func TestMatrixSaturation(t *testing.T) {
	for mod, want := range map[string]uint64{"": 0x80000000 + 16*127*127 - 1, ".satfinite": 0x7fffffff} {
		c := instruction{"mma.sync.aligned.m8n8k16.row.col" + mod + ".s32.s8.s8.s32 {d, x}, {a}, {b}, {c, e};", "b32 b32", "b32 b32 b32 b32"}
		rows := make([][]uint64, lanes)
		for i := range rows {
			rows[i] = []uint64{0x7f7f7f7f, 0x7f7f7f7f, 0x7fffffff, 0x7fffffff}
		}
		for lane, got := range newBench(t, []instruction{c}).run(0, c, rows) {
			if got[0] != want || got[1] != want {
				t.Errorf("%s: lane %d: got %#x, want %#x", c.text, lane, got, want)
			}
		}
	}
}

// TestMoveMatrix checks the transposition of a matrix of half-words.
func TestMoveMatrix(t *testing.T) {
	c := instruction{"movmatrix.sync.aligned.m8n8.trans.b16 d, a;", "b32", "b32"}
	rows := make([][]uint64, lanes)
	for lane := range rows {
		row, col := lane/4, lane%4*2
		rows[lane] = []uint64{uint64(8*row + col | (8*row+col+1)<<16)}
	}
	for lane, got := range newBench(t, []instruction{c}).run(0, c, rows) {
		row, col := lane/4, lane%4*2
		if want := uint64(8*col + row | (8*(col+1)+row)<<16); got[0] != want {
			t.Errorf("lane %d: got %#x, want %#x", lane, got[0], want)
		}
	}
}

package sim

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// floatFormat is a floating-point format as big.Float counts it.
type floatFormat struct {
	name       string
	reg        string
	prec       int // bits of the significand
	emin, emax int // of normal numbers
	value      func(uint64) float64
	bits       func(float64) uint64 // of a value of the format
	random     func(r *rand.Rand) uint64
}

var floatFormats = []floatFormat{
	{"f32", "b32", 24, -126, 127,
		func(v uint64) float64 { return float64(math.Float32frombits(uint32(v))) },
		func(x float64) uint64 { return uint64(math.Float32bits(float32(x))) },
		func(r *rand.Rand) uint64 { return uint64(r.Uint32()) }},
	{"f64", "b64", 53, -1022, 1023, math.Float64frombits, math.Float64bits, (*rand.Rand).Uint64},
	{"f16", "b16", 11, -14, 15, halfValue(5, 10), halfBits(5, 10), func(r *rand.Rand) uint64 { return uint64(r.Uint32() & 0xffff) }},
	{"bf16", "b16", 8, -126, 127, halfValue(8, 7), halfBits(8, 7), func(r *rand.Rand) uint64 { return uint64(r.Uint32() & 0xffff) }},
}

// halfValue is the value of a 16-bit float, by the definition of its fields.
func halfValue(exp, mant int) func(uint64) float64 {
	return func(v uint64) float64 {
		sign := 1 - 2*float64(v>>15)
		e, m := int(v>>mant&(1<<exp-1)), float64(v&(1<<mant-1))
		bias := 1<<(exp-1) - 1
		switch e {
		case 0:
			return sign * math.Ldexp(m, 1-bias-mant)
		case 1<<exp - 1:
			if m != 0 {
				return math.NaN()
			}
			return math.Inf(int(sign))
		}
		return sign * math.Ldexp(m+math.Ldexp(1, mant), e-bias-mant)
	}
}

// halfBits inverts halfValue by a search.
func halfBits(exp, mant int) func(float64) uint64 {
	value := halfValue(exp, mant)
	return func(x float64) uint64 {
		if x != x {
			return 0x7fff
		}
		sign := uint64(0)
		if math.Signbit(x) {
			sign, x = 1<<15, -x
		}
		lo, hi := uint64(0), uint64(1<<exp-1)<<mant
		for lo < hi {
			if mid := (lo + hi) / 2; value(mid) < x {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		return sign | lo
	}
}

var bigModes = map[string]big.RoundingMode{"rn": big.ToNearestEven, "rz": big.ToZero, "rm": big.ToNegativeInf, "rp": big.ToPositiveInf}

// round is the exact value v, which is not 0, in the format.
func (f floatFormat) round(v *big.Float, mode big.RoundingMode) float64 {
	exp := v.MantExp(nil) - 1
	prec := f.prec
	if exp < f.emin {
		prec -= f.emin - exp
	}
	sign := float64(v.Sign())
	up := mode == big.ToPositiveInf && sign > 0 || mode == big.ToNegativeInf && sign < 0
	least := math.Ldexp(1, f.emin-f.prec+1)
	if prec <= 0 {
		abs := new(big.Float).Abs(v)
		if up || mode == big.ToNearestEven && abs.Cmp(new(big.Float).SetMantExp(big.NewFloat(1), f.emin-f.prec)) > 0 {
			return sign * least
		}
		return math.Copysign(0, sign)
	}
	w := new(big.Float).SetMode(mode).SetPrec(uint(prec)).Set(v)
	most := new(big.Float).SetMantExp(new(big.Float).Sub(big.NewFloat(2), big.NewFloat(math.Ldexp(1, 1-f.prec))), f.emax)
	if new(big.Float).Abs(w).Cmp(most) > 0 {
		if up || mode == big.ToNearestEven {
			return math.Inf(int(sign))
		}
		x, _ := most.Float64()
		return sign * x
	}
	x, _ := w.Float64()
	return x
}

func bigOf(x float64) *big.Float { return new(big.Float).SetPrec(5000).SetFloat64(x) }

// nudge is v moved by very little to the side of sign.
func nudge(v *big.Float, sign int) *big.Float {
	d := new(big.Float).SetMantExp(big.NewFloat(float64(sign)), v.MantExp(nil)-400)
	return new(big.Float).SetPrec(5000).Add(v, d)
}

// reference computes op in the format; a is its operands.
func (f floatFormat) reference(op string, mode big.RoundingMode, a []float64) float64 {
	plain := func() float64 { // where the result is not finite and nonzero, float64 arithmetic knows its class and its sign
		switch op {
		case "add":
			return a[0] + a[1]
		case "sub":
			return a[0] - a[1]
		case "mul":
			return a[0] * a[1]
		case "fma":
			return math.FMA(a[0], a[1], a[2])
		case "div":
			return a[0] / a[1]
		case "rcp":
			return 1 / a[0]
		}
		return math.Sqrt(a[0])
	}
	for _, x := range a {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return plain()
		}
	}
	zero := func(x, y float64) float64 { // the sum of x and y, which is 0
		switch {
		case x == 0 && y == 0 && math.Signbit(x) == math.Signbit(y):
			return x
		case mode == big.ToNegativeInf:
			return math.Copysign(0, -1)
		}
		return 0
	}
	v := new(big.Float).SetPrec(5000)
	switch op {
	case "add", "sub", "fma":
		x, y, p := a[0], a[1], bigOf(a[0])
		if op == "sub" {
			y = -y
		}
		if op == "fma" {
			p.Mul(p, bigOf(a[1]))
			x, y = math.Copysign(1, a[0])*math.Copysign(1, a[1]), a[2]
			if p.Sign() == 0 {
				x *= 0
			}
		}
		if v.Add(p, bigOf(y)); v.Sign() == 0 {
			return zero(x, y)
		}
	case "mul":
		if a[0] == 0 || a[1] == 0 {
			return plain()
		}
		v.Mul(bigOf(a[0]), bigOf(a[1]))
	case "div", "rcp":
		x, y := 1.0, a[0]
		if op == "div" {
			x, y = a[0], a[1]
		}
		if x == 0 || y == 0 {
			return plain()
		}
		v.SetPrec(300).SetMode(big.ToZero).Quo(bigOf(x), bigOf(y))
		if new(big.Float).SetPrec(5000).Mul(v, bigOf(y)).Cmp(bigOf(x)) != 0 {
			v = nudge(v, v.Sign())
		}
	case "sqrt":
		if a[0] <= 0 {
			return plain()
		}
		v.SetPrec(300).Sqrt(bigOf(a[0]))
		square := new(big.Float).SetPrec(5000).Mul(v, v)
		if c := bigOf(a[0]).Cmp(square); c != 0 {
			v = nudge(v, c)
		}
	}
	return f.round(v, mode)
}

// sample gives bits of a number: any, one of the extreme ones, or one near another.
func (f floatFormat) sample(r *rand.Rand, near uint64) uint64 {
	sign := uint64(r.IntN(2)) << (f.width() - 1)
	inf := f.bits(math.Inf(1))
	one := f.bits(1)
	special := []uint64{0, 1, 2, inf - 1, inf, inf + 1, one, one + 1, one - 1, f.bits(math.Ldexp(1, f.emin)), f.bits(math.Ldexp(1, f.emin)) - 1, f.bits(3), f.bits(math.Ldexp(1, f.prec))}
	switch r.IntN(8) {
	case 0:
		return special[r.IntN(len(special))] | sign
	case 1:
		return near ^ 1<<(f.width()-1) ^ uint64(r.IntN(8))
	case 2: // of moderate size
		return f.bits(math.Ldexp(1, r.IntN(2*f.prec)-f.prec)) + f.random(r)&(1<<(f.prec-1)-1) | sign
	case 3: // small
		return f.random(r)&(1<<(f.prec+1)-1) | sign
	case 4: // few bits: ties are frequent
		return f.bits(math.Ldexp(1, r.IntN(8)-4))&^7 + uint64(r.IntN(16))<<(f.prec-5) | sign
	}
	return f.random(r)
}

func (f floatFormat) width() int { return map[string]int{"b16": 16, "b32": 32, "b64": 64}[f.reg] }

// same says whether bits got are those of want; those of what is no number must be canonical but for f64.
func (f floatFormat) same(got uint64, want float64) bool {
	switch {
	case want != want && f.name == "f64":
		return math.IsNaN(math.Float64frombits(got))
	case want != want:
		return got == map[string]uint64{"f32": nanF, "f16": 0x7fff, "bf16": 0x7fff}[f.name]
	}
	return got == f.bits(want)
}

// TestFloats checks the correctly rounded operations against exact ones.
func TestFloats(t *testing.T) {
	type floatCase struct {
		instruction
		f             floatFormat
		op, mode      string
		ftz, sat, rel bool
	}
	var cases []floatCase
	for _, f := range floatFormats {
		for _, op := range []string{"add", "sub", "mul", "fma", "div", "rcp", "sqrt"} {
			for _, mode := range []string{"rn", "rz", "rm", "rp"} {
				for _, mods := range []string{"", ".ftz", ".sat", ".ftz.sat", ".relu"} {
					c := floatCase{f: f, op: op, mode: mode, ftz: strings.Contains(mods, "ftz"), sat: strings.Contains(mods, "sat"), rel: mods == ".relu"}
					half := f.reg == "b16"
					unary := op == "rcp" || op == "sqrt"
					switch {
					case half && (mode != "rn" || unary || op == "div" || f.name == "bf16" && (c.ftz || c.sat)):
						continue
					case c.rel && (!half || op != "fma"):
						continue
					case f.name == "f64" && mods != "", c.sat && (unary || op == "div"):
						continue
					}
					operands := map[bool]string{true: "a", false: "a, b"}[unary]
					if op == "fma" {
						operands = "a, b, c"
					}
					n := strings.Count(operands, ",") + 1
					c.instruction = instruction{fmt.Sprintf("%s.%s%s.%s d, %s;", op, mode, mods, f.name, operands), f.reg, strings.TrimSpace(strings.Repeat(f.reg+" ", n))}
					cases = append(cases, c)
				}
			}
		}
	}
	list := make([]instruction, len(cases))
	for i, c := range cases {
		list[i] = c.instruction
	}
	b := newBench(t, list)
	r := rand.New(rand.NewPCG(1, 2))
	for i, c := range cases {
		rows := make([][]uint64, 1500)
		n := len(strings.Fields(c.in))
		for j := range rows {
			near := c.f.random(r)
			for range n {
				near = c.f.sample(r, near)
				rows[j] = append(rows[j], near)
			}
			if n == 3 && r.IntN(2) == 0 { // the sum cancels the product
				p := c.f.value(rows[j][0]) * c.f.value(rows[j][1])
				if p-p == 0 && p != 0 {
					p = c.f.round(bigOf(-p), bigModes["rn"])
					rows[j][2] = c.f.bits(p) ^ uint64(r.IntN(4))
				}
			}
		}
		flush := func(x float64) float64 {
			if c.ftz && math.Abs(x) < math.Ldexp(1, c.f.emin) {
				return math.Copysign(0, x)
			}
			return x
		}
		bad := 0
		for j, got := range b.run(i, c.instruction, rows) {
			var a []float64
			for _, v := range rows[j] {
				a = append(a, flush(c.f.value(v)))
			}
			want := flush(c.f.reference(c.op, bigModes[c.mode], a))
			if c.sat {
				want = max(0, min(1, want))
				if want != want || want == 0 {
					want = 0
				}
			}
			if c.rel && want <= 0 {
				want = 0
			}
			if !c.f.same(got[0], want) && bad < 3 {
				bad++
				t.Errorf("%s of %#x (%v): got %#x, want %#x (%v)", c.text, rows[j], a, got[0], c.f.bits(want), want)
			}
		}
	}
}

package sim

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestFloatTables(t *testing.T) {
	i := func(text, out, in string, rows ...[]uint64) tabled { return tabled{instruction{text, out, in}, rows} }
	type r = []uint64
	one, two, nan, zero := f32(1), f32(2), uint64(0x7fc00000), uint64(0)
	const minusZero, tiny = 0x80000000, 1
	checkTable(t, []tabled{
		i("min.f32 d, a, b;", "b32", "b32 b32", r{one, two, one}, r{nan, two, two}, r{two, nan, two}, r{nan, nan, nanF}, r{zero, minusZero, minusZero}, r{minusZero, zero, minusZero}, r{f32(-1), f32(-2), f32(-2)}),
		i("max.f32 d, a, b;", "b32", "b32 b32", r{one, two, two}, r{nan, two, two}, r{two, nan, two}, r{nan, nan, nanF}, r{zero, minusZero, zero}, r{minusZero, zero, zero}, r{f32(-1), f32(-2), f32(-1)}),
		i("min.NaN.f32 d, a, b;", "b32", "b32 b32", r{one, two, one}, r{nan, two, nanF}, r{two, nan, nanF}),
		i("max.ftz.f32 d, a, b;", "b32", "b32 b32", r{tiny, minusZero, zero}, r{tiny, one, one}),
		i("min.xorsign.abs.f32 d, a, b;", "b32", "b32 b32", r{f32(-1), two, f32(-1)}, r{f32(-3), f32(-2), two}),
		i("max.f64 d, a, b;", "b64", "b64 b64", r{f64(1), f64(2), f64(2)}, r{0x7ff8000000000000, f64(2), f64(2)}, r{0, 1 << 63, 0}),
		i("min.f64 d, a, b;", "b64", "b64 b64", r{f64(-1), f64(2), f64(-1)}, r{f64(3), 0x7ff8000000000000, f64(3)}, r{0, 1 << 63, 1 << 63}),
		i("max.f16 d, a, b;", "b16", "b16 b16", r{0x3c00, 0x4000, 0x4000}, r{0x7e00, 0x4000, 0x4000}),
		i("min.NaN.f16x2 d, a, b;", "b32", "b32 b32", r{0x3c007e00, 0x40003c00, 0x3c007fff}),
		i("max.bf16x2 d, a, b;", "b32", "b32 b32", r{0x3f807fc0, 0xbf803f80, 0x3f803f80}),
		i("abs.f32 d, a;", "b32", "b32", r{f32(-1), one}, r{minusZero, zero}),
		i("abs.ftz.f32 d, a;", "b32", "b32", r{0x80000001, zero}),
		i("neg.f32 d, a;", "b32", "b32", r{one, f32(-1)}, r{zero, minusZero}),
		i("neg.f64 d, a;", "b64", "b64", r{0, 1 << 63}),
		i("abs.f64 d, a;", "b64", "b64", r{f64(-1), f64(1)}),
		i("neg.f16x2 d, a;", "b32", "b32", r{0x3c00bc00, 0xbc003c00}),
		i("abs.bf16 d, a;", "b16", "b16", r{0xbf80, 0x3f80}),
		i("neg.bf16x2 d, a;", "b32", "b32", r{0x3f80bf80, 0xbf803f80}),
		i("abs.f16 d, a;", "b16", "b16", r{0xbc00, 0x3c00}),
		i("add.sat.f32 d, a, b;", "b32", "b32 b32", r{one, two, one}, r{f32(-1), f32(-1), zero}, r{nan, one, zero}, r{f32(0.25), f32(0.5), f32(0.75)}),
		i("add.f16x2 d, a, b;", "b32", "b32 b32", r{0x3c004000, 0x3c00c000, 0x40000000}, r{0x7bff7bff, 0x7bff1400, 0x7c007bff}),
		i("mul.bf16x2 d, a, b;", "b32", "b32 b32", r{0x40003f80, 0x4040bf80, 0x40c0bf80}),
		i("fma.rn.f16x2 d, a, b, c;", "b32", "b32 b32 b32", r{0x40003c00, 0x42003c00, 0x3c003c00, 0x47004000}),
		i("add.rn.f32.f16 d, a, b;", "b32", "b16 b32", r{0x3c00, f32(math.Ldexp(1, -20)), f32(1 + math.Ldexp(1, -20))}, r{0x7c00, f32(-1), infF}),
		i("sub.rz.f32.bf16 d, a, b;", "b32", "b16 b32", r{0x3f80, f32(math.Ldexp(1, -60)), 0x3f7fffff}, r{0x3f80, one, zero}),
		i("fma.rn.f32.f16 d, a, b, c;", "b32", "b16 b16 b32", r{0x3c01, 0x3c01, f32(-1), 0x3b001000}, r{0x4000, 0x4200, one, f32(7)}),
		// 1 + 2^-23 squared has bits 2^-22 and 2^-46: less than the rounded square leaves just the latter, which two roundings would lose.
		i("fma.rn.f32 d, a, b, c;", "b32", "b32 b32 b32", r{0x3f800001, 0x3f800001, 0xbf800002, f32(math.Ldexp(1, -46))},
			// The product is half-way between two floats; the addend decides, far below what float64 holds beside it.
			r{0x3f800800, 0x3f800800, f32(math.Ldexp(1, -100)), 0x3f801001}, r{0x3f800800, 0x3f800800, f32(-math.Ldexp(1, -100)), 0x3f801000}, r{0x3f800800, 0x3f800800, 0, 0x3f801000}),
		i("rcp.approx.ftz.f32 d, a;", "b32", "b32", r{two, f32(0.5)}, r{tiny, infF}, r{minusZero, 0xff800000}, r{infF, zero}),
		i("rsqrt.approx.f32 d, a;", "b32", "b32", r{f32(4), f32(0.5)}, r{zero, infF}, r{f32(-1), nanF}, r{infF, zero}, r{minusZero, 0xff800000}),
		i("sqrt.approx.f32 d, a;", "b32", "b32", r{f32(4), two}, r{minusZero, minusZero}, r{f32(-1), nanF}),
		i("sin.approx.f32 d, a;", "b32", "b32", r{zero, zero}, r{minusZero, minusZero}, r{infF, nanF}, r{one, f32(0.8414709848078965)}),
		i("cos.approx.ftz.f32 d, a;", "b32", "b32", r{zero, one}, r{one, f32(0.5403023058681398)}),
		i("lg2.approx.f32 d, a;", "b32", "b32", r{f32(8), f32(3)}, r{zero, 0xff800000}, r{f32(-1), nanF}, r{tiny, f32(-149)}),
		i("lg2.approx.ftz.f32 d, a;", "b32", "b32", r{tiny, 0xff800000}),
		i("ex2.approx.f32 d, a;", "b32", "b32", r{f32(3), f32(8)}, r{f32(-149), tiny}, r{f32(200), infF}, r{0xff800000, zero}),
		i("ex2.approx.ftz.f32 d, a;", "b32", "b32", r{f32(-149), zero}),
		i("tanh.approx.f32 d, a;", "b32", "b32", r{zero, zero}, r{infF, one}, r{one, f32(0.7615941559557649)}),
		i("ex2.approx.f16x2 d, a;", "b32", "b32", r{0x42003c00, 0x48004000}),
		i("tanh.approx.bf16 d, a;", "b16", "b16", r{0x7f80, 0x3f80}, r{0x3f80, 0x3f43}),
		i("div.approx.f32 d, a, b;", "b32", "b32 b32", r{one, f32(4), f32(0.25)}, r{f32(1e30), f32(math.Ldexp(1, 127)), zero}, r{infF, f32(math.Ldexp(1, 127)), nanF}),
		i("div.full.f32 d, a, b;", "b32", "b32 b32", r{f32(math.Ldexp(1, 127)), f32(math.Ldexp(1, 127)), one}),
		i("rcp.approx.ftz.f64 d, a;", "b64", "b64", r{f64(4), f64(0.25)}, r{f64(3), 0x3fd5555500000000}),
		i("rsqrt.approx.f64 d, a;", "b64", "b64", r{f64(16), f64(0.25)}),
	})
}

func TestConvertTables(t *testing.T) {
	i := func(text, out, in string, rows ...[]uint64) tabled { return tabled{instruction{text, out, in}, rows} }
	type r = []uint64
	nan := uint64(0x7fc00000)
	checkTable(t, []tabled{
		i("cvt.u64.u32 d, a;", "b64", "b32", r{ones, ones}),
		i("cvt.s64.s32 d, a;", "b64", "b32", r{ones, ones2}),
		i("cvt.u32.u64 d, a;", "b32", "b64", r{ones2 - 1, ones - 1}),
		i("cvt.u32.u16 d, a;", "b32", "b16", r{0xffff, 0xffff}),
		i("cvt.s32.s16 d, a;", "b32", "b16", r{0xffff, ones}),
		i("cvt.s32.s8 d, a;", "b32", "b32", r{0x1ff, ones}, r{0x17f, 0x7f}),
		i("cvt.u32.u8 d, a;", "b32", "b16", r{0x1ff, 0xff}),
		i("cvt.s16.s8 d, a;", "b16", "b16", r{0x1ff, 0xffff}),
		i("cvt.s8.s32 d, a;", "b32", "b32", r{0x1ff, ones}),
		i("cvt.u8.u32 d, a;", "b16", "b32", r{0x1ff, 0xff}),
		i("cvt.u16.u32 d, a;", "b16", "b32", r{0x1ffff, 0xffff}),
		i("cvt.s64.s8 d, a;", "b64", "b16", r{0x80, ones2 - 127}),
		i("cvt.u32.u64 d, a;", "b64", "b64", r{ones2, ones}),
		i("cvt.sat.u8.s32 d, a;", "b32", "b32", r{300, 255}, r{minus(5), 0}, r{7, 7}),
		i("cvt.sat.s8.s32 d, a;", "b32", "b32", r{300, 127}, r{minus(300), minus(128)}),
		i("cvt.sat.s32.u64 d, a;", "b32", "b64", r{ones2, 0x7fffffff}),
		i("cvt.sat.u32.s64 d, a;", "b32", "b64", r{ones2, 0}, r{1 << 40, ones}),
		i("cvt.sat.s32.s64 d, a;", "b32", "b64", r{ones2, ones}, r{1 << 63, 0x80000000}),
		i("cvt.rzi.s32.f32 d, a;", "b32", "b32", r{f32(-1.9), ones}, r{f32(3e9), 0x7fffffff}, r{f32(-3e9), 0x80000000}, r{nan, 0}, r{0xff800000, 0x80000000}),
		i("cvt.rni.s32.f32 d, a;", "b32", "b32", r{f32(2.5), 2}, r{f32(3.5), 4}, r{f32(-2.5), minus(2)}),
		i("cvt.rmi.s32.f32 d, a;", "b32", "b32", r{f32(-1.1), minus(2)}, r{f32(1.9), 1}),
		i("cvt.rpi.s32.f32 d, a;", "b32", "b32", r{f32(-1.1), ones}, r{f32(1.1), 2}),
		i("cvt.rzi.u32.f32 d, a;", "b32", "b32", r{f32(-5), 0}, r{f32(4e9), 4000000000}, r{f32(5e9), ones}, r{nan, 0}),
		i("cvt.rzi.u8.f32 d, a;", "b32", "b32", r{f32(300), 255}, r{f32(-3), 0}, r{f32(77.7), 77}),
		i("cvt.rzi.s16.f32 d, a;", "b16", "b32", r{f32(-4e4), 0x8000}, r{f32(4e4), 0x7fff}),
		i("cvt.rzi.s64.f32 d, a;", "b64", "b32", r{f32(-1e30), 1 << 63}, r{nan, 1 << 63}, r{f32(1 << 40), 1 << 40}),
		i("cvt.rzi.u64.f64 d, a;", "b64", "b64", r{f64(math.Ldexp(1, 63)), 1 << 63}, r{f64(1e30), ones2}, r{f64(-1), 0}, r{0x7ff8000000000000, 1 << 63}),
		i("cvt.rni.s64.f64 d, a;", "b64", "b64", r{f64(-2.5), ones2 - 1}),
		i("cvt.rzi.s32.f64 d, a;", "b32", "b64", r{f64(-2.9), minus(2)}, r{f64(1e10), 0x7fffffff}, r{0x7ff8000000000000, 0x80000000}),
		i("cvt.rzi.s32.f16 d, a;", "b32", "b16", r{0xc580, minus(5)}, r{0x7e00, 0}, r{0x7c00, 0x7fffffff}),
		i("cvt.rni.f32.f32 d, a;", "b32", "b32", r{f32(2.5), f32(2)}, r{f32(-0.4), 0x80000000}, r{f32(1e30), f32(1e30)}, r{nan, nanF}),
		i("cvt.rpi.f64.f64 d, a;", "b64", "b64", r{f64(2.1), f64(3)}, r{f64(-0.5), 1 << 63}),
		i("cvt.rmi.f16.f16 d, a;", "b16", "b16", r{0x3e00, 0x3c00}, r{0xbe00, 0xc000}),
		i("cvt.sat.f32.f32 d, a;", "b32", "b32", r{f32(2), f32(1)}, r{nan, 0}, r{f32(-1), 0}),
		i("cvt.ftz.f32.f32 d, a;", "b32", "b32", r{0x80000001, 0x80000000}),
		i("cvt.f64.f32 d, a;", "b64", "b32", r{1, f64(math.Ldexp(1, -149))}, r{infF, f64(math.Inf(1))}),
		i("cvt.f32.f16 d, a;", "b32", "b16", r{1, f32(math.Ldexp(1, -24))}, r{0xfc00, 0xff800000}, r{0x7c01, nanF}),
		i("cvt.f32.bf16 d, a;", "b32", "b16", r{0xbf80, f32(-1)}),
		i("cvt.rn.bf16x2.f32 d, a, b;", "b32", "b32 b32", r{f32(1), f32(2), 0x3f804000}),
		i("cvt.rz.bf16x2.f32 d, a, b;", "b32", "b32 b32", r{0x3f80ffff, 0xbf80ffff, 0x3f80bf80}),
		i("cvt.rn.relu.bf16x2.f32 d, a, b;", "b32", "b32 b32", r{f32(-1), f32(2), 0x4000}),
		i("cvt.rn.f16x2.f32 d, a, b;", "b32", "b32 b32", r{f32(1), f32(-2), 0x3c00c000}, r{f32(65519), f32(65520), 0x7bff7c00}),
		i("cvt.rz.f16x2.f32 d, a, b;", "b32", "b32 b32", r{f32(1e6), f32(-2), 0x7bffc000}),
		i("cvt.rn.relu.f16.f32 d, a;", "b16", "b32", r{f32(-1), 0}, r{f32(2), 0x4000}),
		i("cvt.rn.satfinite.f16x2.f32 d, a, b;", "b32", "b32 b32", r{infF, 0xff800000, 0x7bfffbff}),
		i("cvt.rna.tf32.f32 d, a;", "b32", "b32", r{0x3f800fff, 0x3f800000}, r{0x3f801000, 0x3f802000}, r{0xbf801000, 0xbf802000}, r{infF, infF}),
		i("cvt.rn.tf32.f32 d, a;", "b32", "b32", r{0x3f801000, 0x3f800000}, r{0x3f803000, 0x3f804000}),
		i("cvt.rn.satfinite.e4m3x2.f32 d, a, b;", "b16", "b32 b32", r{f32(1), f32(-448), 0x38fe}, r{f32(1000), nan, 0x7e7f}, r{f32(math.Ldexp(1, -9)), f32(0.25), 0x0128}),
		i("cvt.rn.satfinite.e5m2x2.f32 d, a, b;", "b16", "b32 b32", r{f32(1), f32(-57344), 0x3cfb}, r{infF, f32(1e9), 0x7b7b}),
		i("cvt.rn.f16x2.e4m3x2 d, a;", "b32", "b16", r{0x38fe, 0x3c00df00}, r{0x0101, 0x18001800}),
		i("cvt.rn.f16x2.e5m2x2 d, a;", "b32", "b16", r{0x3cfb, 0x3c00fb00}),
		i("cvt.rn.satfinite.e4m3x2.f16x2 d, a;", "b16", "b32", r{0x3c00df00, 0x38fe}),
		i("cvt.pack.sat.u8.s32.b32 d, a, b, c;", "b32", "b32 b32 b32", r{300, minus(5), 0x12345678, 0x5678ff00}),
		i("cvt.pack.sat.s16.s32 d, a, b;", "b32", "b32 b32", r{40000, minus(40000), 0x7fff8000}),
	})
}

// integerValue is the value of a register's low bits as an integer type such as s8.
func integerValue(t string, v uint64) *big.Int {
	n := uint(0)
	fmt.Sscanf(t[1:], "%d", &n)
	x := new(big.Int).SetUint64(v)
	x.And(x, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)))
	if t[0] == 's' && x.Bit(int(n)-1) == 1 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), n))
	}
	return x
}

// TestConversions checks every pair of types that are rounded, or whose range is limited, against exact arithmetic.
func TestConversions(t *testing.T) {
	type pair struct {
		instruction
		to, from, mode string
	}
	var pairs []pair
	integers := map[string]string{"u8": "b32", "s8": "b32", "u16": "b16", "s16": "b16", "u32": "b32", "s32": "b32", "u64": "b64", "s64": "b64"}
	formats := map[string]floatFormat{}
	for _, f := range floatFormats {
		formats[f.name] = f
	}
	add := func(mods, to, toReg, from, fromReg, mode string) {
		pairs = append(pairs, pair{instruction{"cvt." + mods + to + "." + from + " d, a;", toReg, fromReg}, to, from, mode})
	}
	for in, reg := range integers {
		for name, f := range formats {
			for _, mode := range []string{"rn", "rz", "rm", "rp"} {
				add(mode+".", name, f.reg, in, reg, mode)
				add(mode+"i.", in, reg, name, f.reg, mode)
			}
		}
		for other, otherReg := range integers {
			add("", in, reg, other, otherReg, "")
			add("sat.", in, reg, other, otherReg, "sat")
		}
	}
	for _, mode := range []string{"rn", "rz", "rm", "rp"} {
		for _, names := range []string{"f32 f64", "f16 f64", "f16 f32", "bf16 f32"} {
			to, from, _ := strings.Cut(names, " ")
			add(mode+".", to, formats[to].reg, from, formats[from].reg, mode)
		}
	}
	list := make([]instruction, len(pairs))
	for i, p := range pairs {
		list[i] = p.instruction
	}
	b := newBench(t, list)
	r := rand.New(rand.NewPCG(3, 4))
	for i, p := range pairs {
		from, isFloat := formats[p.from]
		to, toFloat := formats[p.to]
		rows := make([][]uint64, 200)
		for j := range rows {
			switch {
			case isFloat && j%2 == 0: // near the whole numbers of the type
				x := math.Ldexp(float64(r.IntN(1<<12)-1<<11), r.IntN(58)-2)
				v := from.round(bigOf(x+math.Ldexp(1, -20)), big.ToNearestEven)
				rows[j] = []uint64{from.bits(v)}
			case isFloat:
				rows[j] = []uint64{from.sample(r, from.random(r))}
			default:
				rows[j] = []uint64{r.Uint64() >> r.IntN(64) << r.IntN(64)}
			}
			switch p.in {
			case "b16":
				rows[j][0] &= 0xffff
			case "b32":
				rows[j][0] &= ones
			}
		}
		bad := 0
		for j, got := range b.run(i, p.instruction, rows) {
			v := rows[j][0]
			var want uint64
			ok := false
			switch {
			case isFloat && toFloat:
				x := from.value(v)
				if x != x || math.IsInf(x, 0) || x == 0 {
					ok = to.same(got[0], x)
					break
				}
				want = to.bits(to.round(bigOf(x), bigModes[p.mode]))
				ok = got[0] == want
			case toFloat:
				x := integerValue(p.from, v)
				if x.Sign() != 0 {
					want = to.bits(to.round(new(big.Float).SetPrec(100).SetInt(x), bigModes[p.mode]))
				}
				ok = got[0] == want
			case isFloat:
				want = wantInteger(p.to, p.from, p.out, from.value(v), p.mode)
				ok = got[0] == want
			default:
				x := integerValue(p.from, v)
				if p.mode == "sat" {
					x = limited(p.to, x)
				}
				want = integerBits(p.to, p.out, x)
				ok = got[0] == want
			}
			if !ok && bad < 3 {
				bad++
				t.Errorf("%s of %#x: got %#x, want %#x", p.text, v, got[0], want)
			}
		}
	}
}

// limited is x brought into the range of the integer type.
func limited(t string, x *big.Int) *big.Int {
	n := uint(0)
	fmt.Sscanf(t[1:], "%d", &n)
	lo, hi := big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), n)
	if t[0] == 's' {
		hi.Rsh(hi, 1)
		lo.Neg(hi)
	}
	hi.Sub(hi, big.NewInt(1))
	switch {
	case x.Cmp(lo) < 0:
		return lo
	case x.Cmp(hi) > 0:
		return hi
	}
	return x
}

// integerBits is the register that has x, cut to the integer type and extended to the register.
func integerBits(t, reg string, x *big.Int) uint64 {
	low := new(big.Int).And(x, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	v := integerValue(t, low)
	v.And(v, new(big.Int).SetUint64(math.MaxUint64>>(64-map[string]uint{"b16": 16, "b32": 32, "b64": 64}[reg])))
	return v.Uint64()
}

// wantInteger is x rounded to a whole number within the range of the type.
func wantInteger(to, from, reg string, x float64, mode string) uint64 {
	switch mode {
	case "rn":
		x = math.RoundToEven(x)
	case "rz":
		x = math.Trunc(x)
	case "rm":
		x = math.Floor(x)
	case "rp":
		x = math.Ceil(x)
	}
	v := new(big.Int)
	switch {
	case x != x && (from == "f64" || to[1:] == "64"):
		n := uint(0)
		fmt.Sscanf(to[1:], "%d", &n)
		return integerBits(to, reg, v.Lsh(big.NewInt(1), n-1))
	case x != x:
		return 0
	case math.IsInf(x, 0):
		v.Lsh(big.NewInt(int64(math.Copysign(1, x))), 100)
	default:
		bigOf(x).Int(v)
	}
	return integerBits(to, reg, limited(to, v))
}

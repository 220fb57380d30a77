package sim

import (
	"math"
	"math/big"

	"palladio/cuda/sim/ptx"
)

// rounding is how a value between two representable ones is rounded.
type rounding uint8

const (
	nearestEven rounding = iota
	towardZero
	downward
	upward
	nearestAway
)

// roundingOf is the rounding that an instruction names; to nearest even when it names none.
func roundingOf(in *ptx.Instr) rounding {
	for _, m := range in.Mods {
		switch m {
		case "rz", "rzi":
			return towardZero
		case "rm", "rmi":
			return downward
		case "rp", "rpi":
			return upward
		case "rna":
			return nearestAway
		}
	}
	return nearestEven
}

// nan32 and nan64 are the values that operations give for what is no number.
var (
	nan32 = math.Float32frombits(0x7fffffff)
	nan64 = math.NaN()
)

// addOdd is x + y, rounded to odd: where the sum is not exact, the last bit is set, so that a second rounding to at most 51 bits in any direction
// gives what rounding the exact sum gives. There must be no overflow. (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008.)
func addOdd(x, y float64) float64 {
	s := x + y
	if s-s != 0 {
		return s
	}
	t := s - x
	e := (x - (s - t)) + (y - t)
	if u := math.Float64bits(s); e != 0 && u&1 == 0 {
		if (e > 0) == (s > 0) {
			u++
		} else {
			u--
		}
		return math.Float64frombits(u)
	}
	return s
}

// to32 rounds x, which is exact or rounded to odd.
func to32(x float64, r rounding) float32 {
	y := float32(x)
	if r == nearestEven || float64(y) == x || x-x != 0 {
		return y
	}
	away := math.Abs(float64(y)) > math.Abs(x) // y is farther from 0 than x
	want := r == upward && x > 0 || r == downward && x < 0
	u := math.Float32bits(y)
	switch {
	case away && !want:
		u--
	case !away && want:
		u++
	}
	return math.Float32frombits(u)
}

// fma32 is x·y + z, rounded once.
func fma32(x, y, z float32, r rounding) float32 {
	p := float64(x) * float64(y) // exact
	if r == nearestEven {
		return fmaNearest(p, float64(z))
	}
	return signedZero(to32(addOdd(p, float64(z)), r), p, float64(z), r)
}

// fmaNearest is p + z rounded to float32, where p is a product of two such numbers.
func fmaNearest(p, z float64) float32 {
	s := p + z
	// Rounding twice errs only where the first result lies half-way between two floats, or below the normal ones.
	if u := math.Float64bits(s); u&0x1fffffff == 0x10000000 || u>>52&0x7ff < 897 {
		return float32(addOdd(p, z))
	}
	return float32(s)
}

// signedZero gives an exact sum x + y = 0 of numbers that are not both zeros of one sign the sign that the rounding asks for: minus when rounding down.
func signedZero(s float32, x, y float64, r rounding) float32 {
	if s == 0 && r == downward && x == -y && !(x == 0 && math.Signbit(x) == math.Signbit(y)) {
		return float32(math.Copysign(0, -1))
	}
	return s
}

// add32 is x + y.
func add32(x, y float32, r rounding) float32 {
	if r == nearestEven {
		return x + y
	}
	return signedZero(to32(addOdd(float64(x), float64(y)), r), float64(x), float64(y), r)
}

// mul32 is x·y.
func mul32(x, y float32, r rounding) float32 { return to32(float64(x)*float64(y), r) }

// div32 is x/y.
func div32(x, y float32, r rounding) float32 {
	q := x / y
	if r == nearestEven || q-q != 0 && (x-x != 0 || y == 0) {
		return q
	}
	// The quotient to 53 bits, made odd where it is not exact, is rounded again.
	return to32(oddQuotient(float64(x), float64(y)), r)
}

// oddQuotient is x/y rounded to odd, for floats that are finite float32s.
func oddQuotient(x, y float64) float64 {
	q := x / y
	return makeOdd(q, math.FMA(-q, y, x)*y) // the remainder is exact but for its magnitude
}

// makeOdd makes q, which is off its exact value by something of the sign of err, odd.
func makeOdd(q, err float64) float64 {
	u := math.Float64bits(q)
	if err == 0 || u&1 == 1 || q == 0 {
		return q
	}
	if (err > 0) == (q > 0) {
		return math.Float64frombits(u + 1)
	}
	return math.Float64frombits(u - 1)
}

// sqrt32 is the square root of x.
func sqrt32(x float32, r rounding) float32 {
	s := math.Sqrt(float64(x))
	if r == nearestEven || s-s != 0 || s == 0 {
		return float32(s)
	}
	return to32(makeOdd(s, math.FMA(-s, s, float64(x))), r)
}

// The operations on float64 with a rounding that the processor does not do by itself go through exact numbers.

// precision holds any sum or product of two float64s, and a product plus a third, exactly.
const precision = 4400

func exact(x float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(x) }

// direct moves y, the nearest float64 to an exact value, to where r rounds that value. side is the sign of the exact value less y.
func direct(y float64, side int, r rounding) float64 {
	down := r == downward || r == towardZero && (y > 0 || y == 0 && side > 0)
	switch {
	case side < 0 && down:
		return math.Nextafter(y, math.Inf(-1))
	case side > 0 && !down:
		return math.Nextafter(y, math.Inf(1))
	}
	return y
}

// fma64 is x·y + z.
func fma64(x, y, z float64, r rounding) float64 {
	s := math.FMA(x, y, z)
	if r == nearestEven || x-x != 0 || y-y != 0 || z-z != 0 {
		return s
	}
	v := exact(x)
	v.Mul(v, exact(y))
	v.Add(v, exact(z))
	if s == 0 && v.Sign() == 0 {
		p := math.Copysign(1, x) * math.Copysign(1, y)
		if (x == 0 || y == 0) && z == 0 && p == math.Copysign(1, z) {
			return s
		}
		if r == downward {
			return math.Copysign(0, -1)
		}
		return 0
	}
	return direct(s, side(v, s), r)
}

// side is the sign of v less the float y.
func side(v *big.Float, y float64) int {
	if math.IsInf(y, 0) {
		return -int(math.Copysign(1, y))
	}
	return v.Cmp(exact(y))
}

// mul64 is x·y.
func mul64(x, y float64, r rounding) float64 {
	p := x * y
	if r == nearestEven || x-x != 0 || y-y != 0 || x == 0 || y == 0 {
		return p
	}
	v := exact(x)
	return direct(p, side(v.Mul(v, exact(y)), p), r)
}

// div64 is x/y.
func div64(x, y float64, r rounding) float64 {
	q := x / y
	if r == nearestEven || x-x != 0 || y-y != 0 || x == 0 || y == 0 {
		return q
	}
	if math.IsInf(q, 0) {
		return direct(q, -int(math.Copysign(1, q)), r)
	}
	v := exact(q)
	v.Mul(v, exact(y))
	s := exact(x)
	return direct(q, s.Cmp(v)*int(math.Copysign(1, y)), r)
}

// sqrt64 is the square root of x.
func sqrt64(x float64, r rounding) float64 {
	s := math.Sqrt(x)
	if r == nearestEven || s-s != 0 || s == 0 {
		return s
	}
	v := exact(s)
	v.Mul(v, v)
	return direct(s, exact(x).Cmp(v), r)
}

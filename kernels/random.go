package kernels

import (
	"fmt"
	"math"
)

// Philox is the counter-based generator Philox 4x32-10: four words that are a function of a 128-bit counter and a 64-bit key.
// Source: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 3.
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	for range 10 {
		hi0, lo0 := mul32(PhiloxM0, counter[0])
		hi1, lo1 := mul32(PhiloxM1, counter[2])
		counter = [4]uint32{hi1 ^ counter[1] ^ key[0], lo1, hi0 ^ counter[3] ^ key[1], lo0}
		key[0] += PhiloxW0
		key[1] += PhiloxW1
	}
	return counter
}

// The multipliers and key increments of Philox 4x32.
const (
	PhiloxM0 = 0xd2511f53
	PhiloxM1 = 0xcd9e8d57
	PhiloxW0 = 0x9e3779b9 // golden ratio
	PhiloxW1 = 0xbb67ae85 // sqrt(3)-1
)

func mul32(a, b uint32) (hi, lo uint32) {
	p := uint64(a) * uint64(b)
	return uint32(p >> 32), uint32(p)
}

// Draw gives block number block of a stream of random words, for the run's seed and step: the Philox words of counter (block, stream,
// step low, step high) under key (seed low, seed high). Every random kernel draws by it, so that element i of a kernel's output is
// the same on every device and for every number of threads, and differs between streams, steps and seeds.
func Draw(seed, step uint64, stream, block uint32) [4]uint32 {
	return Philox([4]uint32{block, stream, uint32(step), uint32(step >> 32)}, [2]uint32{uint32(seed), uint32(seed >> 32)})
}

// maxDraws is the number of words that one stream gives in one step.
const maxDraws = 1 << 34

// Dist is a distribution.
type Dist uint8

// The distributions. Word j of block b is w[4b+j].
const (
	// DistUniform: element i is A + (B-A)·u. F32: u = (w[i]>>8)·2^-24. F64: u = ((w[2i]·2^32 + w[2i+1])>>11)·2^-53. Product and sum are
	// rounded to Type one after the other. u < 1, but the sum may round to B.
	DistUniform Dist = iota
	// DistNormal has mean A and standard deviation B, by Box and Muller: for r = sqrt(-2 ln u), elements 2i and 2i+1 are
	// A + B·r·cos(2πv) and A + B·r·sin(2πv). F32: u = (w[2i]+1)·2^-32 rounded to F32, v = w[2i+1]·2^-32. F64: u and v are (x+1)·2^-53 and x·2^-53
	// of x as for DistUniform, from w[4i], w[4i+1] and w[4i+2], w[4i+3].
	DistNormal
	// DistBernoulli: element i is 1 with probability A, else 0: whether w[i] < A·2^32, rounded to an integer.
	DistBernoulli
	// DistInteger: element i is one of the integers from A to B-1, floor(w[i]·(B-A)/2^32) + A. B-A is at most 2^32, the
	// probabilities differ by at most 2^-32 from equal ones.
	DistInteger
	numDists
)

var distNames = [numDists]string{"uniform", "normal", "bernoulli", "integer"}

func (d Dist) String() string {
	if d >= numDists {
		return fmt.Sprintf("dist(%d)", uint8(d))
	}
	return distNames[d]
}

// Random fills a tensor with random numbers.
//
// Operands: counter U64[2] (the run's seed and the step), out [N].
type Random struct {
	Type   DType // F32 or F64; of DistBernoulli also Bool and U8; of DistInteger only I32 or I64
	Dist   Dist
	A, B   float64 // the distribution's parameters
	N      int
	Stream uint32 // kernels of one plan that draw from different streams are independent
}

// Family is "random".
func (k Random) Family() string { return "random" }

// Operands lists counter and out.
func (k Random) Operands() []Operand {
	return []Operand{{"counter", In, U64, []int{2}}, {"out", Out, k.Type, []int{k.N}}}
}

// Words is the number of random words that an element takes.
func (k Random) Words() int {
	if k.Type == F64 && k.Dist != DistBernoulli {
		return 2
	}
	return 1
}

// Validate checks the type and the parameters.
func (k Random) Validate() error {
	if err := CheckShape("random", []int{k.N}, 0); err != nil {
		return err
	}
	if k.N*k.Words() > maxDraws {
		return fmt.Errorf("random: %d numbers from one stream: want at most %d", k.N, maxDraws/k.Words())
	}
	ok := k.Type == F32 || k.Type == F64
	switch k.Dist {
	case DistUniform:
		if !(k.A <= k.B) || math.IsInf(k.B-k.A, 0) {
			return fmt.Errorf("random uniform: range [%v, %v)", k.A, k.B)
		}
	case DistNormal:
		if !(k.B >= 0) || math.IsInf(k.B, 0) || math.IsNaN(k.A) || math.IsInf(k.A, 0) {
			return fmt.Errorf("random normal: mean %v, standard deviation %v", k.A, k.B)
		}
	case DistBernoulli:
		ok = ok || k.Type == Bool || k.Type == U8
		if !(k.A >= 0 && k.A <= 1) {
			return fmt.Errorf("random bernoulli: probability %v", k.A)
		}
	case DistInteger:
		ok = k.Type == I32 || k.Type == I64
		if !(k.A < k.B) || k.B-k.A > 1<<32 || k.A != math.Floor(k.A) || k.B != math.Floor(k.B) || math.Abs(k.A) > 1<<52 || math.Abs(k.B) > 1<<52 {
			return fmt.Errorf("random integer: range [%v, %v): want integers at most 2^32 apart", k.A, k.B)
		}
		if k.Type == I32 && (k.A < math.MinInt32 || k.B > math.MaxInt32+1) {
			return fmt.Errorf("random integer: range [%v, %v) does not fit i32", k.A, k.B)
		}
	default:
		return fmt.Errorf("random: unknown distribution %s", k.Dist)
	}
	if !ok {
		return fmt.Errorf("random %s: cannot make %s", k.Dist, k.Type)
	}
	return nil
}

// Cost counts ten rounds of Philox as integer work (none), and the transformation's floating-point operations.
func (k Random) Cost() Cost {
	per := int64(0)
	switch k.Dist {
	case DistUniform:
		per = 2
	case DistNormal:
		per = 5
	}
	return Traffic(k, per*int64(k.N))
}

// Tolerance asks for equal bits, but of normal variates, whose logarithm, sine and cosine are approximations.
func (k Random) Tolerance() Tolerance {
	if k.Dist != DistNormal {
		return Tolerance{}
	}
	e := k.Type.Epsilon()
	return Tolerance{Abs: e * (16*k.B + 2*math.Abs(k.A)), Rel: 8 * e}
}

func (k Random) String() string {
	return fmt.Sprintf("random %s(%v,%v) %s %d stream %d", k.Dist, k.A, k.B, k.Type, k.N, k.Stream)
}

// Dropout zeroes elements at random and scales the others:
//
//	y[o, m, i] = x[o, m, i] · (keep[o, i] ? 1/(1-P) : 0)
//
// with keep[j] false where word j of the stream is less than P·2^32 (rounded to an integer), so with probability P. The gradient is the
// same kernel, with the same Stream, on dy. Middle = 1 drops single elements; spatial dropout of [N, H, W, C] has Outer = N, Middle = H·W, Inner =
// C; stochastic depth has Outer = N, Middle = H·W·C, Inner = 1. A dropped element is 0 whatever x is, NaN too. Of F16 and BF16 the factor and
// the product are F32, and the product is then rounded to Type.
//
// Operands: counter U64[2], x [Outer, Middle, Inner], y [Outer, Middle, Inner].
type Dropout struct {
	Type                 DType // F32, F64, F16 or BF16
	Outer, Middle, Inner int
	P                    float64 // probability of dropping, 0 to 1
	Stream               uint32
}

// Family is "dropout".
func (k Dropout) Family() string { return "dropout" }

// Operands lists counter, x and y.
func (k Dropout) Operands() []Operand {
	s := []int{k.Outer, k.Middle, k.Inner}
	return []Operand{{"counter", In, U64, []int{2}}, {"x", In, k.Type, s}, {"y", Out, k.Type, s}}
}

// Validate checks the type, the extents and the probability.
func (k Dropout) Validate() error {
	if err := checkFloat("dropout", k.Type); err != nil {
		return err
	}
	if !(k.P >= 0 && k.P <= 1) {
		return fmt.Errorf("dropout: probability %v: want 0 to 1", k.P)
	}
	if err := CheckShape("dropout", []int{k.Outer, k.Middle, k.Inner}, 0); err != nil {
		return err
	}
	if k.Outer*k.Inner > maxDraws {
		return fmt.Errorf("dropout: %d draws: want at most %d", k.Outer*k.Inner, maxDraws)
	}
	return nil
}

// Threshold is P·2^32 rounded: words below it drop.
func (k Dropout) Threshold() uint64 { return BernoulliThreshold(k.P) }

// BernoulliThreshold is p·2^32 rounded to an integer: a word below it is a success of probability p.
func BernoulliThreshold(p float64) uint64 { return uint64(math.RoundToEven(p * (1 << 32))) }

// Scale is 1/(1-P), rounded to the type of the product; 0 where P is 1.
func (k Dropout) Scale() float64 {
	switch {
	case k.P == 1:
		return 0
	case k.Type == F64:
		return 1 / (1 - k.P)
	}
	return float64(float32(1 / (1 - k.P)))
}

// Cost counts a product an element.
func (k Dropout) Cost() Cost { return Traffic(k, int64(k.Outer*k.Middle*k.Inner)) }

// Tolerance asks for equal bits.
func (k Dropout) Tolerance() Tolerance { return Tolerance{} }

// MayAlias allows y over x.
func (k Dropout) MayAlias(out, in int) bool { return out == 2 && in == 1 }

func (k Dropout) String() string {
	return fmt.Sprintf("dropout %v %s %dx%dx%d stream %d", k.P, k.Type, k.Outer, k.Middle, k.Inner, k.Stream)
}

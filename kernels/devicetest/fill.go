package devicetest

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"palladio/kernels"
)

// Input makes the contents of one operand of a case, the same for every device and run: the generator is seeded by the
// names of the case and of the operand.
func Input(caseName string, o kernels.Operand, f kernels.Fill) ([]byte, error) {
	if err := checkFill(o, f); err != nil {
		return nil, err
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", caseName, o.Name)
	rng := rand.New(rand.NewPCG(h.Sum64(), 0x9e3779b97f4a7c15))
	b := make([]byte, o.Bytes())
	for i := range o.Elems() {
		o.Type.SetValue(b, i, inRange(o.Type, draw(rng, o.Type, f, i)))
	}
	return b, nil
}

func checkFill(o kernels.Operand, f kernels.Fill) error {
	switch f.Kind {
	case kernels.Normal, kernels.Special:
		return nil
	case kernels.Uniform, kernels.Ints:
		if !(f.Lo < f.Hi) {
			return fmt.Errorf("operand %s: fill range [%v, %v) is empty", o, f.Lo, f.Hi)
		}
		return nil
	case kernels.Cycle:
		if len(f.Values) == 0 && o.Elems() > 0 {
			return fmt.Errorf("operand %s: fill cycles over no values", o)
		}
		return nil
	}
	return fmt.Errorf("operand %s: unknown fill %d", o, f.Kind)
}

// draw makes element i. Normal integers are ten times a normal variate, rounded; normal Bools are fair coins.
func draw(rng *rand.Rand, t kernels.DType, f kernels.Fill, i int) float64 {
	switch f.Kind {
	case kernels.Uniform:
		v := f.Lo + (f.Hi-f.Lo)*rng.Float64()
		if !t.Float() {
			v = math.Floor(v)
		}
		return v
	case kernels.Ints:
		return math.Floor(f.Lo + (f.Hi-f.Lo)*rng.Float64())
	case kernels.Cycle:
		return f.Values[i%len(f.Values)]
	case kernels.Special:
		if t.Float() && rng.IntN(3) == 0 {
			s := specials(t)
			return s[rng.IntN(len(s))]
		}
	}
	switch {
	case t == kernels.Bool:
		return float64(rng.IntN(2))
	case t == kernels.U8:
		return float64(rng.IntN(256))
	case t == kernels.U64:
		return float64(rng.Uint64N(1 << 53))
	case !t.Float():
		return math.Round(10 * rng.NormFloat64())
	}
	return rng.NormFloat64()
}

// inRange is v limited to what the narrow integer types hold.
func inRange(t kernels.DType, v float64) float64 {
	switch t {
	case kernels.I32:
		return max(math.MinInt32, min(math.MaxInt32, v))
	case kernels.U8:
		return max(0, min(math.MaxUint8, v))
	}
	return v
}

// specials are the values that go wrong first: zeros of both signs, the smallest and a larger denormal, the smallest and
// largest normal numbers, infinities and NaN.
func specials(t kernels.DType) []float64 {
	var denormal, normal, huge float64
	switch t {
	case kernels.F32:
		denormal, normal, huge = 0x1p-149, 0x1p-126, math.MaxFloat32
	case kernels.F64:
		denormal, normal, huge = 0x1p-1074, 0x1p-1022, math.MaxFloat64
	case kernels.F16:
		denormal, normal, huge = 0x1p-24, 0x1p-14, 65504
	case kernels.BF16:
		denormal, normal, huge = 0x1p-133, 0x1p-126, 0x1.fep127
	}
	v := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1, -1}
	for _, x := range []float64{denormal, 37 * denormal, normal, huge, huge / 4} {
		v = append(v, x, -x)
	}
	return v
}

package fallback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// ulps is the distance of got from want in units of the last place of want, which must be exact to well beyond float32.
func ulps(got float32, want float64) float64 {
	w := float32(want)
	switch {
	case got == w || got != got && w != w:
		if math.IsInf(want, 0) || got != got || math.IsInf(float64(w), 0) {
			return 0
		}
	case got != got || w != w:
		return math.Inf(1)
	case math.IsInf(float64(got), 0) || math.IsInf(float64(w), 0):
		// One past the largest number counts as a rounding error there.
		if math.Abs(want) > 0x1.fffffp127 && math.Abs(float64(got)) > 0x1.fffffp127 && (got > 0) == (want > 0) {
			return 1
		}
		return math.Inf(1)
	}
	unit := math.Ldexp(1, max(math.Ilogb(want), -126)-23)
	if want == 0 {
		unit = 0x1p-149
	}
	return math.Abs(float64(got)-want) / unit
}

// vecBounds are the functions of docs/vector-math.md: the largest error in units of the last place, on the stated range.
var vecBounds = []struct {
	op     kernels.EltOp
	ulp    float64
	lo, hi float32 // everything, if both are 0
}{
	{kernels.Exp, 2, 0, 0},
	{kernels.Exp2, 2, 0, 0},
	{kernels.Expm1, 2, 0, 0},
	{kernels.Log, 2, 0, 0},
	{kernels.Log2, 2, 0, 0},
	{kernels.Log1p, 2, 0, 0},
	{kernels.Tanh, 2, 0, 0},
	{kernels.Erf, 2, 0, 0},
	{kernels.Sin, 2, 0, 0},
	{kernels.Cos, 2, 0, 0},
	{kernels.Tan, 3, 0, 0},
	{kernels.Sigmoid, 3, 0, 0},
	{kernels.Softplus, 3, 0, 0},
	{kernels.SiLU, 4, -87, math.MaxFloat32},
	{kernels.GELU, 6, -13, math.MaxFloat32},
	{kernels.GELUTanh, 4, -1, math.MaxFloat32},
	{kernels.GELUTanh, 30, -5, -1},
}

// sweep calls f with blocks that sample all float32 bit patterns, every stride-th of them.
func sweep(stride uint64, f func(x []float32)) {
	x := make([]float32, 0, 4096)
	for b := uint64(0); b < 1<<32; b += stride {
		x = append(x, math.Float32frombits(uint32(b)))
		if len(x) == cap(x) {
			f(x)
			x = x[:0]
		}
	}
	f(x)
}

// envSweep names the environment variable that sets the sampling of TestVectorMath: every so many-th float32 number, 1 for all.
const envSweep = "PALLADIO_SWEEP"

// TestVectorMath measures the error of each function over a sample of all float32 numbers and prints the table of docs/vector-math.md
// with -v.
func TestVectorMath(t *testing.T) {
	stride := uint64(10007)
	if s := os.Getenv(envSweep); s != "" {
		var err error
		if stride, err = strconv.ParseUint(s, 10, 32); err != nil || stride == 0 {
			t.Fatalf("%s=%s: want a number from 1 on", envSweep, s)
		}
	}
	for _, l := range Levels()[1:] {
		v := vecF32(l)
		for _, b := range vecBounds {
			worst, at := 0.0, float32(0)
			y := make([]float32, 4096)
			sweep(stride, func(x []float32) {
				v.apply(b.op, y[:len(x)], x)
				for i, x := range x {
					if (b.lo != 0 || b.hi != 0) && !(x >= b.lo && x <= b.hi) {
						continue
					}
					if e := ulps(y[i], ref.Apply(b.op, float64(x), 0, 0)); e > worst {
						worst, at = e, x
					}
				}
			})
			t.Logf("%-7s %-10s %.2f ulp at %v", l, b.op, worst, at)
			if worst > b.ulp {
				t.Errorf("%s %s: %.2f ulp at %v, want at most %v", l, b.op, worst, at, b.ulp)
			}
		}
	}
}

// TestVectorPow measures the error of powers on random operands of every magnitude.
func TestVectorPow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x, y, z := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
	for _, l := range Levels()[1:] {
		worst, at := 0.0, ""
		for range 100 {
			for i := range x {
				x[i] = float32(math.Ldexp(rng.Float64()+0.5, rng.IntN(250)-125))
				y[i] = float32(rng.NormFloat64() * 150 / math.Max(1, math.Abs(math.Log2(float64(x[i])))))
				if rng.IntN(4) == 0 {
					x[i], y[i] = -x[i], float32(rng.IntN(9)-4)
				}
			}
			vecF32(l).apply2(kernels.Pow, z, x, y)
			for i := range x {
				if e := ulps(z[i], math.Pow(float64(x[i]), float64(y[i]))); e > worst {
					worst, at = e, fmt.Sprint(x[i], "^", y[i])
				}
			}
		}
		t.Logf("%-7s %-10s %.2f ulp at %s", l, kernels.Pow, worst, at)
		if worst > 1 {
			t.Errorf("%s pow: %.2f ulp at %s, want at most 1", l, worst, at)
		}
	}
}

// TestAssemblyKeepsToItsLevel requires that AVX2 routines use no register or mask that only AVX-512 has.
func TestAssemblyKeepsToItsLevel(t *testing.T) {
	files, err := filepath.Glob("vec*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatal("no assembly found", err)
	}
	text, wide := regexp.MustCompile(`^TEXT ·(\w+)`), regexp.MustCompile(`\b([XY](1[6-9]|2\d|3[01])|Z\d+|K[0-7])\b`)
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for line := range strings.Lines(string(src)) {
			if m := text.FindStringSubmatch(line); m != nil {
				name = m[1]
			}
			if strings.HasSuffix(name, "AVX2") && wide.MatchString(line) {
				t.Errorf("%s: %s uses AVX-512: %s", f, name, strings.TrimSpace(line))
			}
		}
	}
}

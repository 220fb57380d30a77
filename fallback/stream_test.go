package fallback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"palladio/kernels"
)

// TestStreamPastCaches compares the loops that bypass the caches with those that do not, at every offset of the result.
func TestStreamPastCaches(t *testing.T) {
	for _, l := range Levels() {
		d := newDevice(t, AtLevel(l), Threads(1))
		if loops := streamLoops32(l); loops != nil {
			testStreamPast(t, d, kernels.F32, loops)
		}
		if loops := streamLoops64(l); loops != nil {
			testStreamPast(t, d, kernels.F64, loops)
		}
	}
}

func testStreamPast[T float](t *testing.T, d *Device, typ kernels.DType, loops *[4]streamFn[T]) {
	r := rand.New(rand.NewPCG(1, 2))
	for op := kernels.StreamCopy; op <= kernels.StreamTriad; op++ {
		for _, n := range []int{1, 15, 64, 300, 1001} {
			for shift := range 17 {
				k := kernels.Stream{Op: op, Type: typ, N: n, Scalar: 1.25}
				x, y := normal[T](r, n), normal[T](r, n)
				past, cached := make([]T, n+40), make([]T, n+40)
				args := []kernels.Arg{kernels.HostArg(x), kernels.HostArg(y), {}}
				if op <= kernels.StreamScale {
					args = args[1:]
					args[0] = kernels.HostArg(x)
				}
				e := newStream[T](d, k, nil)
				args[len(args)-1] = kernels.HostArg(cached[shift : shift+n])
				if err := e.Run(args, kernels.Arg{}); err != nil {
					t.Fatal(err)
				}
				e.past = loops[op]
				args[len(args)-1] = kernels.HostArg(past[shift : shift+n])
				if err := e.Run(args, kernels.Arg{}); err != nil {
					t.Fatal(err)
				}
				for i := range past {
					if diff := math.Abs(float64(past[i] - cached[i])); diff > 4*typ.Epsilon()*(1+math.Abs(float64(cached[i]))) {
						t.Fatalf("%s on %s at offset %d: element %d is %v, want %v", k, d.Name(), shift, i-shift, past[i], cached[i])
					}
				}
			}
		}
	}
}

// BenchmarkStream reports the bandwidth by STREAM's count, on vectors of 64 MiB.
func BenchmarkStream(b *testing.B) {
	const n = 16 << 20
	for _, l := range Levels() {
		for _, threads := range []int{1, 2} {
			d := newDevice(b, AtLevel(l), Threads(threads))
			for op := kernels.StreamCopy; op <= kernels.StreamTriad; op++ {
				k := kernels.Stream{Op: op, Type: kernels.F32, N: n, Scalar: 3}
				b.Run(fmt.Sprintf("%s/t%d/%s", l, threads, op), func(b *testing.B) { benchRates(b, d, k) })
			}
		}
	}
}
